"""What the tests of Binance share: an instrument, channels that keep what is pushed, and frames."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from core.model.instruments import Instrument, Product
from core.model.records import MBP10_LEVELS, Records, Schema
from providers.binance.depth import DepthBook
from providers.binance.feed import BinanceFeed
from providers.connection import ConnectionState


def instrument(venue_symbol: str = "BTCUSDT", symbol: str = "BTCUSD") -> Instrument:
    """An instrument of Binance quoted in Tether."""
    return Instrument(
        venue="BINANCE", symbol=symbol, venue_symbol=venue_symbol, canonical=symbol, base=symbol[:-3], quote="USDT",
        settle="USDT", product=Product.SPOT, price_decimals=2, quantity_decimals=5,
        price_increment_e9=10**7, quantity_increment_e8=10**3, instrument_id=4242,
    )  # fmt: skip


@attrs.define
class Kept:
    """A channel that keeps everything."""

    records: list[bytes] = attrs.Factory(list)
    ids: list[int] = attrs.Factory(list)

    def push(self, records: bytes, newest_id: int = 0) -> None:
        """Keep `records` and `newest_id`."""
        self.records.append(records)
        self.ids.append(newest_id)

    def array(self, schema: Schema) -> Records:
        """Everything kept, in the dtype of `schema`; books with their levels as an array."""
        dtype = MBP10_LEVELS if schema is Schema.BOOK else schema.dtype
        return np.frombuffer(b"".join(self.records), dtype)


@attrs.define
class KeepingSink:
    """A sink of keeping channels."""

    channels: dict[tuple[str, Schema], Kept] = attrs.Factory(dict)

    def channel(self, instrument: Instrument, schema: Schema) -> Kept:
        """The channel of one (instrument, schema)."""
        return self.channels.setdefault((instrument.venue_symbol, schema), Kept())


class Bench:
    """A feed of some symbols without a connection."""

    def __init__(self, *instruments: Instrument) -> None:
        listed = list(instruments) or [instrument()]
        self.sink = KeepingSink()
        self.connection = ConnectionState("BINANCE")
        self.asked: list[DepthBook] = []
        self.feed = BinanceFeed(listed, self.sink, connection=self.connection, request_snapshot=self.asked.append)
        self.counters = self.feed.counters
        self.greeting = self.feed.opened()

    def kept(self, schema: Schema, venue_symbol: str = "BTCUSDT") -> Kept:
        """The channel of one symbol and schema."""
        return self.sink.channels[venue_symbol, schema]

    def say(self, message: object, ts_recv_ns: int = 1_000) -> None:
        """Hand one message to the feed as the venue would write it."""
        self.hand_over(json.dumps(message, separators=(",", ":")), ts_recv_ns)

    def hand_over(self, text: str, ts_recv_ns: int) -> None:
        """Hand one text to the feed, as what one read brought."""
        try:
            self.feed.handle(text, ts_recv_ns)
        finally:
            self.feed.flush()


def trade(trade_id: int, **changes: object) -> dict[str, Any]:
    """A trade frame."""
    data = {
        "e": "trade", "E": 2, "s": "BTCUSDT", "t": trade_id, "p": "61837.63000000", "q": "0.02000000", "T": 1,
        "m": True, "M": True,
    }  # fmt: skip
    return {"stream": "btcusdt@trade", "data": data | changes}


def quote(update_id: int, **changes: object) -> dict[str, Any]:
    """A bookTicker frame."""
    data = {
        "u": update_id, "s": "BTCUSDT", "b": "100.10000000", "B": "1.00000000", "a": "100.20000000",
        "A": "2.00000000",
    }  # fmt: skip
    return {"stream": "btcusdt@bookTicker", "data": data | changes}


def depth(first_id: int, last_id: int, **changes: object) -> dict[str, Any]:
    """A depthUpdate frame that changes nothing unless told."""
    data: dict[str, object] = {
        "e": "depthUpdate", "E": last_id, "s": "BTCUSDT", "U": first_id, "u": last_id, "b": [], "a": [],
    }  # fmt: skip
    return {"stream": "btcusdt@depth@100ms", "data": data | changes}


def recorded(captures: Path, name: str, count: int) -> Iterator[tuple[int, str]]:
    """The first `count` lines of a capture: when each was received, and its text."""
    with gzip.open(captures / "binance" / name, "rt") as lines:
        for _, line in zip(range(count), (each for each in lines if each.strip()), strict=False):
            received, _, text = line.rstrip("\n").partition(" ")
            yield int(received), text
