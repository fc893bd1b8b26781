"""Text from outside on its way to a screen."""

from __future__ import annotations

import pytest

from core.flow.printable import printable


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("a\x1b[2J\nb", 120, "a\\x1b[2J\\nb"),
        ("it's\n", 120, "it's\\n"),
        ("\ud800\u00e9", 120, "\\ud800\\xe9"),
        ("x" * 9999, 120, "x" * 120),
        ("\x00" * 10, 6, "\\x00\\x"),
        ("", 120, ""),
    ],
)
def test_text_from_outside_is_fit_for_a_screen(text: str, limit: int, shown: str) -> None:
    """One line of printable ASCII, bounded."""
    assert printable(text, limit) == shown
