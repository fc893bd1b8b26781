"""One SQLite file that several processes may open: transactions, versions of its tables, errors in our terms."""

from __future__ import annotations

import contextlib
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


class Database:
    """Opens the file at `path`, making it (mode 0600) when there is none, and brings its tables up to date.

    `steps` are the statements that lead from each version to the next; the first make the tables. What it is called
    in messages is `name`. Methods block, also for another process that writes, and may be called from any thread:
    they take turns.

    Raises:
        ConfigurationError: the place cannot be used, or the file is damaged or of a newer version.
        ResourceExhaustedError: no space is left.
        TransientError: another process holds it locked.
    """

    def __init__(self, path: Path, steps: Sequence[str], *, name: str) -> None:
        self.path = path
        self._name = name
        self._lock = threading.Lock()
        opening = f"opening the {name}"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
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
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version > len(steps):
                raise ConfigurationError(
                    opening,
                    f"{self.path} has version {version}, this program knows {len(steps)}",
                    hint="use the newer program",
                )
            for step in steps[version:]:
                for statement in step.split(";"):
                    database.execute(statement)
            database.execute(f"PRAGMA user_version={len(steps)}")

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
