"""The bookkeeping in PostgreSQL: what instruments are and which number each has, gaps, rejected records."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, Final, LiteralString

from psycopg.errors import UniqueViolation

from core.errors import ConfigurationError, PermanentError
from core.model.instruments import Instrument, Product
from core.model.records import Records, Schema
from core.store.postgres.connection import Session
from core.store.postgres.faults import clean
from core.store.repository import QUARANTINE_ROWS, Gap, Quarantined, SeriesKey

_COLUMNS: Final = (
    "venue", "symbol", "instrument_id", "venue_symbol", "canonical", "base", "quote", "settle", "product",
    "price_decimals", "quantity_decimals", "price_increment_e9", "quantity_increment_e8",
)  # fmt: skip
_DESCRIBE: Final = """
INSERT INTO instruments (venue, symbol, instrument_id, venue_symbol, canonical, base, quote, settle, product,
                         price_decimals, quantity_decimals, price_increment_e9, quantity_increment_e8)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (venue, symbol) DO UPDATE SET
    venue_symbol = excluded.venue_symbol, canonical = excluded.canonical, base = excluded.base,
    quote = excluded.quote, settle = excluded.settle, product = excluded.product,
    price_decimals = excluded.price_decimals, quantity_decimals = excluded.quantity_decimals,
    price_increment_e9 = excluded.price_increment_e9, quantity_increment_e8 = excluded.quantity_increment_e8
"""
_DESCRIBED: Final = """
SELECT venue, symbol, instrument_id, venue_symbol, canonical, base, quote, settle, product,
       price_decimals, quantity_decimals, price_increment_e9, quantity_increment_e8
FROM instruments WHERE venue_symbol IS NOT NULL ORDER BY venue COLLATE "C", symbol COLLATE "C"
"""
_REMEMBER: Final = """
INSERT INTO instruments (venue, symbol, instrument_id) VALUES (%s, %s, %s) ON CONFLICT (venue, symbol) DO NOTHING
"""
_QUARANTINE: Final = """
INSERT INTO quarantine (venue, symbol, schema, reason, record)
SELECT %s, %s, %s, %s, record FROM unnest(%s::bytea[]) WITH ORDINALITY AS came (record, number) ORDER BY number
"""
_FORGET: Final = """
DELETE FROM quarantine WHERE quarantine_id IN (
    SELECT quarantine_id FROM quarantine WHERE venue = %s AND symbol = %s AND schema = %s AND reason = %s
    ORDER BY quarantine_id DESC OFFSET %s)
"""
_QUARANTINED: Final = """
SELECT kept.venue, kept.symbol, kept.schema, kept.reason, kept.rows, newest.record
FROM (SELECT venue, symbol, schema, reason, count(*) AS rows, max(quarantine_id) AS newest_id
      FROM quarantine GROUP BY venue, symbol, schema, reason) AS kept
