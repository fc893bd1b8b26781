"""One line of a captured session: when it was received, and which stream of which venue it belongs to. Pure.

Formats: `<epoch s>: <json>`, `<epoch ns> <json>`, `<url> -> <epoch s>: <json>` for REST answers, `<json>` alone,
and `wss://…` lines, which say what was sent.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec

from core.clock import NS_PER_S, parse_rfc3339_ns

Protocol = Literal["kraken", "binance", "kraken_futures"]

_SECONDS = re.compile(r"(\d{1,10})(?:\.(\d{1,9}))?: ")
_NANOSECONDS = re.compile(r"(\d{18,19}) ")
_REST = re.compile(r"(https?://\S+) -> (?=\d)")
_SENT = re.compile(r"wss?://\S+ <->? ")
_NS_PER_MS = NS_PER_S // 1000
_FUTURES_SESSION = frozenset(
    {"info", "alert", "error", "pong", "challenge", "subscribed", "subscribed_failed", "unsubscribed",
     "unsubscribed_failed"}
)  # fmt: skip
_KRAKEN_SESSION = frozenset({"status", "heartbeat", "instrument", "pong", "ping"})


class DamagedLineError(ValueError):
    """The line is not one of the formats; the text says why."""


class Message(NamedTuple):
    """One frame of market data. `received_ns` is None when only a time of the venue's own can be had."""

    protocol: Protocol
    stream: str
    symbol: str
    text: str
    received_ns: int | None
    venue_ns: int | None


class RestAnswer(NamedTuple):
    """The body of a REST answer; `symbol` is empty when the request did not say."""

    path: str
    symbol: str
    text: str


class _Document(msgspec.Struct):
    stream: str | None = None
    channel: str | None = None
    event: str | None = None
    feed: str | None = None
    method: str | None = None
    last_update_id: int | None = msgspec.field(default=None, name="lastUpdateId")
    data: msgspec.Raw = msgspec.Raw(b"")
    result: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")
    code: msgspec.Raw = msgspec.Raw(b"")


class _KrakenRow(msgspec.Struct):
    symbol: str
    timestamp: str | None = None


class _BinanceEvent(msgspec.Struct):
    event_ms: int | None = msgspec.field(default=None, name="E")
    trade_ms: int | None = msgspec.field(default=None, name="T")


class _FuturesTrade(msgspec.Struct):
    time: int | None = None


class _FuturesMessage(msgspec.Struct):
    product_id: str
    time: int | None = None
    timestamp: int | None = None
    trades: list[_FuturesTrade] = []


_DOCUMENT = msgspec.json.Decoder(_Document)
_KRAKEN_ROWS = msgspec.json.Decoder(list[_KrakenRow])
_BINANCE_EVENT = msgspec.json.Decoder(_BinanceEvent)
_FUTURES_MESSAGE = msgspec.json.Decoder(_FuturesMessage)


def read_line(line: str) -> Message | RestAnswer | None:
    """What `line` holds; None for what was sent, and for a session's own messages.

    Raises:
        DamagedLineError: none of the known formats, or cut JSON.
    """
    if line.startswith("{"):
        return _read_json(line, None)
    if found := _NANOSECONDS.match(line):
        return _read_json(line[found.end() :], int(found[1]))
    if found := _SECONDS.match(line):
        return _read_json(line[found.end() :], _seconds_ns(found))
    if found := _REST.match(line):
        return _read_rest(found[1], line[found.end() :])
    if _SENT.match(line) or not line.strip():
        return None
    raise DamagedLineError("not a line of a known capture format")


def _seconds_ns(found: re.Match[str]) -> int:
    return int(found[1]) * NS_PER_S + int((found[2] or "").ljust(9, "0"))


def _read_rest(url: str, rest: str) -> RestAnswer:
    found = _SECONDS.match(rest)
    if not found:
        raise DamagedLineError("a REST answer without its time")
    text = rest[found.end() :]
    try:
        parts = urlsplit(url)
    except ValueError:
        raise DamagedLineError("a REST answer without its address") from None
    if not parts.path.endswith(("/depth", "/exchangeInfo", "/AssetPairs", "/instruments")):
        raise DamagedLineError("an answer of a REST call that a recording cannot use")
    _checked(text)
    return RestAnswer(parts.path, parse_qs(parts.query).get("symbol", [""])[0].upper(), text)


def _checked(text: str) -> _Document:
    try:
        return _DOCUMENT.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise DamagedLineError(f"cut or damaged JSON: {error}") from None


def _read_json(text: str, received_ns: int | None) -> Message | RestAnswer | None:
    if text.startswith("["):
        raise DamagedLineError("a capture of Kraken's WebSocket v1, which cannot be played: v2 is needed")
    document = _checked(text)
    if document.stream is not None:
        return _binance(text, document, received_ns)
    if document.channel is not None:
        return _kraken(text, document, received_ns)
    if document.event is not None or document.feed is not None:
        return _futures(text, document, received_ns)
    if document.last_update_id is not None:
        return RestAnswer("/api/v3/depth", "", text)
    if document.method is None and not (document.result or document.error or document.code):
        raise DamagedLineError("not a message of Kraken spot v2, of Kraken Futures or of Binance's combined streams")
    return None


def _binance(text: str, document: _Document, received_ns: int | None) -> Message | None:
    stream = document.stream or ""
    if stream.startswith("!"):
        return None
    venue_ns = None
    if received_ns is None:
        try:
            event = _BINANCE_EVENT.decode(document.data)
        except msgspec.DecodeError as error:
            raise DamagedLineError(f"not a message of Binance: {error}") from None
        venue_ns = _milliseconds_ns(event.event_ms if event.event_ms is not None else event.trade_ms)
    return Message("binance", stream, stream.partition("@")[0].upper(), text, received_ns, venue_ns)


def _milliseconds_ns(milliseconds: int | None) -> int | None:
    if milliseconds is not None and not 0 <= milliseconds < 10**13:
        raise DamagedLineError("a time that cannot be")
    return None if milliseconds is None else milliseconds * _NS_PER_MS


def _futures(text: str, document: _Document, received_ns: int | None) -> Message | None:
    if document.event is not None:
        if document.event in _FUTURES_SESSION:
            return None
        raise DamagedLineError("a capture of Kraken's WebSocket v1, which cannot be played: v2 is needed")
    feed = (document.feed or "").removesuffix("_snapshot")
    if feed == "heartbeat":
        return None
    try:
        message = _FUTURES_MESSAGE.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DamagedLineError(f"not a message of Kraken Futures: {error}") from None
    times = [message.timestamp, message.time, *(trade.time for trade in message.trades)]
    venue_ns = _milliseconds_ns(next((each for each in times if each is not None), None))
    product_id = message.product_id.upper()
    return Message("kraken_futures", f"{feed}:{product_id}", product_id, text, received_ns, venue_ns)


def _kraken(text: str, document: _Document, received_ns: int | None) -> Message | None:
    if document.channel in _KRAKEN_SESSION:
        return None
    try:
        rows = _KRAKEN_ROWS.decode(document.data)
        stamp = next((row.timestamp for row in reversed(rows) if row.timestamp), None)
        venue_ns = parse_rfc3339_ns(stamp) if stamp else None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DamagedLineError(f"not a message of Kraken spot v2: {error}") from None
    if not rows:
        return None
    symbol = rows[0].symbol
    return Message("kraken", f"{document.channel}:{symbol}", symbol, text, received_ns, venue_ns)
