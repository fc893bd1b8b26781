"""Kraken Futures' books: numbers that are missing, repeated or mixed up, and what is shown then."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from core.clock import NS_PER_S
from core.model.records import F_LAST, F_MAYBE_BAD_BOOK, F_SNAPSHOT, F_TOB, UNDEF_PRICE, Schema
from providers.base import BookState
from providers.kraken.futures.market import KEPT_LEVELS, MAX_LEVELS
from tests.unit.providers.kraken.futures_support import (
    NOW_NS,
    PRODUCT,
    FuturesRig,
    book_snapshot,
    change,
    products,
    trade,
)

ASKED_ANEW = [("unsubscribe", "book", [PRODUCT]), ("subscribe", "book", [PRODUCT])]
BEAT = {"feed": "heartbeat", "time": 1}


def _live_rig() -> FuturesRig:
    rig = FuturesRig(products()[PRODUCT], products()["PI_ETHUSD"])
    rig.handle(book_snapshot(100), book_snapshot(9, product="PI_ETHUSD"))
    return rig


def _top(rig: FuturesRig) -> tuple[int, int, int, int]:
    quote = rig.records(Schema.QUOTES)[-1]
    return quote["bid_px_00"], quote["bid_sz_00"], quote["ask_px_00"], quote["ask_sz_00"]


def test_a_snapshot_is_a_book_and_a_quote() -> None:
    """Ten levels a side and the best of them, under the book's number, marked as a snapshot."""
    rig = _live_rig()
    (book,), (quote,) = rig.books(), rig.records(Schema.QUOTES)
    assert (book["sequence"], book["flags"], rig.counters.book_state) == (100, F_LAST | F_SNAPSHOT, BookState.LIVE)
    assert (quote["sequence"], quote["flags"]) == (100, F_LAST | F_SNAPSHOT | F_TOB)
    assert _top(rig) == (99_500_000_000, 10 * 10**8, 100_500_000_000, 20 * 10**8)
    assert (book["levels"]["bid_px"][9], book["levels"]["ask_px"][9]) == (95 * 10**9, 105 * 10**9)
    assert [newest for _, newest in rig.sink.channels[PRODUCT, Schema.BOOK].pushes] == [100]


def test_only_what_shows_is_published() -> None:
    """A change beyond the tenth level is applied and counted; a quote comes only with a new best price or size."""
    rig = _live_rig()
    rig.handle(change(101, 94.5, 3.0), change(102, 95.5, 3.0), change(103, 99.5, 3.0))
    assert (rig.counters.book_updates, len(rig.books()), rig.counters.quotes) == (4, 3, 2)
    assert rig.books()["sequence"].tolist() == [100, 102, 103]
    rig.handle(change(104, 99.5, 0), change(105, 99.0, 0), change(106, 98.5, 0))
    assert rig.books()[-1]["levels"]["bid_px"].tolist() == [98 * 10**9 - n * 5 * 10**8 for n in range(9)] + [
        UNDEF_PRICE
    ]
    assert rig.books()[-1]["levels"]["bid_sz"][7] == 3 * 10**8, "the change beyond the tenth level was kept"
    assert _top(rig)[0] == 98 * 10**9


def test_an_empty_side_has_no_price() -> None:
    """A book may lose a whole side."""
    rig = _live_rig()
    rig.handle(book_snapshot(200, bids=[]))
    assert _top(rig)[:2] == (UNDEF_PRICE, 0)
    assert rig.counters.book_state is BookState.LIVE


