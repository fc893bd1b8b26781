"""Recent ticks: read and pushed in memory, in Redis, and fetched from the database when neither has them.

Ours: windows of records in one array or one string. Baselines in the same run: a deque of objects, a Redis list with
one element a tick, the database asked without a cache in front; and what is needed.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import attrs
import numpy as np
import redis

from core.model.records import TRADE, Records, Schema
from core.store.cache.memory import InMemoryTickCache
from core.store.cache.protocol import TickCache
from core.store.cache.redis import RedisTickCache
from core.store.cache.tiered import TieredCache
from core.store.repository import SeriesKey, TickReader
from core.store.ticks import TickRepository
from perf.figures import Figure
from tests.servers.postgres import PostgresServer
from tests.servers.process import NoServerError
from tests.servers.redis import RedisServer

WINDOW: Final = 1000
ROUNDS: Final = 12
TIMES: Final = 150
NEEDED_MEMORY_US: Final = 3.0
NEEDED_REDIS_US: Final = 200.0
NEEDED_MISS_US: Final = 1000.0
SERIES: Final = SeriesKey("KRAKEN", "BTCUSD", Schema.TRADES)
_T0: Final = 1_763_769_600_000_000_000


@attrs.define
class _Tick:
    """A trade as an object of its own."""

    ts_event_ns: int
    price_e9: int
    size: int


def measure() -> list[Figure]:
    """Rows in microseconds a call; less is better. Without a server its rows are left out.

    All share one core: waking a server on another core may cost more than what it is asked, or nothing, from one run
    to the next.
    """
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    figures = _in_memory()
    try:
        for rows in (_in_redis, _from_postgres):
            try:
                figures += rows()
            except NoServerError as error:
                print(f"left out: {error}", file=sys.stderr)
    finally:
        os.sched_setaffinity(0, allowed)
    return figures


def _in_memory() -> list[Figure]:
    cache = TieredCache(InMemoryTickCache(WINDOW))
    ticks = _trades(WINDOW)
    cache.push(SERIES, ticks)
    objects: deque[_Tick] = deque((_tick(record) for record in ticks), maxlen=WINDOW)
    read, sliced = _us(lambda: cache.recent(SERIES, 20), lambda: list(objects)[-20:], 3000)
    figures = [
        Figure("memory: last 20", read, sliced, "us", "a deque of objects, sliced"),
        Figure("memory: last 20", read, NEEDED_MEMORY_US, "us", "what is needed"),
    ]
    for rows in (1, 100):
        pushed, appended = _us(_pushing(cache, ticks, rows), _extending(objects, ticks, rows), TIMES)
        figures.append(Figure(f"memory: push of {rows}", pushed, appended, "us", "objects into a deque"))
    return figures


def _in_redis() -> list[Figure]:
    with _redis() as server, redis.Redis.from_url(server.url) as client:
        cache = RedisTickCache(server.url, WINDOW)
        ticks = _trades(WINDOW)
        cache.push(SERIES, ticks)
        client.rpush("list", *[record.tobytes() for record in ticks])
        figures = []
        for rows in (20, 1000):
            read, listed = _us(partial(cache.recent, SERIES, rows), partial(_from_list, client, rows), TIMES)
            figures += [
                Figure(f"Redis: last {rows}", read, listed, "us", "LRANGE of a list of ticks, joined"),
                Figure(f"Redis: last {rows}", read, NEEDED_REDIS_US, "us", "what is needed"),
            ]
        for rows in (1, 100):
            again = _following(ticks, rows)
            pushed, listed = _us(_pushing(cache, ticks, rows), partial(_to_list, client, again), TIMES)
            figures.append(Figure(f"Redis: push of {rows}", pushed, listed, "us", "RPUSH, LTRIM, EXPIRE"))
        cache.close()
    return figures


def _from_postgres() -> list[Figure]:
    from core.store.postgres.connection import connect
    from core.store.postgres.migrate import migrate
    from core.store.postgres.reading import PostgresReader
    from core.store.postgres.store import PostgresTickStore

    server = PostgresServer()
    try:
        url = server.make_database("perf")
        with connect(url) as connection:
            migrate(connection)
        store = PostgresTickStore(url)
        store.append(SERIES, _trades(100_000), 100_000)
        store.close()
        reader = PostgresReader(url)
        figures = _missed(reader)
        reader.close()
    finally:
        server.close()
    return figures


def _missed(reader: TickReader) -> list[Figure]:
    with _redis() as server:
        memory = InMemoryTickCache(WINDOW)
        cache = TieredCache(memory, RedisTickCache(server.url))
        repository = TickRepository(reader, cache)

        def miss() -> None:
            memory.clear(SERIES)
            assert len(repository.recent(SERIES, 20)) == 20

        missed, asked = _us(miss, lambda: reader.latest(SERIES, 20), TIMES)
        cache.close()
    return [
        Figure("miss, miss, database, back-fill of 20", missed, asked, "us", "the database without a cache"),
        Figure("miss, miss, database, back-fill of 20", missed, NEEDED_MISS_US, "us", "what is needed"),
    ]


@contextmanager
def _redis() -> Iterator[RedisServer]:
    server = RedisServer()
    try:
        yield server
    finally:
        server.close()


def _pushing(cache: TickCache, ticks: Records, rows: int) -> Callable[[], None]:
    batches = _following(ticks, rows)
    return lambda: cache.push(SERIES, next(batches))


def _extending(objects: deque[_Tick], ticks: Records, rows: int) -> Callable[[], None]:
    batches = _following(ticks, rows)
    return lambda: objects.extend(_tick(record) for record in next(batches))


def _us(ours: Callable[[], Any], theirs: Callable[[], Any], times: int) -> tuple[float, float]:
    # By turns, and the best mean of some rounds: what else ran on the core meanwhile does not count.
    means: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for work, found in zip((ours, theirs), means, strict=True):
            began_ns = time.perf_counter_ns()
            for _ in range(times):
                work()
            found.append((time.perf_counter_ns() - began_ns) / times / 1000)
    return min(means[0]), min(means[1])


def _trades(rows: int) -> Records:
    trades = np.zeros(rows, TRADE)
    trades["length"] = TRADE.itemsize // 4
    trades["publisher_id"] = 61_441
    trades["ts_event"] = _T0 + np.arange(1, rows + 1, dtype=np.uint64) * np.uint64(1000)
    trades["ts_recv"] = trades["ts_event"]
    trades["price"], trades["size"] = 95_000 * 10**9, 12_345
    trades["action"], trades["side"] = b"T", b"B"
    trades["sequence"] = np.arange(1, rows + 1)
    return trades


def _following(ticks: Records, rows: int) -> Iterator[Records]:
    # Batches each of which comes after everything pushed before; made before they are timed.
    batches = []
    first = int(ticks["sequence"][-1])
    for number in range(ROUNDS * TIMES):
        batch = ticks[:rows].copy()
        batch["sequence"] = first + number * rows + np.arange(rows)
        batch["ts_event"] = _T0 + 10**12 * rows + (batch["sequence"].astype(np.uint64) * np.uint64(1000))
        batches.append(batch)
    return iter(batches)


def _tick(record: np.void) -> _Tick:
    return _Tick(int(record["ts_event"]), int(record["price"]), int(record["size"]))


def _from_list(client: redis.Redis, rows: int) -> Records:
    parts: Any = client.lrange("list", -rows, -1)
    return np.frombuffer(b"".join(parts), TRADE)


def _to_list(client: redis.Redis, batches: Iterator[Records]) -> None:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.rpush("list", *[record.tobytes() for record in next(batches)])
        pipeline.ltrim("list", -WINDOW, -1)
        pipeline.expire("list", 3600)
        pipeline.execute()
