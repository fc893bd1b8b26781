"""Texts, the engine's status, the status line, the log, the command line and colours: the small pure parts."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from console.tui.actions import ACTIONS, key_row, message_parts, name_of
from console.tui.acts import ACTS
from console.tui.commands import Command, complete, parse_command
from console.tui.snapshot import Health, Snapshot
from console.tui.status import EngineStatus, parse_status
from console.tui.statusline import status_rows
from console.tui.text import ASCII, UNICODE, clean, clock_text, fit, row_width, short_age, short_count
from console.tui.themes import Depth, Palette, colour_depth
from console.tui.troublerows import trouble_rows
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


def test_every_character_is_one_cell_or_replaced() -> None:
    """Of all code points only those are kept that the terminal library draws in exactly one cell."""
    wrong = [
        f"{code:x}"
        for code in range(sys.maxunicode + 1)
        if not (0xD800 <= code < 0xE000) and cell_len(clean(chr(code))) != 1
    ]
    assert wrong == []


@given(st.text(max_size=300))
def test_clean_text_is_one_cell_a_character(raw: str) -> None:
    """Whatever comes in, what goes out is printable and as wide as it is long."""
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


def test_changed_case_is_safe_as_well() -> None:
    """Characters that become two when their case is changed, one of them combining, do not break a row."""
    status = parse_status({"log": [{"level": "\u01f0"}], "connections": [{"venue": "\u0130", "status": "connected"}]})
    assert status.log[0].level == "J?"
    assert "i? up" in line(Snapshot(now_ns=0, status=status, health=Health(reachable=True)))


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


def test_restarts_and_read_only_engines_are_on_the_status_line() -> None:
    """A connection that was restarted and an engine that takes no changes are said in words at every width."""
    connection = {"venue": "KRAKEN", "status": "connected", "restarts": 2}
    status = parse_status({"state": "running", "read_only": True, "connections": [connection]})
    text = line(snapshot(status), width=160)
    assert "engine running RO" in text
    assert "kraken up 0/s, 2 restarts" in text
    rows = [text_of(row) for row in status_rows(snapshot(status), width=50, height=2, glyphs=UNICODE)]
    assert "engine RO" in rows[0]
    assert "kraken up r2" in rows[0]


def test_the_longest_delay_is_shown_where_there_is_room() -> None:
    """The worst delay stands behind the two percentiles in two rows, and is left out of a narrow single one."""
    latency = {"publish_p50_ns": 400_000, "publish_p99_ns": 2_100_000, "publish_max_ns": 12_300_000, "count": 9}
    found = snapshot(parse_status({"latency": latency}))
    rows = [text_of(row) for row in status_rows(found, width=80, height=2, glyphs=UNICODE)]
    assert "lat 0.4/2.1 ms max 12.3" in rows[1]
    assert "max" not in line(found, width=150)


def test_a_failing_store_is_on_the_status_line() -> None:
    """A store that cannot write says so, and what it lost of every schema is summed."""
    store = {
        "enabled": True, "lag_s": 12.0, "problem": "no space\x1b[2J left", "lost": 1, "quotes": {"lost": 20},
        "book_updates": {"lost": 300}, "repairs": ["a.dbn: cut 7 bytes\x07", 5],
    }  # fmt: skip
    status = parse_status({"state": "running", "store": store})
    text = line(snapshot(status))
    assert "⚠ store FAILING 12.0 s" in text
    assert "⚠ store lost 321" in text
    assert (status.store_problem, status.store_repairs) == ("no space?[2J left", ("a.dbn: cut 7 bytes?",))
    assert "store lost" not in line(snapshot(STATUS))


def test_the_status_line_names_recording_and_venue_delay() -> None:
    """A recording is told by its file's name, cut when it is long; the venue's delay stands where it fits."""
    delays = {"publish_p50_ns": 400_000, "venue_p50_ns": 20_000_000, "venue_p99_ns": 80_000_000, "count": 1}
    raw = {"source": "recording", "recording": "/data/" + "x" * 200 + "/btc.jsonl", "latency": delays}
    text = line(snapshot(parse_status(raw)), width=190)
    assert " RECORDING  btc.jsonl " in text
    assert "venue 20.0/80.0 ms" in text
    assert "venue" not in line(snapshot(parse_status(raw)), width=140)
    narrow = status_rows(snapshot(parse_status(raw)), width=45, height=2, glyphs=UNICODE)[0]
    assert text_of(narrow).endswith(" 2026-09-21 14:13:20Z ")
    assert "b" * 23 + "…" in line(snapshot(parse_status({"source": "recording", "recording": "b" * 99})), width=190)


TROUBLED = parse_status(
    {
        "connections": [{"venue": "KRAKEN", "malformed": 4}],
        "feeds": [
            {"symbol": "BTCUSD", "venue": "KRAKEN", "gaps": 2, "duplicates": 1300, "out_of_order": 3, "skewed": 6,
             "reconnects": 1, "checksum_bad": 5, "rejected": 7, "problem": "quiet\x1b"},
            {"symbol": "ETHUSD", "venue": "BINANCE"},
        ],
    }
)  # fmt: skip


def test_a_feeds_troubles_are_told_in_words() -> None:
    """Every count of a feed that is not 0 stands there with its word, its problem below; else there is nothing."""
    troubled, sound = TROUBLED.feeds
    rows = trouble_rows(troubled, width=120, glyphs=UNICODE, edge="│")
    counts = "gaps 2  bad checksums 5  refused 7  malformed 4  reconnects 1  misdated 6  late 3  dup 1.3k"
    assert [text_of(row).rstrip() for row in rows] == [f"│ {counts}", "│ ⚠ quiet?"]
    assert {style for row in rows for _text, style in row[1:2]} == {"warn"}
    assert trouble_rows(sound, width=120, glyphs=UNICODE) == []


@pytest.mark.parametrize("width", [1, 2, 22, 60])
def test_troubles_keep_to_their_width(width: int) -> None:
    """However narrow the pane, its rows are as wide as it is."""
    rows = trouble_rows(TROUBLED.feeds[0], width=width, glyphs=UNICODE, edge="│")
    assert {row_width(row) for row in rows} == {width}


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
        ("subscribe solusd", Command("subscribe", "SOLUSD")),
        ("sub solusd kraken", Command("subscribe", "SOLUSD KRAKEN")),
        ("unsubscribe BTCUSD@SIM.KRAKEN", Command("unsubscribe", "BTCUSD SIM.KRAKEN")),
    ],
)
def test_commands_are_understood(typed: str, command: Command) -> None:
    """Names, their short forms, numbers and bare symbols are commands; a unique beginning is enough."""
    assert parse_command(typed, KEYS) == command


@pytest.mark.parametrize(
    "typed",
    ["", "  ", "\x1b[2J", "symbol", "symbol XRPUSD", "interval 7m", "screen 9", "theme", "interval 1", "subscribe",
     "subscribe A B C", "subscribe \x1b[2J", "unsubscribe", f"subscribe {'A' * 41}"],
)  # fmt: skip
def test_nonsense_is_answered_in_words(typed: str) -> None:
    """What cannot be done is a `UsageError` with a hint, without control characters."""
    with pytest.raises(UsageError) as caught:
        parse_command(typed, KEYS)
    assert caught.value.hint
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("typed", "whole"),
    [("sh", "shutdown"), ("symbol e", "symbol ETHUSD"), ("symbol BTCUSD b", "symbol BTCUSD BINANCE"),
     ("unsubscribe BTCUSD b", "unsubscribe BTCUSD BINANCE"), ("subscribe SOLUSD s", "subscribe SOLUSD SIM.KRAKEN"),
     ("unsubscribe SOLUSD s", "unsubscribe SOLUSD s"), ("subscribe et", "subscribe ETHUSD"), ("unsub", "unsubscribe"),
     ("interval 1", "interval 1m"), ("nothing", "nothing"), ("eth", "ETHUSD"), ("", "")],
)  # fmt: skip
def test_completion_goes_as_far_as_it_can(typed: str, whole: str) -> None:
    """The last word becomes the first candidate that begins with it, or stays."""
    assert complete(typed, KEYS, ["SIM.KRAKEN"]) == whole


def test_every_act_can_be_carried_out() -> None:
    """Every act on the help page has its doing, no key means two things at one place, and no key stops the engine."""
    assert {action.name for action in ACTIONS} - {"palette"} == set(ACTS)
    keys = [(key, page) for action in ACTIONS for key in action.keys for page in action.only or (0,)]
    assert len(keys) == len(set(keys))
    assert (name_of("v", page=5), name_of("v", page=6), name_of("h", page=1)) == ("check", "verify", None)
    assert [action.keys for action in ACTIONS if action.name == "shutdown"] == [()]
    assert {action.name for action in ACTIONS if action.dangerous} == {
        "shutdown", "unsubscribe", "pause_strategy", "resume_strategy", "halt_account", "release_account", "flatten",
        "kill", "fetch",
    }  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_key_line_always_says_how_to_leave(width: int) -> None:
    """Whatever is left out on a narrow terminal, `q leave` and `? help` are there."""
    row = key_row(current=3, message="", width=width)
    assert row_width(row) == width
    assert "q leave" in text_of(row)
    assert "? help" in text_of(row)
    assert "3 Alerts" in text_of(row)


def test_a_long_message_is_shown_in_parts() -> None:
    """What does not fit the key line is cut between words, with a sign that more follows."""
    assert message_parts("short", width=80, glyphs=UNICODE) == ["short"]
    assert message_parts("one two three four", width=14, glyphs=ASCII) == ["one two ~", "three four"]
    parts = message_parts("x" * 200, width=60, glyphs=UNICODE)
    assert "".join(part.removesuffix(" …") for part in parts) == "x" * 200
    assert max(map(len, parts)) < 60
    assert message_parts("", width=0, glyphs=UNICODE) == [""]


def test_the_key_line_shows_the_keys_of_its_screen() -> None:
    """What changes the engine is on the Instances screen's line, what sorts the board on the board's."""
    lines = {page: text_of(key_row(current=page, message="", width=160)) for page in (1, 2, 7)}
    assert [("a add" in lines[page], "s sort" in lines[page]) for page in (1, 2, 7)] == [
        (False, True),
        (False, False),
        (True, False),
    ]


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
