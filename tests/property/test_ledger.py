"""Whatever is ordered, filled, refused and released: no money comes or goes, and no account touches another's.

The reference is a list of fills and fractions: what an account is worth needs neither average costs nor margins.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.instruments import Instrument, Product
from core.model.orders import Fill, Order, OrderKind, RefusedOrderError, Side
from core.sim.accounts import AccountSpec
from core.sim.ledger import Ledger
from tests.unit.core.sim.examples import instrument

E8, E9, E12 = 10**8, 10**9, 10**12
TRADED = [attrs.evolve(instrument(kind), symbol=kind.value) for kind in Product] + [
    attrs.evolve(instrument(), venue="ELSEWHERE", symbol="spot")
]
INVERSE = {Product.INVERSE_FUTURE, Product.INVERSE_PERPETUAL}
MARGIN = {*INVERSE, Product.LINEAR_FUTURE, Product.LINEAR_PERPETUAL}
SPECS = [
    AccountSpec("plain", "USD", 1000 * E12),
    AccountSpec("bold", "USD", 60 * E12, leverage=20),
    AccountSpec("coins", "BTC", E12, leverage=3),
]
LOSS_PER_FILL = 3
"""A fill has at most two flows and a fee, each rounded against the account by less than 1e-12."""

PRICES = st.one_of(st.integers(50, 150).map(lambda price: price * E9), st.integers(1, 10**13))
QUANTITIES = st.one_of(st.integers(1, 9).map(lambda quantity: quantity * E8), st.integers(1, 10**10))
FEES = st.integers(-300, 5000)


@st.composite
def acts_of(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """What is done on a few of the instruments: orders to lock or fill at once, fills and releases of open ones."""
    few = st.sampled_from(draw(st.lists(st.sampled_from(TRADED), min_size=1, max_size=3)))
    order = (st.sampled_from([spec.id for spec in SPECS]), few, st.sampled_from(Side), QUANTITIES, PRICES, FEES)
    lock, unlocked = (st.tuples(st.just(what), *order) for what in ("lock", "unlocked"))
    fill = st.tuples(st.just("fill"), st.integers(0, 99), st.sampled_from([1, 40, 100]), PRICES, FEES)
    release = st.tuples(st.just("release"), st.integers(0, 99))
    return draw(st.lists(st.one_of(lock, lock, fill, fill, unlocked, unlocked, release), min_size=10, max_size=40))


ACTS = acts_of()


class World:
    """A ledger, the orders that are open on it and the fills it gave."""

    def __init__(self) -> None:
        self.ledger = Ledger(SPECS, "plain")
        self.totals = self.ledger.totals()
        self.open: list[tuple[Order, Instrument]] = []
        self.fills: list[tuple[Fill, Instrument, int]] = []

    def act(self, acted: tuple[Any, ...]) -> tuple[str, Fill | None]:
        """Do something; the account it was done to, and the fill if that is what came of it."""
        what, *details = acted
        if what in {"lock", "unlocked"}:
            account, traded, side, quantity_e8, price_e9, fee_ppm = details
            order = Order(
                number=1, account=account, strategy="s", side=side, kind=OrderKind.MARKET, quantity_e8=quantity_e8
            )
            if what == "unlocked":
                return account, self._settle(order, traded, quantity_e8, price_e9, fee_ppm)
            self.ledger.lock(order, traded, price_e9=price_e9, fee_ppm=fee_ppm)
            self.open.append((order, traded))
            return account, None
        if not self.open:
            return "plain", None
        place = details[0] % len(self.open)
        order, traded = self.open[place]
        fill = None
        if what == "fill":
            quantity_e8 = max(order.left_e8 * details[1] // 100, 1)
            fill = self._settle(order, traded, quantity_e8, details[2], details[3])
        if what == "release" or not order.left_e8:
            del self.open[place]
            self.ledger.release(order)
        return order.account, fill

    def _settle(self, order: Order, traded: Instrument, quantity_e8: int, price_e9: int, fee_ppm: int) -> Fill:
        fill = self.ledger.settle(
            order, traded, quantity_e8=quantity_e8, price_e9=price_e9, fee_ppm=fee_ppm, ts_ns=0, maker=False
        )
        order.filled_e8 += quantity_e8
        self.fills.append((fill, traded, fee_ppm))
        return fill

    def state(self) -> dict[str, Any]:
        """Everything there is in each account and beside it."""
        ledger = self.ledger
        found: dict[str, Any] = {name: attrs.asdict(account) for name, account in ledger.accounts.items()}
        return found | {
            "locks": [lock.amount_e12 for lock in ledger._locks.values()],
            "beside": [dict(ledger._fees_e12), dict(ledger._market_e12)],
        }

    def check(self) -> None:
        """What is always so."""
        assert {name: total for name, total in self.ledger.totals().items() if total} == self.totals
        for name, account in self.ledger.accounts.items():
            locks = [lock for lock in self.ledger._locks.values() if lock.account is account]
            for currency in {*account.balances_e12, *account.locked_e12}:
                locked_e12 = sum(lock.amount_e12 for lock in locks if lock.currency == currency)
                assert account.locked_e12.get(currency, 0) == locked_e12
                if currency != account.currency:
                    assert account.free_e12(currency) >= 0
            assert all(lock.amount_e12 >= 0 for lock in locks)
            assert account.margin_e12 == sum(one.margin_e12 for one in account.positions.values())
            fills = [(fill, traded) for fill, traded, _ in self.fills if fill.account == name]
            assert account.fees_e12 == sum(fill.fee_e12 for fill, _ in fills)
            for key, position in account.positions.items():
                own = [fill for fill, traded in fills if (traded.venue, traded.symbol) == key]
                assert position.quantity_e8 == sum(fill.quantity_e8 * fill.side.sign for fill in own)
                assert position.quantity_e8 >= 0 or position.instrument.product in MARGIN
                assert position.quantity_e8 or (position.cost_e12, position.margin_e12) == (0, 0)

    def exact_worth(self, name: str, marks: dict[tuple[str, str], int]) -> Fraction:
        """The worth of an account from its fills alone, without rounding."""
        worth = Fraction(next(spec.initial_e12 for spec in SPECS if spec.id == name))
        for fill, traded, fee_ppm in self.fills:
            if fill.account == name:
                quantity = Fraction(fill.quantity_e8 * fill.side.sign, E8)
                mark, price = (Fraction(one, E9) for one in (marks[traded.venue, traded.symbol], fill.price_e9))
                inverse = traded.product in INVERSE
                gained = quantity / price - quantity / mark if inverse else quantity * (mark - price)
                size = abs(quantity) / price if inverse else abs(quantity) * price
                worth += E12 * (gained - size * fee_ppm / 10**6)
        return worth


def played(acts: list[tuple[Any, ...]]) -> Iterator[tuple[World, dict[str, Any], str, Fill | None]]:
    """The world after each act that was not refused, the state before it, whose it was, and its fill."""
    world = World()
    for acted in acts:
        before = world.state()
        try:
            account, fill = world.act(acted)
        except RefusedOrderError:
            assert world.state() == before, "a refusal changes nothing"
            continue
        yield world, before, account, fill


@settings(max_examples=120)
@given(ACTS)
def test_money_is_conserved_and_locks_add_up(acts: list[tuple[Any, ...]]) -> None:
    """After every act each currency has the total it began with, each balance the locks of its open orders, each
    position what was filled; no goods are sold that are not there, and a refusal changes nothing."""
    for world, *_ in played(acts):
        world.check()


@settings(max_examples=60)
@given(ACTS)
def test_accounts_do_not_touch_each_other(acts: list[tuple[Any, ...]]) -> None:
    """An act on one account leaves every other exactly as it was."""
    for world, before, account, _ in played(acts):
        after = world.state()
        assert all(after[spec.id] == before[spec.id] for spec in SPECS if spec.id != account)


@settings(max_examples=120)
@given(ACTS)
def test_only_closing_a_margin_position_overdraws(acts: list[tuple[Any, ...]]) -> None:
    """What is free of an account's money goes below 0, or further below, by losses of margin positions alone."""
    for world, before, name, fill in played(acts):
        account, old = world.ledger.accounts[name], before[name]
        currency = account.currency
        free_e12 = old["balances_e12"][currency] - old["locked_e12"].get(currency, 0) - old["margin_e12"]
        assert account.free_e12(currency) >= min(free_e12, 0) or (fill and only_closes(world, old))


