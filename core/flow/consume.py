"""Carries records from rings into the store: batches, in one worker thread, so that no disk stalls the event loop.

The rings are the buffer. While the disk fails they keep what they can hold, and what they cannot is counted as lost
and its interval recorded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np
import trio
from numpy.typing import NDArray

from core.clock import NS_PER_S, monotonic_ns, wall_ns
from core.errors import ConsoleError
from core.flow.storefeed import RecordLost, SchemaCounts, StoreFeed
from core.model.records import Schema
from core.telemetry.histograms import LatencyHistogram, WindowedHistogram

if TYPE_CHECKING:  # flow and store know each other's shapes and nothing more
    from core.store.repository import AppendResult, SeriesKey, TickSink

    Settled = Callable[[], Iterable[tuple[SeriesKey, AppendResult]]]

MOST_UNSYNCED = 4096
"""So many batches are remembered that wait to be synced, the newest: how long older ones took is not measured."""

_logger = logging.getLogger("ringside.store")


@attrs.define
class StoreState:
    """How storing goes.

    The last sync that worked was at `synced_ns`, monotonic, 0 for none yet. `lag_s` is the longest that a record of
    the last sweep can have waited to be stored, 0 when none waited; `problem` is empty while all goes well. `delay`
    has the times from the receipt of records to the sync after they were stored, of those that say when that was. The
    counts are records since the start, `lost` those that were overwritten in a ring before they could be stored.
    """

    lag_s: float = 0.0
    synced_ns: int = 0
    problem: str = ""
    delay: LatencyHistogram = attrs.Factory(lambda: WindowedHistogram(monotonic_ns))
    by_schema: dict[Schema, SchemaCounts] = attrs.Factory(lambda: {schema: SchemaCounts() for schema in Schema})

    @property
    def rows(self) -> int:
        """Records stored, of every schema."""
        return sum(counts.rows for counts in self.by_schema.values())

    @property
    def duplicates(self) -> int:
        """Records not stored because they were already, of every schema."""
        return sum(counts.duplicates for counts in self.by_schema.values())

    @property
    def out_of_order(self) -> int:
        """Records stored after a later one of their series, of every schema."""
        return sum(counts.out_of_order for counts in self.by_schema.values())

    @property
    def rejected(self) -> int:
        """Records that no store should hold, of every schema."""
        return sum(counts.rejected for counts in self.by_schema.values())

    @property
    def lost(self) -> int:
        """Records never stored, of every schema."""
        return sum(counts.lost for counts in self.by_schema.values())


async def consume_to_store(
    feeds: Callable[[], Sequence[StoreFeed]],
    store: TickSink,
    state: StoreState,
    *,
    record_lost: RecordLost,
    drain: trio.Event,
    settled: Settled = tuple,
    interval_s: float = 0.05,
    sync_s: float = 1.0,
) -> None:
    """Store what comes in on `feeds()`, asked again every `interval_s`, and sync about every `sync_s`.

    A feed that is no longer listed is stored to its end, then its reader is closed. After `drain` is set this goes
    on until every ring is empty and all is synced, then returns; what can never be stored is then given up and
    counted as lost. While the disk fails it keeps trying, so a caller that drains should set a deadline: a disk that
    hangs is not waited for, the worker thread is left to it. On the way out all readers are closed, and what is not
    known to be stored is counted as lost. `store` is neither opened nor closed here, and is only used in a worker
    thread; one that was left may still be in it. `settled` says without blocking what became of records whose append
    did not say it, each time once.
    """
    consumer = _Consumer(store, state, record_lost, settled, sync_ns=int(sync_s * NS_PER_S))
    limiter = trio.CapacityLimiter(1)
    try:
        while True:
            draining = drain.is_set()
            consumer.follow(feeds())
            if consumer.due(draining=draining):
                await trio.to_thread.run_sync(consumer.work, limiter=limiter, abandon_on_cancel=True)
            if draining:
                if consumer.finished():
                    return
                await trio.sleep(interval_s)
            else:
                with trio.move_on_after(interval_s):
                    await drain.wait()
    finally:
        consumer.close()


class _Consumer:
    # The feeds that are followed, and the work of one round, which runs in the worker thread. The loop and the worker
    # take turns, until `close`: a worker that was left behind stops at the next feed and reports nothing more.

    def __init__(
        self, store: TickSink, state: StoreState, record_lost: RecordLost, settled: Settled, *, sync_ns: int
    ) -> None:
        self._store = store
        self._state = state
        self._record_lost = record_lost
        self._settled = settled
        self._sync_ns = sync_ns
        self._feeds: dict[StoreFeed, None] = {}
        self._listed: frozenset[StoreFeed] = frozenset()
        self._todo: list[StoreFeed] = []
        self._unsynced = False
        self._received_ns: list[NDArray[np.int64]] = []  # of what is stored and not yet synced
        self._sync_due_ns = 0
        self._sync_problem = ""
        self._caught_up_ns = monotonic_ns()
        self._draining = False
        self._closed = False

    def follow(self, feeds: Sequence[StoreFeed]) -> None:
        listed = frozenset(feeds)
        if listed != self._listed:
            self._listed = listed
            self._feeds.update(dict.fromkeys(feeds))
        if len(self._feeds) > len(listed):
            for feed in [feed for feed in self._feeds if feed not in listed and not feed.waiting]:
                feed.close(self._counts(feed))
                del self._feeds[feed]

    def _counts(self, feed: StoreFeed) -> SchemaCounts:
        return self._state.by_schema[feed.series.schema]

    def due(self, *, draining: bool) -> bool:
        now_ns = monotonic_ns()
        self._draining = draining
        self._count_settled()
        waiting = [feed for feed in self._feeds if feed.waiting]
        self._todo = [feed for feed in waiting if feed.due(now_ns)]
        if not waiting:
            self._caught_up_ns = now_ns
        if not self._todo:
            self._state.lag_s = (now_ns - self._caught_up_ns) / NS_PER_S
        return bool(self._todo) or (self._unsynced and (draining or now_ns >= self._sync_due_ns))

    def _count_settled(self) -> None:
        for series, result in self._settled():
            self._state.by_schema[series.schema].add(result)

    def work(self) -> None:
        began_ns = monotonic_ns()
        all_stored = True
        for feed in self._todo:
            if self._closed:
                return
            counts = self._counts(feed)
            all_stored = feed.sweep(self._store, self._record_lost, counts) and all_stored
            self._received_ns += feed.take_received()
            if feed.hopeless and (self._draining or feed not in self._listed):
                feed.give_up(self._record_lost, counts)
        self._unsynced = self._unsynced or bool(self._todo)
        if self._unsynced and not self._closed and (self._draining or monotonic_ns() >= self._sync_due_ns):
            self._sync()
        if self._closed:
            return
        self._report()
        if all_stored and not self._state.problem:
            self._caught_up_ns = began_ns

    def _sync(self) -> None:
        try:
            self._store.sync()
        except ConsoleError as error:
            self._sync_problem = str(error)
            self._unsynced = error.retryable or not self._draining  # what cannot be synced must not hold up the end
        else:
            self._unsynced, self._sync_problem = False, ""
            self._state.synced_ns = monotonic_ns()
            self._measure()
        self._sync_due_ns = monotonic_ns() + self._sync_ns

        del self._received_ns[:-MOST_UNSYNCED]  # while nothing is synced

    def _measure(self) -> None:
        received_ns, self._received_ns = self._received_ns, []
        if received_ns:
            self._state.delay.record_array(wall_ns() - np.concatenate(received_ns))

    def _report(self) -> None:
        state = self._state
        state.lag_s = (monotonic_ns() - self._caught_up_ns) / NS_PER_S
        problems = [feed.problem for feed in self._feeds if feed.problem]
        problem = problems[0] if problems else self._sync_problem
        if problem != state.problem:
            if problem:
                _logger.error("storing fails: %s", problem)
            else:
                _logger.info("storing works again")
            state.problem = problem

    def finished(self) -> bool:
        return not self._unsynced and not any(feed.waiting for feed in self._feeds)

    def close(self) -> None:
        self._closed = True
        self._count_settled()
        lost = sum(feed.close(self._counts(feed)) for feed in self._feeds)
        if lost:
            _logger.error("gave up storing: %d records were not stored", lost)
