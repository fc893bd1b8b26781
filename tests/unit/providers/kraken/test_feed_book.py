"""Kraken spot's books: real captures against an independent book, and what happens when one is wrong."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.clock import NS_PER_S
from core.model.records import F_LAST, F_MAYBE_BAD_BOOK, F_SNAPSHOT, UNDEF_PRICE, Records, Schema
from providers.base import BookState
from tests.unit.providers.kraken.support import NOW_NS, Rig, instrument, ticker, trade_item, trades

HEARTBEAT = {"channel": "heartbeat"}
PART = "v2_book_btcusd_d10_20230730_part1.jsonl"
WIRE = "v2_book_btcusd_d10_20230730_wire.jsonl"
Ladder = list[tuple[int, int]]


def _lines(captures: Path, name: str = WIRE) -> list[str]:
    return (captures / "kraken_spot" / name).read_text().splitlines()


class DecimalBook:
    """A book kept as plain dicts of Decimal, sorted anew each time it is asked."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}

    def apply(self, frame: dict[str, Any]) -> None:
        """Take one frame as json reads it."""
        item = frame["data"][0]
        for side, levels in self.sides.items():
            if frame["type"] == "snapshot":
                levels.clear()
            for level in item[side]:
                levels[level["price"]] = level["qty"]
            kept = [price for price in sorted(levels, reverse=side == "bids") if levels[price]][:10]
            self.sides[side] = {price: levels[price] for price in kept}

    def ladder(self, side: str) -> Ladder:
        """Ten levels as the record has them."""
        rows = [(int(price * 10**9), int(size * 10**8)) for price, size in self.sides[side].items()]
        return rows + [(UNDEF_PRICE, 0)] * (10 - len(rows))


def _ladder(record: Any, side: str) -> Ladder:
    levels: Records = record["levels"]
    sizes = levels[f"{side}_sz"].astype(object) + levels[f"{side}_ct"].astype(object) * 2**32
    return list(zip(levels[f"{side}_px"].tolist(), sizes.tolist(), strict=True))


@pytest.mark.parametrize("name", [PART, WIRE])
def test_a_real_capture_is_published_exactly(captures: Path, name: str) -> None:
    """301 of 301 checksums agree, and each record is the book an independent one has then."""
    rig = Rig()
    lines = _lines(captures, name)
    rig.handle(*lines, at_ns=NOW_NS)
    counters = rig.counters
    assert (counters.checksum_ok, counters.checksum_bad, counters.book_updates) == (301, 0, 301)
    assert (counters.book_state, counters.book_breaks, counters.rejected) == (BookState.LIVE, 0, 0)
    books = rig.sink.books()
    assert len(books) == 301
    reference = DecimalBook()
    for line, record in zip(lines, books, strict=True):
        reference.apply(json.loads(line, parse_float=Decimal, parse_int=Decimal))
        assert _ladder(record, "bid") == reference.ladder("bids")
        assert _ladder(record, "ask") == reference.ladder("asks")


def test_book_times_and_flags(captures: Path) -> None:
    """The snapshot of 2023 has no time and takes ours; updates keep the venue's."""
    rig = Rig()
    rig.handle(*_lines(captures)[:2])
    snapshot, update = rig.sink.books()
    assert (snapshot["ts_event"], snapshot["flags"]) == (NOW_NS, F_LAST | F_SNAPSHOT)
    assert (update["ts_event"], update["flags"]) == (1_690_730_998_343_415_000, F_LAST)
    assert [newest for _, newest in rig.sink.channels["BTC/USD", Schema.BOOK].pushes] == [0, 0]


def test_a_capture_cut_at_every_byte_never_raises(captures: Path) -> None:
    """A cut frame is malformed and leaves the book as it was."""
    rig = Rig()
    snapshot, update, *_ = _lines(captures)
    rig.handle(snapshot)
    for length in range(len(update)):
        rig.handle(update[:length])
    assert (rig.connection.malformed, rig.counters.checksum_bad) == (len(update), 0)
    rig.handle(update)
    assert (rig.counters.checksum_ok, rig.counters.book_state) == (2, BookState.LIVE)


def _spoilt(line: str) -> str:
    frame = json.loads(line, parse_float=str, parse_int=int)
    checksum = frame["data"][0]["checksum"]
    return line.replace(f'"checksum":{checksum}', f'"checksum":{checksum ^ 1}')


def _withheld_rig(captures: Path) -> Rig:
    rig = Rig(instrument(), instrument("ETH/USD", price_decimals=2))
    lines = _lines(captures)
    rig.handle(lines[0], lines[1], _spoilt(lines[2]))
    return rig


