"""The figures of real engines on the simulated venue: over HTTP, over the control channel, from children."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import attrs
import pytest
import trio

from console.journal import Journal
from console.metrics.document import document_frame
from console.plan import CachePlan, EnginePlan, FeedPlan
from console.supervise import Engine
from core.errors import ConfigurationError
from core.telemetry.delays import HOPS, RING_TO_STRATEGY
from core.telemetry.series import COLUMNS, PREFIX
from ringbuf.control import ControlClient
from tests.simulator.test_engine import DEADLINE_S, left_behind, make_plan
from tests.simulator.test_paper_engine import paper
from tests.unit.console.batch.running import Console, Done
from tests.unit.console.metrics.test_exporter import a_request, said_to, status_of
from tests.unit.console.metrics.test_text import Samples, known, read

SOMETIMES = frozenset({"legs", "legs_up", "spill_waiting", "budget_spent_ratio", "alerts_firing"})
"""What this engine has not: several legs, a database, a budget, and alerts where nobody watches."""


@attrs.frozen
class Running:
    """An engine that runs, and the way to ask it."""

    engine: Engine
    client: ControlClient

    async def page(self, path: str = "/metrics") -> tuple[int, str]:
        """A page of its own server: the status and the text."""
        answer = await said_to(self.engine.metrics_port, a_request(path))
        return status_of(answer), answer.partition(b"\r\n\r\n")[2].decode()

    async def samples(self) -> Samples:
        """What it tells over the control channel."""
        return known(document_frame(await trio.to_thread.run_sync(self.client.request, "metrics")))

    async def until(self, enough: Callable[[Samples], bool]) -> Samples:
        """The first samples that are enough."""
        while not enough(found := await self.samples()):
            await trio.sleep(0.05)
        return found


@asynccontextmanager
async def running(plan: EnginePlan) -> AsyncIterator[Running]:
    """An engine for a while; it ends cleanly."""
    engine = Engine(plan, Journal())
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            client = ControlClient(await nursery.start(engine.run), timeout_s=10)
            with closing(client):
                yield Running(engine, client)
                await trio.to_thread.run_sync(client.request, "shutdown")


def value(samples: Samples, name: str, **labels: str) -> float:
    """The value of one series; not a number where there is none."""
    return samples.get((PREFIX + name, tuple(sorted(labels.items()))), float("nan"))


def trades(samples: Samples) -> float:
    """Trades published, of all symbols."""
    return sum(found for (name, _), found in samples.items() if name == f"{PREFIX}trades_total")


@pytest.mark.trio
async def test_prometheus_gets_what_the_engine_does() -> None:
    """Everything that is declared comes from a real engine but what it has not; the store has what was received, and
    every hop was measured. Over HTTP and over the control channel it is the same."""
    plan = make_plan("BTCUSD", metrics_port=0, paper=paper(), cache=CachePlan())
    async with running(plan) as run:

        def enough(samples: Samples) -> bool:
            counts = [value(samples, "delay_seconds_count", hop=hop) for hop in HOPS]
            return trades(samples) >= 40 and all(count > 0 for count in counts)

        samples = await run.until(enough)
        assert {name for name, _ in samples} >= set(COLUMNS) - _absent()
        code, text = await run.page()
        served = read(text)
        assert code == 200
        assert served.keys() >= samples.keys()
        assert trades(served) >= trades(samples)
        received = sum(value(served, "trades_total", venue="SIM.KRAKEN", symbol=name) for name in ("BTCUSD",))
        assert value(served, "ring_records_total", venue="SIM.KRAKEN", symbol="BTCUSD", schema="trades") == received
        assert value(served, "store_rows_total", schema="trades") <= received
        assert value(served, "delay_seconds_count", hop=RING_TO_STRATEGY) <= received
        assert value(served, "book_crossed", venue="SIM.KRAKEN", symbol="BTCUSD") == 0
        assert value(served, "price", venue="SIM.KRAKEN", symbol="BTCUSD") > 0
        assert await run.page("/healthz") == (200, "ok\n")
    assert left_behind() == []


def _absent() -> set[str]:
    others = {"alert_messages_total", "alert_failures_total", "alert_handler_up"}
    return {PREFIX + name for name in SOMETIMES | others}


@pytest.mark.trio
async def test_the_figures_of_a_split_engine_are_those_of_its_children() -> None:
    """The parent tells of all; while a child is dead its rings have no producer, and what it counted stays."""
    feeds = (
        FeedPlan(provider="kraken", symbols=("BTCUSD",), simulated=True),
        FeedPlan(provider="binance", symbols=("BTCUSD",), simulated=True),
    )
    async with running(make_plan("BTCUSD", feeds=feeds, split=True, metrics_port=0)) as run:
        venues = ("SIM.KRAKEN", "SIM.BINANCE")

        def up(samples: Samples, *names: str) -> bool:
            return all(value(samples, "ipc_up", venue=venue) == 1 for venue in names or venues)

        def received(samples: Samples) -> float:
            return value(samples, "delay_seconds_count", hop="received_to_ring")

        before = await run.until(lambda samples: up(samples) and trades(samples) > 20 and received(samples) > 20)
        (child,) = (row["pid"] for row in _connections(run.engine) if row["venue"] == "SIM.KRAKEN")
        os.kill(child, signal.SIGKILL)
        dead = await run.until(lambda samples: value(samples, "connection_up", venue="SIM.KRAKEN") == 0)
        assert value(dead, "ipc_up", venue="SIM.KRAKEN") != 1
        assert up(dead, "SIM.BINANCE")
        assert received(dead) >= received(before)
        assert trades(dead) >= value(before, "trades_total", venue="SIM.BINANCE", symbol="BTCUSD")
        again = await run.until(lambda samples: up(samples) and trades(samples) > trades(before))
        assert value(again, "restarts_total", venue="SIM.KRAKEN") == 1
        for name in ("messages_total", "malformed_total", "reconnects_total"):
            assert value(again, name, venue="SIM.KRAKEN") >= value(before, name, venue="SIM.KRAKEN")
        assert received(again) > received(before)
        assert (await run.page())[0] == 200


def _connections(engine: Engine) -> list[dict[str, Any]]:
    return [row for host in engine.hosts for row in host.report()["connections"]]


@pytest.mark.trio
async def test_a_port_that_is_taken_ends_the_engine_at_its_beginning() -> None:
    """A second engine on the same port says so and leaves nothing; the first notices nothing."""
    async with running(make_plan("BTCUSD", metrics_port=0)) as run:
        second = make_plan("BTCUSD", instance="second", persist=False, metrics_port=run.engine.metrics_port)
        with pytest.raises(ConfigurationError, match="cannot answer Prometheus"):
            await Engine(second, Journal()).run()
        assert (await run.page("/healthz"))[0] in {200, 503}
    assert left_behind() == []


@pytest.mark.trio
async def test_the_command_prints_what_there_is(console: Console) -> None:
    """As a table, as JSON, as CSV and as Prometheus' text, of an engine that answers no Prometheus."""
    async with running(make_plan("BTCUSD")) as run:
        await run.until(lambda samples: trades(samples) > 5)

        async def said(*arguments: str) -> Done:
            return await trio.to_thread.run_sync(lambda: console("metrics", "--instance", "test", *arguments))

        table = (await said("trades_total", "ring_records_*")).out
        assert "ringside_trades_total" in table
        assert "venue=SIM.KRAKEN,symbol=BTCUSD" in table
        answer = (await said("--json")).json
        assert (answer["schema_version"], answer["instance_id"]) == (1, "test")
        row = next(row for row in answer["rows"] if row["series"] == f"{PREFIX}trades_total")
        assert row["labels"] == {"venue": "SIM.KRAKEN", "symbol": "BTCUSD"}
        assert (await said("store_up", "--format", "csv")).out == "series,labels,value\nringside_store_up,,1\n"
        text = (await said("--prometheus")).out
        assert read(text).keys() >= {(one["series"], tuple(sorted(one["labels"].items()))) for one in answer["rows"]}
        assert (await said("trades")).code == 2
        assert (await said("--prometheus", "--json")).code == 2
    assert console("metrics", "--instance", "test").code == 4


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """Commands in this process."""
    return Console(capsys)
