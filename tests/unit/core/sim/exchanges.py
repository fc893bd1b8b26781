"""An exchange on trades given as rows, and orders for it, in whole units and seconds."""

from __future__ import annotations

import numpy as np

from core.bars.ticks import Ticks
from core.clock import NS_PER_S
from core.model.fixedpoint import PRICE_SCALE, QUANTITY_SCALE
from core.model.instruments import Instrument, Product
from core.model.orders import Fill, Order, OrderKind, Side
from core.sim.accounts import AccountSpec
from core.sim.depth import Books
from core.sim.exchange import Exchange
from core.sim.fees import FeeSchedule
from core.sim.ledger import Ledger
from core.sim.models import Execution
from tests.unit.core.sim.books import books
from tests.unit.core.sim.examples import instrument

FREE = Execution(FeeSchedule(0, 0, "none"))
E12 = 10**12

Levels = list[tuple[int, int]]


def ticks_of(*rows: tuple[float, int, int]) -> Ticks:
    """Trades from (second, price, quantity)."""
    columns = np.array(rows, float).reshape(len(rows), 3)
    return Ticks(
        ts_ns=(columns[:, 0] * NS_PER_S).astype(np.int64),
        price_e9=columns[:, 1].astype(np.int64) * PRICE_SCALE,
        quantity_e8=columns[:, 2].astype(np.int64) * QUANTITY_SCALE,
        side=np.full(len(rows), ord("N"), np.uint8),
    )


def prices(*values: int) -> Ticks:
    """One trade of a hundred units a second at each price, the first at second 1."""
    return ticks_of(*((second, price, 100) for second, price in enumerate(values, start=1)))


def books_of(*rows: tuple[float, Levels, Levels]) -> Books:
    """Books from (second, bids, asks) with levels of (price, quantity)."""
    return books(
        *(
            (
                int(second * NS_PER_S),
                [(price * PRICE_SCALE, quantity * QUANTITY_SCALE) for price, quantity in bids],
                [(price * PRICE_SCALE, quantity * QUANTITY_SCALE) for price, quantity in asks],
            )
            for second, bids, asks in rows
        )
    )


class Floor:
    """An exchange with accounts `main` and `other`, each of `money` and with `leverage`, on `ticks`."""

    def __init__(
        self,
        ticks: Ticks,
        *,
        execution: Execution = FREE,
        product: Product = Product.SPOT,
        money: float = 1_000_000,
        leverage: int = 1,
        depth: Books | None = None,
    ) -> None:
        self.instrument: Instrument = instrument(product)
        currency = self.instrument.settle
        specs = [AccountSpec(name, currency, int(money * E12), (), leverage) for name in ("main", "other")]
        self.ticks, self.depth = ticks, depth
        self.ledger = Ledger(specs, "main")
        self.exchange = Exchange(self.instrument, self.ledger, execution, ticks, books=depth)

    def give(
        self,
        side: Side,
        quantity: int,
        *,
        at: float,
        limit: int = 0,
        stop: int = 0,
        account: str = "main",
        strategy: str = "test",
    ) -> Order:
        """An order decided at second `at`, when everything up to then has happened."""
        at_ns = int(at * NS_PER_S)
        next_tick = int(np.searchsorted(self.ticks.ts_ns, at_ns, side="right"))
        self.exchange.advance(next_tick)
        order = Order(
            number=0,
            account=account,
            strategy=strategy,
            side=side,
            kind=OrderKind.LIMIT if limit else OrderKind.STOP if stop else OrderKind.MARKET,
            quantity_e8=quantity * QUANTITY_SCALE,
            limit_e9=limit * PRICE_SCALE,
            stop_e9=stop * PRICE_SCALE,
            given_ns=at_ns,
        )
        last_e9 = int(self.ticks.price_e9[next_tick - 1])
        self.exchange.submit(order, next_tick=next_tick, last_e9=last_e9)
        return order

    def buy(
        self,
        quantity: int,
        *,
        at: float,
        limit: int = 0,
        stop: int = 0,
        account: str = "main",
        strategy: str = "test",
    ) -> Order:
        """An order to buy, as `give`."""
        return self.give(Side.BUY, quantity, at=at, limit=limit, stop=stop, account=account, strategy=strategy)

    def sell(
        self,
        quantity: int,
        *,
        at: float,
        limit: int = 0,
        stop: int = 0,
        account: str = "main",
        strategy: str = "test",
    ) -> Order:
        """An order to sell, as `give`."""
        return self.give(Side.SELL, quantity, at=at, limit=limit, stop=stop, account=account, strategy=strategy)

    def run(self) -> list[tuple[int, int, int]]:
        """Let all trades pass; the fills as (second, price, quantity)."""
        self.exchange.advance(len(self.ticks))
        return [seen(fill) for fill in self.exchange.fills]


def seen(fill: Fill) -> tuple[int, int, int]:
    """A fill as (second, price, quantity), which must be whole."""
    second, rest = divmod(fill.ts_ns, NS_PER_S)
    price, price_rest = divmod(fill.price_e9, PRICE_SCALE)
    quantity, quantity_rest = divmod(fill.quantity_e8, QUANTITY_SCALE)
    assert rest == price_rest == quantity_rest == 0
    return second, price, quantity
