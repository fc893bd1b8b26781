"""Screen 5 as an operator meets it: a form, the command that it runs, and what came of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from console.tui.backtest.filling import Filling
from console.tui.backtest.rows import Task
from console.tui.backtest.screen import Backtest
from core.model.fixedpoint import parse_price
from tests.tui.conftest import Console
from tests.tui.test_inline import session
from tests.tui.test_terminal import _assert_given_back
from tests.unit.console.backtests.trading import stored
from tests.unit.console.tui.backtest import documents

See = Callable[..., None]


async def _open(console: Console) -> None:
    await console.until("Board")
    await console.press("5")
    await console.until("▸strategy      < sma >")


def _answering(tmp_path: Path, program: str) -> Backtest:
    """A screen whose command is a program of the test's; `db` lists one stored symbol."""
    script = tmp_path / "command.py"
    listed = {
        "rows": [{"venue": "KRAKEN", "symbol": "BTCUSD", "schema": "trades", "rows": 9, "first": "", "last": ""}]
    }
    script.write_text(
        "import json, signal, sys, time\n"
        f"if sys.argv[1] == 'db': sys.exit(print({json.dumps(listed)!r}))\n"
        f"{program}\n",
        encoding="utf-8",
    )
    return Backtest(command=(sys.executable, os.fspath(script)))


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_a_backtest_is_checked_run_and_saved(see: See, tmp_path: Path, size: tuple[int, int]) -> None:
    """What is stored is offered; `v` shows its bars, `r` its result, `e` writes it, `y` copies the command line."""
    stored(2000)

    async def scene(console: Console) -> None:
        await _open(console)
        await console.until(lambda screen: "symbol        BTCUSD" in screen and "venue         KRAKEN" in screen)
        await console.press("v")
        await console.until(lambda screen: "2 000 ticks" in screen and "┃" in screen)
        await console.press("r")
        screen = await console.until("─ Trades ─")
        for part in ("return", "Sharpe", "drawdown", "sma on BTCUSD KRAKEN", "─ Equity ─ in USD ─"):
            assert part in screen, part
        assert all(len(line) == size[0] for line in screen.splitlines())
        await console.press("e")
        await console.type(f"{tmp_path}/result.json")
        await console.press("enter")
        await console.until("saved: ")
        await console.press("y")
        await console.until("sent the command line")
        assert console.app.clipboard == "ringside --batch backtest --strategy sma --symbol BTCUSD"

    see(scene, size=size)
    saved = json.loads((tmp_path / "result.json").read_bytes())
    assert (saved["kind"], saved["data"]["rows"]) == ("backtest", 2000)
    assert parse_price(saved["trades"][0]["entry_price"]) > 0


def test_a_range_in_a_parameter_makes_a_sweep(see: See, tmp_path: Path) -> None:
    """What is typed into two parameters is swept; the map and the table are a key apart; the whole is saved."""
    stored(1000)

    async def scene(console: Console) -> None:
        await _open(console)
        await console.until("symbol        BTCUSD")
        await console.press("j", "enter", "ctrl+u", "r")  # a letter is typed, and runs nothing
        await console.until("▸short         r")
        await console.press("ctrl+u")
        await console.type("2:6:2")
        await console.press("tab", "enter", "ctrl+u")
        await console.type("10,20")
        await console.press("enter")
        await console.until("10,20  sweep")
        await console.press("r")
        await console.until(lambda screen: "6 combinations" in screen and "long \\ short" in screen)
        await console.press("h")
        await console.until(lambda screen: "─ Runs ─" in screen and "long \\ short" not in screen)
        await console.press("e")
        await console.type(f"{tmp_path}/sweep.csv")
        await console.press("enter")
        await console.until("saved")

    see(scene, size=(120, 40))
    assert len((tmp_path / "sweep.csv").read_text(encoding="utf-8").splitlines()) == 7


def test_a_walk_forward_is_run_and_saved(see: See, tmp_path: Path) -> None:
    """With folds a range is chosen from again and again; its page is written without running it anew."""
    stored(1000)

    async def scene(console: Console) -> None:
        await _open(console)
        await console.until("symbol        BTCUSD")
        await console.press("r")
        screen = await console.until("─ Folds ─")
        assert "efficiency" in screen or "Walk forward" in screen
        await console.press("e")
        await console.type(f"{tmp_path}/folds.html")
        await console.press("enter")
        await console.until("saved")

    see(scene, size=(120, 40), filling=Filling({"parameter short": "2:6:2", "walk_forward": "3"}))
    assert "</html>" in (tmp_path / "folds.html").read_text(encoding="utf-8")


def test_what_makes_no_sense_is_not_run(see: See) -> None:
    """The cursor goes to the field, the reason stands beside it, and nothing is started."""
    stored(100)

    async def scene(console: Console) -> None:
        await _open(console)
        await console.until("symbol        BTCUSD")
        await console.press("j", "enter", "ctrl+u")
        await console.type("50")
        await console.press("enter", "k", "r")
        await console.until(lambda screen: "▸short" in screen and "must be below long" in screen)
        assert not console.app.panes.backtest.backtest.runs.busy
        await console.press("space", "ctrl+u")
        await console.type("3")
        await console.press("enter", "r")
        await console.until("─ Trades ─")

    see(scene)


def test_nothing_stored_is_said(see: See) -> None:
    """Without data the screen says where it comes from; a symbol that is not there fails with the command's words."""

    async def scene(console: Console) -> None:
        await _open(console)
        await console.until("no trades are stored")
        await console.press("r")
        await console.until("⚠ no symbol")
        await console.press("enter")
        await console.type("BTCUSD")
        await console.press("enter", "r")
        await console.until("⚠ failed")
        await console.until("not stored")

    see(scene)


