"""Limits of accounts: what is refused, what never is, and when a halt ends."""

from __future__ import annotations

import attrs
import pytest

from core.clock import DAY_NS, NS_PER_S
from core.model.instruments import Instrument, Product
from core.model.orders import Order, OrderKind, OrderState, RefusedOrderError, Side
from core.sim.accounts import AccountSpec, Limits
from core.sim.ledger import Ledger
from core.sim.risk import DAY_LOSS, Risk
from tests.unit.core.sim.examples import START_NS, instrument

E8, E9, E12 = 10**8, 10**9, 10**12
LINEAR = instrument(Product.LINEAR_PERPETUAL)
OTHER = attrs.evolve(LINEAR, symbol="ETHUSD")


class Desk:
    """A risk over accounts `main` and `other` with a million each, spoken to in whole units and seconds."""

    def __init__(
        self, *, position: int = 0, day_loss: int = 0, orders_per_minute: int = 0, traded: Instrument = LINEAR
    ) -> None:
        self.traded = traded
        specs = [AccountSpec(name, traded.settle, 10**6 * E12) for name in ("main", "other")]
        limits = Limits(position_e12=position * E12, day_loss_e12=day_loss * E12, orders_per_minute=orders_per_minute)
        self.ledger = Ledger(specs, "main")
        self.limits = {"main": limits}
        self.risk = Risk(self.limits, self.ledger)

    def order(self, quantity: int, price: int = 100, *, at: float = 0, account: str = "main") -> Order:
        """An order that passed, to sell when `quantity` is below 0."""
        order = Order(
            number=1,
            account=account,
            strategy="test",
            side=Side.BUY if quantity > 0 else Side.SELL,
            kind=OrderKind.MARKET,
            quantity_e8=abs(quantity) * E8,
            given_ns=START_NS + int(at * NS_PER_S),
        )
        self.risk.check(order, self.traded, price * E9)
        return order

    def fill(self, order: Order, price: int = 100) -> None:
        """Fill all of an order."""
        self.ledger.settle(
            order,
            self.traded,
            quantity_e8=order.left_e8,
            price_e9=price * E9,
            fee_ppm=0,
            ts_ns=order.given_ns,
            maker=False,
        )
        order.filled_e8 = order.quantity_e8
        order.enter(OrderState.FILLED)

    def trade(self, quantity: int, price: int = 100) -> None:
        """Give an order and fill it."""
        self.fill(self.order(quantity, price), price)

    def refused(self, quantity: int, price: int = 100, *, at: float = 0) -> str:
        """Why an order does not pass."""
        with pytest.raises(RefusedOrderError) as caught:
            self.order(quantity, price, at=at)
        return str(caught.value)

    def watch(self, equity: int, *, at: float = 0, account: str = "main") -> bool:
        """Say what an account is worth."""
        return self.risk.watch(account, equity_e12=equity * E12, ts_ns=START_NS + int(at * NS_PER_S))


DAY = DAY_NS // NS_PER_S


def test_without_limits_everything_passes() -> None:
    """An account with no limits, and one that nobody named, may give what it likes."""
    desk = Desk()
    for _ in range(100):
        desk.order(10**6)
        desk.order(10**6, account="other")
    assert not desk.watch(10**6)
    assert not desk.watch(-(10**6))
    assert desk.risk.halted == {}


def test_a_position_may_be_worth_its_limit_and_no_more() -> None:
    """At the price of the order, long and short, to the last digit."""
    desk = Desk(position=1000)
    told = "risk limit: a position of 1100.00 USD in BTCUSD (account main may have 1000)"
    assert desk.refused(11) == desk.refused(-11) == told
    assert "1010.00 USD" in desk.refused(10, 101)
    desk.trade(10)
    assert desk.refused(1)
    desk.trade(-20)
    assert desk.ledger.position_e8("main", LINEAR) == -10 * E8


def test_what_reduces_passes_however_large_the_position_is() -> None:
    """A position that its price carried over the limit can be closed in parts or whole, but not turned too far."""
    desk = Desk(position=1000)
    desk.trade(10)
    assert "in BTCUSD" in desk.refused(-16, 200)
    desk.order(-3, 200)
    desk.trade(-10, 200)
    assert desk.ledger.position_e8("main", LINEAR) == 0


def test_open_orders_of_the_same_side_count_with_the_position() -> None:
    """Several orders at once do not get together what one may not; those done, and the other side, do not count."""
    desk = Desk(position=1000)
    first = desk.order(6)
    assert desk.refused(5)
    desk.order(-9)
    first.filled_e8 = 4 * E8
    assert desk.refused(9)
    second = desk.order(8)
    for order in (first, second):
        order.enter(OrderState.CANCELLED)
    desk.order(10)


