"""What the tests of Kraken Futures share: products, an opened feed, frames as the venue writes them, the session."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from core.clock import NS_PER_S
from core.model.instruments import Instrument
from core.model.records import Records, Schema
from providers.base import FeedCounters
from providers.connection import ConnectionState
from providers.kraken.futures.feed import FuturesFeed
from providers.kraken.futures.symbols import parse_instruments
from tests.unit.providers.kraken.support import RememberingSink

NOW_MS = 1_700_000_000_000
NOW_NS = NOW_MS * 1_000_000
PRODUCT = "PI_XBTUSD"
SESSION = "session_20210722.txt"

LISTED = [
    {"symbol": "PI_XBTUSD", "type": "futures_inverse", "tickSize": 0.5, "base": "BTC", "quote": "USD"},
    {"symbol": "PI_ETHUSD", "type": "futures_inverse", "tickSize": 0.05, "base": "ETH", "quote": "USD"},
    {"symbol": "PF_XBTUSD", "type": "flexible_futures", "tickSize": 1, "contractValueTradePrecision": 4,
     "base": "BTC", "quote": "USD"},
]  # fmt: skip


@cache
def products() -> dict[str, Instrument]:
    """Some products by id, as the venue lists them today."""
    body = json.dumps({"result": "success", "instruments": LISTED}).encode()
    return {each.venue_symbol: each for each in parse_instruments(body)}


class FuturesRig:
    """A feed of some products, already opened, and all that it writes to."""

    def __init__(self, *instruments: Instrument) -> None:
        self.sink = RememberingSink()
        self.connection = ConnectionState("KRAKEN_FUTURES")
        self.feed = FuturesFeed(instruments or (products()[PRODUCT],), self.sink, self.connection)
        self.sent = [json.loads(text) for text in self.feed.opened()]

    @property
    def counters(self) -> FeedCounters:
        """The counters of the first product."""
        return self.feed.counters[0]

    def handle(self, *frames: str | dict[str, Any], at_ns: int = NOW_NS) -> None:
        """Hand frames over, all received at one instant."""
        for frame in frames:
            self.feed.handle(frame if isinstance(frame, str) else json.dumps(frame), at_ns)
            self.feed.flush()

    def requests(self) -> list[tuple[str, str, list[str]]]:
        """Event, feed and products of what the feed wants to send; forgets it."""
        messages = [json.loads(text) for text in self.feed.outbox]
        self.feed.outbox.clear()
        return [(each["event"], each.get("feed", ""), each.get("product_ids", [])) for each in messages]

    def records(self, schema: Schema, product: str = PRODUCT) -> Records:
        """Everything pushed so far into one channel."""
        return self.sink.records(schema, product)

    def books(self, product: str = PRODUCT) -> Records:
        """The books pushed so far, their levels as arrays."""
        return self.sink.books(product)


def trade(seq: int, *, product: str = PRODUCT, **fields: Any) -> dict[str, Any]:
    """A trade; its uid is made of its number."""
    return {
        "feed": "trade", "product_id": product, "uid": f"uid-{product}-{seq}", "side": "sell", "type": "fill",
        "seq": seq, "time": NOW_MS, "qty": 5000.0, "price": 34893.5, **fields,
    }  # fmt: skip


def trade_snapshot(newest: int, count: int = 100, *, product: str = PRODUCT) -> dict[str, Any]:
    """The last trades, newest first."""
    trades = [trade(seq, product=product) for seq in range(newest, newest - count, -1)]
    return {"feed": "trade_snapshot", "product_id": product, "trades": trades}


def book_snapshot(seq: int = 100, *, product: str = PRODUCT, **fields: Any) -> dict[str, Any]:
    """Twelve levels a side around 100."""
    bids = [{"price": 99.5 - step / 2, "qty": 10.0 + step} for step in range(12)]
    asks = [{"price": 100.5 + step / 2, "qty": 20.0 + step} for step in range(12)]
    return {
        "feed": "book_snapshot", "product_id": product, "timestamp": NOW_MS, "seq": seq, "tickSize": None,
        "bids": bids, "asks": asks, **fields,
    }  # fmt: skip


def change(seq: int, price: Any = 99.5, qty: Any = 7.0, *, side: str = "buy", **fields: Any) -> dict[str, Any]:
    """A change of one level."""
    return {
        "feed": "book", "product_id": PRODUCT, "side": side, "seq": seq, "price": price, "qty": qty,
        "timestamp": NOW_MS, **fields,
    }  # fmt: skip


def alert(message: str, event: str = "alert") -> dict[str, Any]:
    """A complaint of the venue's."""
    return {"event": event, "message": message}


def recorded_products(captures: Path) -> dict[str, Instrument]:
    """The products of the real session, by id."""
    body = (captures / "kraken_futures" / "rest_instruments_20210722.json").read_bytes()
    return {each.venue_symbol: each for each in parse_instruments(body)}


def recorded_session(captures: Path) -> list[tuple[int, str]]:
    """(receipt instant, text) of what the venue sent in the real session, read without the project's own reader."""
    lines = (captures / "kraken_futures" / SESSION).read_text().splitlines()
    received = [line.split(": ", 1) for line in lines if line[:1].isdigit()]
    return [(_instant_ns(stamp), text) for stamp, text in received]


def _instant_ns(stamp: str) -> int:
    seconds, fraction = stamp.split(".")
    return int(seconds) * NS_PER_S + int(fraction.ljust(9, "0"))


def session_rig(captures: Path, names: Sequence[str]) -> FuturesRig:
    """A feed of products of the real session."""
    listed = recorded_products(captures)
    return FuturesRig(*(listed[name] for name in names))
