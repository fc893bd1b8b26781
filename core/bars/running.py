"""Bars as they stand at each of their trades: columns with one entry a tick, each made when it is used.

Pure; at most one step a bar, never one a tick.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.bars.candles import of_words, words_of
from core.bars.cutting import Cut, sums_fit
from core.bars.series import Flags, Made
from core.bars.ticks import Column
from core.model.fixedpoint import split_quantity


def running_columns(cut: Cut, *, ticks_per_bar: int, chosen: Column | None) -> dict[str, NDArray[Any] | Made]:
    """What `BarSeries` takes, of every tick of `cut` or of those whose numbers are `chosen`.

    `ticks_per_bar` is 0 where bars end by time, which no tick can know.
    """
    number = len(cut.ticks)
    makers: dict[str, Made] = {
        "ts_ns": lambda: cut.ticks.ts_ns,
        "next_tick": lambda: np.arange(1, number + 1),
        "open_ns": lambda: _each(cut, cut.open_ns),
        "open_e9": lambda: _opens(cut),
        "high_e9": lambda: _extremes(cut, "high"),
        "low_e9": lambda: _extremes(cut, "low"),
        "close_e9": lambda: cut.ticks.price_e9,
        "volume_e8": lambda: _volumes(cut),
        "tick_count": lambda: _counts(cut),
        "is_first_tick": lambda: _counts(cut) == 1,
        "is_bar_closed": lambda: _closed(cut, ticks_per_bar),
        "is_synthetic": lambda: np.zeros(number, np.bool_),
    }
    if chosen is None:
        return dict(makers)
    return {name: _taken(make, chosen) for name, make in makers.items()}


def _taken(make: Made, chosen: Column) -> Made:
    return lambda: make()[chosen]


def _each(cut: Cut, of_bars: NDArray[Any]) -> NDArray[Any]:
    # The value of its bar for every tick.
    return np.repeat(of_bars, np.diff(cut.bounds))


def _opens(cut: Cut) -> Column:
    if not len(cut.ticks):
        return cut.ticks.price_e9
    # Of a bar without ticks nothing is repeated, so any price will do.
    opens = cut.ticks.price_e9.take(cut.bounds[:-1], mode="clip")
    if cut.before.tick_count:
        opens[0] = cut.before.open_e9
    return _each(cut, opens)


def _extremes(cut: Cut, which: Literal["high", "low"]) -> Column:
    further, earlier = (np.maximum, cut.before.high_e9) if which == "high" else (np.minimum, cut.before.low_e9)
    prices = cut.ticks.price_e9
    reached = np.empty_like(prices)
    traded = np.diff(cut.bounds) > 0
    for first, end in zip(cut.bounds[:-1][traded].tolist(), cut.bounds[1:][traded].tolist(), strict=True):
        further.accumulate(prices[first:end], out=reached[first:end])
    if cut.before.tick_count:
        begun = reached[: cut.bounds[1]]
        further(begun, earlier, out=begun)
    return reached


def _volumes(cut: Cut) -> Column:
    quantities, before = cut.ticks.quantity_e8, cut.before.volume_e8
    if sums_fit(quantities, before):
        return _sums(cut, quantities, before)
    words, words_before = words_of(quantities), split_quantity(before)
    low, high = (
        _sums(cut, word.view(np.int64), begun).view(np.uint64)
        for word, begun in zip(words, words_before, strict=True)
    )
    return of_words(low, high).astype(np.int64)


def _sums(cut: Cut, values: Column, before: int) -> Column:
    total = np.concatenate(([0], np.cumsum(values)))
    until_bar = total[cut.bounds[:-1]]
    until_bar[0] -= before
    sums: Column = total[1:] - _each(cut, until_bar)
    return sums


def _counts(cut: Cut) -> Column:
    begun = cut.bounds[:-1].copy()
    begun[0] -= cut.before.tick_count
    counts: Column = np.arange(1, len(cut.ticks) + 1) - _each(cut, begun)
    return counts


def _closed(cut: Cut, ticks_per_bar: int) -> Flags:
    return _counts(cut) == ticks_per_bar if ticks_per_bar else np.zeros(len(cut.ticks), np.bool_)
