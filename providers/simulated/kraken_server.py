"""Kraken spot's WebSocket v2 from the venue's side: one client's session of requests and answers.

Written from the protocol alone, so that a mistake in our client is not repeated here.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Final

import msgspec

from core.clock import wall_ns
from providers.simulated.dialogue import Opening, Reply
from providers.simulated.kraken_market import kraken_instant

KeyOf = Callable[[str, str, Mapping[str, object]], str]
"""The subscription key of (channel, symbol, parameters)."""

DEPTHS: Final = (10, 25, 100, 500, 1000)
_CHANNELS: Final = frozenset({"book", "trade", "ticker"})
_HEARTBEAT = '{"channel":"heartbeat"}'


def generated_key(channel: str, symbol: str, parameters: Mapping[str, object]) -> str:
    """The key of a generated stream: what changes its content is part of it, as in `book:10:BTC/USD`."""
    if channel == "book":
        return f"book:{parameters.get('depth', 10)}:{symbol}"
    if channel == "ticker":
        return f"ticker:{parameters.get('event_trigger', 'trades')}:{symbol}"
    return f"{channel}:{symbol}"


def recorded_key(channel: str, symbol: str, _parameters: Mapping[str, object]) -> str:
    """The key of a recorded stream: its content is what it is."""
    return f"{channel}:{symbol}"


def _flag(value: object, *, default: bool) -> bool:
    return value if isinstance(value, bool) else default


class KrakenDialogue:
    """One client's session. `symbols` are the pairs offered."""

    def __init__(self, symbols: Container[str], *, key_of: KeyOf, opening: Opening) -> None:
        self.keys: set[str] = set()
        self._symbols = symbols
        self._key_of = key_of
        self._opening = opening
        self._subscribed: dict[tuple[str, str], str] = {}

    def opened(self) -> list[Reply]:
        """The status that Kraken pushes unasked."""
        status = {"version": "2.0.10", "system": "online", "api_version": "v2", "connection_id": 2**64 - 2}
        return [_session({"channel": "status", "type": "update", "data": [status]})]

    def each_second(self) -> list[Reply]:
        """A heartbeat, once anything is subscribed."""
        return [Reply(_HEARTBEAT, data=False)] if self._subscribed else []

    def handle(self, text: str) -> list[Reply]:
        """The answers to one request."""
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return [_error("Malformed request", {})]
        method = request.get("method") if isinstance(request, dict) else None
        if method == "ping":
            return [_session({"method": "pong", **_echo(request), **_times()})]
        if method not in ("subscribe", "unsubscribe") or not isinstance(request.get("params"), dict):
            return [_error("Event(s) not found", request if isinstance(request, dict) else {})]
        return self._change(request, method, request["params"])

    def _change(self, request: dict[str, object], method: str, parameters: dict[str, object]) -> list[Reply]:
        channel, symbols = parameters.get("channel"), parameters.get("symbol")
        if not isinstance(channel, str) or channel not in _CHANNELS:
            return [_error("Event(s) not found", request)]
        depth = parameters.get("depth", 10)
        if channel == "book" and not (isinstance(depth, int) and depth in DEPTHS):
            return [_error("Subscription depth not supported", request)]
        if channel == "ticker" and parameters.get("event_trigger", "trades") not in ("trades", "bbo"):
            return [_error("Event trigger not supported", request)]
        if not isinstance(symbols, list) or not symbols:
            return [_error("Currency pair not in ISO 4217-A3 format", request)]
        replies: list[Reply] = []
        for symbol in dict.fromkeys(str(each) for each in symbols):
            one = self._subscribe if method == "subscribe" else self._unsubscribe
            replies += one(request, channel, symbol, parameters)
        return replies

    def _subscribe(
        self, request: dict[str, object], channel: str, symbol: str, parameters: Mapping[str, object]
    ) -> list[Reply]:
        if symbol not in self._symbols:
            return [_error(f"Currency pair not supported {symbol}", request, symbol=symbol)]
        if (channel, symbol) in self._subscribed:
            return [_error("Already subscribed", request, symbol=symbol)]
        key = self._key_of(channel, symbol, parameters)
        self._subscribed[channel, symbol] = key
        self.keys.add(key)
        wants_snapshot = _flag(parameters.get("snapshot"), default=channel != "trade")
        result: dict[str, object] = {"channel": channel, "snapshot": wants_snapshot, "symbol": symbol}
        if channel == "book":
            result["depth"] = parameters.get("depth", 10)
        if channel == "ticker":
            result["event_trigger"] = parameters.get("event_trigger", "trades")
        acknowledged = _acknowledged(request, result)
        # Asking for the opening also brings the market to life, so it is asked for in any case.
        opening = [Reply(text, data=True) for text in self._opening(key)]
        return [acknowledged, *opening] if wants_snapshot else [acknowledged]

    def _unsubscribe(
        self, request: dict[str, object], channel: str, symbol: str, _parameters: Mapping[str, object]
    ) -> list[Reply]:
        key = self._subscribed.pop((channel, symbol), None)
        if key is None:
            return [_error("Subscription Not Found", request, symbol=symbol)]
        self.keys.discard(key)
        return [_acknowledged(request, {"channel": channel, "symbol": symbol})]


def _echo(request: Mapping[str, object]) -> dict[str, object]:
    return {"req_id": request["req_id"]} if isinstance(request.get("req_id"), int) else {}


def _times() -> dict[str, str]:
    now = kraken_instant(wall_ns())
    return {"time_in": now, "time_out": now}


def _session(message: dict[str, object]) -> Reply:
    return Reply(msgspec.json.encode(message).decode(), data=False)


def _acknowledged(request: Mapping[str, object], result: dict[str, object]) -> Reply:
    answer = {"method": request["method"], "result": result, "success": True}
    return _session({**answer, **_times(), **_echo(request)})


def _error(text: str, request: Mapping[str, object], *, symbol: str = "") -> Reply:
    named = {"symbol": symbol} if symbol else {}
    method = {"method": request["method"]} if isinstance(request.get("method"), str) else {}
    return _session({"error": text, **method, "success": False, **named, **_times(), **_echo(request)})
