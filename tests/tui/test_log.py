"""Screen 8 as an operator meets it: lines that come, filters, a pause, one line in full, an engine begun anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from console.journal import Journal
from console.logbook.entry import Entry
from console.tui.app import RingsideApp
from tests.tui.conftest import Console
from tests.tui.fake_engine import T0_NS, FakeEngine

See = Callable[..., None]


@pytest.fixture
def journal(engine: FakeEngine) -> Journal:
    """The log of the engine, empty."""
    engine.journal = Journal()
    return engine.journal


def say(journal: Journal, text: str, *, level: str = "info", trace: str = "", **fields: object) -> None:
    """Have the engine log one line."""
    journal.keep(
        Entry(ts_ns=T0_NS, level=level, logger="ringside.feed", text=text, pid=7, fields=fields, trace=trace)
    )


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 50)])
def test_the_whole_history_is_there_and_is_followed(see: See, journal: Journal, size: tuple[int, int]) -> None:
    """Thousands of lines over many pages, counted by level; a new one appears at the end; g and G go to the ends."""
    for number in range(3000):
        say(journal, f"line {number}", level="warning" if number < 12 else "info")

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("8")
        await console.until("3 000 ─ 12 warning, 2 988 info")
        say(journal, "the newest")
        screen = await console.until("the newest")
        assert " feed " in screen
        assert all(len(line) == size[0] for line in screen.splitlines())
        await console.press("g")
        screen = await console.until("3 000 newer below: G")
        assert "line 0 " in screen
        say(journal, "another")
        await console.until("3 001 newer below")
        await console.press("G")
        await console.until(lambda screen: "another" in screen and "newer below" not in screen)

    see(scene, size=size)


def test_it_pauses_and_goes_on(see: See, journal: Journal) -> None:
    """p and space freeze what is seen; what comes is counted."""
    say(journal, "before")

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("8")
        await console.until("before")
        await console.press("p")
        await console.until("paused, 0 newer")
        for number in range(37):
            say(journal, f"after {number}")
        screen = await console.until("paused, 37 newer: p goes on")
        assert "after" not in screen
        await console.press("space")
        await console.until("after 36")

    see(scene)


def test_an_expression_is_typed(see: See, journal: Journal) -> None:
    """Lines are filtered while it is typed; half of one is said in words; a catastrophic one freezes nothing."""
    for number in range(500):
        say(journal, f"{'a' * 400}{number}")
    say(journal, "KRAKEN connected")

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("8")
        await console.until("KRAKEN connected")
        await console.press("slash", *"(kra")
        screen = await console.until("missing ): (kra")
        assert "KRAKEN connected" in screen
        await console.press(*"ken|x)", "enter")
        await console.until("1 of 501")
        await console.press("escape", "slash", *"(a+)+", "dollar_sign", "enter")
        await console.until(lambda screen: "0 of 501" in screen and "to go" not in screen)
        await console.until("no line is like that")
        await console.press("escape")
        await console.until("KRAKEN connected")
        await console.press("slash", "exclamation_mark", *"aaa", "enter")
        await console.until("1 of 501")

    see(scene)


def test_a_line_is_opened_and_copied(see: See, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """enter tells all of it, its fields and its traceback; esc goes back, y copies."""
    say(
        journal, "broken " + "x" * 700, level="error", trace="Traceback\n  deep\nValueError: why", symbol="BTC\x1bUSD"
    )
    sent: list[str] = []
    monkeypatch.setattr(RingsideApp, "copy_to_clipboard", lambda _app, text: sent.append(text))

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("8")
        await console.until("broken")
        await console.press("enter")
        await console.until(lambda screen: "ValueError: why" in screen and "symbol BTC?USD" in screen)
        await console.press("y")
        await console.until("sent the line")
        await console.press("escape")
        await console.until(lambda screen: "One line" not in screen)
        await console.press("w")
        await console.until("wrapped")
        await console.press("right")
        await console.until("from column 21")

    see(scene)
    assert sent[0].startswith("2026-09-21T14:13:20.000Z error feed: broken xxx")
    assert sent[0].endswith("ValueError: why")


def test_an_engine_that_begins_anew_is_marked(see: See, engine: FakeEngine, journal: Journal) -> None:
    """What was logged before stays, with a line between."""
    say(journal, "the first run")

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("8")
        await console.until("the first run")
        second = Journal()
        second.epoch_ns = journal.epoch_ns + 1
        say(second, "the second run")
        engine.journal = second
        screen = await console.until("the second run")
        assert screen.index("the first run") < screen.index("─ the engine was started again ─")

    see(scene)


def test_an_engine_without_a_log_to_ask_for_shows_its_newest_lines(see: See, engine: FakeEngine) -> None:
    """Those of its status."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("8")
        await console.until("engine started")
        line = {"ts_ns": T0_NS, "level": "ERROR", "logger": "ringside.engine", "text": "another"}
        engine.overrides = {"log": [*engine.answer()["log"], line]}
        screen = await console.until("another")
        assert "1 error, 1 info" in screen

    see(scene)
