"""Carries the records of one ring into the store, batch by batch, and counts what cannot be stored as lost."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from core.clock import NS_PER_S, monotonic_ns
from core.errors import ConfigurationError, ConsoleError, ResourceExhaustedError
from core.model.records import Records
from ringbuf.layout import RingError
from ringbuf.reader import RingReader

if TYPE_CHECKING:  # flow and store know each other's shapes and nothing more
    from core.store.repository import AppendResult, SeriesKey, TickSink

BATCH_ROWS: Final = 8192
_LATEST_NS: Final = 2**63 - 1
_RECEIVED: Final = "ts_recv"
BATCHES_A_SWEEP: Final = 8
FIRST_RETRY_S: Final = 0.1
LAST_RETRY_S: Final = 5.0


class RecordLost(Protocol):
    """Persists that records of a series were received and not stored; `start_ns` is 0 when none came before."""

    def __call__(self, series: SeriesKey, *, start_ns: int, end_ns: int, rows: int) -> None:
        """Blocks; raises `ConsoleError`, and is then called again with the same loss."""


class Follower(Protocol):
    """Is told what comes on a series."""

    def note(self, records: Records, newest_id: int, *, lost: int = 0) -> None:
        """The next records, at least one, as they came; `newest_id` is as in `TickSink.append`. `lost` were
        overwritten in the ring just before them. Does not block."""

    def resume(self) -> None:
        """What comes from now on is of another producer than what came so far. Does not block."""


@attrs.define
class SchemaCounts:
    """What became of the records of one schema since the start."""

    rows: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    rejected: int = 0
    lost: int = 0

    def add(self, result: AppendResult) -> None:
        """Count what became of the records of an append."""
        self.rows += result.rows
        self.duplicates += result.duplicates
        self.out_of_order += result.out_of_order
        self.rejected += result.rejected


@attrs.frozen
class _Loss:
    start_ns: int
    end_ns: int
    rows: int


@attrs.define(eq=False)
class StoreFeed:
    """A ring whose records belong to `series`, and how far it was stored.

    The consumer owns `reader` from the first time the feed is listed, and closes it. One thread at a time sweeps;
    `close` may be called from another meanwhile.
    """

    series: SeriesKey
    reader: RingReader
    _follower: Follower | None = None
    _first: int = 0
    _pending: Records | None = attrs.field(default=None, init=False)
    _pending_id: int = attrs.field(default=0, init=False)
    _settled_laps: int = attrs.field(default=0, init=False)
    _newest_ns: int = attrs.field(default=0, init=False)
    _received_ns: list[NDArray[np.int64]] = attrs.field(factory=list, init=False)
    _losses: list[_Loss] = attrs.field(factory=list, init=False)
    _error: ConsoleError | None = attrs.field(default=None, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _retry_ns: int = attrs.field(default=0, init=False)
    # Held for every look into the ring, never while the disk is waited for: so `close` need not wait for a disk.
    _guard: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    @classmethod
    def of_ring(cls, path: Path, series: SeriesKey, follower: Follower | None = None, *, first: int = 0) -> StoreFeed:
        """Follow the ring at `path` from the oldest record it holds, as the reader called "store". What is read from
        it is told `follower`; records below `first` are of a producer that died.

        Raises:
            ConfigurationError: no such ring, or it cannot be read.
        """
        try:
            reader = RingReader(path, name="store", dtype=series.schema.dtype, from_oldest=True)
        except RingError as error:
            raise ConfigurationError("cannot store from a ring", str(error)) from error
        return cls(series, reader, follower, first)

    @property
    def waiting(self) -> bool:
        """Whether anything of this ring is not stored yet."""
        reader = self.reader
        return reader.committed > reader.cursor or self._pending is not None or bool(self._losses)

    @property
    def backlog(self) -> int:
        """How many records wait to be stored."""
        return self.reader.lag + (0 if self._pending is None else len(self._pending))

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

    def sweep(self, store: TickSink, record_lost: RecordLost, counts: SchemaCounts) -> bool:
        """Store what waits, at most `BATCHES_A_SWEEP` batches. Blocks. A failure is kept and delays the next try.

        Returns whether everything that waited was stored. A feed that is closed meanwhile is left after the batch.
        """
        emptied = False
        try:
            self._record_losses(record_lost)
            for _ in range(BATCHES_A_SWEEP):
                with self._guard:
                    batch = self._next(counts)
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

    def _next(self, counts: SchemaCounts) -> Records | None:
        # The batch that waits, or a new one; the guard is held.
        if self._closed or self._pending is not None:
            return None if self._closed else self._pending
        reader = self.reader
        inherited = self._first - reader.cursor
        batch = reader.pop_batch(min(BATCH_ROWS, inherited) if inherited > 0 else BATCH_ROWS)
        if not len(batch):
            return None
        self._pending, self._pending_id = batch, reader.newest_id
        lapped = reader.lapped - self._settled_laps
        if lapped:
            counts.lost += lapped
            self._settled_laps = reader.lapped
            self._losses.append(_Loss(self._newest_ns, _instant_ns(batch, 0), lapped))
        self._newest_ns = _instant_ns(batch, -1)
        if self._follower is not None:
            self._follower.note(batch, self._pending_id, lost=lapped)
            if inherited > 0 and reader.cursor >= self._first:
                self._follower.resume()
        return batch

    def _append(self, store: TickSink, batch: Records, counts: SchemaCounts) -> None:
        result = store.append(self.series, batch, self._pending_id)
        with self._guard:
            if self._closed:
                return  # it took so long that the batch was counted as lost
            self._pending = None
            counts.add(result)
        if _RECEIVED in (batch.dtype.names or ()):
            self._received_ns.append(batch[_RECEIVED].astype(np.int64))

    def take_received(self) -> list[NDArray[np.int64]]:
        """When the records were received that were stored since this was asked last, those of bars left out: theirs
        do not say it."""
        received_ns, self._received_ns = self._received_ns, []
        return received_ns

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

    def give_up(self, record_lost: RecordLost, counts: SchemaCounts) -> None:
        """Count all that waits as lost and let it go; the reader stays open."""
        rows = start_ns = 0
        with self._guard:
            while (batch := self._next(counts)) is not None:
                start_ns = start_ns or _instant_ns(batch, 0)
                rows += len(batch)
                self._pending = None
            counts.lost += rows
        if rows:
            self._losses.append(_Loss(start_ns, self._newest_ns, rows))
        with contextlib.suppress(ConsoleError):
            self._record_losses(record_lost)
        self._losses.clear()

    def close(self, counts: SchemaCounts) -> int:
        """Count all that waits as lost and close the reader. Returns how much that was. May be called twice.

        Does not wait for a sweep in another thread. What that is storing just now counts as lost, stored or not.
        """
        with self._guard:
            if self._closed:
                return 0
            self._closed = True
            waiting = self.backlog
            counts.lost += waiting
            self.reader.close()
            return waiting


def _instant_ns(batch: Records, index: int) -> int:
    # A venue's time may be undefined, a number that the books cannot hold.
    return min(int(batch["ts_event"][index]), _LATEST_NS)
