"""Strategies that trade on paper in an engine: beside the feeds, in a process of their own, killed, refused."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from config.paths import find_paths
from config.schema import PaperRunSettings, PaperTradingSettings, Settings
from console import asking, childprocess
from console.journal import close_journal, closing_journal, open_journal
from console.paper import childhost
from console.paper.desks import desk_folder, holder
from console.paper.plan import PaperPlan, paper_plan
from console.paper.session import find
from console.plan import EnginePlan, decode_plan, encode_plan
from console.supervise import Engine
from core.errors import ConsoleError, NotFoundError, RefusedError
from core.model.records import Schema
from core.sim.accounts import AccountSpec
from core.store.history import EmbeddedHistory
from core.store.repository import SeriesKey
from ringbuf.control import ControlClient, ControlError
from strategies.approval import LIST_NAME, approve
from strategies.fingerprint import sha256_of
from tests.simulator.test_engine import DEADLINE_S, feed_of, left_behind, make_plan
from tests.unit.console.batch.running import Console, Done

SWINGING = {"short": "1", "long": "2"}
"""Parameters with which two averages cross at every second bar."""

STRATEGY = """
from core.bars.spec import BarDataMode
from core.strategy import HOLD, Strategy

class Written(Strategy):
    name = "written"

    def bar_data_mode(self):
        return BarDataMode.ON_CLOSE_BAR

    def reset(self):
        self.eaten = []

    def on_bar_data(self, bar):
"""
LOOPS = "while True: pass"
EATS = "while True: self.eaten.append(bytearray(1 << 20))"
NIBBLES = "while True: self.eaten.append(bytearray(64))"
HANGS = "return sum(range(10**15))"


@pytest.fixture(autouse=True)
def closed_journal() -> Iterator[None]:
    """The next test hears what is logged."""
    yield
    close_journal()


def run_of(label: str = "sma", strategy: str = "sma", **changes: Any) -> PaperRunSettings:
    """A strategy on bars of a few trades, which come soon."""
    params = SWINGING if strategy == "sma" else {}
    return PaperRunSettings(**({"label": label, "strategy": strategy, "params": params, "bars": "5t"} | changes))


def paper(*runs: PaperRunSettings, isolated: bool = False, **changes: Any) -> PaperPlan:
    """A plan of the settings with these strategies."""
    settings = Settings(paper_trading=PaperTradingSettings(run=runs or (run_of(),)))
    return attrs.evolve(paper_plan(settings, find_paths(), instance="test", isolated=isolated), **changes)


def trading_plan(*runs: PaperRunSettings, split: bool = False, isolated: bool = False, **changes: Any) -> EnginePlan:
    """An engine that streams two symbols of one venue and trades on both."""
    plan = paper(*runs, isolated=split or isolated)
    return make_plan("BTCUSD", "ETHUSD", split=split, paper=plan, **changes)


Ask = Callable[..., Awaitable[dict[str, Any]]]


@asynccontextmanager
async def running(plan: EnginePlan) -> AsyncIterator[tuple[Engine, Ask]]:
    """An engine that is stopped at the end of the block, and a way to ask it."""
    with closing_journal(), trio.fail_after(DEADLINE_S):
        engine = Engine(plan, open_journal(None, to_stderr=False))
        async with trio.open_nursery() as nursery:
            path: Path = await nursery.start(engine.run)
            client = ControlClient(path, timeout_s=10)

            async def ask(operation: str, **arguments: Any) -> dict[str, Any]:
                return await trio.to_thread.run_sync(lambda: client.request(operation, **arguments))

            try:
                yield engine, ask
            finally:
                engine.stop()
                client.close()


async def until(ask: Ask, operation: str, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first answer that satisfies `enough`."""
    while True:
        try:
            answer = await ask(operation)
        except ControlError as error:
            assert error.category in {"not_found", "unavailable"}, error  # noqa: PT017 - it has not begun
        else:
            if enough(answer):
                return answer
        await trio.sleep(0.05)


def fills_of(document: Mapping[str, Any]) -> dict[str, int]:
    """How often each strategy was filled, on all its symbols."""
    found: dict[str, int] = {}
    for row in document["strategies"]:
        found[row["label"]] = found.get(row["label"], 0) + row["fills"]
    return found


