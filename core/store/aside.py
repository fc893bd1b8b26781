"""Files that other programs read: written beside their place and put there whole, or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from core.errors import RefusedError
from core.store.faults import storage_error
from core.store.paths import sync_folder


@contextlib.contextmanager
def written_aside(path: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """A file to write to, which becomes `path`, durably, when the block ends without an error, and is removed
    otherwise. It is called `path` with `.part` at its end, which a killed process leaves behind for the next one.

    Raises:
        RefusedError: there is such a file and `replace` does not allow it, or another process writes it.
        ResourceExhaustedError: no space is left.
        ConfigurationError: the place cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        _check_free(path, replace=replace)
        with _locked(part) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                _check_free(path, replace=replace)
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        sync_folder(path.parent)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise storage_error("writing", path, error) from error


def _check_free(path: Path, *, replace: bool) -> None:
    if path.is_dir():
        raise RefusedError("will not overwrite", f"{path} is a directory", hint="name a file")
    if path.exists() and not (replace and path.is_file()):
        raise RefusedError("will not overwrite", str(path), hint="say so with --force, or name another file")


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    with os.fdopen(fd, "wb") as file:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = os.path.samestat(part.stat(), os.fstat(fd))
        except (BlockingIOError, FileNotFoundError):
            mine = False
        if not mine:
            raise RefusedError("will not overwrite", f"another process writes {part}", hint="wait for it")
        os.ftruncate(fd, 0)
        yield file
