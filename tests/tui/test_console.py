"""The console as an operator meets it: what stands on the screen, and what the keys do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from console.tui.actions import ACTIONS
from core.model.records import Schema
from tests.tui.conftest import BTC, ETH, TETHER, Console
from tests.tui.fake_engine import FakeEngine

See = Callable[..., None]


def _cursor_on(key: tuple[str, str]) -> Callable[[str], bool]:
    return lambda screen: any(line.split()[:2] == [f"▸{key[0]}", key[1]] for line in screen.splitlines())


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 50)])
def test_everything_is_on_the_ticks_screen(see: See, size: tuple[int, int]) -> None:
    """Board, chart, book, tape, status line and key line are there at every size from 80x24 on."""

    async def scene(console: Console) -> None:
        text = await console.until(lambda screen: screen.count("42150.2") >= 3 and "0.5" in screen)
        for part in ("Board", "Book", "Tape", "BTCUSD KRAKEN", "spot, in USD", "42148.00t", "2251.90"):
            assert part in text, part
        for part in ("engine", "kraken up", "lag 0", "lost 0", "store 0.2 s", "lat 0.2/2.1 ms", "1 Ticks", "q leave"):
            assert part in text, part
        assert all(len(line) == size[0] for line in text.splitlines())
        assert len(text.splitlines()) == size[1]

    see(scene, size=size)


@pytest.mark.parametrize("size", [(20, 5), (59, 24), (80, 14)])
def test_a_small_terminal_is_asked_for_more(see: See, size: tuple[int, int]) -> None:
    """Below 60x15 the screen says how large it should be and how large it is, and `q` still leaves."""

    async def scene(console: Console) -> None:
        text = await console.until(f"(now {size[0]}x{size[1]})")
        assert "60x15" in text
        assert "Board" not in text
        await console.press("q")
        assert console.app.exit_code == 0

    see(scene, size=size)


def test_a_tick_changes_price_arrow_and_tape(see: See, engine: FakeEngine) -> None:
    """A new trade appears on board and tape, with an arrow for its direction."""

    async def scene(console: Console) -> None:
        await console.until("42150.2")
        engine.trade(BTC, "42151.7", "3.25")
        await console.until(lambda screen: "42151.7 ▲" in screen and "▲ 42151.7 3.2500" in screen)
        engine.trade(BTC, "42149.9", "1", side=b"A")
        await console.until(lambda screen: "42149.9 ▼" in screen and "▼ 42149.9 1.0000" in screen)

    see(scene)


def test_the_cursor_moves_and_enter_focuses(see: See) -> None:
    """`j`, `k`, `g`, `G` move the cursor; `enter` puts its row into the right-hand panes."""

    async def scene(console: Console) -> None:
        await console.until(_cursor_on(BTC))
        await console.press("j")
        await console.until(_cursor_on(TETHER))
        await console.press("enter")
        await console.until("BTCUSD BINANCE ─ spot, in USDT")
        await console.press("G", "enter")
        await console.until("ETHUSD KRAKEN ─")
        await console.press("g")
        await console.until(_cursor_on(BTC))
        await console.press("k", "down", "up", "pagedown")
        await console.until(_cursor_on(ETH))

    see(scene)


def test_the_filter_hides_rows_while_it_is_typed(see: See) -> None:
    """`/` keeps rows with the text, `!` those without; `esc` in the line and later clears it."""

    async def scene(console: Console) -> None:
        await console.until("ETHUSD")
        await console.type("/eth")
        await console.until(lambda screen: "1 of 3" in screen and "42148.00t" not in screen)
        await console.press("enter")
        await console.until("/eth")
        await console.press("escape")
        await console.until("42148.00t")
        await console.type("/!usdt")
        await console.until(lambda screen: "2 of 3" in screen and "42148.00t" not in screen)
        await console.press("escape")
        await console.until("42148.00t")
        await console.type("/nothing")
        await console.until("nothing matches")

    see(scene)


def test_sorting_goes_through_the_columns(see: See) -> None:
    """`s` sorts by the next column and says so; `S` turns the order round."""

    async def scene(console: Console) -> None:
        await console.until("ETHUSD")
        await console.press("s", "s", "s")
        text = await console.until("by last ▼")
        assert text.index("42148.00t") < text.index("2251.90")
        await console.press("S")
        await console.until(
            lambda screen: "by last ▲" in screen and screen.index("2251.90") < screen.index("42148.00")
        )

    see(scene)


def test_every_screen_is_reached_by_its_number(see: See) -> None:
    """1 to 8 show their screens; `esc` goes back to the first."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("2")
        await console.until("The engine does not trade on paper.")
        await console.press("3")
        await console.until("Alerting is off.")
        await console.press("4")
        await console.until("type a symbol: who serves it is said at once")
        await console.press("5")
        await console.until("nothing was run yet")
        await console.press("6")
        await console.until("Nothing is stored.")
        await console.press("7")
        await console.until("Readers")
        await console.press("8")
        await console.until("engine started")
        await console.press("escape")
        await console.until("Board")

    see(scene, size=(160, 50))


