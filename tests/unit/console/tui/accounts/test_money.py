"""Amounts on the Accounts screen: exact where there is room, and never to be misread."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.accounts.money import (
    big_rows,
    delay_text,
    exact_text,
    gain_cell,
    less,
    money_text,
    plain_text,
    share_cell,
)
from console.tui.text import ASCII, UNICODE


def test_a_difference_is_exact() -> None:
    """Amounts are told apart to their last digit, however long they are; of an unknown one nothing is known."""
    assert less(Decimal("100000000000000.000000000001"), Decimal(1)) == Decimal("99999999999999.000000000001")
    assert less(None, Decimal(1)) is None


@pytest.mark.parametrize(
    ("value", "width", "decimals", "text"),
    [
        ("101234.567890123", 12, 2, "101 234.56"),
        ("99999.999", 10, 2, "99 999.99"),
        ("101234.567890123", 9, 2, "101234.56"),
        ("-1234567.8", 8, 2, "−1.23M"),
        ("-0.004", 8, 2, "0.00"),
        ("0.00012345", 10, 8, "0.00012345"),
        ("123456789012345", 7, 2, "123T"),
    ],
)
def test_money_is_cut_and_never_rounded_up(value: str, width: int, decimals: int, text: str) -> None:
    """Thousands stand apart, then together, then there is a unit; nobody is told more than there is."""
    assert money_text(Decimal(value), width=width, decimals=decimals, glyphs=UNICODE) == text


def test_an_amount_that_is_not_known_is_a_dash() -> None:
    """Nothing is made up for it."""
    for text in (
        money_text(None, width=8, decimals=2, glyphs=ASCII),
        exact_text(None, width=8, glyphs=ASCII),
        plain_text(None, width=8, glyphs=ASCII),
    ):
        assert text == "-"
    assert share_cell(None, glyphs=ASCII) == ("", "dim")


def test_a_gain_has_a_sign_and_the_colour_that_repeats_it() -> None:
    """Plus and green, minus and red; what is nothing at so many places has neither."""
    cells = [
        gain_cell(Decimal(value), width=12, decimals=2, glyphs=ASCII) for value in ("1.5", "-1.5", "-0.001", "0")
    ]
    assert cells == [("+1.50", "up"), ("-1.50", "down"), ("0.00", "text"), ("0.00", "text")]
    assert share_cell(Decimal("0.01234"), glyphs=ASCII) == ("+1.23 %", "up")
    assert share_cell(Decimal("-0.5"), glyphs=UNICODE) == ("−50.00 %", "down")


def test_an_exact_amount_marks_what_was_cut() -> None:
    """Every digit where there is room, an ellipsis behind those that stand where there is none."""
    value = Decimal("101234.567890123")
    assert exact_text(value, width=20, glyphs=UNICODE) == "101 234.567890123"
    assert exact_text(value, width=14, glyphs=UNICODE) == "101 234.56789…"
    assert exact_text(Decimal(5), width=9, glyphs=UNICODE) == "5.00"


def test_a_quantity_has_no_idle_zeros() -> None:
    """Prices and quantities stand as they came."""
    texts = [plain_text(Decimal(value), width=11, glyphs=UNICODE) for value in ("0.50", "-0.194", "1E+3", "-0.00")]
    assert texts == ["0.5", "−0.194", "1000", "0"]


@given(
    value=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**29), max_value=10**29, places=12),
    width=st.integers(4, 30),
    decimals=st.integers(0, 8),
)
def test_no_amount_leaves_its_cells(value: Decimal, width: int, decimals: int) -> None:
    """However large it is; what was shortened has a unit, a bound or an ellipsis."""
    texts = [
        money_text(value, width=width, decimals=decimals, glyphs=UNICODE, signed=True),
        plain_text(value, width=width, glyphs=UNICODE),
        exact_text(value, width=width, glyphs=UNICODE),
    ]
    for text in texts:
        assert len(text) <= width
        told = text.replace(" ", "").replace("−", "-")
        if told[-1].isdigit() and "<" not in told:
            assert abs(Decimal(told)) <= abs(value) < abs(Decimal(told)) + 1


def test_big_figures_are_three_rows_of_one_width() -> None:
    """Each figure is as wide as it is in every row, with and without box drawing; what has no figure has none."""
    for glyphs in (UNICODE, ASCII):
        rows = big_rows(f"{glyphs.minus}1 234 567 890.05", glyphs=glyphs)
        assert rows is not None
        assert len({len(row) for row in rows}) == 1
    assert big_rows("1.2M", glyphs=UNICODE) is None
    assert all(row.isascii() for row in big_rows("12.5", glyphs=ASCII) or ())


@pytest.mark.parametrize(
    ("delay_us", "text"), [(0.4, "0 us"), (96.2, "96 us"), (999.6, "1.0 ms"), (3539.0, "3.5 ms")]
)
def test_delays_have_their_unit(delay_us: float, text: str) -> None:
    """Microseconds, and milliseconds from one on."""
    assert delay_text(delay_us) == text


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [("148.33500000012", 11, "148.335"), ("106.72762801", 11, "106.727628"), ("1200.00000000001", 9, "1200")],
)
def test_what_is_cut_ends_with_no_idle_zeros(value: str, width: int, text: str) -> None:
    """A price or a quantity of many digits is no longer than what is left of it."""
    assert plain_text(Decimal(value), width=width, glyphs=UNICODE).replace(" ", "") == text
