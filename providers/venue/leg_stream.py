"""One stream over several legs: keeps a connection for each, begins again what failed, replaces what grew old."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import attrs
import trio
from trio import TaskStatus

from core.errors import ConsoleError, PermanentError, RefusedError, ResourceExhaustedError, single_error
from core.model.instruments import Instrument
from providers.base import FeedCounters, Provider
from providers.connection import ConnectionStatus
from providers.venue.backoff import backoff_delays
from providers.venue.leg_counts import MergedConnection, MergedCounters, enter
from providers.venue.leg_runs import Leg, Lifetime, Run
from providers.venue.leg_sink import LegSink, Lines, Source

TEND_S: Final = 0.1
"""How often the legs are looked at."""
COUNTS_EVERY: Final = 10
"""Every how many-th look merges the counters too, which are many, for whoever holds one of them."""

_log = logging.getLogger("ringside.legs")


class LegStream:
    """Streams what is `wanted` over `legs`, into `lines`, from when `run` is called until it returns.

    Reports `counters` once the first leg has begun.
    """

    def __init__(
        self,
        legs: Sequence[Leg],
        merged: MergedConnection,
        lines: Lines,
        counters: MergedCounters,
        *,
        wanted: Iterable[Instrument],
        task_status: TaskStatus[Sequence[FeedCounters]],
    ) -> None:
        self._legs = legs
        self._merged = merged
        self._lines = lines
        self._counters = counters
        self._wanted = {instrument.symbol: instrument for instrument in wanted}
        self._task_status: TaskStatus[Sequence[FeedCounters]] | None = task_status

    async def run(self, first: Provider | None, make: Callable[[], Provider], lifetime: Lifetime | None) -> None:
        """Stream until cancelled or until no leg is left; why one is over is its `error`. `first` is the first leg's
        provider, `make` gives all others, and those that replace them after a `lifetime`."""
        async with trio.open_nursery() as nursery:
            for leg in self._legs:
                provider, first = first or make(), None
                nursery.start_soon(self._keep, leg, self._new_run(leg, provider), nursery.cancel_scope)
            for turn in itertools.count():
                refresh(self._legs, self._merged)
                if turn % COUNTS_EVERY == 0:
                    self._counters.refresh()
                if lifetime is not None and (due := self._due(lifetime)) is not None:
                    due.moving = True
                    nursery.start_soon(self._hand_over, due, lifetime, self._new_run(due, make()), nursery)
                await trio.sleep(TEND_S)

    def subscribe(self, instrument: Instrument) -> FeedCounters:
        """Stream `instrument` too. Raises `ConsoleError` when no leg takes it."""
        runs = self._begun_runs()
        refusals: list[ConsoleError] = []
        self._lines.enter(instrument.symbol)
        for run in runs:
            try:
                run.provider.subscribe(instrument)
            except ConsoleError as refusal:
                refusals.append(refusal)
        if refusals and len(refusals) == len(runs):
            raise refusals[0]
        for each in refusals:
            _log.warning("%s: %s is not on every leg: %s", instrument.venue, instrument.symbol, each)
        self._wanted[instrument.symbol] = instrument
        return self._counters.add(instrument)

    def unsubscribe(self, symbol: str) -> None:
        """Stop streaming `symbol`."""
        self._wanted.pop(symbol, None)
        for run in self._begun_runs():
            # One that is ending streams no more, and has taken its books back.
            with suppress(RefusedError):
                run.provider.unsubscribe(symbol)
        self._lines.leave(symbol)
        self._counters.refresh()

    def begun(self, leg: Leg, run: Run, counters: Sequence[FeedCounters]) -> None:
        """The provider of `run` streams: what changed since it was told what to stream, it is told now."""
        run.counters = counters
        leg.counters.begin(counters)
        for symbol in run.given - self._wanted.keys():
            run.provider.unsubscribe(symbol)
        for symbol in self._wanted.keys() - run.given:
            try:
                run.provider.subscribe(self._wanted[symbol])
            except ConsoleError as error:
                _log.warning("%s: %s is not on leg %d: %s", run.provider.venue, symbol, leg.number, error)
        task_status, self._task_status = self._task_status, None
        if task_status is not None:
            task_status.started(self._counters)

    def _begun_runs(self) -> list[Run]:
        # One that has not begun yet learns what is wanted when it does.
        return [run for leg in self._legs for run in leg.runs if run.counters is not None]

    def _new_run(self, leg: Leg, provider: Provider) -> Run:
        connection = provider.connection
        connection.measure_like(self._merged.state)
        if len(self._legs) > 1:
            connection.venue = f"{provider.venue} {leg.number}"  # so that the log says whose loss it was
        connection.entered = partial(refresh, self._legs, self._merged)
        source = Source(leg.number, connection)
        run = Run(provider, source, LegSink(self._lines, source))
        leg.runs.append(run)
        return run

    async def _keep(self, leg: Leg, run: Run, everything: trio.CancelScope) -> None:
        try:
            with run.scope:
                await self._stream(leg, run)
        finally:
            self._end(leg, run)
        if not any(each.runs for each in self._legs):
            everything.cancel()

    async def _stream(self, leg: Leg, run: Run) -> None:
        # Returns when the venue ended this connection, or refused it, for good.
        delays = backoff_delays()
        while True:
            try:
                await self._stream_once(leg, run)
            except PermanentError as error:
                if leg.runs == [run]:
                    leg.error = error
                _log.error("%s: leg %d is given up: %s", run.provider.venue, leg.number, error)
                return
            except ConsoleError as error:
                asked_s = error.retry_after_s if isinstance(error, ResourceExhaustedError) else 0.0
                enter(run.provider.connection, ConnectionStatus.RECONNECTING, str(error))
                _log.warning("%s: leg %d failed and begins again: %s", run.provider.venue, leg.number, error)
            else:
                return
            await trio.sleep(max(next(delays), asked_s))

    async def _stream_once(self, leg: Leg, run: Run) -> None:
        run.given = frozenset(self._wanted)
        try:
            with single_error():
                await run.provider.stream(list(self._wanted.values()), run.sink, task_status=_Begun(self, leg, run))
        finally:
            if run.counters is not None:
                leg.counters.end(run.counters)
                run.counters = None

    def _end(self, leg: Leg, run: Run) -> None:
        self._lines.drop(run.source)
        leg.runs.remove(run)
        connection = run.provider.connection
        connection.entered = None
        leg.connection.end(connection)
        if not leg.runs:
            enter(leg.connection.state, connection.status, connection.reason)

    def _due(self, lifetime: Lifetime) -> Leg | None:
        # One at a time: while one leg moves, the others stand.
        now_s = trio.current_time()
        due = [leg for leg in self._legs if leg.runs and leg.runs[0].is_due(lifetime, now_s)]
        return due[0] if due and not any(leg.moving for leg in self._legs) else None

    async def _hand_over(self, leg: Leg, lifetime: Lifetime, fresh: Run, nursery: trio.Nursery) -> None:
        old = leg.runs[0]
        venue = old.provider.venue
        nursery.start_soon(self._keep, leg, fresh, nursery.cancel_scope)
        with trio.move_on_after(lifetime.patience_s):
            while fresh in leg.runs and not fresh.source.stands:
                await trio.sleep(TEND_S)
        if fresh.source.stands:
            with trio.move_on_after(lifetime.books_s):
                while {fresh, old}.issubset(leg.runs) and not fresh.stands_like(old):
                    await trio.sleep(TEND_S)
            await trio.sleep(lifetime.overlap_s)
        if fresh.source.stands:
            old.scope.cancel()
            leg.hand_overs += 1
            _log.info("%s: leg %d moved to a fresh connection", venue, leg.number)
        elif old in leg.runs:
            fresh.scope.cancel()
            old.put_off(trio.current_time() + lifetime.patience_s)
            _log.warning("%s: leg %d found no fresh connection and keeps the old one", venue, leg.number)
        leg.moving = False


def refresh(legs: Sequence[Leg], merged: MergedConnection) -> None:
    """Let each leg's connection, and the one that stands for all of them, say how things are now."""
    for leg in legs:
        leg.refresh()
    merged.refresh([leg.connection.state for leg in legs], named=True)


@attrs.frozen
class _Begun(TaskStatus[Any]):
    # What a leg's provider reports to, in place of a nursery.
    stream: LegStream
    leg: Leg
    run: Run

    def started(self, value: Any = None) -> None:
        self.stream.begun(self.leg, self.run, value)