def test_a_missing_number_withholds_that_book_at_once() -> None:
    """Book and quote are taken back, the product alone is asked for anew, and the rest goes on."""
    rig = _live_rig()
    rig.handle(change(102))
    counters, other = rig.feed.counters
    assert (counters.book_breaks, counters.book_state, other.book_state) == (1, BookState.SYNCING, BookState.LIVE)
    assert counters.problem == "book: change 102 where 101 is due"
    assert rig.requests() == ASKED_ANEW
    assert rig.books()[-1]["flags"] == F_LAST | F_MAYBE_BAD_BOOK
    assert rig.records(Schema.QUOTES)[-1]["flags"] == F_LAST | F_TOB | F_MAYBE_BAD_BOOK
    assert _top(rig) == (UNDEF_PRICE, 0, UNDEF_PRICE, 0)
    published = len(rig.books())
    rig.handle(change(103), change(104), trade(5))
    assert (len(rig.books()), counters.trades, rig.requests()) == (published, 1, [])
    rig.handle(book_snapshot(110), change(111))
    assert (counters.book_state, counters.problem, counters.book_breaks) == (BookState.LIVE, "", 1)
    assert _top(rig)[:2] == (99_500_000_000, 7 * 10**8)


def test_a_repeated_number_is_a_duplicate() -> None:
    """It was applied already: counted, and nothing else."""
    rig = _live_rig()
    rig.handle(change(101), change(101, qty=9.0), change(50, qty=9.0))
    assert (rig.counters.duplicates, rig.counters.book_breaks, _top(rig)[1]) == (2, 0, 7 * 10**8)


def test_two_changes_in_the_wrong_order_are_a_gap() -> None:
    """The later one first cannot be applied; the earlier one is then no longer for this book."""
    rig = _live_rig()
    rig.handle(change(102), change(101))
    assert (rig.counters.book_breaks, rig.counters.duplicates, rig.counters.book_state) == (1, 0, BookState.SYNCING)


def test_a_stale_snapshot_is_found_out_by_the_next_change() -> None:
    """A snapshot that was overtaken by changes shows an old book for one message only."""
    rig = FuturesRig()
    rig.handle(change(101), book_snapshot(100), change(102))
    assert (rig.counters.book_breaks, rig.counters.book_state) == (1, BookState.SYNCING)


@pytest.mark.parametrize(
    "fields",
    [{"price": 1e-10}, {"price": -5}, {"price": 0}, {"qty": -1}, {"qty": 1e-9}, {"qty": "7"}, {"side": "both"},
     {"price": None}, {"side": ""}],
)  # fmt: skip
def test_a_change_that_does_not_fit_makes_the_book_wrong(fields: dict[str, Any]) -> None:
    """It cannot be left out of a book: counted, withheld, asked for anew."""
    rig = _live_rig()
    rig.handle({**change(101), **fields})
    assert (rig.counters.rejected, rig.counters.book_breaks, rig.counters.book_state) == (1, 1, BookState.SYNCING)
    assert rig.requests() == ASKED_ANEW


@pytest.mark.parametrize(
    "level", [{"price": "99", "qty": 1.0}, {"price": 99.0, "qty": 0}, {"price": 101.0, "qty": 1.0}]
)
def test_a_wrong_snapshot_is_never_shown(level: dict[str, Any]) -> None:
    """A number that is none, an empty level, a bid above the ask: nothing is published, and it is asked for anew."""
    rig = FuturesRig()
    rig.handle(book_snapshot(bids=[level]))
    assert (len(rig.sink.channels[PRODUCT, Schema.BOOK].pushes), rig.counters.book_breaks) == (0, 1)
    assert rig.requests() == ASKED_ANEW
    rig.handle(book_snapshot())
    assert (rig.counters.book_state, len(rig.books())) == (BookState.LIVE, 1)


def test_a_crossed_book_is_withheld() -> None:
    """Somebody bids more than somebody asks: no market stands like that."""
    rig = _live_rig()
    rig.handle(change(101, 101.0, 1.0))
    assert (rig.counters.problem, rig.counters.book_state) == ("book: bid above ask", BookState.SYNCING)


