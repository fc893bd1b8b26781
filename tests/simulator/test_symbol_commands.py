"""`symbol` beside engines that stream: what is asked for changes at once, and nothing else does."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from console.__main__ import main
from console.batch.running_feeds import RunningFeed
from console.journal import Journal
from console.plan import EnginePlan
from console.supervise import Engine
from ringbuf import control
from ringbuf.control import ControlClient
from ringbuf.discovery import Announcement
from tests.simulator.test_engine import DEADLINE_S, feed_of, make_plan

PRACTICE = '[engine]\nprovider = "simulated"\nsymbols = ["BTCUSD"]\n'


@pytest.fixture(autouse=True)
def settings() -> Path:
    """Settings that name the simulated venue."""
    path = Path(os.environ["RINGSIDE_HOME"]) / "config" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(PRACTICE)
    return path


def saved(path: Path) -> list[str]:
    """The symbols in the settings."""
    found: list[str] = tomllib.loads(path.read_text())["engine"]["symbols"]
    return found


@attrs.frozen
class Desk:
    """An engine that streams, and the command line beside it."""

    capsys: pytest.CaptureFixture[str]
    client: ControlClient

    async def __call__(self, *arguments: str) -> tuple[int, Any]:
        """Run `ringside --batch symbol … --json`: its exit code and what it printed."""
        self.capsys.readouterr()
        code = await trio.to_thread.run_sync(main, ["--batch", "symbol", *arguments, "--json"])
        return code, json.loads(self.capsys.readouterr().out)

    async def status(self) -> dict[str, Any]:
        """The engine's."""
        return await trio.to_thread.run_sync(self.client.request, "status")

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Poll until the status satisfies `condition`, and return it."""
        while not condition(found := await self.status()):
            await trio.sleep(0.02)
        return found


@asynccontextmanager
async def desk(capsys: pytest.CaptureFixture[str], *plans: EnginePlan) -> AsyncIterator[Desk]:
    """Engines that stream for the length of a block; the desk is at the first."""
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            engines = [Engine(plan, Journal()) for plan in plans]
            paths = [await nursery.start(engine.run) for engine in engines]
            client = ControlClient(paths[0], timeout_s=10)
            try:
                bench = Desk(capsys, client)
                await bench.until(lambda status: feed_of(status, "BTCUSD")["trades"] > 0)
                yield bench
            finally:
                client.close()
                for engine in engines:
                    engine.stop()


def outcomes(printed: Any) -> list[tuple[str, str, str]]:
    """(symbol, instance or place, result) of each row."""
    return [(row["symbol"], row["instance"] or row["place"], row["result"]) for row in printed["rows"]]


def streamed(status: dict[str, Any]) -> set[str]:
    """The symbols that are streamed now."""
    return {row["symbol"] for row in status["feeds"] if row["streaming"]}


@pytest.mark.trio
async def test_symbols_come_and_go_beside_others(capsys: pytest.CaptureFixture[str], settings: Path) -> None:
    """What is added streams and is saved, what is removed is neither; the first symbol never notices."""
    async with desk(capsys, make_plan("BTCUSD")) as ringside:
        code, printed = await ringside("add", "ETHUSD,sol/usd")
        assert (code, {result for _, _, result in outcomes(printed)}) == (0, {"added"})
        await ringside.until(lambda status: min(feed_of(status, name)["trades"] for name in ("ETHUSD", "SOLUSD")) > 2)
        assert saved(settings) == ["BTCUSD", "ETHUSD", "SOLUSD"]
        code, printed = await ringside("add", "ETHUSD")
        assert (code, outcomes(printed)) == (
            0,
            [("ETHUSD", "test", "unchanged"), ("ETHUSD", "settings", "unchanged")],
        )
        code, printed = await ringside("remove", "ETH/USD")
        assert (code, outcomes(printed)) == (0, [("ETHUSD", "test", "removed"), ("ETHUSD", "settings", "removed")])
        before = await ringside.status()
        after = await ringside.until(
            lambda status: feed_of(status, "BTCUSD")["trades"] > feed_of(before, "BTCUSD")["trades"] + 3
        )
        assert streamed(after) == {"BTCUSD", "SOLUSD"}
        assert feed_of(after, "ETHUSD")["trades"] == feed_of(before, "ETHUSD")["trades"]
        assert saved(settings) == ["BTCUSD", "SOLUSD"]
        for name in ("BTCUSD", "SOLUSD"):
            row = feed_of(after, name)
            assert (row["gaps"] + row["book_breaks"], row["reconnects"], row["checksum_bad"], row["problem"]) == (
                0,
                0,
                0,
                "",
            )
            assert row["book_state"] == "live"


@pytest.mark.trio
async def test_either_half_can_be_left_out(capsys: pytest.CaptureFixture[str], settings: Path) -> None:
    """--no-save changes the engine alone, --only-save the settings alone; list and discover tell them apart."""
    async with desk(capsys, make_plan("BTCUSD")) as ringside:
        assert (await ringside("add", "ETHUSD", "--no-save"))[0] == 0
        assert (await ringside("add", "XRPUSD", "--only-save"))[0] == 0
        assert streamed(await ringside.status()) == {"BTCUSD", "ETHUSD"}
        assert saved(settings) == ["BTCUSD", "XRPUSD"]
        _, printed = await ringside("list")
        found = {row["symbol"]: (row["from"], row["streamed_by"]) for row in printed["rows"]}
        assert found["XRPUSD"] == ("settings", "")
        assert found["ETHUSD"][1] == "test"
        assert found["BTCUSD"][0].startswith("settings,")
        assert found["BTCUSD"][0].endswith("engines")
        _, printed = await ringside("discover", "--filter", "ETHUSD")
        assert [row["streamed_by"] for row in printed["rows"]] == ["test"]


@pytest.mark.trio
async def test_the_engine_knows_a_typo(capsys: pytest.CaptureFixture[str], settings: Path) -> None:
    """Alone it ends with 4 and what is near; beside a good one with 9, and only that one streams and is saved."""
    async with desk(capsys, make_plan("BTCUSD")) as ringside:
        code, printed = await ringside("add", "ETHUSDD")
        assert (code, printed["error"]["category"]) == (4, "not_found")
        assert "did you mean ETHUSD" in printed["error"]["hint"]
        code, printed = await ringside("add", "ETHUSDD", "ETHUSD")
        assert code == 9
        assert outcomes(printed) == [
            ("ETHUSDD", "test", "failed"), ("ETHUSD", "test", "added"), ("ETHUSD", "settings", "added"),
        ]  # fmt: skip
        assert saved(settings) == ["BTCUSD", "ETHUSD"]
        code, printed = await ringside("remove", "ETHUSSD")
        assert (code, "did you mean ETHUSD" in printed["error"]["hint"]) == (4, True)
        assert streamed(await ringside.status()) == {"BTCUSD", "ETHUSD"}


@pytest.mark.trio
async def test_a_read_only_engine_refuses(capsys: pytest.CaptureFixture[str], settings: Path) -> None:
    """Nothing done is 8; the settings changed and the engine not is 9."""
    async with desk(capsys, make_plan("BTCUSD", read_only=True)) as ringside:
        for action, symbol in (("add", "ETHUSD"), ("remove", "BTCUSD")):
            code, printed = await ringside(action, symbol, "--no-save")
            assert (code, printed["error"]["category"]) == (8, "refused")
        code, printed = await ringside("add", "ETHUSD")
        assert (code, outcomes(printed)) == (9, [("ETHUSD", "test", "failed"), ("ETHUSD", "settings", "added")])
        assert streamed(await ringside.status()) == {"BTCUSD"}
        assert saved(settings) == ["BTCUSD", "ETHUSD"]


@pytest.mark.trio
async def test_only_engines_that_are_meant_are_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """Another provider's engine is left alone, and so is one that is not named."""
    plans = [
        make_plan("BTCUSD", persist=False, instance="one"),
        make_plan("BTCUSD", persist=False, instance="two"),
        make_plan("BTCUSD", persist=False, instance="three", provider="binance"),
    ]
    async with desk(capsys, *plans) as ringside:
        code, printed = await ringside("add", "SOLUSD", "--instance", "two", "--no-save")
        assert (code, outcomes(printed)) == (0, [("SOLUSD", "two", "added")])
        code, printed = await ringside("add", "ETHUSD", "--no-save")
        assert (code, outcomes(printed)) == (0, [("ETHUSD", "one", "added"), ("ETHUSD", "two", "added")])
        code, printed = await ringside("add", "ETHUSD", "--instance", "three", "--provider", "kraken", "--no-save")
        assert (code, printed["error"]["category"]) == (4, "not_found")
        code, printed = await ringside("remove", "ETHUSD", "--provider", "binance", "--simulated", "--no-save")
        assert code == 4
        _, printed = await ringside("discover", "--filter", "ETHUSD")
        assert [row["streamed_by"] for row in printed["rows"]] == ["one,two"]


