"""Runs one provider for the engine: its simulated venue when asked for, its instruments, its stream, its restarts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import trio

from console.intervals import interval_rows
from console.leg_rows import leg_reports, leg_rows
from console.mending import Mending
from console.plan import FeedPlan
from console.restarts import RestartBudget
from console.shown import NOTHING_SHOWN, Shown, newest_shown
from console.status import (
    COUNTS,
    HostReport,
    channel_rows,
    connection_delays,
    connection_row,
    feed_row,
    latency_row,
)
from console.venues import find_endpoints
from console.wiring import make_legs
from core.clock import wall_ns
from core.errors import ConsoleError, NotFoundError, TransientError, single_error
from core.flow.publish import RingPublisher
from core.model.instruments import Instrument, InstrumentRegistry
from core.model.symbology import SymbolMap
from providers.base import FeedCounters, Interval, Provider, Searchable, Subscription
from providers.connection import ConnectionState, ConnectionStatus
from providers.recent import RecentMessages
from providers.venue.watchdog import Verdict, Watchdog

LOOK_S = 1.0

_NUMBERING = trio.CapacityLimiter(1)

logger = logging.getLogger("ringside.engine")


class FeedHost:
    """One planned feed: what it counts, and whether it still runs.

    `ready` holds back the playback of a recording while it is False, so that no consumer is overrun.
    """

    def __init__(
        self, plan: FeedPlan, *, publisher: RingPublisher, registry: InstrumentRegistry, ready: Callable[[], bool]
    ) -> None:
        self.plan = plan
        self.venue = plan.provider.upper()
        self.connection = ConnectionState(self.venue)
        self.ended = ""
        self.restarts = 0
        self.error: ConsoleError | None = None
        self._publisher = publisher
        self._provider: Provider | None = None
        self._wanted: Sequence[str] | None = None
        self._catalogue: SymbolMap | None = None
        self._registry = registry
        self._ready = ready
        self._runs: list[Sequence[FeedCounters]] = []
        self._watchdog = Watchdog()
        self._verdicts: Mapping[str, Verdict] = {}
        self._mending = Mending(plan, publisher)
        self._changing = trio.Lock()

    def counters(self) -> list[FeedCounters]:
        """What every symbol counted, summed over restarts."""
        merged: dict[str, FeedCounters] = {}
        for run in self._runs:
            for counters in run:
                symbol = counters.instrument.symbol
                merged[symbol] = _sum(merged[symbol], counters) if symbol in merged else counters
        return list(merged.values())

    def report(self) -> HostReport:
        """What the status shows of this feed. Its rings are the publisher's, its log the engine's."""
        wanted = {} if self._provider is None else self._provider.subscriptions()
        shown = newest_shown(ring for ring in self._publisher.rings() if ring.instrument.venue == self.venue)
        return {
            "connections": [
                connection_row(self.connection, venue=self.venue, restarts=self.restarts)
                | {
                    "legs": leg_rows(self._provider),
                    "ipc": False if self.error is not None else True if shown else None,
                }
            ],
            "latency": [latency_row(self.connection)],
            "delays": connection_delays(self.connection),
            "feeds": [self._feed_row(counters, wanted, shown) for counters in self.counters()],
            "rings": [],
            "intervals": interval_rows(self.intervals()),
            "log": [],
        }

    def _feed_row(
        self, counters: FeedCounters, wanted: Mapping[str, Subscription], shown: Mapping[str, Shown]
    ) -> dict[str, Any]:
        symbol = counters.instrument.symbol
        row = feed_row(counters, self._verdicts.get(symbol)) | shown.get(symbol, NOTHING_SHOWN)
        row["streaming"] = symbol in shown
        row["channels"] = channel_rows(wanted.get(symbol, {}))
        self._mending.correct(row, counters)
        return row

    def recent(self) -> dict[str, RecentMessages]:
        """The newest messages of each connection as they came, by what the status calls it."""
        legs = {f"{self.venue} {one.leg}": one.connection.recent for one in leg_reports(self._provider)}
        return legs or {self.venue: self.connection.recent}

    def intervals(self) -> Sequence[Interval]:
        """What the stream did not bring since the start, oldest first: the newest that are known."""
        return self._mending.intervals()

    def instruments(self) -> dict[str, Instrument]:
        """The instruments that are streamed, by symbol."""
        return {counters.instrument.symbol: counters.instrument for counters in self.counters()}

    def streamed_symbols(self) -> list[str]:
        """The symbols that have rings now; those unsubscribed keep their counts and have none."""
        return list(
            dict.fromkeys(
                ring.instrument.symbol for ring in self._publisher.rings() if ring.instrument.venue == self.venue
            )
        )

    def serves(self, venue: str) -> bool:
        """Whether this feed's venue goes by that name; every one does by the empty name."""
        return venue in {"", self.venue, self.plan.provider.upper()}

    async def subscribe(self, symbol: str) -> dict[str, Any]:
        """Stream one more symbol, or give one that is streamed already its public rings.

        Raises:
            ConsoleError: there is no such symbol, the feed is down, or the rings are taken.
        """
        provider, catalogue = self._running()
        instrument = await self._find(provider, catalogue, symbol)
        async with self._changing:
            created = not self._publisher.of_symbol(instrument.symbol, self.venue)
            if created:
                (numbered,) = await self._number([instrument])
                provider.subscribe(numbered)
                self._wanted = [*self.streamed_symbols(), instrument.symbol]
            rings = self._publisher.make_public(instrument.symbol, self.venue)
        return {
            "symbol": instrument.symbol,
            "venue": self.venue,
            "created": created,
            "rings": [ring.path.name for ring in rings if ring.path is not None],
        }

    async def unsubscribe(self, symbol: str) -> dict[str, Any]:
        """Stop streaming a symbol and remove its rings. Raises `ConsoleError`."""
        provider, catalogue = self._running()
        instrument = catalogue.resolve(symbol)
        async with self._changing:
            if not self._publisher.of_symbol(instrument.symbol, self.venue):
                raise NotFoundError("not streamed", f"{instrument.symbol} on {self.venue}")
            provider.unsubscribe(instrument.symbol)
            # A feed that restarts while what waits is published shall not bring it back.
            self._wanted = [each for each in self.streamed_symbols() if each != instrument.symbol]
            await self._mending.forget(instrument.symbol)
            self._publisher.remove(instrument.symbol, self.venue)
        return {"symbol": instrument.symbol, "venue": self.venue}

    async def _find(self, provider: Provider, catalogue: SymbolMap, symbol: str) -> Instrument:
        try:
            return catalogue.resolve(symbol)
        except NotFoundError:
            if not isinstance(provider, Searchable):
                raise
        instrument = await provider.look_up(symbol)
        self._catalogue = SymbolMap(self.venue, [*catalogue.instruments(), instrument])
        return instrument

    def _running(self) -> tuple[Provider, SymbolMap]:
        if self._provider is None or self._catalogue is None or self.ended:
            raise TransientError("the feed is not running", self.venue, hint="try again when it is connected")
        return self._provider, self._catalogue

    async def run(self) -> None:
        """Stream until cancelled or until the stream ends for good.

        Transient failures are restarted under the budget; what cannot be mended is logged, kept in `error`, and ends
        this feed alone.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch)
                await self._keep_running()
                nursery.cancel_scope.cancel()
        finally:
            await self._mending.end()

    async def _keep_running(self) -> None:
        budget = RestartBudget()
        while True:
            budget.begin()
            try:
                with single_error():
                    await self._run_once()
            except ConsoleError as error:
                delay_s = budget.delay_s(error)
                if delay_s is None:
                    self.error, self.ended = error, str(error)
                    self.connection.enter(ConnectionStatus.ERROR, str(error))
                    logger.error("%s is given up: %s", self.venue, error)
                    return
                self.restarts += 1
                self.connection.enter(ConnectionStatus.RECONNECTING, str(error))
                logger.warning("%s failed and is restarted in %.1f s: %s", self.venue, delay_s, error)
                await trio.sleep(delay_s)
            else:
                self.ended = "end of recording" if self.plan.recordings else "ended by the venue"
                self.connection.enter(ConnectionStatus.DISCONNECTED, self.ended)
                logger.info("%s: %s", self.venue, self.ended)
                return

    async def _run_once(self) -> None:
        async with trio.open_nursery() as nursery:
            endpoints, offered = await find_endpoints(self.plan, nursery, ready=self._ready)
            # After a restart what counts is what was streamed last, not what the plan began with.
            wanted = (self.plan.symbols or offered) if self._wanted is None else self._wanted
            provider = make_legs(attrs.evolve(self.plan, symbols=tuple(wanted)), endpoints)
            self.venue = provider.venue
            self._take_over(provider.connection)
            catalogue = await provider.catalogue()
            instruments = await self._number(self._choose(catalogue, wanted))
            sink = await self._mending.sink_of(provider, nursery)
            async with trio.open_nursery() as streams:
                self._runs.append(await streams.start(provider.stream, instruments, sink))
                self._provider, self._catalogue = provider, catalogue
            nursery.cancel_scope.cancel()

    async def _watch(self) -> None:
        while True:
            streamed = set(self.streamed_symbols())
            watched = [each for each in self.counters() if each.instrument.symbol in streamed]
            self._verdicts = self._watchdog.look(self.connection, watched, now_ns=wall_ns())
            await trio.sleep(LOOK_S)

    def _take_over(self, fresh: ConnectionState) -> None:
        # A restarted provider counts from nothing; the operator's counts go on.
        before, self.connection = self.connection, fresh
        for name in ("messages", "malformed", "reconnects"):
            setattr(fresh, name, getattr(fresh, name) + getattr(before, name))
        fresh.measure_like(before)
        fresh.recent = before.recent  # what came last before it failed is what one wants to see

    def _choose(self, catalogue: SymbolMap, wanted: Sequence[str]) -> list[Instrument]:
        if not wanted and self._wanted is None:
            raise NotFoundError("nothing to stream", f"no symbols for {self.venue}", hint="name some with --symbols")
        chosen = {instrument.symbol: instrument for instrument in map(catalogue.resolve, wanted)}
        return list(chosen.values())

    async def _number(self, instruments: list[Instrument]) -> list[Instrument]:
        # Numbers are persisted: a disk is waited for in a thread, and by one feed at a time.
        def number() -> list[Instrument]:
            return [
                attrs.evolve(
                    found, instrument_id=self._registry.get_or_create(venue=found.venue, symbol=found.symbol)
                )
                for found in instruments
            ]

        return await trio.to_thread.run_sync(number, limiter=_NUMBERING, abandon_on_cancel=True)


def _sum(earlier: FeedCounters, later: FeedCounters) -> FeedCounters:
    totals = {name: getattr(earlier, name) + getattr(later, name) for name in COUNTS}
    return attrs.evolve(later, **totals)
