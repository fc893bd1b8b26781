"""The folder of a desk, and who trades on it now: one process at a time, by a lock that dies with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from core.errors import RefusedError, UsageError
from core.store.faults import storage_error
from core.store.paths import make_folder
from ringbuf import layout

OWN_INSTANCE: Final = "paper-"
"""Begins the instance name of a process that does nothing but trade on a desk; the desk's name follows."""

_LOCK: Final = ".lock"
_OPERATION: Final = "opening the desk"
_MOST_BYTES: Final = 4096


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who trades on a desk: the process, and the name of the instance whose control channel answers for it. Both are
    0 and empty when that could not be read."""

    instance: str = ""
    pid: int = 0


def desk_place(state_directory: Path, desk: str) -> Path:
    """Where the sessions of a desk lie, whether there are any or not. Raises `UsageError` for a name that is none."""
    try:
        layout.check_instance(desk)
        layout.check_instance(OWN_INSTANCE + desk)
    except layout.RingError as error:
        raise UsageError("bad name for a desk", str(error)) from error
    return state_directory / "paper" / desk


@contextmanager
def desk_folder(state_directory: Path, desk: str, *, instance: str = "") -> Iterator[Path]:
    """The folder of a desk, made with mode 0700 if need be, and nobody else's while the block lasts. `instance` is
    what others ask for who trades there; without one it is the desk's own.

    Raises:
        RefusedError: another process holds it; the text says which.
        UsageError: a desk cannot be called so.
        ConsoleError: the folder cannot be made or written.
    """
    folder = desk_place(state_directory, desk)
    path = folder / _LOCK
    try:
        make_folder(folder)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise storage_error(_OPERATION, path, error) from error
    try:
        if not layout.lock(fd, 0, 1):
            raise _taken(desk, _told(fd))
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, msgspec.json.encode(Holder(instance=instance or OWN_INSTANCE + desk, pid=os.getpid())), 0)
        except OSError as error:
            raise storage_error(_OPERATION, path, error) from error
        yield folder
    finally:
        os.close(fd)


def refuse_taken(state_directory: Path, desk: str) -> None:
    """Raise `RefusedError` when another process trades on a desk now."""
    if (found := holder(state_directory, desk)) is not None:
        raise _taken(desk, found)


def holder(state_directory: Path, desk: str) -> Holder | None:
    """Who trades on a desk now, without disturbing it; None when nobody does. Raises as `desk_folder` does, but never
    `RefusedError`."""
    path = desk_place(state_directory, desk) / _LOCK
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error(_OPERATION, path, error) from error
    try:
        return _told(fd) if layout.locked_elsewhere(fd, 0, 1) else None
    except OSError as error:
        raise storage_error(_OPERATION, path, error) from error
    finally:
        os.close(fd)


def _told(fd: int) -> Holder:
    try:
        found = msgspec.json.decode(os.pread(fd, _MOST_BYTES, 0), type=Holder)
        layout.check_instance(found.instance)
    except (OSError, ValueError, layout.RingError):
        return Holder()
    return found


def _taken(desk: str, found: Holder) -> RefusedError:
    who = f"process {found.pid}, instance {found.instance}" if found.pid else "another process"
    return RefusedError("the desk is taken", f"{desk} is traded on by {who}", hint="stop it first, or name another")
