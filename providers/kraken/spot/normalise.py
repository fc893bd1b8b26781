"""Kraken spot's WebSocket v2 frames as DBN records. Pure: no clock, no channel, no state but the book handed in.

Prices and quantities stay the wire's own text until they become integers, because the book's checksum is taken
over digits that a float would lose.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from core.clock import DAY_NS, parse_rfc3339_ns
from core.model.fixedpoint import (
    PRICE_DECIMALS,
    QUANTITY_DECIMALS,
    FixedPointError,
    parse_price,
    parse_quantity,
)
from core.model.instruments import Instrument
from core.model.records import BUY, F_LAST, F_TOB, NO_SIDE, SELL
from providers.kraken.spot.wire import BookItem, TickerItem, TradeItem
from providers.venue.book import Book, Levels
from providers.venue.packing import TradeColumns, pack_quote, trade_columns

CHECKSUM_LEVELS = 10
_FIRST_INSTANT_NS = 365 * DAY_NS  # the venue writes 1970 where it has no time
_LAST_INSTANT_NS = 2**63
_SIDES = {"buy": BUY, "sell": SELL}
# A `msgspec.Raw` keeps its whole frame alive and may hold any JSON: every byte becomes a letter, and what is no
# number fails when it is parsed.
_DIGITS = "latin-1"

Quote = tuple[int, int, int, int]
"""Bid, its quantity, ask, its quantity: prices at 1e-9, quantities at 1e-8."""


def event_time_ns(timestamp: str | None, ts_recv_ns: int) -> int:
    """The venue's instant in `timestamp`, or `ts_recv_ns` where it says none that can be."""
    if not timestamp:
        return ts_recv_ns
    try:
        instant_ns = parse_rfc3339_ns(timestamp)
    except ValueError:
        return ts_recv_ns
    return instant_ns if _FIRST_INSTANT_NS <= instant_ns < _LAST_INSTANT_NS else ts_recv_ns


def read_trades(items: Sequence[TradeItem], received_ns: Sequence[int]) -> TradeColumns:
    """Trades in integers; a taker's side that the protocol does not have is none.

    Raises:
        FixedPointError: a price or a quantity is none, does not fit exactly, or is not above zero.
    """
    return trade_columns(
        [item.trade_id for item in items],
        list(map(event_time_ns, [item.timestamp for item in items], received_ns)),
        [parse_price(str(item.price, _DIGITS)) for item in items],
        [parse_quantity(str(item.qty, _DIGITS)) for item in items],
        [_SIDES.get(item.side, NO_SIDE) for item in items],
    )


def quote_of(item: TickerItem) -> Quote | None:
    """The quote in a ticker, or None where a price of 0 says that there is none.

    Raises:
        FixedPointError: a number is none, or does not fit exactly.
    """
    bid_e9, ask_e9 = parse_price(str(item.bid, _DIGITS)), parse_price(str(item.ask, _DIGITS))
    if bid_e9 < 0 or ask_e9 < 0:
        raise FixedPointError("a price below zero")
    if not bid_e9 or not ask_e9:
        return None
    return bid_e9, parse_quantity(str(item.bid_qty, _DIGITS)), ask_e9, parse_quantity(str(item.ask_qty, _DIGITS))


def quote_record(
    instrument: Instrument, quote: Quote, *, ts_event_ns: int, ts_recv_ns: int, flags: int = F_LAST | F_TOB
) -> bytes:
    """A quote of 80 bytes."""
    bid_e9, bid_quantity_e8, ask_e9, ask_quantity_e8 = quote
    return pack_quote(
        instrument,
        bid_e9=bid_e9,
        bid_quantity_e8=bid_quantity_e8,
        ask_e9=ask_e9,
        ask_quantity_e8=ask_quantity_e8,
        sequence=0,
        ts_event_ns=ts_event_ns,
        ts_recv_ns=ts_recv_ns,
        flags=flags,
    )


def apply_levels(book: Book, item: BookItem, *, depth: int) -> None:
    """Apply every level in the frame's order, then cut the book to the depth that was asked for.

    The venue never deletes a level that fell out of the depth, so that without the cut the checksums fail.

    Raises:
        FixedPointError: a number is none, or does not fit exactly; the book is then of no use.
    """
    for side, levels in ((book.bids, item.bids), (book.asks, item.asks)):
        for level in levels:
            price_e9 = parse_price(str(level.price, _DIGITS))
            if price_e9 <= 0:
                raise FixedPointError(f"not a price in a book: {price_e9}")
            side.apply(price_e9, parse_quantity(str(level.qty, _DIGITS)))
        if levels:
            side.truncate(depth)


class BookChecksum:
    """Kraken's CRC32 of the best ten levels: the digits of asks, then of bids, without point and leading zeros.

    Nearly every change is one of one side: the digits of the other are remembered.
    """

    def __init__(self, *, price_decimals: int, quantity_decimals: int) -> None:
        self._price_step = 10 ** (PRICE_DECIMALS - price_decimals)
        self._quantity_step = 10 ** (QUANTITY_DECIMALS - quantity_decimals)
        self._asks: Levels = ((), ())
        self._bids: Levels = ((), ())
        self._ask_digits = self._bid_digits = ""

    def of(self, book: Book) -> int:
        """The checksum of `book` as it stands."""
        asks, bids = book.asks.top(CHECKSUM_LEVELS), book.bids.top(CHECKSUM_LEVELS)
        if asks is not self._asks:
            self._asks, self._ask_digits = asks, self._digits(asks)
        if bids is not self._bids:
            self._bids, self._bid_digits = bids, self._digits(bids)
        return zlib.crc32((self._ask_digits + self._bid_digits).encode())

    def _digits(self, levels: Levels) -> str:
        prices_e9, quantities_e8 = levels
        price_step, quantity_step = self._price_step, self._quantity_step
        row = [0] * (2 * len(prices_e9))
        row[::2] = [price_e9 // price_step for price_e9 in prices_e9]
        row[1::2] = (
            [quantity_e8 // quantity_step for quantity_e8 in quantities_e8] if quantity_step > 1 else quantities_e8
        )
        return _LEVEL_FORMATS[len(prices_e9)] % tuple(row)


_LEVEL_FORMATS = tuple("%d%d" * count for count in range(CHECKSUM_LEVELS + 1))
