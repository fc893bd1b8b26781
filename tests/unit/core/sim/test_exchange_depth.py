"""Orders on recorded books: several prices, what is left waits, and what one order took another does not get."""

from __future__ import annotations

from core.model.fixedpoint import QUANTITY_SCALE
from core.model.orders import OrderState
from core.model.records import F_MAYBE_BAD_BOOK
from core.sim.depth import Books
from core.sim.models import Execution, Slippage
from tests.unit.core.sim.books import book_records
from tests.unit.core.sim.exchanges import FREE, Floor, books_of, prices

BIDS = [(99, 5), (98, 5), (90, 5)]
ASKS = [(101, 2), (102, 3), (110, 4)]


def test_a_market_order_walks_the_book() -> None:
    """It gets what is shown at the trade after the event, level by level, however little was traded then."""
    floor = Floor(prices(100, 100, 100), depth=books_of((0, BIDS, ASKS)))
    order = floor.buy(6, at=1)
    assert floor.run() == [(2, 101, 2), (2, 102, 3), (2, 110, 1)]
    assert order.state is OrderState.FILLED
    assert not any(fill.maker for fill in floor.exchange.fills)
    assert floor.exchange.outsized == 0


def test_a_sell_walks_the_bids() -> None:
    """Selling gets the best bid first, and each level below it."""
    floor = Floor(prices(100, 100, 100, 100), depth=books_of((0, BIDS, ASKS)))
    floor.buy(9, at=1)
    floor.sell(8, at=2)
    assert floor.run()[3:] == [(3, 99, 5), (3, 98, 3)]


def test_what_a_book_does_not_show_waits_for_the_next() -> None:
    """An order larger than the book is filled in parts, at the trade after which a book shows more."""
    floor = Floor(prices(100, 100, 100, 100), depth=books_of((0, BIDS, ASKS), (3.5, BIDS, [(103, 100)])))
    order = floor.buy(12, at=1)
    floor.exchange.advance(3)
    assert (order.state, order.left_e8) == (OrderState.PARTLY_FILLED, 3 * QUANTITY_SCALE)
    assert floor.run() == [(2, 101, 2), (2, 102, 3), (2, 110, 4), (4, 103, 3)]


def test_a_later_book_is_not_seen() -> None:
    """The book is the last one up to the trade that fills, never one that came after it."""
    floor = Floor(prices(100, 100, 100), depth=books_of((0, BIDS, ASKS), (2.5, BIDS, [(100, 9)])))
    floor.buy(1, at=1)
    assert floor.run() == [(2, 101, 1)]


def test_two_accounts_share_what_a_book_shows() -> None:
    """What the first took is gone for the second, at the same trade and at later ones on the same book."""
    floor = Floor(prices(100, 100, 100), depth=books_of((0, BIDS, ASKS)))
    floor.buy(3, at=1, account="main")
    floor.buy(2, at=1, account="other")
    floor.buy(1, at=2, account="main")
    assert floor.run() == [(2, 101, 2), (2, 102, 1), (2, 102, 2), (3, 110, 1)]


def test_two_exchanges_do_not_share_what_a_book_shows() -> None:
    """A second run over the same books finds them as they were recorded."""
    depth = books_of((0, BIDS, ASKS))
    for _ in range(2):
        floor = Floor(prices(100, 100), depth=depth)
        floor.buy(3, at=1)
        assert floor.run() == [(2, 101, 2), (2, 102, 1)]


def test_a_limit_order_takes_up_to_its_limit_and_rests() -> None:
    """What a book offers within the limit is taken; the rest waits for a trade through it, as its maker."""
    floor = Floor(prices(100, 100, 102, 101, 103), depth=books_of((0, BIDS, ASKS)))
    floor.buy(8, at=1, limit=102)
    assert floor.run() == [(2, 101, 2), (2, 102, 3), (4, 102, 3)]
    assert [fill.maker for fill in floor.exchange.fills] == [False, False, True]


def test_a_limit_order_that_the_book_does_not_meet_rests() -> None:
    """What the book did not offer when it came it waits for at its own price, from the next trade on."""
    floor = Floor(prices(100, 100, 99, 99), depth=books_of((0, BIDS, ASKS), (2.5, [(90, 1)], [(95, 9)])))
    floor.buy(1, at=1, limit=100)
    assert floor.run() == [(3, 100, 1)]
    assert floor.exchange.fills[0].maker


def test_a_withheld_book_leaves_the_trades() -> None:
    """Where no book is usable an order fills as if there were none, and is counted when larger than the trade."""
    records = book_records((0, [(1, 1)], [(2, 1)]))
    records["flags"] = F_MAYBE_BAD_BOOK
    floor = Floor(prices(100, 105), depth=Books.of_records(records))
    floor.buy(101, at=1)
    assert floor.run() == [(2, 105, 101)]
    assert floor.exchange.outsized == 1


def test_a_triggered_stop_walks_the_book_of_the_next_trade() -> None:
    """A stop takes what is shown after the trade that triggered it."""
    floor = Floor(prices(100, 105, 100), depth=books_of((0, BIDS, ASKS), (2.5, BIDS, [(120, 1), (121, 1)])))
    floor.buy(2, at=1, stop=105)
    assert floor.run() == [(3, 120, 1), (3, 121, 1)]


def test_slippage_comes_on_top_of_the_book() -> None:
    """Each level is dearer by the slippage."""
    floor = Floor(
        prices(100, 100), execution=Execution(FREE.fees, Slippage(increments=100)), depth=books_of((0, BIDS, ASKS))
    )
    floor.buy(3, at=1)
    assert floor.run() == [(2, 102, 2), (2, 103, 1)]


def test_money_that_ends_within_a_book_ends_the_order() -> None:
    """What the account could pay is filled, the rest is cancelled and says why."""
    floor = Floor(prices(100, 100, 100), money=500, depth=books_of((0, BIDS, ASKS)))
    order = floor.buy(5, at=1)
    assert floor.run() == [(2, 101, 2)]
    assert order.state is OrderState.CANCELLED
    assert "not enough" in order.reason
    assert floor.ledger.total_locked_for_account("main") == 0
