"""Expressions over log lines: what they find is what is there, and nothing makes them slow."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import warnings

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from console.logbook.expression import Expression
from core.errors import UsageError

PATTERNS = st.text(st.sampled_from("abc(|)*+?.^$[]-\\bdws{1,2}_ "), min_size=1, max_size=12)
ANY = st.characters() | st.sampled_from("\\Cxp{}[](|)*+?.^$!\x1b\x9b\u202e\udc80\0\n")
TEXTS = st.text(st.sampled_from("abcABC_12 -."), max_size=14)


def expression_or_words(pattern: str) -> Expression | str:
    """The expression, or what is said of a pattern that is none."""
    try:
        return Expression(pattern)
    except UsageError as error:
        return str(error)


@pytest.mark.parametrize(
    ("pattern", "text", "there"),
    [
        (r"kraken.*(lost|refused)", "SIM.KRAKEN: connection lost", True),
        (r"kraken.*(lost|refused)", "lost: SIM.KRAKEN", False),
        (r"^feed", "feed of KRAKEN", True),
        (r"^feed", "a feed", False),
        (r"ms$", "after 7 ms", True),
        (r"ms$", "7 ms after", False),
        (r"\b7\b", "after 7 ms", True),
        (r"\b7\b", "after 77 ms", False),
        (r"[^a-z ]{2,3}x?", "ab 1 cd", False),
        (r"a+?b\s\d\w", "aab 1_", True),
        (r"a.c", "a€c", True),
        (r"a\.c", "abc", False),
        (r"\p{Greek}+", "in λόγος", True),
        (r"\p{Greek}+", "in logs", False),
    ],
)
def test_what_stands_there_is_found(pattern: str, text: str, there: bool) -> None:
    """What the page about the log promises is understood, and what does not stand there is not found."""
    assert Expression(pattern).found(text) is there
    assert bool(Expression(pattern).spans(text)) is there


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
    ours = expression_or_words(pattern)
    if isinstance(ours, str):
        return
    assert ours.found(text) == bool(known.search(text))


@given(st.text(ANY, max_size=40), st.text(ANY, max_size=60))
def test_any_text_is_an_expression_or_is_refused_in_words(pattern: str, text: str) -> None:
    """Nothing that can be typed does anything but match or say what is wrong; what is found lies within the text."""
    expression = expression_or_words(pattern)
    if isinstance(expression, str):
        assert expression.isprintable()
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
        ("(a+)+$", "a" * 100_000 + "!"),
        (".*a.{200}x", "aabc" * 1000),
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
        ("(a", "missing )"),
        ("a)", "unexpected )"),
        ("[a", "missing ]"),
        ("[]", "missing ]"),
        ("*a", "no argument for repetition operator: *"),
        ("a**", "bad repetition operator: **"),
        ("a{3,1}", "invalid repetition size: {3,1}"),
        ("a{1001}", "invalid repetition size"),
        ("((a{200}){200}){200}", "invalid repetition size"),
        (r"\pL{1000}", "too large"),
        (".{900}", "repeats too much"),
        ("[z-a]", "invalid character class range: z-a"),
        ("(?=a)", "invalid perl operator: (?="),
        (r"(a)\1", r"invalid escape sequence: \1"),
        (r"\q", r"invalid escape sequence: \q"),
        ("a\\", "trailing"),
        (r"\xg", "invalid escape sequence"),
        ("(" * 100, "missing )"),
        ("a" * 201, "longer than 200"),
        ("a" * 1_000_000, "longer than 200"),
        ("(é\x1bJ\x9b\u202e", "missing ): (é?J??"),
        ("\udc80", "no text"),
    ],
)
def test_what_is_wrong_is_said_in_words(pattern: str, words: str) -> None:
    """A bad expression is refused, and the reason can be read."""
    with pytest.raises(UsageError, match="not an expression") as caught:
        Expression(pattern)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_case_is_ignored_and_inversion_asked_for() -> None:
    """Upper and lower case are alike in letters, sets and ranges; `!` in front turns it round; empty wants all."""
    for pattern in ("kraken", "KRAKEN", "[k-k]raken", "[K]R.KEN", r"\bkraken\b"):
        assert Expression(pattern).holds("SIM Kraken up")
    assert not Expression("!kraken").holds("Kraken")
    assert Expression("!kraken").holds("binance")
    assert Expression("").holds("anything")
    assert Expression("!").holds("anything")


def test_letters_of_any_alphabet_are_found_in_either_case() -> None:
    """Upper and lower case are alike in all alphabets, and places are counted in letters, not in bytes."""
    assert Expression("ПОТОК").spans("→ поток Поток") == [(2, 7), (8, 13)]
    assert Expression("€.b").spans("😀€😀B") == [(1, 4)]
    assert Expression("x").spans("\udc80\udcffx") == [(2, 3)]
    assert Expression(r"\C").spans("éx") == [(0, 1), (1, 2)]


def test_spans_are_places_from_the_left() -> None:
    """What is marked is each place from the left that has a length; of an inverted expression nothing."""
    assert Expression("a+|ab").spans("xaab ab") == [(1, 3), (5, 6)]
    assert Expression("ab|a+").spans("xaab ab") == [(1, 3), (5, 7)]
    assert Expression("kraken").spans("KRAKEN kraken") == [(0, 6), (7, 13)]
    assert Expression("x*").spans("axxb") == [(1, 3)]
    assert Expression("!a").spans("a") == []
    assert Expression("").spans("a") == []


@pytest.mark.parametrize("pattern", ["a", "x*|a", "(.*=)|a", ".*a.{200}x|"])
def test_places_are_bounded(pattern: str) -> None:
    """Of very many places the first ones are marked, and looking for them ends soon."""
    line = "aab" * 1333
    expression = Expression(pattern)
    began_s = time.process_time()
    spans = expression.spans(line)
    assert time.process_time() - began_s < 0.5
    assert len(spans) <= 20


def test_the_library_is_loaded_by_what_is_looked_for_alone() -> None:
    """The modules of screen 8 and an empty filter leave it out; the first expression loads it."""
    script = (
        "import sys, console.tui.logview\n"
        "from console.logbook.expression import Expression\n"
        "Expression(''); Expression('!')\n"
        "before = 're2' in sys.modules\n"
        "Expression('a')\n"
        "print(before, 're2' in sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.split() == ["False", "True"]
