"""The catalogue beside the segments: instruments and their numbers, what each segment holds, totals, losses.

A SQLite file that several processes may open. Of the segments it is bookkeeping only: the files are the truth.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from core.errors import ConfigurationError
from core.model.instruments import Instrument, Product
from core.model.records import Schema
from core.store.deadline import CLOSE_TIMEOUT_S, within
from core.store.faults import database_error, storage_error
from core.store.repository import SeriesKey
from core.store.segment import SegmentFacts

SCHEMA_VERSION: Final = 1
_BUSY_S = 5.0

_TABLES = """
CREATE TABLE instruments (
    venue TEXT NOT NULL, symbol TEXT NOT NULL, instrument_id INTEGER NOT NULL UNIQUE,
    venue_symbol TEXT, canonical TEXT, base TEXT, quote TEXT, settle TEXT, product TEXT,
    price_decimals INTEGER, quantity_decimals INTEGER, price_increment_e9 INTEGER, quantity_increment_e8 INTEGER,
    PRIMARY KEY (venue, symbol)) WITHOUT ROWID;
CREATE TABLE segments (
    path TEXT PRIMARY KEY, venue TEXT NOT NULL, symbol TEXT NOT NULL, schema TEXT NOT NULL, rows INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE cursors (
    venue TEXT NOT NULL, symbol TEXT NOT NULL, schema TEXT NOT NULL, newest_id INTEGER NOT NULL,
    newest_ns INTEGER NOT NULL, rows INTEGER NOT NULL, duplicates INTEGER NOT NULL, out_of_order INTEGER NOT NULL,
    rejected INTEGER NOT NULL, PRIMARY KEY (venue, symbol, schema)) WITHOUT ROWID;
CREATE TABLE lost (
    id INTEGER PRIMARY KEY, venue TEXT NOT NULL, symbol TEXT NOT NULL, schema TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, rows INTEGER NOT NULL);
"""
_DESCRIBED = (
    "venue_symbol", "canonical", "base", "quote", "settle", "product", "price_decimals", "quantity_decimals",
    "price_increment_e9", "quantity_increment_e8",
)  # fmt: skip


@attrs.define(kw_only=True)
class Cursor:
    """How far a series has come and what happened on the way, since it was begun. 0 stands for nothing yet."""

    series: SeriesKey
    newest_id: int = 0
    newest_ns: int = 0
    rows: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    rejected: int = 0


@attrs.frozen(kw_only=True)
class LostInterval:
    """`rows` records between two instants that were received and could not be stored; `start_ns` is 0 when nothing
    had been stored before."""

    series: SeriesKey
    start_ns: int
    end_ns: int
    rows: int


class Catalogue:
    """Opens the catalogue at `path`, making it (mode 0600) when there is none.

    Its methods block, also for another process that writes, and may be called from any thread: they take turns.

    Raises:
        ConfigurationError: the place cannot be used, or the file is damaged or of a newer version.
        ResourceExhaustedError: no space is left.
        TransientError: another process holds it locked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        except OSError as error:
            raise storage_error("opening the catalogue", path, error) from error
        try:
            self._database = sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise database_error("opening the catalogue", path, error) from error
        try:
            self._prepare()
        except BaseException:
            self._database.close()
            raise

    def _prepare(self) -> None:
        with self._transaction("opening the catalogue", begin="") as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
        with self._transaction("opening the catalogue") as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise ConfigurationError(
                    "opening the catalogue",
                    f"{self.path} has version {version}, this program knows {SCHEMA_VERSION}",
                    hint="use the newer program",
                )
            if version == 0:
                for statement in _TABLES.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    @contextlib.contextmanager
    def _transaction(self, operation: str, *, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        # All of what happens inside is kept, or nothing. SQLite's errors leave as ours.
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

    def known(self) -> dict[tuple[str, str], int]:
        """The numbers given out so far, by (venue, symbol)."""
        rows = self._rows("SELECT venue, symbol, instrument_id FROM instruments")
        return {(venue, symbol): number for venue, symbol, number in rows}

    def remember(self, *, venue: str, symbol: str, number: int) -> None:
        """Persist that `number` was given to (venue, symbol); repeating it is fine.

        Raises:
            ConfigurationError: the number belongs to another instrument, or this one has another number.
        """
        with self._transaction("numbering an instrument") as database:
            database.execute(
                "INSERT INTO instruments (venue, symbol, instrument_id) VALUES (?, ?, ?)"
                " ON CONFLICT (venue, symbol) DO UPDATE SET instrument_id = excluded.instrument_id"
                " WHERE instrument_id = excluded.instrument_id",
                (venue, symbol, number),
            )
            held = database.execute(
                "SELECT instrument_id FROM instruments WHERE venue = ? AND symbol = ?", (venue, symbol)
            ).fetchone()[0]
            if held != number:
                raise ConfigurationError("numbering an instrument", f"{symbol} on {venue} already has number {held}")

    def describe(self, instruments: Iterable[Instrument]) -> None:
        """Persist what venues say of instruments that bear their numbers, in place of what was known: of all of them
        in one transaction, or of none.

        Raises:
            ConfigurationError: a number belongs to another instrument.
        """
        columns = ("venue", "symbol", "instrument_id", *_DESCRIBED)
        updates = ", ".join(f"{column} = excluded.{column}" for column in _DESCRIBED)
        statement = (
            f"INSERT INTO instruments ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - constants
            f" ON CONFLICT (venue, symbol) DO UPDATE SET {updates}"
        )
        rows = [[_plain(getattr(instrument, column)) for column in columns] for instrument in instruments]
        with self._transaction("describing instruments") as database:
            database.executemany(statement, rows)

    def instruments(self) -> list[Instrument]:
        """The instruments that were described, ordered by venue and symbol."""
        columns = ("venue", "symbol", "instrument_id", *_DESCRIBED)
        rows = self._rows(
            f"SELECT {', '.join(columns)} FROM instruments WHERE venue_symbol IS NOT NULL"  # noqa: S608 - constants
            " ORDER BY venue, symbol"
        )
        found = (dict(zip(columns, row, strict=True)) for row in rows)
        return [Instrument(**{**facts, "product": Product(facts["product"])}) for facts in found]

    def segments(self, directory: Path) -> dict[Path, SegmentFacts]:
        """What was last known of the segments under `directory`, by path."""
        rows = self._rows(
            "SELECT path, rows, stored_bytes, first_ns, last_ns, first_id, last_id FROM segments"
            " WHERE substr(path, 1, ?) = ?",
            len(f"{directory}/"), f"{directory}/",
        )  # fmt: skip
        return {
            Path(path): SegmentFacts(
                rows=count, stored_bytes=size, first_ns=first_ns, last_ns=last_ns, first_id=first_id, last_id=last_id
            )
            for path, count, size, first_ns, last_ns, first_id, last_id in rows
        }

    def cursors(self) -> list[Cursor]:
        """The cursor of every series."""
        rows = self._rows(
            "SELECT venue, symbol, schema, newest_id, newest_ns, rows, duplicates, out_of_order, rejected"
            " FROM cursors"
        )
        names = ("newest_id", "newest_ns", "rows", "duplicates", "out_of_order", "rejected")
        return [
            Cursor(series=SeriesKey(venue, symbol, Schema(schema)), **dict(zip(names, facts, strict=True)))
            for venue, symbol, schema, *facts in rows
        ]

    def save(
        self,
        *,
        segments: Iterable[tuple[Path, SeriesKey, SegmentFacts]],
        cursors: Iterable[Cursor],
        gone: Iterable[Path] = (),
    ) -> None:
        """Persist what segments hold and how far series have come, and forget segments that are gone, all at once."""
        with self._transaction("updating the catalogue") as database:
            database.executemany("DELETE FROM segments WHERE path = ?", [(str(path),) for path in gone])
            database.executemany(
                "INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (str(path), series.venue, series.symbol, series.schema.value, facts.rows, facts.stored_bytes,
                     facts.first_ns, facts.last_ns, facts.first_id, facts.last_id)
                    for path, series, facts in segments
                ],
            )  # fmt: skip
            database.executemany(
                "INSERT OR REPLACE INTO cursors VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (cursor.series.venue, cursor.series.symbol, cursor.series.schema.value, cursor.newest_id,
                     cursor.newest_ns, cursor.rows, cursor.duplicates, cursor.out_of_order, cursor.rejected)
                    for cursor in cursors
                ],
            )  # fmt: skip

    def record_lost(self, series: SeriesKey, *, start_ns: int, end_ns: int, rows: int) -> None:
        """Persist that `rows` records of `series` between two instants were received and not stored."""
        with self._transaction("recording a loss") as database:
            database.execute(
                "INSERT INTO lost (venue, symbol, schema, start_ns, end_ns, rows) VALUES (?, ?, ?, ?, ?, ?)",
                (series.venue, series.symbol, series.schema.value, start_ns, end_ns, rows),
            )

    def lost(self) -> list[LostInterval]:
        """Every loss recorded, oldest first."""
        rows = self._rows("SELECT venue, symbol, schema, start_ns, end_ns, rows FROM lost ORDER BY id")
        return [
            LostInterval(
                series=SeriesKey(venue, symbol, Schema(schema)), start_ns=start_ns, end_ns=end_ns, rows=count
            )
            for venue, symbol, schema, start_ns, end_ns, count in rows
        ]

    def _rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        with self._transaction("reading the catalogue", begin="") as database:
            return database.execute(query, arguments).fetchall()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Let go of the file. May be called twice.

        Raises:
            TransientError: it takes longer than `timeout_s`, because another thread is in it and the disk hangs.
        """

        def work() -> None:
            with self._lock:
                self._database.close()

        within(timeout_s, work, operation="closing the catalogue", path=self.path)


def _plain(value: object) -> object:
    return value.value if isinstance(value, Product) else value