def test_the_help_page_names_every_key(see: See) -> None:
    """`?` lists every act with its keys, at 80x24 on a page and a few lines, and `?` again takes it away."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("question_mark")
        text = await console.until("esc closes it")
        await console.press("G")
        text += await console.until("j, k: the end")
        for action in ACTIONS:
            if not action.name.startswith("screen_"):
                assert action.help in text, action
        assert "leaving stops the engine" in text
        await console.press("question_mark")
        await console.until("Board")

    see(scene, size=(80, 24))


def test_a_withheld_book_is_not_shown(see: See, engine: FakeEngine) -> None:
    """A record marked as a bad book empties the ladder and says so; a good one brings it back."""

    async def scene(console: Console) -> None:
        await console.until("42149.2 10.5000")
        engine.book(BTC, [], [], bad=True)
        text = await console.until("book withheld")
        assert "42149.2" not in text
        engine.book(BTC, [("42150.0", "1")], [("42150.4", "2")])
        await console.until(lambda screen: "book withheld" not in screen and "42150.4" in screen)

    see(scene)


def test_the_engine_may_go_and_come_back(see: See, engine: FakeEngine) -> None:
    """A gone engine is said to be not reachable, its last prices stay; a new one's rings are followed again."""

    async def scene(console: Console) -> None:
        await console.until("42150.2")
        engine.close()
        text = await console.until("engine not reachable")
        assert "42150.2" in text
        engine.start()
        engine.trade(BTC, "43000.5")
        text = await console.until("43000.5")
        await console.until("engine running")

    see(scene)


@pytest.mark.parametrize("nonsense", [{"result": [1]}, {"ok": False, "error": ["no"]}, {"ok": False, "error": "no"}])
def test_an_engine_that_answers_nonsense_is_not_reachable(
    see: See, engine: FakeEngine, nonsense: dict[str, object]
) -> None:
    """An answer of another shape counts as none, also to what was asked for; a good one ends that."""

    async def scene(console: Console) -> None:
        await console.until("engine running")
        engine.answer_overrides = nonsense
        await console.until("engine not reachable")
        console.app.link.ask("shutdown")
        await console.until("shutdown: ")
        engine.answer_overrides = {}
        await console.until("engine running")

    see(scene)


def test_a_console_without_an_engine_waits_for_one(see: See, engine: FakeEngine) -> None:
    """Started first, the console says that no engine is running, and shows it once there is one."""
    engine.close()

    async def scene(console: Console) -> None:
        await console.until("engine not reachable: it is not running")
        engine.start()
        engine.trade(ETH, "2300.00")
        await console.until("2300.00")

    see(scene)


@pytest.mark.parametrize(("source", "badge"), [("simulated", "SIMULATED"), ("recording", "RECORDING")])
def test_what_is_not_live_wears_a_badge(see: See, engine: FakeEngine, source: str, badge: str) -> None:
    """Simulated and recorded data is called so on top of every screen."""
    engine.overrides = {"source": source}

    async def scene(console: Console) -> None:
        await console.until(badge)
        await console.press("3")
        await console.until(lambda screen: badge in screen and "Alerting is off." in screen)

    see(scene, size=(80, 24))


