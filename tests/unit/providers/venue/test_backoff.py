"""The delays between attempts."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.venue.backoff import LONGEST_RETRY_S, UNSTATED_RETRY_S, backoff_delays, retry_after_s


def test_ceilings_double_up_to_the_last() -> None:
    """The first wait is a tenth of a second at most, then the ceiling doubles from one second to thirty."""
    highest = [round(each, 3) for each in itertools.islice(backoff_delays(uniform=lambda _low, high: high), 9)]
    assert highest == [0.1, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_the_whole_width_is_drawn_from() -> None:
    """Every wait may be as short as nothing, so that many clients spread out."""
    assert list(itertools.islice(backoff_delays(uniform=lambda low, _high: low), 5)) == [0.0] * 5


def test_the_default_stays_within_its_ceilings() -> None:
    """With the real random source no wait exceeds thirty seconds."""
    assert all(0.0 <= each <= 30.0 for each in itertools.islice(backoff_delays(), 100))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("37", 37.0),
        (" 0 ", 0.0),
        ("", UNSTATED_RETRY_S),
        ("soon", UNSTATED_RETRY_S),
        ("-5", UNSTATED_RETRY_S),
        ("999999999", LONGEST_RETRY_S),
        ("Thu, 01 Jan 1970 00:10:00 GMT", 500.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
    ],
)
def test_retry_after_in_both_of_its_forms(value: str, expected: float) -> None:
    """Seconds and dates are read; what is neither waits a minute; nothing waits longer than three days."""
    assert retry_after_s(value, now_s=100.0) == expected


@given(st.text(max_size=60))
def test_retry_after_takes_anything(value: str) -> None:
    """Whatever the header says, the answer is a wait within bounds."""
    assert 0.0 <= retry_after_s(value, now_s=1e9) <= LONGEST_RETRY_S
