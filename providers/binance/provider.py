"""Binance Spot as a provider: its catalogue over REST, its feed over one connection, its snapshots over REST."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from urllib.parse import urlsplit

import attrs
import trio
from trio import TaskStatus

from core.errors import ConsoleError, NotFoundError, PermanentError, ResourceExhaustedError
from core.model.instruments import Instrument
from core.model.symbology import SymbolMap
from providers.base import BookState, ConnectionState, ConnectionStatus, Endpoints, FeedCounters, Sink
from providers.binance.depth import DepthBook
from providers.binance.errors import read_refusal
from providers.binance.feed import MAX_SYMBOLS, BinanceFeed
from providers.binance.normalise import decode_snapshot
from providers.binance.symbols import Catalogue, read_catalogue
from providers.venue.backoff import SETTLED_S, backoff_delays
from providers.venue.http_client import get_json
from providers.venue.ws_client import run_feed

# The hosts for market data alone: they need no key and carry nothing that could trade.
REAL_ENDPOINTS = Endpoints(
    stream_url="wss://data-stream.binance.vision/stream", rest_url="https://data-api.binance.vision"
)
SILENCE_S = 20.0
ANSWER_S = 10.0
SEND_INTERVAL_S = 0.25  # five messages a second are allowed, pongs included
SNAPSHOT_LIMIT = 1000
FREE_SNAPSHOTS = 60  # of weight 50 each: half of a minute's allowance may go at once
SNAPSHOT_INTERVAL_S = 0.6
SETTLE_S = 10.0

_Instant = Callable[[], int]
_log = logging.getLogger("ringside.binance")


@attrs.define
class _Snapshots:
    """Who may ask for a snapshot and when: one at a time, a symbol that keeps asking later and later."""

    interval_s: float
    turn: trio.CapacityLimiter = attrs.Factory(lambda: trio.CapacityLimiter(1))
    waits: dict[str, Iterator[float]] = attrs.Factory(dict)
    asked_s: dict[str, float] = attrs.Factory(dict)

    def delay_s(self, symbol: str) -> float:
        """The wait before this symbol's next request; short again after a minute without one."""
        now_s = trio.current_time()
        if now_s - self.asked_s.get(symbol, -SETTLED_S) >= SETTLED_S:
            self.waits[symbol] = backoff_delays()
        self.asked_s[symbol] = now_s
        return next(self.waits[symbol])


class BinanceSpot:
    """Binance's spot markets. `endpoints` may point at a stand-in that speaks the same protocol."""

    def __init__(self, endpoints: Endpoints = REAL_ENDPOINTS, venue: str = "BINANCE") -> None:
        if urlsplit(endpoints.stream_url).path in {"", "/"}:
            endpoints = attrs.evolve(endpoints, stream_url=endpoints.stream_url.rstrip("/") + "/stream")
        self.venue = venue
        self.connection = ConnectionState(venue)
        self._endpoints = endpoints
        self._catalogue: Catalogue | None = None

    async def catalogue(self) -> SymbolMap:
        """The venue's instruments, halted ones included. Raises `ConsoleError`."""
        self._catalogue = await get_json(
            self._endpoints.rest_url,
            "/api/v3/exchangeInfo",
            parameters={},
            decode=partial(read_catalogue, venue=self.venue),
            timeout_s=30.0,
            refusal=read_refusal,
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
            raise PermanentError(
                "too many symbols", f"{len(instruments)} on {self.venue}", hint=f"at most {MAX_SYMBOLS}"
            )
        counters = [FeedCounters(instrument) for instrument in instruments]
        task_status.started(counters)
        if self._catalogue is None:
            try:
                await self.catalogue()
            except ConsoleError as error:
                _log.warning("%s: streaming without the catalogue: %s", self.venue, error)
        listed = [each for each in counters if self._is_listed(each)]
        if not listed:
            raise NotFoundError("no such symbol", f"none of {len(counters)} on {self.venue}")
        failure: PermanentError | None = None
        snapshots = _Snapshots(SNAPSHOT_INTERVAL_S if len(listed) > FREE_SNAPSHOTS else 0.0)
        async with trio.open_nursery() as nursery:
            feed = BinanceFeed(
                [each.instrument for each in listed],
                sink,
                connection=self.connection,
                counters=listed,
                request_snapshot=lambda book: nursery.start_soon(
                    self._fetch, book, snapshots, lambda: feed.last_recv_ns
                ),
            )
            try:
                await run_feed(
                    feed,
                    self._endpoints,
                    self.connection,
                    silence_s=SILENCE_S,
                    answer_s=ANSWER_S,
                    send_interval_s=SEND_INTERVAL_S,
                    counters=listed,
                )
            except PermanentError as error:
                failure = error
                nursery.cancel_scope.cancel()
            # A recording that ran out leaves books whose snapshot is still on its way: what they hold is not lost.
            nursery.cancel_scope.deadline = trio.current_time() + SETTLE_S
        feed.closed()
        if failure is not None:
            raise failure

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
        while True:
            await trio.sleep(snapshots.delay_s(symbol))
            async with snapshots.turn:
                if book.generation != generation:
                    return
                await trio.sleep(snapshots.interval_s)
                try:
                    snapshot = await get_json(
                        self._endpoints.rest_url,
                        "/api/v3/depth",
                        parameters={"symbol": symbol, "limit": str(SNAPSHOT_LIMIT)},
                        decode=decode_snapshot,
                        refusal=read_refusal,
                    )
                except PermanentError as error:
                    book.counters.problem = f"book snapshot: {error}"
                    book.counters.book_state = BookState.WITHHELD
                    return
                except ConsoleError as error:
                    book.counters.problem = f"book snapshot: {error}"
                    _log.warning("%s: %s: %s", self.venue, symbol, error)
                    if isinstance(error, ResourceExhaustedError):
                        await trio.sleep(error.retry_after_s)
                else:
                    if book.generation != generation or self.connection.status is ConnectionStatus.RECONNECTING:
                        return
                    if book.install(snapshot, generation=generation, ts_recv_ns=last_recv_ns()):
                        return
