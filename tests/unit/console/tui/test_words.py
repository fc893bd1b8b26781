"""Texts, the engine's status, the status line, the log, the command line and colours: the small pure parts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.actions import ACTIONS, key_row
from console.tui.acts import ACTS
from console.tui.commands import Command, complete, parse_command
from console.tui.logrows import filter_log, log_rows
from console.tui.snapshot import Health, Snapshot
from console.tui.status import EngineStatus, LogLine, parse_status
from console.tui.statusline import status_rows
from console.tui.text import ASCII, UNICODE, clean, clock_text, fit, row_width, short_age, short_count
from console.tui.themes import Depth, Palette, colour_depth
from core.errors import UsageError
from tests.unit.console.tui.test_rows import text_of

KEYS = [("BTCUSD", "KRAKEN"), ("BTCUSD", "BINANCE"), ("ETHUSD", "KRAKEN")]


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("plain", "plain"),
        ("\x1b[2Jgone\x07", "?[2Jgone?"),
        ("a\nb\tc", "a b c"),
        ("\u202ereversed", "?reversed"),
        ("日本", "??"),
        ("e\u0301", "e?"),
        ("größer", "größer"),
        ("\x9b31m", "?31m"),
    ],
)
def test_what_is_drawn_is_safe(raw: str, safe: str) -> None:
    """Control, direction, combining and double-width characters become `?`."""
    assert clean(raw) == safe


@given(st.text(max_size=300))
def test_clean_text_is_one_cell_a_character(raw: str) -> None:
    """Whatever comes in, what goes out is printable and as wide as it is long."""
    from rich.cells import cell_len

    text = clean(raw, limit=100)
    assert text.isprintable()
    assert cell_len(text) == len(text) <= 100


def test_fitting_cuts_with_an_ellipsis() -> None:
    """Text is padded or cut to the exact width."""
    assert [fit("abc", 5), fit("abc", 5, right=True), fit("abcdef", 4), fit("ab", 0)] == [
        "abc  ",
        "  abc",
        "abc…",
        "",
    ]


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (2.5, "2.5"), (412, "412"), (1900, "1.9k"), (2.1e6, "2.1M")])
def test_counts_are_short(value: float, text: str) -> None:
    """Counts take five characters at most."""
    assert short_count(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.9, "0s"), (59, "59s"), (60, "1m"), (7200, "2h"), (1e9, "999d"), (-1, "0s")]
)
def test_ages_are_short(value: float, text: str) -> None:
    """Ages take four characters at most."""
    assert short_age(value) == text


def test_times_of_day_are_cut() -> None:
    """A time of day is never rounded up into the next second."""
    assert clock_text(86_399_999_999_999) == "23:59:59.999"
    assert clock_text(2**64 - 1, decimals=0) == "23:34:33"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["connections", "feeds", "rings", "store", "latency", "log", "path", "readers", "symbol", "lag", "enabled",
         "lag_s", "price_decimals", "text", "ts_ns"]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["connections", "feeds", "rings", "store", "latency", "log", "pid"]), JSON))
def test_any_status_can_be_read(raw: dict[str, Any]) -> None:
    """An answer of any shape gives a status, never an exception, and one that can be drawn."""
    status = parse_status(raw)
    snapshot = Snapshot(now_ns=0, status=status, health=Health(reachable=True))
    rows = status_rows(snapshot, width=80, height=2, glyphs=UNICODE)
    assert {row_width(row) for row in rows} == {80}


def test_absurd_figures_are_bounded() -> None:
    """Numbers no counter can reach are read as the largest one can, and drawn."""
    huge = 10**400
    status = parse_status({"pid": huge, "store": {"enabled": True, "lag_s": huge}, "log": [{"ts_ns": huge}]})
    assert status.pid == 2**64 - 1
    line(Snapshot(now_ns=0, status=status, health=Health(reachable=True)))


def snapshot(status: EngineStatus | None = None, **health: Any) -> Snapshot:
    """A snapshot at a fixed time."""
    known = Health(**{"reachable": True, **health})
    return Snapshot(now_ns=1_790_000_000_000_000_000, status=status, health=known)


def line(found: Snapshot, *, width: int = 150) -> str:
    """The status line in one row."""
    (row,) = status_rows(found, width=width, height=1, glyphs=UNICODE)
    assert row_width(row) == width
    return text_of(row)


STATUS = parse_status(
    {
        "instance_id": "a",
        "state": "running",
        "source": "simulated",
        "connections": [
            {"venue": "KRAKEN", "status": "connected", "messages": 5},
            {"venue": "BINANCE", "status": "reconnecting", "reason": "no frame for 10 s"},
        ],
        "latency": {"publish_p50_ns": 400_000, "publish_p99_ns": 2_100_000, "count": 9},
        "store": {"enabled": True, "lag_s": 0.24},
    }
)


def test_the_status_line_has_a_word_for_every_light() -> None:
    """Each connection has its state in words, the rate when up and the reason when not."""
    text = line(snapshot(STATUS, rates={"KRAKEN": 412.3}, lag=3, lost=0), width=180)
    for part in (
        " SIMULATED ",
        "● engine running",
        "● kraken up 412/s",
        "⚠ binance reconnecting (no frame for 10 s)",
    ):
        assert part in text
    for part in ("lat 0.4/2.1 ms", "lag 3", "lost 0", "store 0.2 s", "2026-09-21 14:13:20Z"):
        assert part in text


def test_what_is_wrong_is_on_the_status_line() -> None:
    """Losses, withheld books, problems and an engine out of reach are said in words."""
    text = line(snapshot(STATUS, lost=7, withheld=2, problems=("a", "b", "c")), width=200)
    for part in ("lost 7", "2 books withheld", "3 problems"):
        assert part in text
    assert "engine not reachable: it has gone" in line(snapshot(None, reachable=False, reason="it has gone"))
    assert "not stored" in line(snapshot(parse_status({"state": "running"})))


@pytest.mark.parametrize("width", [1, 20, 60, 80, 120, 200])
def test_the_status_line_fits_every_width(width: int) -> None:
    """Cut or padded, it is as wide as the terminal."""
    assert {row_width(row) for row in status_rows(snapshot(STATUS), width=width, height=2, glyphs=ASCII)} == {width}
    line(snapshot(STATUS), width=width)


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("q", Command("quit")),
        ("symbol btcusd", Command("symbol", "btcusd")),
        ("ETHUSD", Command("symbol", "ETHUSD")),
        ("symbol BTCUSD BINANCE", Command("symbol", "BTCUSD BINANCE")),
        ("btcusd@binance", Command("symbol", "btcusd@binance")),
        ("8", Command("screen", "8")),
        ("interval 15", Command("interval", "15m")),
        ("sort rate", Command("sort", "rate")),
        ("filter !usdt", Command("filter", "!usdt")),
        ("filter", Command("filter", "")),
        ("shutdown", Command("shutdown")),
    ],
)
def test_commands_are_understood(typed: str, command: Command) -> None:
    """Names, their short forms, numbers and bare symbols are commands; a unique beginning is enough."""
    assert parse_command(typed, KEYS) == command


@pytest.mark.parametrize(
    "typed",
    ["", "  ", "\x1b[2J", "symbol", "symbol XRPUSD", "interval 7m", "screen 9", "theme", "interval 1"],
)
def test_nonsense_is_answered_in_words(typed: str) -> None:
    """What cannot be done is a `UsageError` with a hint, without control characters."""
    with pytest.raises(UsageError) as caught:
        parse_command(typed, KEYS)
    assert caught.value.hint
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("typed", "whole"),
    [("sh", "shutdown"), ("symbol e", "symbol ETHUSD"), ("symbol BTCUSD b", "symbol BTCUSD BINANCE"),
     ("interval 1", "interval 1m"), ("nothing", "nothing"), ("eth", "ETHUSD"), ("", "")],
)  # fmt: skip
def test_completion_goes_as_far_as_it_can(typed: str, whole: str) -> None:
    """The last word becomes the first candidate that begins with it, or stays."""
    assert complete(typed, KEYS) == whole


def test_every_act_can_be_carried_out() -> None:
    """Every act on the help page has its doing, no key means two things, and dangerous acts have no key."""
    assert {action.name for action in ACTIONS} - {"palette"} == set(ACTS)
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))
    assert all(not action.keys for action in ACTIONS if action.dangerous)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_key_line_always_says_how_to_leave(width: int) -> None:
    """Whatever is left out on a narrow terminal, `q leave` and `? help` are there."""
    row = key_row(current=3, message="", width=width)
    assert row_width(row) == width
    assert "q leave" in text_of(row)
    assert "? help" in text_of(row)
    assert "3 Alerts" in text_of(row)


LOG = [
    LogLine(ts_ns=1, level="DEBUG", logger="a", text="one"),
    LogLine(ts_ns=2, level="WARNING", logger="ringside.kraken", text="two"),
    LogLine(ts_ns=3, level="ERROR", logger="b", text="three"),
]


def test_the_log_is_filtered_by_level_and_text() -> None:
    """A level shows itself and what is worse; a pattern is looked for in text and logger; `!` inverts."""
    assert [one.text for one in filter_log(LOG, level="WARNING", pattern="")] == ["two", "three"]
    assert [one.text for one in filter_log(LOG, level="DEBUG", pattern="KRAKEN")] == ["two"]
    assert [one.text for one in filter_log(LOG, level="DEBUG", pattern="!t")] == ["one"]


def test_the_log_scrolls_and_keeps_its_shape() -> None:
    """The newest line is at the bottom; scrolled back, it is counted as hidden."""
    rows = log_rows(LOG, ["bad"], level="DEBUG", pattern="", back=1, width=100, height=8, glyphs=UNICODE)
    lines = [text_of(row) for row in rows]
    assert len(lines) == 8
    assert {row_width(row) for row in rows} == {100}
    assert "⚠ bad" in lines[1]
    assert "1 newer below" in lines[2]
    assert "two" in lines[4]
    assert not any("three" in one for one in lines)


@pytest.mark.parametrize(
    ("environment", "depth"),
    [
        ({"TERM": "xterm-256color"}, Depth.FULL),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, Depth.FULL),
        ({"TERM": "linux"}, Depth.STANDARD),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, Depth.NONE),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, Depth.FULL),
        ({"TERM": "dumb"}, Depth.NONE),
        ({}, Depth.STANDARD),
    ],
)
def test_colours_follow_the_terminal(environment: dict[str, str], depth: Depth) -> None:
    """TERM, COLORTERM and NO_COLOR decide; a NO_COLOR without a value does not count."""
    assert colour_depth(environment) is depth


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_theme_has_every_style(theme: str) -> None:
    """Each style of one look is in all, and without colours none has one."""
    names = set(Palette(theme, Depth.FULL)._looks)
    for depth in Depth:
        palette = Palette(theme, depth)
        assert set(palette._looks) == names
        for name in names:
            style = palette.style(name + "+cursor")
            if depth is Depth.NONE:
                assert style.color is not None
                assert style.color.is_default
