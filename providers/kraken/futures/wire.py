"""The shapes of Kraken Futures' WebSocket frames, and the reading of them. Pure.

Prices and quantities stay the wire's own text (`msgspec.Raw`) until they become integers. Fields that nothing here
needs are skipped, and the venue's order of them has changed over the years.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec

from providers.venue.frame_decoder import frame_decoder

Counter = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=9_000_000_000_000)]
Uid = Annotated[str, msgspec.Meta(max_length=64)]
_NOTHING = msgspec.Raw()


class Trade(msgspec.Struct, tag="trade", tag_field="feed", gc=False):
    """One trade; `side` is the taker's. `trade_id` is the venue's `seq`: it rises by one in a product."""

    product_id: str
    side: str
    price: msgspec.Raw
    qty: msgspec.Raw
    trade_id: Counter = msgspec.field(name="seq")
    time: Milliseconds = 0
    uid: Uid = ""


class TradeSnapshot(msgspec.Struct, tag="trade_snapshot", tag_field="feed"):
    """The last hundred trades of a product, newest first; sent again with every subscription."""

    product_id: str
    trades: list[Trade]


class LevelItem(msgspec.Struct, gc=False):
    """What stands at one price."""

    price: msgspec.Raw
    qty: msgspec.Raw


class BookSnapshot(msgspec.Struct, tag="book_snapshot", tag_field="feed"):
    """A whole book; the next change of it has the number `seq` + 1."""

    product_id: str
    seq: Counter
    bids: list[LevelItem]
    asks: list[LevelItem]
    timestamp: Milliseconds = 0


class BookChange(msgspec.Struct, tag="book", tag_field="feed", gc=False):
    """The new total at one price, 0 when nothing is left of it. `seq` rises by one from change to change."""

    product_id: str
    side: str
    seq: Counter
    price: msgspec.Raw
    qty: msgspec.Raw
    timestamp: Milliseconds = 0


class Ticker(msgspec.Struct, tag="ticker", tag_field="feed"):
    """What a book does not say of a product; any of it may be missing or null."""

    product_id: str
    mark_price: msgspec.Raw = msgspec.field(name="markPrice", default=_NOTHING)
    index: msgspec.Raw = _NOTHING
    open_interest: msgspec.Raw = msgspec.field(name="openInterest", default=_NOTHING)
    relative_funding_rate: msgspec.Raw = _NOTHING
    suspended: bool | None = None
    post_only: bool | None = None


class Heartbeat(msgspec.Struct, tag="heartbeat", tag_field="feed", gc=False):
    """Nothing but a sign of life."""


class Event(msgspec.Struct, gc=False):
    """Everything that is no market data: greetings, what was granted or refused, complaints."""

    event: str
    feed: str = ""
    product_ids: list[str] = []
    message: str = ""


Frame = Trade | TradeSnapshot | BookSnapshot | BookChange | Ticker | Heartbeat | Event

decode_frame: Callable[[str], Frame] = frame_decoder(
    msgspec.json.Decoder(Trade | TradeSnapshot | BookSnapshot | BookChange | Ticker | Heartbeat).decode,
    msgspec.json.Decoder(Event).decode,  # events carry the name of a feed without its data, or none
)
"""The frame in a text; fields it does not know are skipped. Raises `FrameError`: nothing of the shapes above."""
