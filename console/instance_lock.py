"""One process a name: who answers on a control socket holds the lock of its name, which dies with the process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import ConfigurationError, RefusedError, UsageError
from ringbuf import layout


def ring_directory() -> Path:
    """Where rings, sockets and locks are. Raises `ConfigurationError` when that cannot be used."""
    try:
        return layout.directory()
    except layout.RingError as error:
        raise ConfigurationError("shared memory cannot be used", str(error)) from error


@contextmanager
def instance_lock(directory: Path, instance: str) -> Iterator[None]:
    """Nobody else is called `instance` while the block lasts; without this lock its socket is taken for a left one.

    Raises:
        UsageError: nobody can be called so.
        RefusedError: somebody is.
    """
    try:
        layout.check_instance(instance)
    except layout.RingError as error:
        raise UsageError("bad name for an engine", str(error)) from error
    path = directory / f"{instance}.lock"
    fd = _locked_file(path, instance)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(fd)


def _locked_file(path: Path, instance: str) -> int:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        if not layout.lock(fd, 0, 1):
            os.close(fd)
            hint = "stop it first, or give this one another --instance-id"
            raise RefusedError("name is taken", f"an engine called {instance} is already running", hint=hint)
        if layout.same_file(fd, path):
            return fd
        os.close(fd)  # somebody removed the file between our opening and our locking it
