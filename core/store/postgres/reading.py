"""The reading half of the PostgreSQL store, on a connection of its own: beside the writer, or without one."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from typing import Final

import numpy as np
import psycopg

from core.clock import DAY_NS
from core.model.records import Records, Schema
from core.store.dedupe import full_ids
from core.store.postgres.connection import connect, printable_url
from core.store.postgres.encoding import big, number, small
from core.store.postgres.exchange import Exchange
from core.store.postgres.faults import postgres_error
from core.store.postgres.packed import Chunk, chunk_keys, load_chunk
from core.store.postgres.pages import Span, latest_query, parse, rows_of
from core.store.postgres.partitions import snapshot
from core.store.postgres.series import all_stats, days_of_series, find_series, series_names, stored_series
from core.store.postgres.tables import LAST_NS, has_digest, has_id, table_of
from core.store.postgres.wide import rows_in
from core.store.repository import Ids, Numbered, SeriesKey, SeriesStats

TIMEOUT_S: Final = 30.0
_REMEMBERED: Final = 4096
_POSITION: Final = """
SELECT p.position FROM positions p JOIN series USING (series_id)
WHERE venue = $1::text AND symbol = $2::text AND schema = $3::text AND p.writer = $4::text"""


class PostgresReader:
    """Reads the database at `url`; implements `TickReader`. It connects when it is first needed and again after a
    failure. Its methods may be called from any thread and take turns; one question takes at most `TIMEOUT_S`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._exchange: Exchange | None = None
        self._second: Exchange | None = None
        self._numbers: dict[SeriesKey, int] = {}
        self._since: dict[tuple[SeriesKey, int], int] = {}

    def series(self) -> list[SeriesKey]:
        """The series that were begun, in the order of their names.

        Raises:
            TransientError: the server does not answer.
            ConfigurationError: the URL is wrong, or the database is not migrated.
        """
        with self._conversation("reading the series") as exchange:
            return stored_series(exchange)

    def days(self, series: SeriesKey) -> list[int]:
        """The days since the epoch that hold records of a series, ascending. Raises as `series` does."""
        with self._conversation(f"reading the days of {series}") as exchange:
            table = table_of(series.schema)
            with snapshot(exchange, table):
                found = find_series(exchange, series)
                return [] if found is None else days_of_series(exchange, found.series_id, table)

    def read(self, series: SeriesKey, start_ns: int, end_ns: int) -> Records:
        """A copy of the records with `start_ns <= ts_event < end_ns`, ascending. See `TickReader`.

        Raises as `series` does, and:
            PermanentError: a packed day of that time is damaged.
        """
        return self.read_numbered(series, start_ns, end_ns).records

    def read_numbered(self, series: SeriesKey, start_ns: int, end_ns: int) -> Numbered:
        """The same records with their full ids. Raises as `read` does."""
        start_ns, end_ns = max(start_ns, 0), min(end_ns, LAST_NS)
        nothing = Numbered(np.empty(0, series.schema.dtype), np.empty(0, np.int64))
        if end_ns <= start_ns:
            return nothing
        with self._conversation(f"reading {series}") as exchange, snapshot(exchange, table_of(series.schema)):
            found = find_series(exchange, series)
            if found is None:
                return nothing
            sought, span = (found.series_id, series.schema), Span(start_ns, end_ns)
            chunks = list(_packed(exchange, *sought, start_ns=start_ns, end_ns=end_ns))
            chunks += rows_in(exchange, self._another, *sought, span, last_ns=found.last_ns)
            whole = merged(series.schema, chunks)
        return Numbered(whole.records, numbers_of(series.schema, whole, reference=found.newest_id))

    def latest(self, series: SeriesKey, rows: int = 1) -> Records:
        """The last `rows` of what `read` would return of everything. Raises as `read` does."""
        schema = series.schema
        if rows <= 0:
            return np.empty(0, schema.dtype)
        with self._conversation(f"reading the latest of {series}") as exchange:
            series_id = self._numbers.get(series)
            if series_id is None:
                found = find_series(exchange, series)
                if found is None:
                    return np.empty(0, schema.dtype)
                series_id = self._numbers[series] = found.series_id
            # Where the last answer began, unless days were packed or removed since: the server need not look at
            # the partitions before it, which would take it longer than all the rest.
            since_ns = self._since.get((series, rows), 0)
            records = _latest(exchange, series_id, schema, rows, since_ns=since_ns)
            if len(records) < rows and since_ns:
                records = _latest(exchange, series_id, schema, rows, since_ns=0)
            if len(self._since) >= _REMEMBERED:
                self._since.clear()
            self._since[series, rows] = int(records["ts_event"][0]) if len(records) == rows else 0
            return records

    def stats(self) -> list[SeriesStats]:
        """What is stored and what was refused, series by series in the order of their names. Raises as `series`."""
        with self._conversation("reading the totals") as exchange:
            return all_stats(exchange)

    def position(self, series: SeriesKey, writer: str) -> int:
        """How far `writer` has come in the store's `append_at`, 0 when nothing is known: by now, as an append may be
        under way. Raises as `series`."""
        with self._conversation(f"reading a position of {series}") as exchange:
            rows = exchange.run(_POSITION, [*series_names(series), writer.encode()])
            return number(rows[0][0]) if rows else 0

    def close(self) -> None:
        """Let go of the connection. May be called twice; used again it connects again."""
        with self._lock:
            self._disconnect()

    @contextlib.contextmanager
    def _conversation(self, operation: str) -> Iterator[Exchange]:
        with self._lock:
            try:
                if self._exchange is None:
                    self._exchange = self._connected()
                yield self._exchange
            except psycopg.Error as error:
                self._disconnect()
                raise postgres_error(operation, printable_url(self._url), error) from error
            except BaseException:
                self._disconnect()
                raise

    def _connected(self) -> Exchange:
        exchange = Exchange(connect(self._url), timeout_s=TIMEOUT_S)
        exchange.script(PLANNING)
        return exchange

    def _another(self) -> Exchange:
        if self._second is None or self._second.closed:
            self._second = self._connected()
        return self._second

    def _disconnect(self) -> None:
        for exchange in (self._exchange, self._second):
            if exchange is not None:
                exchange.close()
        self._exchange = self._second = None
        self._numbers.clear()
        self._since.clear()


