"""When something happens to an order that waits."""

from __future__ import annotations

import numpy as np
import pytest

from core.model.orders import Order, OrderKind, Side
from core.sim.waiting import Waiting

PRICES = np.array([100, 101, 102, 101, 99, 98])


def waiting(side: Side, kind: OrderKind, price: int = 0, *, resting: bool = True) -> Waiting:
    """An order that counts from trade number 1 on."""
    order = Order(number=1, account="a", strategy="s", side=side, kind=kind, quantity_e8=1)
    if kind is OrderKind.LIMIT:
        order.limit_e9 = price
    else:
        order.stop_e9 = price
    order.resting = resting
    return Waiting(order, 1)


@pytest.mark.parametrize(
    ("side", "kind", "price", "touched", "through"),
    [
        (Side.BUY, OrderKind.LIMIT, 99, 4, 5),
        (Side.SELL, OrderKind.LIMIT, 101, 1, 2),
        (Side.BUY, OrderKind.STOP, 102, 2, 2),
        (Side.SELL, OrderKind.STOP, 99, 4, 4),
        (Side.BUY, OrderKind.LIMIT, 50, 6, 6),
        (Side.BUY, OrderKind.MARKET, 0, 1, 1),
    ],
)
def test_an_order_finds_its_trade(side: Side, kind: OrderKind, price: int, touched: int, through: int) -> None:
    """A limit waits for a price beyond its own or, where a touch is enough, for its own; a stop for its own."""
    assert waiting(side, kind, price).due(PRICES, len(PRICES), touch=True) == touched
    assert waiting(side, kind, price).due(PRICES, len(PRICES), touch=False) == through


def test_what_was_searched_is_not_searched_again() -> None:
    """It goes on from where the last search ended, and beyond the end asked for it says nothing."""
    one = waiting(Side.BUY, OrderKind.LIMIT, 99)
    assert one.due(PRICES, 3, touch=True) == one.searched == 3
    assert one.due(np.zeros(6, np.int64), 3, touch=True) == 3
    assert one.due(PRICES, 6, touch=True) == 4


def test_a_limit_order_that_can_take_is_looked_at_at_once() -> None:
    """Whatever its price, something happens at the first trade that it counts for."""
    assert waiting(Side.BUY, OrderKind.LIMIT, 1, resting=False).due(PRICES, 6, touch=False) == 1