def test_what_reduces_does_not_add_up_to_a_larger_position_the_other_way() -> None:
    """One that takes a gain and one that ends a loss may both wait; a third one is beyond the limit."""
    desk = Desk(position=1000)
    desk.trade(10)
    desk.order(-10, 90)
    desk.order(-10, 110)
    assert "a position of 2000.00 USD" in desk.refused(-10)


def test_what_an_operator_gives_is_counted_and_never_refused() -> None:
    """It has a reason; what strategies give afterwards has to fit beside it."""
    desk = Desk(position=1000, orders_per_minute=1)
    desk.risk.halt("main", "a test")
    for _ in range(3):
        order = Order(
            number=1,
            account="main",
            strategy="test",
            side=Side.SELL,
            kind=OrderKind.MARKET,
            quantity_e8=20 * E8,
            given_ns=START_NS,
            reason="an operator",
        )
        desk.risk.check(order, LINEAR, 100 * E9)
    desk.risk.release("main")
    assert "6100.00 USD" in desk.refused(-1)
    desk.order(1)


def test_limits_are_for_each_account_and_instrument() -> None:
    """Neither another account nor another instrument uses up what an account may have in one."""
    desk = Desk(position=1000)
    desk.trade(10)
    desk.order(500, account="other")
    desk.traded = OTHER
    desk.order(10)
    assert desk.refused(1)


def test_an_order_that_names_no_account_is_the_default_ones() -> None:
    """The limits of the default account hold for those who do not name it."""
    desk = Desk(position=1000)
    with pytest.raises(RefusedOrderError, match="account main"):
        desk.order(11, account="")


def test_inverse_contracts_are_worth_their_coins() -> None:
    """A thousand contracts at 100 are worth 10 BTC, and at 200 half of it."""
    desk = Desk(position=10, traded=instrument(Product.INVERSE_PERPETUAL))
    assert "10.01 BTC" in desk.refused(1001)
    desk.order(2000, 200)
    assert desk.refused(1)


def test_spot_is_worth_what_it_costs() -> None:
    """What is held of spot counts, and selling it never does."""
    desk = Desk(position=1000, traded=instrument())
    desk.trade(10)
    assert desk.refused(1)
    desk.trade(-10, 500)
    assert desk.refused(3, 500)
    desk.order(2, 500)


def test_the_order_rate_holds_within_any_minute() -> None:
    """Three orders in 60 s, a fourth exactly 60 s after the first; what was refused does not count."""
    desk = Desk(orders_per_minute=3)
    for at in (0, 30, 59):
        desk.order(1, at=at)
    assert desk.refused(1, at=59.999) == "risk limit: 3 orders of account main in a minute"
    desk.order(1, at=60)
    assert desk.refused(1, at=89)
    desk.order(1, at=90)


def test_the_order_rate_holds_for_what_reduces_and_for_the_halted_too() -> None:
    """Closing orders use up the rate like others and are refused when there is none left."""
    desk = Desk(orders_per_minute=3)
    desk.trade(10)
    desk.risk.halt("main", "why")
    desk.trade(-1)
    desk.trade(-1)
    assert "3 orders" in desk.refused(-1)


def test_a_clock_that_goes_back_gives_no_more_orders() -> None:
    """An order of before the newest counts as given with it."""
    desk = Desk(orders_per_minute=2)
    desk.order(1, at=10)
    desk.order(1, at=5)
    assert desk.refused(1, at=69.9)
    desk.order(1, at=70)


def test_an_order_refused_for_the_rate_does_not_count_with_the_position() -> None:
    """What is refused leaves nothing behind."""
    desk = Desk(position=1000, orders_per_minute=1)
    desk.order(5)
    assert "a minute" in desk.refused(5, at=1)
    desk.order(5, at=60)


def test_a_halted_account_only_reduces() -> None:
    """An operator's halt leaves the way out open; turning a position is none. Releasing ends it."""
    desk = Desk()
    desk.trade(10)
    desk.risk.halt("main", "halted by an operator")
    assert desk.risk.halted == {"main": "halted by an operator"}
    assert desk.refused(1) == "risk limit: account main is halted (halted by an operator)"
    assert "is halted" in desk.refused(-11)
    desk.order(5, account="other")
    desk.trade(-10)
    assert "is halted" in desk.refused(-1)
    desk.risk.release("main")
    desk.order(1)
    desk.risk.release("main")


