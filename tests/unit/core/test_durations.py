"""The one language of durations."""

from __future__ import annotations

import pytest

from core.clock import NS_PER_S
from core.durations import ago_ns, parse_duration_s

NOW_NS = 1_790_000_000_123_456_789


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86_400), ("2w", 1_209_600),
        ("1h30m", 5400), ("1h 30m", 5400), ("1w2d3h4m5s", 788_645), ("1.5h", 5400), ("0.25d", 21_600),
        ("1.5h30m", 7200), (" 2H ", 7200), ("0m", 0), ("90m90m", 10_800),
        ("9999999w", 9_999_999 * 604_800), ("0.001s", 0.001),
    ],
)  # fmt: skip
def test_what_is_typed_is_a_duration(text: str, seconds: float) -> None:
    """Every unit, several together, decimals, in either case; and the instant that long ago, to the nanosecond."""
    assert parse_duration_s(text) == pytest.approx(seconds)
    for said in (text, f"-{text}"):
        assert ago_ns(said.replace("- ", "-"), now_ns=NOW_NS) == max(NOW_NS - round(seconds * NS_PER_S), 0)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "30", "h", "1.h", ".5h", "1e3s", "-5m", "+5m", "--5m", "1h  30m", "1h,30m", "1h and 30m", "3y",
        "10ms", "12345678s", "1.2345s", "1s1s1s1s1s1s", "inf", "nan", "\uff11h", "\u0663d", "\xb2h",
        "5m\x1b[2J", "5\u017f",
        "5m\n5m", "9" * 9999, "1s" * 9999,
    ],
)  # fmt: skip
def test_what_is_none_is_refused(text: str) -> None:
    """In words that can be printed, however long and odd it is."""
    with pytest.raises(ValueError, match="no duration") as caught:
        parse_duration_s(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_only_one_minus_stands_before_a_time_ago() -> None:
    """Two are a mistake, and so is a plus."""
    for text in ("--1h", "+1h", "-", ""):
        with pytest.raises(ValueError, match="no duration"):
            ago_ns(text, now_ns=NOW_NS)
