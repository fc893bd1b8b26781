"""Breakouts from the channel of Donchian: long above the highest high, flat below the lowest low. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.bars.series import BarData, BarSeries
from core.bars.spec import BarDataMode
from core.strategy import Parameter, Signal, Strategy
from strategies.crossings import Crossing, action, actions, crossings
from strategies.indicators import Donchian, donchian


class DonchianBreakout(Strategy):
    """Buys at the close that is above every high of the `entry` bars before it, sells at the one that is below every
    low of the `exit` bars before it.

    Of closes in a row that do so, the first gives the signal.
    """

    name = "donchian"
    PARAMETERS = (
        Parameter(name="entry", default=20, minimum=1, maximum=10_000, help="bars whose highs are to be broken"),
        Parameter(name="exit", default=10, minimum=1, maximum=10_000, help="bars whose lows are to be broken"),
    )

    def bar_data_mode(self) -> BarDataMode:
        """At the close of each bar."""
        return BarDataMode.ON_CLOSE_BAR

    def reset(self) -> None:
        """Forget everything seen."""
        self._entry_bars, self._exit_bars = int(self.parameters["entry"]), int(self.parameters["exit"])
        self._entry, self._exit = Donchian(self._entry_bars), Donchian(self._exit_bars)
        self._highest: int | None = None
        self._lowest: int | None = None
        self._up, self._down = Crossing(), Crossing()

    def on_bar_data(self, bar: BarData) -> Signal:
        """Buy, sell or hold at the close of a bar."""
        close_e9, high_e9, low_e9 = bar.close_e9, bar.high_e9, bar.low_e9
        up = self._up.update(self._highest is not None and close_e9 > self._highest)
        down = self._down.update(self._lowest is not None and close_e9 < self._lowest)
        entry, leave = self._entry.update(high_e9, low_e9), self._exit.update(high_e9, low_e9)
        self._highest, self._lowest = entry.high if entry else None, leave.low if leave else None
        return action(buys=up > 0, sells=down > 0)

    def signals(self, bars: BarSeries) -> NDArray[np.int8]:
        """The answers to all bars."""
        highest, _ = donchian(bars.high_e9, bars.low_e9, self._entry_bars)
        _, lowest = donchian(bars.high_e9, bars.low_e9, self._exit_bars)
        up, down = np.zeros(len(bars), np.bool_), np.zeros(len(bars), np.bool_)
        up[self._entry_bars :] = bars.close_e9[self._entry_bars :] > highest[:-1]
        down[self._exit_bars :] = bars.close_e9[self._exit_bars :] < lowest[:-1]
        return actions(buys=crossings(up) > 0, sells=crossings(down) > 0)
