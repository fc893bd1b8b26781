"""The store that needs no server: append-only day segments in a directory, and a catalogue beside them.

One process writes, held by a lock that dies with it; any number read.
"""

from __future__ import annotations

import os
import resource
import threading
from pathlib import Path

import numpy as np

from core.clock import DAY_NS
from core.errors import PermanentError
from core.model.records import Records
from core.store.batch import Part, days_of, late_ones, new_part, summed, write_all
from core.store.catalogue import Catalogue
from core.store.deadline import CLOSE_TIMEOUT_S, within
from core.store.dedupe import Mask, full_ids
from core.store.history import EmbeddedHistory
from core.store.lock import take_lock
from core.store.logs import SeriesLogs
from core.store.paths import day_of_path
from core.store.quarantine import RejectedRecords
from core.store.repository import AppendResult, Numbered, SeriesKey, SeriesStats
from core.store.retention import RemovedDay, remove_days
from core.store.sealing import SealProgress, SealResult, seal_days
from core.store.segment import acceptable, marked
from core.store.serieslog import SeriesLog
from core.store.writer import Segment

_MAX_ID = 2**62


class EmbeddedTickStore:
    """Opens the store in `directory`, making it (mode 0700) when there is none; implements `TickStore`.

    Segments that differ from what `catalogue` says are inspected and, if need be, repaired: `repairs` says in words
    what was done. The catalogue stays the caller's to close, after this. At most `open_limit` files are kept open.

    Raises:
        RefusedError: another process writes there.
        ConfigurationError: the directory cannot be used.
        ResourceExhaustedError: no space is left.
    """

    def __init__(self, directory: Path, catalogue: Catalogue, *, open_limit: int | None = None) -> None:
        self.directory = directory.absolute()
        self.repairs: list[str] = []
        self._catalogue = catalogue
        self._open_limit = open_limit or max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2, 16)
        self._guard = threading.Lock()
        self._sealing = threading.Lock()
        self._history = EmbeddedHistory(self.directory)
        self._rejected = RejectedRecords()
        self._lock_fd = take_lock(self.directory)
        try:
            self._logs = SeriesLogs(self.directory, catalogue, open_limit=self._open_limit, repairs=self.repairs)
            self._logs.reconcile()
        except BaseException:
            os.close(self._lock_fd)
            raise

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Store those of `records` that are valid and new, all of them or, on an error, none. See `TickStore`.

        Raises:
            ResourceExhaustedError: no space is left; the same call may be repeated.
            TransientError: the disk failed; likewise.
            ConfigurationError: the directory may no longer be written.
            RefusedError: the symbol cannot name a file.
        """
        if not 0 <= newest_id < _MAX_ID:
            newest_id = 0  # no venue numbers so high: what it sent is not an id
        with self._guard:
            if self._lock_fd < 0:
                raise PermanentError("storing", "the store is closed")
            log = self._logs.log(series)
            return self._append(log, np.ascontiguousarray(records).view(series.schema.dtype), newest_id)

    def _append(self, log: SeriesLog, records: Records, newest_id: int) -> AppendResult:
        offered = records
        right = acceptable(records, log.head)
        if right is not None:
            records = records[right]
        parts: list[Part] = []
        if len(records):
            late = late_ones(records["ts_event"], log.cursor.newest_ns)
            days = days_of(records["ts_event"], late)
            if len(days) > max(self._open_limit // 2, 1):
                return self._append_halves(log, offered, newest_id)
            reference = newest_id or log.cursor.newest_id
            try:
                parts = self._plan(log, records, late, days=days, reference=reference)
            except PermanentError:
                if not self._logs.drop_damaged_seals(log, days):
                    raise
                parts = self._plan(log, records, late, days=days, reference=reference)
        write_all(parts)
        result = self._note(log, parts, valid=len(records), offered=len(offered))
        if right is not None:
            self._rejected.note(log.series, offered[~right], log.head)
        return result

    def _append_halves(self, log: SeriesLog, records: Records, newest_id: int) -> AppendResult:
        # Each day needs an open file. No venue sends so many days at once in earnest, so it may be in two steps.
        half = len(records) // 2
        return summed(*(self._append(log, part, newest_id) for part in (records[:half], records[half:])))

    def _plan(
        self, log: SeriesLog, records: Records, late: Mask | None, *, days: list[int], reference: int
    ) -> list[Part]:
        if len(days) == 1:
            segment = self._segment(log, days[0], records, reference)
            return [new_part(segment, records, late, reference)]
        day_of_each = records["ts_event"] // np.uint64(DAY_NS)
        parts = []
        for day in days:
            chosen = day_of_each == np.uint64(day)
            some = records[chosen]
            segment = self._segment(log, day, some, reference)
            parts.append(new_part(segment, some, None if late is None else late[chosen], reference))
        return parts

    def _segment(self, log: SeriesLog, day: int, records: Records, reference: int) -> Segment:
        segment = log.open.get(day)
        begun = segment is not None and segment.facts.first_id
        return self._logs.segment(log, day, first_id=0 if begun else _first_id(log, records, reference))

    def _note(self, log: SeriesLog, parts: list[Part], *, valid: int, offered: int) -> AppendResult:
        cursor = log.cursor
        rows = late = 0
        for part in parts:
            if not len(part.records):
                continue
            segment, facts = part.segment, part.segment.facts
            segment.note(part.records, part.ids, part.marks)
            log.learn(segment.path, facts)
            rows += len(part.records)
            late += part.late
            cursor.newest_ns = max(cursor.newest_ns, facts.last_ns)
            cursor.newest_id = max(cursor.newest_id, facts.last_id)
        cursor.rows += rows
        cursor.duplicates += valid - rows
        cursor.out_of_order += late
        cursor.rejected += offered - valid
        log.moved()
        return AppendResult(rows=rows, duplicates=valid - rows, out_of_order=late, rejected=offered - valid)

    def series(self) -> list[SeriesKey]:
        """The series that were begun, in the order of their names."""
        return self._history.series()

    def days(self, series: SeriesKey) -> list[int]:
        """The days since the epoch that hold records of a series, ascending."""
        return self._history.days(series)

    def read(self, series: SeriesKey, start_ns: int, end_ns: int) -> Records:
        """A copy of the records with `start_ns <= ts_event < end_ns`, in the order that `TickReader` says."""
        return self._history.read(series, start_ns, end_ns)

    def read_numbered(self, series: SeriesKey, start_ns: int, end_ns: int) -> Numbered:
        """The same records with their full ids."""
        return self._history.read_numbered(series, start_ns, end_ns)

    def latest(self, series: SeriesKey, rows: int = 1) -> Records:
        """The last `rows` of what `read` would return of everything, or as many as there are."""
        return self._history.latest(series, rows)

    def sync(self) -> None:
        """Make everything appended durable, then write down in the catalogue how far it goes.

        Raises as `append` does; what was not done is done by the next call.
        """
        with self._guard:
            self._sync()

    def _sync(self) -> None:
        self._logs.secure_all()
        self._logs.save()
        self._rejected.hand_over(self._catalogue)

    def compress(self, before_day: int, progress: SealProgress | None = None) -> list[SealResult]:
        """Seal every day before `before_day`, days since the epoch, that is not or to which late records came.

        Blocks; another thread may append meanwhile, and waits no longer than it takes to rename a file. A day that
        keeps changing is left for the next time.

        Raises:
            ConsoleError: the disk failed or is full; what was sealed is sealed, the rest is as it was.
            PermanentError: the store is closed, or was meanwhile.
        """
        with self._sealing:
            return seal_days(self._logs, self._guard, before_day=before_day, progress=progress)

    def retain(self, before_day: int) -> list[RemovedDay]:
        """Remove every day before `before_day`, days since the epoch; what is left is what `stats` counts.

        Raises:
            ConsoleError: the disk failed; what was removed is removed, the rest is as it was.
        """
        with self._sealing, self._guard:
            return remove_days(self._logs, before_day=before_day)

    def stats(self) -> list[SeriesStats]:
        """What is stored and what was refused, series by series in the order of their names."""
        with self._guard:
            logs = sorted(self._logs.logs.items(), key=lambda item: (item[0].venue, item[0].symbol, item[0].schema))
            return [_stats(log) for _, log in logs]

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Sync, close the files and give the lock back. May be called twice. Raises as `sync` does, all closed.

        A thread that is in `append` or `sync` is waited for, at most `timeout_s` together with the disk.

        Raises:
            TransientError: it takes longer; all is closed when the disk answers, or with the process.
        """

        def work() -> None:
            with self._guard:
                if self._lock_fd < 0:
                    return
                try:
                    self._sync()
                finally:
                    self._logs.close()
                    os.close(self._lock_fd)
                    self._lock_fd = -1

        within(timeout_s, work, operation="closing the store", path=self.directory)


def _first_id(log: SeriesLog, records: Records, reference: int) -> int:
    # Where the ids of a new segment begin. A marked record's sequence may be none, so the reference stands in.
    if log.series.schema.is_bars:
        return 0
    if not reference or marked(records[:1], log.series.schema) is not None:
        return reference
    return max(int(full_ids(records["sequence"][:1], reference)[0]), 1)


def _stats(log: SeriesLog) -> SeriesStats:
    cursor, facts = log.cursor, log.facts.values()
    return SeriesStats(
        series=cursor.series,
        rows=cursor.rows,
        duplicates=cursor.duplicates,
        out_of_order=cursor.out_of_order,
        rejected=cursor.rejected,
        first_ns=min((segment.first_ns for segment in facts if segment.rows), default=0),
        last_ns=cursor.newest_ns,
        newest_id=cursor.newest_id,
        segments=len({day_of_path(path) for path in log.facts}),
        stored_bytes=sum(segment.stored_bytes for segment in facts),
    )