def test_a_wrong_checksum_withholds_the_book_at_once(captures: Path) -> None:
    """One empty record marked bad goes out, then nothing until a fresh snapshot agrees."""
    rig = _withheld_rig(captures)
    counters = rig.counters
    assert (counters.checksum_bad, counters.book_breaks, counters.book_state) == (1, 1, BookState.SYNCING)
    assert counters.problem == "the book's checksum is wrong"
    last = rig.sink.books()[-1]
    assert last["flags"] == F_LAST | F_MAYBE_BAD_BOOK
    assert _ladder(last, "bid") == _ladder(last, "ask") == [(UNDEF_PRICE, 0)] * 10
    assert rig.requests() == [("unsubscribe", "book", ["BTC/USD"]), ("subscribe", "book", ["BTC/USD"])]
    assert rig.feed.counters[1].book_state is BookState.SYNCING
    assert rig.feed.counters[1].gaps == 0
    rig.handle(*_lines(captures)[3:6])
    assert (len(rig.sink.books()), counters.checksum_bad) == (3, 1)
    rig.handle(_lines(captures)[0])
    assert (counters.book_state, counters.problem, len(rig.sink.books())) == (BookState.LIVE, "", 4)
    rig.handle(trades(trade_item(5)))
    assert counters.book_breaks == 1


def test_a_book_that_keeps_breaking_is_not_a_line_a_frame(captures: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A venue that sends wrong snapshots for ever is logged the first, second, fourth ... time."""
    rig = Rig()
    with caplog.at_level(logging.WARNING, "ringside.kraken"):
        rig.handle(*[_spoilt(_lines(captures)[0])] * 100)
    assert (rig.counters.checksum_bad, len(caplog.records)) == (100, 7)


def test_trades_and_quotes_go_on_while_the_book_is_withheld(captures: Path) -> None:
    """A wrong book says nothing about the rest."""
    rig = _withheld_rig(captures)
    rig.handle(trades(trade_item(5)), ticker())
    assert (rig.counters.trades, rig.counters.quotes) == (1, 1)


def test_a_lost_update_is_found_by_the_next_checksum(captures: Path) -> None:
    """Nothing numbers the updates: the checksum alone tells."""
    rig = Rig()
    lines = _lines(captures)
    rig.handle(lines[0], *lines[2:40])
    assert rig.counters.checksum_bad == 1
    assert rig.counters.book_state is BookState.SYNCING


def test_a_level_that_does_not_fit_makes_the_book_wrong(captures: Path) -> None:
    """A number finer than a record holds cannot be left out of a book: the book is withheld."""
    rig = Rig()
    snapshot, update, *_ = _lines(captures)
    rig.handle(snapshot, update.replace("29430.6", "29430.60000000001"))
    counters = rig.counters
    assert (counters.rejected, counters.book_breaks, counters.checksum_bad) == (1, 1, 0)
    assert counters.book_state is BookState.SYNCING
    assert "finer than 1e-9" in counters.problem
    assert rig.sink.books()[-1]["flags"] & F_MAYBE_BAD_BOOK


def test_a_book_that_keeps_failing_is_asked_for_ever_more_slowly(captures: Path) -> None:
    """At once the first time, then after 1, 2, 4 s and so on, never more than 30 s."""
    rig = Rig()
    bad = _spoilt(_lines(captures)[0])
    waits = []
    now_ns = NOW_NS
    for _ in range(8):
        rig.handle(bad, at_ns=now_ns)
        began_ns = now_ns
        while not rig.requests():
            assert rig.counters.book_state is BookState.WITHHELD
            now_ns += NS_PER_S
            rig.handle(HEARTBEAT, at_ns=now_ns)
        waits.append((now_ns - began_ns) // NS_PER_S)
    assert waits == [0, 1, 2, 4, 8, 16, 30, 30]
    assert rig.counters.checksum_bad == 8
    assert len(rig.sink.channels["BTC/USD", Schema.BOOK].pushes) == 0


def test_a_snapshot_that_never_comes_is_asked_for_again(captures: Path) -> None:
    """Thirty seconds without an answer to the new subscription, and it is sent once more."""
    rig = _withheld_rig(captures)
    rig.requests()
    rig.handle(HEARTBEAT, at_ns=NOW_NS + 29 * NS_PER_S)
    assert rig.requests() == []
    rig.handle(HEARTBEAT, at_ns=NOW_NS + 30 * NS_PER_S)
    assert len(rig.requests()) == 2
    rig.handle(_lines(captures)[0], at_ns=NOW_NS + 31 * NS_PER_S)
    rig.handle(HEARTBEAT, at_ns=NOW_NS + 100 * NS_PER_S)
    assert rig.requests() == []


def test_a_lost_connection_withholds_and_a_new_one_brings_back(captures: Path) -> None:
    """Readers drop the book when the connection goes, and see it again with the next snapshot."""
    rig = Rig()
    lines = _lines(captures)
    rig.handle(*lines[:3])
    rig.feed.closed()
    rig.feed.closed()
    assert rig.counters.book_state is BookState.WITHHELD
    assert len(rig.sink.books()) == 4
    assert rig.sink.books()[-1]["flags"] & F_MAYBE_BAD_BOOK
    rig.feed.opened()
    rig.handle(*lines[3:5])
    assert (rig.counters.book_state, len(rig.sink.books())) == (BookState.SYNCING, 4)
    rig.handle(lines[0])
    assert (rig.counters.book_state, len(rig.sink.books()), rig.counters.book_breaks) == (BookState.LIVE, 5, 0)
