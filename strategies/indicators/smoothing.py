"""Exponential smoothing, one value at a time and of whole arrays, and what is made of it. Pure.

A smoothed value is y = y + alpha (x - y). Both forms compute it as a running sum of values with growing weights,
times a shrinking factor, begun anew after at most `MOST_STEPS` values: so the array form is a running sum of numpy's,
and the two are equal to the last bit.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.bars.ticks import Column

MOST_STEPS: Final = 1024
_LARGEST_WEIGHT: Final = 1e100

Floats = NDArray[np.float64]


@attrs.frozen(eq=False)
class _Steps:
    # For the steps since the last beginning: what a value weighs, and what the sum is multiplied by.
    weights: Floats
    factors: Floats
    weight_list: list[float]
    factor_list: list[float]


@lru_cache(maxsize=64)
def _steps(alpha: float) -> _Steps:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1: {alpha}")
    kept = 1 - alpha
    count = min(MOST_STEPS, int(math.log(_LARGEST_WEIGHT) / -math.log(kept)))
    factors = [kept**step for step in range(1, count + 1)]
    weights = [alpha / factor for factor in factors]
    return _Steps(np.array(weights), np.array(factors), weights, factors)


class _Smoothed:
    # From a first value on.
    def __init__(self, alpha: float, first: float) -> None:
        steps = _steps(alpha)
        self._weights, self._factors = steps.weight_list, steps.factor_list
        self._last = len(self._weights) - 1
        self._sum = first
        self._step = -1

    def update(self, value: float) -> float:
        step = self._step + 1
        self._sum += value * self._weights[step]
        smoothed = self._sum * self._factors[step]
        if step == self._last:
            self._sum, self._step = smoothed, -1
        else:
            self._step = step
        return smoothed


def _smoothed(values: Floats, alpha: float, first: float) -> Floats:
    # What `_Smoothed` gives for each of the values.
    steps = _steps(alpha)
    block = len(steps.weights)
    whole = len(values) - len(values) % block
    result = np.empty(len(values))
    rows = result[:whole].reshape(-1, block)
    np.multiply(values[:whole].reshape(-1, block), steps.weights, out=rows)
    last_factor, accumulate = steps.factor_list[-1], np.add.accumulate
    for row in rows:
        row[0] += first
        accumulate(row, out=row)
        first = float(row[-1]) * last_factor
    rows *= steps.factors
    rest = result[whole:]
    if len(rest):
        np.multiply(values[whole:], steps.weights[: len(rest)], out=rest)
        rest[0] += first
        accumulate(rest, out=rest)
        rest *= steps.factors[: len(rest)]
    return result


class Ema:
    """The exponential moving average, which starts at the first value; 0 < `alpha` < 1, ValueError otherwise.

    The average of n values usually has 2 / (n + 1), Wilder's 1 / n.
    """

    def __init__(self, alpha: float) -> None:
        # What is smoothed is the distance from the first value: of equal prices the average is that price.
        self._smoothed = _Smoothed(alpha, 0.0)
        self._first: float | None = None

    def update(self, value: float) -> float:
        """Take one more; the average. It is never None: there is nothing to warm up."""
        if self._first is None:
            self._first = float(value)
            return self._first
        return self._first + self._smoothed.update(float(value) - self._first)


def ema(values: Column | Floats, alpha: float) -> Floats:
    """What `Ema` gives for each of the values."""
    numbers = values.astype(np.float64)
    if len(numbers):
        first = float(numbers[0])
        numbers[1:] = _smoothed(numbers[1:] - first, alpha, 0.0)
        numbers[1:] += first
    return numbers


class Rsi:
    """The relative strength index of Wilder, from 0 to 100: the share of rises in the movement of the newest values.

    Rises and falls are averaged over the first `length` changes and smoothed with 1 / `length` from then on. A value
    equal to the one before leaves it as it was; before anything moved it is 50. `length` is at least 2.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._before: float | None = None
        self._rises: list[float] = []
        self._falls: list[float] = []
        self._smooth: tuple[_Smoothed, _Smoothed] | None = None
        self._index = 50.0

    def update(self, value: float) -> float | None:
        """Take one more; the index, None until there are `length` + 1."""
        number = float(value)
        if self._before is None:
            self._before = number
            return None
        change = number - self._before
        self._before = number
        if self._smooth is None:
            return self._begin(change)
        rise = self._smooth[0].update(max(change, 0.0))
        fall = self._smooth[1].update(max(-change, 0.0))
        if change:
            self._index = 100.0 * (rise / (rise + fall))
        return self._index

    def _begin(self, change: float) -> float | None:
        self._rises.append(max(change, 0.0))
        self._falls.append(max(-change, 0.0))
        if len(self._rises) < self._length:
            return None
        rise, fall = sum(self._rises) / self._length, sum(self._falls) / self._length
        self._smooth = _Smoothed(1 / self._length, rise), _Smoothed(1 / self._length, fall)
        if rise + fall:
            self._index = 100.0 * (rise / (rise + fall))
        return self._index


def rsi(values: Column | Floats, length: int) -> Floats:
    """What `Rsi` gives from value number `length` on."""
    if len(values) <= length:
        return np.empty(0)
    changes = np.diff(values.astype(np.float64))
    rises, falls = np.maximum(changes, 0.0), np.maximum(-changes, 0.0)
    first_rise, first_fall = (sum(moves[:length].tolist()) / length for moves in (rises, falls))
    rise = np.concatenate([[first_rise], _smoothed(rises[length:], 1 / length, first_rise)])
    fall = np.concatenate([[first_fall], _smoothed(falls[length:], 1 / length, first_fall)])
    moved = changes[length - 1 :] != 0
    moved[0] = first_rise + first_fall > 0
    index = np.full(len(rise), 0.5)
    np.divide(rise, rise + fall, out=index, where=moved)
    index *= 100.0
    # Where nothing moved it is what it was where something last did.
    return index[np.maximum.accumulate(np.where(moved, np.arange(len(index)), 0))]
