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

_WORD_BITS = np.uint64(32)
_LOW_WORD = np.uint64(0xFFFF_FFFF)
_MOST = np.uint64(MAX_QUANTITY_E8)

NO_BARS: Records = np.empty(0, CANDLE)


def time_bars(trades: Records, interval_ns: int) -> NDArray[np.void]:
    """One bar for every interval that has trades, oldest first, as `CANDLE` records.

    `trades` are `TRADE` records in the order they came; within a bar that order decides open and close. Records
    without a price are left out. An interval starts at a multiple of `interval_ns` since the epoch.
    """
    assert interval_ns > 0
    priced = trades[trades["price"] != UNDEF_PRICE]
    ticks = np.empty(len(priced), CANDLE)
    instants = np.minimum(priced["ts_event"], np.uint64(2**63 - 1)).astype(np.int64)
    ticks["ts_event"] = instants - instants % interval_ns
    for name in ("open", "high", "low", "close"):
        ticks[name] = priced["price"]
    ticks["volume"] = quantities_e8(priced)
    ticks["trades"] = 1
    return _grouped(ticks)


def merge_bars(earlier: Records, later: Records) -> NDArray[np.void]:
    """The bars of two runs of trades as one run; bars of the same interval become one."""
    if not len(later):
        return earlier
    return _grouped(np.concatenate((earlier, later)))


def coarser_bars(bars: Records, interval_ns: int) -> NDArray[np.void]:
    """`bars` put together into bars of `interval_ns`, a multiple of theirs."""
    wider = bars.copy()
    wider["ts_event"] -= wider["ts_event"] % interval_ns
    return _grouped(wider)


def _grouped(bars: Records) -> NDArray[np.void]:
    if not len(bars):
        return NO_BARS
    # A stable sort keeps the order of arrival within a bar, which decides its open and close.
    order = np.argsort(bars["ts_event"], kind="stable")
    ordered = bars[order]
    starts = ordered["ts_event"]
    first = np.flatnonzero(np.concatenate(([True], starts[1:] != starts[:-1])))
    last = np.concatenate((first[1:], [len(starts)])) - 1
    grouped = np.empty(len(first), CANDLE)
    grouped["ts_event"] = starts[first]
    grouped["open"] = ordered["open"][first]
    grouped["close"] = ordered["close"][last]
    grouped["high"] = np.maximum.reduceat(ordered["high"], first)
    grouped["low"] = np.minimum.reduceat(ordered["low"], first)
    grouped["volume"] = _volumes(ordered["volume"], first)
    grouped["trades"] = np.add.reduceat(ordered["trades"], first)
    return grouped


def _volumes(quantities: NDArray[np.int64], first: NDArray[np.int64]) -> NDArray[np.uint64]:
    # In two words of 32 bits, whose sums cannot wrap: exact up to the most that is kept, however much there is.
    words = quantities.view(np.uint64)
    low = np.add.reduceat(words & _LOW_WORD, first)
    high = np.add.reduceat(words >> _WORD_BITS, first) + (low >> _WORD_BITS)
    return np.where(high > _MOST >> _WORD_BITS, _MOST, high << _WORD_BITS | low & _LOW_WORD)
