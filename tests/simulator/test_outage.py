"""Both servers away under 5000 ticks a second: the rings, the store and the cache of an engine, at a steady rate.

`RINGSIDE_OUTAGE_S` says how long they stay away, two seconds unless told otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from console.plan import CachePlan, StorePlan
from console.storage import Storage, StoredRing, open_storage
from console.stores import opened_cache
from core.flow.cachefeed import consume_to_cache
from core.model.instruments import Instrument, Product
from core.model.records import Schema
from core.store.cache.tiered import TieredCache
from core.store.postgres.reading import PostgresReader
from core.store.repository import SeriesKey
from ringbuf import layout
from ringbuf.writer import RingIdentity, RingWriter
from tests.conformance.ticks import T0, prices, ticks
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.simulator.test_engine import make_plan

OUTAGE_S = float(os.environ.get("RINGSIDE_OUTAGE_S", "2"))
TICKS_A_SECOND = 5000
SYMBOLS = 10
STEP_S = 0.02
DEADLINE_S = 120 + 10 * OUTAGE_S


class Feed:
    """One ring that grows at a steady rate; trades have ids, quotes have none."""

    def __init__(self, series: SeriesKey) -> None:
        schema = series.schema
        path = layout.directory() / layout.ring_name(series.symbol, series.venue, schema=schema.value)
        identity = RingIdentity(
            schema=schema.value, record_bytes=schema.dtype.itemsize, symbol=series.symbol, venue=series.venue,
            instrument_id=7, instance="test",
        )  # fmt: skip
        self.series = series
        self.pushed = 0
        self.writer = RingWriter(path, identity, capacity=65_536)
        instrument = Instrument(
            venue=series.venue, symbol=series.symbol, venue_symbol=series.symbol, canonical=series.symbol,
            base=series.symbol[:3], quote="USD", settle="USD", product=Product.SPOT, price_decimals=2,
            quantity_decimals=8, price_increment_e9=10**7, quantity_increment_e8=1,
            instrument_id=int(series.symbol[1:3]),
        )  # fmt: skip
        self.ring = StoredRing(path, path.stat().st_ino, series, instrument)

    def grow(self, rows: int) -> None:
        """Publish so many records more."""
        numbers = range(self.pushed + 1, self.pushed + rows + 1)
        with_ids = self.series.schema is Schema.TRADES
        records = ticks(numbers, series=self.series, stamps=[T0 + number * 1000 for number in numbers])
        if not with_ids:
            records["sequence"] = 0
        self.writer.push_batch(records, numbers[-1] if with_ids else 0)
        self.pushed = numbers[-1]


async def publish(feeds: list[Feed], stop: trio.Event) -> None:
    """Let all of them grow until told to stop."""
    rows = max(round(TICKS_A_SECOND * STEP_S / len(feeds)), 1)
    due = trio.current_time()
    while not stop.is_set():
        for feed in feeds:
            feed.grow(rows)
        due += STEP_S
        await trio.sleep_until(due)


async def until(condition: Callable[[], bool]) -> None:
    """Poll."""
    while not condition():
        await trio.sleep(0.02)


@pytest.mark.trio
async def test_nothing_is_lost_while_the_servers_are_away(
    migrated_url: str, redis_url: str, postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    """Afterwards the database has every record once and in order, and the cache is whole."""
    made = [SeriesKey("KRAKEN", f"S{number:02}USD", schema) for number in range(SYMBOLS) for schema in
            (Schema.TRADES, Schema.QUOTES)]  # fmt: skip
    feeds = [Feed(series) for series in made]
    plan = make_plan(store=StorePlan(sync_s=0.5, database_url=migrated_url), cache=CachePlan(redis_url=redis_url))
    stop = trio.Event()
    with trio.fail_after(DEADLINE_S), open_storage(plan) as storage, opened_cache(plan.cache) as cache:
        assert cache is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(storage.consume, lambda: [feed.ring for feed in feeds])
            nursery.start_soon(consume_to_cache, lambda: _trades(feeds), cache)
            nursery.start_soon(publish, feeds, stop)
            await until(lambda: storage.state.rows > 1000)
            await _outage(storage, cache, postgres_server, redis_server)
            await until(lambda: _spill(storage)["mode"] == "direct" and not cache.stats().since_ns)
            stop.set()
            storage.drain()
            await until(lambda: storage.state.rows == sum(feed.pushed for feed in feeds))
            await _assert_cached(cache, feeds)
            nursery.cancel_scope.cancel()
    assert (storage.state.lost, storage.state.duplicates, storage.state.rejected) == (0, 0, 0)
    await trio.to_thread.run_sync(_assert_stored, migrated_url, feeds)
    for feed in feeds:
        feed.writer.close()


async def _outage(storage: Storage, cache: TieredCache, database: PostgresServer, redis: RedisServer) -> None:
    await trio.to_thread.run_sync(database.stop)
    await trio.to_thread.run_sync(redis.kill)
    began = trio.current_time()
    await until(lambda: _spill(storage)["mode"] == "spilling" and cache.stats().since_ns > 0)
    assert _spill(storage)["problem"]
    await trio.sleep_until(began + OUTAGE_S)
    await until(lambda: int(_spill(storage)["spilled_rows"]) > 0)
    assert not storage.state.problem  # what waits on this machine is stored
    await trio.to_thread.run_sync(database.start)
    await trio.to_thread.run_sync(redis.start)


def _trades(feeds: list[Feed]) -> dict[tuple[Path, int], SeriesKey]:
    chosen = [feed.ring for feed in feeds if feed.series.schema is Schema.TRADES]
    return {(ring.path, ring.inode): ring.series for ring in chosen}


def _spill(storage: Storage) -> dict[str, Any]:
    found: dict[str, Any] = storage.describe()["spill"]
    return found


async def _assert_cached(cache: TieredCache, feeds: list[Feed]) -> None:
    for feed in feeds:
        if feed.series.schema is Schema.TRADES:
            expected = list(range(max(feed.pushed - 999, 1), feed.pushed + 1))
            await until(lambda feed=feed, expected=expected: prices(cache.recent(feed.series, 1000)) == expected)  # type: ignore[misc]


def _assert_stored(url: str, feeds: list[Feed]) -> None:
    reader = PostgresReader(url)
    for feed in feeds:
        assert prices(reader.read(feed.series, 0, 2**63 - 1)) == list(range(1, feed.pushed + 1)), feed.series
    reader.close()
