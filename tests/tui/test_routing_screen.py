"""Screen 4 as an operator meets it: who serves a symbol as it is typed, what fetching it comes to, and the fetch."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from console.tui.backtest.filling import Filling
from console.tui.routing.screen import Routing
from tests.tui.conftest import Console
from tests.tui.fake_engine import FakeEngine
from tests.unit.console.tui.routing import documents

See = Callable[..., None]


async def _open(console: Console, *keys: str) -> None:
    await console.until("Board")
    await console.press("4")
    await console.until("type a symbol: who serves it")
    await console.press(*keys)


async def _fill(console: Console, symbol: str, exchange: str, **values: str) -> None:
    """Type a symbol and an exchange; `values` of other fields are there at once."""
    console.app.panes.routing.routing.form.values.update(values)
    await console.press("g", "enter")
    await console.type(symbol)
    await console.press("tab", "enter")
    await console.type(exchange)
    await console.press("enter")


def _answering(tmp_path: Path, *, price: str = "1.25", run: str = "") -> Routing:
    """A screen whose command is a program of the test's; a fetch does what `run` says."""
    plan, priced, ended = (
        json.dumps(one) for one in (documents.plan(), documents.plan(price=price), documents.outcome())
    )
    script = tmp_path / "command.py"
    script.write_text(
        "import sys, threading\n"
        f"if '--price' in sys.argv: print({priced!r})\n"
        f"elif '--dry-run' in sys.argv: print({plan!r})\n"
        f"else:\n    {run or f'print({ended!r})'}\n",
        encoding="utf-8",
    )
    return Routing(command=(sys.executable, os.fspath(script)))


def test_history_is_routed_planned_priced_and_fetched(see: See) -> None:
    """With the command itself and a simulated venue: each key does what it says, and `y` copies the command line."""

    async def scene(console: Console) -> None:
        await _open(console)
        await _fill(
            console, "BTCUSD", "cme", simulated="yes", schema="ohlcv-1h",
            start="2026-09-01", end="2026-09-04",
        )  # fmt: skip
        screen = await console.until("3 left")
        assert "✓ asset type  databento GLBX.MDP3" in screen
        assert "asset type    automatic: futures" in screen
        await console.press("y")
        await console.until("sent the command line")
        assert console.app.clipboard == (
            "ringside --batch fetch --symbols BTCUSD --exchange cme --start 2026-09-01 --end 2026-09-04 "
            "--schema ohlcv-1h --simulated"
        )
        await console.press("f")
        await console.until("p asks for the price first")
        await console.press("p")
        await console.until(lambda screen: "price $0." in screen and "f fetches it" in screen)
        await console.press("f")
        await console.until("type BTCUSD to do it")
        await console.type("ETHUSD")
        await console.press("enter")
        await console.until("nothing is fetched")
        await console.press("f")
        await console.type("BTCUSD")
        await console.press("enter")
        await console.until(lambda screen: "● BTCUSD done in " in screen and "3 stored" in screen)
        await console.press("f")
        await console.until("nothing is left to be fetched")

    see(scene, size=(80, 24))


def test_a_decision_is_there_while_it_is_typed(see: See) -> None:
    """No key but those of the name is pressed; what nobody can tell is said at the field."""

    async def scene(console: Console) -> None:
        await _open(console, "enter")
        await console.type("QQ_1")
        await console.until(lambda screen: "nothing tells whether it is" in screen and "no route" in screen)
        await console.press("ctrl+u")
        await console.type("ESH5")
        await console.until("⚠ no exchange")
        await console.press("tab")
        await console.press("enter")
        await console.type("CMEE")
        await console.until("no such exchange: CMEE")
        await console.press("backspace")
        await console.until("✓ asset type  databento GLBX.MDP3")
        await console.press("escape")  # what was typed is given up
        await console.until("⚠ no exchange")

    see(scene, size=(120, 40))


def test_a_field_tells_which_purpose_is_shown(see: See, tmp_path: Path) -> None:
    """Where there is no room for both, another choice shows the other one."""

    async def scene(console: Console) -> None:
        console.app.panes.routing.routing = _answering(tmp_path)
        await _open(console)
        await _fill(console, "BTCUSD", "KRAKEN")
        assert "─ Real-time ─" not in await console.until("─ Historical ─ kraken")
        await console.press("j", "j", "space")
        await console.until("─ Real-time ─ kraken")
        await console.press("left")
        await console.until("─ Historical ─ kraken")

    see(scene, size=(80, 24))


