"""Kraken Futures as a provider: the catalogue, past trades and states by REST, the stream by WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from core.model.instruments import Instrument
from core.model.symbology import SymbolMap
from providers.base import Endpoints, ProviderInfo, Sink
from providers.kraken.futures.errors import read_refusal
from providers.kraken.futures.feed import FuturesFeed
from providers.kraken.futures.history import KrakenFuturesHistory
from providers.kraken.futures.limits import host_limits
from providers.kraken.futures.normalise import ProductState
from providers.kraken.futures.symbols import VENUE, parse_instruments
from providers.kraken.futures.tickers import parse_tickers
from providers.venue.feed_provider import FeedProvider, Pace
from providers.venue.hosts import limits_of
from providers.venue.http_client import ONCE, RestClient
from providers.venue.signing import Request

LIVE: Final = Endpoints(stream_url="wss://futures.kraken.com/ws/v1", rest_url="https://futures.kraken.com")
DEMO: Final = Endpoints(stream_url="wss://demo-futures.kraken.com/ws/v1", rest_url="https://demo-futures.kraken.com")
"""The venue's own place to practise: other prices, other trades."""
DEMO_VENUE: Final = "KRAKEN_FUTURES_DEMO"
"""What is streamed from `DEMO` goes by this name, so that it is never taken for the market's."""
INFO: Final = ProviderInfo(
    name="kraken_futures",
    venue=VENUE,
    title="Kraken Futures",
    page="docs/venues.md#kraken-futures",
    numbers_history=False,
    demo_venue=DEMO_VENUE,
)

# How often heartbeats come is not documented: a silence this long is asked about before anything is concluded.
SILENCE_S = 15.0
ANSWER_S = 10.0
# How often it may be connected to is not documented either: the pace of the spot market, which is the same house, is
# kept. The venue takes a hundred requests a second.
SEND_INTERVAL_S = 0.02


class KrakenFutures(FeedProvider):
    """Kraken's futures market, or whatever speaks its protocol at `endpoints` under the name `venue`."""

    def __init__(self, endpoints: Endpoints = LIVE, venue: str = VENUE) -> None:
        super().__init__(endpoints, attrs.evolve(INFO, venue=venue))

    async def catalogue(self) -> SymbolMap:
        """Every product the venue lists that we can hold exactly. Raises `ConsoleError`."""
        refused: dict[str, str] = {}
        instruments = await self._client().ask(
            Request(path="/derivatives/api/v3/instruments"),
            decode=lambda body: parse_instruments(body, venue=self.venue, refused=refused),
        )
        return SymbolMap(self.venue, instruments, refused=refused)

    async def tickers(self) -> dict[str, ProductState]:
        """The state of every product, by product id. Raises `ConsoleError`."""
        return await self._client().ask(
            Request(path="/derivatives/api/v3/tickers"), decode=lambda body: parse_tickers(body, venue=self.venue)
        )

    def state(self, symbol: str) -> ProductState | None:
        """What the last ticker of a streamed symbol said, by `Instrument.symbol`; None when nothing did."""
        return self._feed.state(symbol) if isinstance(self._feed, FuturesFeed) else None

    def _client(self) -> RestClient:
        # Neither the list nor the states cost anything, but they wait when the host wants to be left alone.
        url = self._endpoints.rest_url
        return RestClient(url, limits_of(url, host_limits), refusal=read_refusal, patience=ONCE)

    def _feed_of(self, instruments: Sequence[Instrument], sink: Sink) -> FuturesFeed:
        return FuturesFeed(instruments, sink, self.connection)

    def _past(self) -> KrakenFuturesHistory:
        rest_url = self._endpoints.rest_url
        return KrakenFuturesHistory(rest_url, self.venue, limits=limits_of(rest_url, host_limits))

    def _pace(self) -> Pace:
        return Pace(silence_s=SILENCE_S, answer_s=ANSWER_S, send_interval_s=SEND_INTERVAL_S)
