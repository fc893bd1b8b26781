"""What stands between one feed and its rings so that its trades are mended, over restarts of its provider."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import attrs
import trio

from console.plan import FeedPlan
from core.flow.publish import RingPublisher
from providers.base import FeedCounters, Interval, Provider, Replaying, Sink
from providers.venue.healing import INTERVALS_KEPT, HealingSink, TradeCounts


class Mending:
    """The mended trades of the feed of `plan`, on their way into `publisher`."""

    def __init__(self, plan: FeedPlan, publisher: RingPublisher) -> None:
        self._source = plan.source
        self._publisher = publisher
        self._healing: HealingSink | None = None
        self._replaying: Replaying | None = None
        self._intervals: deque[Interval] = deque(maxlen=INTERVALS_KEPT)
        # What became of the trades of channels that are gone, by symbol.
        self._gone: dict[str, TradeCounts] = {}

    async def sink_of(self, provider: Provider, nursery: trio.Nursery) -> Sink:
        """Where `provider` is to stream into, mended by a task of `nursery`, which belongs to this run of it."""
        self._take_told()
        self._replaying = provider if isinstance(provider, Replaying) else None
        # A recording has no venue that could be asked for what it lacks.
        if self._source == "recording" or not provider.info.numbers_trades:
            return self._publisher
        live = self._source == "live"
        if not live:
            await self.end()  # a market that is made anew has no past in common with the last one
        if self._healing is None:
            self._healing = HealingSink(self._publisher, resume=live)
        nursery.start_soon(self._healing.run, provider.history(), provider.connection)
        return self._healing

    async def forget(self, symbol: str) -> None:
        """A symbol was unsubscribed: what waits for its missing trades is published."""
        if self._healing is not None and (counts := await self._healing.forget(symbol)) is not None:
            self._keep({symbol: counts})

    async def end(self) -> None:
        """Nothing more will come: publish what waits."""
        self._take_told()
        if self._healing is not None:
            await self._healing.close()
            self._keep(self._healing.counts())
            self._intervals += self._healing.intervals
            self._healing = None

    def intervals(self) -> list[Interval]:
        """What the stream did not bring since the start, oldest first: the newest that are known."""
        tellers = [each for each in (self._healing, self._replaying) if each is not None]
        return [*self._intervals, *(interval for each in tellers for interval in each.intervals)]

    def correct(self, row: dict[str, Any], counters: FeedCounters) -> None:
        """Make the status row of a symbol tell of what was published: what the feed missed is missing only as long as
        nobody has fetched it, and what it brought after that is a duplicate."""
        symbol = counters.instrument.symbol
        counted = _sum(self._gone.get(symbol), None if self._healing is None else self._healing.counts().get(symbol))
        row["recovered"] = 0 if counted is None else counted.recovered
        if counted is not None:
            row["trades"] = counted.published
            row["gaps"] = counted.gaps

    def _take_told(self) -> None:
        if self._replaying is not None:
            self._intervals += self._replaying.intervals
            self._replaying = None

    def _keep(self, counts: Mapping[str, TradeCounts]) -> None:
        for symbol, counted in counts.items():
            total = _sum(self._gone.get(symbol), counted)
            assert total is not None
            self._gone[symbol] = total


def _sum(earlier: TradeCounts | None, later: TradeCounts | None) -> TradeCounts | None:
    if earlier is None or later is None:
        return earlier or later
    return TradeCounts(
        **{
            field.name: getattr(earlier, field.name) + getattr(later, field.name)
            for field in attrs.fields(TradeCounts)
        }
    )
