"""One command at a time fetches a series: a lock that dies with the process, on this machine or in the database."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from console.batch.db_target import EMBEDDED, Target
from core.errors import RefusedError
from core.store.faults import storage_error
from core.store.paths import make_folder
from core.store.repository import SeriesKey

CLAIMS: Final = "claims"


@contextmanager
def claimed(target: Target, series: SeriesKey) -> Iterator[None]:
    """Nobody else fetches `series` into the store while the block lasts.

    Raises:
        RefusedError: somebody does.
        ConsoleError: the place cannot be written, or the database does not answer.
    """
    if target.kind == EMBEDDED:
        with _file_claim(target.directory.parent / CLAIMS, series):
            yield
        return
    from core.store.postgres.claims import database_claim

    with database_claim(target.url, str(series)) as free:
        if not free:
            raise _taken(series)
        yield


@contextmanager
def _file_claim(folder: Path, series: SeriesKey) -> Iterator[None]:
    path = folder / f"{hashlib.blake2b(str(series).encode(), digest_size=12).hexdigest()}.lock"
    try:
        make_folder(folder)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise storage_error("claiming a series", path, error) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(series) from None
        yield
    finally:
        os.close(fd)


def _taken(series: SeriesKey) -> RefusedError:
    return RefusedError("it is being fetched already", str(series), hint="backfill status shows by whom")
