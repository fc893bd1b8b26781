"""The engine's store and cache: fed from the rings, looked after, described for the status."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from console.intervals import gap_of
from console.plan import EnginePlan, StorePlan
from console.store_rows import FoundStored, counts_row, flat_row
from console.stores import OpenStore, catalogue_path, opened_store, told
from console.upkeep import Upkeep
from core.clock import NS_PER_S, monotonic_ns
from core.errors import ConsoleError
from core.flow.consume import StoreState, consume_to_store
from core.flow.storefeed import StoreFeed
from core.model.instruments import Instrument, InstrumentRegistry
from core.model.records import Schema
from core.store.catalogue import Catalogue
from core.store.continuity import Continuity, Reached
from core.store.repository import NOT_STORED, Gap, SeriesKey
from providers.base import Interval

DESCRIBE_S = 0.2
ANSWER_S = 8.0
MOST_WAITING = 10_000
"""So many gaps wait to be recorded while the disk fails, the newest."""

logger = logging.getLogger("ringside.store")


@attrs.frozen
class StoredRing:
    """A ring to be stored: where it is and what it carries. `inode` tells a ring made anew under the same name;
    records below `first` are of a producer that died."""

    path: Path
    inode: int
    series: SeriesKey
    instrument: Instrument = attrs.field(eq=False)
    first: int = attrs.field(default=0, eq=False)


class Storage:
    """Stores what the rings bring in what is `opened`. `registry` gives out instrument numbers that outlive the
    engine."""

    def __init__(self, opened: OpenStore, catalogue: Catalogue, plan: StorePlan) -> None:
        self.registry = InstrumentRegistry(catalogue.known(), catalogue.remember)
        self.state = StoreState()
        self.upkeep = Upkeep(opened.acts, plan)
        self.opened = opened
        self._sync_s = plan.sync_s
        self._drain = trio.Event()
        # A disk that hangs must not take the threads in which the rest of the engine finds the addresses of hosts.
        self._asking = trio.CapacityLimiter(2)
        self._undescribed: list[Instrument] = []
        self._continuity: dict[SeriesKey, Continuity] = {}
        self._gaps: list[Gap] = []
        self._feeds: dict[StoredRing, StoreFeed] = {}

    async def consume(
        self, rings: Callable[[], Iterable[StoredRing]], intervals: Callable[[], Iterable[Interval]] = tuple
    ) -> None:
        """Store what `rings` lists, and write down what is new in `intervals`, both asked again and again, until told
        to drain and everything is stored."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_books, intervals)
            nursery.start_soon(self.upkeep.run)
            await consume_to_store(
                lambda: self._list(rings()),
                self.opened.store,
                self.state,
                record_lost=self._record_lost,
                drain=self._drain,
                settled=tuple if self.opened.spill is None else self.opened.spill.settled,
                sync_s=self._sync_s,
            )
            nursery.cancel_scope.cancel()
        await self._describe()
        await self._record_gaps(intervals(), ending=True)
        await self._remember()

    def _record_lost(self, series: SeriesKey, *, start_ns: int, end_ns: int, rows: int) -> None:
        gap = Gap(series=series, start_ns=start_ns, end_ns=end_ns, rows=rows, cause=NOT_STORED)
        self.opened.notes.record_gap(gap)
        self._tell_database()

    def _tell_database(self) -> None:
        if self.opened.spill is not None:
            self.opened.spill.run_errand()

    async def _keep_books(self, intervals: Callable[[], Iterable[Interval]]) -> None:
        while True:
            await trio.sleep(DESCRIBE_S)
            await self._describe()
            await self._record_gaps(intervals())

    def note_intervals(self, intervals: Iterable[Interval]) -> None:
        """Have what a provider tells of its trades written down as gaps, soon. Said again it makes no second gap."""
        for interval in intervals:
            gap = gap_of(interval)
            self._continuity_of(gap.series).known(interval.first_id, interval.last_id, lost=interval.lost)
            if gap.rows or gap.recovered or not interval.first_id:  # else all of them came late, by themselves
                self._gaps.append(gap)

    async def _record_gaps(self, intervals: Iterable[Interval], *, ending: bool = False) -> None:
        # In one go with what was missed: a feed publishes what it gives up on, or has recovered, and tells of it at
        # once, so that no gap is taken here before it is known that its provider explains it.
        self.note_intervals(intervals)
        for continuity in self._continuity.values():
            self._gaps += continuity.take(ending=ending)
        told = bool(self._gaps)
        while self._gaps:
            try:
                await trio.to_thread.run_sync(self.opened.notes.record_gap, self._gaps[0], abandon_on_cancel=True)
            except ConsoleError as error:
                logger.warning("a gap is not recorded: %s", error)
                if error.retryable:
                    self._forget_oldest_gaps()
                    return
            del self._gaps[0]
        if told:
            self._tell_database()

    def _forget_oldest_gaps(self) -> None:
        if len(self._gaps) > MOST_WAITING:
            logger.error("%d gaps will not be recorded: too many wait", len(self._gaps) - MOST_WAITING)
            del self._gaps[:-MOST_WAITING]

    async def _remember(self) -> None:
        reached = {series: continuity.reached for series, continuity in self._continuity.items()}
        try:
            await trio.to_thread.run_sync(self.opened.remember, reached, abandon_on_cancel=True)
        except ConsoleError as error:
            logger.warning("how far the trades go is not written down: %s", error)

    async def _describe(self) -> None:
        # The catalogue may be locked by another process: waited for in a thread, and tried again.
        waiting = list(self._undescribed)
        if not waiting:
            return
        try:
            await trio.to_thread.run_sync(self.opened.notes.describe, waiting, abandon_on_cancel=True)
        except ConsoleError as error:
            logger.warning("instruments are not described: %s", error)
            if error.retryable:
                return
        del self._undescribed[: len(waiting)]
        self._tell_database()

    def _list(self, rings: Iterable[StoredRing]) -> list[StoreFeed]:
        listed = {}
        for ring in rings:
            feed = self._feeds.get(ring) or self._open(ring)
            if feed is not None:
                listed[ring] = feed
        self._feeds = listed
        return list(listed.values())

    def _open(self, ring: StoredRing) -> StoreFeed | None:
        try:
            feed = StoreFeed.of_ring(ring.path, ring.series, self._follow(ring.series), first=ring.first)
        except ConsoleError as error:
            # The process that made it has just gone; when it is back the ring is listed again.
            logger.info("not storing yet: %s", error)
            return None
        if feed.reader.newest_id == 0:
            # What a dead engine left in the ring it has probably stored. Records with ids are read again, so that
            # none is missed, and are known for duplicates; those without would be stored twice.
            feed.reader.cursor = max(feed.reader.cursor, ring.first)
        self._undescribed.append(ring.instrument)
        return feed

    def _follow(self, series: SeriesKey) -> Continuity | None:
        # Of trades alone it is known what is missing; a venue sends anew of quotes and books what matters.
        if series.schema is not Schema.TRADES:
            return None
        known = self._continuity_of(series)
        known.resume()
        return known

    def _continuity_of(self, series: SeriesKey) -> Continuity:
        known = self._continuity.get(series)
        if known is None:
            reached = self.opened.reached.get(series, Reached())
            known = self._continuity[series] = Continuity(series, reached)
        return known

    def drain(self) -> None:
        """Let `consume` return once everything in the rings is stored."""
        self._drain.set()

    def keeps_up(self) -> bool:
        """Whether no ring is more than half full of records that are not stored yet.

        A store that fails is not waited for: what the rings cannot hold until it works again is counted as lost.
        """
        return bool(self.state.problem) or all(
            feed.reader.lag * 2 < feed.reader.capacity for feed in self._feeds.values()
        )

    def totals(self) -> dict[str, Any]:
        """What was stored since the start: trades on top, quotes, books and bars below. `waiting` records of any
        kind are on this machine for the database; `replayed` is what it stored of those that an earlier engine had
        left."""
        counts, spill = self.state.by_schema, self.opened.spill
        return counts_row(counts[Schema.TRADES]) | {
            "quotes": counts_row(counts[Schema.QUOTES]),
            "book_updates": counts_row(counts[Schema.BOOK]),
            "bars": counts_row(*(count for schema, count in counts.items() if schema.is_bars)),
            "waiting": 0 if spill is None else spill.state.unsettled_rows,
            "replayed": 0 if spill is None else sum(result.rows for result in spill.inherited().values()),
            "problem": self.state.problem,
        }

    def describe(self) -> dict[str, Any]:
        """The store as the status shows it."""
        opened = self.opened
        return {
            "enabled": True,
            "kind": opened.kind,
            "place": opened.place,
            "lag_s": round(self.state.lag_s, 3),
            "rows_by_schema": {schema.value: counts.rows for schema, counts in self.state.by_schema.items()},
            "repairs": opened.repairs,
            "spill": None if opened.spill is None else attrs.asdict(opened.spill.state),
        } | self.totals()

    async def inspect(self) -> dict[str, Any]:
        """All that the store tells of itself, series by series. One that does not answer soon leaves those out."""
        found = FoundStored(problem="the store does not answer")
        with trio.move_on_after(ANSWER_S):  # before whoever asks gives up
            found = await trio.to_thread.run_sync(self._look, abandon_on_cancel=True, limiter=self._asking)
        described = self.describe()
        synced_ns = self.state.synced_ns
        return described | {
            "sync_age_s": round((monotonic_ns() - synced_ns) / NS_PER_S, 3) if synced_ns else None,
            "problem": described["problem"] or found.problem,
            "series": found.series,
            "gaps": found.gaps,
            "gap_totals": found.gap_totals,
            "quarantined": found.quarantined,
            "job": None if self.upkeep.job is None else attrs.asdict(self.upkeep.job, recurse=False),
        }

    def _look(self) -> FoundStored:
        opened, found = self.opened, FoundStored()
        try:
            found.add_gaps(opened.notes.gaps())
            found.series = [flat_row(stats) for stats in opened.store.stats()]
            found.quarantined = sum(kept.rows for kept in opened.books.quarantined())
        except ConsoleError as error:
            found.problem = str(error)
        return found


@contextmanager
def open_storage(plan: EnginePlan) -> Iterator[Storage]:
    """Open the store of a plan; it is synced and closed at the end.

    Raises:
        ConsoleError: it cannot be used, or another engine writes there.
    """
    catalogue = Catalogue(catalogue_path(plan.state_directory))
    try:
        with opened_store(plan, catalogue) as opened:
            yield Storage(opened, catalogue, plan.store)
    finally:
        with told("closing the catalogue"):
            catalogue.close()
