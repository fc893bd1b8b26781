"""The book of integer prices: what stands where, and the best of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.model.records import BUY, SELL
from providers.venue.book import Book


def _filled() -> Book:
    book = Book()
    for number in range(1, 6):
        book.apply(BUY, 100 - number, number)
        book.apply(SELL, 100 + number, number * 10)
    return book


def test_top_is_best_first_on_both_sides() -> None:
    """Bids come highest first, asks lowest first."""
    book = _filled()
    assert book.bids.top(3) == ([99, 98, 97], [1, 2, 3])
    assert book.asks.top(3) == ([101, 102, 103], [10, 20, 30])


def test_top_gives_what_there_is() -> None:
    """Asking for more levels than there are gives those there are."""
    assert _filled().bids.top(10) == ([99, 98, 97, 96, 95], [1, 2, 3, 4, 5])
    assert Book().asks.top(10) == ([], [])


@given(st.lists(st.tuples(st.integers(1, 15), st.integers(0, 3), st.integers(1, 12)), max_size=40))
def test_what_is_remembered_of_the_top_is_the_top(changes: list[tuple[int, int, int]]) -> None:
    """After any changes and cuts, however often and for how many levels it is asked, the answer is what stands."""
    asked, fresh = Book(), Book()
    for price_e9, quantity_e8, depth in changes:
        for book in (asked, fresh):
            book.apply(SELL, price_e9, quantity_e8)
            book.truncate(depth)
        stands = dict(zip(*asked.asks.top(99), strict=True))
        for count in (2, 10):
            assert asked.asks.top(count) == tuple(map(list, ([*stands][:count], [*stands.values()][:count])))
            assert asked.asks.top(count) is asked.asks.top(count)
    assert asked.asks.top(10) == fresh.asks.top(10)


def test_applying_again_replaces_the_quantity() -> None:
    """A level is set, not added to."""
    book = _filled()
    book.apply(BUY, 99, 7)
    assert book.bids.top(1) == ([99], [7])
    assert len(book.bids) == 5


def test_zero_deletes_and_unknown_deletes_are_normal() -> None:
    """Quantity 0 removes a level; removing what is not there changes nothing."""
    book = _filled()
    book.apply(SELL, 101, 0)
    book.apply(SELL, 555, 0)
    assert book.asks.top(1) == ([102], [20])
    assert len(book.asks) == 4


def test_truncate_keeps_the_best() -> None:
    """Levels beyond the depth go, and come back only when they are sent again."""
    book = _filled()
    book.truncate(2)
    book.truncate(2)
    assert book.bids.top(9) == ([99, 98], [1, 2])
    assert book.asks.top(9) == ([101, 102], [10, 20])
    book.apply(BUY, 97, 9)
    assert book.bids.top(9) == ([99, 98, 97], [1, 2, 9])


def test_clear_empties_both_sides() -> None:
    """A cleared book has no best price."""
    book = _filled()
    book.clear()
    assert book.bids.best_price_e9() is None
    assert book.asks.best_price_e9() is None
    assert not book.crossed


def test_crossed_says_when_no_market_could_stand() -> None:
    """A bid at or above the best ask is crossed."""
    book = _filled()
    assert not book.crossed
    assert (book.bids.best_price_e9(), book.asks.best_price_e9()) == (99, 101)
    book.apply(BUY, 101, 1)
    assert book.crossed
