"""Runs one provider for the engine: its simulated venue when asked for, its instruments, its stream, its restarts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs
import trio

from console.plan import FeedPlan
from console.wiring import make_provider
from core.clock import wall_ns
from core.errors import ConfigurationError, ConsoleError, NotFoundError, PermanentError, single_error
from core.model.instruments import Instrument, InstrumentRegistry
from core.model.symbology import SymbolMap
from providers.base import ConnectionState, ConnectionStatus, Endpoints, FeedCounters, Sink

if TYPE_CHECKING:
    from providers.simulated.venue import RunningVenue

RESTART_DELAYS_S = (0.5, 2.0, 8.0, 30.0, 60.0)
"""The budget: one restart for each, then the feed is given up and shown as such."""

logger = logging.getLogger("ringside.engine")


class FeedHost:
    """One planned feed: what it counts, and whether it still runs.

    `ready` holds back the playback of a recording while it is False, so that no consumer is overrun.
    """

    def __init__(
        self, plan: FeedPlan, *, sink: Sink, registry: InstrumentRegistry, ready: Callable[[], bool]
    ) -> None:
        self.plan = plan
        self.venue = plan.provider.upper()
        self.connection = ConnectionState(self.venue)
        self.ended = ""
        self.restarts = 0
        self.error: ConsoleError | None = None
        self._sink = sink
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

    async def run(self) -> None:
        """Stream until cancelled or until the stream ends for good.

        Transient failures are restarted under the budget. Raises the `PermanentError` of a feed that never came
        up; one that fails later is logged, kept in `error`, and ends only itself.
        """
        for delay_s in (*RESTART_DELAYS_S, None):
            try:
                with single_error():
                    await self._run_once()
            except ConsoleError as error:
                if isinstance(error, PermanentError) or delay_s is None:
                    self._give_up(error)
                    return
                self.restarts += 1
                self.connection.status, self.connection.reason = ConnectionStatus.RECONNECTING, str(error)
                logger.warning("%s failed and is restarted in %.1f s: %s", self.venue, delay_s, error)
            else:
                self.ended = "end of recording" if self.plan.recordings else "ended by the venue"
                self._set_status(ConnectionStatus.DISCONNECTED, self.ended)
                logger.info("%s: %s", self.venue, self.ended)
                return
            await trio.sleep(delay_s or 0)

    def _give_up(self, error: ConsoleError) -> None:
        self.error = error
        self.ended = str(error)
        self._set_status(ConnectionStatus.ERROR, str(error))
        logger.error("%s is given up: %s", self.venue, error)
        if not self._runs:
            raise error

    def _set_status(self, status: ConnectionStatus, reason: str) -> None:
        self.connection.status, self.connection.reason, self.connection.since_ns = status, reason, wall_ns()

    async def _run_once(self) -> None:
        async with trio.open_nursery() as nursery:
            endpoints, offered = await self._endpoints(nursery)
            provider = make_provider(self.plan, endpoints)
            self.venue, self.connection = provider.venue, provider.connection
            instruments = self._choose(await provider.catalogue(), offered)
            async with trio.open_nursery() as streams:
                self._runs.append(await streams.start(provider.stream, instruments, self._sink))
            nursery.cancel_scope.cancel()

    async def _endpoints(self, nursery: trio.Nursery) -> tuple[Endpoints | None, tuple[str, ...]]:
        # Returns where the venue is (None: its own address) and, when we run it ourselves, what it offers.
        plan = self.plan
        if plan.source == "live":
            if not (plan.stream_url or plan.rest_url):
                return None, ()
            return _configured(plan), ()
        from providers.simulated.universe import DEFAULT_SYMBOLS

        venue = await self._start_venue(nursery)
        recorded = plan.source == "recording"
        return (
            Endpoints(
                stream_url=venue.stream_url,
                rest_url=venue.rest_url,
                receipts=venue.receipts,
                ends_on_clean_close=recorded,
            ),
            venue.symbols if recorded else DEFAULT_SYMBOLS,
        )

    async def _start_venue(self, nursery: trio.Nursery) -> RunningVenue:
        from functools import partial

        from console.wiring import make_faults, make_source
        from providers.simulated.venue import serve_venue

        source = await trio.to_thread.run_sync(make_source, self.plan)
        serve = partial(serve_venue, faults=make_faults(self.plan), ready=self._ready)
        venue: RunningVenue = await nursery.start(serve, self.plan.provider, source)
        return venue

    def _choose(self, catalogue: SymbolMap, offered: tuple[str, ...]) -> list[Instrument]:
        wanted = self.plan.symbols or offered
        if not wanted:
            raise NotFoundError("nothing to stream", f"no symbols for {self.venue}", hint="name some with --symbols")
        chosen = {instrument.symbol: instrument for instrument in map(catalogue.resolve, wanted)}
        return [
            attrs.evolve(found, instrument_id=self._registry.get_or_create(found.symbol, found.venue))
            for found in chosen.values()
        ]


def _configured(plan: FeedPlan) -> Endpoints:
    if not (plan.stream_url and plan.rest_url):
        raise ConfigurationError(
            "half an address", plan.provider, hint="set both stream_url and rest_url under [venues]"
        )
    return Endpoints(stream_url=plan.stream_url, rest_url=plan.rest_url)


_SUMMED = ("trades", "quotes", "book_updates", "duplicates", "out_of_order", "gaps", "checksum_ok", "checksum_bad",
           "reconnects", "rejected", "skewed")  # fmt: skip


def _sum(earlier: FeedCounters, later: FeedCounters) -> FeedCounters:
    totals = {name: getattr(earlier, name) + getattr(later, name) for name in _SUMMED}
    return attrs.evolve(later, **totals)
