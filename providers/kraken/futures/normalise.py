"""Kraken Futures' frames as DBN records. Pure: no clock, no channel, no state but the book handed in.

A quantity is what the venue counts: contracts of one dollar for inverse products, coins for linear ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

import attrs
import msgspec

from core.clock import NS_PER_MS
from core.model.fixedpoint import FixedPointError, parse_price, parse_quantity
from core.model.instruments import Instrument
from core.model.records import BUY, F_LAST, F_TOB, LEVELS, NO_SIDE, SELL, UNDEF_PRICE
from providers.kraken.futures.wire import BookChange, BookSnapshot, LevelItem, Ticker, Trade
from providers.venue.book import Book, BookSide
from providers.venue.packing import TradeColumns, pack_quote, trade_columns

Quote = tuple[int, int, int, int]
"""Bid, its quantity, ask, its quantity: prices at 1e-9, quantities at 1e-8; a side without orders has no price."""
NO_QUOTE: Quote = (UNDEF_PRICE, 0, UNDEF_PRICE, 0)

_SIDES = {"buy": BUY, "sell": SELL}
_DIGITS = "latin-1"  # a Raw may hold any JSON: every byte becomes a letter, and fails when it is parsed
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?")


@attrs.frozen(kw_only=True)
class ProductState:
    """What a venue tells of a product beside its trades and its book. None is what it did not tell.

    Prices in the quote currency, open interest in what the product's quantities count. `funding_rate` is
    relative to the position's value, longs pay it to shorts. All of them come with more digits than records hold.
    """

    product_id: str
    mark_price: Decimal | None = None
    index_price: Decimal | None = None
    open_interest: Decimal | None = None
    funding_rate: Decimal | None = None
    suspended: bool | None = None
    post_only: bool | None = None


def event_time_ns(milliseconds: int, ts_recv_ns: int) -> int:
    """The venue's instant, or `ts_recv_ns` where it says none."""
    return milliseconds * NS_PER_MS if milliseconds else ts_recv_ns


def read_trades(items: Sequence[Trade], received_ns: Sequence[int]) -> TradeColumns:
    """Trades in integers; a taker's side that the protocol does not have is none.

    Raises:
        FixedPointError: a price or a quantity is none, does not fit exactly, or is not above zero.
    """
    return trade_columns(
        [item.trade_id for item in items],
        list(map(event_time_ns, [item.time for item in items], received_ns)),
        [parse_price(str(item.price, _DIGITS)) for item in items],
        [parse_quantity(str(item.qty, _DIGITS)) for item in items],
        [_SIDES.get(item.side, NO_SIDE) for item in items],
    )


def read_price(number: msgspec.Raw) -> int:
    """A price above 0 at 1e-9. Raises `FixedPointError`."""
    price_e9 = parse_price(str(number, _DIGITS))
    if price_e9 <= 0:
        raise FixedPointError(f"not a price: {price_e9}")
    return price_e9


def read_quantity(number: msgspec.Raw) -> int:
    """A quantity above 0 at 1e-8. Raises `FixedPointError`."""
    quantity_e8 = parse_quantity(str(number, _DIGITS))
    if not quantity_e8:
        raise FixedPointError("a quantity of 0")
    return quantity_e8


def fill_book(book: Book, item: BookSnapshot) -> None:
    """Make `book` what the snapshot says.

    Raises:
        FixedPointError: a number is none, or does not fit exactly; the book is then of no use.
    """
    book.clear()
    _fill(book.bids, item.bids)
    _fill(book.asks, item.asks)


def _fill(side: BookSide, levels: Iterable[LevelItem]) -> None:
    for level in levels:
        side.apply(read_price(level.price), read_quantity(level.qty))


def apply_change(book: Book, item: BookChange, *, shown: int) -> bool:
    """Apply one change. Returns whether the best `shown` levels of its side may be others now.

    Raises:
        FixedPointError: a number is none, or does not fit exactly, or there is no such side.
    """
    price_e9 = read_price(item.price)
    quantity_e8 = parse_quantity(str(item.qty, _DIGITS))
    if item.side not in _SIDES:
        raise FixedPointError(f"not a side of a book: {item.side!r:.20}")
    side = book.bids if item.side == "buy" else book.asks
    side.apply(price_e9, quantity_e8)
    return side.reaches(price_e9, shown)


def top_of(book: Book) -> Quote:
    """The best bid and ask."""
    bids, asks = book.bids.top(LEVELS), book.asks.top(LEVELS)  # as the record of the book has just asked for
    bid = (bids[0][0], bids[1][0]) if bids[0] else (UNDEF_PRICE, 0)
    ask = (asks[0][0], asks[1][0]) if asks[0] else (UNDEF_PRICE, 0)
    return *bid, *ask


def quote_record(
    instrument: Instrument,
    quote: Quote,
    *,
    sequence: int,
    ts_event_ns: int,
    ts_recv_ns: int,
    flags: int = F_LAST | F_TOB,
) -> bytes:
    """A quote of 80 bytes; `sequence` is the number of the book's change that made it."""
    bid_e9, bid_quantity_e8, ask_e9, ask_quantity_e8 = quote
    return pack_quote(
        instrument,
        bid_e9=bid_e9,
        bid_quantity_e8=bid_quantity_e8,
        ask_e9=ask_e9,
        ask_quantity_e8=ask_quantity_e8,
        sequence=sequence,
        ts_event_ns=ts_event_ns,
        ts_recv_ns=ts_recv_ns,
        flags=flags,
    )


def state_of(item: Ticker) -> ProductState:
    """What a ticker says beside the book.

    Raises:
        FixedPointError: a number is none.
    """
    return ProductState(
        product_id=item.product_id,
        mark_price=read_decimal(item.mark_price),
        index_price=read_decimal(item.index),
        open_interest=read_decimal(item.open_interest),
        funding_rate=read_decimal(item.relative_funding_rate),
        suspended=item.suspended,
        post_only=item.post_only,
    )


def read_decimal(number: msgspec.Raw) -> Decimal | None:
    """A number exactly as written, None when it is missing or null. Raises `FixedPointError`."""
    text = str(number, _DIGITS)
    if text in {"", "null"}:
        return None
    if not _NUMBER.fullmatch(text):
        raise FixedPointError(f"not a number: {text[:40]!a}")
    return Decimal(text)
