"""Binance's frames as structures and as records. Pure: text and an instant in, records out.

Numbers keep the wire's digits until `core.model.fixedpoint` reads them. Every integer is bounded at decoding, so
that whatever passes fits the fields it goes to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from core.model.fixedpoint import FixedPointError, parse_price, parse_quantity
from core.model.instruments import Instrument
from core.model.records import BUY, SELL, UNDEF_PRICE
from providers.binance.errors import Refusal
from providers.venue.book import Book
from providers.venue.packing import TradeColumns, pack_quote, trade_columns

NS_PER_MS = 1_000_000

Id = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=9_000_000_000_000)]
Level = tuple[str, str]


class Trade(msgspec.Struct, gc=False):
    """A trade. With `buyer_rests` the buyer's order was in the book, so the seller was the aggressor."""

    event: Literal["trade"] = msgspec.field(name="e")
    symbol: str = msgspec.field(name="s")
    trade_id: Id = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    traded_ms: Milliseconds = msgspec.field(name="T")
    buyer_rests: bool = msgspec.field(name="m")


class Quote(msgspec.Struct, gc=False):
    """The best bid and ask; the venue sends neither a name nor a time with it."""

    update_id: Id = msgspec.field(name="u")
    symbol: str = msgspec.field(name="s")
    bid: str = msgspec.field(name="b")
    bid_quantity: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_quantity: str = msgspec.field(name="A")


class Depth(msgspec.Struct):
    """Changes of the book from update `first_id` to `last_id`, quantities absolute."""

    event: Literal["depthUpdate"] = msgspec.field(name="e")
    sent_ms: Milliseconds = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    first_id: Id = msgspec.field(name="U")
    last_id: Id = msgspec.field(name="u")
    bids: list[Level] = msgspec.field(name="b")
    asks: list[Level] = msgspec.field(name="a")


class Snapshot(msgspec.Struct):
    """The book as REST tells it, right after update `last_id`."""

    last_id: Id = msgspec.field(name="lastUpdateId")
    bids: list[Level]
    asks: list[Level]


class TradeFrame(msgspec.Struct, gc=False):
    """A trade in a combined stream."""

    data: Trade


class QuoteFrame(msgspec.Struct, gc=False):
    """A quote in a combined stream."""

    data: Quote


class DepthFrame(msgspec.Struct):
    """Changes of a book in a combined stream."""

    data: Depth


class Announcement(msgspec.Struct):
    """Any event by its name alone."""

    event: str = msgspec.field(name="e", default="")


class Control(msgspec.Struct):
    """Everything that is no market data: answers, refusals in both of their shapes, announcements."""

    stream: str = ""
    data: Announcement | None = None
    lone_event: str = msgspec.field(name="e", default="")
    id: Id | str | None = None
    result: Any = msgspec.UNSET
    code: int | None = None
    msg: str = ""
    error: Refusal | None = None

    @property
    def refusal(self) -> Refusal | None:
        """The refusal this is, if it is one."""
        return self.error or (Refusal(self.code, self.msg) if self.code is not None else None)

    @property
    def event(self) -> str:
        """The name of the event, in a combined stream or alone; empty when it has none."""
        return self.lone_event or (self.data.event if self.data is not None else "")


decode_trade = msgspec.json.Decoder(TradeFrame).decode
decode_quote = msgspec.json.Decoder(QuoteFrame).decode
decode_depth = msgspec.json.Decoder(DepthFrame).decode
decode_control = msgspec.json.Decoder(Control).decode
decode_snapshot = msgspec.json.Decoder(Snapshot).decode


def read_trades(trades: Sequence[Trade]) -> TradeColumns:
    """Trades in integers. Raises `FixedPointError`: a number does not fit, or is not above zero."""
    return trade_columns(
        [trade.trade_id for trade in trades],
        [trade.traded_ms * NS_PER_MS for trade in trades],
        list(map(parse_price, [trade.price for trade in trades])),
        list(map(parse_quantity, [trade.quantity for trade in trades])),
        [SELL if trade.buyer_rests else BUY for trade in trades],
    )


def quote_record(instrument: Instrument, quote: Quote, *, ts_recv_ns: int) -> bytes:
    """The `MBP1Msg` of a quote, at the instant it was received; a side with nothing on it has no price.

    Raises:
        FixedPointError: a number does not fit, or a price is not above zero.
    """
    bid_quantity_e8, ask_quantity_e8 = parse_quantity(quote.bid_quantity), parse_quantity(quote.ask_quantity)
    bid_e9 = parse_price(quote.bid) if bid_quantity_e8 else UNDEF_PRICE
    ask_e9 = parse_price(quote.ask) if ask_quantity_e8 else UNDEF_PRICE
    if bid_e9 <= 0 or ask_e9 <= 0:
        raise FixedPointError(f"a quote of {quote.bid!r:.40} to {quote.ask!r:.40}")
    return pack_quote(
        instrument,
        bid_e9=bid_e9,
        bid_quantity_e8=bid_quantity_e8,
        ask_e9=ask_e9,
        ask_quantity_e8=ask_quantity_e8,
        sequence=quote.update_id,
        ts_event_ns=ts_recv_ns,
        ts_recv_ns=ts_recv_ns,
    )


def apply_levels(book: Book, *, bids: list[Level], asks: list[Level]) -> None:
    """Set the quantities of levels in `book`.

    Raises:
        FixedPointError: a number does not fit, or is no price; the book is then half changed and of no use.
    """
    for side, levels in ((book.bids, bids), (book.asks, asks)):
        apply = side.apply
        for price, quantity in levels:
            price_e9 = parse_price(price)
            if price_e9 <= 0:
                raise FixedPointError(f"not a price in a book: {price!r:.40}")
            apply(price_e9, parse_quantity(quantity))
