"""Kraken Futures as a provider: the catalogue, past trades and states by REST, the stream by WebSocket."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import trio

from core.clock import NS_PER_MS
from core.model.instruments import Instrument
from core.model.symbology import SymbolMap
from providers.base import Endpoints, Sink
from providers.kraken.futures.errors import read_refusal
from providers.kraken.futures.feed import FuturesFeed
from providers.kraken.futures.history import HistoryPage, parse_executions
from providers.kraken.futures.normalise import ProductState
from providers.kraken.futures.symbols import VENUE, parse_instruments
from providers.kraken.futures.tickers import parse_tickers
from providers.venue.feed_provider import FeedProvider, Pace
from providers.venue.http_client import get_json

LIVE: Final = Endpoints(stream_url="wss://futures.kraken.com/ws/v1", rest_url="https://futures.kraken.com")
DEMO: Final = Endpoints(stream_url="wss://demo-futures.kraken.com/ws/v1", rest_url="https://demo-futures.kraken.com")
"""The venue's own place to practise: other prices, other trades."""
DEMO_VENUE: Final = "KRAKEN_FUTURES_DEMO"
"""What is streamed from `DEMO` goes by this name, so that it is never taken for the market's."""

# How often heartbeats come is not documented: a silence this long is asked about before anything is concluded.
SILENCE_S = 15.0
ANSWER_S = 10.0
# The venue takes a hundred requests a second.
SEND_INTERVAL_S = 0.02
HISTORY_PAGES: Final = 100
HISTORY_WINDOW_S: Final = 600.0
"""The venue answers `HISTORY_PAGES` requests for past trades in so many seconds."""


class KrakenFutures(FeedProvider):
    """Kraken's futures market, or whatever speaks its protocol at `endpoints` under the name `venue`."""

    def __init__(self, endpoints: Endpoints = LIVE, venue: str = VENUE) -> None:
        super().__init__(endpoints, venue)
        self._history_s: deque[float] = deque(maxlen=HISTORY_PAGES)

    async def catalogue(self) -> SymbolMap:
        """Every product the venue lists that we can hold exactly. Raises `ConsoleError`."""
        refused: dict[str, str] = {}
        instruments = await get_json(
            self._endpoints.rest_url,
            "/derivatives/api/v3/instruments",
            parameters={},
            decode=lambda body: parse_instruments(body, venue=self.venue, refused=refused),
            refusal=read_refusal,
        )
        return SymbolMap(self.venue, instruments, refused=refused)

    async def tickers(self) -> dict[str, ProductState]:
        """The state of every product, by product id. Raises `ConsoleError`."""
        return await get_json(
            self._endpoints.rest_url,
            "/derivatives/api/v3/tickers",
            parameters={},
            decode=lambda body: parse_tickers(body, venue=self.venue),
            refusal=read_refusal,
        )

    async def history(self, instrument: Instrument, *, start_ns: int, end_ns: int, token: str = "") -> HistoryPage:
        """A page of the trades from `start_ns` to `end_ns`, oldest first; `token` is the page before's `next_token`.

        Waits where the venue's limit is used up. One trade may stand on two pages: its uid tells.

        Raises:
            ConsoleError: the venue refuses, or its answer is not understood.
        """
        parameters = {"since": str(start_ns // NS_PER_MS), "before": str(end_ns // NS_PER_MS), "sort": "asc"}
        if token:
            parameters["continuationToken"] = token
        await self._history_turn()
        return await get_json(
            self._endpoints.rest_url,
            f"/api/history/v3/market/{quote(instrument.venue_symbol, safe='')}/executions",
            parameters=parameters,
            decode=lambda body: parse_executions(body, venue=self.venue),
            refusal=read_refusal,
        )

    def state(self, symbol: str) -> ProductState | None:
        """What the last ticker of a streamed symbol said, by `Instrument.symbol`; None when nothing did."""
        return self._feed.state(symbol) if isinstance(self._feed, FuturesFeed) else None

    async def _history_turn(self) -> None:
        turns_s, due_s = self._history_s, trio.current_time()
        if len(turns_s) == HISTORY_PAGES:
            due_s = max(due_s, turns_s[0] + HISTORY_WINDOW_S)
        turns_s.append(due_s)
        await trio.sleep_until(due_s)

    def _feed_of(self, instruments: Sequence[Instrument], sink: Sink) -> FuturesFeed:
        return FuturesFeed(instruments, sink, self.connection)

    def _pace(self) -> Pace:
        return Pace(silence_s=SILENCE_S, answer_s=ANSWER_S, send_interval_s=SEND_INTERVAL_S)
