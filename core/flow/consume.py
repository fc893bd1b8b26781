"""Carries records from rings into the store: batches, in one worker thread, so that no disk stalls the event loop.

The rings are the buffer. While the disk fails they keep what they can hold, and what they cannot is counted as lost
and its interval recorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import attrs
import trio

from core.clock import NS_PER_S, monotonic_ns
from core.errors import ConfigurationError, ConsoleError, ResourceExhaustedError
from core.model.records import Records, Schema
from ringbuf.layout import RingError
from ringbuf.reader import RingReader

if TYPE_CHECKING:  # flow and store know each other's shapes and nothing more
    from core.store.repository import SeriesKey, TickStore

BATCH_ROWS: Final = 8192
BATCHES_A_SWEEP: Final = 8
FIRST_RETRY_S: Final = 0.1
LAST_RETRY_S: Final = 5.0


class RecordLost(Protocol):
    """Persists that records of a series were received and not stored; `start_ns` is 0 when none came before."""

    def __call__(self, series: SeriesKey, *, start_ns: int, end_ns: int, rows: int) -> None:
        """Blocks; raises `ConsoleError`, and is then called again with the same loss."""


@attrs.define
class SchemaCounts:
    """What became of the records of one schema since the start."""

    rows: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    rejected: int = 0
    lost: int = 0


@attrs.define
class StoreState:
    """How storing goes. `lag_s` is the longest that a record of the last sweep can have waited to be stored, 0 when
    none waited; `problem` is empty while all goes well. The counts are records since the start, `lost` those that
    were overwritten in a ring before they could be stored."""

    lag_s: float = 0.0
    problem: str = ""
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


@attrs.frozen
class _Loss:
    start_ns: int
    end_ns: int
    rows: int


@attrs.define(eq=False)
class StoreFeed:
    """A ring whose records belong to `series`, and how far it was stored.

    The consumer owns `reader` from the first time the feed is listed, and closes it.
    """

    series: SeriesKey
    reader: RingReader
    _pending: Records | None = attrs.field(default=None, init=False)
    _pending_id: int = attrs.field(default=0, init=False)
    _settled_laps: int = attrs.field(default=0, init=False)
    _newest_ns: int = attrs.field(default=0, init=False)
    _losses: list[_Loss] = attrs.field(factory=list, init=False)
    _error: ConsoleError | None = attrs.field(default=None, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _retry_ns: int = attrs.field(default=0, init=False)

    @classmethod
    def of_ring(cls, path: Path, series: SeriesKey) -> StoreFeed:
        """Follow the ring at `path` from the oldest record it holds, as the reader called "store".

        Raises:
            ConfigurationError: no such ring, or it cannot be read.
        """
        try:
            return cls(series, RingReader(path, name="store", dtype=series.schema.dtype, from_oldest=True))
        except RingError as error:
            raise ConfigurationError("cannot store from a ring", str(error)) from error

    @property
    def waiting(self) -> bool:
        """Whether anything of this ring is not stored yet."""
        reader = self.reader
        return reader.committed > reader.cursor or self._pending is not None or bool(self._losses)

    @property
    def problem(self) -> str:
        """Why the last attempt to store failed; empty when it did not."""
        return "" if self._error is None else str(self._error)

    @property
    def hopeless(self) -> bool:
        """Whether trying again will not help."""
        return self._error is not None and not self._error.retryable

    def due(self, now_ns: int) -> bool:
        """Whether what waits may be tried at this monotonic instant."""
        return now_ns >= self._retry_ns

    def sweep(self, store: TickStore, record_lost: RecordLost, counts: SchemaCounts) -> bool:
        """Store what waits, at most `BATCHES_A_SWEEP` batches. Blocks. A failure is kept and delays the next try.

        Returns whether everything that waited was stored.
        """
        emptied = False
        try:
            self._record_losses(record_lost)
            for _ in range(BATCHES_A_SWEEP):
                batch = self._pop(counts) if self._pending is None else self._pending
                if batch is None:
                    emptied = True
                    break
                self._append(store, batch, counts)
            self._record_losses(record_lost)
        except ConsoleError as error:
            self._note_failure(error)
            return False
        self._error, self._failures, self._retry_ns = None, 0, 0
        return emptied

    def _pop(self, counts: SchemaCounts) -> Records | None:
        reader = self.reader
        batch = reader.pop_batch(BATCH_ROWS)
        if not len(batch):
            return None
        self._pending, self._pending_id = batch, reader.newest_id
        lapped = reader.lapped - self._settled_laps
        if lapped:
            counts.lost += lapped
            self._settled_laps = reader.lapped
            self._losses.append(_Loss(self._newest_ns, int(batch["ts_event"][0]), lapped))
        self._newest_ns = int(batch["ts_event"][-1])
        return batch

    def _append(self, store: TickStore, batch: Records, counts: SchemaCounts) -> None:
        result = store.append(self.series, batch, self._pending_id)
        self._pending = None
        counts.rows += result.rows
        counts.duplicates += result.duplicates
        counts.out_of_order += result.out_of_order
        counts.rejected += result.rejected

    def _record_losses(self, record_lost: RecordLost) -> None:
        while self._losses:
            loss = self._losses[0]
            record_lost(self.series, start_ns=loss.start_ns, end_ns=loss.end_ns, rows=loss.rows)
            del self._losses[0]

    def _note_failure(self, error: ConsoleError) -> None:
        delay_s = min(FIRST_RETRY_S * 2**self._failures, LAST_RETRY_S)
        if isinstance(error, ResourceExhaustedError) and error.retry_after_s:
            delay_s = error.retry_after_s
        self._error = error
        self._failures = min(self._failures + 1, 16)
        self._retry_ns = monotonic_ns() + int(delay_s * NS_PER_S)

    @property
    def backlog(self) -> int:
        """How many records wait to be stored."""
        return self.reader.lag + (0 if self._pending is None else len(self._pending))

    def give_up(self, record_lost: RecordLost, counts: SchemaCounts) -> None:
        """Count all that waits as lost and let it go."""
        waiting = self._pop(counts) if self._pending is None else self._pending
        start_ns = self._newest_ns if waiting is None else int(waiting["ts_event"][0])
        rows = 0
        while waiting is not None:
            rows += len(waiting)
            waiting = self._pop(counts)
        self._pending = None
        counts.lost += rows
        self._losses.append(_Loss(start_ns, self._newest_ns, rows))
        with contextlib.suppress(ConsoleError):
            self._record_losses(record_lost)
        self._losses.clear()


async def consume_to_store(
    feeds: Callable[[], Sequence[StoreFeed]],
    store: TickStore,
    state: StoreState,
    *,
    record_lost: RecordLost,
    drain: trio.Event,
    interval_s: float = 0.05,
    sync_s: float = 1.0,
) -> None:
    """Store what comes in on `feeds()`, asked again every `interval_s`, and sync about every `sync_s`.

    A feed that is no longer listed is stored to its end, then its reader is closed. After `drain` is set this goes
    on until every ring is empty and all is synced, then returns; what can never be stored is then given up and
    counted as lost. While the disk fails it keeps trying, so a caller that drains should set a deadline. On the way
    out all readers are closed, and what still waits in them is counted as lost. `store` is neither opened nor closed
    here, and is only used in a worker thread.
    """
    consumer = _Consumer(store, state, record_lost, sync_ns=int(sync_s * NS_PER_S))
    limiter = trio.CapacityLimiter(1)
    try:
        while True:
            draining = drain.is_set()
            consumer.follow(feeds())
            if consumer.due(draining=draining):
                await trio.to_thread.run_sync(consumer.work, limiter=limiter)
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
    # The feeds that are followed, and the work of one round, which runs in the worker thread.

    def __init__(self, store: TickStore, state: StoreState, record_lost: RecordLost, *, sync_ns: int) -> None:
        self._store = store
        self._state = state
        self._record_lost = record_lost
        self._sync_ns = sync_ns
        self._feeds: dict[StoreFeed, None] = {}
        self._listed: frozenset[StoreFeed] = frozenset()
        self._todo: list[StoreFeed] = []
        self._unsynced = False
        self._sync_due_ns = 0
        self._sync_problem = ""
        self._caught_up_ns = monotonic_ns()
        self._draining = False

    def follow(self, feeds: Sequence[StoreFeed]) -> None:
        listed = frozenset(feeds)
        if listed != self._listed:
            self._listed = listed
            self._feeds.update(dict.fromkeys(feeds))
        if len(self._feeds) > len(listed):
            for feed in [feed for feed in self._feeds if feed not in listed and not feed.waiting]:
                feed.reader.close()
                del self._feeds[feed]

    def due(self, *, draining: bool) -> bool:
        now_ns = monotonic_ns()
        self._draining = draining
        waiting = [feed for feed in self._feeds if feed.waiting]
        self._todo = [feed for feed in waiting if feed.due(now_ns)]
        if not waiting:
            self._caught_up_ns = now_ns
        if not self._todo:
            self._state.lag_s = (now_ns - self._caught_up_ns) / NS_PER_S
        return bool(self._todo) or (self._unsynced and (draining or now_ns >= self._sync_due_ns))

    def work(self) -> None:
        began_ns = monotonic_ns()
        all_stored = True
        for feed in self._todo:
            counts = self._state.by_schema[feed.series.schema]
            all_stored = feed.sweep(self._store, self._record_lost, counts) and all_stored
            if feed.hopeless and (self._draining or feed not in self._listed):
                feed.give_up(self._record_lost, counts)
        self._unsynced = self._unsynced or bool(self._todo)
        now_ns = monotonic_ns()
        if self._unsynced and (self._draining or now_ns >= self._sync_due_ns):
            self._sync()
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
        self._sync_due_ns = monotonic_ns() + self._sync_ns

    def _report(self) -> None:
        state = self._state
        state.lag_s = (monotonic_ns() - self._caught_up_ns) / NS_PER_S
        problems = [feed.problem for feed in self._feeds if feed.problem]
        state.problem = problems[0] if problems else self._sync_problem

    def finished(self) -> bool:
        return not self._unsynced and not any(feed.waiting for feed in self._feeds)

    def close(self) -> None:
        for feed in self._feeds:
            self._state.by_schema[feed.series.schema].lost += feed.backlog
            feed.reader.close()
        self._feeds.clear()
