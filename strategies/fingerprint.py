"""The SHA-256 of a strategy's source, lower-case hexadecimal."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import stat
from pathlib import Path
from typing import Final

from core.errors import NotFoundError, PermanentError

MAX_SOURCE_BYTES: Final = 1 << 20


def sha256_of(path: Path) -> str:
    """The hash of a file. Raises as `read_source`."""
    return hashlib.sha256(read_source(path)).hexdigest()


def read_source(path: Path) -> bytes:
    """What is in a file, read once.

    Raises:
        NotFoundError: there is no such file.
        PermanentError: it is no plain file, larger than 1 MiB, or cannot be read.
    """
    try:
        return read_plain_file(path, most_bytes=MAX_SOURCE_BYTES)[0]
    except FileNotFoundError:
        raise NotFoundError("no such strategy file", str(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PermanentError("cannot read the strategy", f"{path}: {reason}") from error


def read_plain_file(path: Path, *, most_bytes: int) -> tuple[bytes, os.stat_result]:
    """What is in a file, read once, and the facts of the very file that was read.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no plain file, is larger, or no file can have such a name.
    """
    # A pipe that nobody writes into would be waited for.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("not a file")
        with os.fdopen(fd, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1)
    finally:
        os.close(fd)
    if len(content) > most_bytes:
        raise ValueError(f"larger than {most_bytes} bytes")
    return content, found


def sha256_of_module(name: str) -> str:
    """The hash of the source of an importable module; where there is no source, of the version of Ringside and the
    name."""
    spec = importlib.util.find_spec(name)
    get_data = getattr(spec.loader, "get_data", None) if spec else None
    try:
        content = get_data(spec.origin) if get_data and spec and spec.origin else b""
    except OSError:
        content = b""
    return hashlib.sha256(content or f"{_version()} {name}".encode()).hexdigest()


def _version() -> str:
    try:
        return importlib.metadata.version("ringside")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
