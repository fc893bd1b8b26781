"""What was fetched, and what lies in each day, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.clock import DAY_NS
from core.errors import PermanentError
from core.model.records import Records
from core.store.coverage_facts import days_by_series
from core.store.fetched import Fetched, fetched_of, joined, names_of, values_of
from core.store.postgres.connection import Session
from core.store.postgres.faults import clean
from core.store.repository import SeriesKey

_AROUND: Final = """
SELECT fetched_id, venue, symbol, schema, start_ns, end_ns, rows, source, job_id, 0::bigint FROM fetched
WHERE venue = %s AND symbol = %s AND schema = %s AND source = %s AND start_ns <= %s AND end_ns >= %s
ORDER BY fetched_id
"""
_MARK: Final = """
INSERT INTO fetched (venue, symbol, schema, start_ns, end_ns, rows, source, job_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_LIST: Final = """
SELECT venue, symbol, schema, start_ns, end_ns, rows, source, job_id,
       (extract(epoch FROM noted_at) * 1000000)::bigint * 1000
FROM fetched WHERE %(all)s OR (venue = %(venue)s AND symbol = %(symbol)s AND schema = %(schema)s)
ORDER BY venue COLLATE "C", symbol COLLATE "C", schema COLLATE "C", start_ns, end_ns
"""
# What is packed stands beside what is not, by the hour at which it was packed.
_DAYS: Final = """
SELECT venue, symbol, schema, held.day, held.rows, held.first_ns, held.last_ns FROM (
    SELECT series_id, ts_event / %(day_ns)s AS day, count(*) AS rows, min(ts_event) AS first_ns,
           max(ts_event) AS last_ns
    FROM tick_data WHERE ts_event >= %(start_ns)s AND ts_event < %(end_ns)s GROUP BY 1, 2
    UNION ALL
    SELECT series_id, ts_event / %(day_ns)s, count(*), min(ts_event), max(ts_event)
    FROM record_data WHERE ts_event >= %(start_ns)s AND ts_event < %(end_ns)s GROUP BY 1, 2
    UNION ALL
    SELECT series_id, ts_event / %(day_ns)s, count(*), min(ts_event), max(ts_event)
    FROM bar_data WHERE ts_event >= %(start_ns)s AND ts_event < %(end_ns)s GROUP BY 1, 2
    UNION ALL
    SELECT series_id, first_ns / %(day_ns)s, rows, first_ns, last_ns
    FROM packed_data WHERE last_ns >= %(start_ns)s AND first_ns < %(end_ns)s
) AS held JOIN series USING (series_id)
WHERE %(all)s OR (venue = %(venue)s AND symbol = %(symbol)s AND schema = %(schema)s)
"""
_LATEST_NS: Final = 2**63 - 1


class PostgresFetched:
    """The stretches in the database at `url`, which must be migrated. It connects when it is first asked. Raises as
    `PostgresBooks` does."""

    def __init__(self, url: str) -> None:
        self._session = Session(url, name="ringside fetched")

    def mark(self, fetched: Sequence[Fetched]) -> None:
        """Write down stretches; see `FetchedBook`."""
        with self._session.use("writing down what was fetched") as connection, connection.transaction():
            connection.execute("LOCK TABLE fetched IN SHARE ROW EXCLUSIVE MODE")
            for one in fetched:
                where = (*names_of(one.series), one.source, one.end_ns, one.start_ns)
                around = connection.execute(_AROUND, where).fetchall()
                gone, kept = joined({number: fetched_of(row) for number, *row in around}, one)
                connection.execute("DELETE FROM fetched WHERE fetched_id = ANY(%s)", (gone,))
                if kept is not None:
                    connection.execute(_MARK, values_of(kept))

    def fetched(self, series: SeriesKey | None = None) -> list[Fetched]:
        """What was fetched; see `FetchedBook`."""
        with self._session.use("reading what was fetched") as connection:
            rows = connection.execute(_LIST, _meant(series)).fetchall()
        try:
            return [fetched_of(row) for row in rows]
        except (ValueError, TypeError) as error:
            raise PermanentError("reading what was fetched", f"a row makes no sense: {clean(str(error))}") from error

    def day_extents(
        self, series: SeriesKey | None = None, *, start_ns: int = 0, end_ns: int = _LATEST_NS
    ) -> dict[SeriesKey, Records]:
        """What lies in each day of a series, or of all, within a range, as `DAYS`. It is counted, which takes its
        time over many days that are not packed."""
        bounds = {"day_ns": DAY_NS, "start_ns": max(start_ns, 0), "end_ns": min(end_ns, _LATEST_NS)}
        with self._session.use("counting what is stored") as connection:
            return days_by_series(connection.execute(_DAYS, _meant(series) | bounds).fetchall())

    def close(self) -> None:
        """Let go. May be called twice."""
        self._session.close()


def _meant(series: SeriesKey | None) -> dict[str, object]:
    venue, symbol, schema = ("", "", "") if series is None else names_of(series)
    return {"all": series is None, "venue": venue, "symbol": symbol, "schema": schema}
