"""The engine's store: opened from the plan, fed from the rings, described for the status."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from console.plan import EnginePlan
from core.errors import ConsoleError
from core.flow.consume import StoreState, consume_to_store
from core.flow.storefeed import SchemaCounts, StoreFeed
from core.model.instruments import Instrument, InstrumentRegistry
from core.model.records import Schema
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.repository import SeriesKey

TICKS = "ticks"
CATALOGUE = "catalogue.sqlite3"
DESCRIBE_S = 0.2

logger = logging.getLogger("ringside.store")


def ticks_directory(data_directory: Path) -> Path:
    """Where the segments of the embedded store lie."""
    return data_directory / TICKS


def catalogue_path(state_directory: Path) -> Path:
    """Where the catalogue of the embedded store lies."""
    return state_directory / CATALOGUE


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
    """Stores what the rings bring. `registry` gives out instrument numbers that outlive the engine."""

    def __init__(self, store: EmbeddedTickStore, catalogue: Catalogue, *, sync_s: float) -> None:
        self.registry = InstrumentRegistry(catalogue.known(), catalogue.remember)
        self.state = StoreState()
        self._store = store
        self._catalogue = catalogue
        self._sync_s = sync_s
        self._drain = trio.Event()
        self._undescribed: list[Instrument] = []
        self._feeds: dict[StoredRing, StoreFeed] = {}

    async def consume(self, rings: Callable[[], Iterable[StoredRing]]) -> None:
        """Store what `rings` lists, asked again and again, until told to drain and everything is stored."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._describe)
            await consume_to_store(
                lambda: self._list(rings()),
                self._store,
                self.state,
                record_lost=self._catalogue.record_lost,
                drain=self._drain,
                sync_s=self._sync_s,
            )
            nursery.cancel_scope.cancel()

    async def _describe(self) -> None:
        # The catalogue may be locked by another process: waited for in a thread, and tried again.
        while True:
            await trio.sleep(DESCRIBE_S)
            waiting = list(self._undescribed)
            if not waiting:
                continue
            try:
                await trio.to_thread.run_sync(self._catalogue.describe, waiting, abandon_on_cancel=True)
            except ConsoleError as error:
                logger.warning("instruments are not in the catalogue yet: %s", error)
            else:
                del self._undescribed[: len(waiting)]

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
            feed = StoreFeed.of_ring(ring.path, ring.series)
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
        """What was stored since the start: trades on top, quotes and books below."""
        counts = self.state.by_schema
        return _counts(counts[Schema.TRADES]) | {
            "quotes": _counts(counts[Schema.QUOTES]),
            "book_updates": _counts(counts[Schema.BOOK]),
            "problem": self.state.problem,
        }

    def describe(self) -> dict[str, Any]:
        """The store as the status shows it."""
        state = self.state
        return {
            "enabled": True,
            "directory": str(self._store.directory),
            "lag_s": round(state.lag_s, 3),
            "repairs": self._store.repairs,
        } | self.totals()


def _counts(counts: SchemaCounts) -> dict[str, int]:
    return {
        "rows": counts.rows,
        "duplicates": counts.duplicates,
        "out_of_order": counts.out_of_order,
        "rejected": counts.rejected,
        "lost": counts.lost,
    }


@contextmanager
def open_storage(plan: EnginePlan) -> Iterator[Storage]:
    """Open the store of a plan; it is synced and closed at the end.

    Raises:
        ConsoleError: its directories cannot be used, or another engine writes there.
    """
    catalogue = Catalogue(catalogue_path(plan.state_directory))
    try:
        store = EmbeddedTickStore(ticks_directory(plan.data_directory), catalogue)
        try:
            yield Storage(store, catalogue, sync_s=plan.sync_s)
        finally:
            with _told("closing the store"):
                store.close()
    finally:
        with _told("closing the catalogue"):
            catalogue.close()


@contextmanager
def _told(operation: str) -> Iterator[None]:
    # On the way out an error is said; it must not stand in for the summary of everything else.
    try:
        yield
    except ConsoleError as error:
        logger.error("%s: %s", operation, error)
