"""The ledger: what orders lock, what fills move, what is refused, and that nothing else happens."""

from __future__ import annotations

import attrs
import pytest

from core.model.instruments import Instrument, Product
from core.model.orders import Fill, Order, OrderKind, RefusedOrderError, Side
from core.sim.accounts import AccountSpec
from core.sim.ledger import Ledger
from core.sim.positions import Account
from tests.unit.core.sim.examples import instrument

E8, E9, E12 = 10**8, 10**9, 10**12
SPOT, EQUITY = instrument(), instrument(Product.EQUITY)
PERPETUAL, INVERSE = instrument(Product.LINEAR_PERPETUAL), instrument(Product.INVERSE_PERPETUAL)


class Desk:
    """A ledger with one account of `money`, spoken to in whole units."""

    def __init__(self, money: int = 1000, *, traded: Instrument = SPOT, leverage: int = 1, fee_ppm: int = 0) -> None:
        self.traded, self.fee_ppm = traded, fee_ppm
        self.currency = traded.settle
        self.ledger = Ledger([AccountSpec("main", self.currency, money * E12, (), leverage)], "main")
        self.account: Account = self.ledger.accounts["main"]

    def order(self, quantity: int, price: int | None = None) -> Order:
        """An order for so much, to sell when below 0; locked at `price` if there is one."""
        order = Order(
            number=1,
            account="",
            strategy="test",
            side=Side.BUY if quantity > 0 else Side.SELL,
            kind=OrderKind.MARKET,
            quantity_e8=abs(quantity) * E8,
        )
        if price is not None:
            self.ledger.lock(order, self.traded, price_e9=price * E9, fee_ppm=self.fee_ppm)
        return order

    def settle(self, order: Order, quantity: int, price: int) -> Fill:
        """Fill a part of it."""
        fill = self.ledger.settle(
            order,
            self.traded,
            quantity_e8=quantity * E8,
            price_e9=price * E9,
            fee_ppm=self.fee_ppm,
            ts_ns=7,
            maker=False,
            reason="why",
        )
        order.filled_e8 += fill.quantity_e8
        return fill

    def trade(self, quantity: int, price: int) -> Fill:
        """Lock and fill an order at one price."""
        order = self.order(quantity, price)
        fill = self.settle(order, abs(quantity), price)
        self.ledger.release(order)
        return fill

    @property
    def locked(self) -> float:
        """What is locked of the account's currency."""
        return self.ledger.total_locked_for_account("main") / E12

    @property
    def free(self) -> float:
        """What is free of it."""
        return self.ledger.free_e12("main", self.currency) / E12

    @property
    def held(self) -> float:
        """The position."""
        return self.ledger.position_e8("main", self.traded) / E8

    def worth(self, price: int) -> float:
        """The account's equity at a price."""
        return self.ledger.equity_e12("main", {(self.traded.venue, self.traded.symbol): price * E9}) / E12

    def breaks_at(self) -> float | None:
        """The liquidation price."""
        price_e9 = self.ledger.liquidation_price_e9("", self.traded)
        return None if price_e9 is None else price_e9 / E9

    def state(self) -> list[object]:
        """Everything that could change."""
        ledger = self.ledger
        locks = [(id(order), lock.amount_e12) for order, lock in ledger._locks.items()]
        return [attrs.asdict(self.account), locks, dict(ledger._fees_e12), dict(ledger._market_e12)]


@pytest.mark.parametrize("traded", [SPOT, EQUITY])
def test_a_purchase_moves_money_and_goods(traded: Instrument) -> None:
    """Two at 100 with a fee of 1 % take 202 and bring two; the fill says what happened."""
    desk = Desk(traded=traded, fee_ppm=10_000)
    fill = desk.trade(2, 100)
    assert desk.account.balances_e12 == {"USD": 798 * E12, "BTC": 2 * E12}
    assert (fill.fee_e12, fill.realised_e12, fill.currency, fill.account) == (2 * E12, 0, "USD", "main")
    assert (fill.ts_ns, fill.reason, fill.strategy, fill.maker) == (7, "why", "test", False)
    assert (desk.held, desk.worth(150), desk.free) == (2, 1098, 798)


