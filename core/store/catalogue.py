"""The catalogue beside the segments: instruments and their numbers, segments, totals, gaps and quarantine.

A SQLite file that several processes may open. Of the segments it is bookkeeping only: the files are the truth.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs

from core.clock import DAY_NS, wall_ns
from core.errors import ConfigurationError
from core.model.instruments import Instrument, Product
from core.model.records import Records, Schema
from core.store.catalogue_tables import STEPS
from core.store.deadline import CLOSE_TIMEOUT_S
from core.store.losses import Loss
from core.store.paths import is_segment_place, segment_place
from core.store.repository import QUARANTINE_ROWS, Gap, Quarantined, SeriesKey
from core.store.segment import SegmentFacts
from core.store.sqlite import Database

SCHEMA_VERSION: Final = len(STEPS)

_DESCRIBED = (
    "venue_symbol", "canonical", "base", "quote", "settle", "product", "price_decimals", "quantity_decimals",
    "price_increment_e9", "quantity_increment_e8",
)  # fmt: skip
_FACTS = tuple(field.name for field in attrs.fields(SegmentFacts))
# Not the newest: engines of several machines say all they know again when they start, in any order. A recovered
# record is not lost again: of two statements the one with more of them is the better, whenever it is heard.
_RECORD_GAP = (
    "INSERT INTO gaps (venue, symbol, schema, start_ns, end_ns, cause, first_id, rows, recovered, reason, noted_ns)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (venue, symbol, schema, start_ns, end_ns, cause, first_id) DO UPDATE"
    " SET rows = excluded.rows, recovered = excluded.recovered, reason = excluded.reason,"
    " noted_ns = excluded.noted_ns"
    " WHERE excluded.recovered > gaps.recovered"
    " OR (gaps.rows = 0 AND gaps.recovered = 0 AND excluded.rows > 0)"
)
_FORGET_GAP = (
    "DELETE FROM gaps WHERE venue = ? AND symbol = ? AND schema = ? AND start_ns = ? AND end_ns = ? AND cause = ?"
)
_PUT_ASIDE = (
    "INSERT OR REPLACE INTO put_aside (path, venue, symbol, schema, start_ns, end_ns, rows, beside, noted_ns)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_TOLD = ("start_ns", "end_ns", "rows", "cause", "first_id", "recovered", "reason")
_COUNTS = ("newest_id", "newest_ns", "rows", "duplicates", "out_of_order", "rejected", "removed")


@attrs.define(kw_only=True)
class Cursor:
    """How far a series has come and what happened on the way, since it was begun. 0 stands for nothing yet.

    `rows` are those that can be read; `removed` ones were stored and then removed because they were old.
    """

    series: SeriesKey
    newest_id: int = 0
    newest_ns: int = 0
    rows: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    rejected: int = 0
    removed: int = 0


class Catalogue:
    """Opens the catalogue at `path`, making it (mode 0600) when there is none.

    Its methods block, also for another process that writes, and may be called from any thread: they take turns. With
    `read_only` it must be there, is not changed, not even brought up to date, and what would write is an error.

    Raises:
        ConfigurationError: the place cannot be used, or the file is damaged or of a newer version.
        ResourceExhaustedError: no space is left.
        TransientError: another process holds it locked.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._database = Database(path, STEPS, name="catalogue", read_only=read_only)

    def known(self) -> dict[tuple[str, str], int]:
        """The numbers given out so far, by (venue, symbol)."""
        rows = self._database.rows("SELECT venue, symbol, instrument_id FROM instruments")
        return {(venue, symbol): number for venue, symbol, number in rows}

    def remember(self, *, venue: str, symbol: str, number: int) -> None:
        """Persist that `number` was given to (venue, symbol); repeating it is fine.

        Raises:
            ConfigurationError: the number belongs to another instrument, or this one has another number.
        """
        with self._database.transaction("numbering an instrument") as database:
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
        with self._database.transaction("describing instruments") as database:
            database.executemany(statement, rows)

    def instruments(self) -> list[Instrument]:
        """The instruments that were described, ordered by venue and symbol."""
        columns = ("venue", "symbol", "instrument_id", *_DESCRIBED)
        rows = self._database.rows(
            f"SELECT {', '.join(columns)} FROM instruments WHERE venue_symbol IS NOT NULL"  # noqa: S608 - constants
            " ORDER BY venue, symbol"
        )
        found = (dict(zip(columns, row, strict=True)) for row in rows)
        with self._decoding():
            return [Instrument(**{**facts, "product": Product(facts["product"])}) for facts in found]

    def segments(self, directory: Path) -> dict[Path, SegmentFacts]:
        """What was last known of the store's segments, by path: the store may lie in any `directory` by now."""
        rows = self._database.rows(f"SELECT path, {', '.join(_FACTS)} FROM segments")  # noqa: S608 - constants
        return {
            directory / place: SegmentFacts(**dict(zip(_FACTS, facts, strict=True)))
            for place, *facts in rows
            if is_segment_place(place)
        }

    def day_rows(self, series: SeriesKey | None = None) -> list[tuple[Any, ...]]:
        """What was last known to lie in each segment of a series, or of all: venue, symbol, schema, day since the
        epoch, rows, lowest and highest `ts_event`. The file that is being written may hold more by now."""
        query = "SELECT venue, symbol, schema, first_ns / ?, rows, first_ns, last_ns FROM segments WHERE rows > 0"
        if series is None:
            return self._database.rows(query, DAY_NS)
        return self._database.rows(f"{query} AND venue = ? AND symbol = ? AND schema = ?", DAY_NS, *_names(series))

    def put_aside(self, directory: Path) -> dict[Path, Loss]:
        """What was lost with the damaged files that were put aside, by their path in the store's `directory`."""
        rows = self._database.rows(
            "SELECT path, venue, symbol, schema, start_ns, end_ns, rows, beside FROM put_aside"
        )
        with self._decoding():
            return {
                directory / place: Loss(
                    series=SeriesKey(venue, symbol, Schema(schema)),
                    start_ns=int(start_ns),
                    end_ns=int(end_ns),
                    rows=int(count),
                    beside=int(beside),
                    aside=directory / place,
                )
                for place, venue, symbol, schema, start_ns, end_ns, count, beside in rows
            }

    def cursors(self) -> list[Cursor]:
        """The cursor of every series."""
        rows = self._database.rows(
            f"SELECT venue, symbol, schema, {', '.join(_COUNTS)} FROM cursors"  # noqa: S608 - constants
        )
        with self._decoding():
            return [
                Cursor(series=SeriesKey(venue, symbol, Schema(schema)), **dict(zip(_COUNTS, facts, strict=True)))
                for venue, symbol, schema, *facts in rows
            ]

    def save(
        self,
        *,
        segments: Iterable[tuple[Path, SeriesKey, SegmentFacts]],
        cursors: Iterable[Cursor],
        gone: Iterable[Path] = (),
        losses: Iterable[Loss] = (),
        restored: Iterable[Loss] = (),
    ) -> None:
        """Persist what segments hold and how far series have come, and forget segments and files put aside that are
        gone; persist what was lost, as a gap too, and forget the gaps of what is stored again: all at once."""
        with self._database.transaction("updating the catalogue") as database:
            places = [(segment_place(path),) for path in gone]
            database.executemany("DELETE FROM segments WHERE path = ?", places)
            database.executemany("DELETE FROM put_aside WHERE path = ?", places)
            database.executemany(_FORGET_GAP, [_stretch(loss.gap) for loss in restored])
            for loss in losses:
                _save_loss(database, loss)
            database.executemany(
                f"INSERT OR REPLACE INTO segments (path, venue, symbol, schema, {', '.join(_FACTS)})"  # noqa: S608
                f" VALUES ({', '.join('?' * (4 + len(_FACTS)))})",
                [
                    (segment_place(path), *_names(series), *(getattr(facts, name) for name in _FACTS))
                    for path, series, facts in segments
                ],
            )
            database.executemany(
                f"INSERT OR REPLACE INTO cursors (venue, symbol, schema, {', '.join(_COUNTS)})"  # noqa: S608
                f" VALUES ({', '.join('?' * (3 + len(_COUNTS)))})",
                [(*_names(cursor.series), *(getattr(cursor, name) for name in _COUNTS)) for cursor in cursors],
            )

    def record_gap(self, gap: Gap) -> None:
        """Persist a stretch that is or was incomplete: once, with the best that was said of it."""
        with self._database.transaction("recording a gap") as database:
            database.execute(_RECORD_GAP, (*_said(gap), wall_ns()))

    def gaps(self) -> list[Gap]:
        """Every gap recorded, oldest first."""
        rows = self._database.rows(
            f"SELECT venue, symbol, schema, {', '.join(_TOLD)} FROM gaps ORDER BY gap_id"  # noqa: S608 - constants
        )
        with self._decoding():
            return [
                Gap(series=SeriesKey(venue, symbol, Schema(schema)), **dict(zip(_TOLD, facts, strict=True)))
                for venue, symbol, schema, *facts in rows
            ]

    def quarantine(self, series: SeriesKey, reason: str, records: Records) -> None:
        """Keep records that no series should hold; of one series and reason the newest `QUARANTINE_ROWS`."""
        where = (series.venue, series.symbol, series.schema.value, reason)
        newest, now_ns = records[-QUARANTINE_ROWS:], wall_ns()
        with self._database.transaction("putting records in quarantine") as database:
            database.executemany(
                "INSERT INTO quarantine (venue, symbol, schema, reason, record, noted_ns) VALUES (?, ?, ?, ?, ?, ?)",
                [(*where, record.tobytes(), now_ns) for record in newest],
            )
            database.execute(
                "DELETE FROM quarantine WHERE quarantine_id IN (SELECT quarantine_id FROM quarantine"
                " WHERE venue = ? AND symbol = ? AND schema = ? AND reason = ?"
                " ORDER BY quarantine_id DESC LIMIT -1 OFFSET ?)",
                (*where, QUARANTINE_ROWS),
            )

    def quarantined(self) -> list[Quarantined]:
        """What is kept, by series and reason: how many and the bytes of the newest."""
        rows = self._database.rows(
            "SELECT venue, symbol, schema, reason, kept, record FROM quarantine JOIN (SELECT count(*) AS kept,"
            " max(quarantine_id) AS newest FROM quarantine GROUP BY venue, symbol, schema, reason)"
            " ON quarantine_id = newest ORDER BY venue, symbol, schema, reason"
        )
        with self._decoding():
            return [
                Quarantined(
                    series=SeriesKey(venue, symbol, Schema(schema)), reason=reason, rows=kept, newest=bytes(record)
                )
                for venue, symbol, schema, reason, kept, record in rows
            ]

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        # Somebody else may have written into the file.
        try:
            yield
        except (ValueError, TypeError) as error:
            hint = "move the file away: it is rebuilt from the segments"
            subject = f"{self.path}: {ascii(str(error))[1:-1]}"
            raise ConfigurationError("reading the catalogue", subject, hint=hint) from error

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Let go of the file. May be called twice.

        Raises:
            TransientError: it takes longer than `timeout_s`, because another thread is in it and the disk hangs.
        """
        self._database.close(timeout_s)


def _names(series: SeriesKey) -> tuple[str, str, str]:
    return series.venue, series.symbol, series.schema.value


def _stretch(gap: Gap) -> tuple[str, str, str, int, int, str]:
    return *_names(gap.series), gap.start_ns, gap.end_ns, gap.cause


def _said(gap: Gap) -> tuple[object, ...]:
    return *_stretch(gap), gap.first_id, gap.rows, gap.recovered, gap.reason


def _save_loss(database: sqlite3.Connection, loss: Loss) -> None:
    now_ns = wall_ns()
    database.execute(_RECORD_GAP, (*_said(loss.gap), now_ns))
    if loss.aside is not None:
        row = (segment_place(loss.aside), *_names(loss.series), loss.start_ns, loss.end_ns, loss.rows, loss.beside)
        database.execute(_PUT_ASIDE, (*row, now_ns))


def _plain(value: object) -> object:
    return value.value if isinstance(value, Product) else value
