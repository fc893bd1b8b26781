"""A desk of paper traders: the loop of a backtest, fed live, for many strategies, symbols and accounts. Pure.

It is told what happens in steps, and each step brings the lines that are to be written down. Whoever tells another
desk that began with the same state the same steps gets the same lines: so a session can be checked afterwards, and
what happens to money between symbols that share an account happens at the ends of steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Final

from core.bars.ticks import Ticks
from core.clock import NS_PER_S
from core.model.orders import Order
from core.sim.accounts import AccountSpec
from core.sim.asking import reset
from core.sim.exchange import Exchange
from core.sim.guarding import LIQUIDATION
from core.sim.ledger import Ledger
from core.sim.lines import AccountLine, ActKind, ActLine, EquityLine, LaneLine, LaneState, Line, OrderLine
from core.sim.market import Lane, Limit, Market, Standing, Wanted
from core.sim.positions import Key
from core.sim.risk import Risk
from core.sim.state import DeskState, LaneStart, MarketStart
from core.sim.tape import CLOCK, CONTEXT, TRADE
from core.sim.trader import Trader
from core.sim.written import account_line, account_of, fill_line, order_line, order_of, signal_line
from core.strategy import Strategy

SAMPLE_NS: Final = 10 * NS_PER_S
"""What accounts are worth is written down so often, while anything is traded."""
BY_OPERATOR: Final = "by an operator"
_TURNS: Final[dict[ActKind, tuple[LaneState, LaneState]]] = {
    "pause": ("running", "paused"),
    "kill": ("running", "paused"),
    "resume": ("paused", "running"),
}


class Desk:
    """Goes on from `state` with the `strategies` by (label, key) of their lanes; a lane without one only keeps what
    it holds. `limit` surrounds each question to a strategy. `ticks` are all that exchanges will ever see, where that
    is known. Raises `ConsoleError` when the state makes no sense or a strategy cannot begin.
    """

    def __init__(
        self,
        state: DeskState,
        strategies: Mapping[tuple[str, Key], Strategy],
        *,
        limit: Limit = nullcontext,
        ticks: Mapping[Key, Ticks] | None = None,
    ) -> None:
        specs = [AccountSpec(one.id, one.currency, one.initial_e12, (), one.leverage) for one in state.accounts]
        self.ledger = Ledger(specs, state.accounts[0].id)
        self.risk = Risk(state.limits, self.ledger)
        self.limits = dict(state.limits)
        self._limited = [
            account for account, one in state.limits.items() if one.day_loss_e12 and account in self.ledger.accounts
        ]
        self.markets: dict[Key, Market] = {}
        self.marks: dict[Key, int] = {}
        self._limit = limit
        self._numbers = _Numbers(state.next_number)
        self._liquidated = {one.id for one in state.accounts if one.liquidated}
        self._closed = len(self._liquidated)
        self._executions = {one.instrument.key: one.execution for one in state.markets}
        self._sampled_ns = state.sampled_ns
        self._lines: list[Line] = []
        self._touched: dict[str, None] = {}
        instruments = {one.instrument.key: one.instrument for one in state.markets}
        accounts = [account_of(line, instruments) for line in state.accounts]
        self.ledger.adopt(accounts, market_e12=state.market_e12, fees_e12=state.fees_e12)
        for line in state.accounts:
            self.risk.restore(line.id, halted=line.halted, day_ns=line.day_ns, day_e12=line.day_e12)
        for market in state.markets:
            self._add_market(market, (ticks or {}).get(market.instrument.key, Ticks.none()))
        for lane in state.lanes:
            self._add_lane(lane, strategies.get((lane.spec.label, lane.spec.key)))
        for order in state.orders:
            self._adopt(order)
        for held in self.markets.values():
            for account in self.ledger.accounts:
                held.exchange.watch(account)

    def _add_market(self, start: MarketStart, ticks: Ticks) -> None:
        instrument = start.instrument
        exchange = Exchange(
            instrument,
            self.ledger,
            start.execution,
            ticks,
            numbers=self._numbers,
            liquidated=self._liquidated,
            check=self.risk.check,
            halted=self.risk.halted,
            before_e9=start.mark_e9,
        )
        number = len(self.markets)
        self.markets[instrument.key] = Market(number, instrument, exchange, start.mark_e9, start.newest_ns)
        self.marks[instrument.key] = start.mark_e9

    def _add_lane(self, start: LaneStart, strategy: Strategy | None) -> None:
        spec, market = start.spec, self.markets[start.spec.key]
        trader = Trader(
            market.exchange, strategy=spec.label, account=spec.account, sizing=spec.sizing, marks=self.marks
        )
        if start.held_e8:
            market.exchange.held_e8[spec.account, spec.label] = start.held_e8
        if strategy is not None:
            with self._limit():
                reset(strategy)
        market.lanes.append(Lane(start, strategy, trader))

    def _adopt(self, line: OrderLine) -> None:
        market = self.markets[line.venue, line.symbol]
        order = order_of(line)
        if line.locked:
            self.ledger.adopt_lock(order, line.locked, line.locked_e12)
        market.exchange.adopt(order)
        self.risk.adopt(order, market.instrument)
        market.open[order.number] = (order, _standing(order, line.locked_e12))

    def lanes(self) -> Iterable[tuple[Market, Lane]]:
        """Every lane with its market."""
        return ((market, lane) for market in self.markets.values() for lane in market.lanes)

    def context(self, key: Key, ticks: Ticks) -> list[Line]:
        """Show the strategies trades of before; orders know nothing of them."""
        market = self.markets[key]
        wanted = market.push(ticks, self._limit)
        last = ticks.tick(len(ticks) - 1)
        return self.step(market, wanted, kind=CONTEXT, end=0, ts_ns=last.ts_ns, mark_e9=last.price_e9)

    def trades(self, key: Key, ticks: Ticks, *, kind: int = TRADE) -> list[Line]:
        """Trades of a symbol, at least one, in order and after all before them; `kind` is `TRADE` or `MISSED`."""
        market = self.markets[key]
        market.exchange.feed(ticks)
        last = ticks.tick(len(ticks) - 1)
        wanted = market.push(ticks, self._limit)
        return self.step(market, wanted, kind=kind, end=len(ticks), ts_ns=last.ts_ns, mark_e9=last.price_e9)

    def clock(self, key: Key, passed_ns: int) -> list[Line] | None:
        """No trade of a symbol will come any more from before an instant. None when that changes nothing."""
        market = self.markets[key]
        if not market.closes_by(passed_ns):
            return None
        wanted, mark_e9 = market.pass_time(passed_ns, self._limit), market.mark_e9
        return self.step(market, wanted, kind=CLOCK, end=market.exchange.at, ts_ns=passed_ns, mark_e9=mark_e9)

    def step(
        self, market: Market, wanted: Iterable[Wanted], *, kind: int, end: int, ts_ns: int, mark_e9: int
    ) -> list[Line]:
        """Carry out what is wanted in a step that ends before trade number `end`, at `ts_ns` and `mark_e9`."""
        acted = kind in {TRADE, CLOCK}
        if kind != CONTEXT:
            self._sample(ts_ns)
        for one in wanted:
            lane = one.lane
            if one.failure is not None:
                if kind != CONTEXT:
                    market.exchange.advance(one.next_tick)
                self._turn(market, lane, "stopped", str(one.failure), ts_ns=one.at_ns, event=lane.event)
                lane.trader.withdraw("its strategy was stopped")
            elif acted and lane.state == "running":
                market.exchange.advance(one.next_tick)
                for signal in one.signals:
                    self._lines.append(signal_line(signal, lane.spec, at_ns=one.at_ns, last_e9=one.last_e9))
                    lane.trader.act(signal, at_ns=one.at_ns, next_tick=one.next_tick, last_e9=one.last_e9)
        if kind == CONTEXT:
            market.exchange.before_e9 = mark_e9
        else:
            market.exchange.advance(end)
        if kind != CLOCK:
            market.mark_e9 = self.marks[market.instrument.key] = mark_e9
            market.newest_ns = max(market.newest_ns, ts_ns)
        self._settle((market,))
        if kind != CONTEXT:
            for account in self._limited:
                self._watch(account, ts_ns)
        return self._take()

    def act(self, line: ActLine) -> list[Line]:
        """Do what an operator wants, to everything that `target` names: a label, an account, or all."""
        self._lines.append(line)
        lanes = [(market, lane) for market, lane in self.lanes() if line.target in _names(lane)]
        accounts = [one for one in self.ledger.accounts if line.target in {"", one}]
        turns = _TURNS.get(line.act)
        for market, lane in lanes:
            if turns is not None and lane.state == turns[0]:
                self._turn(market, lane, turns[1], BY_OPERATOR, ts_ns=market.newest_ns)
        if line.act in {"halt", "kill"}:
            for account in accounts:
                self.risk.halt(account, BY_OPERATOR)
                self._withdraw(account)
        if line.act == "release":
            for account in accounts:
                self.risk.release(account)
                self._touched[account] = None
        if line.act in {"flatten", "kill"}:
            for market, lane in lanes:
                lane.trader.flatten(f"flattened {BY_OPERATOR}", at_ns=market.newest_ns, last_e9=market.mark_e9)
        self._settle(self.markets.values())
        return self._take()

    def _turn(
        self, market: Market, lane: Lane, state: LaneState, reason: str, *, ts_ns: int, event: int = -1
    ) -> None:
        lane.state, lane.reason = state, reason
        venue, symbol = market.instrument.key
        self._lines.append(
            LaneLine(
                lane=lane.spec.label,
                venue=venue,
                symbol=symbol,
                state=state,
                reason=reason,
                ts_ns=ts_ns,
                event=event,
            )
        )

    def _withdraw(self, account: str) -> None:
        # Orders that only reduce what is held protect it, and stay.
        self._touched[account] = None
        for market in self.markets.values():
            held_e8 = self.ledger.position_e8(account, market.instrument)
            for order in list(market.exchange.waiting):
                reduces = held_e8 * order.side.sign < 0 and order.left_e8 <= abs(held_e8)
                if order.account == account and order.reason != LIQUIDATION and not reduces:
                    market.exchange.cancel(order, f"{account} was halted: {self.risk.halted[account]}")

    def _settle(self, markets: Iterable[Market]) -> None:
        # Write down what became of orders, and let exchanges know of accounts that changed elsewhere.
        filled: set[str] = set()
        for market in markets:
            self._write_orders(market, filled)
        if len(self._liquidated) != self._closed:
            self._close_liquidated()
        for account in filled:
            for market in self.markets.values():
                market.exchange.watch(account)

    def _close_liquidated(self) -> None:
        self._closed = len(self._liquidated)
        for market in self.markets.values():
            for order in list(market.exchange.waiting):
                if order.account in self._liquidated and order.reason != LIQUIDATION:
                    market.exchange.cancel(order, LIQUIDATION)
            self._write_orders(market, set())

    def _write_orders(self, market: Market, filled: set[str]) -> None:
        orders, fills = market.exchange.take()
        for fill in fills:
            self._lines.append(fill_line(fill, market.instrument))
            filled.add(fill.account)
        for order in orders:
            market.open[order.number] = (order, ())
        for number, (order, before) in list(market.open.items()):
            locked, locked_e12 = self.ledger.locked(order)
            now = _standing(order, locked_e12)
            if now != before:
                line = order_line(order, market.instrument, locked=locked, locked_e12=locked_e12)
                self._lines.append(line)
                self._touched[order.account] = None
                market.open[number] = (order, now)
            if order.done:
                del market.open[number]

    def _sample(self, ts_ns: int) -> None:
        # Before anything happens in a new interval: a day begins with what the last one left.
        begun_ns = ts_ns - ts_ns % SAMPLE_NS
        if begun_ns > self._sampled_ns:
            self._sampled_ns = begun_ns
            for account in self.ledger.accounts:
                equity_e12 = self._watch(account, ts_ns)
                self._lines.append(EquityLine(account=account, ts_ns=begun_ns, equity_e12=equity_e12))

    def _watch(self, account: str, ts_ns: int) -> int:
        # What an account is worth; it may be halted for that, or no longer be.
        before = self.risk.halted.get(account), self.risk.day(account)
        equity_e12 = self.ledger.equity_e12(account, self.marks)
        if self.risk.watch(account, equity_e12=equity_e12, ts_ns=ts_ns):
            self._withdraw(account)
            self._settle(self.markets.values())
        if (self.risk.halted.get(account), self.risk.day(account)) != before:
            self._touched[account] = None
        return equity_e12

    def _take(self) -> list[Line]:
        for account in self._touched:
            if account in self.ledger.accounts:  # an order may name one that there is not
                self._lines.append(self._account_line(account))
        self._touched.clear()
        lines, self._lines = self._lines, []
        return lines

    def _account_line(self, account: str) -> AccountLine:
        day_ns, day_e12 = self.risk.day(account)
        return account_line(
            self.ledger.accounts[account],
            halted=self.risk.halted.get(account, ""),
            liquidated=account in self._liquidated,
            day_ns=day_ns,
            day_e12=day_e12,
        )

    def state(self) -> DeskState:
        """All there is to know, between two steps."""
        market_e12, fees_e12 = self.ledger.elsewhere()
        return DeskState(
            markets=[
                MarketStart(
                    instrument=one.instrument,
                    execution=self._executions[key],
                    mark_e9=one.mark_e9,
                    newest_ns=one.newest_ns,
                )
                for key, one in self.markets.items()
            ],
            lanes=[
                LaneStart(
                    spec=lane.spec,
                    held_e8=market.exchange.held_e8[lane.spec.account, lane.spec.label],
                    state=lane.state,
                    reason=lane.reason,
                )
                for market, lane in self.lanes()
            ],
            accounts=[self._account_line(account) for account in self.ledger.accounts],
            limits=self.limits,
            orders=[
                order_line(order, market.instrument, locked=locked, locked_e12=locked_e12)
                for market in self.markets.values()
                for order in market.exchange.waiting
                for locked, locked_e12 in [self.ledger.locked(order)]
            ],
            market_e12=market_e12,
            fees_e12=fees_e12,
            next_number=self._numbers.following,
            sampled_ns=self._sampled_ns,
        )


class _Numbers:
    # Counts on, and tells how far without counting.

    def __init__(self, following: int) -> None:
        self.following = following

    def __iter__(self) -> _Numbers:
        return self

    def __next__(self) -> int:
        number = self.following
        self.following += 1
        return number


def _names(lane: Lane) -> set[str]:
    return {"", lane.spec.label, lane.spec.account}


def _standing(order: Order, locked_e12: int) -> Standing:
    return order.state, order.filled_e8, order.triggered, order.resting, locked_e12
