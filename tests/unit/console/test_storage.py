"""The engine's store: what it writes down, and where."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from console import storage as storage_module
from console.plan import EnginePlan, FeedPlan, StorePlan
from console.storage import StoredRing, open_storage
from console.store_rows import SHOWN_GAPS, worth_showing
from console.stores import catalogue_path
from core.errors import TransientError
from core.flow.publish import RingPublisher
from core.model.records import Schema
from core.store import continuity
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.repository import MISSED, NOT_STORED, NOT_STREAMED, Gap, SeriesKey, SeriesStats
from providers.base import Interval
from ringbuf import layout
from ringbuf.writer import RingIdentity, RingWriter
from tests.conformance.ticks import T0, TRADES, bars, ticks
from tests.unit.core.store.test_exporting import instrument

DEADLINE_S = 30
GAP = Gap(series=TRADES, start_ns=1, end_ns=2, rows=3, cause=NOT_STORED)


@pytest.fixture
def plan(tmp_path: Path) -> EnginePlan:
    """An engine that stores in files."""
    return EnginePlan(
        instance="test",
        named=True,
        feeds=(FeedPlan(provider="kraken", simulated=True),),
        data_directory=tmp_path / "data",
        state_directory=tmp_path / "state",
        persist=True,
    )


@pytest.mark.trio
async def test_gaps_of_the_files_are_none_of_the_database(plan: EnginePlan, tmp_path: Path) -> None:
    """Each store knows of its own gaps alone; a database that is away is no reason not to start."""
    with closing(Catalogue(catalogue_path(plan.state_directory))) as catalogue:
        catalogue.record_gap(GAP)
    away = StorePlan(database_url=f"postgresql:///ticks?host={tmp_path}")
    found = []
    for store in (StorePlan(), away):
        with trio.fail_after(DEADLINE_S), open_storage(attrs.evolve(plan, store=store)) as storage:
            found.append(await storage.inspect())
    assert [gap["rows"] for gap in found[0]["gaps"]] == [GAP.rows]
    assert not found[0]["problem"]
    assert found[1]["gaps"] == []
    assert found[1]["problem"]


@pytest.mark.trio
async def test_bars_of_a_ring_are_stored(plan: EnginePlan) -> None:
    """Bars that a feed publishes are stored as they are, and are counted apart from all else."""
    sold, made = attrs.evolve(instrument(1), venue=TRADES.venue, symbol=TRADES.symbol), bars([T0, T0 + 1, T0 + 2])
    series = SeriesKey(sold.venue, sold.symbol, Schema.BARS_1M)
    publisher = RingPublisher(layout.directory(), instance="test", named=True)
    with closing(publisher):
        publisher.channel(sold, series.schema).push(made.tobytes())
        (ring,) = publisher.rings()
        stored = StoredRing(ring.writer.path, ring.inode, series, sold)
        with trio.fail_after(DEADLINE_S), open_storage(plan) as storage:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(storage.consume, lambda: [stored])
                while storage.state.rows < len(made):
                    await trio.sleep(0.005)
                storage.drain()
            totals = storage.totals()
            assert (totals["rows"], totals["quotes"]["rows"], totals["bars"]["rows"]) == (0, 0, len(made))
            assert [(row["schema"], row["rows"]) for row in (await storage.inspect())["series"]] == [("ohlcv-1m", 3)]


@pytest.mark.trio
async def test_a_store_that_hangs_is_not_waited_for(plan: EnginePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a store is asked that does not answer, each question ends, and few threads are left in it."""
    go, entered = threading.Event(), 0

    def hang(_self: EmbeddedTickStore) -> list[SeriesStats]:
        nonlocal entered
        entered += 1
        assert go.wait(DEADLINE_S)
        return []

    monkeypatch.setattr(storage_module, "ANSWER_S", 0.05)
    with trio.fail_after(DEADLINE_S), open_storage(plan) as storage:
        monkeypatch.setattr(EmbeddedTickStore, "stats", hang)
        for _ in range(5):
            assert (await storage.inspect())["problem"] == "the store does not answer"
        go.set()
        assert entered <= 2
        with trio.fail_after(DEADLINE_S):
            while (await storage.inspect())["problem"]:
                pass


