"""What a failing disk means to the store: the operating system's errors in the terms of the error taxonomy."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from core.errors import ConfigurationError, ConsoleError, ResourceExhaustedError, TransientError

FULL_RETRY_S = 5.0
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE}
_PASSING = {errno.EIO, errno.EAGAIN, errno.EINTR, errno.ENOMEM, errno.EBUSY, errno.ESTALE, errno.ETIMEDOUT}
_SQLITE_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM}
_SQLITE_UNCLEAR = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}  # also said when its own files cannot be made
_NEEDED_BYTES = 1 << 16


class DayMovedError(TransientError):
    """The files of a day were sealed or removed while they were opened: list them again."""


def storage_error(operation: str, path: Path, error: OSError) -> ConsoleError:
    """What to raise when the operating system refused `operation` on `path`."""
    subject = f"{path}: {error.strerror or error}"
    if error.errno in _FULL:
        return ResourceExhaustedError(operation, subject, retry_after_s=FULL_RETRY_S, hint="make room")
    if error.errno in _PASSING:
        return TransientError(operation, subject)
    return ConfigurationError(operation, subject, hint="name a directory that may be written")


def database_error(operation: str, path: Path, error: sqlite3.Error) -> ConsoleError:
    """What to raise when SQLite refused `operation` on the file at `path`."""
    subject = f"{path}: {error}"
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code in _SQLITE_UNCLEAR and _is_full(path.parent)):
        return ResourceExhaustedError(operation, subject, retry_after_s=FULL_RETRY_S, hint="make room")
    if code in _SQLITE_PASSING:
        return TransientError(operation, subject)
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return ConfigurationError(operation, subject, hint="move the file away: it is rebuilt from the segments")
    return ConfigurationError(operation, subject, hint="name a directory that may be written")


def _is_full(folder: Path) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _NEEDED_BYTES or (found.f_files > 0 and found.f_favail == 0)