def in_state(state: str, **more: Any) -> Callable[[dict[str, Any]], bool]:
    """Whether a status says this of paper trading."""
    wanted = {"state": state} | more
    return lambda status: wanted.items() <= status["paper"].items()


def newest_stored_ns(venue: str, symbol: str) -> int:
    """When the newest trade was that the engine stored."""
    trades = EmbeddedHistory(find_paths().data / "ticks").read(SeriesKey(venue, symbol, Schema.TRADES), 0, 2**62)
    return int(trades["ts_event"].max())


def money_of(document: Mapping[str, Any]) -> list[Any]:
    """What is in the accounts, what they hold, and the orders that wait."""
    accounts = [
        (one["id"], one["balances"], one["locked"], one["fees"], one["realised"]) for one in document["accounts"]
    ]
    positions = [(one["account"], one["symbol"], one["quantity"], one["average"]) for one in document["positions"]]
    return [accounts, positions, document["orders"]]


def test_a_plan_with_paper_trading_survives_the_way_to_a_child() -> None:
    """Accounts, strategies and their parameters come out as they went in."""
    plan = trading_plan(run_of(), run_of("other", account="DEFAULT", mode="each-tick"))
    assert decode_plan(encode_plan(plan)) == plan
    assert decode_plan(encode_plan(make_plan("BTCUSD"))).paper is None


@pytest.mark.trio
@pytest.mark.parametrize("split", [False, True])
async def test_strategies_trade_on_what_is_streamed(split: bool) -> None:
    """Orders are filled in both symbols, the status and the log say so, and at the end every trade was traded on."""
    plan = trading_plan(split=split)
    async with running(plan) as (engine, ask):
        document = await until(
            ask, "accounts", lambda found: len({one["symbol"] for one in found.get("fills", [])}) == 2
        )
        status = await until(ask, "status", in_state("trading", enabled=True, restarts=0))
        assert (document["desk"], document["running"], document["host"]["instance"]) == ("default", True, "test")
        assert status["paper"]["pid"] == document["host"]["pid"]
        assert (status["paper"]["pid"] == os.getpid()) is not split
        assert status["paper"]["session"] == document["session"]
        assert [row["state"] for row in document["strategies"]] == ["running", "running"]
        said = await until(ask, "status", lambda found: any("bought" in line["text"] for line in found["log"]))
        assert any("trading on paper: desk default" in line["text"] for line in said["log"])
    paper_summary = engine.summary["paper"]
    past = find(find_paths().state / "paper" / "default", "latest")
    assert (paper_summary["session"], paper_summary["state"]) == (past.head.session, "off")
    assert paper_summary["fills"] >= 2
    assert engine.summary["errors"] == []
    assert engine.summary["store"]["lost"] == 0
    for market in past.state().markets:
        assert market.newest_ns == newest_stored_ns(market.instrument.venue, market.instrument.symbol)
    assert left_behind() == []
    assert holder(find_paths().state, "default") is None


@pytest.mark.trio
async def test_an_operator_acts_over_the_control_channel() -> None:
    """Pausing, halting, flattening and killing reach the desk, with who did it; what makes no sense is refused."""
    async with running(trading_plan()) as (_, ask):
        await until(ask, "accounts", lambda found: bool(found.get("fills")))
        await ask("pause", target="sma")
        document = await ask("accounts")
        assert {row["state"] for row in document["strategies"]} == {"paused"}
        await ask("resume", target="all")
        await ask("halt", target="DEFAULT")
        assert (await ask("status"))["paper"]["halted"] == ["DEFAULT"]
        await ask("release", target="DEFAULT")
        await ask("flatten", target="all")
        for name, arguments, said in (
            ("pause", {"target": "nobody"}, "nobody"),
            ("pause", {"target": 5}, "texts"),
            ("kill", {"target": "all"}, "not confirmed"),
            ("kill", {"target": "all", "confirm": ["default"]}, "texts"),
        ):
            with pytest.raises(ControlError, match=said):
                await ask(name, **arguments)
        await ask("kill", target="all", confirm="default")
        acts = (await ask("accounts"))["acts"]
        assert [one["act"] for one in acts if one["outcome"] == "done"] == [
            "kill", "flatten", "release", "halt", "resume", "pause",
        ]  # fmt: skip
        assert {one["by"] for one in acts} == {f"uid {os.getuid()} over the control channel"}


