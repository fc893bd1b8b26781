"""Two simple moving averages of the close: long while the short one is above the long one. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.bars.series import BarData, BarSeries
from core.bars.spec import BarDataMode
from core.strategy import HOLD, Parameter, Signal, Strategy
from strategies.crossings import SIGNALS, Crossing, after_warming_up, crossings
from strategies.indicators import WindowSum, averages_above
from strategies.parameters import require_below


class SmaCross(Strategy):
    """Buys where the short average comes to be above the long one, sells where it no longer is.

    The first event that has both counts as a crossing when the short one is above. Averages are compared exactly.
    """

    name = "sma"
    PARAMETERS = (
        Parameter(
            name="short", default=5, minimum=1, maximum=100_000, help="bars in the short average", aliases=("fast",)
        ),
        Parameter(
            name="long", default=20, minimum=2, maximum=100_000, help="bars in the long average", aliases=("slow",)
        ),
    )

    def bar_data_mode(self) -> BarDataMode:
        """At the close of each bar."""
        return BarDataMode.ON_CLOSE_BAR

    def initialize(self, params: Mapping[str, str]) -> None:
        """Take parameters. Raises `UsageError` also when `short` is not below `long`."""
        super().initialize(params)
        require_below(self.parameters, lower="short", upper="long")

    def reset(self) -> None:
        """Forget everything seen."""
        self._short, self._long = int(self.parameters["short"]), int(self.parameters["long"])
        self._short_sum, self._long_sum = WindowSum(self._short), WindowSum(self._long)
        self._above = Crossing()

    def on_bar_data(self, bar: BarData) -> Signal:
        """Buy, sell or hold at the close of a bar."""
        close_e9 = bar.close_e9
        short_sum, long_sum = self._short_sum.update(close_e9), self._long_sum.update(close_e9)
        if short_sum is None or long_sum is None:
            return HOLD
        return SIGNALS[self._above.update(short_sum * self._long > long_sum * self._short)]

    def signals(self, bars: BarSeries) -> NDArray[np.int8] | None:
        """The answers to all bars; None when sums of these prices might not fit in 64 bits."""
        above = averages_above(bars.close_e9, short=self._short, long=self._long)
        return None if above is None else after_warming_up(crossings(above), len(bars))
