"""The open bar as it grows trade by trade, and its events: for trades so few that arrays cost more. Pure.

What it does is what `BarBuilder` does with arrays, in Python's numbers; a property test holds the two equal.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.bars.cutting import OpenBar
from core.bars.history import COLUMNS
from core.bars.series import BarSeries
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.model.fixedpoint import MAX_QUANTITY_E8

MAX_STEPS: Final = 64
"""So many trades, or bars that end, cost less one by one than as arrays."""

Row = tuple[int, int, int, int, int, int, int, int, int, bool, bool, bool]
"""One event, in the order of `COLUMNS`."""

_EACH_TICK, _CLOSE_BAR = BarDataMode.ON_EACH_TICK, BarDataMode.ON_CLOSE_BAR
_PLACES: Final = {name: place for place, name in enumerate(COLUMNS)}
_ENDLESS_NS: Final = 1 << 64  # longer than there are instants: bars of N trades have no end in time


class FewEvents(BarSeries):
    """Events that are rows: a column is made when it is first asked for, and none to count them."""

    def __init__(self, mode: BarDataMode, ticks: Ticks, rows: list[Row]) -> None:
        super().__init__(mode, ticks, {})
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def _column(self, name: str) -> NDArray[Any]:
        place = _PLACES[name]
        column: NDArray[Any] = np.array([row[place] for row in self._rows], COLUMNS[name])
        column.flags.writeable = False
        return column

    def values(self, name: str, first: int, end: int) -> list[Any]:
        """A column without an array."""
        place = _PLACES[name]
        return [row[place] for row in self._rows[first:end]]


class GrowingBar:
    """Goes on with the bar `begun`, as a `BarBuilder` that has this `open_bar` and `newest_ns` would."""

    def __init__(self, bar_type: BarType, mode: BarDataMode, begun: OpenBar, newest_ns: int) -> None:
        self._size = bar_type.ticks
        self._mode = mode
        self._interval_ns = _ENDLESS_NS if bar_type.ticks else bar_type.timeframe.interval_ns
        self._reach_ns = MAX_STEPS * self._interval_ns
        self.newest_ns = newest_ns
        self.open_ns, self.ends_ns = begun.open_ns, begun.open_ns + self._interval_ns
        self.open_e9, self.high_e9, self.low_e9 = begun.open_e9, begun.high_e9, begun.low_e9
        self.close_e9, self.volume_e8, self.tick_count = begun.close_e9, begun.volume_e8, begun.tick_count

    def as_open(self) -> OpenBar:
        """The bar as it stands, for arrays to go on with."""
        return OpenBar(
            open_ns=self.open_ns,
            open_e9=self.open_e9,
            high_e9=self.high_e9,
            low_e9=self.low_e9,
            close_e9=self.close_e9,
            volume_e8=self.volume_e8,
            tick_count=self.tick_count,
        )

    def add(self, ticks: Ticks) -> list[Row] | None:
        """The events of `ticks`. None, and nothing is changed, where only arrays will do: a trade is older than
        the one before it, or more than `MAX_STEPS` bars are over."""
        times_ns = ticks.ts_ns.tolist()
        if not self._goes_on_with(times_ns):
            return None
        rows: list[Row] = []
        mode, size = self._mode, self._size
        trades = zip(times_ns, ticks.price_e9.tolist(), ticks.quantity_e8.tolist(), strict=True)
        for next_tick, (ts_ns, price_e9, quantity_e8) in enumerate(trades, 1):
            if ts_ns >= self.ends_ns:
                self._end(ts_ns, next_tick - 1, rows)
            moved = price_e9 != self.close_e9
            self._take(ts_ns, price_e9, quantity_e8)
            is_full = self.tick_count == size  # never where bars end by time: their size is 0
            if mode is _CLOSE_BAR:
                if is_full:
                    rows.append(self._row(ts_ns, next_tick, first=False, closed=True))
            elif moved or mode is _EACH_TICK:
                rows.append(self._row(ts_ns, next_tick, first=self.tick_count == 1, closed=is_full))
            if is_full:
                self._begin(ts_ns)
        return rows

    def close(self, passed_ns: int) -> list[Row] | None:
        """The events of the bars that are over when `passed_ns` is. None as `add`."""
        if passed_ns - self.open_ns > self._reach_ns:
            return None
        rows: list[Row] = []
        self._end(passed_ns, 0, rows)
        self.newest_ns = max(self.newest_ns, self.open_ns)
        return rows

    def _goes_on_with(self, times_ns: list[int]) -> bool:
        newest_ns = self.newest_ns
        for ts_ns in times_ns:
            if ts_ns < newest_ns:
                return False
            newest_ns = ts_ns
        if newest_ns - self.open_ns > self._reach_ns:
            return False
        self.newest_ns = newest_ns
        return True

    def _end(self, passed_ns: int, next_tick: int, rows: list[Row]) -> None:
        while passed_ns >= self.ends_ns:
            if self._mode is _CLOSE_BAR:
                rows.append(self._row(self.ends_ns, next_tick, first=False, closed=True))
            self._begin(self.ends_ns)

    def _begin(self, open_ns: int) -> None:
        self.open_ns, self.ends_ns = open_ns, open_ns + self._interval_ns
        self.open_e9 = self.high_e9 = self.low_e9 = self.close_e9
        self.volume_e8 = self.tick_count = 0

    def _take(self, ts_ns: int, price_e9: int, quantity_e8: int) -> None:
        if not self.tick_count:
            self.open_e9 = self.high_e9 = self.low_e9 = price_e9
            if self._size:
                self.open_ns = ts_ns
        elif price_e9 > self.high_e9:
            self.high_e9 = price_e9
        elif price_e9 < self.low_e9:
            self.low_e9 = price_e9
        self.close_e9 = price_e9
        self.volume_e8 = min(self.volume_e8 + quantity_e8, MAX_QUANTITY_E8)
        self.tick_count += 1

    def _row(self, ts_ns: int, next_tick: int, *, first: bool, closed: bool) -> Row:
        return (
            ts_ns, next_tick, self.open_ns, self.open_e9, self.high_e9, self.low_e9, self.close_e9, self.volume_e8,
            self.tick_count, first, closed, self.tick_count == 0,
        )  # fmt: skip
