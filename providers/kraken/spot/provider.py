"""Kraken spot as a provider: the catalogue by REST, the stream by WebSocket v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from core.clock import wall_ns
from core.model.instruments import Instrument
from core.model.symbology import SymbolMap
from providers.base import Endpoints, ProviderInfo, Sink
from providers.kraken.spot.feed import SpotFeed
from providers.kraken.spot.history import KrakenHistory
from providers.kraken.spot.limits import ADDRESS, host_limits
from providers.kraken.spot.symbols import parse_asset_pairs
from providers.venue.feed_provider import FeedProvider, Pace
from providers.venue.hosts import limits_of
from providers.venue.http_client import ONCE, RestClient
from providers.venue.signing import Request

LIVE: Final = Endpoints(stream_url="wss://ws.kraken.com/v2", rest_url="https://api.kraken.com")
INFO: Final = ProviderInfo(name="kraken", venue="KRAKEN", title="Kraken spot", page="docs/venues.md#kraken")

# Heartbeats come once a second whatever the market does: five without one is a dead connection, not a quiet one.
SILENCE_S = 5.0
ANSWER_S = 5.0
# The venue's limit on what we send is unpublished; ten a second is half of what others live with.
SEND_INTERVAL_S = 0.1


class KrakenSpot(FeedProvider):
    """Kraken's spot market, or whatever speaks its protocol at `endpoints` under the name `venue`."""

    def __init__(self, endpoints: Endpoints = LIVE, venue: str = "KRAKEN") -> None:
        super().__init__(endpoints, attrs.evolve(INFO, venue=venue))

    async def catalogue(self) -> SymbolMap:
        """Every pair the venue lists that we can hold exactly. Raises `ConsoleError`."""
        refused: dict[str, str] = {}
        rest_url = self._endpoints.rest_url
        instruments = await RestClient(rest_url, limits_of(rest_url, host_limits), patience=ONCE).ask(
            Request(path="/0/public/AssetPairs"),
            decode=lambda body: parse_asset_pairs(body, venue=self.venue, now_ns=wall_ns(), refused=refused),
            charges=(ADDRESS,),
        )
        return SymbolMap(self.venue, instruments, refused=refused)

    def _past(self) -> KrakenHistory:
        rest_url = self._endpoints.rest_url
        return KrakenHistory(rest_url, self.venue, limits=limits_of(rest_url, host_limits))

    def _feed_of(self, instruments: Sequence[Instrument], sink: Sink) -> SpotFeed:
        return SpotFeed(instruments, sink, self.connection)

    def _pace(self) -> Pace:
        return Pace(silence_s=SILENCE_S, answer_s=ANSWER_S, send_interval_s=SEND_INTERVAL_S)