PLANNING: Final = "SET jit = off; SET plan_cache_mode = force_generic_plan"
"""Planning a query over the partitions of a year, or compiling it, costs more than running it."""


def _packed(exchange: Exchange, series_id: int, schema: Schema, *, start_ns: int, end_ns: int) -> Iterator[Chunk]:
    for key in chunk_keys(exchange, series_id, start_ns=start_ns, end_ns=end_ns):
        chunk = load_chunk(exchange, series_id, schema, key)
        stamps = chunk.records["ts_event"]
        first, last = np.searchsorted(stamps, [np.uint64(start_ns), np.uint64(end_ns)])
        yield Chunk(chunk.records[first:last], chunk.identities[first:last])


def merged(schema: Schema, chunks: list[Chunk]) -> Chunk:
    """Chunks, of which what is packed stands before the rows of the tables, as one in the order of reading."""
    filled = [chunk for chunk in chunks if len(chunk.records)]
    if not filled:
        return Chunk(np.empty(0, schema.dtype), np.empty(0, np.int64))
    if len(filled) == 1:
        return filled[0]
    records = np.concatenate([chunk.records for chunk in filled])
    identities = np.concatenate([chunk.identities for chunk in filled])
    ends = [(int(chunk.records["ts_event"][0]), int(chunk.records["ts_event"][-1])) for chunk in filled]
    if all(before[1] < behind[0] for before, behind in itertools.pairwise(ends)):
        return Chunk(records, identities)
    return in_order(schema, Chunk(records, identities))


def in_order(schema: Schema, chunk: Chunk) -> Chunk:
    """The rows in the order in which they are read, if those that came later stand behind those that came before."""
    stamps = chunk.records["ts_event"]
    trades = schema is Schema.TRADES
    order = np.lexsort((chunk.identities, stamps)) if trades else np.argsort(stamps, kind="stable")
    return Chunk(chunk.records[order], chunk.identities[order])


def numbers_of(schema: Schema, chunk: Chunk, *, reference: int) -> Ids:
    """The full id of each row; 0 where the venue gave none. `reference` is an id of the series."""
    if schema.is_bars:
        return np.zeros(len(chunk.records), np.int64)
    known = has_id(chunk.identities)
    numbers = np.where(known, chunk.identities, 0)
    if schema is not Schema.TRADES:
        # Those under a digest have an id all the same, if their sequence says one: it is near those of the others.
        sequences = chunk.records["sequence"]
        digests = has_digest(chunk.identities) & (sequences != 0)
        near = int(numbers.max()) if known.any() else reference
        numbers[digests] = full_ids(sequences[digests], near)
    return numbers


def _latest(exchange: Exchange, series_id: int, schema: Schema, rows: int, *, since_ns: int) -> Records:
    # Of the rows from `since_ns` on the last ones, of packed days too if that is 0.
    table = table_of(schema)
    [row] = exchange.run(latest_query(table), [small(series_id), big(rows), big(since_ns)])
    packed_ns, *columns = row
    chunk, _ = parse(schema, tuple(columns))
    records = chunk.records[::-1].copy()
    complete = len(records) == rows and int(records["ts_event"][0]) > number(packed_ns)
    if complete or packed_ns is None:
        return records
    if since_ns:
        return records[:0]
    with snapshot(exchange, table):
        return _latest_packed(exchange, series_id, schema, rows)


def _latest_packed(exchange: Exchange, series_id: int, schema: Schema, rows: int) -> Records:
    # Day by day backwards, packed or not, until there are enough.
    days = days_of_series(exchange, series_id, table_of(schema))
    parts: list[Records] = []
    for day in reversed(days):
        start_ns = day * DAY_NS
        chunks = list(_packed(exchange, series_id, schema, start_ns=start_ns, end_ns=start_ns + DAY_NS))
        chunks += rows_of(exchange, series_id, schema, Span(start_ns, start_ns + DAY_NS))
        parts.insert(0, merged(schema, chunks).records)
        if sum(map(len, parts)) >= rows:
            break
    return np.concatenate(parts)[-rows:] if parts else np.empty(0, schema.dtype)
