"""The books of a simulated exchange: balances, what orders lock, positions, fees. Integers only, and double entry.

Every amount that moves leaves one place and arrives at another: an account, the fees, or the market, which is the
other side of each trade. So `Ledger.totals` is the same for ever. What an account is worth is, to the last digit,
what it began with and what it realised and has not realised yet, less its fees.

Spot is paid in full and cannot be sold short. Perpetuals and futures are backed by an initial margin, what the
position cost divided by the leverage; closing one is never refused, and can leave a balance below 0 when it lost more
than was there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from core.model.instruments import Instrument
from core.model.orders import Fill, Order, RefusedOrderError, Side
from core.sim.accounts import AccountSpec, format_amount
from core.sim.positions import Account, Change, Key, Position, change_of
from core.sim.settlement import BASE, SPOT, breaking_price_e9

_BUY: Final = Side.BUY


@attrs.define(eq=False)
class _Lock:
    account: Account
    currency: str
    amount_e12: int


class Ledger:
    """The accounts of `specs`, by id in `accounts`; orders that name none use `default`.

    Amounts are at 1e-12 of a currency. An order is remembered as the object it is, so that several exchanges, which
    number their orders each for itself, can share one ledger.
    """

    def __init__(self, specs: Iterable[AccountSpec], default: str) -> None:
        self.accounts = {
            spec.id: Account(
                spec.id,
                spec.currency,
                spec.leverage,
                spec.initial_e12,
                defaultdict(int, {spec.currency: spec.initial_e12}),
            )
            for spec in specs
        }
        self.default = default
        self._locks: dict[Order, _Lock] = {}
        self._market_e12: defaultdict[str, int] = defaultdict(int)
        self._fees_e12: defaultdict[str, int] = defaultdict(int)

    def resolve(self, account_id: str) -> Account:
        """The account of that id, the default for an empty one. Raises `RefusedOrderError` when there is none."""
        account = self.accounts.get(account_id or self.default)
        if account is None:
            raise RefusedOrderError("no such account", f"{account_id[:40]!a}", hint=", ".join(self.accounts))
        return account

    def lock(self, order: Order, instrument: Instrument, *, price_e9: int, fee_ppm: int) -> None:
        """Set aside what the order can cost at that price, its fee included, until it is settled or released.

        A spot buy locks money and a spot sell what it sells. In perpetuals and futures it is the margin and the fee
        of what does not only reduce the position; an order that turns it counts on what closing it frees and brings.
        A rebate is not counted on.

        Raises:
            RefusedOrderError: there is not so much, or the account is in another currency. Nothing is locked.
        """
        assert order not in self._locks, "an order is locked once"
        account = self.resolve(order.account)
        position = account.position(instrument, price_e9)
        sign, currency, quantity_e8 = 1 if order.side is _BUY else -1, account.currency, order.quantity_e8
        if sign < 0 and position.settlement is SPOT:
            position.check_held(quantity_e8)
            currency, needed_e12 = instrument.base, quantity_e8 * BASE
        else:
            change = change_of(
                position,
                account.leverage,
                sign=sign,
                quantity_e8=quantity_e8,
                price_e9=price_e9,
                fee_ppm=max(fee_ppm, 0),
            )
            needed_e12 = change.needed_e12
        _check(account.free_e12(currency), needed_e12, currency)
        account.locked_e12[currency] += needed_e12
        self._locks[order] = _Lock(account, currency, needed_e12)

    def settle(
        self,
        order: Order,
        instrument: Instrument,
        *,
        quantity_e8: int,
        price_e9: int,
        fee_ppm: int,
        ts_ns: int,
        maker: bool,
        reason: str = "",
    ) -> Fill:
        """Carry out a part of the order, or all that is left; the caller then counts it as filled.

        Its share of what the order locked is freed, and what it costs beyond that is taken from the rest of the lock
        and from what the account has free. The fee is `fee_ppm` millionths of what was traded, rounded up; below 0 it
        is a rebate.

        Raises:
            RefusedOrderError: the account cannot pay, or has not what it sells. Nothing was changed.
        """
        left_e8 = order.quantity_e8 - order.filled_e8
        assert 0 < quantity_e8 <= left_e8, "a fill is a part of what is left"
        lock = self._locks.get(order)
        account = self.resolve(order.account) if lock is None else lock.account
        position = account.position(instrument, price_e9)
        sign, currency = 1 if order.side is _BUY else -1, account.currency
        change = change_of(
            position, account.leverage, sign=sign, quantity_e8=quantity_e8, price_e9=price_e9, fee_ppm=fee_ppm
        )
        if lock is None and sign < 0 and position.settlement is SPOT:
            _check(account.free_e12(instrument.base), quantity_e8 * BASE, instrument.base)
        own_e12 = lock.amount_e12 if lock is not None and lock.currency == currency else 0
        available_e12 = account.free_e12(currency) + own_e12
        _check(available_e12, change.needed_e12, currency)

        if lock is not None:
            kept_e12 = lock.amount_e12 - lock.amount_e12 * quantity_e8 // left_e8
            if lock.currency == currency:  # a fill dearer than was locked for leaves less for the rest
                kept_e12 = max(min(kept_e12, available_e12 - change.needed_e12), 0)
            account.locked_e12[lock.currency] += kept_e12 - lock.amount_e12
            lock.amount_e12 = kept_e12
        self._carry_out(account, position, change, bought_e8=sign * quantity_e8)
        return Fill(
            order=order.number,
            account=account.id,
            strategy=order.strategy,
            side=order.side,
            ts_ns=ts_ns,
            price_e9=price_e9,
            quantity_e8=quantity_e8,
            fee_e12=change.fee_e12,
            realised_e12=change.realised_e12,
            currency=currency,
            maker=maker,
            reason=reason,
        )

    def release(self, order: Order) -> None:
        """Free what is still locked for the order, if anything is."""
        lock = self._locks.pop(order, None)
        if lock is not None:
            lock.account.locked_e12[lock.currency] -= lock.amount_e12

    def _carry_out(self, account: Account, position: Position, change: Change, *, bought_e8: int) -> None:
        instrument, currency, fee_e12 = position.instrument, account.currency, change.fee_e12
        if position.settlement is SPOT:
            account.balances_e12[instrument.base] += bought_e8 * BASE
            self._market_e12[instrument.base] -= bought_e8 * BASE
        account.balances_e12[currency] += change.money_e12
        self._market_e12[currency] -= change.money_e12 + fee_e12
        self._fees_e12[currency] += fee_e12
        account.margin_e12 += change.margin_e12 - position.margin_e12
        account.fees_e12 += fee_e12
        position.quantity_e8 += bought_e8
        position.cost_e12, position.margin_e12 = change.cost_e12, change.margin_e12
        position.realised_e12 += change.realised_e12
        account.positions[instrument.key] = position

    def locked(self, order: Order) -> tuple[str, int]:
        """What an order still locks: the currency and the amount; ("", 0) for nothing."""
        lock = self._locks.get(order)
        return ("", 0) if lock is None else (lock.currency, lock.amount_e12)

    def adopt_lock(self, order: Order, currency: str, amount_e12: int) -> None:
        """Go on with what an order locked in a ledger before this one; the account has it among its `locked_e12`."""
        self._locks[order] = _Lock(self.resolve(order.account), currency, amount_e12)

    def adopt(
        self, accounts: Iterable[Account], *, market_e12: Mapping[str, int], fees_e12: Mapping[str, int]
    ) -> None:
        """Go on where another ledger stood: `accounts` in place of those of the same id, and the other two places
        that money can be, which `elsewhere` tells."""
        self.accounts |= {account.id: account for account in accounts}
        self._market_e12.update(market_e12)
        self._fees_e12.update(fees_e12)

    def elsewhere(self) -> tuple[dict[str, int], dict[str, int]]:
        """What the market and what the fees took of each currency, which accounts have not."""
        return dict(self._market_e12), dict(self._fees_e12)

    def position_e8(self, account_id: str, instrument: Instrument) -> int:
        """What the account holds of the instrument, below 0 when short."""
        position = self.resolve(account_id).positions.get(instrument.key)
        return 0 if position is None else position.quantity_e8

    def free_e12(self, account_id: str, currency: str) -> int:
        """What the account can use of a currency for new orders; see `Account.free_e12`."""
        return self.resolve(account_id).free_e12(currency)

    def total_locked_for_account(self, account_id: str, currency: str = "") -> int:
        """What all open orders of the account lock of a currency, of its own when none is named."""
        account = self.resolve(account_id)
        return account.locked_e12.get(currency or account.currency, 0)

    def unrealised_e12(self, account_id: str, marks: Mapping[Key, int]) -> int:
        """What closing every position at its mark would gain, before fees. Each position needs its mark, at 1e-9."""
        positions = self.resolve(account_id).positions
        return sum(one.unrealised_e12(marks[key]) for key, one in positions.items() if one.quantity_e8)

    def equity_e12(self, account_id: str, marks: Mapping[Key, int]) -> int:
        """What the account is worth in its currency: its balance, what its margin positions have not realised, and
        what it holds besides, at the marks. Each position needs its mark, at 1e-9."""
        account = self.resolve(account_id)
        worth_e12 = account.balances_e12[account.currency]
        for key, position in account.positions.items():
            if position.quantity_e8:
                worth_e12 += position.closing_flow_e12(marks[key])
                worth_e12 -= 0 if position.settlement is SPOT else position.cost_e12
        return worth_e12

    def liquidation_price_e9(self, account_id: str, instrument: Instrument) -> int | None:
        """The price at which, on the way of its loss, the account is first worth no more than the maintenance margin
        of its position in the instrument, which is half the initial one.

        Only its balance counts beside the position: other positions as worth what they cost, and what was paid in
        full not at all. None when there is no such position or no such price.
        """
        account = self.resolve(account_id)
        position = account.positions.get(instrument.key)
        if position is None or not position.quantity_e8 or position.settlement is SPOT:
            return None
        spare_e12 = account.balances_e12[account.currency] - position.margin_e12 // 2
        return breaking_price_e9(
            position.settlement, quantity_e8=position.quantity_e8, bearable_e12=position.cost_e12 - spare_e12
        )

    def totals(self) -> dict[str, int]:
        """All there is of each currency: in accounts, in fees and on the market's side. It never changes."""
        sums: defaultdict[str, int] = defaultdict(int)
        balances = [account.balances_e12 for account in self.accounts.values()]
        for amounts in (*balances, self._fees_e12, self._market_e12):
            for currency, amount_e12 in amounts.items():
                sums[currency] += amount_e12
        return dict(sums)


def _check(free_e12: int, needed_e12: int, currency: str) -> None:
    if needed_e12 > 0 and needed_e12 > free_e12:
        needed, free = format_amount(needed_e12), format_amount(max(free_e12, 0))
        raise RefusedOrderError("not enough money", f"needs {needed} {currency}, {free} free")
