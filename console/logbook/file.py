"""The log file: one for all processes of a user, appended to by any number of them, rotated by whoever finds it full.

A line is written with one call to a file that was opened for appending, so lines of several processes never mix.
Who finds the file full takes the lock beside it, looks again, and moves the files on. A line that another process
was just writing goes to the file that was moved, which is kept; when even that is gone by then, the line is written
again. So nothing is lost but what `files` older files do not hold.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

FILE_NAME: Final = "ringside.log"
_LOCK_NAME: Final = ".ringside.lock"
_ATTEMPTS: Final = 6


class LogFile:
    """Appends to `ringside.log` in `directory`. `told` hears in words, once, that it cannot, and that it can again;
    nothing is ever raised. Not for use by two threads at once: only the thread of its sink writes."""

    def __init__(self, directory: Path, *, max_bytes: int, files: int, told: Callable[[str], None]) -> None:
        self.path = directory / FILE_NAME
        self.lost = 0
        self._max_bytes, self._files, self._told = max_bytes, files, told
        self._descriptor: int | None = None
        self._problem = ""
        self._torn = False

    def write(self, line: str) -> None:
        """Append a line, which may have lines of a traceback below it."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        try:
            self._append(data)
        except OSError as error:
            self._fail(error)
            return
        if self._problem:
            self._problem, lost = "", self.lost
            self._told(f"the log file is written again; {lost:,} lines stand nowhere")

    def close(self) -> None:
        """Give the file back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def begin_anew(self) -> None:
        """In a fork: open the file again. What was open may have been half closed by a thread that is not here."""
        self._descriptor = None

    def _fail(self, error: OSError) -> None:
        self.lost += 1
        with suppress(OSError):
            self.close()
        self._descriptor = None
        if not self._problem:
            self._problem = error.strerror or type(error).__name__
            self._told(f"no log file in {self.path.parent}: {self._problem}; the engine goes on")

    def _append(self, data: bytes) -> None:
        for attempt in range(_ATTEMPTS):
            descriptor = self._open()
            full = os.fstat(descriptor).st_size + len(data) > self._max_bytes
            if full and attempt < _ATTEMPTS // 2 and self._rotate(len(data)):
                continue
            # Half a line stands there since the disk was full.
            line = b"\n" + data if self._torn else data
            written = os.write(descriptor, line)
            self._torn = written < len(line)
            if self._torn:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if os.fstat(descriptor).st_nlink:
                return
        raise FileNotFoundError(errno.ENOENT, "the file is removed again and again")

    def _open(self) -> int:
        # The file that bears the name now: another process may have moved it, somebody may have removed it.
        if self._descriptor is not None:
            try:
                here, ours = self.path.stat(), os.fstat(self._descriptor)
            except FileNotFoundError:
                self.close()
            else:
                if (here.st_dev, here.st_ino) == (ours.st_dev, ours.st_ino):
                    return self._descriptor
                self.close()
        self._prepare_directory()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        self._descriptor = os.open(self.path, flags, 0o600)
        if os.fstat(self._descriptor).st_mode & 0o077:
            os.fchmod(self._descriptor, 0o600)
        return self._descriptor

    def _prepare_directory(self) -> None:
        directory = self.path.parent
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_mode & 0o077:
            with suppress(PermissionError):  # somebody else's: then it is for them to say who looks into it
                directory.chmod(0o700)

    def _rotate(self, more_bytes: int) -> bool:
        """Move the files on, unless another process did, or does so just now; whether to look again."""
        lock = os.open(self.path.parent / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # somebody is at it: this line goes where the others are
        else:
            try:
                size_bytes = self.path.stat().st_size
            except FileNotFoundError:
                return True  # moved by another, who has not begun the next
            if not size_bytes or size_bytes + more_bytes <= self._max_bytes:
                return bool(size_bytes)
            for number in range(self._files, 1, -1):
                with suppress(FileNotFoundError):
                    self._numbered(number - 1).replace(self._numbered(number))
            self.path.replace(self._numbered(1))
            self._remove_older()
            return True
        finally:
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_UN)  # a fork of this moment would keep it
            os.close(lock)

    def _remove_older(self) -> None:
        # Fewer are kept than before.
        number = self._files + 1
        with suppress(FileNotFoundError):
            while True:
                self._numbered(number).unlink()
                number += 1

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{FILE_NAME}.{number}")


def log_files(directory: Path) -> list[Path]:
    """The log files that there are, oldest first."""
    found = {}
    with suppress(OSError):
        for path in directory.iterdir():
            suffix = path.name.removeprefix(f"{FILE_NAME}.")
            if path.name == FILE_NAME:
                found[0] = path
            elif path.name.startswith(f"{FILE_NAME}.") and suffix.isascii() and suffix.isdigit() and len(suffix) < 7:
                found[int(suffix)] = path
    return [found[number] for number in sorted(found, reverse=True)]
