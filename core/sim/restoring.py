"""From the lines of a paper session to the state of the desk after them, every figure checked on the way. Pure.

The fills are carried out again by a ledger: what the lines say of an account must be what comes of that, to the last
digit. So a state that is restored balances, and what does not is an error that says where.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from core.errors import PermanentError
from core.model.orders import OPEN_STATES, Order, OrderKind, OrderState, Side
from core.sim.accounts import AccountSpec, format_amount
from core.sim.guarding import LIQUIDATION
from core.sim.ledger import Ledger
from core.sim.lines import AccountLine, EquityLine, FillLine, LaneLine, Line, OrderLine
from core.sim.positions import Account, Key
from core.sim.settlement import BASE, SPOT
from core.sim.state import DeskState, SessionHead
from core.sim.written import account_line, account_of, fill_line

HINT: Final = "`accounts reset` begins anew"

_OPERATION: Final = "the ledger does not balance"
_FILLED, _BUY, _MARKET = OrderState.FILLED, Side.BUY, OrderKind.MARKET

Owner = tuple[str, str, str, str, Side]
"""The lane, account, venue, symbol and side of an order."""


class _WrongError(Exception):
    """What is wrong, in words."""


def restored(head: SessionHead, lines: Sequence[Line], *, marks: Mapping[Key, tuple[int, int]]) -> DeskState:
    """The state after `lines`, the committed ones of the session; `marks` are the last price at 1e-9 and the newest
    instant of each symbol that its tape has trades of.

    Raises:
        PermanentError: something does not add up; it says in which line, counted from 1, of which account or order,
            and both figures.
    """
    where = "the head of the session"
    try:
        desk = _Desk(head.state)
        for number, line in enumerate(lines, 1):
            where = f"line {number}"
            desk.take(line)
        where = f"after {len(lines)} lines"
        return desk.state(marks)
    except (_WrongError, PermanentError) as error:
        raise PermanentError(_OPERATION, f"{where}: {error}", hint=HINT) from error


class _Desk:
    # What the lines up to one of them say, and what its ledger makes of the fills among them.

    def __init__(self, state: DeskState) -> None:
        _check_names(state)
        self._begun = state
        self._markets = {one.instrument.key: one for one in state.markets}
        instruments = {key: one.instrument for key, one in self._markets.items()}
        specs = [AccountSpec(one.id, one.currency, one.initial_e12, (), one.leverage) for one in state.accounts]
        self._ledger = Ledger(specs, specs[0].id)
        try:  # what orders lock is not known between the lines of a step, and no fill is to be refused for it
            accounts = [account_of(replace(line, locked_e12={}), instruments) for line in state.accounts]
        except ValueError as error:
            raise _WrongError(f"{str(error)[:200]!a}") from error
        self._ledger.adopt(accounts, market_e12=state.market_e12, fees_e12=state.fees_e12)
        self._accounts = {line.id: line for line in state.accounts}
        self._lanes = {(one.spec.label, one.spec.key): (one.state, one.reason) for one in state.lanes}
        self._held_e8 = defaultdict[tuple[Key, str, str], int](int)
        for lane in state.lanes:
            self._held_e8[lane.spec.key, lane.spec.account, lane.spec.label] = lane.held_e8
        # Orders that are not done, by number; a fill stands before the first line of the order that it belongs to.
        self._orders: dict[int, OrderLine] = {}
        self._owners: dict[int, Owner] = {}
        self._filled_e8 = defaultdict[int, int](int)
        self._locked_e12: dict[str, defaultdict[str, int]] = {one.id: defaultdict(int) for one in state.accounts}
        self._following = 1
        self._sampled_ns = state.sampled_ns
        for order in sorted(state.orders, key=lambda one: one.number):
            self._filled_e8[order.number] = order.filled_e8
            self._order(order)
        if self._following > state.next_number or len(self._orders) < len(state.orders):
            raise _WrongError("an order is done, or its number was not given yet")
        self._following = state.next_number

    def take(self, line: Line) -> None:
        """Go on by one line. Raises `_WrongError`, or what the ledger does, when it cannot follow."""
        match line:
            case FillLine():
                self._fill(line)
            case OrderLine():
                self._order(line)
            case AccountLine():
                self._account(line)
            case EquityLine():
                self._equity(line)
            case LaneLine():
                lane = line.lane, (line.venue, line.symbol)
                if lane not in self._lanes:
                    raise _WrongError(f"there is no strategy {line.lane[:60]!a} on {line.symbol[:60]!a}")
                self._lanes[lane] = line.state, line.reason
            case _:
                pass

    def _meet(self, number: int, owner: Owner) -> None:
        # Somebody's order, for the first time or again.
        if number in self._owners:
            if self._owners[number] != owner:
                raise _WrongError(f"order {number} has another owner than before")
            return
        lane, account, venue, symbol, _ = owner
        if number < self._following:
            raise _WrongError(f"order {number} comes after order {self._following - 1}")
        if (venue, symbol) not in self._markets:
            raise _WrongError(f"order {number} is on {symbol[:60]!a} of {venue[:60]!a}, which is not described")
        self._owners[number] = owner
        if not lane:  # an account that loses its position holds nothing there by its strategies any more
            for held in self._held_e8:
                if held[:2] == ((venue, symbol), account):
                    self._held_e8[held] = 0

    def _fill(self, line: FillLine) -> None:
        self._meet(line.order, _owner(line))
        if line.quantity_e8 <= 0:
            raise _WrongError(f"a fill of order {line.order} has no quantity")
        market, strategy = self._markets[line.venue, line.symbol], line.lane or LIQUIDATION
        fees = market.execution.fees
        order = Order(
            number=line.order,
            account=line.account,
            strategy=strategy,
            side=line.side,
            kind=_MARKET,
            quantity_e8=line.quantity_e8,
        )
        fill = self._ledger.settle(
            order,
            market.instrument,
            quantity_e8=line.quantity_e8,
            price_e9=line.price_e9,
            fee_ppm=fees.maker_ppm if line.maker else fees.taker_ppm,
            ts_ns=line.ts_ns,
            maker=line.maker,
            reason=line.reason,
        )
        _check_same(f"a fill of order {line.order}", line, fill_line(fill, market.instrument))
        self._filled_e8[line.order] += line.quantity_e8
        sign = 1 if line.side is _BUY else -1
        self._held_e8[market.instrument.key, line.account, strategy] += line.quantity_e8 * sign

    def _order(self, line: OrderLine) -> None:
        number, is_open = line.number, line.state in OPEN_STATES
        self._meet(number, _owner(line))
        before = self._orders.get(number)
        if before is None:
            if number < self._following:  # its fills came before that of a later one, it may not
                raise _WrongError(f"order {number} comes after order {self._following - 1}")
            self._following = number + 1
        else:
            _check_same(f"order {number}", line, _as_given(before, line))
            if before.locked:
                self._locked_e12[line.account][before.locked] -= before.locked_e12
        if line.filled_e8 != self._filled_e8[number]:
            raise _WrongError(f"order {number} is filled {line.filled_e8}e-8, its fills {self._filled_e8[number]}e-8")
        left_e8 = line.quantity_e8 - line.filled_e8
        if (is_open and (left_e8 <= 0 or line.account not in self._accounts)) or (line.state is _FILLED and left_e8):
            raise _WrongError(f"order {number} of {line.account[:60]!a} cannot be {line.state}")
        if is_open:
            self._orders[number] = line
            self._locked_e12[line.account][line.locked] += line.locked_e12
        else:
            self._orders.pop(number, None)
            del self._owners[number], self._filled_e8[number]

    def _account(self, line: AccountLine) -> None:
        if line.id not in self._accounts:
            raise _WrongError(f"there is no account {line.id[:60]!a}")
        self._accounts[line.id] = line
        self._now(line)

    def _now(self, line: AccountLine) -> AccountLine:
        # The account of a line by the ledger and the orders, which must be what the line says.
        account = self._ledger.accounts[line.id]
        made = account_line(
            account, halted=line.halted, liquidated=line.liquidated, day_ns=line.day_ns, day_e12=line.day_e12
        )
        made = replace(made, locked_e12=_without_zeros(self._locked_e12[line.id]))
        stripped = replace(
            line, balances_e12=_without_zeros(line.balances_e12), locked_e12=_without_zeros(line.locked_e12)
        )
        _check_same(f"account {line.id}", stripped, made)
        return made

    def _equity(self, line: EquityLine) -> None:
        if line.account not in self._accounts:
            raise _WrongError(f"there is no account {line.account[:60]!a}")
        if line.ts_ns < self._sampled_ns:
            raise _WrongError(f"the worth of instant {line.ts_ns} comes after {self._sampled_ns}")
        self._sampled_ns = line.ts_ns

    def state(self, marks: Mapping[Key, tuple[int, int]]) -> DeskState:
        """The state after all that it took. Raises `_WrongError` when that does not balance."""
        if len(self._owners) > len(self._orders):
            number = min(self._owners.keys() - self._orders.keys())
            raise _WrongError(f"order {number} has fills and is not there")
        accounts = [self._now(line) for line in self._accounts.values()]
        for account in self._ledger.accounts.values():
            _check_account(account)
        self._check_totals()
        begun = self._begun
        markets = []
        for key, market in self._markets.items():
            mark_e9, newest_ns = marks.get(key, (market.mark_e9, 0))
            markets.append(replace(market, mark_e9=mark_e9, newest_ns=max(newest_ns, market.newest_ns)))
        lanes = []
        for one in begun.lanes:
            spec = one.spec
            state, reason = self._lanes[spec.label, spec.key]
            held_e8 = self._held_e8[spec.key, spec.account, spec.label]
            lanes.append(replace(one, held_e8=held_e8, state=state, reason=reason))
        market_e12, fees_e12 = self._ledger.elsewhere()
        return DeskState(
            markets=markets,
            lanes=lanes,
            accounts=accounts,
            limits=begun.limits,
            orders=[one for key in self._markets for one in self._orders.values() if _owner(one)[2:4] == key],
            market_e12=market_e12,
            fees_e12=fees_e12,
            next_number=self._following,
            sampled_ns=self._sampled_ns,
        )

    def _check_totals(self) -> None:
        # Every amount that is somewhere was in an account at first.
        initial_e12 = defaultdict[str, int](int)
        for account in self._accounts.values():
            initial_e12[account.currency] += account.initial_e12
        for currency, total_e12 in self._ledger.totals().items():
            _check_equal(f"{currency[:20]!a} in all", total_e12, initial_e12[currency])


def _check_names(state: DeskState) -> None:
    accounts, markets = {one.id for one in state.accounts}, {one.instrument.key for one in state.markets}
    lanes = {(one.spec.label, one.spec.key) for one in state.lanes}
    if not accounts:
        raise _WrongError("there is no account")
    if [len(accounts), len(markets), len(lanes)] != [len(state.accounts), len(state.markets), len(state.lanes)]:
        raise _WrongError("an account, a symbol or a strategy is there twice")
    for one in state.lanes:
        if one.spec.key not in markets or one.spec.account not in accounts:
            raise _WrongError(f"strategy {one.spec.label[:60]!a} is on an account or a symbol that is not there")


def _check_account(account: Account) -> None:
    # An account has what it began with, what it realised, and in place of money what it paid for, less its fees.
    money_e12, margin_e12 = account.initial_e12 - account.fees_e12, 0
    goods_e12 = defaultdict[str, int](int)
    for position in account.positions.values():
        money_e12 += position.realised_e12
        margin_e12 += position.margin_e12
        if position.settlement is SPOT:
            money_e12 -= position.cost_e12
            goods_e12[position.instrument.base] += position.quantity_e8 * BASE
    goods_e12[account.currency] += money_e12
    for currency in sorted(goods_e12.keys() | account.balances_e12.keys()):
        what = f"{currency[:20]!a} of account {account.id}"
        _check_equal(what, account.balances_e12[currency], goods_e12[currency])
    _check_equal(f"the margin of account {account.id}", account.margin_e12, margin_e12)


def _check_equal(what: str, said_e12: int, made_e12: int) -> None:
    if said_e12 != made_e12:
        raise _WrongError(f"{what} is {format_amount(said_e12)}, but {format_amount(made_e12)} by what was traded")


def _check_same(what: str, said: Any, made: Any) -> None:
    # Two lines of one kind are the same in every field.
    if said != made:
        name = next(one for one in said.__struct_fields__ if getattr(said, one) != getattr(made, one))
        one, other = (f"{str(getattr(line, name))[:120]!a}" for line in (said, made))
        raise _WrongError(f"{what} has {name} {one}, by what came before {other}")


def _owner(line: OrderLine | FillLine) -> Owner:
    return line.lane, line.account, line.venue, line.symbol, line.side


def _as_given(before: OrderLine, line: OrderLine) -> OrderLine:
    # The order as `line` has it, but with what never changes as it was before.
    return replace(
        before,
        filled_e8=line.filled_e8,
        triggered=line.triggered,
        state=line.state,
        reason=line.reason,
        locked=line.locked,
        locked_e12=line.locked_e12,
        resting=line.resting,
    )


def _without_zeros(amounts_e12: Mapping[str, int]) -> dict[str, int]:
    return {currency: amount_e12 for currency, amount_e12 in amounts_e12.items() if amount_e12}
