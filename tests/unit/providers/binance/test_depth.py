"""Joining a snapshot with the changes around it."""

from __future__ import annotations

import numpy as np

from core.model.records import F_LAST, F_MAYBE_BAD_BOOK, F_SNAPSHOT, MBP10_LEVELS, UNDEF_PRICE, Schema
from providers.base import BookState, FeedCounters
from providers.binance.depth import MAX_BUFFERED, MAX_LEVELS, DepthBook
from providers.binance.normalise import Depth, Level, Snapshot
from tests.unit.providers.binance.support import Kept, instrument

ASK = [("101.0", "1.0")]
BID = [("100.0", "1.0")]


class Desk:
    """One book, what it asked for and what it published."""

    def __init__(self) -> None:
        self.kept = Kept()
        self.counters = FeedCounters(instrument())
        self.asked: list[DepthBook] = []
        self.book = DepthBook(instrument(), self.counters, self.kept, self.asked.append)
        self.book.begin()

    def change(
        self, first_id: int, last_id: int, bids: list[Level] | None = None, asks: list[Level] | None = None
    ) -> None:
        """One event, sent at `last_id` ms and received at `last_id` ns."""
        event = Depth("depthUpdate", last_id, "BTCUSDT", first_id, last_id, bids or [], asks or [])
        self.book.take(event, last_id)

    def install(self, last_id: int, bids: list[Level] | None = None, asks: list[Level] | None = None) -> bool:
        """Answer the newest request."""
        snapshot = Snapshot(last_id, BID if bids is None else bids, ASK if asks is None else asks)
        return self.book.install(snapshot, generation=self.book.generation, ts_recv_ns=7777)

    def state(self) -> BookState:
        """Where the book stands."""
        return self.counters.book_state

    @property
    def sequences(self) -> list[int]:
        """The update ids published."""
        return self.kept.ids

    @property
    def flags(self) -> list[int]:
        """The flags published."""
        return [int(each) for each in self.kept.array(Schema.BOOK)["flags"]]


def test_the_procedure_from_buffer_to_live() -> None:
    """Events up to the snapshot are dropped, the one across it and those after are applied, each with a record."""
    desk = Desk()
    desk.change(1, 5)
    desk.change(6, 9, bids=[("100.5", "2.0")])
    desk.change(10, 12, asks=[("101.0", "0.0"), ("102.0", "3.0")])
    assert len(desk.asked) == 1
    assert desk.kept.records == []
    assert desk.state() is BookState.SYNCING
    assert desk.install(7)
    assert desk.state() is BookState.LIVE
    desk.change(13, 13)
    assert desk.sequences == [7, 9, 12, 13]
    assert desk.flags == [F_LAST | F_SNAPSHOT, F_LAST, F_LAST, F_LAST]
    books = desk.kept.array(Schema.BOOK)
    assert books["levels"]["bid_px"][:, 0].tolist() == [100_000_000_000, *[100_500_000_000] * 3]
    assert books["levels"]["ask_px"][:, 0].tolist() == [101_000_000_000] * 2 + [102_000_000_000] * 2
    assert books["ts_recv"].tolist() == [5, 9, 12, 13]
    assert books["ts_event"].tolist() == [5_000_000, 9_000_000, 12_000_000, 13_000_000]
    assert desk.counters.book_updates == 4
    assert (desk.counters.book_breaks, desk.counters.duplicates) == (0, 0)


def test_the_first_event_may_begin_right_after_the_snapshot() -> None:
    """`U == lastUpdateId + 1` is right, although the venue's page demands more."""
    desk = Desk()
    desk.change(8, 9)
    assert desk.install(7)
    assert desk.sequences == [7, 9]


def test_a_snapshot_that_is_too_old_is_refused() -> None:
    """A snapshot that ends before the first buffered event begins is of no use: another must be asked for."""
    desk = Desk()
    desk.change(10, 12)
    assert not desk.install(8)
    assert desk.state() is BookState.SYNCING
    assert desk.kept.records == []
    assert desk.install(9)
    assert desk.sequences == [9, 12]


def test_a_quiet_market_is_shown_from_the_snapshot_alone() -> None:
    """With nothing buffered the snapshot is published at the time given; events inside it pass without a word."""
    desk = Desk()
    desk.book.ask()
    assert desk.install(7)
    assert desk.kept.array(Schema.BOOK)["ts_recv"].tolist() == [7777]
    desk.change(5, 6)
    desk.change(6, 9)
    assert desk.sequences == [7, 9]
    assert desk.counters.duplicates == 0


def test_a_gap_withholds_the_book_at_once_and_asks_again() -> None:
    """A missing event: one empty record marked bad, a gap counted, one request; then live on the next snapshot."""
    desk = Desk()
    desk.change(6, 9)
    desk.install(7)
    desk.change(11, 12, bids=[("100.7", "1.0")])
    assert desk.state() is BookState.SYNCING
    assert desk.counters.book_breaks == 1
    assert "10 is due" in desk.counters.problem
    assert len(desk.asked) == 2
    last = desk.kept.array(Schema.BOOK)[-1]
    assert int(last["flags"]) & F_MAYBE_BAD_BOOK
    assert set(last["levels"]["bid_px"].tolist()) == {UNDEF_PRICE}
    desk.change(13, 14)
    count = len(desk.kept.records)
    assert desk.install(11)
    assert desk.sequences[count:] == [11, 12, 14]
    assert desk.state() is BookState.LIVE
    assert desk.counters.problem == ""


