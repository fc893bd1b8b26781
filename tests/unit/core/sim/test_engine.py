"""The backtest as a whole: when things happen, what is refused, and what a strategy may do wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

from core.bars.series import BarData, BarSeries
from core.bars.spec import BarDataMode, BarType
from core.clock import NS_PER_S
from core.errors import UsageError
from core.model.fixedpoint import parse_price
from core.model.instruments import Product
from core.model.orders import OrderState
from core.sim.asking import StrategyError
from core.sim.engine import run_backtest
from core.sim.models import Execution, Latency
from core.strategy import BUY, HOLD, SELL, Signal, Strategy, buy
from strategies.sma_cross import SmaCross
from tests.unit.core.sim.examples import START_NS
from tests.unit.core.sim.scripted import NO_FEES, Scripted, request, ticks

E12 = 10**12


def test_a_signal_is_filled_at_the_next_trade() -> None:
    """The trade that the strategy is looking at is never the one that fills its order."""
    result = run_backtest(request(Scripted({0: BUY, 2: SELL}), ticks("100", "110", "120", "90")))
    assert [(fill.price_e9, fill.ts_ns) for fill in result.fills] == [
        (parse_price("110"), START_NS + NS_PER_S),
        (parse_price("90"), START_NS + 3 * NS_PER_S),
    ]
    assert result.metrics.final_e12 == 980 * E12


def test_a_bar_that_closes_is_filled_at_the_first_trade_of_the_next() -> None:
    """What is decided at the close of a minute is done at the next minute's first trade."""
    trades = ticks("100", "105", "110", "120", step_s=40)
    result = run_backtest(request(Scripted({0: BUY}, BarDataMode.ON_CLOSE_BAR), trades))
    assert [fill.price_e9 for fill in result.fills] == [parse_price("110")]
    assert result.orders[0].given_ns == START_NS + 60 * NS_PER_S


def test_a_signal_after_the_last_trade_is_filled_by_nothing() -> None:
    """There is no later trade: the order is taken back and the account is as it was."""
    result = run_backtest(request(Scripted({1: BUY}), ticks("100", "110")))
    assert not result.fills
    assert (result.orders[0].state, result.orders[0].reason) == (OrderState.CANCELLED, "the data ended")
    assert result.metrics.final_e12 == 1000 * E12


def test_latency_delays_the_fill() -> None:
    """An order that takes 1.5 s to arrive is filled by no trade before that."""
    execution = Execution(NO_FEES, latency=Latency(base_ns=1_500_000_000))
    result = run_backtest(request(Scripted({0: BUY}), ticks("100", "101", "102", "103"), execution=execution))
    assert [fill.price_e9 for fill in result.fills] == [parse_price("102")]


def test_an_order_larger_than_the_account_is_rejected_and_said() -> None:
    """The account needs more than it has: nothing is bought, and the result says why."""
    result = run_backtest(request(Scripted({0: BUY}), ticks("100", "110"), balance="50"))
    assert not result.fills
    assert result.orders[0].state is OrderState.REJECTED
    assert any("rejected" in text and "USD" in text for text in result.warnings)


def test_repeated_signals_do_nothing_more() -> None:
    """A BUY while long, or while the first one still waits, is the same wish again."""
    execution = Execution(NO_FEES, latency=Latency(base_ns=NS_PER_S))
    result = run_backtest(request(Scripted({0: BUY, 1: BUY, 3: BUY}), ticks(*["100"] * 6), execution=execution))
    assert len(result.orders) == len(result.fills) == 1


def test_the_opposite_signal_takes_back_what_waits() -> None:
    """A SELL before a slow BUY has arrived leaves the account flat, without a trade."""
    execution = Execution(NO_FEES, latency=Latency(base_ns=2 * NS_PER_S))
    result = run_backtest(request(Scripted({0: BUY, 1: SELL}), ticks(*["100"] * 6), execution=execution))
    assert not result.fills
    assert result.orders[0].reason == "the opposite was wanted"


def test_a_sell_goes_short_only_where_that_is_wanted_and_possible() -> None:
    """Flat is the floor on spot; with shorts a perpetual goes to the other side and back through zero."""
    prices = ticks("100", "100", "90", "90", "80", "80")
    flat = run_backtest(request(Scripted({0: SELL}), prices))
    assert not flat.orders
    script = Scripted({0: SELL, 2: BUY})
    short = run_backtest(request(script, prices, product=Product.LINEAR_PERPETUAL, shorts=True))
    assert [fill.quantity_e8 for fill in short.fills] == [10**8, 2 * 10**8]
    assert short.metrics.final_e12 == (1000 + 10 - 10) * E12
    with pytest.raises(UsageError, match="short"):
        run_backtest(request(Scripted(), prices, shorts=True))


def test_an_inverse_perpetual_settles_in_coins() -> None:
    """A hundred contracts from 100 to 125 gain 100/100 - 100/125 = 0.2 BTC."""
    perpetual = request(
        Scripted({0: BUY, 2: SELL}), ticks("100", "100", "125", "125"),
        product=Product.INVERSE_PERPETUAL, balance="2", quantity="100",
    )  # fmt: skip
    result = run_backtest(perpetual)
    assert result.currency == "BTC"
    assert result.metrics.final_e12 == 22 * 10**11


