"""Feeds in processes of their own: the same data, restarted when killed, gone when the parent is."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from config.paths import find_paths
from console.journal import Journal
from console.plan import EnginePlan, FeedPlan, decode_plan, encode_plan
from console.supervise import Engine
from core.errors import ConsoleError
from core.model.records import Schema
from core.store.history import EmbeddedHistory
from core.store.repository import SeriesKey
from ringbuf.control import ControlClient
from tests.simulator.test_engine import DEADLINE_S, feed_of, left_behind, make_plan, run_until


def split_plan(*symbols: str, **changes: Any) -> EnginePlan:
    """Both providers on the simulated market, each in its own process."""
    feeds = tuple(FeedPlan(provider=name, symbols=symbols, simulated=True, seed=7) for name in ("kraken", "binance"))
    return make_plan(feeds=feeds, split=True, **changes)


def pids_of(status: dict[str, Any]) -> list[int]:
    """The processes that hold the connections."""
    return [row["pid"] for row in status["connections"]]


def test_a_plan_survives_the_way_to_a_child() -> None:
    """Every field comes out as it went in, on one line."""
    plan = make_plan("BTCUSD", public_symbols=frozenset({"BTCUSD"}))
    line = encode_plan(plan)
    assert line.count(b"\n") == 1
    assert decode_plan(line) == plan


@pytest.mark.trio
async def test_children_stream_and_the_parent_stores() -> None:
    """Counters of the children, rings and the parent's store agree; afterwards no process and no ring is left."""
    seen: list[int] = []

    def enough(status: dict[str, Any]) -> bool:
        seen[:] = pids_of(status)
        return len(status["feeds"]) == 4 and all(row["trades"] >= 10 for row in status["feeds"])

    summary = await run_until(split_plan("BTCUSD", "ETHUSD"), enough)
    assert len({os.getpid(), *seen}) == 3
    history = EmbeddedHistory(find_paths().data / "ticks")
    for row in summary["feeds"]:
        trades = history.read(SeriesKey(row["venue"], row["symbol"], Schema.TRADES), 0, 2**62)
        assert len(trades) == row["trades"]
    assert summary["store"]["rows"] == sum(row["trades"] for row in summary["feeds"])
    assert summary["store"]["lost"] == 0
    assert left_behind() == []
    for pid in seen:
        assert not Path(f"/proc/{pid}").exists()


@pytest.mark.trio
async def test_a_killed_child_is_restarted_and_the_others_never_notice() -> None:
    """After SIGKILL the feed comes back in a new process under the same rings; the restart is shown."""
    engine = Engine(split_plan("BTCUSD"), Journal())
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            path: Path = await nursery.start(engine.run)
            client = ControlClient(path, timeout_s=10)

            async def wait_for(condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
                while not condition(status := await trio.to_thread.run_sync(client.request, "status")):
                    await trio.sleep(0.05)
                return status

            status = await wait_for(
                lambda status: len(status["feeds"]) == 2 and all(row["trades"] for row in status["feeds"])
            )
            victim, survivor = pids_of(status)
            before = status["feeds"][0]["trades"]
            os.kill(victim, signal.SIGKILL)
            status = await wait_for(
                lambda status: (
                    status["connections"][0]["restarts"] == 1
                    and status["connections"][0]["pid"] not in (0, victim)
                    and feed_of(status, "BTCUSD")["trades"] > before
                )
            )
            assert pids_of(status)[1] == survivor
            assert status["connections"][1]["restarts"] == 0
            await trio.to_thread.run_sync(client.request, "shutdown")
            client.close()
    assert left_behind() == []
    assert engine.summary["store"]["lost"] == 0


@pytest.mark.trio
async def test_what_ends_a_child_for_good_ends_the_engine_with_its_code() -> None:
    """An unknown symbol found by the child is the parent's error too."""
    with trio.fail_after(DEADLINE_S), pytest.raises(ConsoleError, match="FOOUSD") as caught:
        await Engine(split_plan("FOOUSD"), Journal()).run()
    assert caught.value.exit_code == 4
    assert left_behind() == []


@pytest.mark.trio
async def test_symbols_come_and_go_while_others_stream() -> None:
    """Over the control channel a symbol is added, its rings appear; it is removed, and they go; split or not."""
    for plan in (make_plan("BTCUSD", public_symbols=frozenset()), split_plan("BTCUSD", public_symbols=frozenset())):
        engine = Engine(plan, Journal())
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                path: Path = await nursery.start(engine.run)
                client = ControlClient(path, timeout_s=10)

                def ask(operation: str, client: ControlClient = client, **arguments: Any) -> Any:
                    return trio.to_thread.run_sync(lambda: client.request(operation, **arguments))

                while len((await ask("status"))["feeds"]) < len(plan.feeds):
                    await trio.sleep(0.05)
                answer = await ask("subscribe", symbol="ETHUSD", venue="SIM.KRAKEN" if not plan.split else "KRAKEN")
                assert answer["created"]
                assert "test__ETHUSD_SIM.KRAKEN" in answer["rings"]
                while not feed_of(await ask("status"), "ETHUSD")["trades"]:
                    await trio.sleep(0.05)
                again = await ask("subscribe", symbol="BTCUSD", venue="KRAKEN")
                assert not again["created"]
                assert "test__BTCUSD_SIM.KRAKEN" in left_behind()
                await ask("unsubscribe", symbol="ETHUSD", venue="KRAKEN")
                assert not any("ETHUSD" in name for name in left_behind())
                await ask("shutdown")
                client.close()
        row = next(row for row in engine.summary["feeds"] if row["symbol"] == "BTCUSD")
        assert (row["gaps"] + row["book_breaks"], row["reconnects"]) == (0, 0)
        assert left_behind() == []


@pytest.mark.trio
async def test_a_read_only_engine_refuses_what_changes_it() -> None:
    """Subscribing and shutting down are refused by the engine itself; looking is not."""
    engine = Engine(make_plan("BTCUSD", read_only=True, persist=False), Journal())
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            path: Path = await nursery.start(engine.run)
            client = ControlClient(path, timeout_s=10)
            for operation in ("subscribe", "unsubscribe", "shutdown"):
                with pytest.raises(Exception, match="read-only"):
                    await trio.to_thread.run_sync(lambda name=operation: client.request(name, symbol="ETHUSD"))  # type: ignore[misc]
            assert (await trio.to_thread.run_sync(client.request, "status"))["read_only"]
            client.close()
            engine.stop()
