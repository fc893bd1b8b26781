"""Reads the files of settings, whatever stands in their place: bounded in size and in time."""

from __future__ import annotations

import os
import select
import stat
import time
from pathlib import Path
from typing import Final

MAX_FILE_BYTES: Final = 1 << 20
"""Of a settings file; what is larger is none."""
PIPE_TIMEOUT_S: Final = 10.0
"""So long what comes through a pipe is waited for, all in all: it may have to be decrypted first."""

_CHUNK_BYTES: Final = 1 << 16


def read_file(path: Path, *, timeout_s: float = PIPE_TIMEOUT_S) -> tuple[bytes, int]:
    """What stands in a file, and its mode. It may be a pipe, as `-c <(command)` makes one, or `/dev/null`.

    Raises:
        OSError: it cannot be read, is neither, is too large, or nothing more came through the pipe.
    """
    # Without waiting: a pipe that nobody writes to would not even be opened otherwise.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        found = os.fstat(fd)
        mode = found.st_mode
        if stat.S_ISDIR(mode):
            raise OSError("is a directory")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or os.path.samestat(found, Path(os.devnull).stat())):
            raise OSError("is no regular file")
        return _content(fd, timeout_s), mode
    finally:
        os.close(fd)


def _content(fd: int, timeout_s: float) -> bytes:
    content = bytearray()
    deadline_s = time.monotonic() + timeout_s
    ready = select.poll()
    ready.register(fd, select.POLLIN)
    while True:
        # Of a pipe, this also waits for the first who writes.
        if not ready.poll(max(deadline_s - time.monotonic(), 0) * 1000):
            raise OSError(f"is a pipe that nobody has written to its end within {timeout_s:g} s")
        chunk = os.read(fd, _CHUNK_BYTES)
        content += chunk
        if len(content) > MAX_FILE_BYTES:
            raise OSError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
        if not chunk:
            return bytes(content)
