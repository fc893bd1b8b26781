"""Kraken's side of the simulated venue, against an independent reading of the protocol."""

from __future__ import annotations

import json
import re
import zlib
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import trio

from core.clock import NS_PER_S, parse_rfc3339_ns, wall_ns
from providers.simulated.kraken_market import KrakenFloor
from providers.simulated.kraken_server import KrakenDialogue, generated_key
from providers.simulated.market import MarketSource
from tests.unit.providers.simulated.raw_client import Json, connected, kraken_subscribe, running

_Side = dict[Decimal, tuple[str, str]]


class _Book:
    """A client's book, kept as Kraken's guide says, number texts as they came."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.bids: _Side = {}
        self.asks: _Side = {}

    def take(self, text: str) -> None:
        """Apply one message and compare the checksum."""
        message = json.loads(text, parse_float=str, parse_int=str)
        (data,) = message["data"]
        if message["type"] == "snapshot":
            self.bids, self.asks = {}, {}
        self.bids = self._side(self.bids, data["bids"], best_first=True)
        self.asks = self._side(self.asks, data["asks"], best_first=False)
        digits = "".join(
            field.replace(".", "").lstrip("0")
            for side in (self.asks, self.bids)
            for level in list(side.values())[:10]
            for field in level
        )
        assert zlib.crc32(digits.encode()) == int(data["checksum"])
        assert max(self.bids) < min(self.asks)

    def _side(self, held: _Side, rows: list[dict[str, str]], *, best_first: bool) -> _Side:
        side = dict(held)
        for row in rows:
            price = Decimal(row["price"])
            if Decimal(row["qty"]):
                side[price] = row["price"], row["qty"]
            else:
                side.pop(price, None)
        return dict(sorted(side.items(), reverse=best_first)[: self.depth])


@pytest.mark.parametrize("depth", [10, 25, 100])
@pytest.mark.parametrize(("symbol", "digits"), [("BTC/USD", (1, 8)), ("SHIB/USD", (8, 5)), ("DOGE/USD", (7, 8))])
def test_checksums(symbol: str, digits: tuple[int, int], depth: int) -> None:
    """Over some thousand generated updates the checksum is the one a client of that depth computes."""
    source = MarketSource(21, rate=100.0)
    floor, book = KrakenFloor(source), _Book(depth)
    key = f"book:{depth}:{symbol}"
    book.take(floor.opening(key)[0])
    updates = 0
    for step in source.advance(60 * NS_PER_S):
        for _, text in floor.frames(step, {key}, step.at_ns):
            book.take(text)
            updates += 1
            prices, quantities = (re.findall(rf'"{name}":\d+\.(\d+)', text) for name in ("price", "qty"))
            assert {len(price) for price in prices} == {digits[0]}
            assert {len(quantity) for quantity in quantities} == {digits[1]}
        if updates >= 1200:
            return
    raise AssertionError("too few updates")


def test_levels_out_of_depth_are_not_deleted() -> None:
    """A deletion is sent only for what left the market, never for what was pushed out of depth."""
    source = MarketSource(4, rate=100.0)
    floor = KrakenFloor(source)
    market = source.market("BTCUSD")
    floor.opening("book:10:BTC/USD")
    for step in source.advance(5 * NS_PER_S):
        for _, text in floor.frames(step, {"book:10:BTC/USD"}, step.at_ns):
            (data,) = json.loads(text)["data"]
            for name, side in (("bids", market.bids), ("asks", market.asks)):
                gone = {round(row["price"] * 10) for row in data[name] if row["qty"] == 0}
                assert not gone & set(side.units)


@pytest.mark.trio
async def test_session() -> None:
    """A real connection: status, one ack a symbol, snapshot, then updates whose checksums hold; trades have
    consecutive ids and present times, the trade snapshot holds the last fifty, quotes agree with the book."""
    async with running("kraken", MarketSource(3, rate=20.0)) as venue, connected(venue) as client:
        assert venue.venue == "SIM.KRAKEN"
        assert "BTCUSD" in venue.symbols
        assert (await client.until(lambda _: True))["channel"] == "status"
        await client.send(kraken_subscribe("book", "BTC/USD", "ETH/USD", depth=10))
        await client.send(kraken_subscribe("trade", "BTC/USD", snapshot=True))
        await client.send(kraken_subscribe("ticker", "BTC/USD", event_trigger="bbo"))
        beats = 0
        while beats < 2:
            beats += (await client.until(lambda message: message.get("channel") == "heartbeat")) is not None
    messages: list[Json] = [json.loads(text) for text in client.texts]
    acks = [message["result"] for message in messages if message.get("method") == "subscribe"]
    assert [(ack["channel"], ack["symbol"]) for ack in acks] == [
        ("book", "BTC/USD"),
        ("book", "ETH/USD"),
        ("trade", "BTC/USD"),
        ("ticker", "BTC/USD"),
    ]
    _check_trades(messages)
    for symbol in ("BTC/USD", "ETH/USD"):
        book = _Book(10)
        books = [text for text in client.texts if '"book","type"' in text and f'"symbol":"{symbol}"' in text]
        for text in books:
            book.take(text)
        assert len(books) > 50
    _check_quotes(messages)


def _check_trades(messages: list[Json]) -> None:
    trades = [message for message in messages if message.get("channel") == "trade"]
    assert trades[0]["type"] == "snapshot"
    assert len(trades[0]["data"]) == 50
    rows: list[dict[str, Any]] = [row for message in trades for row in message["data"]]
    assert all(after["trade_id"] == before["trade_id"] + 1 for before, after in pairwise(rows))
    newest_ns = parse_rfc3339_ns(rows[-1]["timestamp"])
    assert abs(wall_ns() - newest_ns) < 60 * NS_PER_S


def _check_quotes(messages: list[Json]) -> None:
    bids: dict[float, float] = {}
    compared = 0
    for message in messages:
        if message.get("channel") == "book" and message["data"][0]["symbol"] == "BTC/USD":
            bids.update({row["price"]: row["qty"] for row in message["data"][0]["bids"]})
            bids = {price: bids[price] for price in sorted(bids, reverse=True) if bids[price]}
            bids = dict(list(bids.items())[:10])
        elif message.get("channel") == "ticker":
            quote = message["data"][0]
            assert (quote["bid"], quote["bid_qty"]) == (max(bids), bids[max(bids)])
            compared += 1
    assert compared > 20


def _dialogue() -> KrakenDialogue:
    floor = KrakenFloor(MarketSource(1))
    return KrakenDialogue({"BTC/USD", "ETH/USD"}, key_of=generated_key, opening=floor.opening)


def _answers(dialogue: KrakenDialogue, request: object) -> list[Json]:
    text = request if isinstance(request, str) else json.dumps(request)
    return [json.loads(reply.text) for reply in dialogue.handle(text)]


def test_refusals() -> None:
    """Unknown pairs are refused one by one with Kraken's words; the others of the request are served."""
    refused, accepted, snapshot = _answers(_dialogue(), kraken_subscribe("book", "XBT/USD", "BTC/USD"))
    assert refused["error"] == "Currency pair not supported XBT/USD"
    assert (refused["success"], refused["symbol"], refused["req_id"]) == (False, "XBT/USD", 7)
    assert accepted["success"]
    assert snapshot["type"] == "snapshot"


