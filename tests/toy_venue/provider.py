"""The toy venue as a provider: where it is, what it lists, how its connections are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from core.model.instruments import Instrument
from core.model.records import Schema
from core.model.symbology import SymbolMap
from providers.base import Endpoints, ProviderInfo, Sink
from providers.venue.feed_provider import FeedProvider, Pace
from providers.venue.hosts import limits_of
from providers.venue.http_client import ONCE, RestClient
from providers.venue.signing import Request
from tests.toy_venue.errors import read_refusal
from tests.toy_venue.feed import ToyFeed
from tests.toy_venue.history import REQUEST, ToyHistory, host_limits
from tests.toy_venue.symbols import parse_markets

INFO: Final = ProviderInfo(
    name="toy",
    venue="TOY",
    title="The toy venue",
    page="docs/adding-a-venue.md",
    schemas=(Schema.TRADES, Schema.BOOK),
)


class Toy(FeedProvider):
    """The toy venue at `endpoints`, under the name `venue`."""

    def __init__(self, endpoints: Endpoints, venue: str = "TOY") -> None:
        super().__init__(endpoints, attrs.evolve(INFO, venue=venue))

    async def catalogue(self) -> SymbolMap:
        """Every market that we can hold exactly. Raises `ConsoleError`."""
        refused: dict[str, str] = {}
        rest_url = self._endpoints.rest_url
        client = RestClient(rest_url, limits_of(rest_url, host_limits), refusal=read_refusal, patience=ONCE)
        instruments = await client.ask(
            Request(path="/markets"),
            decode=lambda body: parse_markets(body, venue=self.venue, refused=refused),
            charges=REQUEST,
        )
        return SymbolMap(self.venue, instruments, refused=refused)

    def _feed_of(self, instruments: Sequence[Instrument], sink: Sink) -> ToyFeed:
        return ToyFeed(instruments, sink, self.connection)

    def _past(self) -> ToyHistory:
        rest_url = self._endpoints.rest_url
        return ToyHistory(rest_url, self.venue, limits=limits_of(rest_url, host_limits))

    def _pace(self) -> Pace:
        return Pace(silence_s=5.0, answer_s=5.0, send_interval_s=0.0)
