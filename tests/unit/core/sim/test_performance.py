"""The figures: by hand where they are small, against empyrical where they are many, and defined at every edge."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import attrs
import empyrical
import numpy as np
import pytest

from core.clock import DAY_NS, NS_PER_S
from core.model.orders import Fill, Order, OrderKind, OrderState, Side
from core.sim.performance import (
    HOUR_NS,
    MINUTE_NS,
    YEAR_NS,
    Floats,
    annual_return,
    compute,
    drawdowns,
    interval_returns,
    periods,
    return_interval_ns,
)
from core.sim.result import EquityCurve, Metrics, RoundTrip
from tests.unit.core.sim.examples import START_NS, fill, instrument

UNIT = 10**12


def curve_of(equity: Sequence[float] | Floats, *, step_ns: int = DAY_NS, start_ns: int = START_NS) -> EquityCurve:
    """A worth at equal distances."""
    worth = np.array(equity, np.float64)
    return EquityCurve(start_ns + np.arange(len(worth)) * step_ns, worth, np.zeros(len(worth)))


def trip(profit: int, *, entry_ns: int = START_NS, exit_ns: int = START_NS, is_open: bool = False) -> RoundTrip:
    """A position with that profit."""
    return RoundTrip(
        side=Side.BUY,
        entry_ns=entry_ns,
        exit_ns=exit_ns,
        quantity_e8=1,
        entry_e9=1,
        exit_e9=1,
        profit_e12=profit,
        fees_e12=0,
        open=is_open,
    )


def metrics_of(
    curve: EquityCurve,
    *,
    trades: Sequence[RoundTrip] = (),
    fills: Sequence[Fill] = (),
    orders: Sequence[Order] = (),
    initial: int | None = None,
    final: float | None = None,
) -> Metrics:
    """The figures of a curve that shows the whole run, unless they are given."""
    last = float(curve.equity[-1]) if final is None else final
    return compute(
        curve=curve,
        trades=trades,
        fills=fills,
        orders=orders,
        instrument=instrument(),
        initial_e12=round(curve.equity[0] * UNIT) if initial is None else initial * UNIT,
        final_e12=round(last * UNIT),
        unrealised_e12=0,
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("step_ns", "count"), [(DAY_NS, 400), (HOUR_NS, 24 * 20), (MINUTE_NS, 60 * 30)])
def test_ratios_are_those_of_empyrical(seed: int, step_ns: int, count: int) -> None:
    """Returns of days, hours or minutes give the Sharpe and Sortino ratios, volatility, annual return and drawdown
    that an independent library finds."""
    returns = np.random.default_rng(seed).normal(0.0002, 0.01, count) * math.sqrt(step_ns / DAY_NS)
    found = metrics_of(curve_of(np.concatenate(([1.0], (1 + returns).cumprod())) * 100_000, step_ns=step_ns))
    a_year = YEAR_NS // step_ns
    assert found.return_interval_s == step_ns / NS_PER_S
    assert found.sharpe == pytest.approx(empyrical.sharpe_ratio(returns, annualization=a_year), rel=1e-9)
    assert found.sortino == pytest.approx(empyrical.sortino_ratio(returns, annualization=a_year), rel=1e-9)
    assert found.volatility == pytest.approx(empyrical.annual_volatility(returns, annualization=a_year), rel=1e-9)
    assert found.annual_return == pytest.approx(empyrical.annual_return(returns, annualization=a_year), rel=1e-9)
    assert found.max_drawdown == pytest.approx(empyrical.max_drawdown(returns), rel=1e-9)
    assert found.total_return == pytest.approx(empyrical.cum_returns_final(returns), rel=1e-9)


def test_ratios_by_hand() -> None:
    """Days of +10 % and -10 % in turn: mean 0, so that both ratios are 0; the deviation is that of two values."""
    worth = [100.0]
    for number in range(40):
        worth.append(worth[-1] * (1.1 if number % 2 == 0 else 0.9))
    found = metrics_of(curve_of(worth))
    assert found.sharpe == pytest.approx(0, abs=1e-12)
    assert found.sortino == pytest.approx(0, abs=1e-12)
    assert found.volatility == pytest.approx(0.1 * math.sqrt(40 / 39) * math.sqrt(365))
    assert found.total_return == pytest.approx(0.99**20 - 1)
    assert found.annual_return == pytest.approx(0.99 ** (20 * 365 / 40) - 1)


def test_a_drawdown_that_was_made_good() -> None:
    """From 120 to 90 is -25 %, and it took from the last mark at 120 to the first that was there again."""
    found = metrics_of(curve_of([100, 120, 120, 90, 119, 120, 130, 129], step_ns=MINUTE_NS))
    assert found.max_drawdown == -0.25
    assert found.max_drawdown_s == 180


@pytest.mark.parametrize(
    ("equity", "initial", "depth", "length_s"),
    [
        ([100, 90, 95, 99], 100, -0.1, 180),
        ([100, 90, 100, 99, 98, 97], 100, -0.1, 180),
        ([90, 95, 100, 101], 100, -0.1, 120),
        ([90, 80], 100, -0.2, 60),
        ([100, 110, 110, 121], 100, 0.0, 0),
        ([100, -50, 10], 100, -1.5, 120),
        ([90], 100, -0.1, 0),
        ([], 100, 0.0, 0),
    ],
    ids=["to-the-end", "second-longer", "below-at-once", "never-back", "only-up", "below-zero", "one-mark", "none"],
)
def test_drawdowns_at_the_edges(equity: list[float], initial: int, depth: float, length_s: float) -> None:
    """The initial worth is a height like any other, and what is not made good lasts until the end."""
    found = metrics_of(curve_of(equity, step_ns=MINUTE_NS), initial=initial, final=100)
    assert found.max_drawdown == pytest.approx(depth, abs=1e-15)
    assert found.max_drawdown_s == length_s


def test_drawdowns_are_zero_at_the_heights_only() -> None:
    """The curve of drawdowns is exactly 0 at each new height, also where it is only just under it elsewhere."""
    heights = np.array([1.0, np.nextafter(1.0, 0), 1.1, np.nextafter(1.1, 0), 1.1])
    assert (drawdowns(heights, initial=1.0) < 0).tolist() == [False, True, False, True, False]


def test_an_account_that_did_nothing() -> None:
    """No return, no volatility, and no ratio where nothing varies."""
    found = metrics_of(curve_of([100.0] * 50))
    assert (found.total_return, found.annual_return, found.volatility, found.max_drawdown) == (0, 0, 0, 0)
    assert (found.sharpe, found.sortino, found.win_rate, found.profit_factor) == (None, None, None, None)
    assert (found.average_trade_e12, found.best_trade_e12, found.worst_trade_e12) == (None, None, None)


def test_a_worth_that_grows_evenly() -> None:
    """A Sharpe ratio needs variation, and what the last bits of floats vary is none; a Sortino ratio needs a loss."""
    found = metrics_of(curve_of([100 * 1.01**day for day in range(50)]))
    assert (found.sharpe, found.sortino) == (None, None)
    assert found.volatility == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "equity",
    [[100.0, 50.0, -10.0, 20.0] * 10, [100.0, 0.0] * 20, [100.0] * 39 + [-5.0], [100.0], [100.0, 101.0], []],
    ids=["negative", "zero", "ends-below-zero", "one-mark", "two-marks", "no-marks"],
)
@pytest.mark.parametrize("step_ns", [1, MINUTE_NS, DAY_NS])
def test_every_figure_is_a_number_or_none(equity: list[float], step_ns: int) -> None:
    """Whatever the account went through, the figures can be written as JSON, which has no NaN and no infinity."""
    found = metrics_of(curve_of(equity, step_ns=step_ns), initial=100, final=equity[-1] if equity else 100)
    json.dumps(attrs.asdict(found), allow_nan=False)
    if min(equity, default=0) <= 0:
        assert (found.volatility, found.sharpe, found.sortino) == (None, None, None)


def test_the_annual_return_needs_a_day_and_something_left() -> None:
    """It is not made of hours, not of nothing, and not of what no float can hold."""
    doubled = {"initial_e12": UNIT, "final_e12": 2 * UNIT}
    assert annual_return(**doubled, lasted_ns=DAY_NS - 1) is None
    assert annual_return(**doubled, lasted_ns=YEAR_NS) == pytest.approx(1.0)
    assert annual_return(**doubled, lasted_ns=2 * YEAR_NS) == pytest.approx(math.sqrt(2) - 1)
    assert annual_return(initial_e12=UNIT, final_e12=0, lasted_ns=YEAR_NS) is None
    assert annual_return(initial_e12=UNIT, final_e12=10 * UNIT, lasted_ns=DAY_NS) is None


def test_returns_are_taken_over_days_hours_or_minutes() -> None:
    """Days from thirty days on, hours from two days on, minutes below."""
    lasted = [0, 2 * DAY_NS - 1, 2 * DAY_NS, 30 * DAY_NS - 1, 30 * DAY_NS]
    assert [return_interval_ns(one) for one in lasted] == [MINUTE_NS, MINUTE_NS, HOUR_NS, HOUR_NS, DAY_NS]


def test_returns_of_marks_anywhere_make_all_that_was_gained() -> None:
    """Marks at odd instants: the first and the last interval are incomplete, one without a mark has the return 0, and
    the returns compounded are the gain from the initial worth."""
    ts_ns = START_NS + np.array([30, 60, 61, 250, 330]) * NS_PER_S
    curve = EquityCurve(ts_ns, np.array([99.0, 110.0, 121.0, 60.5, 133.1]), np.zeros(5))
    returns = interval_returns(curve, initial=100.0, interval_ns=MINUTE_NS)
    assert returns is not None
    assert returns.tolist() == pytest.approx([0.1, 0.1, 0, 0, -0.5, 1.2])
    assert np.prod(1 + returns) == pytest.approx(1.331)


def test_figures_of_trades() -> None:
    """Two wins, a loss and one that made nothing; the position that is open still is no trade yet."""
    trades = [trip(30), trip(-20), trip(11), trip(0), trip(-1000, is_open=True)]
    found = metrics_of(curve_of([100.0, 100.0]), trades=trades)
    assert (found.trades, found.win_rate, found.profit_factor) == (4, 0.5, 41 / 20)
    assert (found.average_trade_e12, found.best_trade_e12, found.worst_trade_e12) == (5, 30, -20)


def test_a_profit_factor_needs_a_loss() -> None:
    """With profits only it is not defined, with losses only it is 0."""
    assert metrics_of(curve_of([100.0]), trades=[trip(5)]).profit_factor is None
    assert metrics_of(curve_of([100.0]), trades=[trip(-5)]).profit_factor == 0


def test_exposure_is_the_share_of_the_time_with_a_position() -> None:
    """Two of ten minutes, and the part within the range of one that goes on beyond it."""
    curve = curve_of([100.0] * 11, step_ns=MINUTE_NS)
    trades = [
        trip(1, entry_ns=START_NS + MINUTE_NS, exit_ns=START_NS + 3 * MINUTE_NS),
        trip(1, entry_ns=START_NS + 9 * MINUTE_NS, exit_ns=START_NS + 99 * MINUTE_NS, is_open=True),
        trip(1, entry_ns=START_NS + 98 * MINUTE_NS, exit_ns=START_NS + 99 * MINUTE_NS, is_open=True),
    ]
    assert metrics_of(curve, trades=trades).exposure == pytest.approx(0.3)
    assert metrics_of(curve_of([100.0]), trades=trades).exposure == 0


def test_sums_of_fills_and_counts_of_orders() -> None:
    """Fees, realised profits and turnover are exact sums; rejected orders are counted among all."""
    fills = [
        fill(Side.BUY, "2", "100", fee="0.2"),
        fill(Side.SELL, "2", "101.5", fee="-0.000000000001", realised="3"),
    ]
    orders = [
        Order(
            number=number,
            account="main",
            strategy="test",
            side=Side.BUY,
            kind=OrderKind.MARKET,
            quantity_e8=1,
            state=state,
        )
        for number, state in enumerate([OrderState.FILLED, OrderState.REJECTED, OrderState.CANCELLED])
    ]
    found = metrics_of(curve_of([100.0, 102.8]), fills=fills, orders=orders)
    assert (found.fees_e12, found.realised_e12) == (UNIT // 5 - 1, 3 * UNIT)
    assert found.turnover_e12 == 403 * UNIT
    assert (found.orders, found.rejected, found.fills) == (3, 1, 2)
    assert (found.initial_e12, found.final_e12) == (100 * UNIT, 102_800_000_000_000)
    assert found.total_return == pytest.approx(0.028)


def test_returns_of_days() -> None:
    """A mark at midnight is the end of the day before, and a day without marks has the return 0."""
    hours = np.array([12, 20, 24, 25, 80, 96])
    curve = EquityCurve(START_NS + hours * HOUR_NS, np.array([100.0, 90, 110, 99, 121, 242]), np.zeros(6))
    found = periods(curve)
    assert [start_ns for start_ns, _ in found] == [START_NS + day * DAY_NS for day in range(4)]
    assert [change for _, change in found] == pytest.approx([0.1, -0.1, 0.0, 242 / 99 - 1])


def test_returns_of_months() -> None:
    """From sixty days on it is months of the calendar, and together they make what was gained."""
    curve = curve_of(np.linspace(100, 200, 70), start_ns=START_NS + 20 * DAY_NS)
    found = periods(curve)
    starts = np.array([start_ns for start_ns, _ in found]).view("M8[ns]").astype("M8[D]").astype(str).tolist()
    assert starts == ["2024-01-01", "2024-02-01", "2024-03-01"]
    assert math.prod(1 + (change or 0) for _, change in found) == pytest.approx(2)
    assert len(periods(curve_of([1.0] * 60))) == 59
    assert len(periods(curve_of([1.0] * 61))) == 2


def test_periods_at_the_edges() -> None:
    """No time is no period, and what began with nothing has no return."""
    assert periods(curve_of([])) == []
    assert periods(curve_of([100.0])) == []
    assert periods(curve_of([100.0, 0.0, 50.0])) == [(START_NS, -1.0), (START_NS + DAY_NS, None)]
