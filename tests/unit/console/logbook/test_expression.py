"""Expressions over log lines: what they find is what Python's `re` finds, and nothing makes them slow."""

from __future__ import annotations

import re
import time
import warnings

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from console.logbook.expression import Expression
from core.errors import UsageError

PATTERNS = st.text(st.sampled_from("abc(|)*+?.^$[]-\\bdws{1,2}_ "), min_size=1, max_size=12)
TEXTS = st.text(st.sampled_from("abcABC_12 -."), max_size=14)


@given(PATTERNS, TEXTS)
def test_what_is_found_is_what_re_finds(pattern: str, text: str) -> None:
    """Where both take a pattern they agree on whether it stands in a text."""
    assume(pattern == pattern.strip() and "{," not in pattern)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            known = re.compile(pattern, re.IGNORECASE)
        except (re.error, FutureWarning, DeprecationWarning):
            return
    try:
        ours = Expression(pattern)
    except UsageError:
        return
    assert ours.found(text) == bool(known.search(text))


@given(st.text(max_size=40), st.text(max_size=60))
def test_any_text_is_an_expression_or_is_refused_in_words(pattern: str, text: str) -> None:
    """Nothing that can be typed does anything but match or say what is wrong; what is found lies within the text."""
    try:
        expression = Expression(pattern)
    except UsageError:
        return
    expression.holds(text)
    ends = 0
    for begin, end in expression.spans(text):
        assert ends <= begin < end <= len(text)
        ends = end


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("(a+)+$", "a" * 499 + "!"),
        ("(a|a)*b", "a" * 500),
        ("(.*)(.*)(.*)(.*)(.*)=", "x" * 500),
        ("(a?){100}a{100}", "a" * 99 + "b" * 400),
        ("((a{1,5}){1,5}){1,5}$", "a" * 499 + "!"),
    ],
)
def test_no_expression_is_catastrophic(pattern: str, line: str) -> None:
    """What takes `re` longer than anybody lives takes less than a frame or two here, marking it included."""
    expression = Expression(pattern)
    began_s = time.process_time()
    expression.found(line)
    expression.spans(line)
    assert time.process_time() - began_s < 0.5


def test_thousands_of_lines_take_a_moment() -> None:
    """A look-up a character: five thousand lines in well under a second."""
    lines = [f"feed {number} of SIM.KRAKEN is connected again after {number * 7} ms" for number in range(5000)]
    pattern = r"kraken.*\b(7|14)+ ms$"
    expression = Expression(pattern)
    began_s = time.process_time()
    found = sum(expression.found(line) for line in lines)
    assert time.process_time() - began_s < 1.0
    assert found == sum(bool(re.search(pattern, line, re.IGNORECASE)) for line in lines) > 0


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(a", "the ( is never closed"),
        ("a)", "the ) closes nothing"),
        ("[a", "the [ is never closed"),
        ("[]", "the [ is never closed"),
        ("*a", "the * repeats nothing"),
        ("a**", "repeated again"),
        ("a{3,1}", "at least more than at most"),
        ("a{999}", "more than 200 times"),
        ("((a{200}){200}){200}", "repeats too much"),
        ("[z-a]", "the wrong way round"),
        ("(?=a)", "looking ahead"),
        (r"(a)\1", "found before"),
        (r"\q", "means nothing"),
        ("a\\", "at the end"),
        (r"\xg", "hexadecimal"),
        ("(" * 100, "within each other"),
        ("a" * 300, "longer than"),
    ],
)
def test_what_is_wrong_is_said_in_words(pattern: str, words: str) -> None:
    """A bad expression is refused, and the reason can be read."""
    with pytest.raises(UsageError, match="not an expression") as caught:
        Expression(pattern)
    assert words in str(caught.value)


def test_case_is_ignored_and_inversion_asked_for() -> None:
    """Upper and lower case are alike in letters, sets and ranges; `!` in front turns it round; empty wants all."""
    for pattern in ("kraken", "KRAKEN", "[k-k]raken", "[K]R.KEN", r"\bkraken\b"):
        assert Expression(pattern).holds("SIM Kraken up")
    assert not Expression("!kraken").holds("Kraken")
    assert Expression("!kraken").holds("binance")
    assert Expression("").holds("anything")
    assert Expression("!").holds("anything")


def test_spans_are_the_longest_from_the_left() -> None:
    """What is marked is each place from the left, as long as it can be; of an inverted expression nothing."""
    assert Expression("a+|ab").spans("xaab ab") == [(1, 3), (5, 7)]
    assert Expression("kraken").spans("KRAKEN kraken") == [(0, 6), (7, 13)]
    assert Expression("x*").spans("axxb") == [(1, 3)]
    assert Expression("!a").spans("a") == []
