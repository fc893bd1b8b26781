"""Slippage, latency and what they are together."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from core.model.orders import Side
from core.sim.fees import FeeSchedule
from core.sim.models import MAX_DELAY_NS, MAX_INCREMENTS, Execution, Latency, Slippage

CENT = 10**7


@pytest.mark.parametrize("side", list(Side))
def test_no_slippage_leaves_the_price_alone(side: Side) -> None:
    """Without slippage a price that is no multiple of the increment stays as it was traded."""
    assert Slippage().price_e9(side, 100 * CENT + 1, CENT) == 100 * CENT + 1


@pytest.mark.parametrize(
    ("slippage", "side", "cents_e9", "expected"),
    [
        (Slippage(ppm=1000), Side.BUY, 10_000 * CENT, 10_010 * CENT),
        (Slippage(ppm=1000), Side.SELL, 10_000 * CENT, 9_990 * CENT),
        (Slippage(ppm=1), Side.BUY, 10_000 * CENT, 10_001 * CENT),
        (Slippage(ppm=1), Side.SELL, 10_000 * CENT, 9_999 * CENT),
        (Slippage(increments=2), Side.BUY, 10_000 * CENT, 10_002 * CENT),
        (Slippage(increments=2), Side.SELL, 10_000 * CENT, 9_998 * CENT),
        (Slippage(increments=2), Side.BUY, 10_000 * CENT + 1, 10_003 * CENT),
        (Slippage(increments=2), Side.SELL, 10_000 * CENT + 1, 9_998 * CENT),
        (Slippage(1000, 1), Side.BUY, 10_000 * CENT, 10_011 * CENT),
        (Slippage(1000, 1), Side.SELL, 10_000 * CENT, 9_989 * CENT),
    ],
)
def test_slippage_moves_against_the_order(slippage: Slippage, side: Side, cents_e9: int, expected: int) -> None:
    """A buyer pays more and a seller gets less, rounded to the next increment that is worse for them."""
    assert slippage.price_e9(side, cents_e9, CENT) == expected


@given(
    st.integers(0, 999_999),
    st.integers(0, MAX_INCREMENTS),
    st.sampled_from(Side),
    st.integers(1, 10**17),
    st.integers(1, 10**12),
)
def test_slipped_prices_are_worse_by_as_much_as_said(
    ppm: int, increments: int, side: Side, price_e9: int, increment_e9: int
) -> None:
    """The price is on the grid, off by what was asked and less than an increment more, and never zero or better."""
    slipped_e9 = Slippage(ppm, increments).price_e9(side, price_e9, increment_e9)
    assert slipped_e9 > 0
    worse_e9 = (slipped_e9 - price_e9) * side.sign
    assert worse_e9 >= 0
    if (ppm or increments) and slipped_e9 >= increment_e9:
        assert slipped_e9 % increment_e9 == 0
    asked_e9 = Fraction(price_e9 * ppm, 1_000_000) + increments * increment_e9 if ppm or increments else Fraction(0)
    assert worse_e9 < asked_e9 + increment_e9
    if slipped_e9 > increment_e9:
        assert worse_e9 >= asked_e9


@pytest.mark.parametrize(
    "given_", [(-1, 0), (1_000_000, 0), (0, -1), (0, MAX_INCREMENTS + 1)], ids=["below", "all", "back", "far"]
)
def test_slippage_that_makes_no_sense_is_refused(given_: tuple[int, int]) -> None:
    """Below zero and the whole price are mistakes."""
    with pytest.raises(UsageError, match="slippage"):
        Slippage(*given_)


def test_latency_without_jitter_is_its_base() -> None:
    """Every order takes the same time."""
    assert {Latency(50).delay_ns(number) for number in range(20)} == {50}
    assert Latency().delay_ns(1) == 0


@given(st.integers(0, MAX_DELAY_NS // 2), st.integers(0, MAX_DELAY_NS // 2), st.integers(), st.integers(1, 10**9))
def test_latency_stays_in_its_bounds_and_repeats(base_ns: int, jitter_ns: int, seed: int, number: int) -> None:
    """A delay is between base and base plus jitter, and the same whenever it is asked."""
    delay_ns = Latency(base_ns, jitter_ns, seed).delay_ns(number)
    assert base_ns <= delay_ns <= base_ns + jitter_ns
    assert delay_ns == Latency(base_ns, jitter_ns, seed).delay_ns(number)


def test_every_delay_in_the_bounds_is_as_likely() -> None:
    """Over many orders each of four delays comes in about a quarter of them, both ends included."""
    delays = [Latency(10, 3, seed=7).delay_ns(number) for number in range(8000)]
    assert all(1800 < delays.count(delay) < 2200 for delay in (10, 11, 12, 13))
    assert set(delays) == {10, 11, 12, 13}


def test_another_seed_is_another_market() -> None:
    """Two seeds give two runs of delays."""
    runs = [[Latency(0, 10**9, seed).delay_ns(number) for number in range(10)] for seed in (1, 2)]
    assert runs[0] != runs[1]


@pytest.mark.parametrize("given_", [(-1, 0), (0, -1), (MAX_DELAY_NS, 1)], ids=["base", "jitter", "long"])
def test_latency_that_makes_no_sense_is_refused(given_: tuple[int, int]) -> None:
    """Orders do not arrive before they are given, nor days later."""
    with pytest.raises(UsageError, match="latency"):
        Latency(*given_)


def test_execution_errs_towards_no_fill() -> None:
    """Unless told otherwise nothing slips, nothing is late, and a touched limit is not filled."""
    execution = Execution(FeeSchedule(1, 2, "here"))
    assert (execution.slippage, execution.latency, execution.touch) == (Slippage(0, 0), Latency(0, 0, 0), False)
