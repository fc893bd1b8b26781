"""The bands of Bollinger round the close: long after it fell out of them, flat after it rose out of them. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.bars.series import BarData, BarSeries
from core.bars.spec import BarDataMode
from core.strategy import HOLD, Parameter, Signal, Strategy
from strategies.crossings import Crossing, action, actions, after_warming_up, crossings
from strategies.indicators import Bollinger, bollinger


class BollingerReversion(Strategy):
    """Buys at the close that falls below the lower band, sells at the one that rises above the upper band, for prices
    that return to their average.

    The bands are `width` standard deviations from the average of the newest `period` closes, this one included.
    """

    name = "bollinger"
    PARAMETERS = (
        Parameter(name="period", default=20, minimum=2, maximum=10_000, help="bars in the average"),
        Parameter(
            name="width", default=2, minimum=0.1, maximum=10, whole=False, help="deviations from average to band"
        ),
    )

    def bar_data_mode(self) -> BarDataMode:
        """At the close of each bar."""
        return BarDataMode.ON_CLOSE_BAR

    def reset(self) -> None:
        """Forget everything seen."""
        self._period, self._width = int(self.parameters["period"]), self.parameters["width"]
        self._bands = Bollinger(self._period)
        self._below, self._above = Crossing(), Crossing()

    def on_bar_data(self, bar: BarData) -> Signal:
        """Buy, sell or hold at the close of a bar."""
        bands = self._bands.update(bar.close_e9)
        if bands is None:
            return HOLD
        below = self._below.update(bands.score < -self._width)
        above = self._above.update(bands.score > self._width)
        return action(buys=below > 0, sells=above > 0)

    def signals(self, bars: BarSeries) -> NDArray[np.int8]:
        """The answers to all bars."""
        _, _, score = bollinger(bars.close_e9, self._period)
        below, above = crossings(score < -self._width), crossings(score > self._width)
        return after_warming_up(actions(buys=below > 0, sells=above > 0), len(bars))