def test_a_sale_realises_against_the_average() -> None:
    """One of two that cost 100 and 200 is sold for 180 and gains 30; the other keeps the average."""
    desk = Desk()
    desk.trade(1, 100)
    desk.trade(1, 200)
    assert desk.trade(-1, 180).realised_e12 == 30 * E12
    position = desk.account.positions["SIM.EXCHANGE", "BTCUSD"]
    assert (position.average_e9, position.quantity_e8, position.realised_e12) == (150 * E9, E8, 30 * E12)
    assert desk.ledger.unrealised_e12("main", {("SIM.EXCHANGE", "BTCUSD"): 160 * E9}) == 10 * E12


def test_an_order_locks_what_it_can_cost() -> None:
    """A buy locks its price and fee, a sell what it sells; releasing frees that once and once only."""
    desk = Desk(fee_ppm=10_000)
    buying = desk.order(2, 100)
    assert (desk.locked, desk.free) == (202, 798)
    desk.settle(buying, 2, 100)
    selling = desk.order(-2, 100)
    assert desk.ledger.total_locked_for_account("main", "BTC") == 2 * E12
    assert desk.ledger.free_e12("", "BTC") == 0
    for _ in range(2):
        desk.ledger.release(selling)
        assert desk.ledger.total_locked_for_account("", "BTC") == 0


def test_a_rebate_is_not_counted_on() -> None:
    """With a fee below 0 the whole price is locked; the rebate comes with the fill."""
    desk = Desk(fee_ppm=-1000)
    order = desk.order(10, 100)
    assert desk.locked == 1000
    assert desk.settle(order, 10, 100).fee_e12 == -E12
    assert desk.account.balances_e12["USD"] == E12
    assert desk.ledger.totals() == {"USD": 1000 * E12, "BTC": 0}


def test_a_partial_fill_frees_its_share() -> None:
    """Of an order for four one is filled: a quarter of the lock goes, what is left can still be paid."""
    desk = Desk()
    order = desk.order(4, 100)
    desk.settle(order, 1, 90)
    assert (desk.locked, desk.free) == (300, 610)
    desk.settle(order, 3, 100)
    assert (desk.locked, desk.free) == (0, 610)
    desk.ledger.release(order)
    assert desk.free == 610


def test_a_dearer_fill_takes_what_is_free_and_then_of_its_own_lock() -> None:
    """A fill beyond the locked price is paid as long as there is money that no other order locks."""
    desk = Desk(400)
    order = desk.order(4, 100)
    desk.settle(order, 1, 150)
    assert (desk.locked, desk.free) == (250, 0)
    desk.settle(order, 2, 100)
    assert desk.locked == 50
    before = desk.state()
    with pytest.raises(RefusedOrderError, match="needs 100 USD, 50 free"):
        desk.settle(order, 1, 100)
    assert desk.state() == before


def test_what_others_locked_is_not_taken() -> None:
    """An order cannot pay with the money of another."""
    desk = Desk(200)
    first, second = desk.order(1, 100), desk.order(1, 100)
    with pytest.raises(RefusedOrderError, match="needs 101 USD, 100 free"):
        desk.settle(first, 1, 101)
    assert desk.settle(second, 1, 100).quantity_e8 == E8


@pytest.mark.parametrize(("quantity", "told"), [(11, "needs 1100 USD, 1000 free"), (-1, "needs 1 BTC, 0 held")])
def test_too_large_an_order_is_refused_and_changes_nothing(quantity: int, told: str) -> None:
    """Neither more than the money buys nor what is not held: spot has no shorts."""
    desk = Desk()
    before = desk.state()
    with pytest.raises(RefusedOrderError, match=told):
        desk.order(quantity, 100)
    with pytest.raises(RefusedOrderError, match=told):
        desk.settle(desk.order(quantity), abs(quantity), 100)
    assert desk.state() == before


def test_goods_are_sold_once() -> None:
    """What one order to sell has locked is not there for a second one."""
    desk = Desk()
    desk.trade(1, 100)
    desk.order(-1, 100)
    for price in (100, None):
        with pytest.raises(RefusedOrderError, match="needs 1 BTC, 0 free"):
            desk.settle(desk.order(-1, price), 1, 100)


