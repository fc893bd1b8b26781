"""The events of bars: all of them as arrays, and one of them as a strategy sees it. Pure.

Both are views of the same columns. Nothing is made for an event that nobody asks for: a column is computed when it is
first used, and its numbers become Python's a stretch at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.bars.spec import BarDataMode
from core.bars.ticks import Column, Tick, Ticks

STRETCH: Final = 65_536
"""So many events are numbers of Python's at a time."""

_PRICE_SCALE: Final = 1e9
_QUANTITY_SCALE: Final = 1e8

Flags = NDArray[np.bool_]
Made = Callable[[], NDArray[Any]]


class BarSeries:
    """Events in the order in which a strategy gets them, each column an array with one entry an event, not to be
    written.

    `ticks` are the trades they were made of, and `columns` holds each array or a function that makes it, under the
    names of the properties below.
    """

    def __init__(self, mode: BarDataMode, ticks: Ticks, columns: Mapping[str, NDArray[Any] | Made]) -> None:
        self.mode = mode
        self.ticks = ticks
        self._columns = columns

    def __len__(self) -> int:
        return len(self.ts_ns)

    def _column(self, name: str) -> NDArray[Any]:
        found = self._columns[name]
        # A strategy that wrote into one would change the market for itself and for everybody after it.
        column = (found() if callable(found) else found).view()
        column.flags.writeable = False
        return column

    @cached_property
    def ts_ns(self) -> Column:
        """When the event is: the instant of its tick; of a bar that closes, the instant at which it is over."""
        return self._column("ts_ns")

    @cached_property
    def next_tick(self) -> Column:
        """The number in `ticks` of the first trade that comes after the event, `len(ticks)` when none does."""
        return self._column("next_tick")

    @cached_property
    def open_ns(self) -> Column:
        """When the bar began: its first instant; of a bar of N trades the instant of the first."""
        return self._column("open_ns")

    @cached_property
    def open_e9(self) -> Column:
        """The bar's first price."""
        return self._column("open_e9")

    @cached_property
    def high_e9(self) -> Column:
        """The highest price of the bar so far."""
        return self._column("high_e9")

    @cached_property
    def low_e9(self) -> Column:
        """The lowest price of the bar so far."""
        return self._column("low_e9")

    @cached_property
    def close_e9(self) -> Column:
        """The newest price of the bar: that of the tick, where the event has one."""
        return self._column("close_e9")

    @cached_property
    def volume_e8(self) -> Column:
        """What was traded in the bar so far."""
        return self._column("volume_e8")

    @cached_property
    def tick_count(self) -> Column:
        """How many trades the bar has so far; 0 where it is made up."""
        return self._column("tick_count")

    @cached_property
    def is_first_tick(self) -> Flags:
        """Whether the event's tick is the first of its bar; never where a bar closes."""
        return self._column("is_first_tick")

    @cached_property
    def is_bar_closed(self) -> Flags:
        """Whether the bar is complete."""
        return self._column("is_bar_closed")

    @cached_property
    def is_synthetic(self) -> Flags:
        """Whether nothing was traded in the bar: then all its prices are the last one before it."""
        return self._column("is_synthetic")

    def stretches(self) -> Iterator[tuple[int, int, BarData]]:
        """The events a stretch at a time: its first, its end, and a `BarData` on it."""
        for first in range(0, len(self), STRETCH):
            end = min(first + STRETCH, len(self))
            yield first, end, BarData(_Stretch(self, first, end))

    def values(self, name: str, first: int, end: int) -> list[Any]:
        """A column from event `first` up to and without `end`, as Python's numbers."""
        values: list[Any] = getattr(self, name)[first:end].tolist()
        return values

    def event(self, number: int) -> BarData:
        """One event by itself."""
        return BarData(_Stretch(self, number, number + 1))


class _Stretch:
    # Columns of some events as lists, made when first asked for.
    ts_ns: list[int]
    next_tick: list[int]
    open_ns: list[int]
    open_e9: list[int]
    high_e9: list[int]
    low_e9: list[int]
    close_e9: list[int]
    volume_e8: list[int]
    tick_count: list[int]
    is_first_tick: list[bool]
    is_bar_closed: list[bool]
    is_synthetic: list[bool]

    def __init__(self, series: BarSeries, first: int, end: int) -> None:
        self._series, self._first, self._end = series, first, end
        self.has_ticks = series.mode is not BarDataMode.ON_CLOSE_BAR

    def __getattr__(self, name: str) -> list[Any]:
        values = self._series.values(name, self._first, self._end)
        self.__dict__[name] = values
        return values

    def tick(self, at: int) -> Tick:
        return self._series.ticks.tick(self.next_tick[at] - 1)


class BarData:
    """One event: the tick, the bar and what is known of the bar. The engine moves it from event to event, so it is
    good only while `on_bar_data` runs.

    Prices are integers at 1e-9 and quantities at 1e-8 (`_e9`, `_e8`); the same names without the unit are floats.
    """

    __slots__ = ("_stretch", "at")

    def __init__(self, stretch: _Stretch) -> None:
        self._stretch = stretch
        self.at = 0
        """Which event of the stretch; the engine's."""

    @property
    def current_tick(self) -> Tick | None:
        """The trade that made this event; None where a bar closes."""
        return self._stretch.tick(self.at) if self._stretch.has_ticks else None

    @property
    def ts_ns(self) -> int:
        """When it is, in ns since the epoch."""
        return self._stretch.ts_ns[self.at]

    @property
    def open_ns(self) -> int:
        """When the bar began."""
        return self._stretch.open_ns[self.at]

    @property
    def open_e9(self) -> int:
        """The bar's first price."""
        return self._stretch.open_e9[self.at]

    @property
    def high_e9(self) -> int:
        """The bar's highest price so far."""
        return self._stretch.high_e9[self.at]

    @property
    def low_e9(self) -> int:
        """The bar's lowest price so far."""
        return self._stretch.low_e9[self.at]

    @property
    def close_e9(self) -> int:
        """The newest price."""
        return self._stretch.close_e9[self.at]

    @property
    def volume_e8(self) -> int:
        """What was traded in the bar so far."""
        return self._stretch.volume_e8[self.at]

    @property
    def tick_count(self) -> int:
        """How many trades the bar has so far; 0 where it is made up."""
        return self._stretch.tick_count[self.at]

    @property
    def is_first_tick(self) -> bool:
        """Whether the tick is the first of its bar."""
        return self._stretch.is_first_tick[self.at]

    @property
    def is_bar_closed(self) -> bool:
        """Whether the bar is complete."""
        return self._stretch.is_bar_closed[self.at]

    @property
    def is_synthetic(self) -> bool:
        """Whether the bar is made up, because nothing was traded."""
        return self._stretch.is_synthetic[self.at]

    @property
    def open(self) -> float:
        """The bar's first price."""
        return self.open_e9 / _PRICE_SCALE

    @property
    def high(self) -> float:
        """The bar's highest price so far."""
        return self.high_e9 / _PRICE_SCALE

    @property
    def low(self) -> float:
        """The bar's lowest price so far."""
        return self.low_e9 / _PRICE_SCALE

    @property
    def close(self) -> float:
        """The newest price."""
        return self.close_e9 / _PRICE_SCALE

    @property
    def volume(self) -> float:
        """What was traded in the bar so far."""
        return self.volume_e8 / _QUANTITY_SCALE
