"""Recent ticks in this process's memory: a bounded window of a bounded number of series."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Final

import numpy as np

from core.clock import NS_PER_S, monotonic_ns
from core.model.records import Records, Schema
from core.store.cache.protocol import CacheStats
from core.store.cache.window import Window, begun, spliced
from core.store.repository import SeriesKey

LEASE_S: Final = 1.0
MAX_SERIES: Final = 1000


class InMemoryTickCache:
    """The last `max_ticks_per_symbol` records of up to `max_series` series, forgotten `ttl_s` after the last push.

    Of one series more than that, the one pushed longest ago makes room. A window that was only back-filled lives
    `lease_s`. Implements `TickCache`; raises nothing.
    """

    def __init__(
        self,
        max_ticks_per_symbol: int = 1000,
        ttl_s: float = 300.0,
        *,
        max_series: int = MAX_SERIES,
        lease_s: float = LEASE_S,
        schemas: Collection[Schema] = (Schema.TRADES,),
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        assert max_ticks_per_symbol > 0
        assert max_series > 0
        self._schemas = frozenset(schemas)
        self._max_ticks = max_ticks_per_symbol
        self._max_series = max_series
        self._ttl_ns = int(ttl_s * NS_PER_S)
        self._lease_ns = int(lease_s * NS_PER_S)
        self._clock = clock
        # Changed under the lock; read without, so a series that is there must be there at every moment.
        self._windows: dict[SeriesKey, Window] = {}
        self._guard = threading.Lock()
        self._pushes = self._backfills = self._evicted = 0
        self._empty = {schema: _nothing(schema) for schema in Schema}

    @property
    def schemas(self) -> frozenset[Schema]:
        """The schemas of which records are kept."""
        return self._schemas

    @property
    def max_ticks(self) -> int:
        """How many records of a series are kept."""
        return self._max_ticks

    def follows(self, series: SeriesKey) -> bool:
        """Whether a window of the series is being pushed to and has not expired."""
        window = self._window(series)
        return window is not None and window.pushed

    def push(self, series: SeriesKey, records: Records) -> None:
        """Add records that came after those pushed before."""
        assert records.dtype == series.schema.dtype
        if series.schema not in self._schemas or not len(records):
            return
        with self._guard:
            self._pushes += 1
            window = self._window(series)
            if window is None or not window.pushed:
                self._keep(series, begun(records), pushed=True)
                return
            window.push(records)
            window.expires_ns = self._clock() + self._ttl_ns

    def replace(self, series: SeriesKey, records: Records) -> None:
        """Make `records` the window that `push` continues."""
        assert records.dtype == series.schema.dtype
        if series.schema in self._schemas:
            with self._guard:
                self._keep(series, records, pushed=True)

    def backfill(self, series: SeriesKey, records: Records) -> bool:
        """Lengthen the window by records read elsewhere, or keep them for a moment."""
        assert records.dtype == series.schema.dtype
        if series.schema not in self._schemas or not len(records):
            return False
        with self._guard:
            window = self._window(series)
            if window is None or not window.pushed:
                self._keep(series, records, pushed=False)
            else:
                longer = spliced(window.records, records) if len(window.records) else None
                if longer is None:
                    return False
                self._keep(series, longer, pushed=True, expires_ns=window.expires_ns)
            self._backfills += 1
            return True

    def recent(self, series: SeriesKey, rows: int) -> Records:
        """The last `rows` records as a read-only view."""
        window = self._windows.get(series)
        if window is None or rows < 1 or self._clock() >= window.expires_ns:
            return self._empty[series.schema]
        newest: Records = window.records[-rows:]
        return newest

    def since(self, series: SeriesKey, start_ns: int) -> Records | None:
        """The records from `start_ns` on as a read-only view, or None when the window does not prove to hold them."""
        window = self._window(series)
        if window is None or not window.pushed:
            return None
        return reaching(window.records, start_ns)

    def clear(self, series: SeriesKey | None = None) -> None:
        """Forget a series or all of them."""
        with self._guard:
            if series is None:
                self._windows = {}
            else:
                self._windows.pop(series, None)

    def stats(self) -> CacheStats:
        """How many series are held, and the counts."""
        with self._guard:
            return CacheStats(
                series=len(self._windows), pushes=self._pushes, backfills=self._backfills, evicted=self._evicted
            )

    def close(self) -> None:
        """Forget everything."""
        self.clear()

    def _window(self, series: SeriesKey) -> Window | None:
        window = self._windows.get(series)
        return None if window is None or self._clock() >= window.expires_ns else window

    def _keep(self, series: SeriesKey, records: Records, *, pushed: bool, expires_ns: int | None = None) -> None:
        if expires_ns is None:
            expires_ns = self._clock() + (self._ttl_ns if pushed else self._lease_ns)
        if series not in self._windows and len(self._windows) >= self._max_series:
            del self._windows[min(self._windows, key=self._expiry)]
            self._evicted += 1
        self._windows[series] = Window(records, max_rows=self._max_ticks, expires_ns=expires_ns, pushed=pushed)

    def _expiry(self, series: SeriesKey) -> int:
        return self._windows[series].expires_ns


def reaching(window: Records, start_ns: int) -> Records | None:
    """The records of `window` from `start_ns` on; None when its oldest one is not older than that."""
    if not len(window) or int(window["ts_event"][0]) >= start_ns:
        return None
    # A plain integer would make searchsorted convert the whole column to floating point.
    return window[int(np.searchsorted(window["ts_event"], np.uint64(start_ns))) :]


def _nothing(schema: Schema) -> Records:
    nothing = np.empty(0, schema.dtype)
    nothing.flags.writeable = False
    return nothing
