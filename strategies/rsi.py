"""The relative strength index of the close: long after it was too low, flat after it was too high. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.bars.series import BarData, BarSeries
from core.bars.spec import BarDataMode
from core.strategy import HOLD, Parameter, Signal, Strategy
from strategies.crossings import Crossing, action, actions, after_warming_up, crossings
from strategies.indicators import Rsi, rsi
from strategies.parameters import require_below


class RsiReversal(Strategy):
    """Buys at the close where Wilder's index comes back up from below `oversold`, sells where it comes back down from
    above `overbought`."""

    name = "rsi"
    PARAMETERS = (
        Parameter(name="period", default=14, minimum=2, maximum=100_000, help="bars that the index looks back"),
        Parameter(
            name="oversold", default=30, minimum=0, maximum=100, whole=False, help="below it, too much was sold"
        ),
        Parameter(
            name="overbought", default=70, minimum=0, maximum=100, whole=False, help="above it, too much was bought"
        ),
    )

    def bar_data_mode(self) -> BarDataMode:
        """At the close of each bar."""
        return BarDataMode.ON_CLOSE_BAR

    def initialize(self, params: Mapping[str, str]) -> None:
        """Take parameters. Raises `UsageError` also when `oversold` is not below `overbought`."""
        super().initialize(params)
        require_below(self.parameters, lower="oversold", upper="overbought")

    def reset(self) -> None:
        """Forget everything seen."""
        self._period = int(self.parameters["period"])
        self._oversold, self._overbought = self.parameters["oversold"], self.parameters["overbought"]
        self._index = Rsi(self._period)
        self._is_oversold, self._is_overbought = Crossing(), Crossing()

    def on_bar_data(self, bar: BarData) -> Signal:
        """Buy, sell or hold at the close of a bar."""
        index = self._index.update(bar.close_e9)
        if index is None:
            return HOLD
        low = self._is_oversold.update(index < self._oversold)
        high = self._is_overbought.update(index > self._overbought)
        return action(buys=low < 0, sells=high < 0)

    def signals(self, bars: BarSeries) -> NDArray[np.int8]:
        """The answers to all bars."""
        index = rsi(bars.close_e9, self._period)
        low, high = crossings(index < self._oversold), crossings(index > self._overbought)
        return after_warming_up(actions(buys=low < 0, sells=high < 0), len(bars))
