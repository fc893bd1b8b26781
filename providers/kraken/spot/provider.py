"""Kraken spot as a provider: the catalogue by REST, the stream by WebSocket v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import trio
from trio import TaskStatus

from core.clock import wall_ns
from core.model.instruments import Instrument
from core.model.symbology import SymbolMap
from providers.base import ConnectionState, Endpoints, FeedCounters, Sink, not_streaming
from providers.kraken.spot.feed import SpotFeed
from providers.kraken.spot.symbols import parse_asset_pairs
from providers.venue.http_client import get_json
from providers.venue.ws_client import Waker, run_feed

LIVE: Final = Endpoints(stream_url="wss://ws.kraken.com/v2", rest_url="https://api.kraken.com")

# Heartbeats come once a second whatever the market does: five without one is a dead connection, not a quiet one.
SILENCE_S = 5.0
ANSWER_S = 5.0
# The venue's limit on what we send is unpublished; ten a second is half of what others live with.
SEND_INTERVAL_S = 0.1


class KrakenSpot:
    """Kraken's spot market, or whatever speaks its protocol at `endpoints` under the name `venue`."""

    def __init__(self, endpoints: Endpoints = LIVE, venue: str = "KRAKEN") -> None:
        self.venue = venue
        self.connection = ConnectionState(venue)
        self._endpoints = endpoints
        self._feed: SpotFeed | None = None
        self._waker = Waker()

    async def catalogue(self) -> SymbolMap:
        """Every pair the venue lists that we can hold exactly. Raises `ConsoleError`."""
        instruments = await get_json(
            self._endpoints.rest_url,
            "/0/public/AssetPairs",
            parameters={},
            decode=lambda body: parse_asset_pairs(body, venue=self.venue, now_ns=wall_ns()),
        )
        return SymbolMap(self.venue, instruments)

    async def stream(
        self,
        instruments: Sequence[Instrument],
        sink: Sink,
        *,
        task_status: TaskStatus[Sequence[FeedCounters]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Stream trades, quotes and ten-level books of `instruments` into `sink` until cancelled.

        Reports the counters once it begins; see `Provider.stream`. Returns only when the stream ended for good, and
        raises `PermanentError` when the venue refuses every symbol.
        """
        self._feed = feed = SpotFeed(instruments, sink, self.connection)
        task_status.started(feed.counters)
        try:
            await run_feed(
                feed,
                self._endpoints,
                self.connection,
                silence_s=SILENCE_S,
                answer_s=ANSWER_S,
                send_interval_s=SEND_INTERVAL_S,
                counters=feed.active,
                waker=self._waker,
            )
        finally:
            self._feed = None

    def subscribe(self, instrument: Instrument) -> FeedCounters:
        """Stream `instrument` too; see `Provider.subscribe`."""
        counters = self._running().subscribe(instrument)
        self._waker.wake()
        return counters

    def unsubscribe(self, symbol: str) -> None:
        """Stop streaming `symbol`; see `Provider.unsubscribe`."""
        self._running().unsubscribe(symbol)
        self._waker.wake()

    def _running(self) -> SpotFeed:
        if self._feed is None:
            raise not_streaming(self.venue)
        return self._feed