@pytest.mark.trio
@pytest.mark.parametrize("isolated", [False, True])
async def test_a_read_only_engine_shows_accounts_and_refuses_acts(isolated: bool) -> None:
    """Nothing can be done over its channel, nor over that of the process that trades for it."""
    plan = trading_plan(isolated=isolated, read_only=True, persist=False)
    async with running(plan) as (engine, ask):
        await until(ask, "accounts", lambda found: bool(found.get("fills")))
        with pytest.raises(ControlError, match="read-only"):
            await ask("kill", target="all", confirm="default")
        if isolated:
            child = ControlClient(Path(os.environ["RINGSIDE_SHM"]) / "test.paper.sock", timeout_s=10)
            with pytest.raises(ControlError, match="read-only"):
                await trio.to_thread.run_sync(lambda: child.request("pause", target="all"))
            child.close()
        assert (await ask("accounts"))["acts"] == []
    assert engine.summary["paper"]["fills"] > 0


@pytest.mark.trio
async def test_an_engine_that_does_not_trade_says_so() -> None:
    """Without paper trading there are no accounts, and acts are refused with what to do."""
    async with running(make_plan("BTCUSD", persist=False)) as (engine, ask):
        assert await ask("accounts") == {"enabled": False}
        assert (await ask("status"))["paper"] == {"enabled": False, "state": "off"}
        with pytest.raises(ControlError, match="nobody trades on paper"):
            await ask("pause", target="all")
    assert engine.summary["paper"] is None


@pytest.mark.trio
async def test_a_killed_desk_comes_back_with_what_it_held() -> None:
    """After SIGKILL, in the midst of trading and while paused, a new process goes on with the same accounts,
    positions and orders; the feeds never notice."""
    desk = find_paths().state / "paper" / "default"
    async with running(trading_plan(isolated=True)) as (engine, ask):
        busy = await until(ask, "accounts", lambda found: bool(found.get("positions")) and len(found["fills"]) >= 4)
        status = await killed(ask, busy)
        assert any("killed by signal 9" in line["text"] for line in status["log"])
        await until(ask, "accounts", lambda found: after_session(busy)(found) and bool(found["positions"]))
        await ask("pause", target="all")
        before = await ask("accounts")
        await killed(ask, before, restarts=2)
        after = await until(ask, "accounts", after_session(before))
        assert money_of(after) == money_of(before)
        assert {row["state"] for row in after["strategies"]} == {"paused"}
        await ask("resume", target="all")
        await until(ask, "accounts", lambda found: bool(found["fills"]))
    names = [busy["session"], before["session"], after["session"]]
    for earlier, later in pairwise(names):
        assert find(desk, later).head.resumed == earlier
        first, second = find(desk, earlier).state(), find(desk, later).head.state
        assert (first.accounts, first.orders, first.next_number) == (
            second.accounts,
            second.orders,
            second.next_number,
        )
        held = [[(one.spec.label, one.spec.key, one.held_e8) for one in state.lanes] for state in (first, second)]
        assert held[0] == held[1]
    assert [(row["gaps"], row["reconnects"], row["problem"]) for row in engine.summary["feeds"]] == [(0, 0, "")] * 2
    assert engine.summary["paper"]["restarts"] == 2
    assert left_behind() == []


def after_session(document: Mapping[str, Any]) -> Callable[[dict[str, Any]], bool]:
    """Whether a document is of a later session, which is traded in."""
    return lambda found: found["session"] != document["session"] and bool(found["running"])


async def killed(ask: Ask, document: Mapping[str, Any], *, restarts: int = 1) -> dict[str, Any]:
    """Kill the process of a desk; the status once another one trades."""
    victim = document["host"]["pid"]
    os.kill(victim, signal.SIGKILL)
    status = await until(ask, "status", in_state("trading", restarts=restarts))
    assert status["paper"]["pid"] not in {0, victim}
    return status


