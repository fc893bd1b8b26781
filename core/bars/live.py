"""Bars from trades as they come, closed by later trades or by somebody's clock. Pure: it reads none itself."""

from __future__ import annotations

from typing import Final

import numpy as np

from core.bars.growing import MAX_STEPS, FewEvents, GrowingBar
from core.bars.history import BarBuilder
from core.bars.series import BarSeries, Flags
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Column, Ticks
from core.clock import NS_PER_S

GRACE_NS: Final = 2 * NS_PER_S
"""How long after its end a bar waits for trades that were under way."""


class RealtimeBars:
    """The events of trades as they come: those that `bar_series` gives for the same trades, as long as none is late.

    A trade whose bar was already closed is late: it is counted and left out. One that is older than the trade before
    it, but whose bar is still open, counts as of that trade's instant.
    """

    def __init__(self, bar_type: BarType, mode: BarDataMode, *, grace_ns: int = GRACE_NS) -> None:
        assert grace_ns >= 0
        self._bar_type = bar_type
        self._mode = mode
        self._grace_ns = grace_ns
        self._bar: GrowingBar | None = None
        self._no_events = FewEvents(mode, Ticks.none(), [])
        self.late = 0
        """How many trades came for a bar that was already closed."""

    @property
    def closes_at_ns(self) -> int | None:
        """When the open bar is over: `on_timer` closes it from the grace after that on. None before the first trade,
        and for bars of N trades."""
        return None if self._bar is None or self._bar_type.ticks else self._bar.ends_ns

    def push(self, ticks: Ticks) -> BarSeries:
        """The events that `ticks` make. `next_tick` counts in the `ticks` of the answer: the late ones are not there.

        Raises:
            PermanentError: far more bars than trades would be made up. Nothing is changed then.
        """
        if self._bar is not None and len(ticks) <= MAX_STEPS:
            rows = self._bar.add(ticks)
            if rows is not None:
                return FewEvents(self._mode, ticks, rows)
        kept = self._in_order(ticks)
        events = self._by_arrays(kept)
        self.late += len(ticks) - len(kept)
        return events

    def on_timer(self, now_ns: int) -> BarSeries:
        """The bars that are over since more than the grace, those without trades included. Raises as `push`."""
        bar, passed_ns = self._bar, now_ns - self._grace_ns
        if bar is None or passed_ns < bar.ends_ns:
            return self._no_events
        rows = bar.close(passed_ns)
        return self._by_arrays(Ticks.none(), passed_ns) if rows is None else FewEvents(self._mode, Ticks.none(), rows)

    def _by_arrays(self, ticks: Ticks, until_ns: int | None = None) -> BarSeries:
        bar = self._bar
        begun, newest_ns = (None, 0) if bar is None else (bar.as_open(), bar.newest_ns)
        builder = BarBuilder(self._bar_type, self._mode, begun=begun, newest_ns=newest_ns)
        events = builder.push(ticks, until_ns=until_ns)
        if builder.open_bar is not None:
            self._bar = GrowingBar(self._bar_type, self._mode, builder.open_bar, builder.newest_ns)
        return events

    def _in_order(self, ticks: Ticks) -> Ticks:
        newest_ns = 0 if self._bar is None else self._bar.newest_ns
        reached_ns = np.maximum.accumulate(np.maximum(ticks.ts_ns, newest_ns))
        if bool((reached_ns == ticks.ts_ns).all()):
            return ticks
        kept = ~self._is_late(ticks.ts_ns, reached_ns)
        return Ticks(reached_ns[kept], ticks.price_e9[kept], ticks.quantity_e8[kept], ticks.side[kept])

    def _is_late(self, times_ns: Column, reached_ns: Column) -> Flags:
        if self._bar_type.ticks:
            return np.zeros(len(times_ns), np.bool_)
        timeframe = self._bar_type.timeframe
        open_ns = reached_ns - (reached_ns - timeframe.offset_ns) % timeframe.interval_ns
        return times_ns < open_ns
