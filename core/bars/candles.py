"""Time bars from trades, a whole array at once: the screen's candles. Pure; no clock, no I/O.

Bars made from any split of the trades and joined by `merge_bars` equal the bars made from all of them, as long as
the pieces are joined in the order in which the trades came.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.model.fixedpoint import MAX_QUANTITY_E8, quantities_e8
from core.model.records import UNDEF_PRICE, Records

CANDLE = np.dtype(
    [
        ("ts_event", "<i8"), ("open", "<i8"), ("high", "<i8"), ("low", "<i8"), ("close", "<i8"),
        ("volume", "<i8"), ("trades", "<i8"),
    ]
)  # fmt: skip
"""`ts_event` is the bar's first instant in ns since the epoch; prices are at 1e-9, `volume` at 1e-8.

A volume beyond `MAX_QUANTITY_E8` is `MAX_QUANTITY_E8`, which reads "this much or more": never a wrapped number.
"""

Column = NDArray[np.int64]

_WORD_BITS = np.uint64(32)
_LOW_WORD = np.uint64(0xFFFF_FFFF)
_MOST = np.uint64(MAX_QUANTITY_E8)

NO_BARS: Records = np.empty(0, CANDLE)


def time_bars(trades: Records, interval_ns: int, *, offset_ns: int = 0) -> NDArray[np.void]:
    """One bar for every interval that has trades, oldest first, as `CANDLE` records.

    `trades` are `TRADE` records in the order they came; within a bar that order decides open and close. Records
    without a price are left out. An interval starts at a multiple of `interval_ns` since `offset_ns` after the epoch.
    """
    assert interval_ns > 0
    has_price = trades["price"] != UNDEF_PRICE
    priced = trades if has_price.all() else trades[has_price]
    instants = np.minimum(priced["ts_event"], np.uint64(2**63 - 1)).astype(np.int64)
    starts = instants - (instants - offset_ns) % interval_ns
    prices = np.ascontiguousarray(priced["price"])
    traded = quantities_e8(priced)
    return _grouped(starts, (prices, prices, prices, prices), traded, np.ones(len(starts), np.int64))


def merge_bars(earlier: Records, later: Records) -> NDArray[np.void]:
    """The bars of two runs of trades as one run; bars of the same interval become one."""
    if not len(later):
        return earlier
    return _of_bars(np.concatenate((earlier, later)))


def coarser_bars(bars: Records, interval_ns: int) -> NDArray[np.void]:
    """`bars` put together into bars of `interval_ns`, a multiple of theirs."""
    wider = bars.copy()
    wider["ts_event"] -= wider["ts_event"] % interval_ns
    return _of_bars(wider)


def _of_bars(bars: Records) -> NDArray[np.void]:
    prices = (bars["open"], bars["high"], bars["low"], bars["close"])
    return _grouped(bars["ts_event"], prices, np.ascontiguousarray(bars["volume"]), bars["trades"])


def _grouped(
    starts: Column, prices: tuple[Column, Column, Column, Column], volumes: Column, trades: Column
) -> NDArray[np.void]:
    # Columns and not records: a million trades as records of bars would be written and read again for nothing.
    if not len(starts):
        return NO_BARS
    if not bool((starts[1:] >= starts[:-1]).all()):
        # A stable sort keeps the order of arrival within a bar, which decides its open and close.
        order = np.argsort(starts, kind="stable")
        starts, volumes, trades = starts[order], volumes[order], trades[order]
        prices = (prices[0][order], prices[1][order], prices[2][order], prices[3][order])
    opened, high, low, closed = prices
    first = np.flatnonzero(np.concatenate(([True], starts[1:] != starts[:-1])))
    last = np.concatenate((first[1:], [len(starts)])) - 1
    grouped = np.empty(len(first), CANDLE)
    grouped["ts_event"] = starts[first]
    grouped["open"] = opened[first]
    grouped["close"] = closed[last]
    grouped["high"] = np.maximum.reduceat(high, first)
    grouped["low"] = np.minimum.reduceat(low, first)
    grouped["volume"] = summed_e8(volumes, first)
    grouped["trades"] = np.add.reduceat(trades, first)
    return grouped


def summed_e8(quantities: Column, first: Column) -> NDArray[np.uint64]:
    """The sum of the quantities from each number in `first` to the next one, never more than `MAX_QUANTITY_E8`."""
    low, high = words_of(quantities)
    return of_words(np.add.reduceat(low, first), np.add.reduceat(high, first))


def words_of(quantities: Column) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The low and high 32 bits of quantities, whose sums cannot wrap."""
    words = quantities.view(np.uint64)
    return words & _LOW_WORD, words >> _WORD_BITS


def of_words(low: NDArray[np.uint64], high: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sums of quantities from those of their words: exact up to `MAX_QUANTITY_E8`, and no more than that."""
    high = high + (low >> _WORD_BITS)
    return np.where(high > _MOST >> _WORD_BITS, _MOST, high << _WORD_BITS | low & _LOW_WORD)
