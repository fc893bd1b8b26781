"""Fixed-point text and words, by example."""

from __future__ import annotations

import numpy as np
import pytest

from core.model import fixedpoint as fp
from core.model.records import TRADE


@pytest.mark.parametrize(
    ("text", "price_e9"),
    [
        ("61837.63000000", 61_837_630_000_000),
        ("0.000005320", 5_320),
        ("1E-8", 10),
        ("1e-9", 1),
        ("-37.63", -37_630_000_000),
        ("42150", 42_150_000_000_000),
        ("0.1000000000", 100_000_000),
    ],
)
def test_prices_are_exact(text: str, price_e9: int) -> None:
    """Every way a venue writes a price gives the same integer at 1e-9."""
    assert fp.parse_price(text) == price_e9


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "x",
        "1_000",
        "+1 ",
        " 1",
        "NaN",
        "Infinity",
        "1e99",
        "0x10",
        "1.2.3",
        "١",
        "1e-10",
        "9.3e9",
        "--1",
    ],
)
def test_what_is_no_price_is_refused(text: str) -> None:
    """Garbage, numbers finer than 1e-9 and numbers beyond 64 bits raise, they are never rounded or wrapped."""
    with pytest.raises(fp.FixedPointError):
        fp.parse_price(text)


def test_quantities_beyond_the_range_are_refused() -> None:
    """The largest quantity fits, one more unit does not, and none is negative."""
    largest = fp.format_quantity(fp.MAX_QUANTITY_E8, 8)
    assert fp.parse_quantity(largest) == fp.MAX_QUANTITY_E8
    for text in ("92233720368.54775808", "-0.1", "1e30", "0.000000001"):
        with pytest.raises(fp.FixedPointError):
            fp.parse_quantity(text)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(42_150_200_000_000, 1, "42150.2"), (-5, 9, "-0.000000005"), (1_999_999_999, 0, "1"), (0, 2, "0.00")],
)
def test_prices_are_written_in_the_instruments_precision(value: int, decimals: int, text: str) -> None:
    """Digits beyond the precision are cut, never rounded up."""
    assert fp.format_price(value, decimals) == text


def test_one_bad_quantity_refuses_the_whole_array() -> None:
    """Vectorised splitting raises for a negative and for an unsigned value beyond the range."""
    for values in (np.array([1, -1]), np.array([2**63], np.uint64), np.array([1.5])):
        with pytest.raises(fp.FixedPointError):
            fp.split_quantities(values)


def test_quantities_follow_the_publisher() -> None:
    """Our publishers' quantities span two words at 1e-8; Databento's `size` is whole units."""
    trades = np.zeros(2, TRADE)
    trades["publisher_id"] = [fp.OWN_PUBLISHERS, 1]
    trades["size"] = 5
    trades["ts_in_delta"] = [1, 1]
    assert fp.quantities_e8(trades).tolist() == [2**32 + 5, 5 * 10**8]
