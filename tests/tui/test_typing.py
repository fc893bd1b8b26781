"""Keys typed fast, the palette, the help and what commands say: the console as somebody in a hurry meets it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.events import Key

from tests.tui.conftest import Console

See = Callable[..., None]


def test_a_picture_goes_where_it_is_told(see: See, tmp_path: Path) -> None:
    """`:export PATH` writes there, and refuses a file that exists already."""

    async def scene(console: Console) -> None:
        await console.until("42150.2")
        console.app.prompt.ask("command", text=f"export {tmp_path}/x.svg")
        await console.press("enter")
        await console.until("picture saved")
        before = (tmp_path / "x.svg").read_text(encoding="utf-8")
        assert "<svg" in before
        console.app.prompt.ask("command", text=f"export {tmp_path}/x.svg")
        await console.press("enter")
        await console.until("no picture: File exists")
        assert (tmp_path / "x.svg").read_text(encoding="utf-8") == before

    see(scene)


def test_keys_behind_a_key_that_asks_are_typed(see: See) -> None:
    """Keys that are there before anything could be drawn go to the prompt, and those behind `enter` are hotkeys."""

    async def scene(console: Console) -> None:
        await console.until("ETHUSD")
        for key, character in (("slash", "/"), ("s", "s"), ("q", "q"), ("backspace", "\x7f"), ("left", None)):
            console.app.post_message(Key(key, character))
        await console.until(lambda _screen: console.app.panes.board.pattern == "s")
        assert console.app.prompt.open
        assert console.app.panes.board.sort == "feed"
        for key, character in (("escape", None), ("colon", ":"), ("8", "8"), ("enter", "\r"), ("l", "l")):
            console.app.post_message(Key(key, character))
        await console.until("engine started")
        await console.until(lambda _screen: console.app.panes.log.level == "INFO")
        assert not console.app.prompt.open

    see(scene)


def test_the_next_command_clears_the_message(see: See) -> None:
    """What was said about one command does not stand there after the next."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.type(":nonsense")
        await console.press("enter")
        await console.until("no such command: nonsense (")
        await console.type(":sort last")
        await console.press("enter")
        await console.until(lambda screen: "by last" in screen and "no such command" not in screen)

    see(scene)


def test_help_scrolls_where_it_does_not_fit(see: See) -> None:
    """At 60x15 `G` goes to the end of the help, `g` to its beginning and `j` one line down."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("question_mark")
        await console.until("more below")
        await console.press("G")
        await console.until(lambda screen: "leaving stops the engine" in screen and "j, k: the end" in screen)
        await console.press("g")
        text = await console.until("next row")
        await console.press("j")
        await console.until(lambda screen: "the screens" not in screen and "the screens" in text)
        await console.press("pagedown", "escape")
        await console.until("Board")

    see(scene, size=(60, 15))


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (100, 30)])
def test_quotes_are_on_narrow_boards(see: See, size: tuple[int, int]) -> None:
    """Bid and ask stand on the board at every size there is."""

    async def scene(console: Console) -> None:
        text = await console.until("2251.89")
        assert "2251.91" in text

    see(scene, size=size)


@pytest.mark.parametrize(("typed", "found"), [("tick", "Ticks screen"), ("log", "Log screen"), ("candle", "width")])
def test_the_palette_finds_what_it_shows(see: See, typed: str, found: str) -> None:
    """Words of an act's description find it as well as its name does."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("ctrl+p")
        await console.until("Search")
        await console.type(typed)
        await console.until(lambda screen: found in screen and "Backtest screen" not in screen)

    see(scene)
