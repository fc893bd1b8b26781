"""Screen 2 as an operator meets it: accounts, what trades on them, and the acts that ask for a name first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tui.conftest import Console
from tests.tui.fake_engine import FakeEngine
from tests.unit.console.tui.accounts.documents import document, main

See = Callable[..., None]


@pytest.fixture
def trading(engine: FakeEngine) -> FakeEngine:
    """The engine, with two accounts and four strategies."""
    engine.desk = document(time.time_ns())
    engine.overrides = {
        "paper": {"enabled": True, "state": "trading", "reason": "", "strategies": 4, "stopped": 1,
                  "halted": ["futures"]},
    }  # fmt: skip
    return engine


async def _open(console: Console) -> str:
    await console.until("Board")
    await console.press("2")
    return await console.until("─ Paper trading ─ desk default ─ ● trades in test ─")


def _chosen(name: str) -> Callable[[str], bool]:
    return lambda screen: any(line.startswith(f"▸{name} ") for line in screen.splitlines())


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40), (160, 50)])
def test_everything_is_on_the_accounts_screen(see: See, trading: FakeEngine, size: tuple[int, int]) -> None:
    """Accounts, worth, curve, lists and keys are there at every size."""

    async def scene(console: Console) -> None:
        screen = await _open(console)
        parts = ("▸main", "⚠ 1 paused", "⚠ halted", "equity 101 234.567890123", "Positions 2", "q leave")
        for part in (*parts, *(("p pause", "H halt", "R release", "Working orders") if size[0] >= 120 else ())):
            assert part in screen, part
        assert len(screen.splitlines()) == size[1]
        assert all(len(line) == size[0] for line in screen.splitlines())

    see(scene, size=size)


@pytest.mark.usefixtures("trading")
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("terminal", [{"NO_COLOR": "1"}, {"TERM": "xterm"}])
def test_nothing_is_told_by_colour_alone(see: See, terminal: dict[str, str], ascii_only: bool) -> None:
    """Without colours, with sixteen, and in ASCII, signs and words say the same."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("2")
        screen = await console.until("Paper trading")
        for part in ("halted", "1 paused", "+1.23 %", "5.34 %", "1 stopped"):
            assert part in screen, part
        assert screen.isascii() == ascii_only

    see(scene, terminal=terminal, ascii_only=ascii_only)


