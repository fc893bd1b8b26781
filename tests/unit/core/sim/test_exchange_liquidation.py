"""Positions that their accounts can bear no longer: when they are closed, at what price, and what is then left.

An account of 100 with a leverage of 10 holds 10 at 100: its margin is all it has, half of it is the least that it may
be worth, so 95 ends a long position and 105 a short one.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.model.instruments import Product
from core.model.orders import OrderState
from core.sim.exchange import take_back_all
from core.sim.guarding import LIQUIDATION
from core.sim.models import Execution, Latency
from tests.unit.core.sim.exchanges import E12, FREE, Floor, books_of, prices

PERPETUAL = Product.LINEAR_PERPETUAL


def margin_floor(*values: int, money: int = 100) -> Floor:
    """A market of a perpetual, with accounts of a leverage of 10."""
    return Floor(prices(*values), product=PERPETUAL, money=money, leverage=10)


@pytest.mark.parametrize(
    ("order", "third", "fourth", "fifth"),
    [(Floor.buy, 96, 95, 93), (Floor.sell, 104, 105, 107)],
    ids=["long", "short"],
)
def test_a_position_is_closed_after_the_trade_that_broke_it(
    order: Callable[..., object], third: int, fourth: int, fifth: int
) -> None:
    """The trade at the price that cannot be borne is the signal, the one after it the price."""
    floor = margin_floor(100, 100, third, fourth, fifth, 200)
    order(floor, 10, at=1)
    assert floor.run() == [(2, 100, 10), (5, fifth, 10)]
    fill = floor.exchange.fills[1]
    assert (fill.reason, fill.strategy, fill.realised_e12) == (LIQUIDATION, LIQUIDATION, -70 * E12)
    assert floor.exchange.liquidated == {"main"}
    assert floor.ledger.position_e8("main", floor.instrument) == 0
    assert floor.ledger.free_e12("main", "USD") == 30 * E12


def test_a_liquidation_is_an_order_like_others() -> None:
    """It stands among the orders with its reason and is not filled before its time."""
    floor = margin_floor(100, 100, 95, 90)
    floor.buy(10, at=1)
    floor.run()
    closing = floor.exchange.orders[-1]
    assert (closing.number, closing.state, closing.reason) == (2, OrderState.FILLED, LIQUIDATION)
    assert (closing.given_ns, floor.exchange.fills[-1].order) == (3 * 10**9, 2)


def test_a_jump_takes_more_than_there_was() -> None:
    """Nobody stops a loss between two trades: the balance can fall below zero."""
    floor = margin_floor(100, 100, 80, 80)
    floor.buy(10, at=1)
    assert floor.run() == [(2, 100, 10), (4, 80, 10)]
    assert floor.ledger.free_e12("main", "USD") == -100 * E12


def test_a_liquidated_account_gets_no_orders() -> None:
    """What waits is taken back when the position breaks, and what comes is rejected."""
    floor = margin_floor(100, 100, 93, 94, 100, 60, money=1000)
    floor.buy(90, at=1)
    waiting = floor.buy(10, at=2, limit=70)
    floor.exchange.advance(2)
    assert waiting.state is OrderState.WORKING
    late = floor.buy(1, at=4)
    assert (waiting.state, waiting.reason) == (OrderState.CANCELLED, LIQUIDATION)
    assert (late.state, late.reason) == (OrderState.REJECTED, "account closed: main was liquidated")
    assert floor.run() == [(2, 100, 90), (4, 94, 90)]
    assert floor.ledger.total_locked_for_account("main") == 0


def test_other_accounts_go_on() -> None:
    """A liquidation is the matter of one account."""
    floor = margin_floor(100, 100, 95, 94, 100)
    floor.buy(10, at=1, account="main")
    floor.buy(1, at=1, account="other")
    waiting = floor.buy(1, at=1, account="other", limit=50)
    floor.sell(1, at=4, account="other")
    assert floor.run() == [(2, 100, 10), (2, 100, 1), (4, 94, 10), (5, 100, 1)]
    assert floor.exchange.liquidated == {"main"}
    assert waiting.state is OrderState.WORKING


def test_a_position_that_was_closed_in_time_is_left_alone() -> None:
    """Once it is flat no price touches the account."""
    floor = margin_floor(100, 100, 96, 97, 50)
    floor.buy(10, at=1)
    floor.sell(10, at=3)
    assert floor.run() == [(2, 100, 10), (4, 97, 10)]
    assert floor.exchange.liquidated == set()


def test_a_smaller_position_bears_more() -> None:
    """Where the price must not go follows the position."""
    floor = margin_floor(100, 100, 98, 98, 95, 92, 80, 80)
    floor.buy(10, at=1)
    floor.sell(5, at=3)
    # 90 are left and 5 at 100, whose margin is 50: worth 25 at 87.
    assert floor.run() == [(2, 100, 10), (4, 98, 5), (8, 80, 5)]


def test_a_position_turned_round_breaks_the_other_way() -> None:
    """From long to short the price to fear is above."""
    floor = margin_floor(100, 100, 100, 90, 104, 105, 106, 107, money=200)
    floor.buy(5, at=1)
    floor.sell(20, at=2)
    # 15 short at 100, whose margin is 150: the account of 200 is worth 75 at 108.33.
    assert floor.run() == [(2, 100, 5), (3, 100, 20)]
    again = margin_floor(100, 100, 100, 90, 109, 110, money=200)
    again.buy(5, at=1)
    again.sell(20, at=2)
    assert again.run() == [(2, 100, 5), (3, 100, 20), (6, 110, 15)]


def test_the_last_trade_can_break_a_position_but_not_close_it() -> None:
    """There is no trade after it to close it at."""
    floor = margin_floor(100, 100, 95)
    floor.buy(10, at=1)
    assert floor.run() == [(2, 100, 10)]
    take_back_all(floor.exchange)
    assert floor.exchange.orders[-1].state is OrderState.CANCELLED
    assert floor.ledger.position_e8("main", floor.instrument) == 10 * 10**8


def test_a_liquidation_walks_the_book() -> None:
    """It is filled by what is shown, in parts if need be, and goes on until the position is closed."""
    depth = books_of((0, [(99, 9)], [(100, 50)]), (2.5, [(93, 4), (92, 4)], [(101, 5)]), (4.5, [(80, 5)], [(90, 5)]))
    floor = Floor(prices(100, 100, 95, 95, 95), product=PERPETUAL, money=100, leverage=10, depth=depth)
    floor.buy(10, at=1)
    assert floor.run() == [(2, 100, 10), (4, 93, 4), (4, 92, 4), (5, 80, 2)]


def test_latency_does_not_keep_the_exchange_from_closing() -> None:
    """The exchange itself needs no time to send an order to itself."""
    execution = Execution(FREE.fees, latency=Latency(base_ns=10**9))
    floor = Floor(prices(100, 100, 95, 90, 80), execution=execution, product=PERPETUAL, money=100, leverage=10)
    floor.buy(10, at=1)
    assert floor.run() == [(2, 100, 10), (4, 90, 10)]


def test_a_strategy_may_be_called_as_the_exchange_calls_its_own_orders() -> None:
    """A stop order is the strategy's and not the exchange's, whatever the strategy is called."""
    floor = margin_floor(100, 102, 100, 100)
    order = floor.buy(1, at=1, stop=102, strategy=LIQUIDATION)
    assert floor.run() == [(3, 100, 1)]
    assert order.state is OrderState.FILLED
    assert floor.exchange.liquidated == set()


def test_spot_is_never_liquidated() -> None:
    """What was paid in full can fall to nothing."""
    floor = Floor(prices(100, 100, 1, 1), money=1000)
    floor.buy(10, at=1)
    assert floor.run() == [(2, 100, 10)]


def test_contracts_of_an_inverse_product_break_too() -> None:
    """1000 contracts at 100 with one coin and a leverage of 10 need a coin: half of it is left at about 95.24."""
    floor = Floor(prices(100, 100, 96, 95, 94), product=Product.INVERSE_PERPETUAL, money=1, leverage=10)
    floor.buy(1000, at=1)
    assert floor.run() == [(2, 100, 1000), (5, 94, 1000)]
