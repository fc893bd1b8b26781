"""The engine's store: what it writes down, and where."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import attrs
import pytest
import trio

from console import storage as storage_module
from console.plan import EnginePlan, FeedPlan, StorePlan
from console.storage import StoredRing, open_storage
from console.stores import catalogue_path
from core.errors import TransientError
from core.store import continuity
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.repository import NOT_STORED, NOT_STREAMED, Gap, SeriesStats
from ringbuf import layout
from ringbuf.writer import RingIdentity, RingWriter
from tests.conformance.ticks import T0, TRADES, ticks
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