@pytest.mark.trio
async def test_two_at_once_both_count(capsys: pytest.CaptureFixture[str], settings: Path) -> None:
    """Commands that add different symbols, and the same one, at one time: all stream, all are saved, none fails."""
    codes = []
    async with desk(capsys, make_plan("BTCUSD")) as ringside:

        async def add(symbol: str) -> None:
            codes.append(await trio.to_thread.run_sync(main, ["--batch", "symbol", "add", symbol]))

        async with trio.open_nursery() as nursery:
            for symbol in ("ETHUSD", "SOLUSD", "XRPUSD", "ETHUSD"):
                nursery.start_soon(add, symbol)
        assert codes == [0, 0, 0, 0]
        assert streamed(await ringside.status()) == {"BTCUSD", "ETHUSD", "SOLUSD", "XRPUSD"}
        assert sorted(saved(settings)) == ["BTCUSD", "ETHUSD", "SOLUSD", "XRPUSD"]


@contextlib.contextmanager
def ghost(*answers: dict[str, Any]) -> Iterator[None]:
    """An announced engine on the simulated Kraken that gives these answers, one a connection, and then is gone."""
    path = control.socket_path("ghost")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def haunt() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(control.encode({"v": 1, "id": 1, "ok": True, "result": answer}))
        listener.close()
        path.unlink()

    thread = threading.Thread(target=haunt)
    announcement = Announcement("ghost", providers=["kraken"], symbols={"SIM.KRAKEN": ["BTCUSD"]})
    thread.start()
    try:
        yield
    finally:
        announcement.close()
        thread.join(DEADLINE_S)
        listener.close()


