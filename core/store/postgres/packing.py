"""Packs the days that are over: without TimescaleDB into `packed_data`, with it by its own compression.

A day of a table is read, packed, read back and compared, and its partition dropped, all in one transaction: killed
anywhere, nothing is lost and nothing doubled. Others read and write meanwhile, but for the moment of the drop.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

import attrs
import numpy as np
import psycopg

from core.clock import DAY_NS
from core.errors import PermanentError
from core.model.records import Schema
from core.store.postgres.connection import connect, printable_url
from core.store.postgres.encoding import big, number, small
from core.store.postgres.exchange import Exchange
from core.store.postgres.faults import postgres_error
from core.store.postgres.packed import CHUNK_ROWS, Chunk, Packed, chunk_keys, load_chunk, pack, unpack
from core.store.postgres.pages import Span, rows_of
from core.store.postgres.partitions import (
    PACKING_S,
    PARTITIONED,
    Leaf,
    claim,
    is_hypertable,
    leaves_of,
    lock_out,
    size_of,
    touch,
)  # fmt: skip
from core.store.postgres.reading import PLANNING, merged
from core.store.postgres.series import series_by_number
from core.store.postgres.tables import table_of
from core.store.repository import SeriesKey

PACKED: Final = "packed"
COMPRESSED: Final = "compressed by TimescaleDB"
_ATTEMPTS: Final = 3


@attrs.frozen(kw_only=True)
class PackResult:
    """One day, since the epoch, that was packed: of one series, or None for all of a table that TimescaleDB
    compressed. `rows` is 0 where they were not counted; `plain_bytes` is the series' share of the partition."""

    series: SeriesKey | None
    day: int
    rows: int
    plain_bytes: int
    packed_bytes: int
    seconds: float
    method: str


PackProgress = Callable[[int, int, PackResult | None], None]
"""Is told (days done, days in all, what became of the last one: None when it was left for the next time)."""


class _ChangedError(Exception):
    # Rows came while the day was packed.
    pass


def compress(url: str, *, before_day: int, progress: PackProgress | None = None) -> list[PackResult]:
    """Pack every day before `before_day` (since the epoch) of the database at `url` that is not packed yet; rows that
    came late to a packed day are packed with it. Bars are few and stay as they are. A day of one series must fit in
    memory only if rows came late to it.

    Raises:
        TransientError: the server does not answer, or somebody else is packing; the days done so far are packed.
        PermanentError: what was packed does not come back the same; nothing of that day was changed.
        ConfigurationError: the URL is wrong, the database is not migrated, or the role does not own the tables.
    """
    results: list[PackResult] = []
    with packer(url, "packing") as exchange:
        todo = [leaf for table in PARTITIONED for leaf in leaves_of(exchange, table) if leaf.day < before_day]
        for done, leaf in enumerate(todo, start=1):
            packed = _pack_leaf(exchange, leaf)
            results += packed
            if progress is not None:
                progress(done, len(todo), packed[-1] if packed else None)
        for table in PARTITIONED:
            if is_hypertable(exchange, table):
                results += _compress_chunks(exchange, table, before_day)
    return results


@contextlib.contextmanager
def packer(url: str, operation: str) -> Iterator[Exchange]:
    """A connection to the database at `url` for whoever alone packs or removes. Raises as `compress` does."""
    exchange = Exchange(connect(url, statement_s=PACKING_S), timeout_s=PACKING_S)
    try:
        exchange.script(PLANNING)
        claim(exchange)
        yield exchange
    except psycopg.Error as error:
        raise postgres_error(operation, printable_url(url), error) from error
    finally:
        exchange.close()


def _pack_leaf(exchange: Exchange, leaf: Leaf) -> list[PackResult]:
    for _ in range(_ATTEMPTS):
        exchange.script("BEGIN")
        try:
            results = _pack_day(exchange, leaf)
        except _ChangedError:
            exchange.script("ROLLBACK")
        else:
            exchange.script("COMMIT")
            return results
    return []


def _pack_day(exchange: Exchange, leaf: Leaf) -> list[PackResult]:
    began_s = time.monotonic()
    held = _rows_of_leaf(exchange, leaf)
    total, size = sum(held.values()), size_of(exchange, leaf)
    results = []
    for series_id, rows in held.items():
        series = series_by_number(exchange, series_id)
        packed_rows, packed_bytes = _pack_series(exchange, leaf, series_id, series.schema, rows)
        results.append(
            PackResult(
                series=series,
                day=leaf.day,
                rows=packed_rows,
                plain_bytes=size * rows // total,
                packed_bytes=packed_bytes,
                seconds=rows / total,
                method=PACKED,
            )
        )
    lock_out(exchange, leaf.table)
    if _rows_of_leaf(exchange, leaf) != held:
        raise _ChangedError
    for series_id in held:
        touch(exchange, series_id)
    exchange.script(f"DROP TABLE {leaf.name}")
    seconds = time.monotonic() - began_s  # each series has its share of them, by its rows
    return [attrs.evolve(result, seconds=seconds * result.seconds) for result in results]


