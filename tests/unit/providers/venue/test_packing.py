"""Records of our own venues as bytes, read back by the dtypes that everything else uses."""

from __future__ import annotations

import numpy as np
import pytest

from core.model.fixedpoint import (
    MAX_QUANTITY_E8,
    FixedPointError,
    join_quantity,
    quantities_e8,
    split_quantity,
)
from core.model.instruments import Instrument, Product
from core.model.records import (
    BUY,
    F_LAST,
    F_MAYBE_BAD_BOOK,
    F_PUBLISHER_SPECIFIC,
    F_SNAPSHOT,
    F_TOB,
    MBP1,
    MBP10,
    MBP10_LEVELS,
    NO_SIDE,
    SELL,
    TRADE,
    UNDEF_PRICE,
)
from providers.venue.book import Book
from providers.venue.packing import pack_mbp10, pack_quote, pack_withheld_book
from tests.unit.providers.venue.trades import pack_trade

_INSTRUMENT = Instrument(
    venue="KRAKEN",
    symbol="BTCUSD",
    venue_symbol="BTC/USD",
    canonical="BTCUSD",
    base="BTC",
    quote="USD",
    settle="USD",
    product=Product.SPOT,
    price_decimals=1,
    quantity_decimals=8,
    price_increment_e9=100_000_000,
    quantity_increment_e8=1,
    instrument_id=0xFEDC_BA98,
)


def _trade(quantity_e8: int, *, trade_id: int = 7) -> bytes:
    return pack_trade(
        _INSTRUMENT,
        price_e9=29_430_200_000_000,
        quantity_e8=quantity_e8,
        side=SELL,
        trade_id=trade_id,
        ts_event_ns=11,
        ts_recv_ns=22,
    )


def test_a_trade_is_a_dbn_trade() -> None:
    """Every field of the 48 bytes is where the dtype says."""
    record = np.frombuffer(_trade(12_345), TRADE)[0]
    assert record.tolist() == (
        12, 0, 61_441, 0xFEDC_BA98, 11, 29_430_200_000_000, 12_345, b"T", SELL, F_LAST, 0, 22, 0, 7,
    )  # fmt: skip


@pytest.mark.parametrize("quantity_e8", [0, 1, 2**32 - 1, 2**32, 7_419_819_125_726, MAX_QUANTITY_E8])
def test_a_trade_keeps_any_quantity(quantity_e8: int) -> None:
    """The two words join to the quantity again, and the flag says when the high one counts."""
    records = np.frombuffer(_trade(quantity_e8), TRADE)
    assert quantities_e8(records).tolist() == [quantity_e8]
    assert bool(records[0]["flags"] & F_PUBLISHER_SPECIFIC) == (quantity_e8 >= 2**32)


def test_sequence_is_the_low_word_of_the_id() -> None:
    """Ids beyond 32 bits keep their low word."""
    record = np.frombuffer(_trade(1, trade_id=5 * 2**32 + 3), TRADE)[0]
    assert record["sequence"] == 3


def test_a_quote_is_an_mbp1_record() -> None:
    """A quote names no trade: no price, no size, no side of its own."""
    packed = pack_quote(
        _INSTRUMENT,
        bid_e9=100,
        bid_quantity_e8=2**33 + 5,
        ask_e9=200,
        ask_quantity_e8=6,
        sequence=2**32 + 9,
        ts_event_ns=11,
        ts_recv_ns=22,
    )
    record = np.frombuffer(packed, MBP1)[0]
    assert record.tolist() == (
        20, 1, 61_441, 0xFEDC_BA98, 11, UNDEF_PRICE, 0, b"M", NO_SIDE, F_LAST | F_TOB | F_PUBLISHER_SPECIFIC,
        0, 22, 0, 9, 100, 200, 5, 6, 2, 0,
    )  # fmt: skip


def _levels(packed: bytes) -> list[tuple[int, ...]]:
    levels: list[tuple[int, ...]] = np.frombuffer(packed, MBP10_LEVELS)[0]["levels"].tolist()
    return levels


def test_a_book_record_lists_ten_levels_a_side() -> None:
    """Best first, quantities in two words, only the best ten of many."""
    book = Book()
    for number in range(12):
        book.apply(BUY, 1000 - number, number + 1)
        book.apply(SELL, 1001 + number, 2**32 * number + 1)
    packed = pack_mbp10(_INSTRUMENT, book, sequence=3, ts_event_ns=11, ts_recv_ns=22, flags=F_LAST | F_SNAPSHOT)
    assert _levels(packed) == [(1000 - n, 1001 + n, n + 1, 1, 0, n) for n in range(10)]
    record = np.frombuffer(packed, MBP10)[0]
    assert record["flags"] == F_LAST | F_SNAPSHOT | F_PUBLISHER_SPECIFIC
    assert (int(record["length"]) * 4, record["rtype"], record["sequence"]) == (368, 10, 3)
    assert join_quantity(int(record["ask_sz_09"]), int(record["ask_ct_09"])) == 9 * 2**32 + 1


def test_missing_levels_have_no_price_and_no_size() -> None:
    """A thin book leaves the rest of its levels undefined, each side on its own."""
    book = Book()
    book.apply(SELL, 1001, 5)
    packed = pack_mbp10(_INSTRUMENT, book, sequence=0, ts_event_ns=11, ts_recv_ns=22)
    assert _levels(packed) == [
        (UNDEF_PRICE, 1001, 0, 5, 0, 0),
        *[(UNDEF_PRICE, UNDEF_PRICE, 0, 0, 0, 0)] * 9,
    ]


def test_a_withheld_book_is_empty_and_marked() -> None:
    """Readers see that the book is bad, and nothing they could show."""
    packed = pack_withheld_book(_INSTRUMENT, sequence=0, ts_event_ns=11, ts_recv_ns=22)
    record = np.frombuffer(packed, MBP10)[0]
    assert (record["flags"], record["action"]) == (F_LAST | F_MAYBE_BAD_BOOK, b"R")
    assert _levels(packed) == [(UNDEF_PRICE, UNDEF_PRICE, 0, 0, 0, 0)] * 10


@pytest.mark.parametrize("quantity_e8", [0, 1, 2**32 - 1, 2**32, 7_419_819_125_726, MAX_QUANTITY_E8])
def test_levels_are_split_as_everything_else(quantity_e8: int) -> None:
    """The words of a level are those that `split_quantity` gives, though a book splits them in its own way."""
    book = Book()
    book.apply(BUY, 1000, quantity_e8)
    book.apply(SELL, 1001, 2**32)
    _bid_e9, _ask_e9, bid_low, ask_low, bid_high, ask_high = _levels(
        pack_mbp10(_INSTRUMENT, book, sequence=0, ts_event_ns=11, ts_recv_ns=22)
    )[0]
    assert (bid_low, bid_high) == split_quantity(quantity_e8)
    assert (ask_low, ask_high) == split_quantity(2**32)


def test_a_quantity_that_does_not_fit_is_no_record() -> None:
    """Nothing is cut to 64 bits in silence."""
    with pytest.raises(FixedPointError):
        _trade(-1)