def test_the_loss_of_a_day_halts_once() -> None:
    """Told when it reaches the limit and not again; counted from the first worth of the day, not from 0 h."""
    desk = Desk(day_loss=100)
    assert not desk.watch(5000, at=3600)
    assert desk.risk.day("main") == (START_NS, 5000 * E12)
    assert not desk.watch(6000, at=3601)
    assert not desk.risk.watch("main", equity_e12=4900 * E12 + 1, ts_ns=START_NS + 4000 * NS_PER_S)
    assert desk.watch(4900, at=4001)
    assert desk.risk.halted == {"main": DAY_LOSS}
    assert not desk.watch(4000, at=4002)
    assert DAY_LOSS in desk.refused(1)


def test_a_halt_for_the_loss_ends_with_the_day() -> None:
    """The first worth of the next UTC day is the new measure, and an account may trade again."""
    desk = Desk(day_loss=100)
    desk.watch(5000)
    assert desk.watch(4900)
    assert not desk.watch(4800, at=DAY - 0.001)
    assert desk.risk.halted
    assert not desk.watch(4000, at=DAY)
    assert desk.risk.halted == {}
    assert desk.risk.day("main") == (START_NS + DAY_NS, 4000 * E12)
    assert desk.watch(3900, at=DAY + 1)


def test_a_clock_that_goes_back_over_midnight_begins_no_day() -> None:
    """A late worth of yesterday is counted today and moves neither the measure nor the halt."""
    desk = Desk(day_loss=100)
    desk.watch(5000, at=DAY)
    assert not desk.watch(4950, at=DAY - 1)
    assert desk.risk.day("main") == (START_NS + DAY_NS, 5000 * E12)
    assert desk.watch(4900, at=DAY - 1)
    assert not desk.watch(4900, at=DAY + 1)
    assert desk.risk.halted == {"main": DAY_LOSS}


def test_an_operators_halt_outlives_the_day_and_the_loss() -> None:
    """Only a release ends it, also where the account was halted for its loss before or would have been after."""
    desk = Desk(day_loss=100)
    desk.watch(5000)
    desk.risk.halt("main", "why")
    assert not desk.watch(1, at=1)
    desk.watch(5000, at=DAY)
    assert desk.risk.halted == {"main": "why"}
    desk.risk.release("main")
    desk.watch(5000, at=DAY)
    assert desk.watch(4900, at=DAY + 1)
    desk.risk.halt("main", "again")
    desk.watch(5000, at=2 * DAY)
    assert desk.risk.halted == {"main": "again"}


def test_a_release_forgives_the_loss_of_the_day() -> None:
    """What the account is worth at the next watch is the new measure."""
    desk = Desk(day_loss=100)
    desk.watch(5000)
    assert desk.watch(4900)
    desk.risk.release("main")
    assert desk.risk.day("main") == (0, 0)
    assert not desk.watch(4850, at=1)
    assert not desk.watch(4751, at=2)
    assert desk.watch(4750, at=3)


def test_accounts_are_watched_each_for_itself() -> None:
    """The loss of one account halts no other, and one without a limit has a day all the same."""
    desk = Desk(day_loss=100)
    for account in ("main", "other"):
        desk.watch(5000, account=account)
    assert not desk.watch(1, account="other")
    assert desk.risk.day("other") == (START_NS, 5000 * E12)
    assert desk.watch(4900)


def test_a_restored_risk_goes_on() -> None:
    """Halts, the day's measure and open orders are as they were; what stood there before is gone."""
    desk = Desk(position=1000, day_loss=100)
    desk.watch(5000)
    waiting = desk.order(6)
    went_on = Risk(desk.limits, desk.ledger)
    went_on.halt("main", "something else")
    day_ns, day_e12 = desk.risk.day("main")
    went_on.restore("main", halted="", day_ns=day_ns, day_e12=day_e12)
    went_on.adopt(waiting, LINEAR)
    desk.risk = went_on
    assert desk.refused(5)
    desk.order(4)
    assert desk.watch(4900, at=1)
    went_on.restore("main", halted=DAY_LOSS, day_ns=day_ns, day_e12=day_e12)
    assert DAY_LOSS in desk.refused(1)
    desk.watch(4900, at=DAY)
    assert went_on.halted == {}
    went_on.restore("main", halted="", day_ns=0, day_e12=0)
    assert went_on.day("main") == (0, 0)
    assert not desk.watch(7)


def test_what_is_remembered_is_bounded() -> None:
    """The order rate remembers as many orders as it allows, the position limit only those that are open."""
    desk = Desk(position=10**6, orders_per_minute=2)
    for minute in range(100):
        desk.trade(1)
        desk.order(1, at=60 * minute + 60).enter(OrderState.CANCELLED)
        assert len(desk.risk._given_ns["main"]) <= 2
        assert len(desk.risk._open["main", LINEAR.key]) <= 2
