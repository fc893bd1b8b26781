"""Runs one provider for the engine: its simulated venue when asked for, its instruments, its stream, its restarts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import trio

from console.plan import FeedPlan
from console.restarts import RestartBudget
from console.status import COUNTS, HostReport, connection_row, feed_row, latency_row
from console.venues import find_endpoints
from console.wiring import make_provider
from core.errors import ConsoleError, NotFoundError, TransientError, single_error
from core.flow.publish import RingPublisher
from core.model.instruments import Instrument, InstrumentRegistry
from core.model.symbology import SymbolMap
from providers.base import FeedCounters, Provider, Searchable
from providers.connection import ConnectionState, ConnectionStatus

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
        streamed = self.streamed_symbols()
        return {
            "connections": [connection_row(self.connection, venue=self.venue, restarts=self.restarts)],
            "latency": [latency_row(self.connection)],
            "feeds": [
                feed_row(counters) | {"streaming": counters.instrument.symbol in streamed}
                for counters in self.counters()
            ],
            "rings": [],
            "log": [],
        }

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
        if not self._publisher.of_symbol(instrument.symbol, self.venue):
            raise NotFoundError("not streamed", f"{instrument.symbol} on {self.venue}")
        provider.unsubscribe(instrument.symbol)
        self._publisher.remove(instrument.symbol, self.venue)
        self._wanted = self.streamed_symbols()
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
            provider = make_provider(attrs.evolve(self.plan, symbols=tuple(wanted)), endpoints)
            self.venue = provider.venue
            self._take_over(provider.connection)
            catalogue = await provider.catalogue()
            instruments = await self._number(self._choose(catalogue, wanted))
            async with trio.open_nursery() as streams:
                self._runs.append(await streams.start(provider.stream, instruments, self._publisher))
                self._provider, self._catalogue = provider, catalogue
            nursery.cancel_scope.cancel()

    def _take_over(self, fresh: ConnectionState) -> None:
        # A restarted provider counts from nothing; the operator's counts go on.
        before, self.connection = self.connection, fresh
        for name in ("messages", "malformed", "reconnects"):
            setattr(fresh, name, getattr(fresh, name) + getattr(before, name))
        fresh.publish_delay, fresh.venue_delay = before.publish_delay, before.venue_delay

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
