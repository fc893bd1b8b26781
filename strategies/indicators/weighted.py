"""The average price of what was traded (VWAP), bar by bar and of whole arrays. Pure."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np

from core.bars.ticks import Column
from core.clock import DAY_NS
from strategies.indicators.smoothing import Floats


class Vwap:
    """The average price of the newest `length` bars, each weighing what was traded in it; of equal prices that price.

    While nothing was traded in any of them it is the newest price.
    """

    def __init__(self, length: int) -> None:
        self._bars: deque[tuple[float, float]] = deque(maxlen=length)
        self._length = length

    def update(self, price: float, volume: float) -> float | None:
        """Take one more bar; the average, None until there are `length`."""
        newest = float(price)
        self._bars.append((newest, float(volume)))
        if len(self._bars) < self._length:
            return None
        # Counted from the newest price, so that nothing is lost in large numbers.
        distance, total = 0.0, 0.0
        for one, weight in self._bars:
            distance += (one - newest) * weight
            total += weight
        return newest + distance / total if total else newest


def vwap(prices: Column | Floats, volumes: Column | Floats, length: int) -> Floats:
    """What `Vwap` gives from bar number `length - 1` on."""
    count = len(prices) - length + 1
    if count <= 0:
        return np.empty(0)
    numbers, weights = prices.astype(np.float64), volumes.astype(np.float64)
    newest = numbers[length - 1 :]
    distance, total = np.zeros(count), np.zeros(count)
    for lag in range(length):
        weight = weights[lag : lag + count]
        distance += (numbers[lag : lag + count] - newest) * weight
        total += weight
    return _from(newest, distance, total, otherwise=newest)


class DayVwap:
    """The average price of all bars of a UTC day so far, each weighing what was traded in it.

    While nothing was traded on that day it is the price of its first bar.
    """

    def __init__(self) -> None:
        self._day: int | None = None
        self._first = self._distance = self._total = 0.0

    def update(self, open_ns: int, price: float, volume: float) -> float:
        """Take one more bar, which began at `open_ns`; the average."""
        day, newest, weight = open_ns // DAY_NS, float(price), float(volume)
        if day != self._day:
            self._day, self._first, self._distance, self._total = day, newest, 0.0, 0.0
        self._distance += (newest - self._first) * weight
        self._total += weight
        return self._first + self._distance / self._total if self._total else self._first


def day_vwap(open_ns: Column, prices: Column | Floats, volumes: Column | Floats) -> Floats:
    """What `DayVwap` gives for each bar."""
    numbers, weights = prices.astype(np.float64), volumes.astype(np.float64)
    begins = (1 + np.flatnonzero(np.diff(open_ns // DAY_NS))).tolist()
    result = np.empty(len(numbers))
    for begin, end in pairwise([0, *begins, len(numbers)]):
        day = slice(begin, end)
        first = numbers[begin : begin + 1]
        distance = np.cumsum((numbers[day] - first) * weights[day])
        result[day] = _from(first, distance, np.cumsum(weights[day]), otherwise=first)
    return result


def _from(start: Floats, distance: Floats, total: Floats, *, otherwise: Floats) -> Floats:
    return np.where(total != 0, start + distance / np.where(total != 0, total, 1.0), otherwise)
