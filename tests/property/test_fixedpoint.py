"""Fixed-point round trips over the whole range."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.model import fixedpoint as fp
from core.model.records import TRADE

QUANTITIES = st.integers(0, fp.MAX_QUANTITY_E8)
PRICES = st.integers(-fp.MAX_PRICE_E9, fp.MAX_PRICE_E9)


@given(QUANTITIES)
def test_a_quantity_survives_its_two_words(quantity_e8: int) -> None:
    """Splitting and joining gives the quantity back, also when the high word went through a signed field."""
    low, high = fp.split_quantity(quantity_e8)
    signed = int(np.uint32(high).view(np.int32))
    assert fp.join_quantity(low, high) == fp.join_quantity(low, signed) == quantity_e8


@given(st.lists(QUANTITIES, max_size=50))
def test_arrays_and_scalars_agree(quantities: list[int]) -> None:
    """The vectorised pair of functions equals the scalar pair, element by element."""
    low, high = fp.split_quantities(np.array(quantities, np.int64))
    assert list(zip(low.tolist(), high.tolist(), strict=True)) == [fp.split_quantity(value) for value in quantities]
    assert fp.join_quantities(low, high).tolist() == quantities
    trades = np.zeros(len(quantities), TRADE)
    trades["publisher_id"] = fp.OWN_PUBLISHERS
    trades["size"], trades["ts_in_delta"] = low, high.view(np.int32)
    assert fp.quantities_e8(trades).tolist() == quantities


@given(PRICES)
def test_a_price_survives_its_text(price_e9: int) -> None:
    """Writing all nine digits and reading them back loses nothing, and agrees with Decimal."""
    text = fp.format_price(price_e9, 9)
    assert Decimal(text).scaleb(9) == price_e9
    assert fp.parse_price(text) == price_e9


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=9))
def test_any_spelling_of_a_decimal_gives_one_integer(value: Decimal) -> None:
    """Plain, normalised and exponent notation agree."""
    expected = int(value.scaleb(9))
    for text in (str(value), format(value, "f"), str(value.normalize()), f"{value:E}"):
        assert fp.parse_price(text) == expected


@given(st.text(max_size=12))
def test_no_text_gets_through_as_something_else(text: str) -> None:
    """Whatever the text, the parser either refuses it or agrees with Decimal."""
    try:
        parsed = fp.parse_price(text)
    except fp.FixedPointError:
        return
    assert parsed == Decimal(text).scaleb(9)
