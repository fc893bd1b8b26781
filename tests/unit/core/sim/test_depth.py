"""What recorded books show at an instant, and what is left of them when orders have taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.fixedpoint import MAX_QUANTITY_E8, QUANTITY_SCALE, join_quantity
from core.model.orders import Side
from core.model.records import F_LAST, F_MAYBE_BAD_BOOK, MBP10, MBP10_LEVELS, UNDEF_TIMESTAMP, Schema
from core.sim.depth import STALE_NS, Books
from core.store.dbnfile import DbnFile
from providers.binance.normalise import decode_snapshot
from tests.unit.core.sim.books import book_records, books
from tests.unit.providers.binance.support import Bench, recorded

BIDS = [(99, 5), (98, 6), (97, 7)]
ASKS = [(101, 1), (102, 2), (103, 3)]


def test_the_book_at_an_instant_is_the_last_that_had_come() -> None:
    """A book counts from its own instant on, and of several at one instant the last."""
    found = books((10, BIDS, ASKS), (20, BIDS, ASKS), (20, BIDS, ASKS), (30, BIDS, ASKS))
    assert len(found) == 4
    assert [found.at(ts_ns) for ts_ns in (9, 10, 19, 20, 29, 30, 99)] == [-1, 0, 0, 2, 2, 3, 3]


def test_no_books_show_nothing() -> None:
    """Without a record there is never a book."""
    assert Books.of_records(np.empty(0, MBP10)).at(10) == -1


def test_a_book_marked_as_bad_hides_those_before_it() -> None:
    """Between a withheld book and the next good one there is none, not an old one."""
    records = book_records((10, BIDS, ASKS), (20, BIDS, ASKS), (30, BIDS, ASKS))
    records["flags"] = [F_LAST, F_LAST | F_MAYBE_BAD_BOOK, F_LAST]
    found = Books.of_records(records)
    assert [found.at(ts_ns) for ts_ns in (10, 20, 29, 30)] == [0, -1, -1, 2]


def test_a_book_that_cannot_be_traded_against_is_none() -> None:
    """Empty, one-sided, locked and crossed books, and prices that are none, are not usable."""
    rows = [([], []), (BIDS, []), ([], ASKS), ([(101, 5)], ASKS), ([(102, 5)], ASKS), ([(-1, 5)], ASKS)]
    found = books(*((10 + number, bids, asks) for number, (bids, asks) in enumerate(rows)))
    assert [found.at(10 + number) for number in range(len(rows))] == [-1] * len(rows)


def test_a_recording_that_ended_shows_no_book() -> None:
    """A book that nothing followed for an hour is not what an order would meet."""
    found = books((10, BIDS, ASKS))
    assert (found.at(10 + STALE_NS), found.at(11 + STALE_NS)) == (0, -1)


def test_an_undefined_instant_is_after_everything() -> None:
    """A record without an instant comes last and not before the epoch."""
    records = book_records((10, BIDS, ASKS), (UNDEF_TIMESTAMP, BIDS, ASKS))
    found = Books.of_records(records)
    assert found.at(11) == 0


def test_a_buy_takes_the_asks_and_a_sell_the_bids_best_first() -> None:
    """The walk goes level by level until the quantity is there."""
    found = books((10, BIDS, ASKS))
    assert found.take(0, Side.BUY, 4) == [(101, 1), (102, 2), (103, 1)]
    assert found.take(0, Side.SELL, 6) == [(99, 5), (98, 1)]


def test_a_walk_ends_where_the_book_ends() -> None:
    """More than is shown is not to be had."""
    assert books((10, BIDS, ASKS)).take(0, Side.BUY, 100) == ASKS
    assert books((10, BIDS, ASKS)).take(0, Side.SELL, 100) == BIDS
    assert books((10, BIDS, ASKS)).take(0, Side.BUY, 0) == []


def test_a_walk_does_not_go_beyond_the_limit() -> None:
    """Levels at the limit are taken, those beyond it are not, on either side."""
    assert books((10, BIDS, ASKS)).take(0, Side.BUY, 100, 102) == ASKS[:2]
    assert books((10, BIDS, ASKS)).take(0, Side.BUY, 100, 100) == []
    assert books((10, BIDS, ASKS)).take(0, Side.SELL, 100, 98) == BIDS[:2]
    assert books((10, BIDS, ASKS)).take(0, Side.SELL, 100, 100) == []


def test_what_was_taken_is_gone_while_the_level_stands() -> None:
    """Two orders on one book, or on books that show the same, share a level; the far side is not theirs."""
    found = books((10, BIDS, ASKS), (20, [(99, 1)], [(101, 1), (102, 2), (103, 9)]))
    assert found.take(0, Side.BUY, 2) == [(101, 1), (102, 1)]
    assert found.take(0, Side.BUY, 1) == [(102, 1)]
    assert found.take(1, Side.BUY, 100) == [(103, 9)]
    assert found.take(1, Side.SELL, 100) == [(99, 1)]


def test_a_level_that_changed_is_whole_again() -> None:
    """What is shown after a change is all to be had, even when it is what was shown before the change."""
    changed = books((10, BIDS, [(101, 4)]), (20, BIDS, [(101, 3)]))
    assert changed.take(0, Side.BUY, 4) == [(101, 4)]
    assert changed.take(1, Side.BUY, 9) == [(101, 3)]
    back = books((10, BIDS, [(101, 4)]), (20, BIDS, [(101, 3)]), (30, BIDS, [(101, 4)]))
    assert back.take(0, Side.BUY, 4) == [(101, 4)]
    assert back.take(2, Side.BUY, 9) == [(101, 4)]
    gone = books((10, BIDS, [(101, 4)]), (20, BIDS, [(102, 4)]), (30, BIDS, [(101, 4)]))
    assert gone.take(0, Side.BUY, 4) == [(101, 4)]
    assert gone.take(2, Side.BUY, 9) == [(101, 4)]


def test_a_level_that_moves_up_the_book_stays_taken() -> None:
    """A level is known by its price, not by its place."""
    found = books((10, BIDS, [(101, 1), (102, 5)]), (20, BIDS, [(102, 5)]))
    assert found.take(0, Side.BUY, 4) == [(101, 1), (102, 3)]
    assert found.take(1, Side.BUY, 4) == [(102, 2)]


def test_a_change_far_on_is_noticed() -> None:
    """A level that stands through thousands of books stays taken, and one of them that differs frees it."""
    rows = [(number, BIDS, [(101, 4)]) for number in range(3000)]
    still = books(*rows)
    assert still.take(0, Side.BUY, 3) == [(101, 3)]
    assert still.take(2999, Side.BUY, 3) == [(101, 1)]
    rows[2500] = (2500, BIDS, [(101, 9)])
    moved = books(*rows)
    assert moved.take(0, Side.BUY, 3) == [(101, 3)]
    assert moved.take(2999, Side.BUY, 3) == [(101, 3)]


def test_untouched_books_have_everything_again() -> None:
    """Another run over the same books finds nothing taken, and takes nothing from the first."""
    found = books((10, BIDS, ASKS))
    assert found.take(0, Side.BUY, 1) == [(101, 1)]
    again = found.untouched()
    assert again.take(0, Side.BUY, 2) == [(101, 1), (102, 1)]
    assert found.take(0, Side.BUY, 2) == [(102, 2)]


def test_quantities_of_every_publisher_are_whole() -> None:
    """Our own fill 64 bits in two words; Databento's are whole units, whatever else stands in the count."""
    own = books((10, [(99, 2**40 + 3)], [(101, MAX_QUANTITY_E8)]))
    assert own.take(0, Side.SELL, 2**60) == [(99, 2**40 + 3)]
    assert own.take(0, Side.BUY, MAX_QUANTITY_E8) == [(101, MAX_QUANTITY_E8)]
    mixed = np.concatenate((book_records((10, BIDS, ASKS), publisher=1), book_records((20, BIDS, ASKS))))
    found = Books.of_records(mixed)
    assert found.take(0, Side.BUY, 2**60) == [(price, units * QUANTITY_SCALE) for price, units in ASKS]
    assert found.take(1, Side.SELL, 2**60) == BIDS