@pytest.mark.parametrize(
    ("request_text", "error"),
    [
        ("{", "Malformed request"),
        ("[]", "Event(s) not found"),
        ('{"method":"dance"}', "Event(s) not found"),
        ('{"method":"subscribe"}', "Event(s) not found"),
        (kraken_subscribe("level3", "BTC/USD"), "Event(s) not found"),
        (kraken_subscribe("book", "BTC/USD", depth=11), "Subscription depth not supported"),
        (kraken_subscribe("ticker", "BTC/USD", event_trigger="x"), "Event trigger not supported"),
        ("[" * 20_000, "Malformed request"),
        ('{"method":["subscribe"]}', "Event(s) not found"),
        (kraken_subscribe("book", "BTC/USD", depth=10.0), "Subscription depth not supported"),
        (kraken_subscribe("book", "BTC/USD", depth=[10]), "Subscription depth not supported"),
        (kraken_subscribe("ticker", "BTC/USD", event_trigger={}), "Event trigger not supported"),
        (kraken_subscribe("trade"), "Currency pair not in ISO 4217-A3 format"),
    ],
)
def test_bad_requests(request_text: object, error: str) -> None:
    """A request that makes no sense gets an error, not silence."""
    (answer,) = _answers(_dialogue(), request_text)
    assert answer["error"] == error
    assert not answer["success"]