def test_a_position_that_cannot_be_borne_is_closed_at_the_next_trade() -> None:
    """Ten times leverage, a fall of a tenth: the account is liquidated, and gets no order any more."""
    falling = ticks("100", "100", "99", "93", "92", "95", "95", "95")
    result = run_backtest(
        request(Scripted({0: buy(10), 5: BUY}), falling, product=Product.LINEAR_PERPETUAL, balance="101", leverage=10)
    )
    assert result.liquidated
    assert [fill.price_e9 for fill in result.fills] == [parse_price("100"), parse_price("92")]
    assert [order.state for order in result.orders] == [OrderState.FILLED, OrderState.FILLED, OrderState.REJECTED]
    assert any("liquidated" in text for text in result.warnings)


@pytest.mark.parametrize("mode", list(BarDataMode))
@pytest.mark.parametrize("prices", [(), ("100",), ("100",) * 5])
def test_next_to_nothing_is_no_trouble(mode: BarDataMode, prices: tuple[str, ...]) -> None:
    """No trade, one trade or equal ones: a result with nothing in it."""
    result = run_backtest(request(Scripted({}, mode), ticks(*prices)))
    assert result.metrics.final_e12 == 1000 * E12
    assert not result.fills


class _Wrong(Scripted):
    def __init__(self, answer: Callable[[], Any], at_once: Callable[[BarSeries], Any] | None = None) -> None:
        super().__init__()
        self.answer, self.at_once = answer, at_once

    def on_bar_data(self, bar: BarData) -> Any:
        return self.answer()

    def signals(self, bars: BarSeries) -> NDArray[np.int8] | None:
        return None if self.at_once is None else self.at_once(bars)


def _raise() -> Signal:
    raise ZeroDivisionError("by zero\x1b[2J")


def _leave() -> Signal:
    raise SystemExit(0)


@pytest.mark.parametrize("answer", [_raise, _leave, lambda: None, lambda: "BUY", lambda: [BUY, 1], lambda: 1])
def test_a_strategy_that_fails_is_named_with_the_event(answer: Callable[[], Any]) -> None:
    """It raised, or what it answered is no signal: the error says which strategy and when, in clean text."""
    with pytest.raises(StrategyError, match="scripted") as caught:
        run_backtest(request(_Wrong(answer), ticks("100", "101")))
    assert "2024-01-01T00:00:00" in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "at_once",
    [
        lambda _bars: _raise(),
        lambda _bars: [0, 0],
        lambda _bars: np.zeros(3, np.int8),
        lambda _bars: np.zeros(2),
        lambda _bars: np.array([2, 0], np.int8),
    ],
)
def test_an_array_form_that_fails_is_named(at_once: Callable[[BarSeries], Any]) -> None:
    """It raised, or gave another shape, floats, or numbers beyond -1, 0 and 1."""
    with pytest.raises(StrategyError, match="scripted"):
        run_backtest(request(_Wrong(lambda: HOLD, at_once), ticks("100", "101")))


def test_both_forms_trade_identically() -> None:
    """The array form and the event form of a strategy give the same fills, equity and figures."""
    random = np.random.default_rng(7)
    prices = [str(price) for price in 1000 + np.cumsum(random.integers(-3, 4, 5000))]
    trades = ticks(*prices, step_s=20)
    results = []
    for array_form in (True, False):
        strategy: Strategy = SmaCross()
        strategy.initialize({"short": "3", "long": "8"})
        results.append(run_backtest(request(strategy, trades, balance="100000", array_form=array_form)))
    at_once, one_by_one = results
    assert (at_once.array_form, one_by_one.array_form) == (True, False)
    assert len(at_once.fills) > 100
    assert at_once.fills == one_by_one.fills
    assert at_once.metrics == one_by_one.metrics


def test_other_bars_than_the_strategys_own_can_be_asked_for() -> None:
    """`bar_type` overrides the preference, here by bars of two trades."""
    script = Scripted({}, BarDataMode.ON_CLOSE_BAR)
    asked = attrs.evolve(request(script, ticks("1", "2", "3", "4", "5")), bar_type=BarType(ticks=2))
    run_backtest(asked)
    assert script.seen == [parse_price("2"), parse_price("4")]


def test_several_signals_at_one_event_are_taken_in_their_order() -> None:
    """A list of signals becomes as many orders; a limit order rests until the price trades through it."""
    result = run_backtest(request(Scripted({0: [buy(1), buy(1, limit=95)]}), ticks("100", "101", "95", "94", "99")))
    assert [fill.price_e9 for fill in result.fills] == [parse_price("101"), parse_price("95")]
    assert [fill.maker for fill in result.fills] == [False, True]


def test_the_curve_ends_at_the_last_trade() -> None:
    """What is filled after the last bar is worth what the last trade says, in the curve and in the figures."""
    trades = ticks("100", "105", "110", "120", step_s=40)
    result = run_backtest(request(Scripted({0: BUY}, BarDataMode.ON_CLOSE_BAR), trades))
    assert result.metrics.final_e12 == 1010 * E12
    assert result.curve.equity[-1] == pytest.approx(1010)
    assert int(result.curve.ts_ns[-1]) == int(trades.ts_ns[-1])


@pytest.mark.parametrize("mode", [BarDataMode.ON_EACH_TICK, BarDataMode.ON_PRICE_MOVE])
def test_bars_of_trades_at_one_instant_are_told_apart(mode: BarDataMode) -> None:
    """Seven trades of one moment make three bars of two and one that is not over, and the worth is marked at each."""
    trades = ticks("1", "2", "3", "4", "5", "6", "7", step_s=0)
    result = run_backtest(attrs.evolve(request(Scripted({}, mode), trades), bar_type=BarType(ticks=2)))
    assert result.bars == len(result.curve.ts_ns) == 4
