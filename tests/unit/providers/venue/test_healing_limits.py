"""The healing sink under pressure: floods, slow stores, symbols that leave, connections that flap, killed engines."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from core.clock import NS_PER_S
from core.flow.publish import RingPublisher
from core.model.instruments import Instrument
from core.model.records import TRADE, Schema
from providers.base import TradePage
from providers.connection import ConnectionState, ConnectionStatus
from providers.venue import draining, healing, holes
from providers.venue.healing import HealingSink
from ringbuf import layout
from ringbuf.reader import RingReader
from tests.unit.providers.venue.test_healing import DEADLINE_S, Bench, NumberedPast, Past
from tests.unit.providers.venue.test_holes import BITCOIN, trade

WAITING = 30_000
CAPACITY = 65_536  # of a private ring it leaves 8192 records
SWEEP_S = 0.05


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits, so that the rules and not the figures take the time."""
    monkeypatch.setattr(holes, "GRACE_NS", NS_PER_S // 100)
    monkeypatch.setattr(healing, "LOOK_S", 0.02)
    monkeypatch.setattr(healing, "QUIET_NS", NS_PER_S // 20)


@attrs.define
class SlowStore:
    """Reads a ring as the store does, now and then, and sometimes not for a while."""

    reader: RingReader
    stalls: int = 0
    got: list[int] = attrs.Factory(list)

    async def run(self) -> None:
        """Read until cancelled."""
        for sweep in range(10**9):
            await trio.sleep(SWEEP_S * (8 if self.stalls and sweep % self.stalls == 0 else 1))
            self.sweep()

    def sweep(self) -> None:
        """Read what is there."""
        self.got += self.reader.pop_batch().view(TRADE)["sequence"].tolist()


@attrs.define
class Flood:
    """A private ring with a slow store, and a channel behind whose hole very many trades wait."""

    publisher: RingPublisher
    sink: HealingSink
    store: SlowStore

    @classmethod
    def begin(cls) -> Flood:
        """Trade 2 is missing."""
        publisher = RingPublisher(
            layout.directory(), instance="test", named=False, capacity=CAPACITY, public_symbols=frozenset()
        )
        sink = HealingSink(publisher)
        channel = sink.channel(BITCOIN, Schema.TRADES)
        for each in (1, *range(3, WAITING + 1)):
            channel.push(trade(each), each)
        (ring,) = publisher.rings()
        assert ring.writer.capacity < WAITING // 3
        reader = RingReader(ring.writer.path, name="store", dtype=TRADE, from_oldest=True)
        return cls(publisher, sink, SlowStore(reader, stalls=3))

    def end(self) -> list[int]:
        """What the store got."""
        self.store.sweep()
        self.store.reader.close()
        self.publisher.close()
        return self.store.got


@pytest.mark.trio
async def test_a_flood_never_laps_the_store() -> None:
    """More than three rings full waited for one trade: a store that stalls now and then misses none of it."""
    flood = Flood.begin()
    connection = ConnectionState("KRAKEN")
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood.store.run)
            nursery.start_soon(flood.sink.run, Past(range(9)), connection)
            while len(flood.store.got) < WAITING and not flood.store.reader.lapped:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    assert flood.end() == list(range(1, WAITING + 1))


@pytest.mark.trio
@pytest.mark.parametrize("ending", ["closed", "forgotten"])
async def test_an_end_never_laps_the_store(ending: str) -> None:
    """What waits when the engine stops or the symbol leaves is published as fast as the store takes it."""
    flood = Flood.begin()
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood.store.run)
            await (flood.sink.close() if ending == "closed" else flood.sink.forget("BTCUSD"))
            nursery.cancel_scope.cancel()
    assert flood.end() == [1, *range(3, WAITING + 1)]


@pytest.mark.trio
async def test_an_end_outlives_a_cancellation() -> None:
    """An engine that stops cancels whoever ends its feeds: what waits is published all the same."""
    flood = Flood.begin()
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood.store.run)
            with trio.CancelScope() as scope:
                scope.cancel()
                await flood.sink.close()
            nursery.cancel_scope.cancel()
    assert flood.end() == [1, *range(3, WAITING + 1)]


@pytest.mark.trio
async def test_a_store_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while all is published without it: what the ring cannot hold it counts as lost."""
    monkeypatch.setattr(draining, "PATIENCE_NS", NS_PER_S // 10)
    flood = Flood.begin()
    (ring,) = flood.publisher.rings()
    connection = ConnectionState("KRAKEN")
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood.sink.run, Past(range(9)), connection)
            while ring.writer.committed < WAITING:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    flood.end()


@pytest.mark.trio
async def test_an_end_waits_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that hangs does not keep the engine from stopping."""
    monkeypatch.setattr(draining, "EMPTIED_S", 0.1)
    flood = Flood.begin()
    (ring,) = flood.publisher.rings()
    with trio.fail_after(DEADLINE_S):
        await flood.sink.close()
    assert ring.writer.committed == WAITING - 1
    flood.end()