def test_ping() -> None:
    """A ping is answered by a pong with its number."""
    (answer,) = _answers(_dialogue(), {"method": "ping", "req_id": 9})
    assert (answer["method"], answer["req_id"]) == ("pong", 9)


def test_unsubscribe_and_again() -> None:
    """Unsubscribing stops a stream, subscribing twice is refused, and a new subscription gets a new snapshot."""
    dialogue = _dialogue()
    _answers(dialogue, kraken_subscribe("book", "BTC/USD"))
    assert _answers(dialogue, kraken_subscribe("book", "BTC/USD"))[0]["error"] == "Already subscribed"
    unsubscribe = {**kraken_subscribe("book", "BTC/USD"), "method": "unsubscribe"}
    assert _answers(dialogue, unsubscribe)[0]["success"]
    assert dialogue.keys == set()
    assert _answers(dialogue, unsubscribe)[0]["error"] == "Subscription Not Found"
    assert [answer.get("type") for answer in _answers(dialogue, kraken_subscribe("book", "BTC/USD"))] == [
        None,
        "snapshot",
    ]


@pytest.mark.trio
async def test_two_clients_hear_the_same() -> None:
    """Two clients at different depths follow one market: each book holds, and their trades are the same."""
    async with (
        running("kraken", MarketSource(3, rate=20.0)) as venue,
        connected(venue) as first,
        connected(venue) as second,
    ):
        for client, depth in ((first, 10), (second, 25)):
            await client.send(kraken_subscribe("book", "BTC/USD", depth=depth))
            await client.send(kraken_subscribe("trade", "BTC/USD"))
        for client in (first, second):
            for _ in range(20):
                await client.until(lambda message: message.get("channel") == "trade")
    trades = []
    for client, depth in ((first, 10), (second, 25)):
        book = _Book(depth)
        for text in client.texts:
            if '"channel":"book"' in text and '"type"' in text:
                book.take(text)
        trades.append([text for text in client.texts if text.startswith('{"channel":"trade"')])
    assert set(trades[0]) & set(trades[1])


@pytest.mark.trio
async def test_wrong_path() -> None:
    """A path that Kraken does not serve is refused at the handshake."""
    async with running("kraken", MarketSource(3)) as venue:
        host, port = venue.stream_url.removeprefix("ws://").removesuffix("/v2").split(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(
                b"GET /v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            assert bytes(await stream.receive_some()).startswith(b"HTTP/1.1 404")


@pytest.mark.trio
async def test_hostile_bytes() -> None:
    """Bytes that are no WebSocket at all end that connection only; the venue goes on serving others."""
    async with running("kraken", MarketSource(3)) as venue:
        host, port = venue.stream_url.removeprefix("ws://").removesuffix("/v2").split(":")
        for rubbish in (b"\x00\xff" * 40 + b"\r\n\r\n", b"GET /v2 HTTP/1.1\r\n\r\n", b""):
            async with await trio.open_tcp_stream(host, int(port)) as stream:
                await stream.send_all(rubbish)
                await stream.send_eof()
                while await stream.receive_some():
                    pass
        async with connected(venue) as client:
            assert (await client.until(lambda _: True))["channel"] == "status"


@pytest.mark.parametrize(
    "frames",
    [
        b"\x81\x05hello",
        b"\xf1\x85abcdhello",
        b"\x81\x82\0\0\0\0\xff\xfe",
        b"\x88\x81\0\0\0\0x",
        b"\x88\x82\0\0\0\0\x03\xe8\x81\x82\0\0\0\0{}",
        b"\x80\x82\0\0\0\0{}",
        b"\x81\xff\x3f" + bytes(11),
    ],
)
@pytest.mark.trio
async def test_hostile_frames(frames: bytes) -> None:
    """Frames against the WebSocket protocol end that connection at most; the venue goes on serving others."""
    async with running("kraken", MarketSource(3)) as venue, connected(venue) as client:
        host, port = venue.stream_url.removeprefix("ws://").removesuffix("/v2").split(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(
                b"GET /v2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            assert bytes(await stream.receive_some()).startswith(b"HTTP/1.1 101")
            await stream.send_all(frames)
        await client.send({"method": "ping", "req_id": 1})
        assert (await client.until(lambda message: "req_id" in message))["method"] == "pong"
