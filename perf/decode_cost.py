"""Microseconds from a venue's text to records in a ring, without a socket: the feeds as they run, on real sessions.

Each feed decodes, checks, normalises and pushes into a real ring. Time is this process's CPU time. Each round begins
with new feeds, and with what the trades of another day left remembered: a number is known only where it would be
known in the course of a day. What is told is the median of the rounds, in which all take turns. Sessions are made up,
with no size coming twice, where there are no captured ones: the names of the rows say which.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import attrs

from core.clock import NS_PER_MS
from core.flow.publish import RingPublisher
from core.model.fixedpoint import parse_price, parse_quantity
from perf import _feed_frames as frames
from perf._feed_frames import Frame, Tick, instrument
from perf._feed_peers import installed_peers, text_rate
from perf.figures import Figure
from providers.base import FeedCounters, Sink
from providers.binance.depth import DepthBook
from providers.binance.feed import BinanceFeed
from providers.binance.normalise import decode_snapshot
from providers.connection import ConnectionState
from providers.kraken.futures.feed import FuturesFeed
from providers.kraken.spot.feed import SpotFeed
from ringbuf import layout

ROUNDS = 7
PEER_ROUNDS = 3
MADE = 10_000
BATCH = 10
READ = 100
"""Texts that one read of the socket brings: what 20 KB hold."""
TRADE_US, LEVEL_US = 3.0, 12.0
"""What a trade, and what the change of one level of a book, may cost at most."""

_Feed = BinanceFeed | SpotFeed | FuturesFeed


@attrs.frozen(kw_only=True)
class _Work:
    """`texts` are timed and hold `count` of what `limit_us` is of; before them the feed takes those of `before`, and
    another one those of `other_day`."""

    name: str
    limit_us: float
    open: Callable[[Sink], _Feed]
    texts: Sequence[Frame]
    count: int
    before: Sequence[Frame] = ()
    other_day: Sequence[Frame] = ()

    def cost_us(self, sink: Sink) -> float:
        """Of one of them, once."""
        parse_price.cache_clear()
        parse_quantity.cache_clear()
        _hand_over(self.open(sink), self.other_day)
        feed = self.open(sink)
        _hand_over(feed, self.before)
        started = time.process_time()
        _hand_over(feed, self.texts)
        elapsed_s = time.process_time() - started
        _check(feed.counters[0])
        return elapsed_s / self.count * 1e6


def measure() -> list[Figure]:
    """A row a kind of message, and one more for each peer that reads trades of Binance."""
    works = [*_trades(), *_books()]
    costs_us: dict[str, list[float]] = {work.name: [] for work in works}
    sink = RingPublisher(layout.directory(), instance=f"perf-{os.getpid()}", named=True)
    try:
        for _ in range(ROUNDS):
            for work in works:
                costs_us[work.name].append(work.cost_us(sink))
    finally:
        sink.close()
    ours_us = {name: statistics.median(each) for name, each in costs_us.items()}
    figures = [Figure(work.name, ours_us[work.name], work.limit_us, "us", "the most it may cost") for work in works]
    return figures + _beside_peers(works[0].name, 1e6 / ours_us[works[0].name], [text for text, _ in works[0].texts])


def _beside_peers(name: str, ours: float, texts: Sequence[str]) -> list[Figure]:
    encoded = [text.encode() for text in texts]
    return [
        Figure(
            name,
            ours,
            statistics.median(text_rate(peer, encoded) for _ in range(PEER_ROUNDS)),
            "trades/s",
            f"{peer}, text to its handler",
        )
        for peer in installed_peers()
    ]


def _trades() -> list[_Work]:
    ticks, other, kind = frames.captured_ticks("20240809"), frames.captured_ticks("20240808"), "captured"
    if not ticks:
        ticks, kind = frames.made_ticks(MADE), "made up"
    shapes: list[tuple[str, Callable[[Sink], _Feed], Callable[[Sequence[Tick]], list[Frame]]]] = [
        ("binance trade", _binance, partial(_received, frames.binance_trade)),
        ("kraken trade", _kraken, partial(_received, lambda tick: frames.kraken_trades([tick]))),
        (f"kraken trade, {BATCH} a text", _kraken, _batches),
        ("kraken futures trade", _futures, partial(_received, frames.futures_trade)),
    ]
    return [
        _Work(
            name=f"{name} ({kind})",
            limit_us=TRADE_US,
            open=feed,
            texts=shape(ticks),
            count=len(ticks) // BATCH * BATCH if shape is _batches else len(ticks),
            other_day=shape(other),
        )
        for name, feed, shape in shapes
    ]


def _received(shape: Callable[[Tick], str], ticks: Sequence[Tick]) -> list[Frame]:
    return [(shape(tick), (tick.traded_ms + 1) * NS_PER_MS) for tick in ticks]


def _batches(ticks: Sequence[Tick]) -> list[Frame]:
    starts = range(0, len(ticks) // BATCH * BATCH, BATCH)
    return [
        (frames.kraken_trades(ticks[at : at + BATCH]), (ticks[at + BATCH - 1].traded_ms + 1) * NS_PER_MS)
        for at in starts
    ]


def _books() -> list[_Work]:
    kraken, kraken_levels, kraken_kind = frames.kraken_book(MADE)
    snapshot, events, binance_levels, binance_kind = frames.binance_book(MADE // frames.LEVELS_A_DEPTH_EVENT)
    futures = [(text, time.time_ns()) for text in frames.futures_book(MADE)]
    return [
        _Work(
            name=f"kraken book, a level changed ({kraken_kind})",
            limit_us=LEVEL_US,
            open=_kraken,
            texts=kraken[1:],
            count=kraken_levels,
            before=kraken[:1],
        ),
        _Work(
            name=f"binance book, a level changed ({binance_kind})",
            limit_us=LEVEL_US,
            open=partial(_binance, snapshot=snapshot),
            texts=events,
            count=binance_levels,
            before=[('{"result":null,"id":1}', events[0][1])],
        ),
        _Work(
            name="kraken futures book, a level changed (made up)",
            limit_us=LEVEL_US,
            open=_futures,
            texts=futures[1:],
            count=len(futures) - 1,
            before=futures[:1],
        ),
    ]


def _binance(sink: Sink, snapshot: str = "") -> BinanceFeed:
    def install(book: DepthBook) -> None:
        if snapshot:
            book.install(decode_snapshot(snapshot), generation=book.generation, ts_recv_ns=time.time_ns())

    feed = BinanceFeed(
        [instrument("BINANCE", "BTCUSDT")], sink, connection=ConnectionState("BINANCE"), request_snapshot=install
    )
    feed.opened()
    return feed


def _kraken(sink: Sink) -> SpotFeed:
    feed = SpotFeed([instrument("KRAKEN", "BTC/USD", price_decimals=1)], sink, ConnectionState("KRAKEN"))
    feed.opened()
    return feed


def _futures(sink: Sink) -> FuturesFeed:
    feed = FuturesFeed([instrument("KRAKEN_FUTURES", "PI_XBTUSD")], sink, ConnectionState("KRAKEN_FUTURES"))
    feed.opened()
    return feed


def _hand_over(feed: _Feed, texts: Sequence[Frame]) -> None:
    handle = feed.handle
    for at in range(0, len(texts), READ):
        for text, received_ns in texts[at : at + READ]:
            handle(text, received_ns)
        feed.flush()


def _check(counters: FeedCounters) -> None:
    # A feed that refuses is fast.
    refused = counters.rejected + counters.duplicates + counters.checksum_bad + counters.book_breaks
    assert refused == 0, counters
    assert counters.trades or counters.book_updates > 1, counters
