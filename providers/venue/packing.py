"""Our own venues' records as bytes: one trade, one quote, one book. Pure.

Quantities are split in two words as `core.model.fixedpoint` says; a record in which a high word is not 0 carries
`F_PUBLISHER_SPECIFIC`. `sequence` fields keep the low 32 bits of the number given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat

from core.model.fixedpoint import FixedPointError, split_quantity
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
_PACK_QUOTE, _PACK_BOOK = MBP1_STRUCT.pack, MBP10_STRUCT.pack
_QUOTE_LENGTH, _BOOK_LENGTH = MBP1_STRUCT.size // 4, MBP10_STRUCT.size // 4
_NOTHING = repeat(0)
_TRADE = b"T"
_MODIFY = b"M"
_CLEAR = b"R"
_WORDS = 6  # bid_px, ask_px, bid_sz, ask_sz, bid_ct, ask_ct
_EMPTY_LEVELS = (UNDEF_PRICE, UNDEF_PRICE, 0, 0, 0, 0) * LEVELS


TradeColumns = tuple[Sequence[int], Sequence[int], Sequence[int], Sequence[int], Sequence[bytes]]
"""Trades in integers, column by column and equally long: the venue's ids, its instants in ns, prices at 1e-9,
quantities at 1e-8, the aggressors' sides."""


def trade_columns(
    ids: list[int], ts_event_ns: list[int], prices_e9: list[int], quantities_e8: list[int], sides: list[bytes]
) -> TradeColumns:
    """The columns given, once they are found to be those of trades.

    Raises:
        FixedPointError: a price or a quantity is not above zero.
    """
    if not all(quantities_e8) or min(prices_e9, default=1) <= 0:
        raise FixedPointError(f"not a trade: {min(quantities_e8)} at {min(prices_e9)}")
    return ids, ts_event_ns, prices_e9, quantities_e8, sides


def columns_of(trades: Sequence[tuple[int, int, int, int, bytes]]) -> TradeColumns:
    """The columns of trades that are given one by one, their fields in the order of the columns."""
    return (
        [trade[0] for trade in trades],
        [trade[1] for trade in trades],
        [trade[2] for trade in trades],
        [trade[3] for trade in trades],
        [trade[4] for trade in trades],
    )


def pack_trades(
    instrument: Instrument, trades: TradeColumns, ts_recv_ns: Iterable[int], flags: int = F_LAST
) -> bytes:
    """`TradeMsg`s of 48 bytes, received at `ts_recv_ns`.

    Raises:
        FixedPointError: a quantity is outside 0 .. `MAX_QUANTITY_E8`.
    """
    ids, ts_event_ns, prices_e9, quantities_e8, sides = trades
    if not ids:
        return b""
    lows = quantities_e8
    highs: Iterable[int] = _NOTHING
    all_flags: Iterable[int] = repeat(flags)
    if not 0 <= min(quantities_e8) <= max(quantities_e8) <= _LOW:
        words = list(map(split_quantity, quantities_e8))
        lows, highs = [low for low, _ in words], [high for _, high in words]
        all_flags = [flags | F_PUBLISHER_SPECIFIC if high else flags for high in highs]
    return b"".join(
        map(
            TRADE_STRUCT.pack,
            repeat(TRADE_STRUCT.size // 4),
            repeat(RTYPE_TRADE),
            repeat(instrument.publisher_id),
            repeat(instrument.instrument_id),
            ts_event_ns,
            prices_e9,
            lows,
            repeat(_TRADE),
            sides,
            all_flags,
            _NOTHING,
            ts_recv_ns,
            highs,  # at most 31 bits, so the signed field holds them as they are
            [trade_id & _LOW for trade_id in ids],
        )
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
