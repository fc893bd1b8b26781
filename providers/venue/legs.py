"""A provider on more than one connection: what one of them misses another brings, and one is replaced before it ends.

A leg is one connection at a time, and the provider that keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs
import trio
from trio import TaskStatus

from core.errors import NotFoundError
from core.model.instruments import Instrument
from core.model.symbology import SymbolMap
from providers.base import (
    ChannelStatus,
    FeedCounters,
    Historical,
    Provider,
    ProviderInfo,
    Searchable,
    Sink,
    Standing,
    Subscription,
    not_streaming,
)
from providers.connection import ConnectionState
from providers.venue.leg_counts import LegCounters, MergedConnection, MergedCounters
from providers.venue.leg_runs import Leg, Lifetime
from providers.venue.leg_sink import Lines
from providers.venue.leg_stream import LegStream, refresh

_STANDINGS: Final = (Standing.REFUSED, Standing.ASKED, Standing.GRANTED)


@attrs.frozen(kw_only=True)
class LegReport:
    """One leg as the operator sees it, numbered from 1, since the stream began; `connection` counts all that the leg
    had. `brought_first` are the trades that no other leg had before, `missed` those that another brought and this one
    did not, up to its newest. `hand_overs` are its connections that were replaced in time."""

    leg: int
    connection: ConnectionState
    brought_first: int
    missed: int
    hand_overs: int


class Legs:
    """Streams over `legs` connections at once, each kept by a provider that `make` gives. See `Provider`.

    Trades of every leg go to the sink, which must drop those that it has seen; quotes, books and trades without ids
    are those of the leg that leads: another one when its book is taken back or it falls silent. With `lifetime`
    connections are replaced, by new ones from `make`, before the venue ends them.
    """

    def __init__(self, make: Callable[[], Provider], *, legs: int = 2, lifetime: Lifetime | None = None) -> None:
        assert legs > 0
        self._make = make
        self._lifetime = lifetime
        # The one that knows the catalogue by then is the first to stream, and is asked for the past for ever after.
        self._front = make()
        self._unused: Provider | None = self._front
        self.venue = self._front.venue
        self._merged = MergedConnection(self.venue)
        self.connection = self._merged.state
        self._legs = [Leg(number, MergedConnection(self.venue)) for number in range(1, legs + 1)]
        self._lines: Lines | None = None
        self._running: LegStream | None = None

    @property
    def info(self) -> ProviderInfo:
        """What this provider can do."""
        return self._front.info

    async def catalogue(self) -> SymbolMap:
        """The venue's instruments, from the venue. Raises `ConsoleError`."""
        return await self._front.catalogue()

    async def look_up(self, name: str) -> Instrument:
        """The instrument of that name, where the venue can be asked for one. Raises `NotFoundError`."""
        if isinstance(self._front, Searchable):
            return await self._front.look_up(name)
        raise NotFoundError("no such instrument", f"{ascii(name)[:40]} on {self.venue}")

    def history(self) -> Historical | None:
        """The venue's past; see `Provider.history`."""
        return self._front.history()

    async def stream(
        self,
        instruments: Sequence[Instrument],
        sink: Sink,
        *,
        task_status: TaskStatus[Sequence[FeedCounters]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Stream `instruments` into `sink` until cancelled; see `Provider.stream`.

        The counters are merged whenever their sequence is read, and else once a second. Trouble of one leg is its
        own; the stream is over when no leg is left.
        """
        lines = Lines(sink)
        for leg in self._legs:
            leg.counters, leg.error, leg.moving = LegCounters(), None, False
        counters = MergedCounters(instruments, {leg.number: leg.counters for leg in self._legs}, lines)
        self._lines = lines
        self._running = running = LegStream(
            self._legs, self._merged, lines, counters, wanted=instruments, task_status=task_status
        )
        first, self._unused = self._unused, None
        try:
            await running.run(first, self._make, self._lifetime)
        finally:
            self._running = None
            self._refresh()
            counters.refresh()
        errors = [leg.error for leg in self._legs]
        if errors[0] is not None and None not in errors:
            raise errors[0]

    def subscribe(self, instrument: Instrument) -> FeedCounters:
        """Stream `instrument` too, on every leg; see `Provider.subscribe`."""
        return self._streaming().subscribe(instrument)

    def unsubscribe(self, symbol: str) -> None:
        """Stop streaming `symbol`, on every leg; see `Provider.unsubscribe`."""
        self._streaming().unsubscribe(symbol)

    def subscriptions(self) -> Mapping[str, Subscription]:
        """What is wanted, and the best that the venue says to it on any leg; see `Provider.subscriptions`."""
        best: dict[str, dict[str, ChannelStatus]] = {}
        for run in (run for leg in self._legs for run in leg.runs):
            for symbol, channels in run.provider.subscriptions().items():
                found = best.setdefault(symbol, {})
                for name, status in channels.items():
                    if name not in found or _rank(status) > _rank(found[name]):
                        found[name] = status
        return best

    def reports(self) -> list[LegReport]:
        """How each leg stands now, in order."""
        self._refresh()
        lines = () if self._lines is None else self._lines.numbered()
        return [
            LegReport(
                leg=leg.number,
                connection=leg.connection.state,
                brought_first=sum(line.of_leg(leg.number).brought_first for line in lines),
                missed=sum(line.missed(leg.number) for line in lines),
                hand_overs=leg.hand_overs,
            )
            for leg in self._legs
        ]

    def _streaming(self) -> LegStream:
        if self._running is None:
            raise not_streaming(self.venue)
        return self._running

    def _refresh(self) -> None:
        refresh(self._legs, self._merged)


def _rank(status: ChannelStatus) -> int:
    return _STANDINGS.index(status.standing)
