"""The average price of what was traded: long while the close is above it. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.bars.series import BarData, BarSeries
from core.bars.spec import BarDataMode
from core.strategy import HOLD, Parameter, Signal, Strategy
from strategies.crossings import SIGNALS, Crossing, after_warming_up, crossings, lasting
from strategies.indicators import DayVwap, Vwap, day_vwap, vwap


class VwapCross(Strategy):
    """Buys at the close that comes to be above the volume-weighted average of closes, sells at the one that falls
    below it.

    A close equal to the average, as where nothing was traded for long, changes nothing.
    """

    name = "vwap"
    PARAMETERS = (
        Parameter(
            name="period", default=60, minimum=0, maximum=10_000, help="bars in the average; 0: since midnight, UTC"
        ),
    )

    def bar_data_mode(self) -> BarDataMode:
        """At the close of each bar."""
        return BarDataMode.ON_CLOSE_BAR

    def reset(self) -> None:
        """Forget everything seen."""
        self._period = int(self.parameters["period"])
        self._window, self._day = Vwap(max(self._period, 1)), DayVwap()
        self._above = Crossing()

    def on_bar_data(self, bar: BarData) -> Signal:
        """Buy, sell or hold at the close of a bar."""
        close = float(bar.close_e9)
        if self._period:
            average = self._window.update(close, bar.volume_e8)
        else:
            average = self._day.update(bar.open_ns, close, bar.volume_e8)
        if average is None or close == average:
            return HOLD
        return SIGNALS[self._above.update(close > average)]

    def signals(self, bars: BarSeries) -> NDArray[np.int8]:
        """The answers to all bars."""
        close = bars.close_e9.astype(np.float64)
        if self._period:
            average = vwap(close, bars.volume_e8, self._period)
        else:
            average = day_vwap(bars.open_ns, close, bars.volume_e8)
        side = np.sign(close[len(close) - len(average) :] - average)
        return after_warming_up(crossings(lasting(side)), len(bars))
