"""Quantities in few cells: whatever the width, what is shown cannot be taken for another size."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.amounts import amount_text
from console.tui.ladderrows import ladder_rows
from console.tui.snapshot import Book, Focus, Print, SymbolView
from console.tui.status import Feed
from console.tui.taperows import tape_rows
from console.tui.text import UNICODE
from core.model.fixedpoint import format_quantity

E8 = 10**8
_UNITS = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
SIZES = (
    1, 2, 99, 1234, 10**5, 123_456, 999_999, 5 * 10**6, E8 - 1, E8, 123_456_789, 999 * E8 + 1, 8_712_483_080_000,
    1_250_000 * E8, 99_999_999_999_999, 10**15 + 7, 2**63 - 1, 2**64 - 1, 10 * (2**64 - 1),
)  # fmt: skip


def assert_honest(shown: str, quantity_e8: int, decimals: int) -> None:
    """What is shown is the size to 1 %, or wears a mark; it is never the beginning of a longer whole number."""
    if shown == "…":
        return
    if shown.startswith("<"):
        assert 0 < Fraction(quantity_e8, E8) < Fraction(shown[1:])
        return
    number, unit = (shown[:-1], _UNITS[shown[-1]]) if shown[-1] in _UNITS else (shown, 1)
    error = Fraction(quantity_e8, E8) - Fraction(number) * unit
    assert error >= 0
    if unit == 1:
        assert error * 100 <= Fraction(quantity_e8, E8)
        whole = format_quantity(quantity_e8, 0)
        assert number.split(".")[0] == whole
        assert "." in number or decimals == 0 or not quantity_e8 % E8
    else:
        assert error < unit


@pytest.mark.parametrize("width", range(5, 15))
@pytest.mark.parametrize("decimals", [0, 2, 4, 8])
def test_sizes_are_shown_honestly_at_every_width(width: int, decimals: int) -> None:
    """Huge and tiny sizes fit, to 1 % or with a mark, and never lose digits before the point without one."""
    for quantity_e8 in (0, *SIZES):
        shown = amount_text(quantity_e8, width=width, decimals=decimals, ellipsis="…")
        assert 0 < len(shown) <= width
        assert_honest(shown, quantity_e8, decimals)
        if shown[-1] in _UNITS:
            number = Fraction(shown[:-1]) * _UNITS[shown[-1]]
            assert (Fraction(quantity_e8, E8) - number) * 100 <= number


@given(st.integers(0, 10 * 2**64), st.integers(0, 20), st.integers(0, 8))
def test_any_size_is_honest_at_any_width(quantity_e8: int, width: int, decimals: int) -> None:
    """Also where there is next to no room nothing is shown that could be misread."""
    shown = amount_text(quantity_e8, width=width, decimals=decimals, ellipsis="…")
    assert len(shown) <= width
    if shown:
        assert_honest(shown, quantity_e8, decimals)


@pytest.mark.parametrize(
    ("size", "width", "shown"),
    [("87124.8308", 10, "87124.8308"), ("87124.8308", 7, "87124.8"), ("87124.8308", 5, "87.1k"),
     ("87124.8308", 3, "87k"), ("1250000", 5, "1.25M"), ("0.00001234", 10, "0.0000123"), ("0.00001234", 5, "<0.01"),
     ("412", 3, "412"), ("412", 2, "…"), ("0", 4, "0.00")],
)  # fmt: skip
def test_short_forms(size: str, width: int, shown: str) -> None:
    """The longest exact form that fits, else one with a unit or a bound."""
    assert amount_text(int(Fraction(size) * E8), width=width, decimals=4, ellipsis="…") == shown


FEED = Feed(symbol="BTCUSD", venue="KRAKEN", quote="USD", price_decimals=1, quantity_decimals=8)
PRICE_E9 = 42_150_200_000_000


@pytest.mark.parametrize("width", range(12, 60))
def test_ladder_and_tape_never_cut_a_size(width: int) -> None:
    """At every width the figure behind the price in ladder and tape is honest, or is left out."""
    for size in SIZES[:-2]:
        drawn = _drawn(size, width)
        assert len(drawn) == 3
        for words in drawn:
            for word in words:
                if word[0] in "0123456789<":
                    assert_honest(word, size, 8)


def _drawn(size: int, width: int) -> list[list[str]]:
    # What stands behind the price in the two levels of a ladder and the one trade of a tape.
    view = SymbolView(
        key=("BTCUSD", "KRAKEN"), feed=FEED, last_e9=None, first_e9=None, bid_e9=None, ask_e9=None, direction=0,
        flash=False, rate=0.0, age_s=None,
    )  # fmt: skip
    book = Book(((PRICE_E9, size),), ((PRICE_E9, size),))
    focus = Focus(view=view, interval_ns=1, book=book)
    rows = ladder_rows(focus, width=width, height=6, glyphs=UNICODE, edge="│")
    rows += tape_rows([Print(0, PRICE_E9, size, 1)], FEED, width=width, height=1, glyphs=UNICODE, edge="│")
    texts = ["".join(text for text, _style in row) for row in rows]
    return [text.partition("42150.2")[2].split() for text in texts if "42150.2" in text and "┈" not in text]
