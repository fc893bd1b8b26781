"""The backtest: ticks to events, events to signals, signals to orders, orders to fills, fills to figures. Pure.

A strategy that has an array form answers all events at once; one that has none is called event by event. Either way
each signal becomes an order on the same exchange, which has by then seen every trade before it and fills it on one
after it.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from core.bars.history import bar_series
from core.bars.series import BarSeries
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Column, Ticks
from core.clock import DAY_NS, NS_PER_S
from core.model.instruments import Instrument
from core.model.orders import OrderState
from core.sim.accounts import AccountsConfig
from core.sim.asking import all_at_once, of_array, one_by_one, reset
from core.sim.depth import Books
from core.sim.exchange import Exchange, take_back_all
from core.sim.ledger import Ledger
from core.sim.models import Execution
from core.sim.performance import compute, range_ns
from core.sim.portfolio import equity_curve, round_trips
from core.sim.result import BacktestResult
from core.sim.trader import Sizing, Trader
from core.strategy import Strategy


@attrs.frozen(kw_only=True, eq=False)
class BacktestRequest:
    """What is to be tried. `bar_type` None takes the strategy's own. `until_ns` is the end of the range: bars over by
    then are complete. `account` overrides the one the strategy and the settings name. `array_form` False asks a
    strategy event by event though it could answer all at once."""

    strategy: Strategy
    instrument: Instrument
    ticks: Ticks
    accounts: AccountsConfig
    execution: Execution
    sizing: Sizing = attrs.Factory(Sizing)
    account: str = ""
    bar_type: BarType | None = None
    until_ns: int | None = None
    books: Books | None = None
    array_form: bool = True

    @property
    def bars(self) -> BarType:
        """The bars that the strategy is shown."""
        return self.strategy.preferred_bar_type() if self.bar_type is None else self.bar_type

    def series(self) -> BarSeries:
        """The events that the strategy is shown."""
        return bar_series(self.ticks, self.bars, self.strategy.bar_data_mode(), until_ns=self.until_ns)


def run_backtest(
    request: BacktestRequest,
    *,
    series: BarSeries | None = None,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> BacktestResult:
    """Run it. `series` are the events, if somebody has them already; `progress` hears the part done, 0 to 1.

    Raises:
        StrategyError: the strategy failed; the text says at which event.
        ConsoleError: the request makes no sense.
    """
    strategy = request.strategy
    reset(strategy)
    events = request.series() if series is None else series
    spec = request.accounts.account_for_strategy(strategy.name)
    named = request.account or strategy.account_id()
    account = request.accounts.by_id(named) if named else spec
    ledger = Ledger(request.accounts.specs(), request.accounts.default.id)
    exchange = Exchange(request.instrument, ledger, request.execution, request.ticks, books=request.books)
    trader = Trader(exchange, strategy=strategy.name, account=account.id, sizing=request.sizing)

    answers = all_at_once(strategy, events) if request.array_form else None
    numbered = one_by_one(strategy, events, progress) if answers is None else of_array(answers)
    next_tick, ts_ns, last_e9 = events.next_tick, events.ts_ns, events.close_e9
    for number, signal in numbered:
        following = next_tick.item(number)
        exchange.advance(following)
        trader.act(signal, at_ns=ts_ns.item(number), next_tick=following, last_e9=last_e9.item(number))
    exchange.advance(len(request.ticks))
    take_back_all(exchange)
    return _result(request, events, exchange, account.id, array_form=answers is not None)


def _result(
    request: BacktestRequest, events: BarSeries, exchange: Exchange, account: str, *, array_form: bool
) -> BacktestResult:
    ts_ns, price_e9 = _marks(events, request.ticks, request.bars)
    instrument, holder = request.instrument, exchange.ledger.accounts[account]
    last_ns, last_e9 = (int(ts_ns[-1]), int(price_e9[-1])) if len(ts_ns) else (0, 0)
    closing = {instrument.key: last_e9}
    initial_e12 = request.accounts.by_id(account).initial_e12
    curve = equity_curve(
        exchange.fills, instrument=instrument, initial_e12=initial_e12, ts_ns=ts_ns, price_e9=price_e9
    )
    trades = round_trips(exchange.fills, instrument=instrument, last_ns=last_ns, last_e9=last_e9)
    return BacktestResult(
        currency=holder.currency,
        metrics=compute(
            curve=curve,
            trades=trades,
            fills=exchange.fills,
            orders=exchange.orders,
            instrument=instrument,
            initial_e12=initial_e12,
            final_e12=exchange.ledger.equity_e12(account, closing),
            unrealised_e12=exchange.ledger.unrealised_e12(account, closing),
        ),
        curve=curve,
        orders=exchange.orders,
        fills=exchange.fills,
        trades=trades,
        events=len(events),
        bars=len(events) if events.mode is BarDataMode.ON_CLOSE_BAR else len(ts_ns),
        synthetic=int(events.is_synthetic.sum()) if events.mode is BarDataMode.ON_CLOSE_BAR else 0,
        array_form=array_form,
        liquidated=account in exchange.liquidated,
        warnings=_warnings(events, exchange, lasted_ns=range_ns(curve)),
    )


def _marks(events: BarSeries, ticks: Ticks, bars: BarType) -> tuple[Column, Column]:
    # When the worth of the account is looked at, and the price then: the last event of each bar, and the last trade.
    if events.mode is BarDataMode.ON_CLOSE_BAR:
        ts_ns, price_e9 = events.ts_ns, events.close_e9
    else:
        # Bars of N trades can begin at one instant; then only the number of the trade tells them apart.
        bar = (events.next_tick - 1) // bars.ticks if bars.ticks else events.open_ns
        last = np.flatnonzero(bar[1:] != bar[:-1])
        ts_ns, price_e9 = events.ts_ns[last], events.close_e9[last]
    if len(ticks) and (not len(ts_ns) or ticks.ts_ns[-1] >= ts_ns[-1]):
        ts_ns, price_e9 = np.append(ts_ns, ticks.ts_ns[-1]), np.append(price_e9, ticks.price_e9[-1])
    return ts_ns, price_e9


def _warnings(events: BarSeries, exchange: Exchange, *, lasted_ns: int) -> list[str]:
    found = []
    if not len(events):
        found.append("the strategy was shown no event: there is no complete bar")
    if exchange.outsized:
        found.append(
            f"{exchange.outsized} of {len(exchange.fills)} fills were larger than the trade whose price they took:"
            " without a book nobody knows what they would have cost"
        )
    if exchange.fills and lasted_ns < DAY_NS:
        found.append(f"figures for a year say little: they come from {lasted_ns // (60 * NS_PER_S)} minutes")
    rejected = [order.reason for order in exchange.orders if order.state is OrderState.REJECTED]
    if rejected:
        found.append(f"{len(rejected)} orders were rejected, the first because: {rejected[0]}")
    if exchange.liquidated:
        found.append("the account could not bear its position any more and was liquidated")
    return found
