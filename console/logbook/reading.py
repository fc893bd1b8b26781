"""Reads the log files: all entries across rotations, oldest first, and those that are written while one waits.

Text and JSON lines may stand in one file. What is neither belongs to the entry before it, or was left by a disk that
was full, and is passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from console.logbook.entry import Entry, continued, parse_line
from console.logbook.file import FILE_NAME, log_files
from core.errors import ConfigurationError

MAX_LINE_BYTES: Final = 1 << 18
_MOST_TRACE: Final = 1000
_CHUNK_BYTES: Final = 1 << 20
_ATTEMPTS: Final = 5


class Lines:
    """Makes entries of lines, given in order. An entry is complete when the next one begins, or at `flush`."""

    def __init__(self) -> None:
        self._entry: Entry | None = None
        self._trace: list[str] = []

    def feed(self, lines: Iterable[bytes]) -> Iterator[Entry]:
        """The entries that these lines complete."""
        for raw in lines:
            line = raw[:MAX_LINE_BYTES].decode("utf-8", "replace")
            below = continued(line)
            if below is not None:
                if len(self._trace) < _MOST_TRACE:
                    self._trace.append(below)
                continue
            entry = parse_line(line)
            if entry is not None:
                yield from self.flush()
                self._entry = entry

    def flush(self) -> Iterator[Entry]:
        """The entry that was begun last."""
        entry, trace = self._entry, self._trace
        self._entry, self._trace = None, []
        if entry is not None:
            yield attrs.evolve(entry, trace="\n".join(trace)) if trace else entry


def read_entries(directory: Path) -> Iterator[Entry]:
    """Every entry of the log in `directory`, oldest file first; nothing when there is none.

    Files that are moved on meanwhile are read once: all are opened before the first is read.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    descriptors = _open_all(directory)
    try:
        for descriptor in descriptors:
            yield from _entries_of(descriptor)
    finally:
        _close_all(descriptors)


def _open_all(directory: Path) -> list[int]:
    # All files at one moment, oldest first: files that were moved on while they were opened are opened anew.
    for attempt in range(_ATTEMPTS):
        descriptors: list[int] = []
        paths = log_files(directory)
        for path in paths:
            with suppress(FileNotFoundError):
                descriptors.append(_open(path))
        same = [_same(path, descriptor) for path, descriptor in zip(paths, descriptors, strict=False)]
        if len(descriptors) == len(paths) and all(same) and len(log_files(directory)) == len(paths):
            break
        if attempt < _ATTEMPTS - 1:
            _close_all(descriptors)
    return descriptors


def _same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigurationError("log file cannot be read", f"{path}: {error.strerror}") from error


def _entries_of(descriptor: int) -> Iterator[Entry]:
    lines = Lines()
    for batch in _batches(descriptor):
        yield from lines.feed(batch)
    yield from lines.flush()


def _batches(descriptor: int) -> Iterator[list[bytes]]:
    pending = b""
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        *whole, pending = (pending + chunk).split(b"\n")
        yield whole
        if len(pending) > MAX_LINE_BYTES:
            pending = pending[:MAX_LINE_BYTES]  # no line of ours: its beginning is enough to see that
    yield [pending] if pending else []


class Follower:
    """Reads what is appended to the log from now on, through any number of rotations. `close` it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._pending = b""
        self._lines = Lines()
        *older, self._descriptor = _open_all(directory) or [-1]
        _close_all(older)
        if self._descriptor >= 0:
            os.lseek(self._descriptor, 0, os.SEEK_END)

    def read(self) -> list[Entry]:
        """What came since the last time."""
        entries: list[Entry] = []
        while self._is_moved():
            # What was written to our file until it was moved, then the files that followed, to the newest.
            entries += self._read_on()
            following = self._following()
            if not following:
                break
            for descriptor in following:
                self.close()
                self._descriptor, self._pending = descriptor, b""
                entries += self._read_on()
        entries += self._read_on()
        return entries + list(self._lines.flush())

    def _read_on(self) -> list[Entry]:
        entries: list[Entry] = []
        while self._descriptor >= 0 and (chunk := os.read(self._descriptor, _CHUNK_BYTES)):
            *whole, self._pending = (self._pending + chunk).split(b"\n")
            self._pending = self._pending[:MAX_LINE_BYTES]
            entries += self._lines.feed(whole)
        return entries

    def _is_moved(self) -> bool:
        return self._descriptor < 0 or not _same(self._path, self._descriptor)

    def _following(self) -> list[int]:
        found = _open_all(self._path.parent)
        if self._descriptor < 0:
            return found
        ours = os.fstat(self._descriptor)
        at = next((at for at, one in enumerate(found) if os.path.samestat(os.fstat(one), ours)), None)
        if at is None:  # ours is not kept any more: those that were written to since
            at = sum(os.fstat(one).st_mtime_ns <= ours.st_mtime_ns for one in found) - 1
        _close_all(found[: at + 1])
        return found[at + 1 :]

    def close(self) -> None:
        """Give the file back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
