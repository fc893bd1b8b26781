"""Sums, averages and extremes of the newest values: one value at a time, and of whole arrays. Pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.bars.ticks import Column

_INT64_MAX = 2**63 - 1


class WindowSum:
    """The exact sum of the newest `length` values."""

    def __init__(self, length: int) -> None:
        self._values: deque[int] = deque([0] * length, length)
        self._missing = length
        self._total = 0

    def update(self, value: int) -> int | None:
        """Take one more; the sum, None until there are `length`."""
        self._total += value - self._values[0]
        self._values.append(value)
        if self._missing:
            self._missing -= 1
        return None if self._missing else self._total


def window_sums(values: Column, length: int) -> Column | None:
    """What `WindowSum` gives for each of int64 `values` from the one with number `length - 1` on.

    None when a sum might not fit in 64 bits.
    """
    if len(values) < length:
        return np.empty(0, np.int64)
    if length * max(abs(int(values.max())), abs(int(values.min()))) > _INT64_MAX:
        return None
    # Running totals may wrap round; what is between two of them is right again, as it fits.
    totals = np.cumsum(values)
    sums = totals[length - 1 :].copy()
    sums[1:] -= totals[:-length]
    return sums


class Sma:
    """The simple moving average of `length` values, rounded once. Compare `WindowSum`s where ties matter."""

    def __init__(self, length: int) -> None:
        self._length = float(length)
        self._sum = WindowSum(length)

    def update(self, value: int) -> float | None:
        """Take one more; the average, None until there are `length`."""
        total = self._sum.update(value)
        return None if total is None else float(total) / self._length


def sma(values: Column, length: int) -> NDArray[np.float64] | None:
    """What `Sma` gives from value number `length - 1` on; None when a sum might not fit in 64 bits."""
    sums = window_sums(values, length)
    return None if sums is None else sums.astype(np.float64) / float(length)


def averages_above(values: Column, *, short: int, long: int) -> NDArray[np.bool_] | None:
    """Whether the average of the newest `short` int64 values is above that of the newest `long`, exactly.

    One entry for each value from number `long - 1` on; None when a sum might not fit in 64 bits.
    """
    if len(values) < long:
        return np.empty(0, np.bool_)
    low, high = int(values.min()), int(values.max())
    if high - low > _INT64_MAX:
        return None
    # Counted from the lowest value the sums are small, and the comparison is the same.
    above_low = values - low
    short_sums, long_sums = window_sums(above_low, short), window_sums(above_low, long)
    if short_sums is None or long_sums is None:
        return None
    short_sums = short_sums[long - short :]
    if short * long * (high - low) <= _INT64_MAX:
        return _above(short_sums * long, long_sums * short)
    # Whole parts of the averages first, and where they are equal what is left over, which is small.
    short_whole, long_whole = short_sums // short, long_sums // long
    short_rest = (short_sums - short_whole * short) * long
    long_rest = (long_sums - long_whole * long) * short
    whole_equal: NDArray[np.bool_] = short_whole == long_whole
    above: NDArray[np.bool_] = _above(short_whole, long_whole) | (whole_equal & _above(short_rest, long_rest))
    return above


def _above(left: Column, right: Column) -> NDArray[np.bool_]:
    above: NDArray[np.bool_] = left > right
    return above


class Channel(NamedTuple):
    """The highest and the lowest of some values."""

    high: int
    low: int


class Donchian:
    """The highest high and the lowest low of the newest `length` bars."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._highs: deque[int] = deque(maxlen=length)
        self._lows: deque[int] = deque(maxlen=length)

    def update(self, high: int, low: int) -> Channel | None:
        """Take one more bar; the channel, None until there are `length`."""
        self._highs.append(high)
        self._lows.append(low)
        return Channel(max(self._highs), min(self._lows)) if len(self._highs) == self._length else None


def donchian(highs: Column, lows: Column, length: int) -> tuple[Column, Column]:
    """What `Donchian` gives from bar number `length - 1` on: the highest highs and the lowest lows."""
    if len(highs) < length:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return _extremes(highs, length, np.maximum), _extremes(lows, length, np.minimum)


def _extremes(values: Column, length: int, extreme: np.ufunc) -> Column:
    # The extreme of a window is that of two shorter ones that cover it, whose own are found in the same way.
    covered, found = 1, values
    while covered < length:
        step = min(covered, length - covered)
        found = extreme(found[:-step], found[step:])
        covered += step
    return found