def test_what_runs_for_ever_is_cancelled(see: See, tmp_path: Path) -> None:
    """A fetch has a bar, and `x` ends it; the screen answers all the time, and says how it ended."""
    progress = '{"progress": 0.5, "text": "2026-11-10"}'

    async def scene(console: Console) -> None:
        run = f"print({progress!r}, file=sys.stderr, flush=True); threading.Event().wait()"
        console.app.panes.routing.routing = _answering(tmp_path, run=run)
        await _open(console)
        await _fill(console, "ESH5", "CME")
        await console.until("17 left")
        await console.press("x")
        await console.until("nothing is running")
        await console.press("p")
        await console.until("$1.25")
        await console.press("f")
        await console.type("ESH5")
        await console.press("enter")
        await console.until(lambda screen: " 50%" in screen and "2026-11-10" in screen and "x cancels" in screen)
        await console.press("p")
        await console.until("a fetch is under way")
        await console.press("j", "x")
        await console.until("what has come until then is stored")
        await console.press("1", "4")
        await console.until("⚠ cancelled after")

    see(scene)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('Traceback: \\x1b[2J'); sys.exit(1)", "what it printed is not JSON"),
        ('print(\'{"kind": "\\\\u001b[31m"}\')', "its answer cannot be read"),
    ],
)
def test_nonsense_from_the_command_is_only_said(see: See, tmp_path: Path, program: str, said: str) -> None:
    """Whatever it prints, the screen stands, and no control character reaches it."""
    script = tmp_path / "command.py"
    script.write_text(f"import sys\n{program}\n", encoding="utf-8")

    async def scene(console: Console) -> None:
        console.app.panes.routing.routing = Routing(command=(sys.executable, os.fspath(script)))
        await _open(console)
        await _fill(console, "ESH5", "CME")
        await console.until(lambda screen: said in " ".join(screen.split()))
        await console.press("1")
        await console.until("Board")

    see(scene, size=(160, 50))


def test_a_read_only_console_fetches_nothing(see: See, engine: FakeEngine, tmp_path: Path) -> None:
    """Routing and pricing work; a fetch is refused with a sentence."""
    engine.overrides = {"read_only": True}

    async def scene(console: Console) -> None:
        console.app.panes.routing.routing = _answering(tmp_path)
        await _open(console)
        await _fill(console, "ESH5", "CME")
        await console.until("17 left")
        await console.press("p")
        await console.until("$1.25")
        await console.press("f")
        await console.until("refused: this engine is read-only")

    see(scene, size=(120, 40))


def test_the_result_has_a_pane_of_its_own(see: See, tmp_path: Path) -> None:
    """`tab` goes there and back, `j` scrolls the months, a click goes to a field; `esc` leaves step by step."""
    program = json.dumps(documents.plan(days=documents.days(1000)))
    script = tmp_path / "command.py"
    script.write_text(f"print({program!r})", encoding="utf-8")

    async def scene(console: Console) -> None:
        console.app.panes.routing.routing = Routing(command=(sys.executable, os.fspath(script)))
        await _open(console)
        await _fill(console, "ESH5", "CME")
        await console.until("more below")
        await console.press("tab")
        await console.until(lambda screen: "─ Request ─" not in screen and " 2024-02 " in screen)
        await console.press("j")
        await console.until(lambda screen: " 2024-02 " not in screen and " 2024-03 " in screen)
        await console.press("G")
        await console.until(lambda screen: " 2026-11 " in screen and "more below" not in screen)
        await console.press("escape")
        await console.until("─ Request ─")
        row = next(number for number, line in enumerate(console.text().splitlines()) if line.startswith(" schema"))
        await console.pilot.click(offset=(5, row))
        await console.until("▸schema        < trades >")
        await console.pilot.click(offset=(5, row))
        await console.until("▸schema        < mbp-1 >")
        await console.press("slash")
        await console.until("nothing to be filtered")
        await console.press("escape")
        await console.until("Board")

    see(scene, size=(80, 24))


def test_the_settings_of_the_console_are_those_of_the_screen(see: See, tmp_path: Path) -> None:
    """Rules of the file that the console was begun with decide, and the command reads the same file."""
    path = tmp_path / "mine.toml"
    path.write_text(
        '[routing.symbols."ESH5@CME"]\nhistorical = "databento"\ndataset = "GLBX.MDP3"\n', encoding="utf-8"
    )

    async def scene(console: Console) -> None:
        await _open(console)
        await _fill(console, "ESH5", "CME")
        await console.until("✓ symbol      databento GLBX.MDP3")
        await console.until(f"--config {path}"[:30])

    see(scene, size=(160, 50), filling=Filling(passed=("--config", os.fspath(path))))
