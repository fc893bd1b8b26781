"""Databento through the whole engine: the vendor's own client against a local gateway and a local archive."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from config.paths import find_paths
from console.journal import Journal
from console.plan import EnginePlan, FeedPlan
from console.supervise import Engine
from core.errors import AuthenticationError, NotFoundError, single_error
from core.model.records import Schema
from core.store.history import EmbeddedHistory
from core.store.repository import SeriesKey
from providers.databento.key import VARIABLE
from providers.simulated.databento_archive import RunningArchive, serve_archive
from providers.simulated.databento_gateway import Act, RunningGateway, serve_gateway
from providers.simulated.databento_library import Library, Stored, with_definitions
from ringbuf.control import ControlClient
from tests.simulator.test_engine import DEADLINE_S, feed_of, make_plan, run_until
from tests.unit.providers.databento.gateways import encoded
from tests.unit.providers.databento.support import KEY, library

VENUE = "GLBX.MDP3"


def two_contracts(captures: Path) -> Library:
    """A real session, every other record of which belongs to a second contract, and the definitions of both."""
    found = library(captures)
    records = [
        Stored(each.ts_event_ns, each.schema, 119, each.encoded[:4] + (119).to_bytes(4, "little") + each.encoded[8:])
        if at % 2
        else each
        for at, each in enumerate(found.records)
    ]
    return with_definitions(attrs.evolve(found, names={118: "ESU4", 119: "NQU4"}, records=records))


@asynccontextmanager
async def vendor(
    found: Library, monkeypatch: pytest.MonkeyPatch, **more: Any
) -> AsyncIterator[tuple[RunningGateway, RunningArchive]]:
    """Both servers, and the environment that points the client at them."""

    async def gateway(task_status: trio.TaskStatus[RunningGateway]) -> None:
        await serve_gateway(found, key=KEY.value, task_status=task_status, **more)

    async def archive(task_status: trio.TaskStatus[RunningArchive]) -> None:
        await serve_archive(found, key=KEY.value, task_status=task_status)

    async with trio.open_nursery() as nursery:
        live: RunningGateway = await nursery.start(gateway)
        past: RunningArchive = await nursery.start(archive)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(past.certificate))
        monkeypatch.setenv(VARIABLE, KEY.value)
        yield live, past
        nursery.cancel_scope.cancel()


def plan_at(live: RunningGateway, past: RunningArchive, *symbols: str) -> EnginePlan:
    """An engine that streams a dataset from the two servers and stores it."""
    feed = FeedPlan(
        provider="databento", dataset=VENUE, symbols=symbols, stream_url=live.address, rest_url=past.rest_url
    )
    return make_plan(feeds=(feed,))


def stored(symbol: str, schema: Schema) -> bytes:
    """What the engine kept."""
    return EmbeddedHistory(find_paths().data / "ticks").read(SeriesKey(VENUE, symbol, schema), 0, 2**62).tobytes()


def asked_for(live: RunningGateway, symbol: str) -> int:
    """In how many schemas a symbol was asked for."""
    return len({line["schema"] for line in live.asked if line.get("symbols") == symbol})


@pytest.mark.trio
async def test_a_session_is_stored_as_it_was_sent(captures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a cut and with a symbol added while it runs, the store holds the vendor's own bytes, each once."""
    found = two_contracts(captures)
    async with vendor(found, monkeypatch) as (live, past):
        live.sessions.append((Act(kind="reset", after=600),))
        engine = Engine(plan_at(live, past, "ESU4"), Journal())
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                path: Path = await nursery.start(engine.run)
                client = ControlClient(path, timeout_s=20)

                async def status() -> dict[str, Any]:
                    return await trio.to_thread.run_sync(client.request, "status")

                while not any("start_session" in line for line in live.asked):
                    await trio.sleep(0.02)
                subscribed = await trio.to_thread.run_sync(lambda: client.request("subscribe", symbol="NQU4"))
                assert (subscribed["created"], subscribed["venue"]) == (True, VENUE)
                while asked_for(live, "NQU4") < asked_for(live, "ESU4"):
                    await trio.sleep(0.02)
                live.tape.advance(300)
                while not feed_of(await status(), "NQU4")["quotes"]:  # a session that was never heard did not begin
                    await trio.sleep(0.02)
                live.tape.advance(1_000_000)
                whole = {name: len(encoded(found, "mbp-1", name)) // 80 for name in ("ESU4", "NQU4")}
                for name, count in whole.items():
                    while feed_of(await status(), name)["quotes"] < count:
                        await trio.sleep(0.05)
                with pytest.raises(Exception, match="no such symbol"):
                    await trio.to_thread.run_sync(lambda: client.request("subscribe", symbol="YMU4"))
                await trio.to_thread.run_sync(client.request, "shutdown")
                client.close()
    rows = {row["symbol"]: row for row in engine.summary["feeds"]}
    assert [rows[name]["reconnects"] for name in ("ESU4", "NQU4")] == [1, 1]
    assert engine.summary["store"]["lost"] == engine.summary["store"]["rejected"] == 0
    for name in ("ESU4", "NQU4"):
        assert stored(name, Schema.TRADES) == encoded(found, "trades", name)
        assert stored(name, Schema.QUOTES) == encoded(found, "mbp-1", name)


@pytest.mark.trio
async def test_an_unknown_contract_ends_the_engine(captures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A symbol that the dataset does not define is not found, with what is near."""
    async with vendor(two_contracts(captures), monkeypatch) as (live, past):
        with trio.fail_after(DEADLINE_S), pytest.raises(NotFoundError, match="ESU5"), single_error():
            await Engine(plan_at(live, past, "ESU5"), Journal()).run()


@pytest.mark.trio
async def test_a_refused_key_ends_the_engine(captures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive's 401 ends the program with the exit code of authentication."""
    async with vendor(two_contracts(captures), monkeypatch) as (live, past):
        monkeypatch.setenv(VARIABLE, "db-secretsecretsecretsecretsecret")
        with trio.fail_after(DEADLINE_S), pytest.raises(AuthenticationError) as caught, single_error():
            await Engine(plan_at(live, past, "ESU4"), Journal()).run()
        assert caught.value.exit_code == 6
        assert "secretsecret" not in str(caught.value)


@pytest.mark.trio
async def test_the_simulated_vendor_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--simulated` streams the generator's market through the vendor's client, under a dataset of its own."""
    monkeypatch.delenv(VARIABLE, raising=False)
    plan = make_plan("BTCUSD", "ETHUSD", provider="databento")

    def enough(status: dict[str, Any]) -> bool:
        return all(feed_of(status, name)["trades"] >= 5 for name in ("BTCUSD", "ETHUSD"))

    summary = await run_until(plan, enough)
    assert {row["venue"] for row in summary["feeds"]} == {"SIM.DATABENTO"}
    assert summary["store"]["lost"] == summary["store"]["rejected"] == 0
    history = EmbeddedHistory(find_paths().data / "ticks")
    for row in summary["feeds"]:
        trades = history.read(SeriesKey("SIM.DATABENTO", row["symbol"], Schema.TRADES), 0, 2**62)
        books = history.read(SeriesKey("SIM.DATABENTO", row["symbol"], Schema.BOOK), 0, 2**62)
        assert len(trades) == row["trades"]
        assert (trades["sequence"][1:] - trades["sequence"][:-1] == 1).all()
        assert (books["bid_px_00"][:-1] < books["ask_px_00"][:-1]).all()
        assert (row["gaps"] + row["book_breaks"], row["rejected"], row["skewed"], row["problem"]) == (0, 0, 0, "")


@pytest.mark.parametrize(
    ("key", "options", "code"),
    [
        ("", ["--dataset", VENUE], 6),
        ("  ", ["--dataset", VENUE], 6),
        ("YOUR_API_KEY", ["--dataset", VENUE], 6),
        (KEY.value, [], 2),
        (KEY.value, ["--dataset", "GLBX MDP3"], 2),
        (KEY.value, ["--dataset", VENUE, "--simulated"], 2),
        (KEY.value, ["--dataset", VENUE, "--recording", "pyproject.toml"], 2),
    ],
)
def test_the_command_line_is_checked_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, key: str, options: list[str], code: int
) -> None:
    """No key ends with 6, no dataset with 2, and neither loads the client."""
    monkeypatch.setenv(VARIABLE, key)
    script = (
        "import sys; from console.__main__ import main\n"
        "try: code = main(sys.argv[1:])\n"
        "except SystemExit as stop: code = stop.code\n"
        "assert 'databento' not in sys.modules\n"
        "sys.exit(code)\n"
    )
    command = [sys.executable, "-c", script, "--batch", "serve", "--provider", "databento", "--symbols", "ESU4"]
    result = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (code, "")
    assert "Traceback" not in result.stderr
    if key.strip():
        assert key == "YOUR_API_KEY" or key not in result.stderr
