"""What the Kraken tests share: an instrument, a sink that remembers, frames as the venue writes them."""

from __future__ import annotations

import json
from typing import Any

import attrs
import numpy as np

from core.clock import parse_rfc3339_ns
from core.model.instruments import Instrument, Product
from core.model.records import MBP10_LEVELS, Records, Schema
from providers.base import FeedCounters
from providers.connection import ConnectionState
from providers.kraken.spot.feed import SpotFeed

NOW = "2023-07-30T15:30:00.000000Z"
NOW_NS = parse_rfc3339_ns(NOW)


def instrument(name: str = "BTC/USD", *, price_decimals: int = 1, quantity_decimals: int = 8) -> Instrument:
    """A spot pair of Kraken under its socket name."""
    base, quote = name.split("/")
    return Instrument(
        venue="KRAKEN",
        symbol=base + quote,
        venue_symbol=name,
        canonical=base + quote,
        base=base,
        quote=quote,
        settle=quote,
        product=Product.SPOT,
        price_decimals=price_decimals,
        quantity_decimals=quantity_decimals,
        price_increment_e9=10 ** (9 - price_decimals),
        quantity_increment_e8=10 ** (8 - quantity_decimals),
        instrument_id=1,
    )


@attrs.define
class RememberingChannel:
    """Keeps every push."""

    pushes: list[tuple[bytes, int]] = attrs.Factory(list)

    def push(self, records: bytes, newest_id: int = 0) -> None:
        """Keep it."""
        self.pushes.append((records, newest_id))


@attrs.define
class RememberingSink:
    """One remembering channel a symbol and schema."""

    channels: dict[tuple[str, Schema], RememberingChannel] = attrs.Factory(dict)

    def channel(self, instrument: Instrument, schema: Schema) -> RememberingChannel:
        """The channel of a symbol and schema."""
        return self.channels.setdefault((instrument.venue_symbol, schema), RememberingChannel())

    def records(self, schema: Schema, name: str = "BTC/USD") -> Records:
        """Everything pushed so far into one channel."""
        pushes = self.channels[name, schema].pushes
        return np.frombuffer(b"".join(records for records, _ in pushes), schema.dtype)

    def books(self, name: str = "BTC/USD") -> Records:
        """The books pushed so far, their levels as arrays."""
        return self.records(Schema.BOOK, name).view(MBP10_LEVELS)


class Rig:
    """A feed of some symbols, already opened, and all that it writes to."""

    def __init__(self, *instruments: Instrument) -> None:
        self.sink = RememberingSink()
        self.connection = ConnectionState("KRAKEN")
        self.feed = SpotFeed(instruments or (instrument(),), self.sink, self.connection)
        self.sent = self.feed.opened()

    @property
    def counters(self) -> FeedCounters:
        """The counters of the first symbol."""
        return self.feed.counters[0]

    def handle(self, *frames: str | dict[str, Any], at_ns: int = NOW_NS) -> None:
        """Hand frames over, all received at one instant."""
        for frame in frames:
            self.feed.handle(frame if isinstance(frame, str) else json.dumps(frame), at_ns)
            self.feed.flush()

    def requests(self) -> list[tuple[str, str, list[str]]]:
        """Method, channel and symbols of what the feed wants to send; forgets it."""
        messages = [json.loads(text) for text in self.feed.outbox]
        self.feed.outbox.clear()
        return [(each["method"], each["params"]["channel"], each["params"]["symbol"]) for each in messages]


def trade_item(trade_id: int, *, symbol: str = "BTC/USD", **fields: Any) -> dict[str, Any]:
    """One trade as the venue sends it."""
    return {
        "symbol": symbol, "side": "buy", "price": 29430.2, "qty": 0.5, "ord_type": "market",
        "trade_id": trade_id, "timestamp": NOW, **fields,
    }  # fmt: skip


def trades(*items: dict[str, Any], kind: str = "update") -> dict[str, Any]:
    """A frame of trades."""
    return {"channel": "trade", "type": kind, "data": list(items)}


def ticker(*, kind: str = "update", **fields: Any) -> dict[str, Any]:
    """A ticker frame of BTC/USD."""
    item = {
        "symbol": "BTC/USD", "bid": 29430.2, "bid_qty": 1.5, "ask": 29430.3, "ask_qty": 2.5, "last": 29430.2,
        "volume": 12.0, "vwap": 29430.0, "low": 1.0, "high": 2.0, "change": 0.1, "change_pct": 0.1,
    }  # fmt: skip
    return {"channel": "ticker", "type": kind, "data": [{**item, **fields}]}


def refusal(symbol: str, text: str = "Currency pair not supported", **fields: Any) -> dict[str, Any]:
    """The venue's answer to a subscription that it does not grant."""
    return {"error": text, "method": "subscribe", "success": False, "symbol": symbol, **fields}