class Ring:
    """A ring of trades as a feed would publish it."""

    def __init__(self) -> None:
        path = layout.directory() / layout.ring_name(TRADES.symbol, TRADES.venue, schema=TRADES.schema.value)
        identity = RingIdentity(
            schema=TRADES.schema.value, record_bytes=TRADES.schema.dtype.itemsize, symbol=TRADES.symbol,
            venue=TRADES.venue, instrument_id=7, instance="test",
        )  # fmt: skip
        self.writer = RingWriter(path, identity, capacity=256)
        self.stored = StoredRing(path, path.stat().st_ino, TRADES, instrument(1))


async def store_trades(plan: EnginePlan, ids: range) -> None:
    """Run the store of an engine until it has these trades."""
    ring = Ring()
    ring.writer.push_batch(ticks(ids), ids[-1])
    try:
        with trio.fail_after(DEADLINE_S), open_storage(plan) as storage:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(storage.consume, lambda: [ring.stored])
                while storage.state.rows < len(ids):
                    await trio.sleep(0.005)
                storage.drain()
    finally:
        ring.writer.close()


@pytest.mark.trio
async def test_a_gap_that_cannot_be_recorded_is_tried_again(
    plan: EnginePlan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While the catalogue is locked trades are stored all the same, and the gap is recorded when it is free."""
    await store_trades(plan, range(1, 11))
    record, failures = Catalogue.record_gap, [TransientError("recording a gap", "it is locked")] * 2
    tried = trio.Event()

    def locked(self: Catalogue, gap: Gap) -> None:
        if failures:
            raise failures.pop()
        record(self, gap)
        trio.from_thread.run_sync(tried.set)

    monkeypatch.setattr(Catalogue, "record_gap", locked)
    monkeypatch.setattr(continuity, "GRACE_S", 0.0)
    monkeypatch.setattr(storage_module, "DESCRIBE_S", 0.001)
    ring = Ring()
    ring.writer.push_batch(ticks(range(21, 31)), 30)
    with trio.fail_after(DEADLINE_S), open_storage(plan) as storage:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(storage.consume, lambda: [ring.stored])
            await tried.wait()
            assert storage.state.problem == ""
            (gap,) = (await storage.inspect())["gaps"]
            storage.drain()
    ring.writer.close()
    assert (gap["rows"], gap["cause"], gap["end_ns"]) == (10, NOT_STREAMED, T0 + 21_000)
    assert [text.count("locked") for text in caplog.messages if "gap" in text] == [1, 1]


@pytest.mark.trio
async def test_a_gap_that_is_seen_last_is_recorded(plan: EnginePlan) -> None:
    """An engine that ends before the time of grace is over still records what was missing, once."""
    for ids in (range(1, 11), range(21, 31), range(31, 41)):
        await store_trades(plan, ids)
    with closing(Catalogue(catalogue_path(plan.state_directory))) as catalogue:
        assert [(gap.rows, gap.cause) for gap in catalogue.gaps()] == [(10, NOT_STREAMED)]


def told(first: int, last: int, **changes: Any) -> Interval:
    """What a provider says of trades that did not come."""
    interval = Interval(
        venue=TRADES.venue, symbol=TRADES.symbol, start_ns=T0 + (first - 1) * 1000, end_ns=T0 + (last + 1) * 1000,
        cause="disconnect", recovered=0, lost=last - first + 1, first_id=first, last_id=last, reason="refused",
    )  # fmt: skip
    return attrs.evolve(interval, **changes)


def written(plan: EnginePlan) -> list[tuple[int, int, str, str]]:
    """Rows, recovered, cause and reason of the gaps in the catalogue."""
    with closing(Catalogue(catalogue_path(plan.state_directory))) as catalogue:
        return [(gap.rows, gap.recovered, gap.cause, gap.reason) for gap in catalogue.gaps()]


@pytest.mark.trio
@pytest.mark.parametrize("late", [False, True])
async def test_what_a_provider_tells_is_recorded_once(plan: EnginePlan, late: bool) -> None:
    """A hole of which its provider tells stands in the books once, with the provider's cause, also when that comes
    later than the trades around it; a hole of which nobody tells was missed."""
    ring, tell = Ring(), trio.Event()
    recovered = told(50, 60, recovered=11, lost=0, reason="")
    listing = [told(11, 20), told(11, 20), recovered, told(70, 80, lost=0), told(0, 0, lost=0, start_ns=T0)]
    ring.writer.push_batch(ticks([*range(1, 11), *range(21, 31), 33]), 33)
    with trio.fail_after(DEADLINE_S), open_storage(plan) as storage:
        async with trio.open_nursery() as nursery:
            if not late:
                tell.set()
            nursery.start_soon(storage.consume, lambda: [ring.stored], lambda: listing if tell.is_set() else ())
            while storage.state.rows < 21:
                await trio.sleep(0.005)
            tell.set()
            while len((await storage.inspect())["gaps"]) < 3:
                await trio.sleep(0.005)
            storage.drain()
        shown = await storage.inspect()
    ring.writer.close()
    assert sorted(written(plan)) == [
        (0, 0, "disconnect", "refused"), (0, 11, "disconnect", ""), (2, 0, MISSED, ""),
        (10, 0, "disconnect", "refused"),
    ]  # fmt: skip
    assert shown["gap_totals"] == {"incomplete": 3, "recovered": 11, "missing": 12}


@pytest.mark.trio
async def test_what_is_told_last_is_recorded_before_the_store_closes(plan: EnginePlan) -> None:
    """What a provider says on its way out, after the last trade was stored, is in the books."""
    ring, listing = Ring(), list[Interval]()
    ring.writer.push_batch(ticks([1, 2, 9]), 9)
    with trio.fail_after(DEADLINE_S), open_storage(plan) as storage:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(storage.consume, lambda: [ring.stored], lambda: listing)
            while storage.state.rows < 3:
                await trio.sleep(0.005)
            listing.append(told(3, 8, cause="the \x1b[2J end\0"))
            storage.drain()
    ring.writer.close()
    assert written(plan) == [(6, 0, "the \\x1b[2J end\\x00", "refused")]


@pytest.mark.trio
async def test_gaps_that_wait_for_a_disk_are_bounded(
    plan: EnginePlan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While the catalogue is locked the newest gaps wait, the others are given up and counted in the log."""
    free = trio.Event()
    record = Catalogue.record_gap

    def locked(self: Catalogue, gap: Gap) -> None:
        if not free.is_set():
            raise TransientError("recording a gap", "it is locked")
        record(self, gap)

    monkeypatch.setattr(Catalogue, "record_gap", locked)
    monkeypatch.setattr(storage_module, "DESCRIBE_S", 0.001)
    monkeypatch.setattr(storage_module, "MOST_WAITING", 2)
    listing = [told(number, number) for number in (2, 4, 6, 8, 10)]
    with trio.fail_after(DEADLINE_S), open_storage(plan) as storage:
        async with trio.open_nursery() as nursery:
            fresh = [listing]
            nursery.start_soon(storage.consume, list, lambda: fresh.pop() if fresh else ())
            while not any("3 gaps will not be recorded" in text for text in caplog.messages):
                await trio.sleep(0.001)
            free.set()
            storage.drain()
    with closing(Catalogue(catalogue_path(plan.state_directory))) as catalogue:
        assert [gap.end_ns - T0 for gap in catalogue.gaps()] == [9000, 11_000]


def test_what_is_missing_is_shown_before_what_was_recovered() -> None:
    """Of many gaps the newest incomplete ones are shown, those recovered in full where there is room, in order."""
    whole = [attrs.evolve(GAP, start_ns=number, rows=0, recovered=1) for number in range(40)]
    lost = [attrs.evolve(GAP, start_ns=100 + number) for number in range(SHOWN_GAPS + 5)]
    assert worth_showing([*lost, *whole]) == lost[5:]
    assert worth_showing([*lost[:3], *whole]) == [*lost[:3], *whole[-SHOWN_GAPS + 3 :]]
    assert worth_showing([whole[0], lost[0], whole[1]]) == [whole[0], lost[0], whole[1]]
    assert worth_showing([]) == []
