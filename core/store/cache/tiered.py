"""Recent ticks in memory first and in Redis behind it; a Redis that fails is survived, counted and said once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from core.clock import wall_ns
from core.errors import ConsoleError
from core.model.records import Records, Schema
from core.store.cache.protocol import CacheStats
from core.store.repository import SeriesKey

if TYPE_CHECKING:  # Redis' library costs an import that only who uses it should pay
    from core.store.cache.memory import InMemoryTickCache
    from core.store.cache.redis import RedisTickCache

_logger = logging.getLogger("ringside.cache")

CAUGHT_UP_A_PUSH: Final = 8
_COUNTED: Final = ("pushes", "hits_l1", "hits_l2", "misses", "backfills", "failures", "unshared")


class TieredCache:
    """Writes `memory` and `redis`, reads `memory`, then `redis`, and back-fills `memory`. Implements `TickCache`.

    It raises nothing: while Redis fails it does without. Whatever Redis may have missed, it gets whole windows from
    memory before anything is read from it again or appended: after a failure those of all series.
    """

    def __init__(
        self,
        memory: InMemoryTickCache,
        redis: RedisTickCache | None = None,
        *,
        clock: Callable[[], int] = wall_ns,
    ) -> None:
        self._memory = memory
        self._redis = redis
        self._clock = clock
        # Held for whole pushes: were memory ahead of Redis meanwhile, another thread's catching up would write
        # records there that are then appended once more.
        self._writing = threading.Lock()
        self._written: set[SeriesKey] = set()
        self._behind: set[SeriesKey] = set()
        self._counting = threading.Lock()
        self._counts = dict.fromkeys(_COUNTED, 0)
        self._last_error = ""
        self._since_ns = 0

    @property
    def schemas(self) -> frozenset[Schema]:
        """The schemas of which records are kept in memory."""
        return self._memory.schemas

    @property
    def max_ticks(self) -> int:
        """How many records of a series memory keeps."""
        return self._memory.max_ticks

    def follows(self, series: SeriesKey) -> bool:
        """Whether `push` would continue a window in memory."""
        return self._memory.follows(series)

    def push(self, series: SeriesKey, records: Records) -> None:
        """Add records to both tiers. Waits for Redis for a second at most, and not while it is known to fail."""
        if len(records):
            with self._writing:
                self._memory.push(series, records)
                self._count("pushes")
                self._share(series, records)

    def replace(self, series: SeriesKey, records: Records) -> None:
        """Make `records` the window of both tiers."""
        with self._writing:
            self._memory.replace(series, records)
            self._share(series, None)

    def backfill(self, series: SeriesKey, records: Records) -> bool:
        """Lengthen the window in memory; Redis is written by pushes alone."""
        filled = self._memory.backfill(series, records)
        if filled:
            self._count("backfills")
        return filled

    def recent(self, series: SeriesKey, rows: int) -> Records:
        """The last `rows` records, from the first tier that has them; else the longer of their windows."""
        found = self._memory.recent(series, rows)
        if len(found) >= rows:
            with self._counting:  # not by a call, which would be a tenth of it all
                self._counts["hits_l1"] += 1
            return found
        # What this process writes is only believed over the connection it was written by.
        own = series in self._written
        shared = self._asked(series, lambda redis: (redis.vouched if own else redis.recent)(series, rows))
        if shared is not None and len(shared) > len(found):
            self.backfill(series, shared)
            found = shared
        self._count("hits_l2" if len(found) >= rows else "misses")
        return found

    def since(self, series: SeriesKey, start_ns: int) -> Records | None:
        """The records from `start_ns` on, from the first tier that proves to hold them all."""
        found = self._memory.since(series, start_ns)
        if found is not None:
            self._count("hits_l1")
            return found
        found = self._asked(series, lambda redis: redis.since(series, start_ns))
        self._count("misses" if found is None else "hits_l2")
        return found

    def clear(self, series: SeriesKey | None = None) -> None:
        """Forget a series, or all; in Redis as soon as it answers."""
        with self._writing:
            self._memory.clear(series)
            redis = self._redis
            if redis is None:
                return
            self._behind |= self._written if series is None else {series}
            if not redis.paused:
                try:
                    self._catch_up(redis)
                except ConsoleError as error:
                    self._note_failure(error)

    def stats(self) -> CacheStats:
        """What is held in memory, what Redis refused, and the counts of both tiers."""
        held = self._memory.stats()
        shared = CacheStats() if self._redis is None else self._redis.stats()
        with self._counting:
            return CacheStats(
                series=held.series,
                evicted=held.evicted,
                refused=shared.refused,
                resets=shared.resets,
                last_error=self._last_error,
                since_ns=self._since_ns,
                **self._counts,
            )

    def close(self) -> None:
        """Let go of both tiers; what Redis holds stays there."""
        self._memory.close()
        if self._redis is not None:
            self._redis.close()

    def _share(self, series: SeriesKey, pushed: Records | None) -> None:
        # Bring Redis to where memory is, which `pushed` did to it or, with None, anything else.
        redis = self._redis
        if redis is None or series.schema not in redis.schemas:
            return
        continued = series not in self._behind and redis.follows(series)
        self._written.add(series)
        self._behind.add(series)  # until it is known to have arrived
        if redis.paused:
            self._count_unshared(pushed)
            return
        try:
            if continued and pushed is not None:
                redis.push(series, pushed)
            else:
                self._rewrite(redis, series)
            self._behind.discard(series)
            self._catch_up(redis)
        except ConsoleError as error:
            self._count_unshared(pushed)
            self._note_failure(error)
        else:
            self._note_success()

    def _count_unshared(self, pushed: Records | None) -> None:
        if pushed is not None:
            self._count("unshared")

    def _catch_up(self, redis: RedisTickCache) -> None:
        for series in list(self._behind)[:CAUGHT_UP_A_PUSH]:
            self._rewrite(redis, series)
            self._behind.discard(series)

    def _rewrite(self, redis: RedisTickCache, series: SeriesKey) -> None:
        # A window that nobody pushed may lack what was pushed meanwhile.
        window = self._memory.recent(series, self._memory.max_ticks)
        if len(window) and self._memory.follows(series):
            redis.replace(series, window)
        else:
            redis.clear(series)

    def _asked(self, series: SeriesKey, ask: Callable[[RedisTickCache], Records | None]) -> Records | None:
        # What Redis answers; None while it fails or may have missed records of the series.
        redis = self._redis
        if redis is None or redis.paused or series in self._behind:
            return None
        try:
            found = ask(redis)
        except ConsoleError as error:
            self._note_failure(error)
            return None
        self._note_success()
        return found

    def _note_failure(self, error: ConsoleError) -> None:
        self._behind |= self._written
        with self._counting:
            began = not self._since_ns
            self._since_ns = self._since_ns or self._clock()
            self._last_error = str(error)
            self._counts["failures"] += 1
        if began:
            _logger.warning("going on without Redis: %s", error)

    def _note_success(self) -> None:
        if self._since_ns:
            with self._counting:
                was_away, self._since_ns = bool(self._since_ns), 0
            if was_away:
                _logger.warning("Redis is back")

    def _count(self, what: str) -> None:
        with self._counting:
            self._counts[what] += 1
