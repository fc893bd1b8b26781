"""What strategies did in paper trading, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.store.postgres.connection import Session
from core.store.strategy_log import StrategyRow, row_of, values_of

ANSWER_S: Final = 10.0
_READING: Final = "reading the strategy log"
_APPEND: Final = """
INSERT INTO live_strategy_log (session_id, line, strategy, strategy_sha256, account, venue, symbol, event, ts_event,
                               side, price, quantity, fee, cash, position, equity, realised_pnl, details)
SELECT session_id, line, strategy, strategy_sha256, account, venue, symbol, event, ts_event,
       side, price, quantity, fee, cash, position, equity, realised_pnl, details
FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
            %s::bigint[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[],
            %s::numeric[], %s::numeric[], %s::jsonb[])
    WITH ORDINALITY AS came (session_id, line, strategy, strategy_sha256, account, venue, symbol, event, ts_event,
                             side, price, quantity, fee, cash, position, equity, realised_pnl, details, number)
ORDER BY number
ON CONFLICT (session_id, line) DO NOTHING
"""
_SELECT: Final = """
SELECT session_id, coalesce(line, 0), strategy, strategy_sha256, account, venue, symbol, event, ts_event, side,
       price::text, quantity::text, fee::text, cash::text, position::text, equity::text, realised_pnl::text,
       details::text, (extract(epoch FROM logged_at) * 1000000)::bigint * 1000
FROM live_strategy_log
"""
_OF_SESSION: Final = "WHERE session_id = %s "
_NEWEST_FIRST: Final = "ORDER BY log_id DESC LIMIT %s"


class PostgresStrategyLog:
    """The log in the database at `url`, which must be migrated. It connects when it is first asked. Implements
    `StrategyLog`; raises as `PostgresBooks` does. A call takes at most about `ANSWER_S` and the time to connect."""

    def __init__(self, url: str) -> None:
        self._session = Session(url, name="ringside strategy log", answer_s=ANSWER_S)

    def append(self, rows: Sequence[StrategyRow]) -> int:
        """Write down those of the rows whose line is not there yet; how many that were. See `StrategyLog`."""
        if not rows:
            return 0
        columns = [list(column) for column in zip(*map(values_of, rows), strict=True)]
        with self._session.use("writing the strategy log") as connection:
            return connection.execute(_APPEND, columns).rowcount

    def newest_line(self, session_id: str) -> int:
        """The highest line of a session of which there is a row; 0 when there is none."""
        query = "SELECT coalesce(max(line), 0) FROM live_strategy_log WHERE session_id = %s"
        with self._session.use(_READING) as connection:
            return sum(line for (line,) in connection.execute(query, (session_id,)))

    def rows(self, session_id: str | None, limit: int) -> list[StrategyRow]:
        """The newest rows, of one session or of all, the newest first."""
        with self._session.use(_READING) as connection:
            if session_id is None:
                found = connection.execute(_SELECT + _NEWEST_FIRST, (limit,)).fetchall()
            else:
                found = connection.execute(_SELECT + _OF_SESSION + _NEWEST_FIRST, (session_id, limit)).fetchall()
        return [row_of(values) for values in found]

    def close(self) -> None:
        """Let the connection go. May be called twice."""
        self._session.close()