def test_goods_stay_at_their_venue() -> None:
    """What was bought at one venue cannot be sold at another."""
    desk = Desk()
    desk.trade(1, 100)
    desk.traded = attrs.evolve(SPOT, venue="ELSEWHERE")
    with pytest.raises(RefusedOrderError, match="0 held on ELSEWHERE"):
        desk.order(-1, 100)


@pytest.mark.parametrize(
    ("traded", "told"),
    [
        (attrs.evolve(SPOT, quote="USDT", settle="USDT"), "paid in USDT .account main is in USD"),
        (INVERSE, "paid in BTC"),
        (attrs.evolve(PERPETUAL, settle=""), "no known currency"),
        (attrs.evolve(SPOT, base="USD"), "paid in USD"),
    ],
)
def test_another_currency_is_refused(traded: Instrument, told: str) -> None:
    """A Tether is no dollar, nor a coin, nor is what nobody knows; and money does not buy itself."""
    desk = Desk()
    desk.traded = traded
    with pytest.raises(RefusedOrderError, match=told):
        desk.order(1, 100)
    assert desk.account.positions == {}


@pytest.mark.parametrize("traded", [SPOT, INVERSE])
def test_a_price_must_be_one(traded: Instrument) -> None:
    """Nothing is free where all is paid, and contracts of a dollar cannot be divided by 0."""
    desk = Desk(traded=traded)
    with pytest.raises(RefusedOrderError, match="no price"):
        desk.order(1, 0)


def test_futures_may_cost_less_than_nothing() -> None:
    """What was bought at -37 and sold at 10 gained 47, as oil once did."""
    desk = Desk(traded=instrument(Product.LINEAR_FUTURE))
    desk.trade(1, -37)
    assert desk.account.margin_e12 == 37 * E12
    assert desk.trade(-1, 10).realised_e12 == 47 * E12
    assert desk.worth(0) == 1047


def test_an_unknown_account_is_refused() -> None:
    """The refusal says which accounts there are; no name means the default."""
    ledger = Desk().ledger
    assert ledger.resolve("") is ledger.accounts["main"]
    with pytest.raises(RefusedOrderError, match="main"):
        ledger.resolve("nobody")


def test_a_margin_position_moves_no_money_until_it_is_closed() -> None:
    """A short of ten at 100 with fivefold leverage needs 200; bought back at 90 it gains 100."""
    desk = Desk(traded=PERPETUAL, leverage=5)
    desk.trade(-10, 100)
    assert desk.account.balances_e12 == {"USD": 1000 * E12}
    assert (desk.held, desk.free, desk.worth(95)) == (-10, 800, 1050)
    assert desk.trade(10, 90).realised_e12 == 100 * E12
    assert (desk.held, desk.free, desk.worth(1)) == (0, 1100, 1100)


