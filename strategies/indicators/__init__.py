"""Indicators, each as a class that takes one value at a time and as a function of arrays: equal to the last bit.

`update` answers None while there are too few values; the functions leave those answers out.
"""

from strategies.indicators.smoothing import Ema, Rsi, ema, rsi
from strategies.indicators.spread import Bands, Bollinger, bollinger
from strategies.indicators.weighted import DayVwap, Vwap, day_vwap, vwap
from strategies.indicators.windows import (
    Channel,
    Donchian,
    Sma,
    WindowSum,
    averages_above,
    donchian,
    sma,
    window_sums,
)

__all__ = [
    "Bands",
    "Bollinger",
    "Channel",
    "DayVwap",
    "Donchian",
    "Ema",
    "Rsi",
    "Sma",
    "Vwap",
    "WindowSum",
    "averages_above",
    "bollinger",
    "day_vwap",
    "donchian",
    "ema",
    "rsi",
    "sma",
    "vwap",
    "window_sums",
]
