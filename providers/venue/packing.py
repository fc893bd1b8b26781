"""Our own venues' records as bytes: one trade, one quote, one book. Pure.

Quantities are split in two words as `core.model.fixedpoint` says; a record in which a high word is not 0 carries
`F_PUBLISHER_SPECIFIC`. `sequence` fields keep the low 32 bits of the number given.
"""

from __future__ import annotations

from core.model.fixedpoint import split_quantity
from core.model.instruments import Instrument
from core.model.records import (
    F_LAST,
    F_MAYBE_BAD_BOOK,
    F_PUBLISHER_SPECIFIC,
    F_TOB,
    LEVELS,
    MBP1_STRUCT,
    MBP10_STRUCT,
    NO_SIDE,
    RTYPE_MBP1,
    RTYPE_MBP10,
    RTYPE_TRADE,
    TRADE_STRUCT,
    UNDEF_PRICE,
)
from providers.venue.book import Book, BookSide

_LOW = 0xFFFF_FFFF
_PACK_TRADE, _PACK_QUOTE, _PACK_BOOK = TRADE_STRUCT.pack, MBP1_STRUCT.pack, MBP10_STRUCT.pack
_TRADE_LENGTH, _QUOTE_LENGTH, _BOOK_LENGTH = (each.size // 4 for each in (TRADE_STRUCT, MBP1_STRUCT, MBP10_STRUCT))
_TRADE = b"T"
_MODIFY = b"M"
_CLEAR = b"R"
_WORDS = 6  # bid_px, ask_px, bid_sz, ask_sz, bid_ct, ask_ct
_EMPTY_LEVELS = (UNDEF_PRICE, UNDEF_PRICE, 0, 0, 0, 0) * LEVELS


def pack_trade(
    instrument: Instrument,
    *,
    price_e9: int,
    quantity_e8: int,
    side: bytes,
    trade_id: int,
    ts_event_ns: int,
    ts_recv_ns: int,
    flags: int = F_LAST,
) -> bytes:
    """A `TradeMsg` of 48 bytes. `side` is the aggressor's; the quantity must be 0 .. `MAX_QUANTITY_E8`."""
    low, high = quantity_e8, 0
    if not 0 <= quantity_e8 <= _LOW:
        low, high = split_quantity(quantity_e8)
        flags |= F_PUBLISHER_SPECIFIC
    return _PACK_TRADE(
        _TRADE_LENGTH,
        RTYPE_TRADE,
        instrument.publisher_id,
        instrument.instrument_id,
        ts_event_ns,
        price_e9,
        low,
        _TRADE,
        side,
        flags,
        0,
        ts_recv_ns,
        high,  # at most 31 bits, so the signed field holds it as it is
        trade_id & _LOW,
    )


def pack_quote(
    instrument: Instrument,
    *,
    bid_e9: int,
    bid_quantity_e8: int,
    ask_e9: int,
    ask_quantity_e8: int,
    sequence: int,
    ts_event_ns: int,
    ts_recv_ns: int,
    flags: int = F_LAST | F_TOB,
) -> bytes:
    """An `MBP1Msg` of 80 bytes that says how the best bid and ask stand, not what made them so."""
    bid_low, bid_high, ask_low, ask_high = bid_quantity_e8, 0, ask_quantity_e8, 0
    if not (0 <= bid_quantity_e8 <= _LOW and 0 <= ask_quantity_e8 <= _LOW):
        bid_low, bid_high = split_quantity(bid_quantity_e8)
        ask_low, ask_high = split_quantity(ask_quantity_e8)
        flags |= F_PUBLISHER_SPECIFIC
    return _PACK_QUOTE(
        _QUOTE_LENGTH,
        RTYPE_MBP1,
        instrument.publisher_id,
        instrument.instrument_id,
        ts_event_ns,
        UNDEF_PRICE,
        0,
        _MODIFY,
        NO_SIDE,
        flags,
        0,
        ts_recv_ns,
        0,
        sequence & _LOW,
        bid_e9,
        ask_e9,
        bid_low,
        ask_low,
        bid_high,
        ask_high,
    )


def pack_mbp10(
    instrument: Instrument,
    book: Book,
    *,
    sequence: int,
    ts_event_ns: int,
    ts_recv_ns: int,
    flags: int = F_LAST,
    action: bytes = _MODIFY,
) -> bytes:
    """An `MBP10Msg` of 368 bytes with the best ten levels; a level that is missing has no price and no size."""
    words = list(_EMPTY_LEVELS)
    high = _fill(words, book.bids, at=0) | _fill(words, book.asks, at=1)
    return _PACK_BOOK(
        _BOOK_LENGTH,
        RTYPE_MBP10,
        instrument.publisher_id,
        instrument.instrument_id,
        ts_event_ns,
        UNDEF_PRICE,
        0,
        action,
        NO_SIDE,
        flags | F_PUBLISHER_SPECIFIC if high else flags,
        0,
        ts_recv_ns,
        0,
        sequence & _LOW,
        *words,
    )


def pack_withheld_book(instrument: Instrument, *, sequence: int, ts_event_ns: int, ts_recv_ns: int) -> bytes:
    """An `MBP10Msg` without levels, marked as bad: readers drop the book that they show."""
    return pack_mbp10(
        instrument,
        Book(),
        sequence=sequence,
        ts_event_ns=ts_event_ns,
        ts_recv_ns=ts_recv_ns,
        flags=F_LAST | F_MAYBE_BAD_BOOK,
        action=_CLEAR,
    )


def _fill(words: list[int], side: BookSide, *, at: int) -> bool:
    # Strided slices fill ten levels in a third of the time of a loop over them. Returns whether a high word counts.
    # `split_quantity` for each of twenty levels would cost 1.2 us a book; a test holds this against it.
    prices_e9, quantities_e8 = side.top(LEVELS)
    end = len(prices_e9) * _WORDS
    words[at:end:_WORDS] = prices_e9
    if not quantities_e8 or max(quantities_e8) <= _LOW:
        words[2 + at : end : _WORDS] = quantities_e8
        return False
    words[2 + at : end : _WORDS] = [quantity_e8 & _LOW for quantity_e8 in quantities_e8]
    words[4 + at : end : _WORDS] = [quantity_e8 >> 32 for quantity_e8 in quantities_e8]
    return True
