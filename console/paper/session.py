"""The sessions of a desk on disk: one that is written now, and the folder of those there are.

Each is a folder: `session.json`, the state that it began with; `ledger.ndjson`, what it wrote down; `tape.bin`, what
it was told, and with that the commit log of the ledger (`core.sim.tape`).
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from console.paper.past import HEAD, LEDGER, TAPE_FILE, Past
from core.clock import DAY_NS, NS_PER_S
from core.errors import NotFoundError, TransientError
from core.sim.lines import Line, encode_lines
from core.sim.state import SessionHead, encode_head
from core.sim.tape import CLOCK, Rows, row_of
from core.store.faults import storage_error
from core.store.paths import sync_folder
from core.store.writer import replace_file

MOST_WAITING_BYTES: Final = 16 * 2**20
"""So much waits in memory for a disk that is full, before a commit is an error."""

LATEST: Final = "latest"
"""In place of the name of a session: the newest one."""

_ID: Final = re.compile(r"(\d{8}T\d{6}Z)(?:-([2-9]|[1-9]\d{1,8}))?", re.ASCII)
_TOLD: Final = 5
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_WRITING: Final = "writing the session"


class _File:
    # A file that is only added to; what could not be written yet is what `waiting` holds.

    def __init__(self, path: Path) -> None:
        self.fd = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        self.waiting = bytearray()

    def write(self) -> None:
        waiting = self.waiting
        while waiting:
            del waiting[: os.write(self.fd, waiting)]


class Session:
    """One that is being written; `begin` makes it. One thread at a time, but for `sync`.

    `lines` counts those of the ledger so far, noted ones included. `problem` says in words why the disk did not take
    what is committed, and is empty when it did: it is then in memory and goes with the next commit, in order, so that
    nothing is lost.
    """

    def __init__(self, folder: Path, head: SessionHead) -> None:
        self.folder, self.head = folder, head
        self.lines = 0
        self.problem = ""
        self._noted = False
        self._ledger = _File(folder / LEDGER)
        try:
            self._tape = _File(folder / TAPE_FILE)
        except OSError:
            os.close(self._ledger.fd)
            raise

    def commit(self, lines: list[Line], rows: Callable[[int], Rows]) -> int:
        """Write the lines of a step, those noted before right in front of them, and then its rows of the tape, which
        `rows` makes when it is told how many lines stand after them. Returns the number of the first of `lines`,
        counted from 1.

        Raises:
            ConsoleError: the disk refuses, for good or until more waits than `MOST_WAITING_BYTES`. The step still
                waits in memory; trading must end.
        """
        first = self.lines + 1
        if lines:
            self._ledger.waiting += encode_lines(lines)
            self.lines += len(lines)
        self._tape.waiting += rows(self.lines).tobytes()
        self._noted = False
        self._write()
        return first

    def note(self, line: Line) -> None:
        """Keep a line that belongs to no step, a `HoleLine` or a `RingLine`, for the next commit. Its number is what
        `lines` is afterwards. When no commit follows, `close` writes it, with a clock mark at instant 0."""
        self._ledger.waiting += encode_lines([line])
        self.lines += 1
        self._noted = True

    def _write(self) -> None:
        try:
            self._ledger.write()
            self._tape.write()
        except OSError as error:
            found = storage_error(_WRITING, self.folder, error)
            self.problem = str(found)
            waiting_bytes = len(self._ledger.waiting) + len(self._tape.waiting)
            if not found.retryable or waiting_bytes > MOST_WAITING_BYTES:
                raise found from error
        else:
            self.problem = ""

    def sync(self) -> None:
        """Make durable what is on the disk, the ledger first. Blocks; meant for a worker thread while another one
        commits. Raises `ConsoleError`; what is durable is then not known."""
        try:
            os.fdatasync(self._ledger.fd)
            os.fdatasync(self._tape.fd)
        except OSError as error:
            raise storage_error("syncing the session", self.folder, error) from error

    def close(self) -> None:
        """Write what waits, make it durable, and end. Raises `ConsoleError` when that fails; it is closed even then,
        and what the disk did not take is lost."""
        try:
            if self._noted:
                self.commit([], lambda lines: row_of(kind=CLOCK, lines=lines))
            self._write()
            if self.problem:
                raise TransientError(_WRITING, self.problem)
            self.sync()
        finally:
            os.close(self._ledger.fd)
            os.close(self._tape.fd)


def begin(folder: Path, head: SessionHead) -> Session:
    """A new session in the folder of a desk, whose lock the caller has. It is named after its `created_ns`, whatever
    `head` calls it, and comes after all there are, also when the clock went back.

    Raises `ConsoleError` when it cannot be written.
    """
    name = _following(folder, head.created_ns)
    head, place = replace(head, session=name), folder / name
    try:
        place.mkdir(mode=0o700)
        session = Session(place, head)
    except OSError as error:
        raise storage_error("beginning a session", place, error) from error
    try:
        replace_file(place / HEAD, encode_head(head))  # from now on it counts
        sync_folder(folder)
    except OSError as error:
        session.close()
        raise storage_error("beginning a session", place, error) from error
    return session


def sessions(folder: Path) -> list[str]:
    """The sessions of a desk by name, which is by time, the oldest first. Raises `ConsoleError`."""
    return [name for _, name in _named(folder) if (folder / name / HEAD).is_file()]


def find(folder: Path, name: str) -> Past:
    """The session of that name, the only one whose name begins so, or the `latest`.

    Raises:
        NotFoundError: there is none, or several; it says which there are.
        ConsoleError: it is damaged, or cannot be read.
    """
    names = sessions(folder)
    found = names[-1:] if name == LATEST else [one for one in names if one == name]
    found = found or [one for one in names if name and one.startswith(name)]
    if len(found) != 1:
        known = ", ".join(reversed(names[-_TOLD:])) + (" ..." if len(names) > _TOLD else "")
        what = "several sessions begin so" if found else "no such session"
        raise NotFoundError(
            what, f"{name[:40]!a} of desk {folder.name}", hint=known or "nothing was traded there yet"
        )
    return Past(folder / found[0])


def prune(folder: Path, keep_days: int, now_ns: int) -> list[str]:
    """Remove the sessions, with all their files, that the next one followed more than `keep_days` ago; never the
    latest. The caller has the lock of the desk. Returns their names; raises `ConsoleError`.
    """
    before = f"{datetime.fromtimestamp((now_ns - keep_days * DAY_NS) // NS_PER_S, UTC):{_STAMP}}"
    named = _named(folder)
    removed = []
    latest = sessions(folder)[-1:]
    for (_, name), ((ended, _), _) in itertools.pairwise(named):
        if ended < before and name not in latest:
            try:
                shutil.rmtree(folder / name)
            except OSError as error:
                raise storage_error("removing a session", folder / name, error) from error
            removed.append(name)
    return removed


def _following(folder: Path, now_ns: int) -> str:
    stamp = f"{datetime.fromtimestamp(now_ns // NS_PER_S, UTC):{_STAMP}}"
    (last, number), _ = max(_named(folder), default=(("", 0), ""))
    return stamp if stamp > last else f"{last}-{number + 1}"


def _named(folder: Path) -> list[tuple[tuple[str, int], str]]:
    # What is named like a session, by time: 10 comes after 9.
    try:
        matches = [_ID.fullmatch(name) for name in os.listdir(folder)]  # noqa: PTH208 - names are all it takes
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error("reading the sessions", folder, error) from error
    return sorted(((found[1], int(found[2] or 1)), found[0]) for found in matches if found)
