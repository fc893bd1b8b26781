"""Trade messages a second on one core, from the socket to the ring, beside the WebSocket library alone.

The venue is another process that only sends. Ours: `run_feed`, the venue's decoder and checks, and a push into a
real ring. Baseline: the same frames over the same sockets, received and dropped.
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
from perf._flat_out_server import encode_frames, flat_out_server
from perf.figures import Figure
from providers.base import ConnectionState, Endpoints, FeedCounters
from providers.binance.provider import BinanceSpot
from providers.kraken.spot.provider import KrakenSpot
from providers.venue.ws_client import run_feed
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
    """One row a venue, and the same against the rate that is needed."""
    figures = []
    for name, make, instrument, text in (
        ("binance", BinanceSpot, _instrument("BINANCE", "BTCUSDT"), _binance_trade),
        ("kraken", KrakenSpot, _instrument("KRAKEN", "BTC/USD"), _kraken_trade),
    ):
        frames = encode_frames([text(number) for number in range(FRAMES)])
        provider = partial(_through_provider, make, instrument)
        # The server is forked before this process is pinned: on the same core it would be measured, too.
        with flat_out_server(frames, connections=2 * RUNS) as url, _on_one_core():
            rates: tuple[list[float], list[float]] = ([], [])
            for _ in range(RUNS):
                rates[0].append(FRAMES / trio.run(provider, url))
                rates[1].append(FRAMES / trio.run(_through_library, url))
        ours, library = (sorted(found)[RUNS // 2] for found in rates)
        share = ours / library
        figures += [
            Figure(
                f"{name} trade, socket to ring", ours, library, "msg/s", f"library alone: {share:.0%} of our time"
            ),
            Figure(f"{name} trade, socket to ring", ours, NEEDED_PER_S, "msg/s", "what is needed"),
        ]
    return figures


@contextmanager
def _on_one_core() -> Iterator[None]:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


async def _through_provider(make: Callable[..., KrakenSpot | BinanceSpot], instrument: Instrument, url: str) -> float:
    endpoints = Endpoints(stream_url=url, rest_url="http://127.0.0.1:1", ends_on_clean_close=True)
    provider = make(endpoints, instrument.venue)
    publisher = RingPublisher(layout.directory(), instance=f"perf-{os.getpid()}", named=True)
    started = time.perf_counter()
    try:
        async with trio.open_nursery() as nursery:
            counters: Sequence[FeedCounters] = await nursery.start(provider.stream, [instrument], publisher)
        elapsed_s = time.perf_counter() - started
        committed = sum(ring.writer.committed for ring in publisher.rings() if ring.schema == "trades")
        assert committed == counters[0].trades == FRAMES, (committed, counters[0])
    finally:
        publisher.close()
    return elapsed_s


async def _through_library(url: str) -> float:
    started = time.perf_counter()
    endpoints = Endpoints(stream_url=url, rest_url="", ends_on_clean_close=True)
    state = ConnectionState("PERF")
    await run_feed(_Drop(), endpoints, state, silence_s=60, answer_s=60, counters=())
    assert state.messages == FRAMES
    return time.perf_counter() - started


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
