"""The shapes of Kraken spot's WebSocket v2 frames, and the reading of them. Pure.

Prices and quantities stay the wire's own text (`msgspec.Raw`), because the book's checksum is taken over digits
that a float would lose. Fields that nothing here needs are skipped; `connection_id`, for one, exceeds 63 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec

from providers.venue.frame_decoder import frame_decoder

SNAPSHOT = "snapshot"

Kind = Literal["snapshot", "update"]
Counter = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class TradeItem(msgspec.Struct, gc=False):
    """One trade; `side` is the taker's."""

    symbol: str
    side: str
    price: msgspec.Raw
    qty: msgspec.Raw
    trade_id: Counter
    timestamp: str | None = None


class TickerItem(msgspec.Struct, gc=False):
    """The best bid and ask of one symbol."""

    symbol: str
    bid: msgspec.Raw
    bid_qty: msgspec.Raw
    ask: msgspec.Raw
    ask_qty: msgspec.Raw
    timestamp: str | None = None


class LevelItem(msgspec.Struct, gc=False):
    """What stands at one price; quantity 0 removes it."""

    price: msgspec.Raw
    qty: msgspec.Raw


class BookItem(msgspec.Struct, gc=False):
    """Levels that changed, or all of them, and the checksum of the book with them in it."""

    symbol: str
    checksum: int
    bids: list[LevelItem] = []
    asks: list[LevelItem] = []
    timestamp: str | None = None


class SystemItem(msgspec.Struct, gc=False):
    """How the trading engine is: `online`, `maintenance`, `cancel_only`, `post_only`."""

    system: str = ""


class TradeFrame(msgspec.Struct, tag="trade", tag_field="channel", gc=False):
    """Trades, of one symbol as a rule."""

    type: Kind
    data: list[TradeItem]


class TickerFrame(msgspec.Struct, tag="ticker", tag_field="channel", gc=False):
    """Best bids and asks."""

    type: Kind
    data: list[TickerItem]


class BookFrame(msgspec.Struct, tag="book", tag_field="channel", gc=False):
    """Book changes."""

    type: Kind
    data: list[BookItem]


class StatusFrame(msgspec.Struct, tag="status", tag_field="channel", gc=False):
    """The state of the trading engine."""

    data: list[SystemItem] = []


class HeartbeatFrame(msgspec.Struct, tag="heartbeat", tag_field="channel", gc=False):
    """Nothing but a sign of life, once a second."""


class Subscribed(msgspec.Struct, gc=False):
    """What was granted."""

    channel: str = ""
    symbol: str = ""
    warnings: list[str] | None = None


class Reply(msgspec.Struct, gc=False):
    """The answer to something we sent."""

    method: str
    success: bool = True
    error: str = ""
    symbol: str = ""
    req_id: int | None = None
    result: Subscribed | None = None


Frame = TradeFrame | TickerFrame | BookFrame | StatusFrame | HeartbeatFrame | Reply

decode_frame: Callable[[str], Frame] = frame_decoder(
    msgspec.json.Decoder(TradeFrame | TickerFrame | BookFrame | StatusFrame | HeartbeatFrame).decode,
    msgspec.json.Decoder(Reply).decode,  # answers alone have no channel
)
"""The frame in a text; fields it does not know are skipped. Raises `FrameError`: nothing of the shapes above."""
