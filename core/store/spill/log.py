"""One file of the spill: records of one series just as they were offered, in the order they came.

It is a DBN file that Databento's tools read. Unlike a segment of the embedded store it is no day, and nothing was
refused: duplicates and bad records are the database's to find, so that its counts are those of an append that never
went astray. The name says where it belongs: `NUMBER-WRITER-BASE.dbn`, the number orders the files of a series, and
its first record is at position `BASE` of what `WRITER`, one run of the program, appended to that series.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Final

import numpy as np

from core.errors import PermanentError
from core.model.records import Records
from core.store.faults import storage_error
from core.store.paths import make_folder, sync_folder
from core.store.repair import put_aside
from core.store.repository import SeriesKey
from core.store.segment import PREFIX_BYTES, encode_header, header_bytes, read_first_id
from core.store.writer import replace_file, write_again, write_at

ROLL_ROWS: Final = 1_000_000
"""A file of so many records is followed by another, so that what was replayed frees its space."""

_NAME = re.compile(r"(\d{8})-([0-9a-f]{16})-(\d{18})\.dbn")
_NEAR = 2**30
_TAIL_ROWS = 4096


class SpillFile:
    """A spill file that exists and is open. `rows` are those in it, `reference` a full id near every one of them, 0
    where the venue gave none. One thread at a time writes, others may read meanwhile."""

    def __init__(self, path: Path, series: SeriesKey) -> None:
        name = _NAME.fullmatch(path.name)
        assert name is not None, path
        self.path = path
        self.series = series
        self.number, self.writer, self.base = int(name[1]), name[2], int(name[3])
        self.rows = 0
        self._untidy = False
        self._suspect = False
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise storage_error("opening the spill", path, error) from error
        try:
            self._measure()
        except BaseException:
            self.close()
            raise
        self._durable_rows = self.rows

    def _measure(self) -> None:
        # A record that the dead writer did not finish was never acknowledged; nor were zeros, which a disk that lost
        # its power leaves.
        try:
            prefix = os.pread(self._fd, PREFIX_BYTES, 0)
            header = os.pread(self._fd, header_bytes(prefix), 0)
            size = os.fstat(self._fd).st_size
            if not header or header_bytes(header) != len(header):
                raise PermanentError("damaged spill", f"{self.path} has no whole header")
            self.reference = read_first_id(header, self.path, self.series)
            self._header_bytes = len(header)
            self.rows = (size - len(header)) // self._row_bytes
            self._cut_zeros()
            if size != self._end:
                os.ftruncate(self._fd, self._end)
        except OSError as error:
            raise storage_error("opening the spill", self.path, error) from error

    def _cut_zeros(self) -> None:
        while self.rows:
            first = max(self.rows - _TAIL_ROWS, 0)
            written = np.flatnonzero(self.read(first, self.rows - first).view(np.uint8))
            if len(written):
                self.rows = first + int(written[-1]) // self._row_bytes + 1
                return
            self.rows = first

    @property
    def _row_bytes(self) -> int:
        return self.series.schema.dtype.itemsize

    @property
    def _end(self) -> int:
        return self._header_bytes + self.rows * self._row_bytes

    @property
    def end(self) -> int:
        """The position after the last record."""
        return self.base + self.rows

    @property
    def stored_bytes(self) -> int:
        """The size of the file."""
        return self._end

    @property
    def dirty(self) -> bool:
        """Whether something in it may not be durable yet."""
        return self._durable_rows < self.rows or self._suspect

    def takes(self, newest_id: int) -> bool:
        """Whether records whose full ids are near `newest_id` may be added."""
        return self.rows < ROLL_ROWS and near(self.reference, newest_id)

    def write(self, records: Records) -> None:
        """Add records (contiguous) at the end, all of them or none. Raises what `storage_error` makes of it."""
        try:
            self._tidy()
            write_at(self._fd, records, self._end)
        except OSError as error:
            self._untidy = True
            raise storage_error("spilling", self.path, error) from error
        self.rows += len(records)

    def _tidy(self) -> None:
        if self._untidy:
            os.ftruncate(self._fd, self._end)
            self._untidy = False

    def read(self, first: int, count: int) -> Records:
        """A copy of at most `count` records from the one with index `first` on. Raises `ConsoleError`."""
        count = max(min(count, self.rows - first), 0)
        wanted = count * self._row_bytes
        try:
            content = os.pread(self._fd, wanted, self._header_bytes + first * self._row_bytes)
        except OSError as error:
            raise storage_error("reading the spill", self.path, error) from error
        if len(content) != wanted:
            raise PermanentError("damaged spill", f"{self.path} is shorter than it was")
        return np.frombuffer(content, self.series.schema.dtype)

    def sync(self) -> None:
        """Make what was written before durable. Raises what `storage_error` makes of the refusal."""
        rows = self.rows
        try:
            if self._suspect:
                write_again(self._fd, self._header_bytes + self._durable_rows * self._row_bytes, self._end)
            os.fdatasync(self._fd)
        except OSError as error:
            self._suspect = True
            raise storage_error("syncing the spill", self.path, error) from error
        self._suspect = False
        self._durable_rows = rows

    def remove(self) -> None:
        """Delete the file durably; it is then closed. Raises what `storage_error` makes of the refusal."""
        try:
            self.path.unlink(missing_ok=True)
            sync_folder(self.path.parent)  # it may not come back once the database has forgotten its writer
        except OSError as error:
            raise storage_error("emptying the spill", self.path, error) from error
        self.close()

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def named_position(path: Path) -> tuple[str, int] | None:
    """Whose records a file of that name holds, and the position before the first; None for other files."""
    name = _NAME.fullmatch(path.name)
    return None if name is None else (name[2], int(name[3]))


def near(reference: int, newest_id: int) -> bool:
    """Whether records near one full id may be told apart by the other: both are 0, or not far from each other."""
    return (reference == 0) == (newest_id == 0) and abs(reference - newest_id) < _NEAR


def create_file(folder: Path, series: SeriesKey, *, number: int, writer: str, base: int, reference: int) -> SpillFile:
    """Make an empty spill file, durably and in one step. Raises what `storage_error` makes of the refusal."""
    path = folder / f"{number:08d}-{writer}-{base:018d}.dbn"
    header = encode_header(series, start_ns=0, first_id=reference)
    try:
        make_folder(folder)
        replace_file(path, header)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.with_name(f"{path.name}.part").unlink(missing_ok=True)
        raise storage_error("spilling", path, error) from error
    return SpillFile(path, series)


def open_files(folder: Path, series: SeriesKey, repairs: list[str]) -> list[SpillFile]:
    """The spill files in the folder of a series, oldest first. One that is no spill file any more is put aside under
    another name, and `repairs` says so in words. Raises `ConsoleError`."""
    try:
        for unfinished in folder.glob("*.dbn.part"):
            unfinished.unlink(missing_ok=True)
        names = sorted(path.name for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except OSError as error:
        raise storage_error("opening the spill", folder, error) from error
    files: list[SpillFile] = []
    try:
        for name in names:
            try:
                files.append(SpillFile(folder / name, series))
            except PermanentError as error:
                repairs.append(f"{error}: put aside as {put_aside(folder / name).name}")
    except BaseException as error:
        for file in files:
            file.close()
        if isinstance(error, OSError):
            raise storage_error("opening the spill", folder, error) from error
        raise
    return files