def test_accounts_are_asked_for_only_in_sight(see: See, trading: FakeEngine) -> None:
    """Nobody asks before the screen is opened, and nobody goes on after it was left."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        assert "accounts" not in trading.requests
        await _open(console)
        await console.until(lambda _screen: trading.requests.count("accounts") > 1)
        await console.press("1")
        await console.until("Board")
        asked, answered = trading.requests.count("accounts"), trading.requests.count("status")
        await console.until(lambda _screen: trading.requests.count("status") > answered + 4)
        assert trading.requests.count("accounts") <= asked + 1  # one may have been under way

    see(scene)


def test_the_figures_follow_the_engine(see: See, trading: FakeEngine) -> None:
    """What an account is worth changes by itself; an account that goes takes the cursor to another."""

    async def scene(console: Console) -> None:
        await _open(console)
        await console.press("j")
        await console.until(_chosen("futures"))
        trading.desk = document(time.time_ns(), accounts=[{**main(equity="99000"), "return": -0.01}])
        await console.until(lambda screen: _chosen("main")(screen) and "−1 000.00  −1.00 %" in screen)

    see(scene)


def test_keys_lead_through_accounts_and_lists(see: See, trading: FakeEngine) -> None:
    """`j`, arrows and `tab` choose account and list, `enter` shows the details, `esc` leads back, `y` copies."""

    async def scene(console: Console) -> None:
        await _open(console)
        await console.press("j")
        await console.until(_chosen("futures"))
        await console.press("tab", "tab")
        await console.until("⚠ mine on BTCUSDT.PERP BINANCE stopped: ZeroDivisionError")
        await console.press("left")
        await console.until("▸Strategies 3")
        await console.press("j", "j")
        await console.until("⚠ breakout on BTCUSD KRAKEN paused: by an operator")
        await console.press("tab", "G")
        await console.until("▸Fills 24")
        await console.press("shift+tab", "enter")
        await console.until("began with 100000 USD")
        await console.press("pagedown", "escape", "escape")
        await console.until("─ ▸Accounts ─")
        await console.press("y")
        await console.until("sent the figures of main")
        assert console.app.clipboard.startswith("main\tUSD\t100000\t101234.567890123\t")
        await console.type("/sell")
        await console.press("enter", "tab", "tab", "tab")
        await console.until("▸Fills 12")
        await console.press("escape")
        await console.until("▸Fills 24")

    see(scene, size=(80, 24))


def test_the_mouse_chooses(see: See, trading: FakeEngine) -> None:
    """A click on an account, on a list, on a strategy; the wheel scrolls."""

    async def scene(console: Console) -> None:
        screen = await _open(console)
        lines = screen.splitlines()
        await console.pilot.click(
            offset=(3, next(at for at, line in enumerate(lines) if line.startswith(" futures")))
        )
        await console.until(_chosen("futures"))
        console.app.panes.accounts.on_mouse_scroll_up()
        await console.until(_chosen("main"))
        row = next(at for at, line in enumerate(lines) if "breakout " in line and "⚠ paused" in line)
        await console.pilot.click(offset=(lines[row].index("breakout ", 80), row))
        await console.until(lambda screen: "▸breakout" in screen and "▸Strategies 3" in screen)
        console.app.panes.accounts.on_mouse_scroll_down()

    see(scene, size=(160, 50))


def test_a_strategy_is_paused_and_resumed_by_its_name(see: See, trading: FakeEngine) -> None:
    """`p` in the list of strategies asks for the label; another name does nothing; `r` lets it go on."""

    async def scene(console: Console) -> None:
        await _open(console)
        await console.press("p")
        await console.until("choose a strategy, then pause it")
        await console.press("p")
        await console.until("pause sma: it only looks on; type sma to do it:")
        await console.type("mine")
        await console.press("enter")
        await console.until("no pause: the name was not typed as it is")
        await console.press("p")
        await console.type("sma")
        await console.press("enter")
        await console.until("pause sma: the engine agreed")
        await console.press("G", "r")
        await console.until("resume breakout: it gives orders again; type breakout to do it:")
        await console.type("breakout")
        await console.press("enter")
        await console.until("resume breakout: the engine agreed")
        assert trading.changes == [
            {"op": "pause", "target": "sma", "confirm": "sma"},
            {"op": "resume", "target": "breakout", "confirm": "breakout"},
        ]

    see(scene)


def test_an_account_is_halted_and_released_by_its_name(see: See, trading: FakeEngine) -> None:
    """`H` and `R` ask for the account's id; `esc` gives it up."""

    async def scene(console: Console) -> None:
        await _open(console)
        await console.press("H")
        await console.until("halt main: only what reduces a position is allowed; type main to do it:")
        await console.press("escape")
        await console.until("q leave")
        await console.press("H")
        await console.type("main")
        await console.press("enter")
        await console.until("halt main: the engine agreed")
        await console.press("right", "R")
        await console.until("type futures to do it:")
        await console.type("futures")
        await console.press("enter")
        await console.until("release futures: the engine agreed")
        assert [one["op"] for one in trading.changes] == ["halt", "release"]

    see(scene)


def test_commands_reach_the_desk_from_anywhere(see: See, trading: FakeEngine) -> None:
    """Labels and accounts are completed; what is about everything asks for the name of the desk."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("colon")
        await console.until(lambda _screen: console.app.link.accounts.desk is not None)
        await console.type("flatten br")
        await console.press("tab", "enter")
        await console.until("flatten breakout: takes back orders, closes positions; type breakout to do it:")
        await console.type("breakout")
        await console.press("enter")
        await console.until("flatten breakout: the engine agreed")
        await console.type(":kill")
        await console.press("enter")
        await console.until("kill all: pauses, halts and closes everything; type default to do it:")
        await console.type("default")
        await console.press("enter")
        await console.until("kill all: the engine agreed")
        await console.type(":halt sma")
        await console.press("enter")
        await console.until("no such strategy or account: sma (one of main, futures, all)")
        await console.type(":pause")  # without a name it is the tape that pauses
        await console.press("enter")
        await console.until("paused")
        assert trading.changes == [
            {"op": "flatten", "target": "breakout", "confirm": "breakout"},
            {"op": "kill", "target": "all", "confirm": "default"},
        ]

    see(scene)


def test_a_refusal_is_shown(see: See, trading: FakeEngine) -> None:
    """A read-only engine is not asked, and what an engine refuses stands there in its words."""

    async def scene(console: Console) -> None:
        trading.refusal = {"category": "refused", "message": "paper trading is starting: pause", "hint": "wait"}
        await _open(console)
        await console.press("H")
        await console.type("main")
        await console.press("enter")
        await console.until("halt main: refused (refused): paper trading is starting: pause; wait")
        trading.overrides = {**trading.overrides, "read_only": True}
        await console.until(" RO ")
        await console.press("H")
        await console.until("refused: this engine is read-only; it was started with --read-only")
        assert trading.changes == []

    see(scene)


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_an_engine_that_does_not_trade_says_how_to_begin(see: See, engine: FakeEngine, size: tuple[int, int]) -> None:
    """One of an older version and one that was not asked to; acts are not even asked for."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.type(":flatten sma")
        await console.press("enter")
        await console.until("this engine does not trade on paper; screen 2 says how to begin")
        assert "accounts" not in engine.requests
        await console.press("2")
        await console.until("The engine does not trade on paper.")
        engine.desk = {"enabled": False}
        screen = await console.until("[paper_trading]")
        assert "live --paper-trading" in screen
        await console.type(":flatten all")
        await console.press("enter")
        await console.until("this engine does not trade on paper; screen 2 says how to begin")
        for key in ("p", "r", "H", "R", "j", "k", "tab", "right", "left", "n", "enter", "y", "G"):
            await console.press(key)
        engine.desk = document(time.time_ns())
        await console.until("▸main")

    see(scene, size=size)


