"""Brings a database to the tables this program knows, one numbered file of SQL after another, forward only.

Each file runs in a transaction of its own together with the note, in `schema_migrations`, that it ran and what it
said. A file that was applied must never change: the next one mends it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import attrs
import psycopg

from core.errors import ConfigurationError
from core.store.postgres.connection import Connection, where, within
from core.store.postgres.faults import MIGRATE, clean

CHECK_S: Final = 30.0
MIGRATE_S: Final = 3600.0
_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK: Final = 0x72696E6773696465  # the letters of the program's name: nobody else's advisory lock
_CHECKING: Final = "checking the database"
_TIMESCALE: Final = """
SELECT CASE WHEN to_regclass('tick_data') IS NULL
    THEN EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
        AND current_setting('timescaledb.disable_load', true) IS NOT NULL
        AND coalesce(current_setting('timescaledb.license', true), 'timescale') = 'timescale'
    ELSE NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = to_regclass('tick_data')) END
"""
_LEDGER: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@attrs.frozen
class Migration:
    """One file: its number, its name, what it says and the digest of that, which no way of checking out changes."""

    version: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """The digest that is noted when it is applied, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def available(directory: Traversable | None = None) -> list[Migration]:
    """The migrations this program carries, or those of another directory, by number.

    Raises:
        ConfigurationError: there are none, or their numbers are not 1, 2, 3 and so on.
    """
    operation = "reading the migrations"
    found = []
    for entry in (directory or files("sql")).iterdir():
        if match := _NAME.fullmatch(entry.name):
            text = entry.read_bytes().decode("utf-8").replace("\r\n", "\n")
            found.append(Migration(int(match[1]), entry.name, text))
        elif entry.name.endswith(".sql"):
            raise ConfigurationError(operation, f"{clean(entry.name)} is not called NNNN_name.sql")
    found.sort(key=lambda migration: migration.name)
    if not found:
        raise ConfigurationError(operation, "this installation carries none", hint="install the program again")
    for number, migration in enumerate(found, 1):
        if migration.version != number:
            raise ConfigurationError(operation, f"{migration.name} stands where {number:04d} should")
    return found


def migrate(
    connection: Connection,
    *,
    report: Callable[[str], None] = lambda line: None,
    migrations: Sequence[Migration] | None = None,
) -> list[str]:
    """Apply what is not applied yet and return the names of that. `report` is told each, and what the server says.

    Of several that migrate at once one works and the others wait. After an error what was applied before stays, and
    of the migration that failed nothing is there. Blocks, for up to `MIGRATE_S` a migration.

    Raises:
        ConfigurationError: the database is newer than this program, an applied migration was edited or is missing,
            or the role may not make tables.
        TransientError, ResourceExhaustedError: the server does not answer, or has no room.
    """
    known = available() if migrations is None else migrations
    applied: list[str] = []

    def notice(diagnostic: psycopg.errors.Diagnostic) -> None:
        report(clean(diagnostic.message_primary or ""))

    connection.add_notice_handler(notice)
    try:
        while migration := _apply_next(connection, known):
            applied.append(migration.name)
            report(migration.name)
    finally:
        connection.remove_notice_handler(notice)
    return applied


def _apply_next(connection: Connection, known: Sequence[Migration]) -> Migration | None:
    operation = "migrating"
    with within(connection, MIGRATE_S, operation=operation), connection.transaction():
        connection.execute("SELECT set_config('statement_timeout', '0', true)")
        connection.execute("SELECT set_config('client_min_messages', 'notice', true)")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if not _has_ledger(connection):
            connection.execute(_LEDGER)
        waiting = _waiting(connection, known, operation)
        if not waiting:
            return None
        migration = waiting[0]
        connection.execute(migration.text.encode())
        connection.execute(
            "INSERT INTO schema_migrations (version, name, sha256) VALUES (%s, %s, %s)",
            (migration.version, migration.name, migration.sha256),
        )
        return migration


def check(connection: Connection, *, migrations: Sequence[Migration] | None = None) -> None:
    """Make sure that the database has exactly the tables this program knows. Changes nothing.

    Raises:
        ConfigurationError: it is not migrated, or newer, or an applied migration was edited or is missing.
        TransientError: the server does not answer.
    """
    if names := waiting(connection, migrations=migrations):
        raise ConfigurationError(_CHECKING, f"{where(connection)} is not migrated: {', '.join(names)}", hint=MIGRATE)


def waiting(connection: Connection, *, migrations: Sequence[Migration] | None = None) -> list[str]:
    """The names of the migrations that `migrate` would apply. Changes nothing; raises as `check` does."""
    known = available() if migrations is None else migrations
    with within(connection, CHECK_S, operation=_CHECKING):
        left = _waiting(connection, known, _CHECKING) if _has_ledger(connection) else known
    return [migration.name for migration in left]


def uses_timescale(connection: Connection) -> bool:
    """Whether TimescaleDB keeps the days, or will when the database is migrated; native partitions do otherwise.

    Raises:
        TransientError: the server does not answer.
    """
    with within(connection, CHECK_S, operation=_CHECKING):
        row = connection.execute(_TIMESCALE).fetchone()
    return row == (True,)


def _has_ledger(connection: Connection) -> bool:
    row = connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL").fetchone()
    return row == (True,)


def _waiting(connection: Connection, known: Sequence[Migration], operation: str) -> list[Migration]:
    # What is not applied yet. Refuses a database that went another way than the files.
    applied = connection.execute("SELECT version, name, sha256 FROM schema_migrations ORDER BY version").fetchall()
    place = where(connection)
    for number, (version, name, sha256) in enumerate(applied, 1):
        if version != number:
            subject = f"{place}: migration {number:04d} is missing before {clean(str(name))}"
            raise ConfigurationError(operation, subject, hint="restore the database from a backup")
        if number > len(known):
            subject = f"{place} has migration {clean(str(name))}, this program ends with {_last(known)}"
            raise ConfigurationError(operation, f"the database is newer: {subject}", hint="use the newer program")
        if sha256 != known[number - 1].sha256:
            subject = f"{place}: {known[number - 1].name} was edited after it was applied"
            raise ConfigurationError(operation, subject, hint="use the program that applied it")
    return list(known[len(applied) :])


def _last(known: Iterable[Migration]) -> str:
    return max((migration.name for migration in known), default="none")