def test_a_snapshot_asked_for_before_a_break_is_ignored() -> None:
    """The answer to an older request changes nothing."""
    desk = Desk()
    desk.change(6, 9)
    old = desk.book.generation
    desk.install(7)
    desk.change(11, 12)
    count = len(desk.kept.records)
    assert desk.book.install(Snapshot(11, [], []), generation=old, ts_recv_ns=1)
    assert len(desk.kept.records) == count
    assert desk.state() is BookState.SYNCING


def test_a_gap_within_the_buffer_is_found() -> None:
    """Events that do not follow each other while a snapshot is awaited count as a gap; the older ones go."""
    desk = Desk()
    desk.change(1, 5)
    desk.change(8, 9)
    assert desk.counters.book_breaks == 1
    assert not desk.install(5)
    assert desk.install(7)
    assert desk.sequences == [7, 9]


def test_repeated_events_are_counted_and_passed_over() -> None:
    """An event that came before is a duplicate, live or buffered."""
    desk = Desk()
    desk.change(1, 5)
    desk.change(1, 5)
    desk.install(4)
    desk.change(1, 5)
    desk.change(6, 6)
    assert desk.counters.duplicates == 2
    assert desk.sequences == [4, 5, 6]


def test_an_overlap_after_the_first_event_is_a_break() -> None:
    """Once across the snapshot every event must begin right after the last one."""
    desk = Desk()
    desk.change(1, 5)
    desk.install(4)
    desk.change(5, 8)
    assert desk.counters.book_breaks == 1
    assert desk.state() is BookState.SYNCING


def test_numbers_that_do_not_fit_make_the_book_wrong() -> None:
    """A level finer than we hold: the book is withheld and built anew."""
    desk = Desk()
    desk.change(1, 5)
    desk.install(4)
    desk.change(6, 7, bids=[("0.00000000001", "1.0")])
    assert desk.counters.rejected == 1
    assert desk.state() is BookState.SYNCING
    assert len(desk.asked) == 2
    assert not desk.install(7, bids=[("x", "1")])
    assert desk.counters.rejected == 2
    assert desk.install(7)


def test_a_crossed_book_is_never_shown() -> None:
    """A bid above the ask withholds the book, whether an event or a snapshot brings it."""
    desk = Desk()
    desk.change(1, 5)
    assert not desk.install(4, bids=[("200.0", "1.0")])
    assert desk.install(4)
    desk.change(6, 7, bids=[("300.0", "1.0")])
    assert desk.counters.book_breaks == 1
    levels = desk.kept.array(Schema.BOOK)["levels"]
    assert np.all(levels["bid_px"][:-1, 0] < levels["ask_px"][:-1, 0])


def test_a_break_inside_the_buffer_keeps_what_follows() -> None:
    """When a buffered event breaks the book during installation, the later ones wait for the next snapshot."""
    desk = Desk()
    desk.change(5, 6)
    desk.change(7, 8, bids=[("x", "1")])
    desk.change(9, 10)
    assert desk.install(5)
    assert desk.state() is BookState.SYNCING
    assert len(desk.asked) == 2
    count = len(desk.kept.records)
    assert desk.install(8)
    assert desk.sequences[count:] == [8, 10]


def test_the_buffer_is_bounded() -> None:
    """While snapshots fail, only the newest events are kept, and a snapshot across them still works."""
    desk = Desk()
    for number in range(1, MAX_BUFFERED + 101):
        desk.change(number, number)
    assert not desk.install(50)
    assert desk.install(MAX_BUFFERED)
    assert desk.sequences == [MAX_BUFFERED, *range(MAX_BUFFERED + 1, MAX_BUFFERED + 101)]
    assert len(desk.asked) == 1


def test_a_book_that_grows_is_cut_far_from_the_best() -> None:
    """Levels without end are dropped at the far side; the best ten stay."""
    desk = Desk()
    desk.change(1, 5)
    desk.install(4)
    desk.change(6, 6, bids=[(f"{number / 1000:.3f}", "1.0") for number in range(1, MAX_LEVELS + 10)])
    desk.change(7, 7)
    first, second = desk.kept.array(Schema.BOOK)["levels"]["bid_px"][-2:]
    assert first.tolist() == second.tolist()
    assert first.tolist()[0] == 100_000_000_000


def test_a_lost_connection_withholds_a_live_book_once() -> None:
    """Withholding publishes one record, however often it is said; a fresh connection starts over."""
    desk = Desk()
    desk.change(1, 5)
    desk.install(4)
    desk.book.withhold()
    desk.book.withhold()
    assert desk.state() is BookState.WITHHELD
    assert desk.flags[-1] == F_LAST | F_MAYBE_BAD_BOOK
    assert len(desk.kept.records) == 3
    assert len(desk.kept.records[-1]) == MBP10_LEVELS.itemsize
    desk.book.begin()
    desk.change(900, 901)
    assert desk.counters.book_breaks == 0
    assert len(desk.asked) == 2
