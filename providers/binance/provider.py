"""Binance Spot as a provider: its catalogue over REST, its feed over one connection, its snapshots over REST."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence, Sized
from functools import partial
from typing import Final
from urllib.parse import urlencode

import attrs
import trio
from trio import TaskStatus

from core.errors import ConsoleError, NotFoundError, PermanentError, ResourceExhaustedError
from core.model.instruments import Instrument
from core.model.symbology import SymbolMap
from providers.base import (
    BookState,
    Endpoints,
    FeedCounters,
    ProviderInfo,
    Sink,
)
from providers.binance.depth import DepthBook
from providers.binance.errors import read_refusal
from providers.binance.feed import MAX_SYMBOLS, BinanceFeed, too_many_symbols
from providers.binance.history import HISTORY_URL, BinanceHistory
from providers.binance.limits import host_limits, observe, of_weight
from providers.binance.normalise import decode_snapshot
from providers.binance.symbols import Catalogue, read_catalogue
from providers.connection import ConnectionStatus
from providers.venue.backoff import SETTLED_S, Reconnecting, backoff_delays
from providers.venue.feed_provider import OneFeedProvider
from providers.venue.hosts import limits_of
from providers.venue.http_client import ONCE, Patience, RestClient
from providers.venue.signing import Request
from providers.venue.transport import parse_address
from providers.venue.ws_client import run_feed

# The hosts for market data alone: they need no key and carry nothing that could trade.
REAL_ENDPOINTS = Endpoints(
    stream_url="wss://data-stream.binance.vision/stream", rest_url="https://data-api.binance.vision"
)
INFO: Final = ProviderInfo(
    name="binance",
    venue="BINANCE",
    title="Binance spot",
    page="docs/venues.md#binance",
    symbols_at_most=MAX_SYMBOLS,
)
SILENCE_S = 20.0
ANSWER_S = 10.0
SEND_INTERVAL_S = 0.25  # five messages a second are allowed, pongs included
# Three hundred in five minutes by address; a fifth is left to others there.
RECONNECTING = Reconnecting(attempts=240, window_s=300.0, apart_s=2.0)
SNAPSHOT_LIMIT = 1000
FREE_SNAPSHOTS = 60  # of weight 50 each: half of a minute's allowance may go at once
SNAPSHOT_INTERVAL_S = 0.6
SETTLE_S = 10.0
_CATALOGUE_WEIGHT = 20
_SNAPSHOT_WEIGHT = 50
_CATALOGUE_S = 30.0

_Instant = Callable[[], int]
_log = logging.getLogger("ringside.binance")


@attrs.define
class _Snapshots:
    """Who may ask for a snapshot and when: one at a time, a symbol that keeps asking later and later.

    `active` is what is streamed: too many to ask for all of them at once keep their distance.
    """

    active: Sized
    turn: trio.CapacityLimiter = attrs.Factory(lambda: trio.CapacityLimiter(1))
    waits: dict[str, Iterator[float]] = attrs.Factory(dict)
    asked_s: dict[str, float] = attrs.Factory(dict)

    @property
    def interval_s(self) -> float:
        """The wait between two requests."""
        return SNAPSHOT_INTERVAL_S if len(self.active) > FREE_SNAPSHOTS else 0.0

    def delay_s(self, symbol: str) -> float:
        """The wait before this symbol's next request; short again after a minute without one."""
        now_s = trio.current_time()
        if now_s - self.asked_s.get(symbol, -SETTLED_S) >= SETTLED_S:
            self.waits[symbol] = backoff_delays()
        self.asked_s[symbol] = now_s
        return next(self.waits[symbol])