class HeldPast(NumberedPast):
    """Does not answer before it is let."""

    let: trio.Event

    async def trades_from_id(
        self, instrument: Instrument, *, first_id: int, last_id: int | None = None
    ) -> AsyncIterator[TradePage]:
        """Nothing, in the end."""
        self._answer(first_id, last_id or 0)
        await self.let.wait()
        yield self._page([])


def _quiet(bench: Bench, count: int) -> list[str]:
    # Symbols that brought a trade before the connection was lost and none since.
    symbols = [attrs.evolve(BITCOIN, symbol=f"S{at}USD", venue_symbol=f"S{at}/USD") for at in range(count)]
    for each in symbols:
        bench.sink.channel(each, Schema.TRADES).push(trade(1), 1)
    return [each.symbol for each in symbols]


@pytest.mark.trio
async def test_a_symbol_that_left_is_not_asked_for() -> None:
    """Waiting in line to be asked for, it is unsubscribed: nobody asks for all it ever traded."""
    bench, past = Bench(), HeldPast()
    past.let = trio.Event()
    first, second = _quiet(bench, 2)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.sink.run, past, bench.connection)
            while not past.asked:
                await trio.sleep(0.005)
            await trio.testing.wait_all_tasks_blocked(0.01)
            await bench.sink.forget(first)
            await bench.sink.forget(second)
            past.let.set()
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()
    assert past.asked == [(2, 0)]


@pytest.mark.trio
async def test_who_waits_in_line_for_another_connection_leaves_it() -> None:
    """A connection that flaps does not have the same question asked once for each time."""
    bench, past = Bench(), HeldPast()
    past.let = trio.Event()
    _quiet(bench, 3)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.sink.run, past, bench.connection)
            while not past.asked:
                await trio.sleep(0.005)
            for _ in range(3):
                bench.connection.enter(ConnectionStatus.RECONNECTING)
                bench.connection.enter(ConnectionStatus.CONNECTED)
                await trio.sleep(0.15)
            past.let.set()
            while len(past.asked) < 4:
                await trio.sleep(0.005)
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()
    assert len(past.asked) == 4


@pytest.mark.trio
async def test_who_never_had_a_turn_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue's history is not blamed for questions that nobody asked it."""
    monkeypatch.setattr(holes, "HELD_AT_MOST_NS", NS_PER_S // 2)
    monkeypatch.setattr(healing, "SYMBOLS_AT_ONCE", 1)
    bench, past = Bench(), HeldPast()
    past.let = trio.Event()
    bench.sink = HealingSink(bench.kept)
    symbols = [attrs.evolve(BITCOIN, symbol=f"S{at}USD", venue_symbol=f"S{at}/USD") for at in range(2)]
    for each in symbols:
        channel = bench.sink.channel(each, Schema.TRADES)
        channel.push(trade(1), 1)
        channel.push(trade(3), 3)
    await bench.mend(past, lambda: len(bench.sink.intervals) == 2)
    said = sorted(each.reason.partition(": ")[2] for each in bench.sink.intervals)
    assert said == ["the venue's history does not answer", "too many other symbols were asked for first"]


@pytest.mark.trio
async def test_a_question_ends_when_its_hole_is_closed() -> None:
    """An endless answer is left as soon as nothing more is missing."""
    pages = 0

    class Endless(Past):
        async def trades(self, instrument: Instrument, *, start_ns: int, end_ns: int) -> AsyncIterator[TradePage]:
            nonlocal pages
            for at in range(2, 10**9):
                await trio.lowlevel.checkpoint()
                pages += 1
                yield self._page([at])

    bench = Bench()
    bench.live(1, 5)
    await bench.mend(Endless(), lambda: bench.out == [1, 2, 3, 4, 5])
    bench.live(7)
    await bench.mend(Endless(), lambda: bench.out == [1, 2, 3, 4, 5, 6, 7])
    assert pages == 3 + 5


def _rings(directory: Path) -> RingPublisher:
    return RingPublisher(directory, instance="test", named=False)


def _publish_and_die(directory: Path, *ids: int) -> None:
    pid = os.fork()
    if pid == 0:
        channel = HealingSink(_rings(directory)).channel(BITCOIN, Schema.TRADES)
        for each in ids:
            channel.push(trade(each), each)
        os._exit(9)
    os.waitpid(pid, 0)


@pytest.mark.trio
async def test_a_killed_engine_goes_on_from_its_ring() -> None:
    """The next one finds what was missed in between, and publishes no trade twice."""
    directory = layout.directory()
    _publish_and_die(directory, 1, 2, 3)
    publisher = _rings(directory)
    sink = HealingSink(publisher)
    channel = sink.channel(BITCOIN, Schema.TRADES)
    for each in (2, 3, 6):
        channel.push(trade(each), each)
    (ring,) = publisher.rings()
    connection = ConnectionState("KRAKEN")
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sink.run, Past(range(20)), connection)
            while ring.writer.committed < 6:
                await trio.sleep(0.005)
            nursery.cancel_scope.cancel()
    assert ring.observer.pop_batch().view(TRADE)["sequence"].tolist() == [4, 5, 6]
    assert ring.writer.newest() == (6, trade(6))
    assert [(each.cause, each.recovered) for each in sink.intervals] == [("restart", 2)]
    assert sink.counts()["BTCUSD"].duplicates == 2
    publisher.close()
