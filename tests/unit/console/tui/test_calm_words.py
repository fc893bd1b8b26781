"""What the status line says of an ended recording and where it is narrow, and what messages and the help say."""

from __future__ import annotations

import pytest

from console.tui.actions import ACTIONS, help_rows
from console.tui.commands import Command, parse_command
from console.tui.health import HealthBook
from console.tui.snapshot import Snapshot
from console.tui.status import parse_status
from console.tui.statusline import status_rows
from console.tui.text import UNICODE, row_width
from core.errors import UsageError
from tests.unit.console.tui.test_rows import text_of
from tests.unit.console.tui.test_words import KEYS, line, snapshot

OVER = parse_status(
    {
        "source": "recording",
        "connections": [{"venue": "BINANCE", "status": "disconnected", "reason": "end of recording"}],
        "feeds": [{"symbol": "BTCUSD", "venue": "BINANCE", "book_state": "withheld"}],
    }
)


def test_the_end_of_a_recording_is_no_incident() -> None:
    """A recording that was played to its end is said to have ended, without a warning and without a withheld book."""
    book = HealthBook()
    book.answered(OVER)
    health = book.health(OVER, lag=0, lost=0, problems=())
    text = line(Snapshot(now_ns=0, status=OVER, health=health))
    assert "● binance recording ended" in text
    assert "⚠" not in text
    assert "withheld" not in text
    assert OVER.feeds[0].book_state == "ended"


def test_another_end_is_still_an_incident() -> None:
    """A connection that ended for another reason is down, its withheld book counts."""
    raw = {"venue": "BINANCE", "status": "disconnected", "reason": "ended by the venue"}
    status = parse_status(
        {"connections": [raw], "feeds": [{"symbol": "A", "venue": "BINANCE", "book_state": "withheld"}]}
    )
    assert "⚠ binance down (ended by the venue)" in line(snapshot(status))
    assert status.feeds[0].book_state == "withheld"


@pytest.mark.parametrize("width", range(40, 120))
@pytest.mark.parametrize("venues", [1, 2, 4])
def test_lights_and_clock_never_run_together(width: int, venues: int) -> None:
    """However narrow the line, a gap or an ellipsis stands before the time, and the time is whole."""
    names = ("SIM.KRAKEN", "SIM.BINANCE", "SIM.KRAKEN.FUTURES", "SIM.OTHER")[:venues]
    connections = [{"venue": name, "status": "connected"} for name in names]
    status = parse_status({"state": "running", "source": "simulated", "connections": connections})
    first = text_of(status_rows(snapshot(status), width=width, height=2, glyphs=UNICODE)[0])
    assert first.endswith(" 14:13:20Z ")
    before = first.removesuffix(" 14:13:20Z ").removesuffix(" 2026-09-21").rstrip()
    assert before.endswith(("…", "up", "/s", "engine", "engine running"))


@pytest.mark.parametrize(
    ("typed", "said"),
    [("nonsense", "no such command: nonsense ("), ("sort", "no such sort: nothing ("),
     ("sort x'", 'no such sort: x\' ('),
     ("quit now", "quit takes nothing more: now ("), ("x" * 60, f"no such command: {'x' * 40} ... (")],
)  # fmt: skip
def test_messages_quote_what_was_typed(typed: str, said: str) -> None:
    """A message repeats what was typed without a stray quote, and marks where it was cut."""
    with pytest.raises(UsageError) as caught:
        parse_command(typed, KEYS)
    assert str(caught.value).startswith(said)


def test_long_lists_in_messages_say_that_they_go_on() -> None:
    """Of more symbols than a message can name the rest is counted."""
    keys = [(f"S{number}USD", "V") for number in range(20)]
    with pytest.raises(UsageError, match=r"S11USD, … 8 more"):
        parse_command("symbol XRP", keys)
    with pytest.raises(UsageError, match=r"one of feed, symbol, .*, spread\)$"):
        parse_command("sort nonsense", keys)


def test_a_path_is_taken_as_it_is_typed() -> None:
    """The path behind `export` keeps its case and its spaces."""
    assert parse_command("export  /tmp/My  Picture.svg ", KEYS) == Command("export", "/tmp/My  Picture.svg")


def test_help_that_does_not_fit_scrolls() -> None:
    """At 60x12 every act is reached by scrolling, none is cut, and the head says how much is below."""
    seen = ""
    first, most = help_rows(width=60, height=12, glyphs=UNICODE, leaving="leaving", ascii_only=False)
    assert f"{most} more below" in text_of(first[0])
    for top in range(most + 1):
        rows, _most = help_rows(width=60, height=12, glyphs=UNICODE, leaving="leaving", ascii_only=False, top=top)
        assert len(rows) == 12
        assert {row_width(row) for row in rows} == {60}
        seen += "\n".join(text_of(row) for row in rows)
    assert all(action.help in seen for action in ACTIONS if not action.name.startswith("screen_"))
