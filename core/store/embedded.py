"""The store that needs no server: append-only day segments in a directory, and a catalogue beside them.

One process writes, held by a lock that dies with it; any number read.
"""

from __future__ import annotations

import logging
import os
import resource
import threading
from collections import OrderedDict
from pathlib import Path

import attrs
import numpy as np

from core.clock import DAY_NS, utc_day
from core.errors import PermanentError
from core.model.records import Records
from core.store.batch import Part, days_of, late_ones, new_part, summed, write_all
from core.store.catalogue import Catalogue, Cursor
from core.store.deadline import CLOSE_TIMEOUT_S, within
from core.store.dedupe import Mask, full_ids
from core.store.faults import storage_error
from core.store.history import EmbeddedHistory
from core.store.lock import take_lock
from core.store.paths import all_series, segments_of, series_directory
from core.store.repair import inspect
from core.store.repository import AppendResult, SeriesKey, SeriesStats
from core.store.segment import Segment, SegmentFacts, acceptable, create_segment, expected_head, marked

_MAX_ID = 2**62

_logger = logging.getLogger("ringside.store")


@attrs.define(eq=False)
class _Log:
    # One series while it is written: its cursor, what each of its segments holds, and those that are open, by day.
    cursor: Cursor
    folder: Path
    head: tuple[int, int]
    facts: dict[Path, SegmentFacts] = attrs.Factory(dict)
    open: dict[int, Segment] = attrs.Factory(dict)

    @classmethod
    def of(cls, directory: Path, cursor: Cursor) -> _Log:
        return cls(cursor, series_directory(directory, cursor.series), expected_head(cursor.series))

    def recount(self) -> bool:
        # Make the cursor say what the segments hold; whether it did not.
        cursor, facts = self.cursor, self.facts.values()
        before = cursor.rows, cursor.newest_ns, cursor.newest_id
        cursor.rows = sum(segment.rows for segment in facts)
        cursor.newest_ns = max((segment.last_ns for segment in facts), default=0)
        cursor.newest_id = max((segment.last_id for segment in facts), default=0)
        return before != (cursor.rows, cursor.newest_ns, cursor.newest_id)


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
        self._history = EmbeddedHistory(self.directory)
        self._logs: dict[SeriesKey, _Log] = {}
        self._open: OrderedDict[Segment, _Log] = OrderedDict()  # the least recently used first
        self._unsaved: dict[Path, tuple[SeriesKey, SegmentFacts]] = {}
        self._moved: dict[SeriesKey, Cursor] = {}
        self._lock_fd = take_lock(self.directory)
        try:
            self._reconcile()
        except BaseException:
            os.close(self._lock_fd)
            raise

    def _reconcile(self) -> None:
        known = self._catalogue.segments(self.directory)
        cursors = {cursor.series: cursor for cursor in self._catalogue.cursors()}
        for series, folder in all_series(self.directory):
            log = self._logs[series] = _Log.of(self.directory, cursors.get(series) or Cursor(series=series))
            for path in segments_of(folder):
                self._admit(log, path, known.pop(path, None))
            self._correct(log)
        self._catalogue.save(
            segments=[(path, *saved) for path, saved in self._unsaved.items()],
            cursors=self._moved.values(),
            gone=known,
        )
        self._unsaved.clear()
        self._moved.clear()

    def _admit(self, log: _Log, path: Path, facts: SegmentFacts | None) -> None:
        # The catalogue is written after the data is durable: a file of the size it knows is what it says.
        try:
            size = path.stat().st_size
        except OSError as error:
            raise storage_error("opening the store", path, error) from error
        if facts is None or facts.stored_bytes != size:
            inspection = inspect(path, log.cursor.series)
            facts = inspection.facts
            _note_repair(self.repairs, inspection.repaired)
            if facts is None:
                return
            self._unsaved[path] = (log.cursor.series, facts)
        log.facts[path] = facts

    def _correct(self, log: _Log) -> None:
        if log.recount():
            self._moved[log.cursor.series] = log.cursor

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
            log = self._logs.get(series)
            if log is None:
                log = self._logs[series] = _Log.of(self.directory, Cursor(series=series))
            return self._append(log, np.ascontiguousarray(records).view(series.schema.dtype), newest_id)

    def _append(self, log: _Log, records: Records, newest_id: int) -> AppendResult:
        offered = len(records)
        right = acceptable(records, log.head)
        if right is not None:
            records = records[right]
        parts: list[Part] = []
        if len(records):
            late = late_ones(records["ts_event"], log.cursor.newest_ns)
            days = days_of(records["ts_event"], late)
            if len(days) > max(self._open_limit // 2, 1):
                return self._append_halves(log, records, newest_id, rejected=offered - len(records))
            parts = self._plan(log, records, late, days=days, reference=newest_id or log.cursor.newest_id)
        write_all(parts)
        return self._note(log, parts, valid=len(records), offered=offered)

    def _append_halves(self, log: _Log, records: Records, newest_id: int, *, rejected: int) -> AppendResult:
        # Each day needs an open file. No venue sends so many days at once in earnest, so it may be in two steps.
        half = len(records) // 2
        results = [self._append(log, part, newest_id) for part in (records[:half], records[half:])]
        log.cursor.rejected += rejected
        return summed(summed(*results), AppendResult(rejected=rejected))

    def _plan(self, log: _Log, records: Records, late: Mask | None, *, days: list[int], reference: int) -> list[Part]:
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

    def _segment(self, log: _Log, day: int, records: Records, reference: int) -> Segment:
        segment = log.open.get(day)
        if segment is not None:
            self._open.move_to_end(segment)
        else:
            segment = self._open_segment(log, day, first_id=_first_id(log, records, reference))
        if reference and not segment.facts.first_id:
            segment.begin_ids(_first_id(log, records, reference))
        return segment

    def _open_segment(self, log: _Log, day: int, *, first_id: int) -> Segment:
        while len(self._open) >= self._open_limit:
            self._shut(next(iter(self._open)))
        series = log.cursor.series
        path = log.folder / f"{utc_day(day * DAY_NS)}.dbn"
        known = log.facts.pop(path, None)
        if os.path.exists(path):  # noqa: PTH110 - Path.exists raises where it may not look
            self._admit(log, path, known)
        if log.facts.get(path) is not known:
            self._correct(log)  # somebody touched the file since it was last open
        facts = log.facts.get(path)
        if facts is None:
            facts = log.facts[path] = create_segment(path, series, first_id=first_id)
        segment = Segment(path, series, facts)
        for older in log.open.values():
            older.seen.forget()
            older.seen_marked.forget()
        log.open[day] = segment
        self._open[segment] = log
        return segment

    def _abandon(self, segment: Segment, *, reason: str) -> None:
        log = self._open[segment]
        facts = log.facts.pop(segment.path)
        self._unsaved.pop(segment.path, None)
        log.cursor.rows -= facts.rows
        self._moved[log.cursor.series] = log.cursor
        segment.dirty = False
        self._shut(segment)
        self.repairs.append(f"{segment.path}: {reason} with {facts.rows} records while it was written")
        _logger.error("lost a segment that was being written: %s", self.repairs[-1])

    def _secure(self, segment: Segment) -> None:
        # Make one segment durable. One whose last sync failed may have lost what it should have written.
        if not segment.dirty:
            return
        if segment.removed:
            self._abandon(segment, reason="was deleted")
            return
        if segment.suspect:
            segment.undo()  # what was never noted is not to be found
            log, inspection = self._open[segment], inspect(segment.path, segment.series)
            _note_repair(self.repairs, inspection.repaired)
            if inspection.facts is None:
                self._abandon(segment, reason="was put aside")
                return
            segment.restate(inspection.facts)
            log.facts[segment.path] = inspection.facts
            self._unsaved[segment.path] = (log.cursor.series, inspection.facts)
            self._correct(log)
        segment.sync()

    def _shut(self, segment: Segment) -> None:
        self._secure(segment)
        segment.close()
        log = self._open.pop(segment, None)
        if log is not None:
            log.open = {day: other for day, other in log.open.items() if other is not segment}

    def _note(self, log: _Log, parts: list[Part], *, valid: int, offered: int) -> AppendResult:
        cursor, series = log.cursor, log.cursor.series
        rows = late = 0
        for part in parts:
            if not len(part.records):
                continue
            segment, facts = part.segment, part.segment.facts
            segment.note(part.records, part.ids, part.marks)
            self._unsaved[segment.path] = (series, facts)
            rows += len(part.records)
            late += part.late
            cursor.newest_ns = max(cursor.newest_ns, facts.last_ns)
            cursor.newest_id = max(cursor.newest_id, facts.last_id)
        cursor.rows += rows
        cursor.duplicates += valid - rows
        cursor.out_of_order += late
        cursor.rejected += offered - valid
        self._moved[series] = cursor
        return AppendResult(rows=rows, duplicates=valid - rows, out_of_order=late, rejected=offered - valid)

    def read(self, series: SeriesKey, start_ns: int, end_ns: int) -> Records:
        """A copy of the records with `start_ns <= ts_event < end_ns`, ascending by `ts_event`, then as they came."""
        return self._history.read(series, start_ns, end_ns)

    def latest(self, series: SeriesKey) -> Records:
        """The record of the highest `ts_event`, the last stored of equals; an empty array when there is none."""
        return self._history.latest(series)

    def sync(self) -> None:
        """Make everything appended durable, then write down in the catalogue how far it goes.

        Raises as `append` does; what was not done is done by the next call.
        """
        with self._guard:
            self._sync()

    def _sync(self) -> None:
        for segment in list(self._open):
            self._secure(segment)
        if self._unsaved or self._moved:
            self._catalogue.save(
                segments=[(path, *saved) for path, saved in self._unsaved.items()], cursors=self._moved.values()
            )
            self._unsaved.clear()
            self._moved.clear()

    def stats(self) -> list[SeriesStats]:
        """What is stored and what was refused, series by series in the order of their names."""
        with self._guard:
            logs = sorted(self._logs.items(), key=lambda item: (item[0].venue, item[0].symbol, item[0].schema))
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
                    for segment in self._open:
                        segment.close()
                    self._open.clear()
                    self._logs.clear()
                    os.close(self._lock_fd)
                    self._lock_fd = -1

        within(timeout_s, work, operation="closing the store", path=self.directory)


def _note_repair(repairs: list[str], repaired: str) -> None:
    if repaired:
        repairs.append(repaired)
        _logger.warning("repaired a segment: %s", repaired)


def _first_id(log: _Log, records: Records, reference: int) -> int:
    # Where the ids of a new segment begin. A marked record's sequence may be none, so the reference stands in.
    if not reference or marked(records[:1], log.cursor.series.schema) is not None:
        return reference
    return max(int(full_ids(records["sequence"][:1], reference)[0]), 1)


def _stats(log: _Log) -> SeriesStats:
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
        segments=len(facts),
        stored_bytes=sum(segment.stored_bytes for segment in facts),
    )
