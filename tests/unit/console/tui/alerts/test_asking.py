"""What is typed about alerts: how long, of what, and why."""

from __future__ import annotations

import pytest

from console.tui.alerts.asking import parse_how_long, parse_number, parse_silence, parse_target
from console.tui.alerts.document import Target
from core.errors import UsageError
from tests.unit.console.tui.alerts.documents import NOW_NS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h", 3600), (" 2H ", 7200), ("30m", 1800), ("45s", 45), ("1d", 86_400), ("1w", 604_800),
        ("1h30m", 5400), ("1h 30m", 5400), ("1.5h", 5400), ("366d", 366 * 86_400),
        ("until 14:14", 40), ("until 14:13:21", 1), ("until 07:00", 16 * 3600 + 46 * 60 + 40),
        ("until 14:13:20", 86_400), ("UNTIL 14:14z", 40), ("until 2026-09-22 14:13", 86_400 - 20),
        ("until 2026-09-22T14:13:20Z", 86_400),
    ],
)  # fmt: skip
def test_how_long_is_understood(text: str, seconds: float) -> None:
    """A duration, the next time that clocks show something in UTC, or a day and a time. It is 14:13:20 now."""
    assert parse_how_long(text, now_ns=NOW_NS) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "", "90", "soon", "h", "-1h", "1.5", "0m", "367d", "9999999w", "until", "until 25:00", "until 7",
        "until 2026-02-30 07:00", "until 2020-01-01 07:00", "until 2999-01-01 07:00", "until 0000-00-00 00:00",
        "1h until 07:00", "\x1b[2J", "１h", "9" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    """In a sentence that is safe to draw and says what could be typed."""
    with pytest.raises(UsageError) as caught:
        parse_how_long(text, now_ns=NOW_NS)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_a_silence_is_read_from_words() -> None:
    """A rule or a pattern, labels, how long, and why; `until` and a day take words of their own."""
    asked = parse_silence("stale_feed venue=KRAKEN symbol=BTC* 2h upgrade at noon", now_ns=NOW_NS)
    assert asked.target == Target(rule="stale_feed", match=(("venue", "KRAKEN"), ("symbol", "BTC*")))
    assert (asked.for_s, asked.comment) == (7200, "upgrade at noon")
    assert parse_silence("* until 14:14 until it is over", now_ns=NOW_NS).comment == "until it is over"
    later = parse_silence("* until 2026-09-22 14:13:20", now_ns=NOW_NS)
    assert (later.target, later.for_s, later.comment) == (Target(rule="*"), 86_400, "")


@pytest.mark.parametrize("text", ["", "stale_feed", "stale_feed venue=KRAKEN", "stale_feed soon", "a until b c d"])
def test_half_a_silence_is_refused(text: str) -> None:
    """Without a rule, or without how long, nothing is silenced."""
    with pytest.raises(UsageError):
        parse_silence(text, now_ns=NOW_NS)


def test_a_target_says_what_it_is() -> None:
    """In the words that it can be typed with; words behind it are left."""
    target, rest = parse_target(["a", "b=c", "=", "d=e"])
    assert (str(target), rest) == ("a b=c", ["=", "d=e"])
    assert target.match_by_name == {"b": "c"}


def test_a_silence_has_a_number() -> None:
    """With or without its sign; nothing else is one."""
    assert (parse_number("4"), parse_number(" #12 ")) == (4, 12)
    for text in ("", "#", "x", "-1", "1.5", "²", "1" * 10):
        with pytest.raises(UsageError):
            parse_number(text)
