"""Messages a second on one core, from the socket to the ring, by our own frame scanner and by the WebSocket library.

The venue is another process that only sends. Ours: `run_feed`, the venue's decoder and checks, and a push into a
real ring. Baselines of the same run: all of it with trio-websocket, frames received by trio-websocket and dropped,
and other programs from the socket to a handler of theirs where they are installed. A second is one of CPU time of
the process that receives, all runs take turns on one core, and the best of each counts, so that what else the machine
does counts for little.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import attrs
import trio

from core.flow.publish import RingPublisher
from core.model.instruments import Instrument
from core.model.records import Schema
from perf import _feed_frames as made
from perf._feed_frames import instrument
from perf._feed_peers import installed_peers, peer_texts, socket_rate
from perf._flat_out_server import encode_frames, flat_out_server
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

    def flush(self) -> None:
        """Nothing to publish."""

    def closed(self) -> None:
        """Nothing to withhold."""

    def probe(self) -> str:
        """Never asked."""
        return ""


def measure() -> list[Figure]:
    """Four rows a kind of message, and one more for each peer that reads it."""
    ticks = made.made_ticks(FRAMES)
    futures = instrument("KRAKEN_FUTURES", "PI_XBTUSD")
    figures = []
    for name, make, traded, texts, schema, peers in (
        (
            "binance trade",
            BinanceSpot,
            instrument("BINANCE", "BTCUSDT"),
            map(made.binance_trade, ticks),
            Schema.TRADES,
            installed_peers(),
        ),
        (
            "kraken trade",
            KrakenSpot,
            instrument("KRAKEN", "BTC/USD"),
            (made.kraken_trades([tick]) for tick in ticks),
            Schema.TRADES,
            [],
        ),
        ("kraken futures trade", KrakenFutures, futures, map(made.futures_trade, ticks), Schema.TRADES, []),
        ("kraken futures book change", KrakenFutures, futures, made.futures_book(FRAMES - 1), Schema.BOOK, []),
    ):
        encoded = [text.encode() for text in texts]
        provider = partial(_through_provider, make, traded, schema)
        rates = _rates(
            encoded,
            {
                "ours": partial(provider, open_frame_socket),
                "all with the library": partial(provider, open_library_socket),
                "our frames": partial(_dropped, open_frame_socket),
                "the library": partial(_dropped, open_library_socket),
            },
            peers,
        )
        ours = rates["ours"]
        figures += [
            Figure(f"{name}, socket to ring", ours, NEEDED_PER_S, "msg/s", "what is needed"),
            Figure(f"{name}, socket to ring", ours, rates["all with the library"], "msg/s", "all by trio-websocket"),
            Figure(f"{name}, socket to ring", ours, rates["the library"], "msg/s", "trio-websocket, message dropped"),
            Figure(f"{name}, socket to text", rates["our frames"], rates["the library"], "msg/s", "trio-websocket"),
            *(
                Figure(f"{name}, socket to ring", ours, rates[peer], "msg/s", f"{peer}, socket to its handler")
                for peer in peers
            ),
        ]
    return figures


def _rates(
    texts: Sequence[bytes], ways: Mapping[str, Callable[[str], Awaitable[float]]], peers: Sequence[str]
) -> dict[str, float]:
    # The best rate of each, all taking turns.
    rates: dict[str, list[float]] = {way: [] for way in (*ways, *peers)}
    with ExitStack() as stack:
        # Servers are forked before this process is pinned: on the same core they would be measured, too.
        url = stack.enter_context(flat_out_server(encode_frames(texts)))
        peer_urls = {
            peer: stack.enter_context(flat_out_server(encode_frames(peer_texts(peer, texts)))) for peer in peers
        }
        stack.enter_context(_on_one_core())
        for _ in range(RUNS):
            for way, run in ways.items():
                rates[way].append(len(texts) / trio.run(run, url))
            for peer, peer_url in peer_urls.items():
                rates[peer].append(socket_rate(peer, peer_url, len(texts)))
    return {way: max(each) for way, each in rates.items()}


@contextmanager
def _on_one_core() -> Iterator[None]:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


async def _through_provider(
    make: Callable[..., Provider], traded: Instrument, schema: Schema, open_socket: OpenSocket, url: str
) -> float:
    endpoints = Endpoints(stream_url=url, rest_url="http://127.0.0.1:1", ends_on_clean_close=True)
    provider = make(endpoints, traded.venue)
    _read_frames_by(open_socket)
    publisher = RingPublisher(layout.directory(), instance=f"perf-{os.getpid()}", named=True)
    started = time.process_time()
    try:
        async with trio.open_nursery() as nursery:
            counters: Sequence[FeedCounters] = await nursery.start(provider.stream, [traded], publisher)
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