def test_a_book_without_end_is_cut() -> None:
    """A venue that sends levels for ever does not fill our memory; the best ones stay."""
    rig = FuturesRig()
    bids = [{"price": round(1 + step * 0.005, 3), "qty": 1.0} for step in range(MAX_LEVELS)]
    rig.handle(book_snapshot(1, bids=bids), change(2, 0.5, 1.0), change(3, 0.25, 1.0))
    market = rig.feed._markets[PRODUCT]
    assert KEPT_LEVELS <= len(market._book.bids) <= KEPT_LEVELS + 1
    assert rig.counters.book_state is BookState.LIVE


def test_a_book_that_keeps_breaking_is_asked_for_ever_more_slowly(caplog: pytest.LogCaptureFixture) -> None:
    """At once the first time, then after 1, 2, 4 s and so on, never more than 30 s; and not a line a frame."""
    rig = FuturesRig()
    waits = []
    now_ns = NOW_NS
    with caplog.at_level(logging.WARNING, "ringside.kraken_futures"):
        for _ in range(8):
            rig.handle(book_snapshot(bids=[{"price": 500.0, "qty": 1.0}]), at_ns=now_ns)
            began_ns = now_ns
            while not [request for request in rig.requests() if request[0] == "subscribe"]:
                now_ns += NS_PER_S
                rig.handle(BEAT, at_ns=now_ns)
            waits.append((now_ns - began_ns) // NS_PER_S)
    assert waits == [0, 1, 2, 4, 8, 16, 30, 30]
    assert len(caplog.records) == 4


def test_a_snapshot_that_never_comes_is_asked_for_again() -> None:
    """Changes without their snapshot for thirty seconds, at the beginning or after a gap, and it is asked for."""
    rig = FuturesRig()
    for repeat in range(2):
        began_ns = NOW_NS + repeat * 100 * NS_PER_S
        rig.handle(change(5), at_ns=began_ns)
        rig.handle(BEAT, at_ns=began_ns + 29 * NS_PER_S)
        assert [request for request in rig.requests() if request[0] != "ping"] == []
        rig.handle(BEAT, at_ns=began_ns + 30 * NS_PER_S)
        assert rig.requests() == ASKED_ANEW
        rig.handle(book_snapshot(10), at_ns=began_ns + 31 * NS_PER_S)
        rig.feed.closed()
        rig.feed.opened()


def test_a_lost_connection_withholds_and_a_new_one_brings_back() -> None:
    """Readers drop the book when the connection goes, and see it again with the next snapshot."""
    rig = _live_rig()
    rig.feed.closed()
    assert rig.counters.book_state is BookState.WITHHELD
    rig.feed.opened()
    rig.handle(change(101))
    assert (rig.counters.book_state, len(rig.books())) == (BookState.SYNCING, 2)
    rig.handle(book_snapshot(90))
    assert (rig.counters.book_state, rig.counters.book_breaks, rig.counters.quotes) == (BookState.LIVE, 0, 3)


def test_a_product_that_leaves_and_returns() -> None:
    """Its book and quote are taken back, nothing is published meanwhile, and coming back is no gap."""
    rig = _live_rig()
    rig.handle(trade(5))
    rig.feed.unsubscribe("BTCUSD")
    assert rig.requests() == [("unsubscribe", feed, [PRODUCT]) for feed in ("trade", "book", "ticker")]
    assert (rig.counters.book_state, _top(rig)[0]) == (BookState.NONE, UNDEF_PRICE)
    published = len(rig.books())
    rig.handle(change(101), trade(6))
    assert rig.feed.subscribe(products()[PRODUCT]) is rig.counters
    assert rig.feed.subscribe(products()[PRODUCT]) is rig.counters
    assert rig.requests() == [("subscribe", feed, [PRODUCT]) for feed in ("trade", "book", "ticker")]
    rig.handle({"event": "subscribed", "feed": "trade", "product_ids": [PRODUCT]}, trade(900), trade(901))
    assert (rig.counters.book_breaks, rig.counters.trades, len(rig.books())) == (0, 3, published)
    rig.handle(book_snapshot(500))
    assert rig.counters.book_state is BookState.LIVE
