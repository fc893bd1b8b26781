"""The simulated exchange under any orders: what always holds, and that a plain loop over all trades does the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from core.bars.ticks import Ticks
from core.clock import NS_PER_S
from core.model.fixedpoint import PRICE_SCALE, QUANTITY_SCALE
from core.model.instruments import Product
from core.model.orders import Fill, Order, OrderKind, OrderState, Side
from core.sim.depth import Books
from core.sim.exchange import Exchange, take_back_all
from core.sim.fees import FeeSchedule
from core.sim.guarding import LIQUIDATION
from core.sim.models import Execution, Latency, Slippage
from tests.unit.core.sim.exchanges import FREE, Floor, books_of, ticks_of

LOW, HIGH = 95, 105
CENT_E9 = PRICE_SCALE // 100


class Act(NamedTuple):
    """What is done after trade number `event`: an order with the price of its kind, or the cancelling of one."""

    event: int
    kind: OrderKind | None
    side: Side
    quantity: int
    price: int
    account: str

    def order(self, given_ns: int) -> Order:
        """The order, as a strategy would give it then."""
        assert self.kind is not None
        return Order(
            number=0,
            account=self.account,
            strategy="test",
            side=self.side,
            kind=self.kind,
            quantity_e8=self.quantity * QUANTITY_SCALE,
            limit_e9=self.price * PRICE_SCALE if self.kind is OrderKind.LIMIT else 0,
            stop_e9=self.price * PRICE_SCALE if self.kind is OrderKind.STOP else 0,
            given_ns=given_ns,
        )


Rows = list[tuple[int, int, int]]
PRICES = st.integers(LOW, HIGH)
ROWS = st.lists(st.tuples(st.integers(0, 2), PRICES, st.integers(1, 5)), min_size=2, max_size=30)
ACTS = st.lists(
    st.builds(
        Act,
        st.integers(0, 29),
        st.sampled_from([*OrderKind, None]),
        st.sampled_from(Side),
        st.integers(1, 8),
        PRICES,
        st.sampled_from(["main", "other"]),
    ),
    min_size=1,
    max_size=20,
)
MARKETS = st.sampled_from(
    [
        (Product.SPOT, 10**6, 1),
        (Product.SPOT, 1000, 1),
        (Product.LINEAR_PERPETUAL, 10**6, 1),
        (Product.LINEAR_PERPETUAL, 30, 20),
        (Product.INVERSE_PERPETUAL, 10**6, 1),
        (Product.INVERSE_PERPETUAL, 0.003, 20),
    ]
)
EXECUTIONS = st.builds(
    Execution,
    st.builds(FeeSchedule, st.integers(-500, 3000), st.integers(0, 5000), st.just("test")),
    st.builds(Slippage, st.sampled_from([0, 0, 1, 5000]), st.integers(0, 2)),
    st.builds(Latency, st.sampled_from([0, 0, NS_PER_S]), st.sampled_from([0, 2 * NS_PER_S]), st.integers(0, 3)),
    st.booleans(),
)
SIZES = st.lists(st.integers(1, 4), min_size=3, max_size=3)
BOOKS = st.none() | st.lists(st.tuples(st.integers(0, 60), PRICES, SIZES, SIZES), max_size=12)


def trades(rows: Rows) -> Ticks:
    """Trades from (seconds since the one before, price, quantity)."""
    seconds = accumulate(gap for gap, _, _ in rows)
    return ticks_of(*((second, price, quantity) for second, (_, price, quantity) in zip(seconds, rows, strict=True)))


def depth(rows: Sequence[tuple[int, int, list[int], list[int]]] | None) -> Books | None:
    """Books of three levels a side from (second, price in the middle, sizes of bids, sizes of asks)."""
    if rows is None:
        return None
    return books_of(
        *(
            (
                second,
                [(price - 1 - at, size) for at, size in enumerate(bids)],
                [(price + 1 + at, size) for at, size in enumerate(asks)],
            )
            for second, price, bids, asks in sorted(rows)
        )
    )


def in_order(acts: list[Act], rows: Rows) -> list[Act]:
    """The acts by trade, each after one of those there are."""
    return sorted((one._replace(event=one.event % len(rows)) for one in acts), key=lambda one: one.event)


def act(exchange: Exchange, ticks: Ticks, one: Act) -> None:
    """Do it, the exchange having seen every trade up to its event."""
    if one.kind is None:
        waiting = list(exchange.working("test"))
        if waiting:
            exchange.cancel(waiting[one.quantity % len(waiting)], "taken back")
        return
    order = one.order(int(ticks.ts_ns[one.event]))
    exchange.submit(order, next_tick=one.event + 1, last_e9=int(ticks.price_e9[one.event]))


def in_one_go(floor: Floor, acts: list[Act]) -> None:
    """Everything, the exchange moved only when there is something to say."""
    for one in acts:
        floor.exchange.advance(one.event + 1)
        act(floor.exchange, floor.ticks, one)
    floor.exchange.advance(len(floor.ticks))


def trade_by_trade(floor: Floor, acts: list[Act]) -> Iterator[int]:
    """Everything, the exchange moved by one trade at a time: yields its number once what it does is done, and again
    when orders were given after it."""
    for number in range(len(floor.ticks)):
        floor.exchange.advance(number + 1)
        yield number
        for one in acts:
            if one.event == number:
                act(floor.exchange, floor.ticks, one)
        yield number


def amounts(totals: dict[str, int]) -> dict[str, int]:
    """Those that are not nothing."""
    return {currency: amount for currency, amount in totals.items() if amount}


def assert_nothing_locked(floor: Floor) -> None:
    """No order waits, and no account keeps money for one."""
    for account in floor.ledger.accounts.values():
        assert amounts(account.locked_e12) == {}


def assert_fair(floor: Floor, order: Order, fill: Fill, tick: int, execution: Execution) -> None:
    """The price of a fill is one that was traded or shown at that trade, and made no better for the order."""
    traded_e9, limit_e9, sign = int(floor.ticks.price_e9[tick]), order.limit_e9, fill.side.sign
    if fill.maker:
        assert fill.price_e9 == limit_e9
        assert (limit_e9 - traded_e9) * sign >= (0 if execution.touch else 1)
        assert fill.quantity_e8 <= floor.ticks.quantity_e8[tick]
        return
    offered = {traded_e9: order.quantity_e8}
    number = -1 if floor.depth is None else floor.depth.at(fill.ts_ns)
    if floor.depth is not None and number >= 0:
        books = floor.depth
        levels = (books.ask_e9, books.ask_e8) if fill.side is Side.BUY else (books.bid_e9, books.bid_e8)
        offered = dict(zip(levels[0][number].tolist(), levels[1][number].tolist(), strict=True))
    slipped: Counter[int] = Counter()
    for price_e9, quantity_e8 in offered.items():
        if quantity_e8 and (not limit_e9 or (limit_e9 - price_e9) * sign >= 0):
            paid_e9 = execution.slippage.price_e9(fill.side, price_e9, CENT_E9)
            slipped[min(paid_e9 * sign, limit_e9 * sign) * sign if limit_e9 else paid_e9] += quantity_e8
    assert fill.quantity_e8 <= slipped[fill.price_e9]


@settings(deadline=None)
@given(
    rows=ROWS,
    acts=ACTS,
    execution=EXECUTIONS,
    books=BOOKS,
    market=MARKETS,
)
def test_what_always_holds(
    *,
    rows: Rows,
    acts: list[Act],
    execution: Execution,
    books: list[tuple[int, int, list[int], list[int]]] | None,
    market: tuple[Product, float, int],
) -> None:
    """No fill before its time, out of thin air or beyond its order; no money made, lost or left locked; and however
    far the exchange is moved at a time, the same comes of it."""
    ticks, acts = trades(rows), in_order(acts, rows)
    product, money, leverage = market
    floors = [
        Floor(ticks, execution=execution, product=product, money=money, leverage=leverage, depth=depth(books))
        for _ in range(2)
    ]
    floor, exchange = floors[0], floors[0].exchange
    began = amounts(floor.ledger.totals())
    given_at: list[int] = []
    filled: Counter[int] = Counter()
    seen = 0
    for number in trade_by_trade(floor, acts):
        given_at += [number] * (len(exchange.orders) - len(given_at))
        for fill in exchange.fills[seen:]:
            order = exchange.orders[fill.order - 1]
            assert number > given_at[fill.order - 1]
            assert order.given_ns <= order.active_ns <= fill.ts_ns == ticks.ts_ns[number]
            assert (fill.side, fill.account, fill.strategy) == (order.side, order.account, order.strategy)
            assert_fair(floor, order, fill, number, execution)
            filled[fill.order] += fill.quantity_e8
        seen = len(exchange.fills)
        assert amounts(floor.ledger.totals()) == began
        if not any(True for name in ("test", LIQUIDATION) for _ in exchange.working(name)):
            assert_nothing_locked(floor)
    take_back_all(exchange)
    in_one_go(floors[1], acts)
    take_back_all(floors[1].exchange)

    assert_nothing_locked(floor)
    assert all(order.done for order in exchange.orders)
    for order in exchange.orders:
        assert filled[order.number] == order.filled_e8 <= order.quantity_e8
        assert (order.state is OrderState.FILLED) is (order.left_e8 == 0)
    assert floors[1].exchange.fills == exchange.fills
    assert floors[1].exchange.liquidated == exchange.liquidated
    assert floors[1].ledger.totals() == floor.ledger.totals()
    assert [(one.state, one.reason, one.triggered) for one in floors[1].exchange.orders] == [
        (one.state, one.reason, one.triggered) for one in exchange.orders
    ]


class Waiting:
    """An order in the plain loop."""

    def __init__(self, one: Act, number: int, active_ns: int) -> None:
        self.one, self.number, self.active_ns = one, number, active_ns
        self.left, self.triggered = one.quantity, False
        self.resting: bool | None = None

    def meet(self, price: int, quantity: int, *, before: int, touch: bool) -> tuple[int, int, bool] | None:
        """What it gets of a trade: (price, quantity, as maker); `before` is the price of the trade before."""
        kind, sign = self.one.kind, self.one.side.sign
        better = (self.one.price - price) * sign
        if kind is OrderKind.STOP and not self.triggered:
            self.triggered = better <= 0
            return None
        if kind is not OrderKind.LIMIT:
            return price, self.left, False
        least = 0 if touch else 1
        if self.resting is None:
            self.resting = (self.one.price - before) * sign < least
        if not self.resting:
            self.resting = True
            return (price, self.left, False) if better >= 0 else None
        return (self.one.price, min(self.left, quantity), True) if better >= least else None


def plain_loop(ticks: Ticks, acts: list[Act], execution: Execution) -> list[tuple[int, int, int, int, bool]]:
    """The rules, trade by trade and order by order, for accounts that can pay for everything."""
    waiting: list[Waiting] = []
    found = []
    given = 0
    for number in range(len(ticks)):
        tick, before = ticks.tick(number), int(ticks.price_e9[number - 1]) // PRICE_SCALE
        price, quantity = tick.price_e9 // PRICE_SCALE, tick.quantity_e8 // QUANTITY_SCALE
        for order in waiting:
            if tick.ts_ns < order.active_ns:
                continue
            got = order.meet(price, quantity, before=before, touch=execution.touch)
            if got is not None and got[1]:
                quantity -= got[1] if got[2] else 0
                found.append((tick.ts_ns, order.number, *got))
                order.left -= got[1]
        waiting = [order for order in waiting if order.left]
        for one in acts:
            if one.event != number:
                continue
            if one.kind is not None:
                given += 1
                waiting.append(Waiting(one, given, tick.ts_ns + execution.latency.delay_ns(given)))
            elif waiting:
                del waiting[one.quantity % len(waiting)]
    return found


@settings(deadline=None)
@given(ROWS, ACTS, EXECUTIONS)
def test_a_plain_loop_fills_the_same(rows: Rows, acts: list[Act], execution: Execution) -> None:
    """Where money is no matter, searching the prices finds what looking at each trade finds."""
    plain = Execution(FREE.fees, latency=execution.latency, touch=execution.touch)
    floor = Floor(trades(rows), execution=plain, product=Product.LINEAR_PERPETUAL, money=10**9)
    acts = in_order(acts, rows)
    in_one_go(floor, acts)
    assert [
        (fill.ts_ns, fill.order, fill.price_e9 // PRICE_SCALE, fill.quantity_e8 // QUANTITY_SCALE, fill.maker)
        for fill in floor.exchange.fills
    ] == plain_loop(floor.ticks, acts, plain)