def approved_file(folder: Path, name: str, body: str) -> str:
    """The path of a strategy file that may run; `body` is what it does at each event."""
    path = folder / f"{name}.py"
    path.write_text(f"{STRATEGY}        {body}\n", encoding="utf-8")
    approve(find_paths().configuration_file.parent / LIST_NAME, path, sha256_of(path))
    return str(path)


@pytest.mark.trio
@pytest.mark.parametrize(
    ("name", "body", "call_s", "said"),
    [
        ("endless", LOOPS, 0.3, "took too long"),
        ("hungry", EATS, 30.0, "MemoryError"),
        ("nibbling", NIBBLES, 30.0, "MemoryError"),
    ],
    ids=["endless", "hungry", "nibbling"],
)
async def test_a_strategy_out_of_bounds_is_stopped_alone(
    tmp_path: Path, name: str, body: str, call_s: float, said: str
) -> None:
    """One that never answers, or takes all memory, is stopped with its cause; others and the feeds go on."""
    bad = run_of(name, approved_file(tmp_path, name, body))
    plan = paper(bad, run_of(), isolated=True, call_s=call_s, memory_mb=256)
    async with running(make_plan("BTCUSD", paper=plan)) as (engine, ask):
        status = await until(ask, "status", in_state("trading", stopped=1))
        stopped = fills_of(await ask("accounts"))
        document = await until(ask, "accounts", lambda found: fills_of(found)["sma"] > stopped["sma"] + 2)
        states = {row["label"]: (row["state"], row["reason"]) for row in document["strategies"]}
        assert states["sma"][0] == "running"
        assert states[name][0] == "stopped"
        assert said in states[name][1]
        # One that takes the last byte may take its process with it, which then begins again.
        assert name == "nibbling" or status["paper"]["restarts"] == 0
        assert document["host"]["pid"] != os.getpid()
    assert engine.summary["paper"]["stopped"] == [name]
    assert [(row["gaps"], row["reconnects"]) for row in engine.summary["feeds"]] == [(0, 0)]


@pytest.mark.trio
async def test_what_cannot_be_begun_again_is_shown_and_takes_nothing_down(tmp_path: Path) -> None:
    """A strategy file that was changed may not run again: the desk is given up, the feeds stream on."""
    file = approved_file(tmp_path, "changing", "return HOLD")
    async with running(make_plan("BTCUSD", paper=paper(run_of(), run_of("changing", file), isolated=True))) as (
        engine,
        ask,
    ):
        document = await until(ask, "accounts", lambda found: bool(found.get("fills")))
        Path(file).write_text("raise SystemExit\n", encoding="utf-8")
        os.kill(document["host"]["pid"], signal.SIGKILL)
        status = await until(ask, "status", in_state("failed", pid=0))
        assert "changed since it was approved" in status["paper"]["reason"]
        trades = feed_of(status, "BTCUSD")["trades"]
        await until(ask, "status", lambda found: feed_of(found, "BTCUSD")["trades"] > trades)
        found = await ask("accounts")
        assert (found["running"], found["session"]) == (False, document["session"])
        with pytest.raises(ControlError, match="paper trading is failed"):
            await ask("pause", target="all")
    assert any(error.startswith("paper trading: ") for error in engine.summary["errors"])


