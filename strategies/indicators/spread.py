"""How far values are from their average: the bands of Bollinger, one value at a time and of whole arrays. Pure."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np

from core.bars.ticks import Column
from strategies.indicators.smoothing import Floats


class Bands(NamedTuple):
    """The average of some values, their standard deviation (of the whole, divided by their number), and by how many
    deviations the newest is above the average; 0 when all are equal."""

    mean: float
    deviation: float
    score: float


class Bollinger:
    """The average and the deviation of the newest `length` values."""

    def __init__(self, length: int) -> None:
        self._values: deque[float] = deque(maxlen=length)
        self._length = length

    def update(self, value: float) -> Bands | None:
        """Take one more; the bands, None until there are `length`."""
        newest = float(value)
        self._values.append(newest)
        if len(self._values) < self._length:
            return None
        # Counted from the newest, so that nothing is lost in large numbers, and equal values have no deviation.
        total = 0.0
        for one in self._values:
            total += one - newest
        offset = total / self._length
        squares = 0.0
        for one in self._values:
            distance = one - newest - offset
            squares += distance * distance
        deviation = math.sqrt(squares / self._length)
        return Bands(newest + offset, deviation, -offset / deviation if deviation else 0.0)


def bollinger(values: Column | Floats, length: int) -> tuple[Floats, Floats, Floats]:
    """What `Bollinger` gives from value number `length - 1` on: averages, deviations and scores."""
    count = len(values) - length + 1
    if count <= 0:
        return np.empty(0), np.empty(0), np.empty(0)
    numbers = values.astype(np.float64)
    newest = numbers[length - 1 :]
    # The same sums in the same order, for all at once.
    total = np.zeros(count)
    for lag in range(length):
        total += numbers[lag : lag + count] - newest
    offset = total / length
    squares = np.zeros(count)
    for lag in range(length):
        distance = numbers[lag : lag + count] - newest - offset
        squares += distance * distance
    deviation = np.sqrt(squares / length)
    score = np.zeros(count)
    np.divide(-offset, deviation, out=score, where=deviation != 0)
    return newest + offset, deviation, score
