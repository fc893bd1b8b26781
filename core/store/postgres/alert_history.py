"""What became of alerts, in PostgreSQL: copies of what catalogues keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.store.alert_history import AlertRow, row_of, texts_of
from core.store.postgres.connection import Session

ANSWER_S: Final = 10.0
_APPEND: Final = """
INSERT INTO alert_history (origin, number, time_ns, instance, rule, subject, severity, state, value, threshold,
                           message)
SELECT %s, number, time_ns, instance, rule, subject, severity, state, value, threshold, message
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
            %s::text[], %s::text[])
    AS came (number, time_ns, instance, rule, subject, severity, state, value, threshold, message)
ORDER BY number
ON CONFLICT (origin, number) DO NOTHING
"""
_SELECT: Final = """
SELECT coalesce(number, 0), time_ns, instance, rule, subject, severity, state, value, threshold, message
FROM alert_history
WHERE time_ns >= %s AND (%s::text IS NULL OR instance = %s) AND (%s::text IS NULL OR rule = %s)
ORDER BY time_ns DESC, alert_id DESC LIMIT %s
"""


class PostgresAlertHistory:
    """The history in the database at `url`, which must be migrated; what is written there is the catalogue's of that
    `origin`. It connects when it is first asked. Implements `AlertHistory`; raises as `PostgresBooks` does. A call
    takes at most about `ANSWER_S` and the time to connect."""

    def __init__(self, url: str, *, origin: str) -> None:
        self.origin = origin
        self._session = Session(url, name="ringside alert history", answer_s=ANSWER_S)

    def append(self, rows: Sequence[AlertRow]) -> None:
        """Write down the rows of which the number is not there yet. They bring the numbers of their catalogue, and
        come with none left out: then all up to `newest` are there. See `AlertHistory`."""
        if not rows:
            return
        columns = zip(*((row.number, row.time_ns, *texts_of(row)) for row in rows), strict=True)
        with self._session.use("copying the history of alerts") as connection:
            connection.execute(_APPEND, (self.origin, *(list(column) for column in columns)))

    def newest(self) -> int:
        """The highest number of the origin of which there is a row; 0 when there is none."""
        query = "SELECT coalesce(max(number), 0) FROM alert_history WHERE origin = %s"
        with self._session.use("reading the history of alerts") as connection:
            return sum(number for (number,) in connection.execute(query, (self.origin,)))

    def rows(
        self, limit: int, *, instance: str | None = None, rule: str | None = None, since_ns: int = 0
    ) -> list[AlertRow]:
        """The newest rows of all origins, the newest first. See `AlertHistory`."""
        arguments = (since_ns, instance, instance, rule, rule, max(limit, 0))
        with self._session.use("reading the history of alerts") as connection:
            return [row_of(values) for values in connection.execute(_SELECT, arguments)]

    def prune(self, before_ns: int) -> int:
        """Remove the rows that are older than that. Only those of the origin: others keep theirs as long as they
        like."""
        query = "DELETE FROM alert_history WHERE origin = %s AND time_ns < %s"
        with self._session.use("pruning the history of alerts") as connection:
            return connection.execute(query, (self.origin, before_ns)).rowcount

    def close(self) -> None:
        """Let the connection go. May be called twice."""
        self._session.close()
