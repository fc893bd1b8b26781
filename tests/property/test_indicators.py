"""Indicators: one value at a time and of whole arrays, equal to the last bit; and both are what they are called."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import DAY_NS, NS_PER_S
from core.model.fixedpoint import MAX_PRICE_E9
from strategies import indicators
from strategies.indicators.smoothing import MOST_STEPS

MINUTE_NS = 60 * NS_PER_S
TICK_E9 = 10_000_000

FEW_PRICES = st.lists(st.integers(1, 4).map(lambda price: price * 10**9), max_size=60)
ANY_PRICES = st.lists(st.integers(-MAX_PRICE_E9, MAX_PRICE_E9), max_size=60)
LENGTHS = st.integers(1, 12)


@st.composite
def walks(draw: st.DrawFn) -> list[int]:
    """A long walk of prices with stretches in which nothing moves, longer than a block of the smoothing."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = random.integers(-3, 4, draw(st.integers(1, 3 * MOST_STEPS)))
    quiet_from = draw(st.integers(0, len(steps)))
    steps[quiet_from : quiet_from + draw(st.integers(0, 2 * MOST_STEPS))] = 0
    walked: list[int] = ((5_000_000 + np.cumsum(steps)) * TICK_E9).tolist()
    return walked


PRICES = st.one_of(FEW_PRICES, ANY_PRICES, walks())


