"""What a feed tells of trades that its stream did not bring: shown by the engine, written down by its store."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from config.paths import find_paths
from console.feedhost import FeedHost
from console.journal import Journal
from console.plan import EnginePlan
from console.stores import catalogue_path
from console.supervise import Engine
from core.model.records import Schema
from core.store.catalogue import Catalogue
from core.store.history import EmbeddedHistory
from core.store.repository import SeriesKey
from providers.base import Interval
from ringbuf.control import ControlClient
from tests.simulator.test_engine import DEADLINE_S, make_plan, run_until
from tests.unit.console.batch.running import Console

LOST = Interval(
    venue="SIM.KRAKEN", symbol="BTCUSD", start_ns=10**18, end_ns=10**18 + 5, cause="disconnect", recovered=4, lost=3,
    first_id=101, last_id=107, reason="the venue refused",
)  # fmt: skip
RECOVERED = Interval(
    venue="SIM.KRAKEN", symbol="ETHUSD", start_ns=10**18, end_ns=10**18 + 9, cause="skipped", recovered=9, lost=0,
    first_id=11, last_id=19,
)  # fmt: skip
LAST = Interval(
    venue="SIM.KRAKEN", symbol="BTCUSD", start_ns=10**18 + 9, end_ns=10**18 + 11, cause="disconnect", recovered=0,
    lost=1, first_id=109, last_id=109, reason="the engine ended",
)  # fmt: skip


async def tell(plan: EnginePlan, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], dict[str, Any], Engine]:
    """Run an engine whose feed tells of two intervals while it streams and of one when it ends; returns its status
    and what its store says in between, and the engine."""
    told: list[Interval] = []
    monkeypatch.setattr(FeedHost, "intervals", lambda _host: told)
    engine, store = Engine(plan, Journal()), dict[str, Any]()
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            path: Path = await nursery.start(engine.run)
            with closing(ControlClient(path, timeout_s=10)) as client:

                async def ask(operation: str) -> dict[str, Any]:
                    return await trio.to_thread.run_sync(client.request, operation)

                while len(status := await ask("status")) and len(status["feeds"]) < 2:
                    await trio.sleep(0.05)
                told += [LOST, RECOVERED]
                while len((status := await ask("status"))["intervals"]) < 2:
                    await trio.sleep(0.05)
                while plan.persist and len((store := await ask("store"))["gaps"]) < 2:
                    await trio.sleep(0.05)
                told.append(LAST)
                await ask("shutdown")
    return status, store, engine


@pytest.mark.trio
async def test_what_feeds_tell_is_shown_and_written_down(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stands in the status, in the summary with its sums, and once in the books, also what came last."""
    status, store, engine = await tell(make_plan("BTCUSD", "ETHUSD"), monkeypatch)
    assert [row["cause"] for row in status["intervals"]] == ["disconnect", "skipped"]
    assert (status["recovered"], status["lost"]) == (13, 3)
    assert store["gap_totals"] == {"incomplete": 1, "recovered": 13, "missing": 3}
    summary = engine.summary
    assert [row["first_id"] for row in summary["intervals"]] == [101, 11, 109]
    assert (summary["recovered"], summary["lost"]) == (13, 4)
    assert [(row["symbol"], row["intervals"], row["recovered"], row["lost"]) for row in summary["feeds"]] == [
        ("BTCUSD", 2, 4, 4), ("ETHUSD", 1, 9, 0),
    ]  # fmt: skip
    assert engine.final_report["intervals"] == summary["intervals"]
    with closing(Catalogue(catalogue_path(find_paths().state))) as catalogue:
        assert [(gap.series.symbol, gap.rows, gap.recovered, gap.cause, gap.reason) for gap in catalogue.gaps()] == [
            ("BTCUSD", 3, 4, "disconnect", "the venue refused"),
            ("ETHUSD", 0, 9, "skipped", ""),
            ("BTCUSD", 1, 0, "disconnect", "the engine ended"),
        ]
    stats = Console(capsys)("db", "stats", "--json").json
    assert (stats["recovered"], stats["missing"]) == (13, 4)


@pytest.mark.trio
async def test_without_a_store_it_is_counted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that keeps nothing shows and sums up what its feeds told."""
    status, _, engine = await tell(make_plan("BTCUSD", "ETHUSD", persist=False), monkeypatch)
    assert (status["recovered"], status["lost"]) == (13, 3)
    assert (engine.summary["recovered"], engine.summary["lost"]) == (13, 4)
    assert len(engine.summary["intervals"]) == 3


@pytest.mark.trio
@pytest.mark.parametrize("split", [False, True])
async def test_the_books_agree_with_what_is_stored(split: bool) -> None:
    """While a venue leaves trades out, every id that is missing from the store is lost in the books, once, and as
    many were recovered as the engine says; also when the feed runs in a process of its own."""
    plan = make_plan("BTCUSD", provider="binance", faults="gap=10", split=split)
    summary = await run_until(plan, lambda status: status["recovered"] >= 8)
    (feed,) = summary["feeds"]
    series = SeriesKey(feed["venue"], "BTCUSD", Schema.TRADES)
    ids = EmbeddedHistory(find_paths().data / "ticks").read_numbered(series, 0, 2**62).ids
    with closing(Catalogue(catalogue_path(find_paths().state))) as catalogue:
        gaps = catalogue.gaps()
    assert {gap.cause for gap in gaps} == {"skipped"}
    assert sum(gap.rows for gap in gaps) == summary["lost"] == int((np.diff(ids) - 1).sum())
    assert sum(gap.recovered for gap in gaps) == summary["recovered"] == feed["recovered"]
    assert len(gaps) == feed["intervals"] == len(summary["intervals"])
