"""The PostgreSQL store on a server of its own, fsync on: inserts, a sustained stream, the latest rows, a large range.

A wake-up that crosses two cores costs up to 0.15 ms on a virtual machine, more than the work of a small statement:
what is small is measured as it comes, and with client and server on one core, which is the cost of the software. The
baseline is what psycopg's own cursors do with tuples and the same columns, in the same run.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

from core.model.publishers import PUBLISHERS
from core.model.records import TRADE, Records, Schema
from core.store.postgres.connection import Connection, connect
from core.store.postgres.migrate import migrate
from core.store.postgres.store import PostgresTickStore
from core.store.postgres.tables import table_of
from core.store.repository import SeriesKey
from perf.figures import Figure
from tests.servers.postgres import PostgresServer

SERIES = SeriesKey("KRAKEN", "BTCUSD", Schema.TRADES)
T0 = 1_763_769_600_000_000_000
BATCH = 8192
SUSTAINED_S = 5.0
READ_ROWS = 1_000_000
LATEST_CALLS = 500
READ_ROUNDS = 3
SIZES = {1: 300, 100: 100, 1000: 30}
"""Rows of an insert, and how often it is measured."""

_COLUMNS = ["series_id", *(kind.name for kind in table_of(Schema.TRADES).columns)]
_NAMES = ", ".join(_COLUMNS)
_INSERT = f"INSERT INTO plain ({_NAMES}) VALUES ({', '.join(['%s'] * len(_COLUMNS))}) ON CONFLICT DO NOTHING"


def measure() -> list[Figure]:
    """Every row of it."""
    server, everywhere = PostgresServer(), os.sched_getaffinity(0)
    try:
        url = server.make_database("perf")
        with connect(url) as connection:
            migrate(connection)
            connection.execute("CREATE TABLE plain (LIKE tick_data INCLUDING ALL)")
        postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
        stream = _Stream()
        figures = [*_sustained(url, stream), *_reads(url, stream)]
        for place, cores in (("", everywhere), (", on one core", {min(everywhere)})):
            for process in (0, postmaster):  # what it starts from now on stays where it is
                os.sched_setaffinity(process, cores)
            for durable in (True, False):
                figures += _inserts(url, stream, place, durable=durable)
            figures += _latest(url, place)
        return figures
    finally:
        os.sched_setaffinity(0, everywhere)
        server.close()


class _Stream:
    # Trades whose ids and times only grow.
    def __init__(self) -> None:
        self.newest = 0

    def take(self, count: int) -> Records:
        batch = _trades(self.newest + 1, count)
        self.newest += count
        return batch


def _trades(first: int, count: int) -> Records:
    made = np.zeros(count, TRADE)
    numbers = np.arange(first, first + count)
    made["length"], made["publisher_id"], made["instrument_id"] = 12, PUBLISHERS["KRAKEN"].publisher_id, 7
    made["ts_event"] = T0 + numbers * 1000
    made["ts_recv"] = made["ts_event"] + np.uint64(5_000_000)
    made["price"] = 65_000_000_000_000 + numbers % 1000 * 10_000_000
    made["size"] = 12_345 + numbers % 977
    made["action"], made["side"], made["flags"] = b"T", b"B", 128
    made["sequence"] = numbers & 0xFFFF_FFFF
    return made


def _tuples(records: Records) -> list[tuple[int, ...]]:
    columns = [
        np.ones(len(records), np.int64), records["instrument_id"], records["ts_in_delta"], records["ts_event"],
        records["sequence"], records["ts_recv"], records["price"], records["size"], records["flags"],
    ]  # fmt: skip
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _inserts(url: str, stream: _Stream, place: str, *, durable: bool) -> Iterator[Figure]:
    store = PostgresTickStore(url, durable=durable)
    kind = "durable" if durable else "synced later"
    with connect(url, durable=durable) as connection:
        for size, calls in SIZES.items():
            ours, baseline = [], []
            for _ in range(calls):
                batch = stream.take(size)
                rows = _tuples(batch)
                ours.append(_seconds(store.append, SERIES, batch, stream.newest))
                baseline.append(_seconds(connection.cursor().executemany, _INSERT, rows))
            yield _figure(f"insert of {size}, {kind}{place}", ours, baseline, "executemany of tuples")
    store.close()


def _sustained(url: str, stream: _Stream) -> Iterator[Figure]:
    for durable in (True, False):
        store = PostgresTickStore(url, durable=durable)
        rows, began = 0, time.perf_counter()
        while time.perf_counter() - began < SUSTAINED_S:
            batch = stream.take(BATCH)
            rows += store.append(SERIES, batch, stream.newest).rows
        store.sync()
        ours = rows / (time.perf_counter() - began)
        store.close()
        with connect(url, durable=durable) as connection:
            tuples = _tuples(stream.take(BATCH))
            baseline = BATCH / _seconds(connection.cursor().executemany, _INSERT, tuples)
        kind = "durable" if durable else "synced at the end"
        work = f"sustained, without duplicates, {kind}"
        yield Figure(work, ours, baseline, "ticks/s", "executemany of 8192 tuples")


def _latest(url: str, place: str) -> Iterator[Figure]:
    store = PostgresTickStore(url)
    with connect(url) as connection:
        for rows in (1, 20):
            ours, baseline = [], []
            query = f"SELECT {_NAMES} FROM tick_data WHERE series_id = 1 ORDER BY ts_event DESC LIMIT {rows}"
            for _ in range(LATEST_CALLS):
                ours.append(_seconds(store.latest, SERIES, rows))
                baseline.append(_seconds(_fetched, connection, query))
            work = "latest price" if rows == 1 else f"last {rows}"
            yield _figure(f"{work}{place}", ours, baseline, "fetchall of tuples")
    store.close()


def _reads(url: str, stream: _Stream) -> Iterator[Figure]:
    store = PostgresTickStore(url)
    end_ns = T0 + (READ_ROWS + 1) * 1000
    query = f"SELECT {_NAMES} FROM tick_data WHERE series_id = 1 AND ts_event < {end_ns} ORDER BY ts_event"
    ours, baseline = [], []
    with connect(url) as connection:
        while stream.newest < READ_ROWS:
            store.append(SERIES, stream.take(BATCH), stream.newest)
        connection.execute("VACUUM ANALYZE tick_data")
        for _ in range(READ_ROUNDS):
            ours.append(_seconds(store.read, SERIES, 0, end_ns))
            baseline.append(_seconds(_fetched, connection, query))
    yield _figure("1 M rows to numpy", ours, baseline, "fetchall of tuples")
    store.close()


def _fetched(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query.encode()).fetchall()


def _seconds(act: Callable[..., object], *arguments: object) -> float:
    began = time.perf_counter()
    act(*arguments)
    return time.perf_counter() - began


def _figure(work: str, ours: list[float], baseline: list[float], against: str) -> Figure:
    return Figure(work, statistics.median(ours) * 1e3, statistics.median(baseline) * 1e3, "ms", against)