@pytest.mark.parametrize(
    "answer",
    [
        {"accounts": "many"}, {"accounts": [None, 3, {}]}, {"accounts": [{"id": "\x1b[31m", "equity": "9" * 80}]},
        {"accounts": [{"id": "x", "curve": [[0, "1"], "no"]}], "strategies": [{}], "fills": [[]], "symbols": [7]},
    ],
)  # fmt: skip
def test_odd_answers_do_not_take_the_screen_down(see: See, trading: FakeEngine, answer: dict[str, Any]) -> None:
    """An engine of another version is shown as far as it can be read; the screen goes on."""

    async def scene(console: Console) -> None:
        trading.desk = {"desk": "odd", "running": True, **answer}
        await console.until("Board")
        await console.press("2")
        screen = await console.until("─ Paper trading ─ desk odd ─")
        assert "\x1b" not in screen
        await console.press("tab", "n", "j", "tab", "p", "H", "escape", "escape", "2")
        trading.desk = document(time.time_ns())
        await console.until("desk default")

    see(scene)


def test_trouble_is_on_the_status_line_of_every_screen(see: See, trading: FakeEngine) -> None:
    """Strategies that were stopped and accounts that are halted are counted, and are among the problems."""

    async def scene(console: Console) -> None:
        await console.until("paper 4 ⚠ 1 stopped ⚠ 1 halted")
        await console.press("8")
        await console.until("paper trading: account futures is halted")
        await console.until("paper trading: 1 strategy was stopped; screen 2 says why")
        trading.overrides = {"paper": {"enabled": True, "state": "failed", "reason": "the disk is full"}}
        await console.until("⚠ paper failed")
        await console.until("paper trading has failed: the disk is full")
        trading.overrides = {"paper": {"enabled": True, "state": "starting", "reason": "waiting for KRAKEN"}}
        await console.until("⟳ paper starting")

    see(scene, size=(160, 50))


def test_the_last_answer_stays_while_the_engine_is_away(see: See, trading: FakeEngine) -> None:
    """It is marked as old."""

    async def scene(console: Console) -> None:
        await _open(console)
        trading.close()
        screen = await console.until("⚠ as last heard:")
        assert "equity 101 234.567890123" in screen
        trading.start()
        await console.until("● trades in test")

    see(scene)


@pytest.fixture
def beside() -> Iterator[FakeEngine]:
    """A process that trades on the desk beside the engine, and does nothing else."""
    with FakeEngine(Path(os.environ["RINGSIDE_SHM"]), instance="paper-default") as running:
        running.desk = document(time.time_ns(), host={"instance": "paper-default", "pid": 7})
        yield running


def test_a_desk_beside_the_engine_is_shown_and_obeys(see: See, engine: FakeEngine, beside: FakeEngine) -> None:
    """Where the engine does not trade on paper the process that does answers, and gets the acts, though the engine is
    read-only; when it goes the screen says how to begin."""
    engine.desk, engine.overrides = {"enabled": False}, {"read_only": True}

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("colon")
        await console.until(lambda _screen: console.app.link.accounts.beside)
        await console.type("halt main")
        await console.press("enter")
        await console.until("type main to do it:")
        await console.type("main")
        await console.press("enter")
        await console.until("halt main: the desk agreed")
        assert beside.changes == [{"op": "halt", "target": "main", "confirm": "main"}]
        assert engine.changes == []
        await console.press("2")
        await console.until("● trades in paper-default")
        engine.close()
        await console.until("engine not reachable")
        screen = await console.until("● trades in paper-default")
        assert "as last heard" not in screen
        engine.start()
        await console.until("engine running")
        beside.close()
        await console.until("The engine does not trade on paper.")

    see(scene, size=(160, 50), desk="default")


def test_an_engine_that_trades_is_never_answered_for(see: See, trading: FakeEngine, beside: FakeEngine) -> None:
    """Its own desk is shown, and obeys, whatever is traded on beside it."""
    beside.desk = document(time.time_ns(), desk="other")

    async def scene(console: Console) -> None:
        await _open(console)
        await console.type(":kill")
        await console.press("enter")
        await console.until("type default to do it:")
        await console.type("default")
        await console.press("enter")
        await console.until("kill all: the engine agreed")
        assert beside.requests == []
        trading.close()
        await console.until("⚠ as last heard:")
        assert beside.requests == []

    see(scene, desk="default")
