"""Whole backtests of any signals on any product: the figures, the curve and the ledger tell the same story."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.clock import NS_PER_S
from core.model.fixedpoint import PRICE_SCALE, QUANTITY_SCALE
from core.model.instruments import IN_FULL, Product
from core.model.orders import OrderState
from core.sim.engine import BacktestRequest, run_backtest
from core.sim.fees import FeeSchedule
from core.sim.models import Execution, Latency, Slippage
from core.sim.portfolio import equity_curve
from core.sim.result import BacktestResult
from core.sim.trader import Sizing
from core.strategy import Action, Signal
from tests.property.test_exchange import ACTS, EXECUTIONS, MARKETS, ROWS, Act, Rows, in_order, trade_by_trade, trades
from tests.unit.core.sim.examples import START_NS
from tests.unit.core.sim.exchanges import Floor
from tests.unit.core.sim.scripted import NO_FEES, Scripted, request

CENT_E9 = PRICE_SCALE // 100
PRICES_E9 = st.integers(95, 105).map(lambda price: price * PRICE_SCALE) | st.integers(1, 10**7).map(
    lambda cents: cents * CENT_E9
)
QUANTITIES_E8 = st.integers(1, 9).map(lambda quantity: quantity * QUANTITY_SCALE) | st.integers(1, 10**10)
TRADES = st.lists(
    st.tuples(st.sampled_from([0, 1, 30, 60, 90, 86_400]), PRICES_E9, QUANTITIES_E8), min_size=2, max_size=25
)
ACTIONS = st.sampled_from([Action.BUY, Action.SELL])
SIZES_E8 = st.just(0) | st.integers(1, 5).map(lambda quantity: quantity * QUANTITY_SCALE) | QUANTITIES_E8
CANCELS = st.sampled_from([False, False, False, True])
ANY = st.integers(-(10**30), 10**30)
SIGNALS = st.one_of(
    st.builds(Signal, ACTIONS, SIZES_E8, cancel=CANCELS),
    st.builds(Signal, ACTIONS, SIZES_E8, limit_e9=PRICES_E9, cancel=CANCELS),
    st.builds(Signal, ACTIONS, SIZES_E8, stop_e9=PRICES_E9, cancel=CANCELS),
    st.builds(Signal, st.sampled_from(Action), ANY | SIZES_E8, ANY | st.just(0), ANY | st.just(0), CANCELS),
)
ANSWERS = st.lists(st.lists(SIGNALS, max_size=2), max_size=25).map(lambda answers: dict(enumerate(answers)))
BARS = st.sampled_from([BarType(), BarType(ticks=1), BarType(ticks=3)])
SIZINGS = st.builds(Sizing, quantity_e8=st.just(0) | QUANTITIES_E8, fraction_ppm=st.integers(1, 5 * 10**6))


def columns(rows: Sequence[tuple[int, int, int]]) -> Ticks:
    """Trades from (seconds since the one before, price, quantity)."""
    seconds = list(accumulate(gap for gap, _, _ in rows))
    return Ticks(
        START_NS + np.array(seconds, np.int64) * NS_PER_S,
        np.array([price_e9 for _, price_e9, _ in rows], np.int64),
        np.array([quantity_e8 for _, _, quantity_e8 in rows], np.int64),
        np.full(len(rows), ord("N"), np.uint8),
    )


@st.composite
def requests(draw: st.DrawFn) -> BacktestRequest:
    """A backtest of anything: any product, bars, money, costs and answers, however foolish."""
    product = draw(st.sampled_from(Product))
    asked = request(
        Scripted(draw(ANSWERS), draw(st.sampled_from(BarDataMode))),
        columns(draw(TRADES)),
        product=product,
        balance=draw(st.sampled_from(["3", "200", "10000", "1000000000"])),
        leverage=draw(st.sampled_from([1, 3, 100])),
        execution=draw(EXECUTIONS),
    )
    sizing = attrs.evolve(draw(SIZINGS), shorts=product not in IN_FULL and draw(st.booleans()))
    step = draw(st.sampled_from([1, 1, 1, QUANTITY_SCALE]))
    stepped = attrs.evolve(asked.instrument, quantity_increment_e8=step)
    return attrs.evolve(asked, sizing=sizing, bar_type=draw(BARS), instrument=stepped)


@settings(deadline=None, max_examples=200)
@given(asked=requests())
def test_the_figures_add_up(asked: BacktestRequest) -> None:
    """What the account gained is what it realised and has not realised less its fees, to the unit; the curve and the
    trades end where the ledger does; no ratio is without a number; and every order came to its end."""
    result = run_backtest(asked)
    metrics, curve = result.metrics, result.curve
    gained_e12 = metrics.final_e12 - metrics.initial_e12
    assert metrics.realised_e12 + metrics.unrealised_e12 - metrics.fees_e12 == gained_e12
    assert sum(trade.profit_e12 for trade in result.trades) == gained_e12
    assert float(curve.equity[-1]) == pytest.approx(metrics.final_e12 / 10**12, abs=tolerance(result))
    assert np.isfinite(curve.equity).all()
    assert np.isfinite(curve.exposure).all()
    for name, value in attrs.asdict(metrics).items():
        assert value is None or math.isfinite(value), name
    assert all(order.done for order in result.orders)
    step = asked.instrument.quantity_increment_e8
    assert all(type(fill.quantity_e8) is int and fill.quantity_e8 % step == 0 for fill in result.fills)


def tolerance(result: BacktestResult) -> float:
    """How far floats may be off: a millionth of a unit, or the last digits of the largest amount that was moved."""
    largest_e12 = max(result.metrics.turnover_e12, abs(result.metrics.final_e12), result.metrics.initial_e12)
    return max(1e-6, largest_e12 / 10**12 * 1e-14)


@settings(deadline=None)
@given(rows=ROWS, acts=ACTS, execution=EXECUTIONS, market=MARKETS)
def test_the_curve_is_the_ledger_at_every_trade(
    *, rows: Rows, acts: list[Act], execution: Execution, market: tuple[Product, float, int]
) -> None:
    """The worth that fills make of an account is, after each trade, what the ledger says it is worth at its price."""
    ticks, (product, money, leverage) = trades(rows), market
    floor = Floor(ticks, execution=execution, product=product, money=money, leverage=leverage)
    worth: dict[int, float] = {}
    for number in trade_by_trade(floor, in_order(acts, rows)):
        marks = {floor.instrument.key: int(ticks.price_e9[number])}
        worth[int(ticks.ts_ns[number])] = floor.ledger.equity_e12("main", marks) / 10**12
    last = np.append(np.flatnonzero(np.diff(ticks.ts_ns)), len(ticks) - 1)  # of each instant
    curve = equity_curve(
        [fill for fill in floor.exchange.fills if fill.account == "main"],
        instrument=floor.instrument,
        initial_e12=floor.ledger.accounts["main"].initial_e12,
        ts_ns=ticks.ts_ns[last],
        price_e9=ticks.price_e9[last],
    )
    assert curve.equity.tolist() == pytest.approx(list(worth.values()), abs=1e-6)


@settings(deadline=None)
@given(rows=TRADES, answers=ANSWERS, mode=st.sampled_from(BarDataMode), bars=BARS)
def test_nothing_is_filled_before_its_time(
    rows: list[tuple[int, int, int]], answers: dict[int, list[Signal]], mode: BarDataMode, bars: BarType
) -> None:
    """However the future goes on, what was filled until then stays the same: trades after an instant change no fill
    and no order before it."""
    whole = columns(rows)
    execution = Execution(NO_FEES, Slippage(100), Latency(NS_PER_S, NS_PER_S))
    asked = request(Scripted(answers, mode), whole, product=Product.LINEAR_PERPETUAL, execution=execution)
    asked = attrs.evolve(asked, bar_type=bars)
    known = int(np.searchsorted(whole.ts_ns, whole.ts_ns[len(rows) // 2], side="right"))
    part = run_backtest(attrs.evolve(asked, ticks=whole.part(0, known)))
    result = run_backtest(asked)
    assert result.fills[: len(part.fills)] == part.fills
    assert all(fill.ts_ns > whole.ts_ns[known - 1] for fill in result.fills[len(part.fills) :])
    for ours, theirs in zip(part.orders, result.orders, strict=False):
        assert (ours.side, ours.given_ns, ours.quantity_e8) == (theirs.side, theirs.given_ns, theirs.quantity_e8)


def test_a_finer_trade_leaves_nothing_that_cannot_be_sold() -> None:
    """Where trades are finer than the steps of the instrument a limit order is filled in whole steps all the same."""
    rows = [(1, 100, 10), (1, 99, 10), (1, 98, 10)]
    ticks = columns([(gap, price * PRICE_SCALE, quantity * 10**7 + 1) for gap, price, quantity in rows])
    asked = request(Scripted({0: [Signal(Action.BUY, 5 * 10**8, 99 * PRICE_SCALE)]}), ticks)
    asked = attrs.evolve(asked, instrument=attrs.evolve(asked.instrument, quantity_increment_e8=10**8))
    result = run_backtest(asked)
    assert [fill.quantity_e8 for fill in result.fills] == [10**8]
    assert result.orders[0].state is OrderState.CANCELLED


def test_a_limit_order_can_pay_the_dearer_of_both_fees() -> None:
    """Where resting costs more than taking, that is locked too, and the order is not refused when its time comes."""
    ticks = columns([(1, price * PRICE_SCALE, 10**10) for price in (100, 100, 98)])
    answers = {0: [Signal(Action.BUY, 10 * 10**8, 99 * PRICE_SCALE), Signal(Action.BUY, 10**7)]}
    execution = Execution(FeeSchedule(10_000, 0, "test"))
    result = run_backtest(request(Scripted(answers), ticks, balance="1000", execution=execution))
    assert [order.state for order in result.orders] == [OrderState.FILLED, OrderState.REJECTED]
