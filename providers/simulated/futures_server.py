"""Kraken Futures' WebSocket from the venue's side: one client's session of requests and answers.

Written from the protocol alone, so that a mistake in our client is not repeated here.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

import msgspec

from core.clock import NS_PER_MS, wall_ns
from providers.simulated.dialogue import Opening, Reply

STREAM_PATH: Final = "/ws/v1"
_FEEDS: Final = frozenset({"book", "trade", "ticker", "ticker_lite"})
_PRIVATE: Final = frozenset({"fills", "open_orders", "open_positions", "balances", "account_log"})
_HEARTBEAT: Final = "heartbeat"
_LONGEST_NAME: Final = 40


class FuturesDialogue:
    """One client's session. `products` are the ids offered; requests may spell them in lower case."""

    def __init__(self, products: Container[str], *, opening: Opening) -> None:
        self.keys: set[str] = set()
        self._products = products
        self._opening = opening
        self._beats = False

    def opened(self) -> list[Reply]:
        """The greeting."""
        return [_event(event="info", version=1)]

    def each_second(self) -> list[Reply]:
        """A heartbeat, for those who asked."""
        return [_event(feed=_HEARTBEAT, time=wall_ns() // NS_PER_MS)] if self._beats else []

    def handle(self, text: str) -> list[Reply]:
        """The answers to one request."""
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return [_event(event="error", message="Json Error")]
        event = request.get("event") if isinstance(request, dict) else None
        if event == "ping":
            return [_event(event="pong")]
        if event not in ("subscribe", "unsubscribe"):
            return [_event(event="error", message="Invalid event")]
        return self._change(event, request)

    def _change(self, event: str, request: dict[str, object]) -> list[Reply]:
        feed, products = request.get("feed"), request.get("product_ids")
        if feed == _HEARTBEAT:
            self._beats = event == "subscribe"
            return [_event(event=f"{event}d", feed=_HEARTBEAT)]
        if isinstance(feed, str) and feed in _PRIVATE:
            return [_alert("Failed to subscribe to authenticated feed")]
        if not isinstance(feed, str) or feed not in _FEEDS:
            return [_alert("Couldn't subscribe to invalid feed")]
        if not isinstance(products, list) or not all(isinstance(each, str) for each in products):
            return [_alert("Couldn't subscribe to invalid product")]
        names = dict.fromkeys(name.upper() for name in products)
        one = self._subscribe if event == "subscribe" else self._unsubscribe
        return [reply for name in names for reply in one(feed, name)]

    def _subscribe(self, feed: str, product: str) -> list[Reply]:
        if product not in self._products:
            return [_alert(f"Couldn't subscribe to invalid product `{product[:_LONGEST_NAME]}`")]
        key = f"{feed}:{product}"
        known = key in self.keys
        self.keys.add(key)
        answer = _event(event="subscribed", feed=feed, product_ids=[product])
        if known:
            answer = _event(event="error", message="Already subscribed to feed, re-requesting")
        # Tickers of the small kind have no opening; asking for one also brings the market to life.
        opening = self._opening(key) if feed != "ticker_lite" else []
        return [answer, *(Reply(text, data=True) for text in opening)]

    def _unsubscribe(self, feed: str, product: str) -> list[Reply]:
        key = f"{feed}:{product}"
        if key not in self.keys:
            return [_alert("Not subscribed to feed")]
        self.keys.discard(key)
        return [_event(event="unsubscribed", feed=feed, product_ids=[product])]


def _event(**fields: object) -> Reply:
    return Reply(msgspec.json.encode(fields).decode(), data=False)


def _alert(message: str) -> Reply:
    return _event(event="alert", message=message)
