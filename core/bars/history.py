"""Bars from trades that are all there, or come in pieces: the same events either way. Pure; no clock, no I/O."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.bars.cutting import Bars, Cut, OpenBar, cut_by_number, cut_by_time
from core.bars.running import running_columns
from core.bars.series import BarSeries, Made
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.clock import iso_ns
from core.errors import PermanentError

COLUMNS: Final = {
    **dict.fromkeys(("ts_ns", "next_tick", "open_ns", "open_e9", "high_e9", "low_e9", "close_e9"), np.int64),
    **dict.fromkeys(("volume_e8", "tick_count"), np.int64),
    **dict.fromkeys(("is_first_tick", "is_bar_closed", "is_synthetic"), np.bool_),
}
"""The columns of `BarSeries` and what their entries are."""


def bar_series(ticks: Ticks, bar_type: BarType, mode: BarDataMode, *, until_ns: int | None = None) -> BarSeries:
    """The events of all `ticks`, as one `BarBuilder.push` of them gives them; it raises the same."""
    return BarBuilder(bar_type, mode).push(ticks, until_ns=until_ns)


class BarBuilder:
    """Makes the events of trades that come in pieces, however they are cut: the open bar is carried on.

    With `begun` and `newest_ns`, the `open_bar` and `newest_ns` of another, it goes on where that one was.
    """

    def __init__(
        self, bar_type: BarType, mode: BarDataMode, *, begun: OpenBar | None = None, newest_ns: int = 0
    ) -> None:
        self._bar_type = bar_type
        self._mode = mode
        self._open = begun
        self._newest_ns = newest_ns

    @property
    def open_bar(self) -> OpenBar | None:
        """The bar that is not over; None before the first trade."""
        return self._open

    @property
    def newest_ns(self) -> int:
        """No trade may come from before this: the newest trade, or the start of the bar that is not over."""
        return self._newest_ns

    def push(self, ticks: Ticks, *, until_ns: int | None = None) -> BarSeries:
        """The events that `ticks` make after all before them; `next_tick` counts in these `ticks`.

        A bar of time is closed by the first trade after it or when `until_ns`, the time that has passed by now, has
        reached its end. Those in which nothing was traded are made up, from the first trade on.

        Raises:
            PermanentError: the trades are out of order, or far more bars than trades would be made up. Nothing is
                changed then.
        """
        self._check_order(ticks)
        cut = self._cut(ticks, until_ns)
        if cut is None:
            return BarSeries(self._mode, ticks, {name: np.empty(0, kind) for name, kind in COLUMNS.items()})
        if self._mode is BarDataMode.ON_CLOSE_BAR:
            columns = _closed_columns(cut, by_time=not self._bar_type.ticks)
        else:
            columns = running_columns(cut, ticks_per_bar=self._bar_type.ticks, chosen=self._chosen(cut))
        self._open = Bars(cut.last()).still_open()
        newest_ns = int(ticks.ts_ns[-1]) if len(ticks) else 0
        self._newest_ns = max(self._newest_ns, newest_ns, self._open.open_ns)
        return BarSeries(self._mode, ticks, columns)

    def _check_order(self, ticks: Ticks) -> None:
        times_ns = ticks.ts_ns
        if not len(times_ns):
            return
        first_ns = int(times_ns[0])
        if first_ns < self._newest_ns:
            raise _disorder(first_ns, self._newest_ns)
        if not bool((times_ns[1:] >= times_ns[:-1]).all()):
            at = int(np.argmax(times_ns[1:] < times_ns[:-1]))
            raise _disorder(int(times_ns[at + 1]), int(times_ns[at]))

    def _cut(self, ticks: Ticks, until_ns: int | None) -> Cut | None:
        # None where nothing happens: before the first trade, and without trades in bars that only trades fill.
        before, size = self._open, self._bar_type.ticks
        if not len(ticks) and (size or before is None):
            return None
        if size:
            return cut_by_number(ticks, before or OpenBar.empty(open_ns=0), size)
        timeframe = self._bar_type.timeframe
        if before is None:
            first_ns = int(ticks.ts_ns[0])
            start_ns = first_ns - (first_ns - timeframe.offset_ns) % timeframe.interval_ns
            before = OpenBar.empty(open_ns=start_ns)
        newest_ns = int(ticks.ts_ns[-1]) if len(ticks) else 0
        return cut_by_time(ticks, before, timeframe, passed_ns=max(newest_ns, until_ns or 0))

    def _chosen(self, cut: Cut) -> NDArray[np.int64] | None:
        # The numbers of the ticks at which there is an event; None is all.
        if self._mode is BarDataMode.ON_EACH_TICK:
            return None
        prices = cut.ticks.price_e9
        moved = np.empty(len(prices), np.bool_)
        moved[1:] = prices[1:] != prices[:-1]
        moved[:1] = prices[:1] != cut.before.close_e9  # before the very first trade that is no price at all
        return np.flatnonzero(moved)


def _closed_columns(cut: Cut, *, by_time: bool) -> dict[str, NDArray[Any] | Made]:
    bars, next_tick = Bars(cut), cut.bounds[1:-1]
    over = slice(None, -1)
    return {
        "ts_ns": cut.open_ns[1:] if by_time else cut.ticks.ts_ns[next_tick - 1],
        "next_tick": next_tick,
        "open_ns": cut.open_ns[over],
        "open_e9": lambda: bars.open_e9[over],
        "high_e9": lambda: bars.high_e9[over],
        "low_e9": lambda: bars.low_e9[over],
        "close_e9": lambda: bars.close_e9[over],
        "volume_e8": lambda: bars.volume_e8[over],
        "tick_count": lambda: bars.tick_count[over],
        "is_first_tick": lambda: np.zeros(len(next_tick), np.bool_),
        "is_bar_closed": lambda: np.ones(len(next_tick), np.bool_),
        "is_synthetic": lambda: bars.tick_count[over] == 0,
    }


def _disorder(time_ns: int, after_ns: int) -> PermanentError:
    found = f"one of {iso_ns(time_ns)} comes after {iso_ns(after_ns)}"
    return PermanentError("the trades are not in order of time", found, hint="sort them first")
