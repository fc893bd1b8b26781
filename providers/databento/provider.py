"""A Databento dataset as a provider: its definitions from the archive, its records from the live gateway.

Reconnecting is ours: the vendor's client tries once, without waiting, and not at all after an orderly close. A new
session replays from where the last one was cut.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio
from trio import TaskStatus

from core.clock import DAY_NS, monotonic_ns, wall_ns
from core.errors import (
    ConsoleError,
    NotFoundError,
    PermanentError,
    ResourceExhaustedError,
    UsageError,
)
from core.model.instruments import Instrument
from core.model.records import STREAMED, Schema
from core.model.symbology import SymbolMap
from providers.base import Endpoints, FeedCounters, Interval, ProviderInfo, Sink, Subscription, not_streaming
from providers.connection import ConnectionState, ConnectionStatus
from providers.databento.archive import Archive
from providers.databento.feed import Feed
from providers.databento.history import History, RangeRequest
from providers.databento.key import ApiKey, read_key
from providers.databento.live import Session, SessionPlan, open_session
from providers.databento.missed import KEPT_INTERVALS
from providers.databento.names import GatewayAddress, check_dataset, parse_gateway
from providers.databento.symbols import read_definitions
from providers.venue.attempts import STAND_IN_CEILING_S, is_loopback
from providers.venue.backoff import SETTLED_S, backoff_delays

DEFINITION_DAYS: Final = 7
"""How far back definitions are looked for: they are published daily, but not on every day."""
MAX_SYMBOLS: Final = 2000
INFO: Final = ProviderInfo(
    name="databento",
    venue="",
    title="Databento",
    page="docs/venues.md#databento",
    numbers_trades=False,
    has_history=False,
    numbers_history=False,
    symbols_at_most=MAX_SYMBOLS,
    needs_key=True,
)
"""For any dataset; what a dataset does not have is not streamed. Its history is paid for, and so is asked for only by
name."""

_CONNECTING_THREADS = 4
_log = logging.getLogger("ringside.databento")


class Databento:
    """`dataset` by the vendor's servers, or by whatever speaks their protocols at `endpoints`: `stream_url` is then
    HOST:PORT, `rest_url` an https address. `symbols` are the raw symbols that the catalogue is to have, `bars` those
    of `BAR_S` that are streamed too.

    `session` changes how sessions are opened, and is for tests and drills. The venue's name is the dataset's.

    Raises:
        UsageError: there is no dataset, or there are too many symbols.
        AuthenticationError: `DATABENTO_API_KEY` holds no key.
        ConfigurationError: the stream's address is none.
    """

    def __init__(
        self,
        dataset: str,
        symbols: Sequence[str],
        endpoints: Endpoints | None = None,
        *,
        bars: Sequence[Schema] = (),
        key: ApiKey | None = None,
        session: SessionPlan | None = None,
    ) -> None:
        self.venue = check_dataset(dataset)
        if len(symbols) > MAX_SYMBOLS:
            raise UsageError("too many symbols", f"{len(symbols)} of {dataset}", hint=f"at most {MAX_SYMBOLS}")
        self.connection = ConnectionState(dataset)
        self._symbols = tuple(symbols)
        self._bars = tuple(bars)
        self._schemas: tuple[Schema, ...] = (*STREAMED, *self._bars)
        self._ends_on_clean_close = endpoints is not None and endpoints.ends_on_clean_close
        key = key or read_key()
        self._history = History(key, endpoints.rest_url if endpoints else "")
        address = parse_gateway(endpoints.stream_url) if endpoints else GatewayAddress()
        plan = session or SessionPlan(key=key, dataset=dataset, address=address, symbols=(), starts={})
        self._plan = attrs.evolve(plan, key=key, dataset=dataset, address=address)
        self._threads = trio.CapacityLimiter(_CONNECTING_THREADS)
        self._feed: Feed | None = None
        self._intervals: deque[Interval] = deque(maxlen=KEPT_INTERVALS)
        self._session: Session | None = None
        self._wanted = trio.Event()

    @property
    def info(self) -> ProviderInfo:
        """What this dataset's provider can do; of its schemas the catalogue tells."""
        return attrs.evolve(INFO, venue=self.venue, schemas=self._schemas)

    @property
    def intervals(self) -> Sequence[Interval]:
        """What symbols missed while no session stood, the newest last; those of streams that are over are kept. Of
        what could not be replayed it is not known how much it was: `lost` is 0 and `reason` says why."""
        return tuple(self._intervals)

    async def catalogue(self) -> SymbolMap:
        """The instruments among the symbols that the dataset defines. Raises `ConsoleError`.

        Schemas that the dataset does not have are not streamed. Raises `NotFoundError` when it has none of ours, or
        not the bars that were asked for.
        """
        offered = await self._history.ask(partial(self._history.schemas, self.venue))
        streamed = tuple(schema for schema in STREAMED if schema.value in offered)
        if not streamed:
            raise NotFoundError("nothing to stream", f"{self.venue} has neither trades nor books")
        if absent := [schema.value for schema in self._bars if schema.value not in offered]:
            raise NotFoundError("no such bars", f"{self.venue} has no {', '.join(absent)}")
        self._schemas = (*streamed, *self._bars)
        return SymbolMap(self.venue, await self._define(self._symbols) if self._symbols else ())

    async def look_up(self, name: str) -> Instrument:
        """The instrument of a raw symbol that the catalogue lacks.

        Raises:
            NotFoundError: the dataset does not define it.
            ConsoleError: it cannot be asked.
        """
        return SymbolMap(self.venue, await self._define((name,))).resolve(name)

    async def stream(
        self,
        instruments: Sequence[Instrument],
        sink: Sink,
        *,
        task_status: TaskStatus[Sequence[FeedCounters]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Stream `instruments` into `sink` until cancelled; see `Provider.stream`.

        Records keep Databento's own numbers. What was missed in between two sessions is replayed, or counted as a
        gap when the gateway has it no more.
        """
        self._feed = feed = Feed(instruments, sink, self.connection, self._schemas, intervals=self._intervals)
        task_status.started(feed.counters)
        waits = self._delays()
        try:
            with self.connection.attempting():
                while True:
                    began_s = trio.current_time()
                    loss = await self._one_session(feed)
                    if loss is None:
                        self.connection.enter(ConnectionStatus.DISCONNECTED, "closed by the gateway")
                        return
                    if self.connection.status is ConnectionStatus.CONNECTED:
                        self._count_reconnect(feed)
                        waits = self._delays() if trio.current_time() - began_s >= SETTLED_S else waits
                    self.connection.enter(ConnectionStatus.RECONNECTING, str(loss))
                    _log.warning("%s: connection lost: %s", self.venue, loss)
                    asked_s = loss.retry_after_s if isinstance(loss, ResourceExhaustedError) else 0.0
                    await trio.sleep(max(next(waits), asked_s))
        finally:
            self._feed = None

    def _delays(self) -> Iterator[float]:
        # The gateway bans nobody for what is documented; a stand-in on this machine is not worth waiting for.
        stand_in = is_loopback(self._plan.address.host)
        return backoff_delays(ceiling_s=STAND_IN_CEILING_S) if stand_in else backoff_delays()

    def subscribe(self, instrument: Instrument) -> FeedCounters:
        """Stream `instrument` too; see `Provider.subscribe`."""
        feed = self._running()
        if len(feed.active) >= MAX_SYMBOLS:
            raise PermanentError("too many symbols", f"{len(feed.active)} of {self.venue}")
        counters, fresh = feed.subscribe(instrument)
        if fresh and self._session is not None:
            self._session.subscribe([instrument.venue_symbol])
        self._wanted.set()
        return counters

    def unsubscribe(self, symbol: str) -> None:
        """Stop publishing `symbol`; see `Provider.unsubscribe`. The gateway sends it on until the session ends."""
        self._running().unsubscribe(symbol, wall_ns())

    def subscriptions(self) -> Mapping[str, Subscription]:
        """What is wanted and what the gateway says to it; see `Provider.subscriptions`."""
        return {} if self._feed is None else self._feed.subscriptions()

    def history(self) -> None:
        """None: every question for the past is paid for."""

    def _running(self) -> Feed:
        if self._feed is None:
            raise not_streaming(self.venue)
        return self._feed

    async def _one_session(self, feed: Feed) -> ConsoleError | None:
        # Why the session ended; None when the gateway closed it and that is the end. Permanent errors are raised.
        while not feed.active:
            self._wanted = trio.Event()
            await self._wanted.wait()
        plan = attrs.evolve(self._plan, symbols=feed.symbols, starts=feed.starts())
        replays = any(plan.starts.values())
        before = feed.records
        clean = False
        try:
            async with open_session(plan, self._threads) as session:
                feed.opened(wall_ns())
                # What was subscribed while it connected.
                if added := [symbol for symbol in feed.symbols if symbol not in plan.symbols]:
                    session.subscribe(added)
                self._session = session
                self.connection.enter(ConnectionStatus.CONNECTED)
                try:
                    await self._follow(session, feed)
                finally:
                    clean = session.clean_end
                    self._session = None
                    feed.began(session.start_ns)  # it may have said so and nothing else
                    feed.closed(wall_ns())
        except UsageError as error:
            # A gateway that has forgotten the moment from which to replay may say so in this way.
            if not replays or feed.records > before:
                raise
            feed.lose(wall_ns())
            return error
        except PermanentError:
            raise
        except ConsoleError as error:
            return None if clean and self._ends_on_clean_close else error
        raise AssertionError("a session ends by an error")

    async def _follow(self, session: Session, feed: Feed) -> None:
        record_delay, connection = self.connection.publish_delay.record, self.connection
        while True:
            batch = await session.receive()
            feed.began(session.start_ns)
            connection.messages += len(batch.items)
            feed.take(batch.items, wall_ns())
            record_delay(monotonic_ns() - batch.read_ns)

    async def _define(self, symbols: Sequence[str]) -> list[Instrument]:
        history = self._history
        span = await history.ask(partial(history.dataset_range, self.venue))
        end_ns = span.schemas.get("definition", (span.start_ns, span.end_ns))[1]
        request = RangeRequest(
            dataset=self.venue,
            schema="definition",
            symbols=tuple(symbols),
            start_ns=max(end_ns - DEFINITION_DAYS * DAY_NS, 0) // DAY_NS * DAY_NS,
            end_ns=end_ns,
        )
        with _scratch() as directory:
            fetched = await history.fetch(request, directory / "definitions.dbn.zst")
            return await trio.to_thread.run_sync(_read, fetched.path, self.venue)

    def _count_reconnect(self, feed: Feed) -> None:
        self.connection.reconnects += 1
        for counters in feed.active:
            counters.reconnects += 1


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ringside-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def _read(path: Path, venue: str) -> list[Instrument]:
    with Archive(path) as archive:
        return read_definitions(archive.pages(), venue)