def column(values: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The values as a column."""
    return np.array(values, np.int64)


def answered(update: Callable[..., Any], *columns: Sequence[int]) -> list[Any]:
    """What `update` gives for each value (or row of values), without the None of warming up, which come first."""
    answers = [update(*row) for row in zip(*columns, strict=True)]
    ready = [answer for answer in answers if answer is not None]
    assert answers == [None] * (len(answers) - len(ready)) + ready
    return ready


@given(PRICES, LENGTHS)
def test_sums_of_windows_are_exact(values: list[int], length: int) -> None:
    """Both forms give the plain sum of each window; the array form gives up only where 64 bits might not do."""
    expected = [sum(values[at - length : at]) for at in range(length, len(values) + 1)]
    assert answered(indicators.WindowSum(length).update, values) == expected
    sums = indicators.window_sums(column(values), length)
    if sums is None:
        assert length * max(map(abs, values)) >= 2**63
    else:
        assert sums.tolist() == expected


@given(PRICES, LENGTHS)
def test_simple_averages_are_rounded_once_in_both_forms(values: list[int], length: int) -> None:
    """They are equal, and nearer to the true average than two roundings can take them."""
    found = answered(indicators.Sma(length).update, values)
    averages = indicators.sma(column(values), length)
    assert averages is None or averages.tolist() == found
    for at, average in enumerate(found):
        exact = Fraction(sum(values[at : at + length]), length)
        assert abs(Fraction(average) - exact) <= abs(exact) * Fraction(2, 2**52)


@given(PRICES, LENGTHS, LENGTHS)
def test_averages_are_compared_without_rounding(values: list[int], short: int, more: int) -> None:
    """The array form agrees with fractions, where it does not give up because 64 bits might not do."""
    long = short + more
    above = indicators.averages_above(column(values), short=short, long=long)
    if above is None:
        assert long * (max(values) - min(values)) >= 2**63
        return
    assert above.tolist() == [
        Fraction(sum(values[at - short : at]), short) > Fraction(sum(values[at - long : at]), long)
        for at in range(long, len(values) + 1)
    ]


def test_long_averages_of_wide_prices_are_compared_exactly() -> None:
    """Where products of sums and lengths pass 64 bits and the sums do not, the comparison still is exact."""
    random = np.random.default_rng(5)
    short, long = 1000, 3000
    values = random.integers(0, 2**51, 4000)
    values[500:] = values[500]
    values[3200] += 1  # one thousandth above, against one three thousandth
    listed = values.tolist()
    above = indicators.averages_above(values, short=short, long=long)
    assert above is not None
    assert above.tolist() == [
        sum(listed[at - short : at]) * long > sum(listed[at - long : at]) * short for at in range(long, 4001)
    ]
    assert {True, False} == set(above.tolist())


@given(PRICES, st.one_of(st.floats(1e-7, 0.999), st.sampled_from([1 / 500, 1 / 2000, 0.5, 1 - 1e-12, 1e-12])))
def test_exponential_averages_are_equal_to_the_last_bit(values: list[int], alpha: float) -> None:
    """Both forms agree over any number of blocks, and with the plain recursion but for rounding."""
    found = answered(indicators.Ema(alpha).update, values)
    assert indicators.ema(column(values), alpha).tolist() == found
    plain = float(values[0]) if values else 0.0
    scale = max(map(abs, values), default=0)
    for value, average in zip(values, found, strict=True):
        plain += alpha * (value - plain)
        assert abs(average - plain) <= 1e-9 * scale


@given(st.integers(-MAX_PRICE_E9, MAX_PRICE_E9), st.integers(1, 3000), st.floats(1e-6, 0.999))
def test_the_exponential_average_of_equal_prices_is_that_price(price: int, count: int, alpha: float) -> None:
    """Exactly, so that two averages of a price that does not move never cross."""
    assert set(indicators.ema(column([price] * count), alpha).tolist()) == {float(price)}


@given(PRICES, st.integers(2, 30))
def test_rsi_is_equal_to_the_last_bit(values: list[int], length: int) -> None:
    """Both forms agree, stay within 0 and 100, and do not move while the price does not."""
    found = answered(indicators.Rsi(length).update, values)
    assert indicators.rsi(column(values), length).tolist() == found
    assert all(0 <= index <= 100 for index in found)
    for at in range(1, len(found)):
        if float(values[at + length]) == float(values[at + length - 1]):
            assert found[at] == found[at - 1]


@given(walks(), st.integers(2, 30))
def test_rsi_is_what_wilder_says(values: list[int], length: int) -> None:
    """Both averages start as plain ones and go on as (n - 1) parts of themselves and one of what is new."""
    found = answered(indicators.Rsi(length).update, values)
    moves = [later - earlier for earlier, later in pairwise(values)]
    rise = fall = 0.0
    for at, move in enumerate(moves):
        if at < length:
            rise, fall = rise + max(move, 0) / length, fall + max(-move, 0) / length
        else:
            rise = (rise * (length - 1) + max(move, 0)) / length
            fall = (fall * (length - 1) + max(-move, 0)) / length
        if at >= length - 1 and move and rise + fall:
            assert found[at - length + 1] == pytest.approx(100 - 100 / (1 + rise / fall) if fall else 100, abs=1e-6)


@given(PRICES, st.integers(1, 20))
def test_bands_are_equal_to_the_last_bit(values: list[int], length: int) -> None:
    """Both forms agree on averages, deviations and scores."""
    found = answered(indicators.Bollinger(length).update, values)
    arrays = indicators.bollinger(column(values), length)
    assert list(zip(*(array.tolist() for array in arrays), strict=True)) == found


@given(st.one_of(FEW_PRICES, walks()), st.integers(1, 20))
def test_bands_are_the_average_and_the_deviation(values: list[int], length: int) -> None:
    """They agree with exact arithmetic, and the score tells where the newest is between them."""
    for at, bands in enumerate(answered(indicators.Bollinger(length).update, values)[:200]):
        window = values[at : at + length]
        mean = Fraction(sum(window), length)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in window) / length)
        assert bands.mean == pytest.approx(float(mean), rel=1e-12)
        assert bands.deviation == pytest.approx(deviation, rel=1e-9)
        assert bands.mean + bands.score * bands.deviation == pytest.approx(window[-1], rel=1e-12)
        if len(set(window)) == 1:
            assert bands[1:] == (0.0, 0.0)


@given(PRICES, LENGTHS, st.integers(0, 10**9))
def test_channels_are_the_extremes(values: list[int], length: int, width: int) -> None:
    """Both forms give the highest high and the lowest low of each window."""
    lows = [max(value - width, -MAX_PRICE_E9) for value in values]
    channels = answered(indicators.Donchian(length).update, values, lows)
    highest, lowest = indicators.donchian(column(values), column(lows), length)
    assert list(zip(highest.tolist(), lowest.tolist(), strict=True)) == channels
    assert channels == [
        (max(values[at - length : at]), min(lows[at - length : at])) for at in range(length, len(values) + 1)
    ]


VOLUMES = st.one_of(st.just(0), st.integers(0, 10**12))


@st.composite
def traded(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Prices and what was traded at each, often nothing."""
    prices = draw(st.one_of(FEW_PRICES, ANY_PRICES))
    return prices, draw(st.lists(VOLUMES, min_size=len(prices), max_size=len(prices)))


@given(traded(), LENGTHS)
def test_average_prices_of_windows_are_equal_to_the_last_bit(rows: tuple[list[int], list[int]], length: int) -> None:
    """Both forms agree, and with exact arithmetic; of equal prices the average is that price."""
    prices, volumes = rows
    found = answered(indicators.Vwap(length).update, prices, volumes)
    assert indicators.vwap(column(prices), column(volumes), length).tolist() == found
    for at, average in enumerate(found):
        _check_average(
            average, prices[at : at + length], volumes[at : at + length], otherwise=prices[at + length - 1]
        )


@settings(max_examples=150)
@given(traded(), st.integers(1, DAY_NS // 3))
def test_average_prices_of_days_are_equal_to_the_last_bit(rows: tuple[list[int], list[int]], apart_ns: int) -> None:
    """Both forms agree, begin anew at each midnight UTC, and agree with exact arithmetic."""
    prices, volumes = rows
    opens = [at * apart_ns - DAY_NS for at in range(len(prices))]  # the number of a day may be below 0
    found = answered(indicators.DayVwap().update, opens, prices, volumes)
    assert indicators.day_vwap(column(opens), column(prices), column(volumes)).tolist() == found
    begin = 0
    for at, average in enumerate(found):
        if opens[at] // DAY_NS != opens[begin] // DAY_NS:
            begin = at
        _check_average(average, prices[begin : at + 1], volumes[begin : at + 1], otherwise=prices[begin])


def _check_average(average: float, prices: list[int], volumes: list[int], *, otherwise: int) -> None:
    total = sum(volumes)
    if not total:
        assert average == float(otherwise)
        return
    exact = Fraction(sum(price * volume for price, volume in zip(prices, volumes, strict=True)), total)
    assert abs(Fraction(average) - exact) <= max(map(abs, prices)) * Fraction(1, 10**12)
    if len(set(prices)) == 1:
        assert average == float(prices[0])


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_smoothing_that_is_none_is_refused(alpha: float) -> None:
    """An alpha that is not between 0 and 1 is a `ValueError` in both forms."""
    with pytest.raises(ValueError, match="alpha"):
        indicators.Ema(alpha)
    with pytest.raises(ValueError, match="alpha"):
        indicators.ema(column([1, 2]), alpha)
