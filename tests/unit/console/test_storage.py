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
from console.storage import open_storage
from console.stores import catalogue_path
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.repository import NOT_STORED, Gap, SeriesStats
from tests.conformance.ticks import TRADES

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

    monkeypatch.setattr(EmbeddedTickStore, "stats", hang)
    monkeypatch.setattr(storage_module, "ANSWER_S", 0.05)
    with trio.fail_after(DEADLINE_S), open_storage(plan) as storage:
        for _ in range(5):
            assert (await storage.inspect())["problem"] == "the store does not answer"
        go.set()
        assert entered <= 2
        with trio.fail_after(DEADLINE_S):
            while (await storage.inspect())["problem"]:
                pass
