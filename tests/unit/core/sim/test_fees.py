"""Fees of venues, and rates as people write them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from core.model.instruments import Product
from core.sim.fees import FeeSchedule, fees_of, parse_rate


@pytest.mark.parametrize(
    ("venue", "product", "expected"),
    [
        ("KRAKEN", Product.SPOT, FeeSchedule(2500, 4000, "KRAKEN first tier")),
        ("SIM.KRAKEN", Product.SPOT, FeeSchedule(2500, 4000, "KRAKEN first tier")),
        ("BINANCE", Product.SPOT, FeeSchedule(1000, 1000, "BINANCE first tier")),
        ("KRAKEN_FUTURES", Product.INVERSE_PERPETUAL, FeeSchedule(200, 500, "KRAKEN_FUTURES first tier")),
        ("KRAKEN_FUTURES", Product.LINEAR_FUTURE, FeeSchedule(200, 500, "KRAKEN_FUTURES first tier")),
        ("KRAKEN_FUTURES_DEMO", Product.LINEAR_PERPETUAL, FeeSchedule(200, 500, "KRAKEN_FUTURES first tier")),
        ("SIM.KRAKEN_FUTURES_DEMO", Product.INVERSE_FUTURE, FeeSchedule(200, 500, "KRAKEN_FUTURES first tier")),
    ],
)
def test_a_venue_costs_what_it_publishes(venue: str, product: Product, expected: FeeSchedule) -> None:
    """Each venue has the rates of its first tier, and a simulated or demonstration venue those of the real one."""
    assert fees_of(venue, product) == expected


@pytest.mark.parametrize(
    ("venue", "product"),
    [("XNAS", Product.EQUITY), ("", Product.SPOT), ("KRAKEN", Product.EQUITY), ("KRAKEN_FUTURES", Product.SPOT)],
)
def test_unknown_fees_say_that_they_are_unknown(venue: str, product: Product) -> None:
    """A venue, or a product of a venue, whose rates nobody gave us costs nothing and says so."""
    assert fees_of(venue, product) == FeeSchedule(0, 0, "none known")


@pytest.mark.parametrize(
    ("text", "ppm"),
    [
        ("0.1%", 1000),
        ("0.1 %", 1000),
        (" 10bps ", 1000),
        ("0.001", 1000),
        ("1e-3", 1000),
        ("0.01bps", 1),
        ("0.0001%", 1),
        ("0.000001", 1),
        ("0", 0),
        ("99.9999%", 999_999),
    ],
)
def test_a_rate_is_read_exactly(text: str, ppm: int) -> None:
    """Per cent, basis points and plain fractions are the same parts per million."""
    assert parse_rate(text) == ppm


@given(st.integers(-999_999, 999_999), st.sampled_from([("%", 10**4), ("bps", 10**2), ("", 10**6)]))
def test_every_rate_there_is_can_be_written(ppm: int, unit: tuple[str, int]) -> None:
    """Whatever whole parts per million are written as, they are read as what they were."""
    suffix, scale = unit
    text = f"{'-' if ppm < 0 else ''}{abs(ppm) // scale}.{abs(ppm) % scale:0{len(str(scale)) - 1}d}{suffix}"
    assert Fraction(text.removesuffix(suffix)) * scale == ppm
    assert parse_rate(text, maker=True) == ppm


def test_only_a_maker_gets_a_rebate() -> None:
    """A rate below zero is refused where the order takes."""
    assert parse_rate("-0.01%", maker=True) == -100
    with pytest.raises(UsageError, match="rebate"):
        parse_rate("-0.01%")


def test_what_is_no_fee_may_be_more() -> None:
    """Where a rate may reach 100 % and more, the caller says how far, and the error says it too."""
    assert parse_rate("200%", most_ppm=2_000_000) == 2_000_000
    with pytest.raises(UsageError, match="at most 200%"):
        parse_rate("2.000001", most_ppm=2_000_000)
    with pytest.raises(UsageError, match=r"at most 99\.9999%"):
        parse_rate("100%")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "%",
            "bps",
            "0.00001%",
            "0.001bps",
            "0.0000001",
            "nan",
            "inf",
            "1%%",
            "0.1 bp",
            "1_0bps",
            "٣%",
            "\x1b[2J1%",
        ),
        *("100%", "1", "10000bps", "1e30", "-100%", "9" * 200),
    ],
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    """No number, too fine a one, or the whole price and more is an error in words, without control characters."""
    with pytest.raises(UsageError) as caught:
        parse_rate(text, maker=True)
    assert str(caught.value).isprintable()
