"""Messages a second on one core, from the socket to the ring, by our own frame scanner and by the WebSocket library.

The venue is another process that only sends. Ours: `run_feed`, the venue's decoder and checks, and a push into a
real ring. Baselines of the same run: all of it with trio-websocket, frames received by trio-websocket and dropped,
and other programs' way from a text to a trade where they are installed. A second is one of this process's CPU time,
and the best run counts, so that what else the machine does counts for little.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import attrs
import trio

from core.flow.publish import RingPublisher
from core.model.instruments import Instrument, Product
from core.model.records import Schema
from perf._feed_peers import PEERS, peer_rate
from perf._flat_out_server import encode_frames, flat_out_server
from perf._ring_peers import installed, result_of
from perf.figures import Figure
from providers.base import Endpoints, FeedCounters, Provider
from providers.binance.provider import BinanceSpot
from providers.connection import ConnectionState
from providers.kraken.futures.provider import KrakenFutures
from providers.kraken.spot.provider import KrakenSpot
from providers.venue.frame_socket import open_frame_socket
from providers.venue.library_socket import open_library_socket
from providers.venue.ws_client import OpenSocket, run_feed
from ringbuf import layout

FRAMES = 60_000
RUNS = 3
NEEDED_PER_S = 20_000


@attrs.define
class _Drop:
    """A feed that looks at nothing."""

    outbox: list[str] = attrs.Factory(list)

    def opened(self) -> list[str]:
        """Nothing to say."""
        return []

    def handle(self, text: str, ts_recv_ns: int) -> None:
        """Drop it."""

    def closed(self) -> None:
        """Nothing to withhold."""

    def probe(self) -> str:
        """Never asked."""
        return ""


def measure() -> list[Figure]:
    """Four rows a kind of message, one more where a peer reads it."""
    figures = []
    futures = _instrument("KRAKEN_FUTURES", "PI_XBTUSD")
    for name, make, instrument, text, schema in (
        ("binance trade", BinanceSpot, _instrument("BINANCE", "BTCUSDT"), _binance_trade, Schema.TRADES),
        ("kraken trade", KrakenSpot, _instrument("KRAKEN", "BTC/USD"), _kraken_trade, Schema.TRADES),
        ("kraken futures trade", KrakenFutures, futures, _futures_trade, Schema.TRADES),
        ("kraken futures book change", KrakenFutures, futures, _futures_change, Schema.BOOK),
    ):
        texts = [text(number) for number in range(FRAMES)]
        provider = partial(_through_provider, make, instrument, schema)
        ways = {
            "ours": partial(provider, open_frame_socket),
            "all with the library": partial(provider, open_library_socket),
            "our frames": partial(_dropped, open_frame_socket),
            "the library": partial(_dropped, open_library_socket),
        }
        rates: dict[str, list[float]] = {way: [] for way in ways}
        # The server is forked before this process is pinned: on the same core it would be measured, too.
        with flat_out_server(encode_frames(texts), connections=len(ways) * RUNS) as url, _on_one_core():
            for _ in range(RUNS):
                for way, run in ways.items():
                    rates[way].append(FRAMES / trio.run(run, url))
        ours, whole, frames, library = map(max, rates.values())
        figures += [
            Figure(f"{name}, socket to ring", ours, NEEDED_PER_S, "msg/s", "what is needed"),
            Figure(f"{name}, socket to ring", ours, whole, "msg/s", "the same with trio-websocket"),
            Figure(f"{name}, socket to ring", ours, library, "msg/s", "trio-websocket, message dropped"),
            Figure(f"{name}, socket to text", frames, library, "msg/s", "trio-websocket"),
        ]
        for peer in filter(installed, PEERS.get(name, ())):
            with _on_one_core():
                theirs = max(result_of(partial(peer_rate, peer, texts)) for _ in range(RUNS))
            figures.append(Figure(f"{name}, socket to ring", ours, theirs, "msg/s", f"{peer}, text to trade alone"))
    return figures


@contextmanager
def _on_one_core() -> Iterator[None]:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


async def _through_provider(
    make: Callable[..., Provider], instrument: Instrument, schema: Schema, open_socket: OpenSocket, url: str
) -> float:
    endpoints = Endpoints(stream_url=url, rest_url="http://127.0.0.1:1", ends_on_clean_close=True)
    provider = make(endpoints, instrument.venue)
    _read_frames_by(open_socket)
    publisher = RingPublisher(layout.directory(), instance=f"perf-{os.getpid()}", named=True)
    started = time.process_time()
    try:
        async with trio.open_nursery() as nursery:
            counters: Sequence[FeedCounters] = await nursery.start(provider.stream, [instrument], publisher)
        elapsed_s = time.process_time() - started
        committed = sum(ring.writer.committed for ring in publisher.rings() if ring.schema == schema)
        counted = counters[0].trades if schema is Schema.TRADES else counters[0].book_updates
        assert committed >= counted == FRAMES, (committed, counters[0])
    finally:
        publisher.close()
    return elapsed_s


def _read_frames_by(open_socket: OpenSocket) -> None:
    # Nobody but a benchmark chooses between the two, and no provider has a say in it.
    assert run_feed.__kwdefaults__ is not None
    run_feed.__kwdefaults__["open_socket"] = open_socket


async def _dropped(open_socket: OpenSocket, url: str) -> float:
    started = time.process_time()
    endpoints = Endpoints(stream_url=url, rest_url="", ends_on_clean_close=True)
    state = ConnectionState("PERF")
    await run_feed(_Drop(), endpoints, state, silence_s=60, answer_s=60, counters=(), open_socket=open_socket)
    assert state.messages == FRAMES
    return time.process_time() - started


def _instrument(venue: str, venue_symbol: str) -> Instrument:
    return Instrument(
        venue=venue,
        symbol="BTCUSD",
        venue_symbol=venue_symbol,
        canonical="BTCUSD",
        base="BTC",
        quote="USD",
        settle="USD",
        product=Product.SPOT,
        price_decimals=2,
        quantity_decimals=8,
        price_increment_e9=10_000_000,
        quantity_increment_e8=1,
        instrument_id=1,
    )


def _binance_trade(number: int) -> bytes:
    now_ms = time.time_ns() // 1_000_000
    return (
        b'{"stream":"btcusdt@trade","data":{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"61837.%02d000000",'
        b'"q":"0.%05d000","T":%d,"m":%s,"M":true}}'
    ) % (now_ms, number + 1, number % 100, number % 99_999 + 1, now_ms, b"true" if number % 2 else b"false")


def _kraken_trade(number: int) -> bytes:
    instant = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()).encode()
    return (
        b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"%s","price":61837.%d,'
        b'"qty":0.%08d,"ord_type":"limit","trade_id":%d,"timestamp":"%s.%06dZ"}]}'
    ) % (b"buy" if number % 2 else b"sell", number % 10, number % 99_999_999 + 1, number + 1, instant, number % 10**6)


def _futures_trade(number: int) -> bytes:
    return (
        b'{"feed":"trade","product_id":"PI_XBTUSD","uid":"%08d-0000-4000-8000-000000000000","side":"%s","type":"fill",'
        b'"seq":%d,"time":%d,"qty":%d.0,"price":61837.%d}'
    ) % (
        number,
        b"buy" if number % 2 else b"sell",
        number + 1,
        time.time_ns() // 10**6,
        number % 9999 + 1,
        number % 10,
    )


def _futures_change(number: int) -> bytes:
    # A book of forty levels a side first; then its best ten change all the time, and now and then its best price.
    now_ms = time.time_ns() // 10**6
    if number == 0:
        bids = b",".join(b'{"price":%d.5,"qty":%d.0}' % (61836 - step, step + 1) for step in range(40))
        asks = b",".join(b'{"price":%d.5,"qty":%d.0}' % (61837 + step, step + 1) for step in range(40))
        return (
            b'{"feed":"book_snapshot","product_id":"PI_XBTUSD","timestamp":%d,"seq":1,"tickSize":null,"bids":[%s],'
            b'"asks":[%s]}'
        ) % (now_ms, bids, asks)
    return (
        b'{"feed":"book","product_id":"PI_XBTUSD","side":"%s","seq":%d,"price":%d.5,"qty":%d.0,"timestamp":%d}'
    ) % (
        b"buy" if number % 2 else b"sell",
        number + 1,
        61836 - number % 10 if number % 2 else 61837 + number % 10,
        number % 9999 + 1,
        now_ms,
    )