def test_a_level_without_a_quantity_is_passed_over() -> None:
    """An empty level between others neither ends the walk nor fills for nothing."""
    found = books((10, [(99, 1), (98, 0), (97, 1)], [(101, 1), (102, 0), (103, 1)]))
    assert found.take(0, Side.BUY, 9) == [(101, 1), (103, 1)]
    assert found.take(0, Side.SELL, 9, 97) == [(99, 1), (97, 1)]


def test_books_keep_nothing_of_the_records() -> None:
    """Records may be written over once the books were made."""
    records = book_records((10, BIDS, ASKS))
    found = Books.of_records(records)
    records.view(MBP10_LEVELS)["levels"]["ask_px"] = 1
    assert found.take(0, Side.BUY, 1) == [(101, 1)]


def test_databentos_own_books(captures: Path) -> None:
    """A file of Databento's: contracts are whole units, best first on both sides."""
    with DbnFile(captures / "databento" / "dbn_test_data.mbp-10.v3.dbn.zst") as file:
        found = Books.of_records(np.concatenate(list(file.pages())))
    assert found.usable.tolist() == [True, True]
    assert found.take(0, Side.SELL, 30 * QUANTITY_SCALE) == [
        (3_720_250_000_000, 24 * QUANTITY_SCALE),
        (3_720_000_000_000, 6 * QUANTITY_SCALE),
    ]


