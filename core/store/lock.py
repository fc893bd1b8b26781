"""One writer a directory: a lock that dies with the process that holds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

from core.errors import RefusedError
from core.store.faults import storage_error
from core.store.paths import make_folder

LOCK_NAME: Final = ".writer.lock"


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


def _owner(fd: int) -> str:
    with contextlib.suppress(OSError):
        text = os.pread(fd, 20, 0).strip()
        if text.isdigit():
            return f"process {int(text)}"
    return "another process"
