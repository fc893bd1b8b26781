"""The book against a plain dict, whatever is done to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.model.records import BUY, SELL
from providers.venue.book import Book

_CHANGES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 40), st.integers(0, 3)),
        st.tuples(st.just(b"truncate"), st.integers(0, 12), st.just(0)),
        st.tuples(st.just(b"clear"), st.just(0), st.just(0)),
    ),
    max_size=200,
)
_Model = dict[bytes, dict[int, int]]


def _ranked(model: _Model, side: bytes) -> list[tuple[int, int]]:
    return sorted(model[side].items(), reverse=side == BUY)


def _model_change(model: _Model, what: bytes, number: int, quantity: int) -> None:
    if what == b"clear":
        model[BUY].clear()
        model[SELL].clear()
    elif what == b"truncate":
        for side in (BUY, SELL):
            model[side] = dict(_ranked(model, side)[:number])
    elif quantity:
        model[what][number] = quantity
    else:
        model[what].pop(number, None)


@given(_CHANGES, st.integers(0, 15))
def test_a_book_is_a_sorted_dict(changes: list[tuple[bytes, int, int]], count: int) -> None:
    """After any changes each side lists the levels of a plain dict, best first."""
    book = Book()
    model: _Model = {BUY: {}, SELL: {}}
    for what, number, quantity in changes:
        _model_change(model, what, number, quantity)
        if what == b"clear":
            book.clear()
        elif what == b"truncate":
            book.truncate(number)
        else:
            book.apply(what, number, quantity)
    for side, levels in ((BUY, book.bids), (SELL, book.asks)):
        expected = _ranked(model, side)
        prices, quantities = levels.top(count)
        assert list(zip(prices, quantities, strict=True)) == expected[:count]
        assert len(levels) == len(expected)
        assert levels.best_price_e9() == (expected[0][0] if expected else None)
    bids, asks = _ranked(model, BUY), _ranked(model, SELL)
    assert book.crossed == bool(bids and asks and bids[0][0] >= asks[0][0])
    for levels in (book.bids, book.asks) if count else ():
        reached = levels.reaches(20, count)
        levels.apply(20, 9)
        assert (20 in levels.top(count)[0]) is reached