def test_an_inverse_position_gains_coins() -> None:
    """Ten thousand contracts from 50 000 to 100 000 gain a tenth of a coin long, and lose as much short."""
    for sign in (1, -1):
        desk = Desk(1, traded=INVERSE)
        desk.trade(sign * 10_000, 50_000)
        position = desk.account.positions["SIM.EXCHANGE", "BTCUSD"]
        assert (position.average_e9, desk.free) == (50_000 * E9, 0.8)
        assert desk.trade(-sign * 10_000, 100_000).realised_e12 == sign * E12 // 10
        assert desk.account.balances_e12 == {"BTC": E12 + sign * E12 // 10}


def test_only_what_opens_needs_margin() -> None:
    """Reducing locks nothing however little is free; what goes beyond locks for the rest."""
    desk = Desk(1000, traded=PERPETUAL)
    desk.trade(10, 100)
    assert desk.free == 0
    assert desk.order(-10, 100) is not None
    assert desk.locked == 0
    with pytest.raises(RefusedOrderError):
        desk.order(1, 100)


def test_a_turning_order_counts_on_what_closing_brings() -> None:
    """All-in long turns into all-in short with nothing free; a position that lost cannot turn as far."""
    desk = Desk(1000, traded=PERPETUAL)
    desk.trade(10, 100)
    fill = desk.trade(-20, 100)
    assert (desk.held, fill.realised_e12, desk.free) == (-10, 0, 0)
    with pytest.raises(RefusedOrderError, match="needs 400 USD, 0 free"):
        desk.order(20, 120)
    before = desk.state()
    with pytest.raises(RefusedOrderError):
        desk.settle(desk.order(20), 20, 120)
    assert desk.state() == before
    assert desk.trade(16, 120).realised_e12 == -200 * E12
    assert (desk.held, desk.free) == (6, 80)


def test_closing_is_never_refused() -> None:
    """A position that lost more than there was is closed all the same, and leaves a debt."""
    desk = Desk(100, traded=PERPETUAL, leverage=10)
    desk.trade(10, 100)
    desk.trade(-10, 80)
    assert (desk.account.balances_e12["USD"], desk.held) == (-100 * E12, 0)
    with pytest.raises(RefusedOrderError, match="needs 1 USD, 0 free"):
        desk.order(1, 10)


def test_a_position_is_closed_in_parts_by_an_account_in_debt() -> None:
    """With less than nothing free the next part goes through too, and locks stay what they are: nothing."""
    desk = Desk(100, traded=PERPETUAL, leverage=10)
    desk.trade(10, 100)
    order = desk.order(-10, 100)
    desk.settle(order, 5, 80)
    assert desk.free == -50
    desk.settle(order, 2, 80)
    assert (desk.held, desk.locked, desk.free) == (3, 0, -70)
    assert desk.trade(-3, 80).realised_e12 == -60 * E12


@pytest.mark.parametrize(
    ("traded", "money", "quantity", "price", "leverage", "expected"),
    [
        (PERPETUAL, 100, 10, 100, 10, 95.0),  # at 95 the 100 have lost 50, half the margin of 100
        (PERPETUAL, 100, -10, 100, 10, 105.0),
        (PERPETUAL, 1000, 10, 100, 1, 50.0),
        (PERPETUAL, 100_000, 10, 100, 1, None),  # worth nothing, it still leaves 99 000
        (PERPETUAL, 1000, -1, 100, 1, 1050.0),
        (INVERSE, 1, 50_000, 50_000, 1, 33333.333333333),  # a coin is worth a half more than its dollars
        (INVERSE, 1, -50_000, 50_000, 1, 100_000.0),  # the coin is worth double, and half of it is gone
        (INVERSE, 2, -50_000, 50_000, 1, None),  # a coin too many to lose it all
        (SPOT, 1000, 10, 100, 1, None),
    ],
)
def test_the_liquidation_price_is_where_half_the_margin_is_left(
    traded: Instrument, money: int, quantity: int, price: int, leverage: int, expected: float | None
) -> None:
    """Below for longs, above for shorts, nowhere for what is paid in full or cannot be lost."""
    desk = Desk(money, traded=traded, leverage=leverage)
    assert desk.breaks_at() is None
    desk.trade(quantity, price)
    found = desk.breaks_at()
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-11))


def test_orders_of_one_number_are_told_apart() -> None:
    """Two exchanges that number their orders each for itself can share a ledger."""
    desk = Desk()
    first, second = desk.order(1, 100), desk.order(2, 100)
    desk.ledger.release(first)
    assert (first.number == second.number, desk.locked) == (True, 200)


def test_accounts_are_worlds_apart() -> None:
    """What one account trades changes nothing in another."""
    ledger = Ledger([AccountSpec("a", "USD", E12), AccountSpec("b", "USD", 9 * E12)], "a")
    before = attrs.asdict(ledger.accounts["b"])
    order = Order(number=1, account="a", strategy="s", side=Side.BUY, kind=OrderKind.MARKET, quantity_e8=E8)
    ledger.lock(order, SPOT, price_e9=E9, fee_ppm=0)
    ledger.settle(order, SPOT, quantity_e8=E8, price_e9=E9, fee_ppm=0, ts_ns=0, maker=True)
    assert attrs.asdict(ledger.accounts["b"]) == before
    assert ledger.position_e8("b", SPOT) == 0
    assert ledger.equity_e12("b", {}) == 9 * E12