@pytest.mark.trio
async def test_a_strategy_that_cannot_be_stopped_takes_no_feed_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is replaced, the cause is said, and trades are streamed and stored all the while."""
    monkeypatch.setattr(childhost, "UNANSWERED_S", 3.0)
    monkeypatch.setattr(asking, "ANSWER_S", 1.0)
    monkeypatch.setattr(childprocess, "LEAVE_S", 0.2)
    bad = run_of("bad", approved_file(tmp_path, "bad", HANGS), bars="40t")
    async with running(make_plan("BTCUSD", paper=paper(bad, isolated=True, call_s=0.2))) as (engine, ask):
        status = await until(ask, "status", lambda found: "hangs" in found["paper"]["reason"])
        assert (await ask("accounts"))["running"] is False
        trades = feed_of(status, "BTCUSD")["trades"]
        await until(ask, "status", lambda found: feed_of(found, "BTCUSD")["trades"] > trades)
    assert engine.summary["store"]["lost"] == 0
    assert [(row["gaps"], row["reconnects"]) for row in engine.summary["feeds"]] == [(0, 0)]


@pytest.mark.trio
async def test_a_desk_that_somebody_has_ends_the_engine_at_its_beginning() -> None:
    """Two may not trade on one desk: the second is refused and says who has it."""
    refused = pytest.raises(RefusedError, match="instance other")
    with desk_folder(find_paths().state, "default", instance="other"), trio.fail_after(DEADLINE_S), refused:
        await Engine(trading_plan(), open_journal(None, to_stderr=False)).run()
    assert left_behind() == []


@pytest.mark.trio
@pytest.mark.parametrize("isolated", [False, True])
async def test_an_account_in_another_currency_ends_the_engine_at_its_beginning(isolated: bool) -> None:
    """What is streamed is not settled in what the account has: exit code 3, and nothing is left."""
    euros = paper(currency="EUR", isolated=isolated)
    euros = attrs.evolve(
        euros, accounts=attrs.evolve(euros.accounts, default=AccountSpec("DEFAULT", "EUR", 10**15, (), 1))
    )
    with trio.fail_after(DEADLINE_S), pytest.raises(ConsoleError, match="EUR") as caught:
        await Engine(make_plan("BTCUSD", paper=euros), open_journal(None, to_stderr=False)).run()
    assert caught.value.exit_code == 3
    assert left_behind() == []


@pytest.mark.trio
async def test_a_strategy_that_is_gone_ends_the_engine_with_what_there_is() -> None:
    """A file that is not there is the error of the process that trades, and of the engine that began it."""
    plan = make_plan("BTCUSD", paper=paper(run_of("gone", "/nowhere/gone.py"), isolated=True))
    with trio.fail_after(DEADLINE_S), pytest.raises(ConsoleError, match="gone") as caught:
        await Engine(plan, open_journal(None, to_stderr=False)).run()
    assert caught.value.exit_code == NotFoundError.exit_code


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """Runs commands with this test's home."""
    return Console(capsys)


def test_serve_trades_on_paper_and_says_what_came_of_it(console: Console, tmp_path: Path) -> None:
    """The command line begins it, and the summary at the end has the session and its accounts."""
    settings = tmp_path / "settings.toml"
    settings.write_text('[paper_trading]\nbars = "5t"\n', encoding="utf-8")
    line = ("serve", "--simulated", "--symbols", "BTCUSD", "--duration", "4", "--config", str(settings))
    done: Done = console(*line, "--paper-trading", "--strategy", "sma", "--json")
    assert done.code == 0, done.err
    assert done.json["paper"]["desk"] == "default"
    (account,) = done.json["paper"]["accounts"]
    assert (account["id"], account["currency"]) == ("DEFAULT", "USD")
    done = console(*line, "--paper-trading", "--strategy", "sma")
    assert "traded on paper: desk default, session " in done.err
    assert "account DEFAULT: equity " in done.err
    for more, code in (
        (("--paper-trading", "--strategy", "smaa"), 4),
        (("--paper-trading",), 2),
        (("--strategy", "sma"), 2),
    ):
        assert console(*line, *more).code == code


def test_a_recording_waits_for_those_who_trade(console: Console, captures: Path, tmp_path: Path) -> None:
    """Played as fast as it goes, none of its trades passes them by, and the session is the backtest of it."""
    settings = tmp_path / "settings.toml"
    settings.write_text('[paper_trading]\nbars = "20t"\nmode = "each-tick"\n', encoding="utf-8")
    recording = captures / "binance" / "spot_btcusdt_20240809.txt.gz"
    line = ("serve", "--provider", "binance", "--recording", str(recording), "--speed", "max", "--until-end")
    trading = ("--paper-trading", "--strategy", "sma", "--config", str(settings), "--json")
    done: Done = console(*line, *trading)
    assert done.json["paper"]["fills"] > 100
    (feed,) = done.json["feeds"]
    (symbol,) = console("accounts", "--json").json["symbols"]
    assert (symbol["holes"], symbol["lost"]) == (0, 0)
    assert feed["trades"] - 1000 < symbol["ticks"] <= feed["trades"]  # less those that were there before it began
    assert console("parity", "latest", "--json").json["percent"] == 100.0
