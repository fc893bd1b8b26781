"""The figures of a backtest, each defined by the function that computes it. Pure.

Ratios are floats and always finite; one that is not defined is None. A year has 365 days: these markets do not close.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.bars.ticks import Column
from core.clock import DAY_NS, NS_PER_S
from core.model.instruments import Instrument
from core.model.orders import Fill, Order, OrderState
from core.sim.portfolio import flows_e12
from core.sim.result import EquityCurve, Metrics, RoundTrip

MINUTE_NS: Final = 60 * NS_PER_S
HOUR_NS: Final = 60 * MINUTE_NS
YEAR_NS: Final = 365 * DAY_NS
MONTHLY_FROM_NS: Final = 60 * DAY_NS
_NOISE: Final = 1e-15
"""Returns that differ by no more than this, some bits of a float, do not differ."""

_REJECTED: Final = OrderState.REJECTED  # looking a member up for every order would be noticed

Floats = NDArray[np.float64]


def compute(
    *,
    curve: EquityCurve,
    trades: Sequence[RoundTrip],
    fills: Sequence[Fill],
    orders: Sequence[Order],
    instrument: Instrument,
    initial_e12: int,
    final_e12: int,
    unrealised_e12: int,
) -> Metrics:
    """All figures of a run that began with `initial_e12`, above 0, and ended with `final_e12`, in the account's
    currency. The curve may be empty.

    The figures of trades (`trades`, `win_rate`, `profit_factor`, `average_trade_e12`, which is rounded down, and the
    best and the worst) are of those that were closed; one that is open still is in the equity only.
    """
    initial = initial_e12 / 10**12
    interval_ns = return_interval_ns(range_ns(curve))
    returns = interval_returns(curve, initial=initial, interval_ns=interval_ns)
    per_year = YEAR_NS / interval_ns
    under = drawdowns(curve.equity, initial=initial)
    profits_e12 = [trade.profit_e12 for trade in trades if not trade.open]
    return Metrics(
        initial_e12=initial_e12,
        final_e12=final_e12,
        realised_e12=sum(fill.realised_e12 for fill in fills),
        unrealised_e12=unrealised_e12,
        fees_e12=sum(fill.fee_e12 for fill in fills),
        turnover_e12=sum(map(abs, flows_e12(fills, instrument=instrument))),
        total_return=total_return(initial_e12=initial_e12, final_e12=final_e12),
        annual_return=annual_return(initial_e12=initial_e12, final_e12=final_e12, lasted_ns=range_ns(curve)),
        return_interval_s=interval_ns / NS_PER_S,
        volatility=None if returns is None else volatility(returns, per_year=per_year),
        sharpe=None if returns is None else sharpe(returns, per_year=per_year),
        sortino=None if returns is None else sortino(returns, per_year=per_year),
        max_drawdown=max_drawdown(under),
        max_drawdown_s=max_drawdown_s(curve.ts_ns, under),
        exposure=share_in_position(curve, trades),
        trades=len(profits_e12),
        win_rate=win_rate(profits_e12),
        profit_factor=profit_factor(profits_e12),
        average_trade_e12=sum(profits_e12) // len(profits_e12) if profits_e12 else None,
        best_trade_e12=max(profits_e12, default=None),
        worst_trade_e12=min(profits_e12, default=None),
        orders=len(orders),
        rejected=sum(order.state is _REJECTED for order in orders),
        fills=len(fills),
    )


def range_ns(curve: EquityCurve) -> int:
    """The time from the first mark to the last."""
    return int(curve.ts_ns[-1]) - int(curve.ts_ns[0]) if len(curve.ts_ns) else 0


def total_return(*, initial_e12: int, final_e12: int) -> float:
    """What was gained, as a share of what there was: final / initial - 1."""
    return (final_e12 - initial_e12) / initial_e12


def annual_return(*, initial_e12: int, final_e12: int, lasted_ns: int) -> float | None:
    """The total return compounded to a year: (final / initial) ** (year / range) - 1. None when the range is shorter
    than a day, nothing is left, or the number is too large."""
    if lasted_ns < DAY_NS or final_e12 <= 0:
        return None
    try:
        return math.expm1(math.log(final_e12 / initial_e12) * (YEAR_NS / lasted_ns))
    except OverflowError:
        return None


def return_interval_ns(lasted_ns: int) -> int:
    """Over which time returns are taken: days when the range is at least 30 days, hours when it is at least two days,
    else minutes."""
    if lasted_ns >= 30 * DAY_NS:
        return DAY_NS
    return HOUR_NS if lasted_ns >= 2 * DAY_NS else MINUTE_NS


def interval_returns(curve: EquityCurve, *, initial: float, interval_ns: int) -> Floats | None:
    """The return of each interval of UTC that the curve touches, the first and the last perhaps in part, so that
    together they make all that was gained. An interval begins after its first instant and includes its last; one
    without a mark has the return 0. None when there are fewer than two, or the worth was not above zero at an end."""
    if not len(curve.ts_ns):
        return None
    first = int(curve.ts_ns[0]) // interval_ns
    last = -(-int(curve.ts_ns[-1]) // interval_ns)
    if last - first < 2:
        return None
    worth = _worth_at(curve, np.arange(first, last + 1) * interval_ns)
    worth[0] = initial
    return worth[1:] / worth[:-1] - 1 if worth.min() > 0 else None


def volatility(returns: Floats, *, per_year: float) -> float | None:
    """The sample standard deviation of the returns, times the root of how many there are in a year."""
    return _finite(float(returns.std(ddof=1)) * math.sqrt(per_year))


def sharpe(returns: Floats, *, per_year: float) -> float | None:
    """The mean of the returns over their sample standard deviation, times the root of how many there are in a year;
    the rate without risk is 0. None when they do not vary."""
    deviation = float(returns.std(ddof=1))
    return _finite(float(returns.mean()) / deviation * math.sqrt(per_year)) if deviation > _NOISE else None


def sortino(returns: Floats, *, per_year: float) -> float | None:
    """As `sharpe`, over the root of the mean square of the returns with those above 0 taken as 0. None without a
    loss."""
    deviation = math.sqrt(float(np.square(np.minimum(returns, 0)).mean()))
    return _finite(float(returns.mean()) / deviation * math.sqrt(per_year)) if deviation > _NOISE else None


def drawdowns(equity: Floats, *, initial: float) -> Floats:
    """How far the worth is below its highest so far, `initial` included, at each mark: worth / highest - 1, never
    above 0."""
    highest = np.maximum.accumulate(equity)
    if len(highest) and highest[0] < initial:
        np.maximum(highest, initial, out=highest)
    under = np.divide(equity, highest, out=highest)
    under -= 1
    return under


def max_drawdown(under: Floats) -> float:
    """The deepest of `drawdowns`, 0 or below; below -1 when more was lost than there was."""
    return float(under.min()) if len(under) else 0.0


def max_drawdown_s(ts_ns: Column, under: Floats) -> float:
    """The longest time, in s, from a mark at the highest worth so far to the one at which that was reached again, or
    to the last mark if it was not. `under` are the `drawdowns`."""
    below = under < 0
    if not below.any():
        return 0.0
    turns = np.flatnonzero(below[1:] != below[:-1])  # the mark before each
    falls, returns = turns[~below[turns]], turns[below[turns]] + 1
    begins = np.concatenate(([0], falls)) if below[0] else falls
    ends = np.append(returns, len(below) - 1) if below[-1] else returns
    return int((ts_ns[ends] - ts_ns[begins]).max()) / NS_PER_S


def share_in_position(curve: EquityCurve, trades: Sequence[RoundTrip]) -> float:
    """The share of the time from the first mark to the last in which there was a position."""
    lasted_ns = range_ns(curve)
    if not lasted_ns:
        return 0.0
    first_ns, last_ns = int(curve.ts_ns[0]), int(curve.ts_ns[-1])
    held_ns = sum(max(0, min(trade.exit_ns, last_ns) - max(trade.entry_ns, first_ns)) for trade in trades)
    return held_ns / lasted_ns


def win_rate(profits_e12: Sequence[int]) -> float | None:
    """The share of trades with a profit above 0 after fees; None without trades."""
    return sum(profit > 0 for profit in profits_e12) / len(profits_e12) if profits_e12 else None


def profit_factor(profits_e12: Sequence[int]) -> float | None:
    """The sum of the profits over the sum of the losses, both after fees; None without a loss."""
    lost_e12 = -sum(profit for profit in profits_e12 if profit < 0)
    return sum(profit for profit in profits_e12 if profit > 0) / lost_e12 if lost_e12 else None


def periods(curve: EquityCurve) -> list[tuple[int, float | None]]:
    """The return of each day of UTC that the curve touches, or of each month when it is 60 days long or longer, under
    the instant at which the day or month begins. As in `interval_returns` the last instant belongs to it, and all
    together make what was gained since the first mark. None where the worth at its beginning was not above zero."""
    lasted_ns = range_ns(curve)
    if not lasted_ns:
        return []
    unit = "D" if lasted_ns < MONTHLY_FROM_NS else "M"
    ends = np.array([curve.ts_ns[0], curve.ts_ns[-1] - 1]).view("M8[ns]").astype(f"M8[{unit}]")
    edges_ns = np.arange(ends[0], ends[1] + 2).astype("M8[ns]").view(np.int64)
    worth = _worth_at(curve, edges_ns).tolist()
    return [
        (start_ns, after / before - 1 if before > 0 else None)
        for start_ns, before, after in zip(edges_ns[:-1].tolist(), worth[:-1], worth[1:], strict=True)
    ]


def _worth_at(curve: EquityCurve, instants_ns: Column) -> Floats:
    # At the last mark at or before each instant, or at the first mark.
    marks = np.searchsorted(curve.ts_ns, instants_ns, side="right") - 1
    return curve.equity[np.maximum(marks, 0)]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
