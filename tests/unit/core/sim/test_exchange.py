"""Orders on trades alone: when they are filled, at what price, by how much, and when they are not taken."""

from __future__ import annotations

import pytest

from core.clock import NS_PER_S
from core.model.fixedpoint import PRICE_SCALE
from core.model.instruments import Product
from core.model.orders import Order, OrderKind, OrderState, Side
from core.sim.exchange import take_back_all
from core.sim.fees import FeeSchedule
from core.sim.models import Execution, Latency, Slippage
from tests.unit.core.sim.exchanges import E12, FREE, Floor, prices, ticks_of

TOUCH = Execution(FREE.fees, touch=True)


def test_a_market_order_takes_the_price_of_the_next_trade() -> None:
    """Not that of the trade it was decided on, however much better that was."""
    floor = Floor(prices(100, 110, 120))
    order = floor.buy(1, at=1)
    assert floor.run() == [(2, 110, 1)]
    assert (order.state, order.filled_e8, order.left_e8) == (OrderState.FILLED, order.quantity_e8, 0)


def test_a_trade_at_the_same_instant_but_after_the_event_counts() -> None:
    """Of several trades at one instant the one after the event fills, because it came later."""
    floor = Floor(ticks_of((1, 100, 1), (1, 105, 1), (2, 110, 1)))
    order = Order(
        number=0,
        account="main",
        strategy="test",
        side=Side.BUY,
        kind=OrderKind.MARKET,
        quantity_e8=5,
        given_ns=NS_PER_S,
    )
    floor.exchange.submit(order, next_tick=1, last_e9=100 * PRICE_SCALE)
    floor.exchange.advance(3)
    assert [fill.price_e9 for fill in floor.exchange.fills] == [105 * PRICE_SCALE]


def test_an_order_cannot_be_filled_on_a_trade_that_has_passed() -> None:
    """What the exchange has seen is over, whenever an order says that it was decided."""
    floor = Floor(prices(100, 110, 120, 130))
    floor.exchange.advance(3)
    floor.buy(1, at=1)
    assert floor.run() == [(4, 130, 1)]


def test_an_order_after_the_last_trade_is_not_filled() -> None:
    """What no trade follows is taken back when the data ends, with the money it locked."""
    floor = Floor(prices(100, 110))
    order = floor.buy(1, at=2)
    assert floor.run() == []
    take_back_all(floor.exchange)
    assert (order.state, order.reason) == (OrderState.CANCELLED, "the data ended")
    assert floor.ledger.total_locked_for_account("main") == 0


@pytest.mark.parametrize(("latency_s", "second"), [(0.5, 2), (1, 2), (1.5, 3), (2, 3), (2.5, 4)])
def test_an_order_on_its_way_misses_trades(latency_s: float, second: int) -> None:
    """The first trade at or after the order's arrival fills it."""
    floor = Floor(
        prices(100, 110, 120, 130), execution=Execution(FREE.fees, latency=Latency(int(latency_s * NS_PER_S)))
    )
    order = floor.buy(1, at=1)
    assert order.active_ns == int((1 + latency_s) * NS_PER_S)
    assert [fill[0] for fill in floor.run()] == [second]


def test_an_order_that_arrives_after_the_data_is_not_filled() -> None:
    """Latency can take an order past the last trade."""
    floor = Floor(prices(100, 110), execution=Execution(FREE.fees, latency=Latency(9 * NS_PER_S)))
    floor.buy(1, at=1)
    assert floor.run() == []


