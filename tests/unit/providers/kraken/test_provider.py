"""Kraken spot as a provider, against local servers that speak its protocol."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from core.errors import NotFoundError
from core.model.records import Schema
from providers.base import BookState, Endpoints, FeedCounters
from providers.connection import ConnectionStatus
from providers.kraken.spot.provider import LIVE, KrakenSpot
from tests.unit.providers.kraken.support import NOW_NS, RememberingSink, instrument, refusal, trade_item, trades

DEADLINE_S = 20.0
PAIRS = {
    "error": [],
    "result": {
        "XXBTZUSD": {
            "altname": "XBTUSD",
            "wsname": "XBT/USD",
            "pair_decimals": 1,
            "lot_decimals": 8,
            "tick_size": "0.1",
        }
    },
}


@asynccontextmanager
async def _stream(frames: list[str]) -> AsyncIterator[tuple[str, list[str]]]:
    """A socket that waits for three requests, plays `frames` and closes with code 1000."""
    asked: list[str] = []

    async def play(request: WebSocketRequest) -> None:
        socket = await request.accept()
        try:
            while len(asked) < 3:
                asked.append(str(await socket.get_message()))
            for frame in frames:
                await socket.send_message(frame)
            await socket.aclose(1000)
        except ConnectionClosed:
            pass

    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, play, "127.0.0.1", 0, None)
        yield f"ws://127.0.0.1:{server.port}/v2", asked
        nursery.cancel_scope.cancel()


def _endpoints(url: str, rest_url: str = "") -> Endpoints:
    return Endpoints(
        stream_url=url, rest_url=rest_url, receipts=lambda _port: lambda: NOW_NS, ends_on_clean_close=True
    )


def test_the_real_addresses() -> None:
    """Without endpoints it is the venue itself, which never ends a stream by closing."""
    provider = KrakenSpot()
    assert provider.venue == provider.connection.venue == "KRAKEN"
    assert (LIVE.stream_url, LIVE.rest_url) == ("wss://ws.kraken.com/v2", "https://api.kraken.com")
    assert not LIVE.ends_on_clean_close


@pytest.mark.trio
async def test_a_stream_arrives_whole(captures: Path) -> None:
    """Everything a venue sends before it closes is published, with the stamps of the receipt clock."""
    lines = (captures / "kraken_spot" / "v2_book_btcusd_d10_20230730_wire.jsonl").read_text().splitlines()
    frames = [json.dumps(trades(trade_item(5))), *lines]
    sink = RememberingSink()
    with trio.fail_after(DEADLINE_S):
        async with _stream(frames) as (url, asked), trio.open_nursery() as nursery:
            provider = KrakenSpot(_endpoints(url))
            counters: list[FeedCounters] = await nursery.start(provider.stream, [instrument()], sink)
    assert [json.loads(text)["params"]["channel"] for text in asked] == ["trade", "ticker", "book"]
    assert (counters[0].trades, counters[0].checksum_ok, counters[0].reconnects) == (1, 301, 0)
    assert counters[0].book_state is BookState.WITHHELD
    assert provider.connection.status is ConnectionStatus.DISCONNECTED
    assert provider.connection.messages == 302
    assert sink.records(Schema.TRADES)["ts_recv"].tolist() == [NOW_NS]
    assert len(sink.books()) == 302


@pytest.mark.trio
async def test_a_venue_that_refuses_everything_ends_the_stream() -> None:
    """The operator gets the venue's own words."""
    frames = [json.dumps(refusal("BTC/USD", "Currency pair not supported BTC/USD"))]
    with trio.fail_after(DEADLINE_S):
        async with _stream(frames) as (url, _):
            provider = KrakenSpot(_endpoints(url))
            with pytest.raises(NotFoundError, match="Currency pair not supported"):
                await provider.stream([instrument()], RememberingSink())
    assert provider.connection.status is ConnectionStatus.ERROR


async def _answer_once(connection: trio.SocketStream) -> None:
    body = json.dumps(PAIRS).encode()
    request = bytes(await connection.receive_some(65_536))
    known = request.startswith(b"GET /0/public/AssetPairs ")
    head = b"HTTP/1.1 200 OK\r\n" if known else b"HTTP/1.1 404 Not Found\r\n"
    head += b"Content-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    await connection.send_all(head + body)


@pytest.mark.trio
async def test_the_catalogue_comes_from_the_venue() -> None:
    """AssetPairs by REST, under the sockets' names."""
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, _answer_once, [listener])
            port = listener.socket.getsockname()[1]
            provider = KrakenSpot(_endpoints("ws://unused", f"http://127.0.0.1:{port}"), venue="SIM.KRAKEN")
            catalogue = await provider.catalogue()
            nursery.cancel_scope.cancel()
    assert catalogue.venue == "SIM.KRAKEN"
    assert catalogue.resolve("XBTUSD").venue_symbol == "BTC/USD"