def only_closes(world: World, old: dict[str, Any]) -> bool:
    """Whether the last fill did no more than reduce a position of a margin product."""
    fill, traded, _ = world.fills[-1]
    position = old["positions"].get((traded.venue, traded.symbol), {"quantity_e8": 0})
    closed_e8 = -position["quantity_e8"] * fill.side.sign
    return traded.product in MARGIN and fill.quantity_e8 <= closed_e8


@settings(max_examples=120)
@given(ACTS, st.lists(PRICES, min_size=len(TRADED), max_size=len(TRADED)))
def test_worth_is_what_was_put_in_gained_and_paid(acts: list[tuple[Any, ...]], last: list[int]) -> None:
    """Equity is initial + realised + unrealised - fees to the unit, for every product; and it is never above the
    exact worth, nor below it by more than three units a fill and one a position."""
    marks = {(traded.venue, traded.symbol): price_e9 for traded, price_e9 in zip(TRADED, last, strict=True)}
    worlds = [world for world, *_ in played(acts)]
    for world, spec in product(worlds[-1:], SPECS):
        equity_e12 = world.ledger.equity_e12(spec.id, marks)
        fills = [fill for fill, _, _ in world.fills if fill.account == spec.id]
        realised_e12, fees_e12 = sum(fill.realised_e12 for fill in fills), sum(fill.fee_e12 for fill in fills)
        unrealised_e12 = world.ledger.unrealised_e12(spec.id, marks)
        assert equity_e12 == spec.initial_e12 + realised_e12 + unrealised_e12 - fees_e12
        bound = LOSS_PER_FILL * len(fills) + len(TRADED)
        assert 0 <= world.exact_worth(spec.id, marks) - equity_e12 <= bound
