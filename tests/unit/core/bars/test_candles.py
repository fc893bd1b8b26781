"""Candles from trades: what a bar holds, and that any split of the trades makes the same bars."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.bars.candles import NO_BARS, coarser_bars, merge_bars, time_bars
from core.clock import NS_PER_S
from core.model.fixedpoint import MAX_QUANTITY_E8
from core.model.records import TRADE, UNDEF_PRICE, Records

MINUTE_NS = 60 * NS_PER_S


def trades(*rows: tuple[int, int, int]) -> Records:
    """Trades of our own publisher from (second, price at 1e-9, quantity at 1e-8)."""
    records = np.zeros(len(rows), TRADE)
    for record, (second, price, quantity) in zip(records, rows, strict=True):
        record["publisher_id"] = 61_441
        record["ts_event"] = second * NS_PER_S
        record["price"] = price
        record["size"] = quantity & 0xFFFF_FFFF
        record["ts_in_delta"] = quantity >> 32
    return records


def test_a_bar_holds_first_highest_lowest_last_sum_and_count() -> None:
    """Open, high, low, close, volume and number of trades are those of the interval's trades."""
    (bar,) = time_bars(trades((60, 10, 1), (61, 14, 2), (62, 8, 3), (119, 11, 4)), MINUTE_NS).tolist()
    assert bar == (60 * NS_PER_S, 10, 14, 8, 11, 10, 4)


def test_an_interval_without_trades_has_no_bar() -> None:
    """Bars begin at multiples of the interval, and only where there are trades."""
    bars = time_bars(trades((1, 5, 1), (200, 6, 1)), MINUTE_NS)
    assert bars["ts_event"].tolist() == [0, 180 * NS_PER_S]


def test_records_without_a_price_make_no_bar() -> None:
    """An undefined price is not the highest price ever."""
    assert len(time_bars(trades((1, UNDEF_PRICE, 1)), MINUTE_NS)) == 0


def test_late_trades_fall_into_their_own_bar() -> None:
    """A trade that came late widens its bar and, having come last, closes it."""
    bars = time_bars(trades((1, 5, 1), (61, 6, 1), (2, 9, 1)), MINUTE_NS)
    assert bars[["open", "high", "close"]].tolist() == [(5, 9, 9), (6, 6, 6)]


def test_volume_beyond_32_bits_is_whole() -> None:
    """The high word of a quantity counts."""
    assert time_bars(trades((1, 5, 2**40 + 3)), MINUTE_NS)["volume"].tolist() == [2**40 + 3]


def test_volume_beyond_64_bits_is_the_most_there_is() -> None:
    """A sum that does not fit says the most that does, in trades, in merged and in wider bars; what fits is exact."""
    most, half = MAX_QUANTITY_E8, 2**62
    assert time_bars(trades(*[(second, 5, 5 * 10**18) for second in range(4)]), MINUTE_NS)["volume"].tolist() == [
        most
    ]
    assert time_bars(trades((1, 5, half), (2, 5, half - 1)), MINUTE_NS)["volume"].tolist() == [most]
    assert time_bars(trades((1, 5, half), (2, 5, half - 2)), MINUTE_NS)["volume"].tolist() == [most - 1]
    two = time_bars(trades((1, 5, half), (61, 5, half), (62, 5, 7)), MINUTE_NS)
    assert two["volume"].tolist() == [half, half + 7]
    assert coarser_bars(two, 5 * MINUTE_NS)["volume"].tolist() == [most]
    assert merge_bars(two, two)["volume"].tolist() == [most, most]


def test_databento_sizes_are_whole_units() -> None:
    """For Databento's publishers `size` counts whole units."""
    records = trades((1, 5, 7))
    records["publisher_id"] = 1
    assert time_bars(records, MINUTE_NS)["volume"].tolist() == [7 * 10**8]


ROWS = st.lists(
    st.tuples(st.integers(0, 3600), st.integers(1, 10**15), st.integers(0, 10**12) | st.integers(0, MAX_QUANTITY_E8)),
    min_size=1,
    max_size=40,
)


@given(ROWS, st.lists(st.integers(0, 40), max_size=5))
def test_any_split_makes_the_same_bars(rows: list[tuple[int, int, int]], cuts: list[int]) -> None:
    """Bars of pieces, merged in order, equal the bars of the whole."""
    whole = trades(*rows)
    merged: Records = NO_BARS
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for begin, end in pairwise(edges):
        merged = merge_bars(merged, time_bars(whole[begin:end], MINUTE_NS))
    assert merged.tolist() == time_bars(whole, MINUTE_NS).tolist()


@given(ROWS)
def test_coarser_bars_equal_bars_of_that_width(rows: list[tuple[int, int, int]]) -> None:
    """In order of time, bars of one minute put together are bars of five."""
    whole = trades(*sorted(rows))
    finer = time_bars(whole, MINUTE_NS)
    assert coarser_bars(finer, 5 * MINUTE_NS).tolist() == time_bars(whole, 5 * MINUTE_NS).tolist()
