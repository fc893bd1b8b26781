"""One writer a directory, and no file cut short under its readers: locks that die with the processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from pathlib import Path
from typing import Final

from core.clock import NS_PER_S, monotonic_ns
from core.errors import RefusedError
from core.store.faults import storage_error
from core.store.paths import make_folder

LOCK_NAME: Final = ".writer.lock"
CUT_TIMEOUT_S: Final = 1.0
_POLL_S: Final = 0.005


def take_lock(directory: Path) -> int:
    """Make `directory` (mode 0700) if need be and lock it; closing the returned descriptor unlocks it.

    Raises:
        RefusedError: another process holds it; the text says which.
        ConfigurationError, ResourceExhaustedError: the directory cannot be made or written.
    """
    path = directory / LOCK_NAME
    try:
        make_folder(directory)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise storage_error("opening the store", directory, error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        owner = _owner(fd)
        os.close(fd)
        raise RefusedError("opening the store", f"{directory} is written by {owner}", hint="stop it first") from None
    except OSError as error:
        os.close(fd)
        raise storage_error("opening the store", path, error) from error
    return fd


def is_locked(directory: Path) -> bool:
    """Whether a process writes in `directory` just now; False when it cannot be told."""
    try:
        fd = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        # Asking takes the lock for a moment, in which a starting engine would be refused: only ask when the last
        # owner lives.
        text = os.pread(fd, 20, 0).strip()
        if not text.isdigit() or not _lives(int(text)):
            return False
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def writer_of(directory: Path) -> int | None:
    """The number of the process that writes in `directory`, or wrote there last; None when it cannot be told."""
    with contextlib.suppress(OSError):
        text = (directory / LOCK_NAME).read_bytes()[:20].strip()
        if text.isdigit():
            return int(text)
    return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _owner(fd: int) -> str:
    with contextlib.suppress(OSError):
        text = os.pread(fd, 20, 0).strip()
        if text.isdigit():
            return f"process {int(text)}"
    return "another process"


def keep_length(fd: int) -> None:
    """Keep `cut_back` from an open file until its last descriptor is closed, also the one that a map of it holds.

    Raises `OSError`.
    """
    # Whoever reads a mapped page that is no longer in the file is killed by the operating system.
    fcntl.flock(fd, fcntl.LOCK_SH)


def cut_back(fd: int, size: int) -> None:
    """Shorten an open file to `size` bytes once nobody has it mapped.

    Raises `OSError`: `BlockingIOError` when somebody has for longer than `CUT_TIMEOUT_S`; nothing was done.
    """
    end_ns = monotonic_ns() + int(CUT_TIMEOUT_S * NS_PER_S)
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if monotonic_ns() >= end_ns:
                raise
            threading.Event().wait(_POLL_S)
    try:
        os.ftruncate(fd, size)
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)