@pytest.mark.parametrize("task", ["run", "check"])
def test_what_runs_for_ever_is_cancelled(see: See, tmp_path: Path, task: Task) -> None:
    """Its progress is shown, a second one is refused, and `x` ends it; the screen answers all the time."""
    program = 'print(\'{"progress": 0.5, "text": "busy with it"}\', file=sys.stderr, flush=True)\ntime.sleep(600)'

    async def scene(console: Console) -> None:
        console.app.panes.backtest.backtest = _answering(tmp_path, program)
        await _open(console)
        await console.until("symbol        BTCUSD")
        await console.press("r" if task == "run" else "v")
        await console.until(lambda screen: " 50%" in screen and "busy with it" in screen)
        await console.press("r")
        await console.until("x cancels it")
        await console.press("j", "x")
        await console.until("⚠ cancelled after")
        await console.press("x")
        await console.until("nothing is running")

    see(scene)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('Traceback: \\x1b[2J'); sys.exit(1)", "what it printed is not JSON"),
        ('print(\'{"kind": "\\\\u001b[31m"}\')', "it printed a document of ?[31m"),
        ("sys.exit(1)", "it printed nothing, exit code 1"),
    ],
)
def test_nonsense_from_the_command_is_only_said(see: See, tmp_path: Path, program: str, said: str) -> None:
    """Whatever it prints, the screen stands, and no control character reaches it."""

    async def scene(console: Console) -> None:
        console.app.panes.backtest.backtest = _answering(tmp_path, program)
        await _open(console)
        await console.until("symbol        BTCUSD")
        await console.press("r")
        await console.until(lambda screen: said in " ".join(screen.split()) and "⚠ failed" in screen)
        await console.press("1")
        await console.until("Board")

    see(scene, size=(160, 50))


def test_the_result_has_a_pane_of_its_own(see: See, tmp_path: Path) -> None:
    """`tab` goes there and back, `enter` shows all about it, `j` scrolls, `esc` leaves step by step."""
    document = documents.result()
    document["trades"] = [document["trades"][0] | {"profit": f"{number}.25"} for number in range(100)]
    (tmp_path / "document.json").write_text(json.dumps(document), encoding="utf-8")
    program = f"print(open({str(tmp_path / 'document.json')!r}).read())"

    async def scene(console: Console) -> None:
        console.app.panes.backtest.backtest = _answering(tmp_path, program)
        await _open(console)
        await console.until("symbol        BTCUSD")
        await console.press("r")
        await console.until("+0.25")
        await console.press("tab")
        await console.until(lambda screen: "▸strategy" not in screen)  # at 80 columns it has all of them
        await console.press("j")
        await console.until(lambda screen: "+1.25" in screen and "+0.25" not in screen)
        await console.press("G")
        await console.until("+99.25")
        await console.press("h")
        await console.until("─ h: plots ─")
        await console.press("enter")
        await console.until("Bars are stamped at their close.")
        await console.press("escape", "escape")
        await console.until("▸strategy")
        await console.press("j", "space")  # a field without choices is typed into
        assert console.app.panes.backtest.backtest.editing
        await console.press("escape", "escape")
        await console.until("Board")

    see(scene, size=(80, 24))


def test_fields_are_chosen_with_the_mouse(see: See) -> None:
    """A click goes to a field, a second one takes its next choice; the wheel moves on."""

    async def scene(console: Console) -> None:
        await _open(console)
        row = next(number for number, line in enumerate(console.text().splitlines()) if " bars " in line)
        await console.pilot.click(offset=(5, row))
        await console.until("▸bars          < 1m, its own >")
        await console.pilot.click(offset=(5, row))
        await console.until("▸bars          < 1m >")
        console.app.panes.backtest.on_mouse_scroll_up()
        await console.until("▸data  ")

    see(scene)


def test_keys_mean_what_they_mean_elsewhere_elsewhere(see: See) -> None:
    """The keys of this screen do nothing of it on others, and the palette's acts lead to it."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("r", "x", "v")
        await console.until("v begins that on screen 6")
        await console.press("5")
        await console.press("slash")
        await console.until("there is nothing to be filtered")
        await console.press("1")
        await console.until("Board")
        console.app.action_run("check")
        await console.until("▸symbol")

    see(scene)


def test_the_settings_of_the_console_are_those_of_its_backtests(see: See) -> None:
    """What is handed on stands in the command line; the console begins on its first screen all the same."""

    async def scene(console: Console) -> None:
        await _open(console)
        await console.until("--strategy sma --config x.toml")

    see(scene, filling=Filling(passed=("--config", "x.toml")))


def test_the_command_opens_on_its_screen() -> None:
    """`ringside backtest` shows the form as the command line filled it, without an engine; `q` gives all back."""
    stored(100)
    with session("backtest", "--strategy", "sma", "--symbol", "BTCUSD", "--param", "short=7") as running:
        running.read_until("no engine")
        running.read_until("--param short=7 --symbol BTCUSD")
        running.send(b"r")
        running.read_until("Trades")
        running.send(b"q")
        assert running.wait() == 0
        _assert_given_back(running)


@pytest.mark.parametrize("option", [("--list",), ("--json", "--strategy", "nothing", "--symbol", "X")])
def test_a_backtest_that_prints_needs_no_screen(option: tuple[str, ...]) -> None:
    """In a terminal, too, what asks for output gets output."""
    with session("backtest", *option) as running:
        assert running.wait() in {0, 4}
        assert b"\x1b[?1049h" not in running.output