JOIN quarantine AS newest ON newest.quarantine_id = kept.newest_id
ORDER BY kept.venue COLLATE "C", kept.symbol COLLATE "C", kept.schema COLLATE "C", kept.reason COLLATE "C"
"""
# Not the newest: engines of several machines say all they know again when they start, in any order. A recovered
# record is not lost again: of two statements the one with more of them is the better, whenever it is heard.
_RECORD_GAP: Final = """
INSERT INTO gaps (venue, symbol, schema, start_ns, end_ns, cause, first_id, rows, recovered, reason)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (venue, symbol, schema, start_ns, end_ns, cause, first_id) DO UPDATE
SET rows = excluded.rows, recovered = excluded.recovered, reason = excluded.reason, noted_at = excluded.noted_at
WHERE excluded.recovered > gaps.recovered OR (gaps.rows = 0 AND gaps.recovered = 0 AND excluded.rows > 0)
"""
_TOLD: Final = ("start_ns", "end_ns", "rows", "cause", "first_id", "recovered", "reason")
_GAPS: Final = """
SELECT venue, symbol, schema, start_ns, end_ns, rows, cause, first_id, recovered, reason FROM gaps ORDER BY gap_id
"""


class PostgresBooks:
    """The bookkeeping in the database at `url`, which must be migrated. It connects when it is first asked.

    Its methods block, also while another thread is in one. Beside what they say they raise:
        TransientError: the server does not answer; nothing was changed.
        ResourceExhaustedError: it has no room or no connection left.
        ConfigurationError: the URL or the rights are wrong, or the tables are not there.
        PermanentError: what another program wrote there makes no sense.
    """

    def __init__(self, url: str, *, name: str = "ringside books") -> None:
        self._session = Session(url, name=name)

    def known(self) -> dict[tuple[str, str], int]:
        """The numbers given out so far, by (venue, symbol)."""
        rows = self._rows("reading the numbers", "SELECT venue, symbol, instrument_id FROM instruments")
        return {(venue, symbol): number for venue, symbol, number in rows}

    def remember(self, *, venue: str, symbol: str, number: int) -> None:
        """Persist that `number` was given to (venue, symbol); repeating it is fine.

        Raises:
            ConfigurationError: the number belongs to another instrument, or this one has another number.
        """
        operation = "numbering an instrument"
        with self._session.use(operation) as connection, _numbers_are_unique(operation):
            connection.execute(_REMEMBER, (venue, symbol, number))
            held = connection.execute(
                "SELECT instrument_id FROM instruments WHERE venue = %s AND symbol = %s", (venue, symbol)
            ).fetchone()
        if held != (number,):
            raise ConfigurationError(operation, f"{symbol} on {venue} already has another number")

    def describe(self, instruments: Iterable[Instrument]) -> None:
        """Keep what venues say of instruments, in place of what was known: of all of them, or of none.

        Raises:
            ConfigurationError: a number belongs to another instrument.
        """
        # In one order, so that two who describe the same ones never wait for each other.
        ordered = sorted(instruments, key=lambda instrument: (instrument.venue, instrument.symbol))
        rows = [[_plain(getattr(instrument, column)) for column in _COLUMNS] for instrument in ordered]
        operation = "describing instruments"
        with (
            self._session.use(operation) as connection,
            _numbers_are_unique(operation),
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            cursor.executemany(_DESCRIBE, rows)

    def instruments(self) -> list[Instrument]:
        """The instruments that were described, ordered by venue and symbol."""
        operation = "reading the instruments"
        rows = self._rows(operation, _DESCRIBED)
        with _sense(operation):
            found = (dict(zip(_COLUMNS, row, strict=True)) for row in rows)
            return [Instrument(**{**facts, "product": Product(facts["product"])}) for facts in found]

    def record_gap(self, gap: Gap) -> None:
        """Keep a stretch that is or was incomplete: once, with the best that was said of it."""
        said = (gap.start_ns, gap.end_ns, gap.cause, gap.first_id, gap.rows, gap.recovered, gap.reason)
        with self._session.use("recording a gap") as connection:
            connection.execute(_RECORD_GAP, (*_names(gap.series), *said))

    def gaps(self) -> list[Gap]:
        """Every gap recorded, oldest first."""
        operation = "reading the gaps"
        rows = self._rows(operation, _GAPS)
        with _sense(operation):
            return [
                Gap(series=_series(venue, symbol, schema), **dict(zip(_TOLD, facts, strict=True)))
                for venue, symbol, schema, *facts in rows
            ]

    def quarantine(self, series: SeriesKey, reason: str, records: Records) -> None:
        """Keep records that no series should hold; of one series and reason the newest `QUARANTINE_ROWS`."""
        if not len(records):
            return
        kept = [record.tobytes() for record in records[-QUARANTINE_ROWS:]]
        with self._session.use("keeping rejected records") as connection, connection.transaction():
            # One at a time, or two could each leave as many as are allowed.
            connection.execute("LOCK TABLE quarantine IN SHARE ROW EXCLUSIVE MODE")
            connection.execute(_QUARANTINE, (*_names(series), reason, kept))
            connection.execute(_FORGET, (*_names(series), reason, QUARANTINE_ROWS))

    def quarantined(self) -> list[Quarantined]:
        """What is kept, by series and reason: how many and the bytes of the newest."""
        operation = "reading rejected records"
        rows = self._rows(operation, _QUARANTINED)
        with _sense(operation):
            return [
                Quarantined(series=_series(venue, symbol, schema), reason=reason, rows=count, newest=bytes(newest))
                for venue, symbol, schema, reason, count, newest in rows
            ]

    def _rows(self, operation: str, query: LiteralString) -> list[tuple[Any, ...]]:
        with self._session.use(operation) as connection:
            return connection.execute(query).fetchall()

    def close(self) -> None:
        """Let the connection go. May be called twice."""
        self._session.close()


def _names(series: SeriesKey) -> tuple[str, str, str]:
    return series.venue, series.symbol, series.schema.value


def _series(venue: str, symbol: str, schema: str) -> SeriesKey:
    return SeriesKey(venue, symbol, Schema(schema))


def _plain(value: object) -> object:
    return value.value if isinstance(value, Product) else value


@contextlib.contextmanager
def _numbers_are_unique(operation: str) -> Iterator[None]:
    try:
        yield
    except UniqueViolation as error:
        subject = clean(error.diag.message_detail or str(error))
        raise ConfigurationError(operation, subject, hint="a number belongs to another instrument") from error


@contextlib.contextmanager
def _sense(operation: str) -> Iterator[None]:
    # The tables may have been written by other programs, where no constraint says what a schema is.
    try:
        yield
    except (ValueError, TypeError) as error:
        raise PermanentError(operation, f"a row makes no sense: {clean(str(error))}") from error