def _rows_of_leaf(exchange: Exchange, leaf: Leaf) -> dict[int, int]:
    counts = exchange.run(f"SELECT series_id, count(*) FROM {leaf.name} GROUP BY 1 ORDER BY 1")  # noqa: S608 - ours
    return {number(series_id): number(rows) for series_id, rows in counts}


def _pack_series(exchange: Exchange, leaf: Leaf, series_id: int, schema: Schema, rows: int) -> tuple[int, int]:
    # How many rows the day then has, and the bytes they take.
    start_ns = leaf.day * DAY_NS
    end_ns = start_ns + DAY_NS
    stored = [
        load_chunk(exchange, series_id, schema, key)
        for key in chunk_keys(exchange, series_id, start_ns=start_ns, end_ns=end_ns)
    ]
    pages = rows_of(exchange, series_id, schema, Span(start_ns, end_ns))
    expected = rows + sum(len(chunk.records) for chunk in stored)
    if stored:
        pages = _cut(merged(schema, [*stored, *pages]))
        exchange.run(_FORGET, [small(series_id), small(leaf.day)])
    packed_rows = packed_bytes = stamps = identities = 0
    for chunk, page in enumerate(page for page in pages if len(page.records)):
        packed = pack(page)
        _compare(schema, packed, page)
        exchange.run(_STORE, [small(series_id), small(leaf.day), small(chunk), *_values(packed)])
        packed_rows += packed.rows
        packed_bytes += len(packed.records) + len(packed.identities)
        stamps += _sum(page.records["ts_event"])
        identities += _sum(page.identities)
    if packed_rows != expected:
        raise _ChangedError
    if not stored:
        _compare_sums(exchange, leaf, series_id, schema, stamps=stamps, identities=identities)
    return packed_rows, packed_bytes


_FORGET: Final = "DELETE FROM packed_data WHERE series_id = $1::integer AND day = date '1970-01-01' + $2::integer"
_STORE: Final = """
INSERT INTO packed_data (series_id, day, chunk, rows, first_ns, last_ns, records, identities, sha256)
VALUES ($1::integer, date '1970-01-01' + $2::integer, $3::integer, $4::integer, $5::bigint, $6::bigint, $7::bytea,
        $8::bytea, $9::bytea)"""


def _values(packed: Packed) -> list[bytes]:
    return [
        small(packed.rows), big(packed.first_ns), big(packed.last_ns), packed.records, packed.identities,
        packed.sha256,
    ]  # fmt: skip


def _cut(whole: Chunk) -> Iterator[Chunk]:
    for start in range(0, len(whole.records), CHUNK_ROWS):
        end = start + CHUNK_ROWS
        yield Chunk(whole.records[start:end], whole.identities[start:end])


def _compare(schema: Schema, packed: Packed, page: Chunk) -> None:
    back = unpack(
        schema, rows=packed.rows, records=packed.records, identities=packed.identities, sha256=packed.sha256
    )
    if back.records.tobytes() != page.records.tobytes() or not np.array_equal(back.identities, page.identities):
        raise PermanentError("packing", "what was packed does not come back the same")


def _compare_sums(
    exchange: Exchange, leaf: Leaf, series_id: int, schema: Schema, *, stamps: int, identities: int
) -> None:
    # What numpy read against what the server holds, by the server's own arithmetic.
    query = f"""
SELECT sum(ts_event)::text, sum({table_of(schema).identity})::text FROM {leaf.name}
WHERE series_id = $1::integer"""  # noqa: S608 - ours
    [row] = exchange.run(query, [small(series_id)])
    if [int(value or b"0") for value in row] != [stamps, identities]:
        raise _ChangedError


def _sum(values: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    # In two halves, because the sum of 64-bit numbers needs more bits.
    plain = values.astype(np.int64)
    return (int((plain >> 32).sum()) << 32) + int((plain & 0xFFFF_FFFF).sum())


def _compress_chunks(exchange: Exchange, table: str, before_day: int) -> list[PackResult]:
    chunks = exchange.run(
        "SELECT show_chunks::text, pg_total_relation_size(show_chunks), range_start_integer"
        " FROM show_chunks($1::text::regclass, older_than => $2::bigint)"
        " JOIN timescaledb_information.chunks ON format('%I.%I', chunk_schema, chunk_name) = show_chunks::text"
        " WHERE NOT is_compressed ORDER BY 3",
        [table.encode(), big(before_day * DAY_NS)],
    )
    results = []
    for name, size, start_ns in chunks:
        began_s = time.monotonic()
        exchange.run("SELECT compress_chunk($1::text::regclass)::text", [name or b""])
        [[after]] = exchange.run(
            "SELECT sum(after_compression_total_bytes)::bigint FROM chunk_compression_stats($1::text::regclass)"
            " WHERE format('%I.%I', chunk_schema, chunk_name) = $2::text",
            [table.encode(), name or b""],
        )
        results.append(
            PackResult(
                series=None,
                day=number(start_ns) // DAY_NS,
                rows=0,
                plain_bytes=number(size),
                packed_bytes=number(after),
                seconds=time.monotonic() - began_s,
                method=COMPRESSED,
            )
        )
    return results
