"""One SQLite file that several processes may open: transactions, versions of its tables, errors in our terms."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from core.errors import ConfigurationError
from core.store.deadline import CLOSE_TIMEOUT_S, within
from core.store.faults import database_error, storage_error

_BUSY_S: Final = 5.0
_UNSHARED: Final = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}


class Database:
    """Opens the file at `path`, making it (mode 0600) when there is none, and brings its tables up to date.

    `steps` are the statements that lead from each version to the next; the first make the tables. What it is called
    in messages is `name`. Methods block, also for another process that writes, and may be called from any thread:
    they take turns.

    With `read_only` the file must be there and nothing is written, so that a disk which is full or may not be written
    is no hindrance. What is of an older version, or cannot be shared with writers on such a disk, is read as it was
    when it was opened.

    Raises:
        ConfigurationError: the place cannot be used, or the file is damaged or of a newer version.
        ResourceExhaustedError: no space is left.
        TransientError: another process holds it locked.
    """

    def __init__(self, path: Path, steps: Sequence[str], *, name: str, read_only: bool = False) -> None:
        self.path = path
        self._name = name
        self._lock = threading.Lock()
        opening = f"opening the {name}"
        if read_only:
            self._database = _open_to_read(path, steps, opening)
            return
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_unless_there(path)
        except OSError as error:
            raise storage_error(opening, path, error) from error
        try:
            self._database = sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise database_error(opening, path, error) from error
        try:
            self._prepare(opening, steps)
        except BaseException:
            self._database.close()
            raise

    def _prepare(self, opening: str, steps: Sequence[str]) -> None:
        with self.transaction(opening, begin="") as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            if database.execute("PRAGMA user_version").fetchone()[0] == len(steps):
                return
        with self.transaction(opening) as database:
            _bring_up_to_date(database, steps, opening=opening, path=self.path)

    @contextlib.contextmanager
    def transaction(self, operation: str, *, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """All of what happens inside is kept, or nothing; without `begin` each statement by itself.

        Raises:
            ConsoleError: what `database_error` makes of SQLite's refusal.
        """
        with self._lock:
            try:
                if begin:
                    self._database.execute(begin)
                yield self._database
                if begin:
                    self._database.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                raise database_error(operation, self.path, error) from error
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """What a query finds. Raises as `transaction` does."""
        with self.transaction(f"reading the {self._name}", begin="") as database:
            return database.execute(query, arguments).fetchall()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Let go of the file. May be called twice.

        Raises:
            TransientError: it takes longer than `timeout_s`, because another thread is in it and the disk hangs.
        """

        def work() -> None:
            with self._lock:
                self._database.close()

        within(timeout_s, work, operation=f"closing the {self._name}", path=self.path)


def _make_unless_there(path: Path) -> None:
    # Never opened when it is there: closing it again would take away the locks of every other connection of this
    # process, and the next process to leave would think itself the last.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _bring_up_to_date(database: sqlite3.Connection, steps: Sequence[str], *, opening: str, path: Path) -> None:
    version = _version(database)
    if version > len(steps):
        raise ConfigurationError(
            opening,
            f"{path} has version {version}, this program knows {len(steps)}",
            hint="use the newer program",
        )
    for step in steps[version:]:
        for statement in step.split(";"):
            database.execute(statement)
    database.execute(f"PRAGMA user_version={len(steps)}")


def _open_to_read(path: Path, steps: Sequence[str], opening: str) -> sqlite3.Connection:
    try:
        database = _connect_to_read(path)
        if _version(database) != len(steps):
            database = _copied(database)
            _bring_up_to_date(database, steps, opening=opening, path=path)
    except sqlite3.Error as error:
        raise database_error(opening, path, error) from error
    return database


def _connect_to_read(path: Path) -> sqlite3.Connection:
    try:
        return _connect(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _UNSHARED:
            raise
    # Sharing it with a writer takes files for which there is no room. Without them what a killed writer left in its
    # log is read too.
    if _size(path.with_name(f"{path.name}-wal")):
        return _copied(_connect(path, "mode=ro&vfs=unix-none", "PRAGMA locking_mode=EXCLUSIVE"))
    return _copied(_connect(path, "mode=ro&immutable=1"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _connect(path: Path, options: str, *pragmas: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}",
        uri=True,
        timeout=_BUSY_S,
        check_same_thread=False,
        isolation_level=None,
    )
    try:
        for pragma in pragmas:
            database.execute(pragma)
        _version(database)
    except BaseException:
        database.close()
        raise
    return database


def _copied(source: sqlite3.Connection) -> sqlite3.Connection:
    with contextlib.closing(source):
        memory = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        source.backup(memory)
    return memory