def test_problems_are_counted_and_listed(see: See, engine: FakeEngine) -> None:
    """A feed's problem and a withheld book are counted on top and spelt out on the log screen, made safe to draw."""
    feed = {**engine.answer()["feeds"][0], "book_state": "withheld", "problem": "checksum \x1b[31mdiffers\x07"}
    engine.overrides = {"feeds": [feed]}

    async def scene(console: Console) -> None:
        await console.until(lambda screen: "1 book withheld" in screen and "1 problem" in screen)
        await console.press("8")
        await console.until("BTCUSD KRAKEN: checksum ?[31mdiffers?")

    see(scene)


def test_the_log_scrolls_as_far_as_its_filter_leaves(see: See, engine: FakeEngine) -> None:
    """Scrolled to the oldest of many lines, the log shows the few that a filter then leaves."""
    line = {"ts_ns": 1, "level": "INFO", "logger": "a", "text": "usual"}
    engine.overrides = {"log": [line] * 60 + [{**line, "level": "WARNING", "text": "unusual"}] + [line] * 60}

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("8", "g")
        await console.until("120 newer below")
        await console.press("l", "l")
        text = await console.until("1 of 121")
        assert "unusual" in text

    see(scene)


def test_counts_of_the_selected_feed_are_shown(see: See, engine: FakeEngine) -> None:
    """What its feed counted and complains of stands in the head of the selected instrument's panes, at every size."""
    feeds = engine.answer()["feeds"]
    feeds[0] |= {"gaps": 2, "duplicates": 13, "problem": "quiet for 60 s"}
    engine.overrides = {"feeds": feeds}

    async def scene(console: Console) -> None:
        text = await console.until("gaps 2  dup 13")
        assert "⚠ quiet for 60 s" in text
        assert len(text.splitlines()) == 24
        console.app.attachment.select(ETH)
        await console.until(lambda screen: "gaps 2" not in screen)

    see(scene, size=(80, 24))


def test_losses_of_every_reader_are_shown(see: See, engine: FakeEngine) -> None:
    """The status line shows the worst lag and the sum of what readers lost."""
    rings = engine.answer()["rings"]
    rings[0]["readers"] = [{"name": "store", "pid": 1, "lag": 1200, "lapped": 7}]
    rings[1]["readers"] = [{"name": "bars", "pid": 1, "lag": 3, "lapped": 1}]
    engine.overrides = {"rings": rings}

    async def scene(console: Console) -> None:
        await console.until(lambda screen: "lag 1.2k" in screen and "lost 8" in screen)

    see(scene)


def test_the_tape_pauses_and_counts_what_it_misses(see: See, engine: FakeEngine) -> None:
    """`p` holds the tape and says how far it is behind; `p` again goes on."""

    async def scene(console: Console) -> None:
        await console.until("0.5000")
        await console.press("p")
        await console.until("+0 behind")
        for number in range(5):
            engine.trade(BTC, f"4300{number}.0")
        text = await console.until("+5 behind")
        assert "▲ 43004.0" not in text
        await console.press("p")
        await console.until("▲ 43004.0")

    see(scene)


