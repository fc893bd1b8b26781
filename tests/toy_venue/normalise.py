"""The toy venue's frames, and what they are in integers. Pure: no clock, no channel, no state.

Prices and sizes are texts on this wire, and stay texts until `parse_price` and `parse_quantity` make integers of
them: no float in between.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from core.model.fixedpoint import FixedPointError, parse_price, parse_quantity
from core.model.records import BUY, NO_SIDE, SELL
from providers.venue.book import Book, BookSide
from providers.venue.past import PastTrade, past_trade

NS_PER_US = 1000

Counter = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Micros = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_SIDES = {"buy": BUY, "sell": SELL}


class TradeRow(msgspec.Struct, tag="trade", tag_field="kind"):
    """One trade: `side` is the taker's, `trade_id` rises by one from trade to trade of a market."""

    market: str
    trade_id: Counter = msgspec.field(name="id")
    side: str
    price: str
    size: str
    at: Micros


class BookFrame(msgspec.Struct, tag="book", tag_field="kind"):
    """A `whole` book, or the levels that changed, where a size of 0 removes one. `seq` rises by one."""

    market: str
    seq: Counter
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    at: Micros
    whole: bool = False


class Granted(msgspec.Struct, tag="granted", tag_field="kind"):
    """A channel is given."""

    channel: str
    market: str


class Refused(msgspec.Struct, tag="refused", tag_field="kind"):
    """A channel is not given."""

    channel: str
    market: str
    why: str


class Pong(msgspec.Struct, tag="pong", tag_field="kind"):
    """The answer to a ping."""


Frame = TradeRow | BookFrame | Granted | Refused | Pong
decode_frame = msgspec.json.Decoder(Frame).decode
"""The frame in a text. Raises `msgspec.MsgspecError`, `UnicodeError` or `RecursionError`."""


def read_trade(row: TradeRow) -> PastTrade:
    """A trade in integers. Raises `FixedPointError`."""
    return past_trade(
        trade_id=row.trade_id,
        ts_event_ns=row.at * NS_PER_US,
        price=row.price,
        quantity=row.size,
        side=_SIDES.get(row.side, NO_SIDE),
    )


def apply_levels(book: Book, frame: BookFrame) -> None:
    """Make `book` what the frame says. Raises `FixedPointError`; the book is then of no use."""
    if frame.whole:
        book.clear()
    _apply(book.bids, frame.bids)
    _apply(book.asks, frame.asks)


def _apply(side: BookSide, levels: list[tuple[str, str]]) -> None:
    for price, size in levels:
        price_e9 = parse_price(price)
        if price_e9 <= 0:
            raise FixedPointError(f"not a price: {price_e9}")
        side.apply(price_e9, parse_quantity(size))