class BinanceSpot(OneFeedProvider[BinanceFeed]):
    """Binance's spot markets. `endpoints` may point at a stand-in that speaks the same protocol.

    Raises:
        ConfigurationError: its stream address is none.
    """

    def __init__(self, endpoints: Endpoints = REAL_ENDPOINTS, venue: str = "BINANCE") -> None:
        if parse_address(endpoints.stream_url).target == "/":
            endpoints = attrs.evolve(endpoints, stream_url=endpoints.stream_url.rstrip("/") + "/stream")
        super().__init__(endpoints, attrs.evolve(INFO, venue=venue))
        self._catalogue: Catalogue | None = None

    async def catalogue(self) -> SymbolMap:
        """The venue's instruments, halted ones included. Raises `ConsoleError`."""
        client = self._client(Patience(attempts=1, timeout_s=_CATALOGUE_S))
        self._catalogue = await client.ask(
            Request(path="/api/v3/exchangeInfo"),
            decode=partial(read_catalogue, venue=self.venue),
            charges=of_weight(_CATALOGUE_WEIGHT),
        )
        return self._catalogue.symbols

    async def stream(
        self,
        instruments: Sequence[Instrument],
        sink: Sink,
        *,
        task_status: TaskStatus[Sequence[FeedCounters]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Stream `instruments` into `sink` until cancelled; see `Provider.stream`.

        Subscribing to an unknown name succeeds at this venue and stays silent for ever, so the catalogue is asked
        first; a symbol it does not list, or lists as halted, says so in its counters.
        """
        if len(instruments) > MAX_SYMBOLS:
            raise too_many_symbols(len(instruments), self.venue)
        if self._catalogue is None:
            try:
                await self.catalogue()
            except ConsoleError as error:
                _log.warning("%s: streaming without the catalogue: %s", self.venue, error)
        failure: PermanentError | None = None
        async with trio.open_nursery() as nursery:
            feed = BinanceFeed(
                instruments,
                sink,
                connection=self.connection,
                request_snapshot=lambda book: nursery.start_soon(
                    self._fetch, book, snapshots, lambda: feed.last_recv_ns
                ),
                is_listed=self._is_listed,
            )
            snapshots = _Snapshots(feed.active)
            try:
                if instruments and not feed.active:
                    raise NotFoundError("no such symbol", f"none of {len(instruments)} on {self.venue}")
                self._feed = feed
                task_status.started(feed.counters)
                await run_feed(
                    feed,
                    self._endpoints,
                    self.connection,
                    silence_s=SILENCE_S,
                    answer_s=ANSWER_S,
                    send_interval_s=SEND_INTERVAL_S,
                    reconnecting=RECONNECTING,
                    counters=feed.active,
                    waker=self._waker,
                )
            except PermanentError as error:
                # Also where no connection was begun: the operator must see why there is none.
                self.connection.enter(ConnectionStatus.ERROR, str(error))
                failure = error
                nursery.cancel_scope.cancel()
            finally:
                self._feed = None
            # A recording that ran out leaves books whose snapshot is still on its way: what they hold is not lost.
            nursery.cancel_scope.deadline = trio.current_time() + SETTLE_S
        feed.closed()
        if failure is not None:
            raise failure

    def history(self) -> BinanceHistory | None:
        """The venue's past; see `Provider.history`. To be called on the event loop."""
        if not self.info.has_history:
            return None
        real = self._endpoints.rest_url == REAL_ENDPOINTS.rest_url
        url = HISTORY_URL if real else self._endpoints.rest_url
        return BinanceHistory(url, self.venue, limits=limits_of(url, host_limits))

    def _client(self, patience: Patience) -> RestClient:
        url = self._endpoints.rest_url
        limits = limits_of(url, host_limits)
        return RestClient(url, limits, refusal=read_refusal, observe=observe, patience=patience)

    def _is_listed(self, counters: FeedCounters) -> bool:
        if self._catalogue is None:
            return True
        name = counters.instrument.venue_symbol
        if status := self._catalogue.halted.get(name):
            counters.problem = f"not trading: {status}"
            return True
        try:
            self._catalogue.symbols.to_canonical(name)
        except NotFoundError as error:
            counters.problem = str(error)
            return False
        return True

    async def _fetch(self, book: DepthBook, snapshots: _Snapshots, last_recv_ns: _Instant) -> None:
        """Give `book` the snapshot it asked for, however often that takes; give up when it asks anew."""
        symbol, generation = book.instrument.venue_symbol, book.generation
        question = Request(path="/api/v3/depth", query=urlencode({"symbol": symbol, "limit": str(SNAPSHOT_LIMIT)}))
        while True:
            await trio.sleep(snapshots.delay_s(symbol))
            async with snapshots.turn:
                if book.generation != generation:
                    return
                await trio.sleep(snapshots.interval_s)
                try:
                    snapshot = await self._client(ONCE).ask(
                        question, decode=decode_snapshot, charges=of_weight(_SNAPSHOT_WEIGHT)
                    )
                except PermanentError as error:
                    if book.generation != generation:
                        return
                    book.counters.problem = f"book snapshot: {error}"
                    book.counters.book_state = BookState.WITHHELD
                    return
                except ConsoleError as error:
                    if book.generation == generation:
                        book.counters.problem = f"book snapshot: {error}"
                    _log.warning("%s: %s: %s", self.venue, symbol, error)
                    if isinstance(error, ResourceExhaustedError):
                        await trio.sleep(error.retry_after_s)
                else:
                    if book.generation != generation or self.connection.status is ConnectionStatus.RECONNECTING:
                        return
                    if book.install(snapshot, generation=generation, ts_recv_ns=last_recv_ns()):
                        return
