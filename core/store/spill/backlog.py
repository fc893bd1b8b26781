"""Everything that the database has not taken yet, in memory and in the spill directory, under one lock."""

from __future__ import annotations

import os
import secrets
import threading
from pathlib import Path
from typing import Final

import attrs
import numpy as np

from core.clock import monotonic_ns
from core.errors import ConsoleError, PermanentError
from core.model.records import Records
from core.store.batch import summed
from core.store.lock import take_lock
from core.store.paths import all_series, series_directory
from core.store.repository import AppendResult, SeriesKey
from core.store.spill.lane import Lane, Memory
from core.store.spill.log import SpillFile, open_files

_MAX_ID: Final = 2**62


@attrs.frozen(kw_only=True)
class Limits:
    """How much may wait in memory; what is beyond goes to the disk."""

    rows: int = 200_000
    stored_bytes: int = 64 << 20


class Backlog:
    """Opens the spill `directory`, making it (mode 0700) when there is none, and takes over what an earlier run left.

    `changed` guards all of it and is notified of every change. While `down`, nothing new is kept in memory.

    Raises:
        RefusedError: another process spills there.
        ConfigurationError: the directory cannot be used.
        ResourceExhaustedError: no space is left.
    """

    def __init__(self, directory: Path, limits: Limits) -> None:
        self.directory = directory.absolute()
        self.changed = threading.Condition()
        self.lanes: dict[SeriesKey, Lane] = {}
        self.repairs: list[str] = []
        self.down = False
        self._limits = limits
        self._memory = Memory()
        self._settled: dict[SeriesKey, AppendResult] = {}
        self._inherited: dict[SeriesKey, AppendResult] = {}
        self._telling = threading.Lock()  # never held for long
        self.writer = secrets.token_hex(8)
        self._syncing = threading.Lock()  # held while files are synced or removed; taken before `changed`
        self._lock_fd = take_lock(self.directory)
        try:
            for series, folder in all_series(self.directory):
                self.lane(series).adopt(open_files(folder, series, self.repairs))
        except BaseException:
            self._let_go()
            raise

    def lane(self, series: SeriesKey) -> Lane:
        """The lane of a series, a new one if need be. Raises `RefusedError` when its name cannot name a file."""
        found = self.lanes.get(series)
        if found is None:
            folder = series_directory(self.directory, series)
            found = self.lanes[series] = Lane(series, folder, self.writer, self._memory)
        return found

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> None:
        """Take a copy of records: into memory, or onto the disk when the database is down, when older ones of the
        series are there, or when the memory is used up, which then is emptied onto the disk.

        Raises:
            ConsoleError: the disk refused; nothing was taken and the same call may be repeated.
        """
        copied = np.array(records).view(series.schema.dtype)
        with self.changed:
            if self._lock_fd < 0:
                raise PermanentError("storing", "the store is closed")
            lane = self.lane(series)
            if not len(copied):
                return
            if not self._has_room(copied):
                self.divert(list(self.lanes.values()))
            batch = lane.add(copied, newest_id if 0 <= newest_id < _MAX_ID else 0)
            if self.down or lane.files or lane.retry_ns or not self._has_room(copied, held=True):
                try:
                    lane.divert()
                except ConsoleError:
                    lane.take_back(batch)
                    raise
            self.changed.notify_all()

    def _has_room(self, records: Records, *, held: bool = False) -> bool:
        # Whether `records`, `held` already or not, fit. A single batch of any size fits an empty memory.
        rows, stored_bytes = self._memory.rows, self._memory.stored_bytes
        if not held:
            rows, stored_bytes = rows + len(records), stored_bytes + records.nbytes
        fits = rows <= self._limits.rows and stored_bytes <= self._limits.stored_bytes
        return fits or rows == len(records)

    def divert(self, lanes: list[Lane]) -> None:
        """Move what these lanes have in memory to the disk; the caller holds `changed`.

        Raises:
            ConsoleError: the disk refused, for one of them at least; what was not moved is still in memory.
        """
        refused: ConsoleError | None = None
        for lane in lanes:
            try:
                lane.divert()
            except ConsoleError as error:
                refused = refused or error
        if refused is not None:
            raise refused

    def secure(self, patience_s: float) -> None:
        """Make durable what was appended before: in the database if it takes it within `patience_s`, else on the
        disk. Raises `ConsoleError` when the disk refuses; what is not on it then is still in memory."""
        with self.changed:
            targets = [(lane, lane.end) for lane in self.lanes.values() if lane.batches]

            def late() -> list[Lane]:
                return [lane for lane, end in targets if lane.batches and lane.batches[0].first < end]

            if targets:
                self.changed.wait_for(
                    lambda: self.down or not any(not lane.files and not lane.retry_ns for lane in late()), patience_s
                )
            self.divert(late())
        self._sync_files()

    def _sync_files(self) -> None:
        with self._syncing:
            with self.changed:
                dirty = [file for lane in self.lanes.values() for file in lane.files if file.dirty]
            refused: ConsoleError | None = None
            for file in dirty:
                try:
                    file.sync()
                except ConsoleError as error:
                    refused = refused or error
            if refused is not None:
                raise refused

    def finish_file(self, lane: Lane) -> None:
        """Remove the file in front of a lane if the database has all of it. Raises `ConsoleError`."""
        with self._syncing, self.changed:
            lane.finish_file()
            self.changed.notify_all()

    def awaits(self, writer: str) -> bool:
        """Whether anything of a writer waits or may still come; True once this is closed and nobody here knows."""
        with self.changed:
            known = self._lock_fd >= 0 and writer != self.writer
            return not known or any(file.writer == writer for file in self.waiting_files())

    def settle(self, lane: Lane, position: int) -> None:
        """Note that the database has everything of a lane up to `position` durably; the caller holds `changed`."""
        result = lane.secure(position)
        if result != AppendResult():
            with self._telling:
                told = self._settled if lane.head_writer == self.writer else self._inherited
                told[lane.series] = summed(told.get(lane.series, AppendResult()), result)

    def take_settled(self) -> list[tuple[SeriesKey, AppendResult]]:
        """What of this run was settled since the last call, by series."""
        with self._telling:
            told, self._settled = self._settled, {}
        return list(told.items())

    def inherited(self) -> dict[SeriesKey, AppendResult]:
        """What of an earlier run was settled since the start, by series."""
        with self._telling:
            return dict(self._inherited)

    def waiting_files(self) -> list[SpillFile]:
        """The files that hold anything; the caller holds `changed`."""
        return [file for lane in self.lanes.values() for file in lane.files]

    def close(self) -> None:
        """Close the files, synced or not, and give the directory back. May be called twice."""
        with self._syncing, self.changed:
            self._let_go()
            self.changed.notify_all()

    def _let_go(self) -> None:
        for file in self.waiting_files():
            file.close()
        self.lanes.clear()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1


def due_in_ns(lane: Lane) -> int | None:
    """In how many nanoseconds there is something to do for the database in a lane, 0 for now; None for nothing. The
    caller holds the lock."""
    if not (lane.files or lane.batches):
        return None
    return max(lane.retry_ns - monotonic_ns(), 0)
