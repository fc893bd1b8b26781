"""From rings into a cache: real rings, and a sink that remembers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
import trio
import trio.testing

from core.flow.cachefeed import RingKey, consume_to_cache
from core.model.records import Records
from core.store.repository import SeriesKey
from ringbuf import layout
from ringbuf.writer import RingIdentity, RingWriter
from tests.conformance.ticks import TRADES, prices, ticks

CAPACITY = 64
DEADLINE_S = 20


class Sink:
    """Remembers what it was given, with None for each time it was told to forget."""

    def __init__(self) -> None:
        self.seen: list[int | None] = []

    def push(self, series: SeriesKey, records: Records) -> None:
        """Remember the prices."""
        assert series == TRADES
        self.seen += prices(records)

    def clear(self, series: SeriesKey) -> None:
        """Remember that."""
        assert series == TRADES
        self.seen.append(None)


def made_ring(symbol: str = TRADES.symbol) -> tuple[Path, RingWriter]:
    """A small ring of trades."""
    path = layout.directory() / layout.ring_name(symbol, TRADES.venue, schema="trades")
    identity = RingIdentity(
        schema="trades", record_bytes=48, symbol=symbol, venue=TRADES.venue, instrument_id=7, instance="test"
    )
    return path, RingWriter(path, identity, capacity=CAPACITY)


async def seen(sink: Sink, expected: list[int | None]) -> None:
    """Wait until the sink has seen exactly this."""
    with trio.fail_after(DEADLINE_S):
        while sink.seen != expected:
            await trio.sleep(0.005)


@pytest.mark.trio
async def test_everything_in_a_ring_is_pushed() -> None:
    """What a ring already holds comes first, then what is published, in order."""
    path, writer = made_ring()
    writer.push_batch(ticks(range(1, 11)), 10)
    sink = Sink()
    listed = {(path, path.stat().st_ino): TRADES}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: consume_to_cache(lambda: listed, sink, interval_s=0.001))
        await seen(sink, list(range(1, 11)))
        writer.push_batch(ticks(range(11, 41)), 40)
        await seen(sink, list(range(1, 41)))
        nursery.cancel_scope.cancel()
    writer.close()


@pytest.mark.trio
async def test_a_lapped_reader_clears_the_cache() -> None:
    """Trades that were overwritten before they were read make the cache forget what came before them."""
    path, writer = made_ring()
    sink = Sink()
    listed = {(path, path.stat().st_ino): TRADES}
    writer.push_batch(ticks([1]), 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: consume_to_cache(lambda: listed, sink, interval_s=0.001))
        await seen(sink, [1])
        for first in range(2, 302, 50):  # before the reader looks again: nothing here waits
            writer.push_batch(ticks(range(first, first + 50)), first + 49)
        with trio.fail_after(DEADLINE_S):
            while sink.seen[-1] != 301:
                await trio.sleep(0.005)
        nursery.cancel_scope.cancel()
    assert None in sink.seen
    after = sink.seen[len(sink.seen) - sink.seen[::-1].index(None) :]
    assert after == list(range(after[0] or 0, 302))
    writer.close()


@pytest.mark.trio
async def test_what_came_last_is_pushed() -> None:
    """A ring that is listed no longer is read to its end."""
    path, writer = made_ring()
    sink = Sink()
    listed: dict[RingKey, SeriesKey] = {(path, path.stat().st_ino): TRADES}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: consume_to_cache(lambda: dict(listed), sink, interval_s=0.001))
        await seen(sink, [])
        await trio.testing.wait_all_tasks_blocked()
        writer.push_batch(ticks([1]), 1)
        listed.clear()
        await seen(sink, [1])
        nursery.cancel_scope.cancel()
    writer.close()


@pytest.mark.trio
async def test_the_end_waits_for_one_push() -> None:
    """A cache that takes its time holds up the end by one push, not by one of every ring."""
    entered, go = threading.Event(), threading.Event()

    class SlowSink(Sink):
        def push(self, series: SeriesKey, records: Records) -> None:
            entered.set()
            assert go.wait(DEADLINE_S)
            super().push(series, records)

    rings = [made_ring(symbol) for symbol in ("BTCUSD", "ETHUSD", "SOLUSD")]
    for number, (_, writer) in enumerate(rings, start=1):
        writer.push_batch(ticks([number]), number)
    listed = {(path, path.stat().st_ino): TRADES for path, _ in rings}
    sink = SlowSink()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: consume_to_cache(lambda: listed, sink, interval_s=0.001))
        with trio.fail_after(DEADLINE_S):
            await trio.to_thread.run_sync(entered.wait)
        nursery.cancel_scope.cancel()
        go.set()
    assert sink.seen == [1]
    for _, writer in rings:
        writer.close()


@pytest.mark.trio
async def test_a_ring_made_anew_is_followed() -> None:
    """A ring that goes and comes back under its name is another ring; one that is not there yet is no error."""
    path, writer = made_ring()
    sink = Sink()
    listed: dict[RingKey, SeriesKey] = {(path.with_name("none"), 1): TRADES, (path, path.stat().st_ino): TRADES}

    def rings() -> Mapping[RingKey, SeriesKey]:
        return dict(listed)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: consume_to_cache(rings, sink, interval_s=0.001))
        writer.push_batch(ticks([1]), 1)
        await seen(sink, [1])
        writer.close()
        path.unlink(missing_ok=True)
        listed.clear()
        _, writer = made_ring()
        listed[path, path.stat().st_ino] = TRADES
        writer.push_batch(ticks([2]), 2)
        await seen(sink, [1, 2])
        nursery.cancel_scope.cancel()
    writer.close()