def test_slippage_and_fees_are_charged() -> None:
    """A taker pays the slipped price and the taker's rate of it, a maker his limit and the maker's rate."""
    floor = Floor(
        prices(100, 200, 300, 100, 100),
        execution=Execution(FeeSchedule(1000, 2000, "test"), slippage=Slippage(ppm=10_000), touch=True),
    )
    floor.buy(1, at=1)
    floor.buy(1, at=2, limit=100)
    assert floor.run() == [(2, 202, 1), (4, 100, 1)]
    taken, made = floor.exchange.fills
    assert (taken.maker, taken.fee_e12) == (False, 202 * E12 * 2 // 1000)
    assert (made.maker, made.fee_e12) == (True, 100 * E12 // 1000)


@pytest.mark.parametrize(("touch", "fills"), [(False, [(4, 95, 2)]), (True, [(3, 95, 2)])], ids=["through", "touch"])
def test_a_resting_limit_is_filled_through_it_or_at_it(touch: bool, fills: list[tuple[int, int, int]]) -> None:
    """At its price a resting order is filled only where touching is enough; through it always, at its own price."""
    floor = Floor(prices(100, 100, 95, 90, 80), execution=TOUCH if touch else FREE)
    floor.buy(2, at=1, limit=95)
    assert floor.run() == fills
    assert floor.exchange.fills[0].maker


def test_a_resting_limit_to_sell_waits_for_higher_prices() -> None:
    """Selling is the mirror image."""
    floor = Floor(prices(100, 100, 101, 105, 106, 120))
    floor.buy(2, at=1)
    floor.sell(2, at=2, limit=105)
    assert floor.run() == [(2, 100, 2), (5, 105, 2)]


def test_a_marketable_limit_takes_the_better_price() -> None:
    """A limit beyond the price is a taker's, at the price of the first trade and not at the limit."""
    floor = Floor(prices(93, 90, 80))
    floor.buy(2, at=1, limit=95)
    assert floor.run() == [(2, 90, 2)]
    assert not floor.exchange.fills[0].maker


def test_a_limit_order_that_waited_gets_no_better_price() -> None:
    """One that was not marketable when it came is filled at its limit by a jump, and at its price not at all."""
    floor = Floor(prices(100, 90, 80))
    floor.buy(2, at=1, limit=95)
    assert floor.run() == [(2, 95, 2)]
    assert floor.exchange.fills[0].maker
    touched = Floor(prices(100, 95, 95))
    touched.buy(2, at=1, limit=95)
    assert touched.run() == []


def test_slippage_does_not_take_a_limit_beyond_itself() -> None:
    """A taking limit order pays at most its limit."""
    floor = Floor(prices(95, 94, 96, 80), execution=Execution(FREE.fees, slippage=Slippage(ppm=500_000)))
    floor.buy(1, at=1, limit=95)
    floor.sell(1, at=2, limit=95)
    assert floor.run() == [(2, 95, 1), (3, 95, 1)]


def test_a_resting_limit_gets_no_more_than_was_traded() -> None:
    """Each trade through the limit fills as much as it traded, until the order is done."""
    floor = Floor(ticks_of((1, 100, 1), (2, 100, 9), (3, 90, 2), (4, 95, 9), (5, 91, 1), (6, 90, 9), (7, 90, 9)))
    order = floor.buy(5, at=1, limit=95)
    states = []
    for end in range(3, 7):
        floor.exchange.advance(end)
        states.append(order.state)
    assert states == [OrderState.PARTLY_FILLED] * 3 + [OrderState.FILLED]
    assert floor.run() == [(3, 95, 2), (5, 95, 1), (6, 95, 2)]


def test_a_fill_larger_than_its_trade_is_counted() -> None:
    """Without a book a market order is filled whole, and the exchange says how often that is more than was traded."""
    floor = Floor(ticks_of((1, 100, 9), (2, 100, 3), (3, 100, 4)))
    floor.buy(4, at=1)
    floor.buy(4, at=2)
    assert floor.run() == [(2, 100, 4), (3, 100, 4)]
    assert floor.exchange.outsized == 1


@pytest.mark.parametrize(
    ("stop", "fills"), [(104, [(4, 90, 1)]), (105, [(4, 90, 1)]), (106, []), (101, [(3, 105, 1)])]
)
def test_a_stop_to_buy_fills_after_the_trade_that_triggers_it(stop: int, fills: list[tuple[int, int, int]]) -> None:
    """A trade at the stop or above triggers it; the price is that of the next trade, better or worse."""
    floor = Floor(prices(100, 101, 105, 90))
    order = floor.buy(1, at=1, stop=stop)
    assert floor.run() == fills
    assert order.triggered is bool(fills)


def test_a_stop_to_sell_is_triggered_from_above() -> None:
    """A stop that protects a position sells at the trade after the one that reached it."""
    floor = Floor(prices(100, 100, 95, 80, 120))
    floor.buy(1, at=1)
    floor.sell(1, at=2, stop=95)
    assert floor.run() == [(2, 100, 1), (4, 80, 1)]


def test_a_stop_locks_what_it_costs_at_its_price() -> None:
    """Money is kept for the stop price, slipped, and not for the price of the moment."""
    floor = Floor(prices(100, 100), execution=Execution(FREE.fees, slippage=Slippage(ppm=10_000)))
    floor.buy(1, at=1, stop=200)
    assert floor.ledger.total_locked_for_account("main") == 202 * E12


def test_a_stop_triggered_by_the_last_trade_is_not_filled() -> None:
    """There is no trade after it."""
    floor = Floor(prices(100, 105))
    order = floor.buy(1, at=1, stop=105)
    assert floor.run() == []
    assert order.triggered


def test_a_cancelled_order_is_never_filled() -> None:
    """Once taken back it locks nothing and waits no more, whatever is traded."""
    floor = Floor(prices(100, 100, 80, 70))
    order = floor.buy(1, at=1, limit=90)
    assert floor.ledger.total_locked_for_account("main") == 90 * E12
    floor.exchange.advance(2)
    assert list(floor.exchange.working("test")) == [order]
    assert list(floor.exchange.working("another")) == []
    floor.exchange.cancel(order, "no more")
    assert list(floor.exchange.working("test")) == []
    assert floor.run() == []
    assert (order.state, order.reason) == (OrderState.CANCELLED, "no more")
    assert floor.ledger.total_locked_for_account("main") == 0


def test_what_was_filled_before_a_cancellation_stays() -> None:
    """Only what is left is taken back."""
    floor = Floor(ticks_of((1, 100, 1), (2, 100, 1), (3, 80, 2), (4, 80, 9)))
    order = floor.buy(5, at=1, limit=90)
    floor.exchange.advance(3)
    floor.exchange.cancel(order, "no more")
    assert floor.run() == [(3, 90, 2)]
    assert order.left_e8 == 3 * 10**8
    assert floor.ledger.total_locked_for_account("main") == 0


def test_an_order_beyond_the_account_is_rejected() -> None:
    """What the account cannot pay is never on the exchange, and says why."""
    floor = Floor(prices(100, 100, 100), money=1000)
    order = floor.buy(11, at=1)
    assert order.state is OrderState.REJECTED
    assert "1100 USD" in order.reason
    assert floor.run() == []
    assert floor.ledger.total_locked_for_account("main") == 0


def test_money_that_waits_in_one_order_is_not_there_for_another() -> None:
    """Locked is not free, until the order that locked it is gone."""
    floor = Floor(prices(100, 100, 100, 100), money=1000)
    first = floor.buy(10, at=1, limit=90)
    assert floor.buy(5, at=1, limit=90).state is OrderState.REJECTED
    floor.exchange.cancel(first, "no more")
    assert floor.buy(5, at=1, limit=90).state is OrderState.WORKING


def test_a_fill_that_became_too_dear_is_refused() -> None:
    """A price that ran away beyond the account's money rejects the order instead of overdrawing the account."""
    floor = Floor(prices(100, 150, 100), money=1000)
    order = floor.buy(10, at=1)
    assert floor.run() == []
    assert order.state is OrderState.REJECTED
    assert floor.ledger.free_e12("main", "USD") == 1000 * E12


def test_spot_cannot_be_sold_before_it_is_there() -> None:
    """What an account does not hold it cannot sell, and what an order to sell locks it cannot sell twice."""
    floor = Floor(prices(100, 100, 100, 100))
    assert floor.sell(1, at=1).state is OrderState.REJECTED
    floor.buy(2, at=1)
    assert floor.sell(2, at=2, limit=500).state is OrderState.WORKING
    assert floor.sell(1, at=2).state is OrderState.REJECTED
    assert floor.run() == [(2, 100, 2)]


@pytest.mark.parametrize(
    ("kind", "quantity_e8", "limit_e9", "stop_e9"),
    [
        (OrderKind.MARKET, 0, 0, 0),
        (OrderKind.MARKET, -1, 0, 0),
        (OrderKind.MARKET, 5, 1, 0),
        (OrderKind.LIMIT, 5, 0, 0),
        (OrderKind.LIMIT, 5, -1, 0),
        (OrderKind.STOP, 5, 0, 0),
        (OrderKind.STOP, 5, 0, -1),
        (OrderKind.STOP, 5, 1, 1),
        (OrderKind.LIMIT, 5, 1, 1),
    ],
)
def test_an_order_that_is_none_is_rejected(kind: OrderKind, quantity_e8: int, limit_e9: int, stop_e9: int) -> None:
    """No quantity, a price that its kind has not, or none that it needs: rejected, numbered and kept."""
    floor = Floor(prices(100, 100))
    order = Order(
        number=0,
        account="main",
        strategy="test",
        side=Side.BUY,
        kind=kind,
        quantity_e8=quantity_e8,
        limit_e9=limit_e9,
        stop_e9=stop_e9,
    )
    floor.exchange.submit(order, next_tick=1, last_e9=100 * PRICE_SCALE)
    assert order.state is OrderState.REJECTED
    assert order.reason.startswith("bad ")
    assert (order.number, floor.exchange.orders) == (1, [order])
    assert floor.run() == []


def test_an_unknown_account_is_refused() -> None:
    """An order for nobody is rejected with the accounts there are."""
    order = Floor(prices(100, 100)).buy(1, at=1, account="nobody")
    assert order.state is OrderState.REJECTED
    assert "main" in order.reason


def test_two_accounts_do_not_know_each_other() -> None:
    """Each has its own money, positions and orders, on one run of trades."""
    floor = Floor(prices(100, 100, 90, 120), money=1000)
    floor.buy(10, at=1, account="main")
    refused = floor.buy(11, at=1, account="other")
    floor.buy(5, at=1, account="other", limit=95)
    floor.sell(10, at=3, account="main")
    assert floor.run() == [(2, 100, 10), (3, 95, 5), (4, 120, 10)]
    assert [fill.account for fill in floor.exchange.fills] == ["main", "other", "main"]
    assert refused.state is OrderState.REJECTED
    assert floor.ledger.free_e12("main", "USD") == 1200 * E12
    assert floor.ledger.free_e12("other", "USD") == 525 * E12
    assert floor.ledger.position_e8("main", floor.instrument) == 0


def test_orders_of_one_trade_are_filled_in_the_order_they_came() -> None:
    """The account's money goes to the order that was given first."""
    floor = Floor(prices(100, 110, 110), money=1200)
    first, second = floor.buy(10, at=1), floor.buy(1, at=1)
    assert (first.number, second.number) == (1, 2)
    assert floor.run() == [(2, 110, 10)]
    assert (first.state, second.state) == (OrderState.FILLED, OrderState.REJECTED)


@pytest.mark.parametrize("product", [Product.LINEAR_PERPETUAL, Product.INVERSE_FUTURE])
def test_margin_products_can_be_sold_first(product: Product) -> None:
    """A perpetual or a future goes short, and buying closes it at the trade after."""
    floor = Floor(prices(100, 100, 50, 50), product=product)
    floor.sell(2, at=1)
    floor.exchange.advance(2)
    assert floor.ledger.position_e8("main", floor.instrument) == -2 * 10**8
    floor.buy(2, at=2)
    assert floor.run() == [(2, 100, 2), (3, 50, 2)]
    assert floor.ledger.position_e8("main", floor.instrument) == 0
    gained_e12 = 2 * 50 * E12 if product is Product.LINEAR_PERPETUAL else 2 * E12 // 100
    assert floor.exchange.fills[1].realised_e12 == gained_e12


def test_resting_orders_share_a_trade() -> None:
    """Two orders get no more of a trade than one would, the one that came first before the other."""
    floor = Floor(ticks_of((1, 100, 9), (2, 94, 5), (3, 94, 5), (4, 94, 5)))
    floor.buy(4, at=1, limit=95)
    floor.buy(4, at=1, limit=95)
    assert floor.run() == [(2, 95, 4), (2, 95, 1), (3, 95, 3)]