def test_a_real_session_is_walked_as_it_was_shown(captures: Path) -> None:
    """Each book of a day of Binance gives what its record shows, and trades lie where the books before them stood."""
    bench = Bench()
    for received_ns, text in recorded(captures, "spot_btcusdt_20240808.txt.gz", 10**9):
        if text.startswith('{"lastUpdateId"'):
            book = bench.asked[-1]
            book.install(decode_snapshot(text), generation=book.generation, ts_recv_ns=received_ns)
        else:
            bench.hand_over(text, received_ns)
    records, trades = bench.kept(Schema.BOOK).array(Schema.BOOK), bench.kept(Schema.TRADES).array(Schema.TRADES)
    found = Books.of_records(records.view(MBP10))
    assert len(found) > 3000
    assert found.usable.all()
    for number in range(0, len(found), 100):
        levels = records["levels"][number].tolist()
        assert found.untouched().take(number, Side.BUY, MAX_QUANTITY_E8) == [
            (ask, join_quantity(low, high)) for _, ask, _, low, _, high in levels
        ]
        assert found.untouched().take(number, Side.SELL, MAX_QUANTITY_E8) == [
            (bid, join_quantity(low, high)) for bid, _, low, _, high, _ in levels
        ]
    numbers = [found.at(int(ts_ns)) for ts_ns in trades["ts_event"]]
    off_ppm = [
        abs(price_e9 - int(found.bid_e9[number, 0])) * 1_000_000 // price_e9
        for number, price_e9 in zip(numbers, trades["price"].tolist(), strict=True)
        if number >= 0
    ]
    assert len(off_ppm) > 0.99 * len(trades)
    assert float(np.median(off_ppm)) < 100
    assert max(off_ppm) < 2000


_ASK_SIDES = st.lists(st.integers(0, 3), min_size=3, max_size=3).filter(any)
_TAKES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 9), st.sampled_from([0, 101, 102])), max_size=12)


@settings(deadline=None)
@given(st.lists(_ASK_SIDES, min_size=1, max_size=12), _TAKES)
def test_a_plain_dict_takes_the_same(sides: list[list[int]], takes: list[tuple[int, int, int]]) -> None:
    """Whatever is taken and whenever, a dict of what is left, reset level by level as books change, agrees."""
    shown = [{101 + at: quantity for at, quantity in enumerate(side) if quantity} for side in sides]
    found = books(*((number, BIDS, sorted(side.items())) for number, side in enumerate(shown)))
    left = dict(shown[0])
    now = 0
    for number, quantity, limit in sorted(takes, key=lambda take: take[0]):
        while now < min(number, len(shown) - 1):
            now += 1
            left = {
                price: left[price] if shown[now - 1].get(price) == quantity_e8 else quantity_e8
                for price, quantity_e8 in shown[now].items()
            }
        wanted, expected = quantity, []
        for price in sorted(left):
            got = min(wanted, left[price])
            if got and not (limit and price > limit):
                expected.append((price, got))
                left[price] -= got
                wanted -= got
        assert found.take(now, Side.BUY, quantity, limit) == expected
