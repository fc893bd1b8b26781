"""What a cache of recent ticks is to the rest of the program, wherever it keeps them."""

from __future__ import annotations

from typing import Protocol

import attrs

from core.model.records import Records, Schema
from core.store.repository import SeriesKey


@attrs.frozen(kw_only=True)
class CacheStats:
    """What a cache holds and did since it was made. A cache without tiers leaves what it does not know at 0.

    `series` are those kept in memory; `hits_l1`, `hits_l2` and `misses` count reads, a window shorter than asked for
    being a miss; `pushes` and `backfills` count calls; `refused` values were of no use and deleted, `resets` windows
    were begun anew because they did not follow on, `evicted` series made room for others. `failures` of the shared
    tier were survived, the last being `last_error`, and `unshared` pushes it did not take at once; it has been
    failing since the wall instant `since_ns`, 0 when it works.
    """

    series: int = 0
    pushes: int = 0
    hits_l1: int = 0
    hits_l2: int = 0
    misses: int = 0
    backfills: int = 0
    evicted: int = 0
    refused: int = 0
    resets: int = 0
    failures: int = 0
    unshared: int = 0
    last_error: str = ""
    since_ns: int = 0


class TickCache(Protocol):
    """Keeps a window of each series: its last records in the order in which a store reads them, without a hole.

    One thread at a time pushes a series; any thread may read. What is returned never changes afterwards and may be
    read-only. A series of a schema that the cache does not keep is always empty. Any method but `stats` and `close`
    may raise `ConsoleError` where a server is behind it.
    """

    @property
    def schemas(self) -> frozenset[Schema]:
        """The schemas of which records are kept."""

    @property
    def max_ticks(self) -> int:
        """How many records of a series are kept for certain."""

    def follows(self, series: SeriesKey) -> bool:
        """Whether `push` would continue a window that this process keeps up to date."""

    def push(self, series: SeriesKey, records: Records) -> None:
        """Add records that came after those pushed before, in the order in which they came.

        Late ones are put in their place; those older than the whole window are left out. Where there is no window
        to follow on, the first record begins one.
        """

    def replace(self, series: SeriesKey, records: Records) -> None:
        """Make `records`, the last of the series in the order of a store, the window that `push` continues."""

    def backfill(self, series: SeriesKey, records: Records) -> bool:
        """Lengthen the window by `records`, read elsewhere in the order of a store. Returns whether that was done.

        A window that is pushed to is only lengthened by records that overlap it and agree with it. Any other is kept
        for a moment: nobody would bring it up to date.
        """

    def recent(self, series: SeriesKey, rows: int) -> Records:
        """The last `rows` records ascending, or as many as are kept; none for `rows` below 1."""

    def since(self, series: SeriesKey, start_ns: int) -> Records | None:
        """The records from `start_ns` on, ascending; None unless the window is kept up to date by this process and
        holds an older record, which proves that it holds all of them."""

    def clear(self, series: SeriesKey | None = None) -> None:
        """Forget a series, or all that this process keeps up to date."""

    def stats(self) -> CacheStats:
        """What is held and what was done."""

    def close(self) -> None:
        """Let go. May be called twice."""