GHOST_STATUS = {
    "source": "simulated",
    "connections": [{"venue": "SIM.KRAKEN"}],
    "feeds": [{"symbol": "BTCUSD", "venue": "SIM.KRAKEN", "venue_symbol": "BTC/USD", "streaming": True}],
}


@pytest.mark.trio
@pytest.mark.parametrize("answers", [(), (GHOST_STATUS,), ({"feeds": 3},), (GHOST_STATUS, {"symbol": "\x1b[2J"})])
async def test_an_engine_that_goes_in_the_middle(
    answers: tuple[dict[str, Any], ...], capsys: pytest.CaptureFixture[str], settings: Path
) -> None:
    """Gone before it is asked, after, or answering rubbish: the other engine and the settings are changed, 9."""
    async with desk(capsys, make_plan("BTCUSD")) as ringside:
        with ghost(*answers):
            code, printed = await ringside("add", "ETHUSD")
        assert code == 9
        assert sorted(outcomes(printed)) == [
            ("ETHUSD", "ghost", "failed"), ("ETHUSD", "settings", "added"), ("ETHUSD", "test", "added"),
        ]  # fmt: skip
        assert "\x1b" not in json.dumps(printed, ensure_ascii=False)
        assert saved(settings) == ["BTCUSD", "ETHUSD"]
        assert streamed(await ringside.status()) == {"BTCUSD", "ETHUSD"}


@pytest.mark.parametrize(
    ("provider", "venue", "recorded", "dataset", "meant"),
    [
        ("kraken", "KRAKEN", False, "", True),
        ("kraken", "KRAKEN", True, "", False),
        ("kraken", "SIM.KRAKEN", False, "", False),
        ("kraken_futures", "KRAKEN_FUTURES_DEMO", False, "", False),
        ("databento", "GLBX.MDP3", False, "", True),
        ("databento", "GLBX.MDP3", False, "XNAS.ITCH", False),
        ("binance", "BINANCE", False, "", False),
    ],
)
def test_a_market_is_not_taken_for_its_practice(
    provider: str, venue: str, recorded: bool, dataset: str, meant: bool
) -> None:
    """Live providers mean neither recordings, nor simulated venues, nor demo markets, nor another dataset."""
    feed = RunningFeed(instance="a", provider=provider, venue=venue, recorded=recorded, streamed={})
    wanted = [("kraken", False), ("kraken_futures", False), ("databento", False)]
    assert feed.is_meant(wanted, dataset=dataset) is meant  # type: ignore[arg-type]


def test_the_only_engine_gone_is_unreachable(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was changed: 5. The list still shows what it announced, and says so."""
    with ghost(GHOST_STATUS):
        assert main(["--batch", "symbol", "add", "ETHUSD", "--no-save", "--json"]) == 5
        assert json.loads(capsys.readouterr().out)["error"]["category"] == "unreachable"
        assert main(["--batch", "symbol", "add", "ETHUSD", "--instance", "ghost", "--no-save"]) == 5
        capsys.readouterr()
        assert main(["--batch", "symbol", "list", "--json"]) == 0
        printed = capsys.readouterr()
        assert "ghost is shown as it was announced" in printed.err
        assert {row["symbol"]: row["streamed_by"] for row in json.loads(printed.out)["rows"]} == {"BTCUSD": "ghost"}


@pytest.mark.trio
async def test_the_children_of_a_split_engine_are_changed_through_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is announced and asked once, by its parent's name."""
    async with desk(capsys, make_plan("BTCUSD", split=True, persist=False)) as ringside:
        code, printed = await ringside("add", "ETHUSD", "--no-save")
        assert (code, outcomes(printed)) == (0, [("ETHUSD", "test", "added")])
        await ringside.until(lambda status: "ETHUSD" in streamed(status))
        code, printed = await ringside("remove", "ETHUSD", "--no-save")
        assert (code, outcomes(printed)) == (0, [("ETHUSD", "test", "removed")])
