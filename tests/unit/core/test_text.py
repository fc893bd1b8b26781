"""Text from outside on one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import one_line


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("a\x1b[2J\nb\tc", None, "a?[2J?b?c"), ("\u202eabc\ud800\x7f", None, "?abc??"),
        ("Zürich 東京", None, "Zürich 東京"),
        ("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("\x00" * 9, 3, "??…"), ("ab", 1, "…"), ("", 5, ""),
    ],
)  # fmt: skip
def test_what_cannot_be_printed_is_a_question_mark(text: str, limit: int | None, shown: str) -> None:
    """Everything else is as it came; what is too long says so."""
    assert one_line(text, limit) == shown
    assert one_line(text, limit, instead=" ") == shown.replace("?", " ")


@given(st.text(max_size=50), st.integers(1, 40))
def test_any_text_is_one_line(text: str, limit: int) -> None:
    """That can be printed and is not too long; a second time changes nothing."""
    found = one_line(text, limit)
    assert found.isprintable()
    assert len(found) == min(len(text), limit)
    assert one_line(found, limit) == found