def test_commands_do_what_keys_do(see: See) -> None:
    """`:symbol`, `:interval`, `:screen`, `:sort` and `:help` work; nonsense is answered in words."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.type(":symbol ethusd")
        await console.press("enter")
        await console.until("ETHUSD KRAKEN ─")
        await console.type(":interval 5m")
        await console.press("enter")
        await console.until("─ 5m ─")
        await console.type(":sc")
        await console.press("tab")
        await console.type(" 8")
        await console.press("enter")
        await console.until("engine started")
        await console.type(":frobnicate")
        await console.press("enter")
        await console.until("no such command: frobnicate")
        await console.press("colon", "up", "up", "enter")
        await console.type(":q")
        await console.press("enter")
        assert console.app.exit_code == 0

    see(scene)


def test_shutdown_wants_the_name_typed(see: See, engine: FakeEngine) -> None:
    """`:shutdown` reaches the engine only after its name was typed as it is."""

    async def scene(console: Console) -> None:
        await console.until("engine running")
        await console.type(":shutdown")
        await console.press("enter")
        await console.until("type test to do it")
        await console.type("yes")
        await console.press("enter")
        await console.until("not stopped")
        assert "shutdown" not in engine.requests
        await console.type(":shutdown")
        await console.press("enter")
        await console.type("test")
        await console.press("enter")
        await console.until("the engine agreed")
        assert "shutdown" in engine.requests

    see(scene)


def test_a_picture_is_saved(see: See) -> None:
    """`e` writes the screen as an SVG file under the program's home and says where."""

    async def scene(console: Console) -> None:
        await console.until("42150.2")
        await console.press("e")
        await console.until("picture saved")
        (picture,) = Path(os.environ["RINGSIDE_HOME"]).glob("ringside-*.svg")
        assert "<svg" in picture.read_text(encoding="utf-8")

    see(scene)


def test_a_row_is_copied(see: See) -> None:
    """`y` puts the row under the cursor on the clipboard as tab-separated text."""

    async def scene(console: Console) -> None:
        await console.until("42150.2")
        await console.press("y")
        await console.until("sent the row of BTCUSD KRAKEN")
        begin = "BTCUSD\tKRAKEN\tUSD\t42150.2\t"
        assert console.app.clipboard.startswith(begin)
        assert console.app.clipboard.split("\t")[5:7] == ["42150.1", "42150.3"]

    see(scene)


def test_the_palette_offers_every_act(see: See) -> None:
    """ctrl+p finds an act by its words and carries it out."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("ctrl+p")
        await console.until("Search")
        await console.type("screen 8")
        await console.until("Log screen")
        await console.press("down", "enter")
        await console.until("engine started")

    see(scene)


def test_themes_change_while_it_runs(see: See) -> None:
    """`t` goes to the light colours and back without losing anything on the screen."""

    async def scene(console: Console) -> None:
        before = await console.until("42150.2")
        await console.press("t")
        assert console.app.theme == "ringside-light"
        await console.until(before.splitlines()[2][:30])
        await console.press("t")
        assert console.app.theme == "ringside-dark"

    see(scene)


def test_ascii_screens_hold_nothing_else(see: See, engine: FakeEngine) -> None:
    """With ASCII only every character of every screen is ASCII, whatever the engine says."""
    engine.overrides = {"log": [{"ts_ns": 1, "level": "INFO", "logger": "ø", "text": "größer"}]}

    async def scene(console: Console) -> None:
        for key in ("1", "3", "8", "question_mark"):
            await console.until("q leave")
            await console.press(key)
            await console.until(lambda screen: screen.isascii())

    see(scene, ascii_only=True)


def test_laps_are_counted(see: See, engine: FakeEngine) -> None:
    """Trades overwritten before the screen read them are counted as lost."""

    async def scene(console: Console) -> None:
        await console.until("42150.2")
        writer = engine.writer(BTC, Schema.TRADES)
        batch = 5 * writer.capacity
        for _ in range(batch // 64):
            for _ in range(64):
                engine.trade(BTC, "42150.3")
        await console.until(lambda screen: "lost 0" not in screen and "lost " in screen)

    see(scene)


def test_a_tether_price_is_marked(see: See) -> None:
    """A price in Tether carries a `t` on the board, and its currency stands in the head of the panes."""

    async def scene(console: Console) -> None:
        await console.until("42148.00t")
        console.app.attachment.select(TETHER)
        await console.until("in USDT")

    see(scene)


def test_the_screen_runs_without_trio() -> None:
    """The screen is asyncio alone: trio, the databases and the venues are not loaded with it."""
    program = "import sys, console.tui.app; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"trio", "psycopg", "redis", "databento", "trio_websocket", "providers.base"} & set(loaded)
