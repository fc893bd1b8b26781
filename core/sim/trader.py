"""Makes orders of a strategy's signals: how much, and what becomes of orders that still wait. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from core.errors import UsageError
from core.model.instruments import IN_FULL
from core.model.orders import Order, OrderKind, OrderState, Side
from core.sim.exchange import Exchange
from core.sim.fees import MILLION
from core.sim.positions import Key
from core.sim.settlement import INVERSE, settlement_of
from core.strategy import Action, Signal

# Members of an enumeration are looked up by Python code; an order asks for several.
_BUY, _SELL, _HOLD = Action.BUY, Action.SELL, Action.HOLD
_BOUGHT, _SOLD = Side.BUY, Side.SELL
_MARKET, _LIMIT, _STOP = OrderKind.MARKET, OrderKind.LIMIT, OrderKind.STOP
_REJECTED = OrderState.REJECTED

NO_MARKS: Final[Mapping[Key, int]] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Sizing:
    """How much a signal without a quantity is about: `quantity_e8`, or when that is 0 as much as is worth
    `fraction_ppm` parts per million of the account when it is decided. Leverage makes that no more: who wants three
    times what there is says 300 %. `shorts` makes a SELL go short.

    Raises `UsageError` when it makes no sense.
    """

    quantity_e8: int = 0
    fraction_ppm: int = 950_000
    shorts: bool = False

    def __attrs_post_init__(self) -> None:
        if self.quantity_e8 < 0:
            raise UsageError("bad quantity", "it is below zero")
        if not 0 < self.fraction_ppm <= 100 * MILLION:
            raise UsageError("bad fraction", f"{self.fraction_ppm / MILLION:.4%}", hint="above 0 and at most 10000%")


class Trader:
    """Gives the orders of one strategy on one account to an exchange. `marks` are the last prices of whatever
    else the account may hold.

    Raises `UsageError` when it is to sell short what cannot be.
    """

    def __init__(
        self, exchange: Exchange, *, strategy: str, account: str, sizing: Sizing, marks: Mapping[Key, int] = NO_MARKS
    ) -> None:
        if sizing.shorts and exchange.instrument.product in IN_FULL:
            raise UsageError("cannot sell short", f"{exchange.instrument.symbol} is {exchange.instrument.product}")
        self._exchange, self._ledger = exchange, exchange.ledger
        self._strategy, self._account, self._sizing, self._marks = strategy, account, sizing, marks
        self._instrument = exchange.instrument

    def act(self, signal: Signal, *, at_ns: int, next_tick: int, last_e9: int) -> None:
        """Do what `signal` wants at `at_ns`, when the last price was `last_e9` and before trade number `next_tick`;
        the exchange has seen every trade before that one."""
        if signal.cancel:
            self.withdraw("taken back")
        if signal.action is _HOLD:
            return
        quantity_e8 = signal.quantity_e8 or self._missing_e8(signal.action, last_e9)
        if quantity_e8 is None:
            return
        order = self._submit(signal, quantity_e8, at_ns=at_ns, next_tick=next_tick, last_e9=last_e9)
        held_e8 = abs(self._held_e8)
        if order.state is _REJECTED and not signal.quantity_e8 and 0 < held_e8 < quantity_e8:
            # Too little money for the other side is no reason to stay on this one.
            self._submit(signal, held_e8, at_ns=at_ns, next_tick=next_tick, last_e9=last_e9)

    def _submit(self, signal: Signal, quantity_e8: int, *, at_ns: int, next_tick: int, last_e9: int) -> Order:
        order = Order(
            number=0,
            account=self._account,
            strategy=self._strategy,
            side=_BOUGHT if signal.action is _BUY else _SOLD,
            kind=_kind(signal),
            quantity_e8=quantity_e8,
            limit_e9=self._on_grid_e9(signal.limit_e9, up=signal.action is _SELL) if signal.limit_e9 else 0,
            stop_e9=self._on_grid_e9(signal.stop_e9, up=signal.action is _BUY) if signal.stop_e9 else 0,
            given_ns=at_ns,
            aim=0 if signal.quantity_e8 else signal.action.value,
        )
        self._exchange.submit(order, next_tick=next_tick, last_e9=last_e9)
        return order

    def flatten(self, reason: str, *, at_ns: int, last_e9: int) -> None:
        """Take back what waits and close what the strategy holds at the market, because somebody wants it so."""
        self.withdraw(reason)
        if held_e8 := self._held_e8:
            order = Order(
                number=0,
                account=self._account,
                strategy=self._strategy,
                side=_SOLD if held_e8 > 0 else _BOUGHT,
                kind=_MARKET,
                quantity_e8=abs(held_e8),
                given_ns=at_ns,
                reason=reason,
            )
            self._exchange.submit(order, next_tick=self._exchange.at, last_e9=last_e9)

    def withdraw(self, reason: str) -> None:
        """Take back every order of the strategy that waits."""
        for order in self._exchange.working(self._strategy):
            self._exchange.cancel(order, reason)

    @property
    def _held_e8(self) -> int:
        # Of the strategy and not of its account, which others may use too.
        return self._exchange.held_e8[self._account, self._strategy]

    def _on_grid_e9(self, price_e9: int, *, up: bool) -> int:
        # A price that the venue would not take is moved to the next that it would, away from being reached.
        increment_e9 = self._instrument.price_increment_e9
        return -(-price_e9 // increment_e9) * increment_e9 if up else price_e9 // increment_e9 * increment_e9

    def _missing_e8(self, action: Action, last_e9: int) -> int | None:
        # What it takes to get to where the signal points, None when it is there already or on its way.
        for order in self._exchange.working(self._strategy):
            if order.aim == action:
                return None
            if order.aim:
                self._exchange.cancel(order, "the opposite was wanted")
        held_e8 = self._held_e8
        short = action is _SELL and self._sizing.shorts
        if action is _SELL and not short:
            return held_e8 if held_e8 > 0 else None
        if held_e8 > 0 if action is _BUY else held_e8 < 0:
            return None
        return self._size_e8(last_e9) + abs(held_e8)

    def _size_e8(self, last_e9: int) -> int:
        sizing, instrument = self._sizing, self._instrument
        if sizing.quantity_e8:
            return sizing.quantity_e8
        if last_e9 <= 0:
            return 0
        worth_e12 = self._ledger.equity_e12(self._account, {**self._marks, instrument.key: last_e9})
        spent_e12 = max(worth_e12, 0) * sizing.fraction_ppm // MILLION
        # e12 * e9 / e9 and e12 * e9 / e9 again: contracts of an inverse product are units of the quote currency.
        if settlement_of(instrument.product) is INVERSE:
            size_e8 = spent_e12 * last_e9 // 10**13
        else:
            size_e8 = spent_e12 * 10**5 // last_e9
        return size_e8 - size_e8 % instrument.quantity_increment_e8


def _kind(signal: Signal) -> OrderKind:
    if signal.limit_e9:
        return _LIMIT
    return _STOP if signal.stop_e9 else _MARKET
