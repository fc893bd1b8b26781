"""The engine's store: opened from the plan, fed from the rings, described for the status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

from console.plan import EnginePlan
from core.flow.consume import SchemaCounts, StoreFeed, StoreState, consume_to_store
from core.flow.publish import RingPublisher
from core.model.instruments import InstrumentRegistry
from core.model.records import Schema
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.repository import SeriesKey

TICKS = "ticks"
CATALOGUE = "catalogue.sqlite3"


def ticks_directory(data_directory: Path) -> Path:
    """Where the segments of the embedded store lie."""
    return data_directory / TICKS


def catalogue_path(state_directory: Path) -> Path:
    """Where the catalogue of the embedded store lies."""
    return state_directory / CATALOGUE


class Storage:
    """Stores what the rings bring. `registry` gives out instrument numbers that outlive the engine."""

    def __init__(self, store: EmbeddedTickStore, catalogue: Catalogue, *, sync_s: float) -> None:
        self.registry = InstrumentRegistry(catalogue.known(), catalogue.remember)
        self.state = StoreState()
        self._store = store
        self._catalogue = catalogue
        self._sync_s = sync_s
        self._drain = trio.Event()
        self._feeds: dict[Path, StoreFeed] = {}

    async def consume(self, publisher: RingPublisher) -> None:
        """Store the rings of `publisher` until told to drain and everything is stored."""
        await consume_to_store(
            lambda: self._list(publisher),
            self._store,
            self.state,
            record_lost=self._catalogue.record_lost,
            drain=self._drain,
            sync_s=self._sync_s,
        )

    def _list(self, publisher: RingPublisher) -> list[StoreFeed]:
        listed = []
        for ring in publisher.rings():
            path = ring.writer.path
            feed = self._feeds.get(path)
            if feed is None:
                series = SeriesKey(ring.instrument.venue, ring.instrument.symbol, ring.schema)
                feed = self._feeds[path] = StoreFeed.of_ring(path, series)
                self._catalogue.describe([ring.instrument])
            listed.append(feed)
        return listed

    def drain(self) -> None:
        """Let `consume` return once everything in the rings is stored."""
        self._drain.set()

    def keeps_up(self) -> bool:
        """Whether no ring is more than half full of records that are not stored yet."""
        return all(feed.reader.lag * 2 < feed.reader.capacity for feed in self._feeds.values())

    def totals(self) -> dict[str, Any]:
        """What was stored since the start: trades on top, quotes and books below."""
        counts = self.state.by_schema
        return _counts(counts[Schema.TRADES]) | {
            "quotes": _counts(counts[Schema.QUOTES]),
            "book_updates": _counts(counts[Schema.BOOK]),
        }

    def describe(self) -> dict[str, Any]:
        """The store as the status shows it."""
        state = self.state
        return {
            "enabled": True,
            "directory": str(self._store.directory),
            "lag_s": round(state.lag_s, 3),
            "problem": state.problem,
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
            store.close()
    finally:
        catalogue.close()
