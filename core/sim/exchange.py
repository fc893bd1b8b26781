"""The simulated exchange of one instrument: takes orders, and fills them against what was traded after they came.

It is moved along the trades by `advance`, as far at a time as nobody has anything to say: orders find the trade that
concerns them by searching the array of prices, so trades that concern nobody cost next to nothing. Moving it trade by
trade gives the same fills, and so does handing it the trades piece by piece with `feed`.

The rules, all of which err against the account: nothing happens to an order on the trade that it was decided on or
before it has reached the exchange. A market order takes the price of the first trade after that, or where there is a
book what that shows then, level by level. A limit order that is marketable when it comes takes likewise; one that
rests is filled at its limit when the price trades through it, by no more than what was traded there. A stop
order is triggered by a trade at its price or beyond and is then a market order from the next trade on. A position
that its account can bear no longer is closed at the trade after the one that showed it, before any order of the
account that might have saved it. Orders that rest share a trade in the order in which they came.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Container, Iterator
from typing import Final

import numpy as np

from core.bars.ticks import Ticks
from core.model.instruments import IN_FULL, Instrument
from core.model.orders import Fill, Order, OrderKind, OrderState, RefusedOrderError, Side
from core.sim.depth import Books
from core.sim.guarding import LIQUIDATION, check_order, guard_of
from core.sim.ledger import Ledger
from core.sim.models import Execution
from core.sim.waiting import Waiting

MAX_WORKING: Final = 200
"""So many orders of an account may wait at a time, about as many as venues allow."""

# Members of an enumeration are looked up by Python code; an order asks for several.
_BUY: Final = Side.BUY
_LIMIT, _STOP = OrderKind.LIMIT, OrderKind.STOP
_PARTLY, _FILLED = OrderState.PARTLY_FILLED, OrderState.FILLED

Check = Callable[[Order, Instrument, int], None]
"""Raises `RefusedOrderError` for an order that is not to be given now, at about that price at 1e-9."""


def unchecked(_order: Order, _instrument: Instrument, _price_e9: int) -> None:
    """Let every order pass."""


class Exchange:
    """Fills orders on `instrument` against `ticks`, whose prices are above zero, with the money in `ledger`; `books`
    give it depth.

    `orders` holds every order given and `fills` what became of them since `take` was called last, both in the order
    of time. `liquidated` are the accounts that lost a position because they could not bear it; they get no orders any
    more but an operator's. Exchanges on one ledger share it, and the `numbers` of orders. `check` has a word
    before an order is taken. Orders of strategies do no more for accounts that are `halted` than reduce a position.
    `before_e9` was the last price before the trades.
    """

    def __init__(
        self,
        instrument: Instrument,
        ledger: Ledger,
        execution: Execution,
        ticks: Ticks,
        *,
        books: Books | None = None,
        numbers: Iterator[int] | None = None,
        liquidated: set[str] | None = None,
        check: Check = unchecked,
        halted: Container[str] = frozenset(),
        before_e9: int = 0,
    ) -> None:
        self.instrument = instrument
        self.ledger = ledger
        self.orders: list[Order] = []
        self.fills: list[Fill] = []
        self.liquidated = set[str]() if liquidated is None else liquidated
        self._numbers = itertools.count(1) if numbers is None else numbers
        self._check_more, self._halted = check, halted
        self.outsized = 0
        """Fills without a book that were larger than the trade whose price they took."""
        self._execution = execution
        self._ticks = ticks
        self._books = None if books is None else books.untouched()
        self.at = 0
        """The number of the first trade that it has not seen."""
        self.held_e8: defaultdict[tuple[str, str], int] = defaultdict(int)
        """What the orders of each (account, strategy) have bought, below 0 when it is short."""
        self.before_e9 = before_e9
        """The last price of trades that came before those it is fed, and that it may never have seen."""
        self._working: list[Waiting] = []
        self._bearable: dict[str, Waiting] = {}
        # The trade that resting orders share now, and what is left of it.
        self._shared, self._shared_e8 = -1, 0
        self._margin = instrument.product not in IN_FULL

    def feed(self, ticks: Ticks) -> None:
        """Go on with `ticks`, which come after all those before, once it has seen these to their end. The first of
        them is number 0 from now on."""
        assert self.at >= len(self._ticks), "what was there is used up"
        if len(self._ticks):
            self.before_e9 = self._ticks.price_e9.item(-1)
        self._ticks, self.at, self._shared = ticks, 0, -1
        for one in self._bearable.values():
            one.searched = 0
        for one in self._working:
            one.searched = self._first(one.order)

    def take(self) -> tuple[list[Order], list[Fill]]:
        """The orders given and the fills made since it was called last."""
        taken = self.orders, self.fills
        if self.orders or self.fills:
            self.orders, self.fills = [], []
        return taken

    def adopt(self, order: Order) -> None:
        """Go on with an order that waited at an exchange before this one; the ledger has what it locks."""
        self._working.append(Waiting(order, self._first(order)))

    def _first(self, order: Order) -> int:
        # The first trade that can concern an order that comes now.
        if order.active_ns == order.given_ns:
            return self.at
        return max(self.at, int(np.searchsorted(self._ticks.ts_ns, order.active_ns)))

    def submit(self, order: Order, *, next_tick: int, last_e9: int) -> None:
        """Take an order that was decided before trade number `next_tick`, when the price was `last_e9`. What is wrong
        with it stands in its state and reason."""
        order.number = next(self._numbers)
        order.active_ns = order.given_ns + self._execution.latency.delay_ns(order.number)
        self.orders.append(order)
        try:
            order.account = self.ledger.resolve(order.account).id
            if not order.reason:
                _check_room(self, order.account)
            check_order(order, self.instrument)
            self._check_more(order, self.instrument, order.limit_e9 or order.stop_e9 or last_e9)
            # Of an operator's that close opposite parts of a position, one frees what the other one takes.
            if not (order.reason and self._margin):
                price_e9, fee_ppm = _dearest(self._execution, self.instrument, order, last_e9)
                self.ledger.lock(order, self.instrument, price_e9=price_e9, fee_ppm=fee_ppm)
        except RefusedOrderError as error:
            order.enter(OrderState.REJECTED, str(error))
            return
        self._working.append(Waiting(order, max(next_tick, self._first(order)), last_e9))

    def _crosses(self, one: Waiting, first: int) -> bool:
        # Whether a limit order could take something when it came, before trade number `first`: otherwise it had been
        # waiting at its price by then, and gets no better one.
        order = one.order
        number = -1 if self._books is None else self._books.at(order.active_ns)
        if self._books is not None and number >= 0:
            shown = self._books.ask_e9 if order.side is _BUY else self._books.bid_e9
            return (int(shown[number, 0]) - order.limit_e9) * order.side.sign <= 0
        price_e9 = int(self._ticks.price_e9[first - 1]) if first else self.before_e9 or one.last_e9
        return (order.limit_e9 - price_e9) * order.side.sign >= (0 if self._execution.touch else 1)

    def working(self, strategy: str) -> list[Order]:
        """The orders of a strategy that still wait; never a liquidation, whatever the strategy is called."""
        orders = [one.order for one in self._working if one.order.strategy == strategy]
        return [order for order in orders if order.reason != LIQUIDATION] if orders else orders

    def cancel(self, order: Order, reason: str) -> None:
        """Take back an order that waits."""
        self._working = [one for one in self._working if one.order is not order]
        order.enter(OrderState.CANCELLED, reason)
        self.ledger.release(order)

    def advance(self, end: int) -> None:
        """Let everything happen that happens on the trades before number `end`."""
        while self._working or self._bearable:
            # What is due at the same trade happens one after the other, in the order in which it was given: each may
            # change what else waits.
            one, due = self._next(end)
            if due >= end:
                break
            self.at = due
            self._happen(one, due)
        self.at = max(self.at, end)

    def _next(self, end: int) -> tuple[Waiting, int]:
        waiting = [*self._bearable.values(), *self._working] if self._bearable else self._working
        prices, touch = self._ticks.price_e9, self._execution.touch
        if len(waiting) == 1:
            return waiting[0], waiting[0].due(prices, end, touch=touch)
        dues = [one.due(prices, end, touch=touch) for one in waiting]
        due = min(dues)
        return waiting[dues.index(due)], due

    def _happen(self, one: Waiting, tick: int) -> None:
        order = one.order
        if order.kind is _LIMIT and order.resting is None:
            order.resting = not self._crosses(one, tick)
            if order.resting:
                return  # this very trade may go through its price
        one.searched = tick + 1
        if order.kind is _STOP and not order.triggered:
            if one is self._bearable.get(order.account):
                self._liquidate(order, tick)
            order.triggered = True
        elif order.resting:
            self._meet(order, tick)
        else:
            self._take(one, tick)
            order.resting = True if order.kind is _LIMIT else None
        if order.done:
            self._working.remove(one)
            self.ledger.release(order)

    def _meet(self, order: Order, tick: int) -> None:
        # What an order that rests gets of a trade: orders share it, or splitting one would make it a larger trade.
        if self._shared != tick:
            self._shared, self._shared_e8 = tick, self._ticks.quantity_e8.item(tick)
        filled_e8 = order.filled_e8
        self._fill(order, tick, order.limit_e9, min(order.left_e8, self._shared_e8), maker=True)
        self._shared_e8 -= order.filled_e8 - filled_e8

    def _take(self, one: Waiting, tick: int) -> None:
        # What a market order, or a limit order that crosses, gets at this trade.
        order, books, limit_e9 = one.order, self._books, one.order.limit_e9
        if books is not None and (number := books.at(self._ticks.ts_ns.item(tick))) >= 0:
            for price_e9, quantity_e8 in books.take(number, order.side, order.left_e8, limit_e9):
                if not order.done:
                    self._fill(
                        order,
                        tick,
                        _slipped_e9(self._execution, self.instrument, order, price_e9),
                        quantity_e8,
                        maker=False,
                    )
            return
        price_e9 = self._ticks.price_e9.item(tick)
        if limit_e9 and (price_e9 - limit_e9) * order.side.sign > 0:
            return
        left_e8 = order.left_e8
        self.outsized += left_e8 > self._ticks.quantity_e8.item(tick)
        self._fill(order, tick, _slipped_e9(self._execution, self.instrument, order, price_e9), left_e8, maker=False)

    def _fill(self, order: Order, tick: int, price_e9: int, quantity_e8: int, *, maker: bool) -> None:
        # A trade or a level finer than the steps of the instrument leaves no rest that could never be sold.
        quantity_e8 -= quantity_e8 % self.instrument.quantity_increment_e8
        if quantity_e8 <= 0:
            return
        if order.account not in self._halted or order.reason:
            self._settle(order, tick, price_e9, quantity_e8, maker=maker)
            return
        # Several orders that only reduce the position, each for itself, do not turn it together.
        reduced_e8 = max(-self.ledger.position_e8(order.account, self.instrument) * order.side.sign, 0)
        if reduced_e8:
            self._settle(order, tick, price_e9, min(quantity_e8, reduced_e8), maker=maker)
        if quantity_e8 > reduced_e8 and not order.done:
            order.enter(OrderState.CANCELLED, f"{order.account} is halted, and has nothing more to close")

    def _settle(self, order: Order, tick: int, price_e9: int, quantity_e8: int, *, maker: bool) -> None:
        fees = self._execution.fees
        try:
            fill = self.ledger.settle(
                order,
                self.instrument,
                quantity_e8=quantity_e8,
                price_e9=price_e9,
                fee_ppm=fees.maker_ppm if maker else fees.taker_ppm,
                ts_ns=self._ticks.ts_ns.item(tick),
                maker=maker,
                reason=order.reason,
            )
        except RefusedOrderError as error:
            order.enter(OrderState.CANCELLED if order.filled_e8 else OrderState.REJECTED, str(error))
            return
        order.filled_e8 += quantity_e8
        self.held_e8[order.account, order.strategy] += quantity_e8 * order.side.sign
        order.enter(_PARTLY if order.left_e8 else _FILLED)
        self.fills.append(fill)
        if self._margin:
            self._guard(order.account, tick + 1)

    def watch(self, account: str) -> None:
        """Note what an account can bear now, after something happened to it elsewhere."""
        if self._margin:
            self._guard(account, self.at)

    def _guard(self, account: str, tick: int) -> None:
        # The price at which the account can bear its position no longer stands there like a stop order, also of one
        # that lost another position already.
        closing = account in self.liquidated and any(
            one.account == account and one.reason == LIQUIDATION for one in self.waiting
        )
        guard = None if closing else guard_of(self.ledger, account, self.instrument)
        self._bearable.pop(account, None)
        if guard is not None:
            self._bearable[account] = Waiting(guard, tick)

    @property
    def waiting(self) -> Iterator[Order]:
        """The orders that wait, in the order in which they came."""
        return (one.order for one in self._working)

    def _liquidate(self, guard: Order, tick: int) -> None:
        account = guard.account
        for one in list(self._working):
            if one.order.account == account:
                self.cancel(one.order, LIQUIDATION)
        self.liquidated.add(account)
        del self._bearable[account]
        for held in [held for held in self.held_e8 if held[0] == account]:
            del self.held_e8[held]
        guard.number, guard.reason = next(self._numbers), LIQUIDATION
        guard.given_ns = guard.active_ns = self._ticks.ts_ns.item(tick)
        self.orders.append(guard)
        self._working.append(Waiting(guard, tick + 1))


def take_back_all(exchange: Exchange) -> None:
    """Take back everything that waits, because there are no more trades."""
    for order in list(exchange.waiting):
        exchange.cancel(order, "the data ended")


def _check_room(exchange: Exchange, account: str) -> None:
    # What an operator wants is exempt: it is to be got out of.
    if account in exchange.liquidated:
        raise RefusedOrderError("account closed", f"{account} was liquidated")
    waiting = [order for order in exchange.waiting if order.account == account]
    if len(waiting) >= MAX_WORKING:
        raise RefusedOrderError("too many orders", f"{MAX_WORKING} wait already", hint="cancel some")


def _dearest(execution: Execution, instrument: Instrument, order: Order, last_e9: int) -> tuple[int, int]:
    # The price and the fee that an order may come to, as far as can be said before.
    fees = execution.fees
    if order.kind is _LIMIT:
        return order.limit_e9, max(fees.maker_ppm, fees.taker_ppm)
    return _slipped_e9(execution, instrument, order, order.stop_e9 or last_e9), fees.taker_ppm


def _slipped_e9(execution: Execution, instrument: Instrument, order: Order, price_e9: int) -> int:
    # What an order that takes gets where that price was to be had; never beyond its own.
    slipped_e9 = execution.slippage.price_e9(order.side, price_e9, instrument.price_increment_e9)
    if not order.limit_e9:
        return slipped_e9
    return min(slipped_e9, order.limit_e9) if order.side is _BUY else max(slipped_e9, order.limit_e9)
