"""Checks everything the database keeps of the market's data and says what is wrong; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import psycopg

from core.clock import DAY_NS
from core.errors import PermanentError
from core.model.records import Schema
from core.store.audit import audit
from core.store.coverage import not_live
from core.store.coverage_facts import facts_of
from core.store.postgres.books import PostgresBooks
from core.store.postgres.connection import connect, printable_url
from core.store.postgres.encoding import number
from core.store.postgres.exchange import Exchange
from core.store.postgres.faults import clean, postgres_error
from core.store.postgres.fetched import PostgresFetched
from core.store.postgres.packed import Chunk, chunk_keys, load_chunk
from core.store.postgres.pages import Span, rows_of
from core.store.postgres.partitions import PACKING_S, snapshot
from core.store.postgres.reading import PLANNING, PostgresReader, merged, numbers_of
from core.store.postgres.series import days_of_series, find_series, stored_series
from core.store.postgres.tables import table_of
from core.store.repository import Gap, SeriesKey
from core.store.segment import expected_head
from core.store.verify import ERROR, WARNING, Finding, Severity, VerifyProgress, hole_findings, holes_of


def verify_database(url: str, progress: VerifyProgress | None = None) -> Iterator[Finding]:
    """Read everything that is stored in the database at `url` and compare it with itself and with the series' totals.
    Others may write meanwhile. A day of one series must fit in memory.

    Codes: `rows`, `damaged` (a packed day), `disorder` (in a packed chunk), `invalid`, `misplaced`, `duplicate`,
    `overlap` and `id_gap` are errors; `known_gap` (ids that are missing within a recorded gap) and `quarantine` are
    warnings.

    Raises:
        ConsoleError: the database cannot be read.
    """
    with closing(PostgresBooks(url)) as books, closing(PostgresFetched(url)) as told:
        gaps = books.gaps()
        wanted = {one.series for one in told.fetched()}
        with closing(PostgresReader(url)) as reader:
            known = told.day_extents() if wanted else {}
            for facts in facts_of(reader, books, told, wanted, known=known):
                gaps += not_live(facts)
    exchange = Exchange(connect(url, statement_s=PACKING_S), timeout_s=PACKING_S)
    try:
        exchange.script(PLANNING)
        keys = stored_series(exchange)
        for done, key in enumerate(keys, start=1):
            with snapshot(exchange, table_of(key.schema)):
                yield from _check(exchange, key, gaps)
            if progress is not None:
                progress(done, len(keys))
    except psycopg.Error as error:
        raise postgres_error("verifying", printable_url(url), error) from error
    finally:
        exchange.close()


def _check(exchange: Exchange, series: SeriesKey, gaps: list[Gap]) -> Iterator[Finding]:
    known = find_series(exchange, series)
    assert known is not None, "a series is never deleted"
    holes = holes_of(series, gaps)
    rows = 0
    unreadable = False
    for day in days_of_series(exchange, known.series_id, table_of(series.schema)):
        try:
            packed = _packed(exchange, known.series_id, series.schema, day)
        except PermanentError as error:
            unreadable = True
            yield _finding(ERROR, series, day, "damaged", str(error))
            continue
        start_ns = day * DAY_NS
        loose = list(rows_of(exchange, known.series_id, series.schema, Span(start_ns, start_ns + DAY_NS)))
        whole = merged(series.schema, [*packed, *loose])
        rows += len(whole.records)
        ids = numbers_of(series.schema, whole, reference=known.newest_id)
        yield from _audit(series, day, whole, ids, packed=packed)
        if holes is not None:
            holes.add(day, whole.records, ids)
    yield from hole_findings(series, holes)
    if rows != known.rows and not unreadable:
        message = f"{rows} records are there, {known.rows} were counted"
        yield _finding(ERROR, series, None, "rows", message, abs(rows - known.rows))
    yield from _quarantine(exchange, series)


def _packed(exchange: Exchange, series_id: int, schema: Schema, day: int) -> list[Chunk]:
    # By the day it is filed under, not by its instants: those are what is checked.
    start_ns = day * DAY_NS
    keys = chunk_keys(exchange, series_id, start_ns=start_ns, end_ns=start_ns + DAY_NS)
    return [load_chunk(exchange, series_id, schema, key) for key in keys if key[0] == day]


def _audit(
    series: SeriesKey, day: int, whole: Chunk, ids: np.ndarray[tuple[int], np.dtype[np.int64]], *, packed: list[Chunk]
) -> Iterator[Finding]:
    head = expected_head(series)
    found = audit(np.ascontiguousarray(whole.records), ids, schema=series.schema, day=day, head=head)
    if found.invalid:
        yield _finding(
            ERROR, series, day, "invalid", "records belong to another series or have no time", found.invalid
        )
    if found.misplaced:
        yield _finding(ERROR, series, day, "misplaced", "records are of another day", found.misplaced)
    if found.duplicates:
        code = (
            "overlap" if packed and len(whole.records) > sum(len(chunk.records) for chunk in packed) else "duplicate"
        )
        yield _finding(ERROR, series, day, code, "records are stored twice", found.duplicates)
    late = sum(int((np.diff(chunk.records["ts_event"].view(np.int64)) < 0).sum()) for chunk in packed)
    if late:
        yield _finding(ERROR, series, day, "disorder", "packed records are not in order", late)


def _quarantine(exchange: Exchange, series: SeriesKey) -> Iterator[Finding]:
    found = exchange.run(
        "SELECT reason, count(*) FROM quarantine WHERE venue = $1::text AND symbol = $2::text AND schema = $3::text"
        " GROUP BY 1 ORDER BY 1",
        [series.venue.encode(), series.symbol.encode(), series.schema.value.encode()],
    )
    for reason, rows in found:
        message = f"records were put aside: {clean((reason or b'').decode())}"
        yield _finding(WARNING, series, None, "quarantine", message, number(rows))


def _finding(
    severity: Severity, series: SeriesKey, day: int | None, code: str, message: str, count: int = 1
) -> Finding:
    return Finding(severity=severity, series=series, day=day, code=code, message=message, count=count)
