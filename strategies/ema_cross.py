"""Two exponential moving averages of the price, tick by tick: long while the fast one is above the slow one. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.bars.series import BarData, BarSeries
from core.bars.spec import BarDataMode
from core.strategy import Parameter, Signal, Strategy
from strategies.crossings import SIGNALS, Crossing, crossings
from strategies.indicators import Ema, ema
from strategies.parameters import require_below


class EmaCross(Strategy):
    """Buys at the tick where the fast average comes to be above the slow one, sells where it no longer is.

    Both start at the first price, and each tick moves an average of n by 1 / n of its distance from the price.
    """

    name = "ema"
    PARAMETERS = (
        Parameter(name="fast", default=500, minimum=2, maximum=10_000_000, help="ticks in the fast average"),
        Parameter(name="slow", default=2000, minimum=3, maximum=10_000_000, help="ticks in the slow average"),
    )

    def bar_data_mode(self) -> BarDataMode:
        """At each tick."""
        return BarDataMode.ON_EACH_TICK

    def initialize(self, params: Mapping[str, str]) -> None:
        """Take parameters. Raises `UsageError` also when `fast` is not below `slow`."""
        super().initialize(params)
        require_below(self.parameters, lower="fast", upper="slow")

    def reset(self) -> None:
        """Forget everything seen."""
        self._fast, self._slow = (Ema(1 / self.parameters[name]) for name in ("fast", "slow"))
        self._above = Crossing()

    def on_bar_data(self, bar: BarData) -> Signal:
        """Buy, sell or hold at a tick."""
        price_e9 = bar.close_e9
        return SIGNALS[self._above.update(self._fast.update(price_e9) > self._slow.update(price_e9))]

    def signals(self, bars: BarSeries) -> NDArray[np.int8]:
        """The answers to all ticks."""
        fast, slow = (ema(bars.close_e9, 1 / self.parameters[name]) for name in ("fast", "slow"))
        return crossings(fast > slow)
