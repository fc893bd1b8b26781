"""What a backtest brings, as values. Money is integers at 1e-12 of the account's currency (`_e12`)."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from core.bars.ticks import Column
from core.model.orders import Fill, Order, Side


@attrs.frozen(eq=False)
class EquityCurve:
    """The worth of an account over time: `ts_ns` ascending, `equity` and `exposure` float64 of the same length.

    `equity` is in the account's currency: for looking at and for ratios, where `Metrics` has the exact amounts.
    `exposure` is the worth of the position, below 0 when short.
    """

    ts_ns: Column
    equity: NDArray[np.float64]
    exposure: NDArray[np.float64]


@attrs.define(kw_only=True)
class RoundTrip:
    """A position from its opening (or turning) to its closing. `profit_e12` is after the fees `fees_e12` of all its
    fills; prices are averages at 1e-9. `open` tells that the data ended before it was closed: then `exit_ns`,
    `exit_e9` and the profit are those of the last price.

    A value that nobody changes; saying so to attrs would double what making one costs."""

    side: Side
    entry_ns: int
    exit_ns: int
    quantity_e8: int
    entry_e9: int
    exit_e9: int
    profit_e12: int
    fees_e12: int
    open: bool = False


@attrs.frozen(kw_only=True)
class Metrics:
    """The figures of a backtest. Each is defined where it is computed (`core.sim.performance`); a ratio that is not
    defined, as the win rate without trades, is None. `return_interval_s` is the time over which the returns behind
    `volatility`, `sharpe` and `sortino` were taken."""

    initial_e12: int
    final_e12: int
    realised_e12: int
    unrealised_e12: int
    fees_e12: int
    turnover_e12: int
    total_return: float
    annual_return: float | None
    return_interval_s: float
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float
    max_drawdown_s: float
    exposure: float
    trades: int
    win_rate: float | None
    profit_factor: float | None
    average_trade_e12: int | None
    best_trade_e12: int | None
    worst_trade_e12: int | None
    orders: int
    rejected: int
    fills: int


@attrs.frozen(kw_only=True, eq=False)
class BacktestResult:
    """A finished backtest. `events` were shown to the strategy, `synthetic` of their bars made up; `array_form` tells
    that it answered all at once. `liquidated` says that the account could not bear its position."""

    currency: str
    metrics: Metrics
    curve: EquityCurve
    orders: Sequence[Order]
    fills: Sequence[Fill]
    trades: Sequence[RoundTrip]
    events: int
    bars: int
    synthetic: int
    array_form: bool
    liquidated: bool = False
    warnings: Sequence[str] = ()
