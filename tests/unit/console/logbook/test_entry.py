"""Entries as text and JSON, and back."""

from __future__ import annotations

import json
import logging

from hypothesis import given
from hypothesis import strategies as st

from config.operations import LEVELS as CONFIGURED
from console.logbook.entry import Entry, entry_of, json_line, level_name, parse_line, plain, text_line
from console.logbook.levels import LEVELS
from console.logbook.reading import Lines
from console.secrets import Redactor


def make(message: str = "told", *, level: int = 30, error: BaseException | None = None, **extra: object) -> str:
    """A line of text."""
    return text_line(_entry(message, level=level, error=error, **extra))


def _entry(message: str, *, level: int = 30, error: BaseException | None = None, **extra: object) -> Entry:
    record = logging.LogRecord("ringside.feed", level, "", 0, message, None, None)
    record.created, record.process = 1_790_000_000.123, 4711
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
    vars(record).update(extra)
    return entry_of(record, Redactor(), instance="alpha")


def test_a_line_of_text_has_time_level_part_and_who() -> None:
    """Extra fields follow the text; on a terminal it is known who speaks."""
    assert make("up", count=3, why="two words") == (
        '2026-09-21T14:13:20.123Z warning feed [alpha 4711]: up count=3 why="two words"'
    )
    assert text_line(_entry("up"), alone=True) == "2026-09-21T14:13:20.123Z warning feed: up"


def test_an_object_has_every_field() -> None:
    """The fields that there always are, and those of the call beside them; a name that is taken gets a mark."""
    found = json.loads(json_line(_entry("up", count=3, ratio=0.5, text="loud")))
    assert found.pop("ts_ns") == 1_790_000_000_123_000_000
    assert found.pop("ts").startswith("2026-09-21T14:13:20.123")
    assert found == {
        "level": "warning", "logger": "ringside.feed", "text": "up", "pid": 4711, "instance": "alpha", "count": 3,
        "ratio": 0.5, "text_": "loud",
    }  # fmt: skip


def test_a_traceback_is_one_field_or_lines_below() -> None:
    """In full in both forms, and read back the same from both."""
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        entry = _entry("broken\nbadly", level=50, error=error)
    assert entry.text == "broken badly"
    assert entry.trace.splitlines()[-2:] == ["ValueError: first", "second"]
    for line in (text_line(entry), json_line(entry)):
        reader = Lines()
        found = [*reader.feed(line.encode().split(b"\n")), *reader.flush()]
        assert [(one.text, one.trace, one.level, one.instance) for one in found] == [
            ("broken badly", entry.trace, "critical", "alpha")
        ]


@given(st.text(max_size=100), st.sampled_from([10, 20, 30, 40, 50]), st.booleans())
def test_what_is_written_is_read(text: str, level: int, as_json: bool) -> None:
    """Text, level, time and who come back from either form."""
    entry = _entry(text.replace("%", "%%"), level=level)
    found = parse_line(json_line(entry) if as_json else text_line(entry))
    assert found is not None
    assert (found.text, found.level, found.pid, found.instance) == (entry.text, entry.level, 4711, "alpha")
    assert abs(found.ts_ns - entry.ts_ns) < 1_000_000


@given(st.text(max_size=200))
def test_a_line_of_anybody_is_harmless(line: str) -> None:
    """Whatever stands in a file is no entry, or one that is safe to show."""
    found = parse_line(line)
    if found is not None:
        assert found.text.isprintable()


def test_a_file_of_somebody_else_is_made_safe() -> None:
    """Control characters, huge numbers and other types in a JSON line come to nothing."""
    line = json.dumps({"ts_ns": 5, "text": "a\x1b[2J", "level": "loud", "pid": "x", "trace": "a\x07\nb", "more": [1]})
    found = parse_line(line)
    assert found is not None
    assert (found.text, found.level, found.pid, found.trace) == ("a [2J", "info", 0, "a \nb")
    assert parse_line('{"ts_ns": 99999999999999999999}') is None
    assert parse_line("[" * 100_000) is None


def test_a_message_that_cannot_be_made_is_said() -> None:
    """Arguments that do not fit, and an object that cannot tell itself, do not stop who logs."""

    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("no")

    record = logging.LogRecord("ringside.x", 30, "", 0, "%d of %d", ("one",), None)
    assert "its arguments cannot be told: TypeError" in entry_of(record, Redactor()).text
    record = logging.LogRecord("ringside.x", 30, "", 0, "%s", (Mute(),), None)
    assert "RuntimeError" in entry_of(record, Redactor()).text


def test_plain_text_is_cut_and_clean() -> None:
    """At most so many characters, on one line."""
    assert plain("a\nb\x1b\u202ec" + "x" * 600) == "a b  c" + "x" * 494


def test_levels_are_the_same_everywhere() -> None:
    """Settings take all but the worst, which is never switched off; the numbers of the library fit the names."""
    assert LEVELS[:-1] == CONFIGURED
    assert [level_name(logging.getLevelNamesMapping()[name.upper()]) for name in LEVELS] == list(LEVELS)
