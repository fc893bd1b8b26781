"""What a sweep has done so far, in a file: one line of JSON a parameter set, so that it can go on where it stopped.

The lines are the rows of the result: they are written once and copied from there. A million of them never are in
memory together.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import attrs

from core.errors import RefusedError
from core.store.faults import storage_error

KEPT_LOGS: Final = 50
KEPT_BYTES: Final = 2 * 2**30
"""All logs together are no larger when a sweep begins, but for its own; a million runs are 700 MB."""
SUFFIX: Final = ".ndjson"
_LONGEST_LINE_BYTES: Final = 65_536

Row = Mapping[str, Any]


@attrs.frozen
class Place:
    """Where in the file a line is, its end not included."""

    offset: int
    length: int


class SweepLog:
    """The file of one sweep, locked while it is open. Close it.

    Raises:
        RefusedError: another process runs the same sweep.
        ConsoleError: the disk does not take it.
    """

    def __init__(self, directory: Path, fingerprint: str, *, fresh: bool) -> None:
        self.path = directory / f"{fingerprint}{SUFFIX}"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise storage_error("writing", self.path, error) from error
        try:
            self._open(fresh=fresh)
        except OSError as error:
            os.close(self._fd)
            raise storage_error("writing", self.path, error) from error
        except BaseException:
            os.close(self._fd)
            raise
        _remove_old(directory, self.path)

    def _open(self, *, fresh: bool) -> None:
        if not _locked(self._fd):
            raise RefusedError("the same sweep is running", "in another process", hint="wait for it, or stop it")
        os.fchmod(self._fd, 0o600)
        if fresh:
            os.ftruncate(self._fd, 0)
        os.utime(self._fd)  # the newest are kept
        self._end = os.fstat(self._fd).st_size

    def __enter__(self) -> SweepLog:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give it free."""
        os.close(self._fd)

    def rows(self) -> Iterator[tuple[Place, dict[str, Any]]]:
        """What is in it. Lines that are no objects are passed over, and a last one that was not finished is cut
        off; read it before adding anything."""
        offset = 0
        with open(self._fd, "rb", closefd=False) as file:
            file.seek(0)
            while line := file.readline(_LONGEST_LINE_BYTES):
                if line.endswith(b"\n"):
                    row = _parsed(line)
                    if row is not None:
                        yield Place(offset, len(line) - 1), row
                offset += len(line)
                end = offset if line.endswith(b"\n") else offset - len(line)
        if offset and end < self._end:
            os.ftruncate(self._fd, end)
            self._end = end

    def add(self, row: Row) -> Place:
        """Write one; it is not synced, because it can be computed again."""
        line = json.dumps(row, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        try:
            written = os.pwrite(self._fd, line, self._end)
            if written < len(line):
                os.pwrite(self._fd, line[written:], self._end + written)
        except OSError as error:
            raise storage_error("writing", self.path, error) from error
        place = Place(self._end, len(line) - 1)
        self._end += len(line)
        return place

    def text(self, place: Place) -> str:
        """One line as it stands in the file."""
        return os.pread(self._fd, place.length, place.offset).decode()

    def row(self, place: Place) -> dict[str, Any]:
        """One line as an object."""
        found: dict[str, Any] = json.loads(self.text(place))
        return found


def _parsed(line: bytes) -> dict[str, Any] | None:
    # The file is the user's, and disks fail: what is not a row is computed again.
    try:
        found = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_old(directory: Path, mine: Path) -> None:
    # All but the newest, and none that is in use.
    with contextlib.suppress(OSError):
        found = [(path.lstat(), path) for path in directory.glob(f"*{SUFFIX}") if path != mine]
        left_bytes = KEPT_BYTES
        for count, (facts, path) in enumerate(sorted(found, key=lambda one: -one[0].st_mtime_ns), 1):
            left_bytes -= facts.st_size
            if count >= KEPT_LOGS or left_bytes < 0:
                _remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if _locked(fd):
                path.unlink()
        finally:
            os.close(fd)
