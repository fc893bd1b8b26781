"""The tick store on PostgreSQL: one writer's connection, and what becomes of an append when it dies."""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Iterator
from typing import Final

import attrs
import numpy as np
import psycopg

from core.errors import ConsoleError, PermanentError
from core.model.records import Records
from core.store.postgres import statements
from core.store.postgres.appending import Appender, Request
from core.store.postgres.books import PostgresBooks
from core.store.postgres.connection import connect, printable_url
from core.store.postgres.exchange import Exchange
from core.store.postgres.faults import postgres_error
from core.store.postgres.migrate import check
from core.store.postgres.reading import PostgresReader
from core.store.repository import AppendResult, Numbered, SeriesKey, SeriesStats

TIMEOUT_S: Final = 10.0
_TIMEOUT_ROWS: Final = 10_000
_MAX_ID: Final = 2**60

_logger = logging.getLogger("ringside.store")


class PostgresTickStore:
    """Stores in the database at `url`, whose tables `db migrate` made; implements `TickStore`.

    It connects when it is first needed and again after a failure. If it is `durable` every append is on the server's
    disk when it returns, else with the next `sync`. `writer` names who appends; without it the store makes up a name.
    Several may write one series at once. One step of a call takes at most `TIMEOUT_S`, and another second for each
    10 000 records.
    """

    def __init__(self, url: str, *, writer: str = "", durable: bool = True) -> None:
        self._url = url
        self._writer = (writer or uuid.uuid4().hex).encode()
        self._durable = durable
        self._guard = threading.Lock()
        self._reader = PostgresReader(url)
        self._books = PostgresBooks(url)
        self._exchange: Exchange | None = None
        self._closed = False
        self._unsecured = False
        self._appends = 0
        self._appender = Appender()

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Store those of `records` that are valid and new, all of them or, on an error, none. See `TickStore`.

        When the connection is lost before the answer came, the same call repeated finds out whether the first one
        was done, and then returns what that would have. Only if another writer appended to the series in between it
        cannot know: then ids, if the series has them, keep it from being stored twice.

        Raises:
            TransientError, ResourceExhaustedError: the server is away or full; the same call may be repeated.
            ConfigurationError: the URL is wrong, or the database is not migrated.
            RefusedError: the symbol is no usable name.
        """
        with self._guard:
            self._appends += 1
            request = _request(series, records, newest_id, writer=self._writer, position=self._appends)
            again = self._appender.doubted(request)
            return self._store(request if again is None else attrs.evolve(request, position=again))

    def append_at(
        self, series: SeriesKey, records: Records, newest_id: int, *, writer: str, position: int
    ) -> AppendResult:
        """Append records of which the last is at `position` of what `writer` stores in the series, and note with the
        same commit that it has come so far.

        Those that are not beyond the position noted before are left out and not counted. Raises as `append` does.
        """
        with self._guard:
            request = _request(series, records, newest_id, writer=writer.encode(), position=position)
            return self._store(attrs.evolve(request, advance=True))

    def position(self, series: SeriesKey, writer: str) -> int:
        """How far `writer` has come in `append_at`; 0 when it has not begun. Raises as `append` does.

        No append that failed before can change it any more, whatever the server still has of it.
        """
        with self._guard, self._conversation("asking for a position", series) as exchange:
            return self._appender.position(exchange, series, writer.encode())

    def retire(self, writer: str) -> None:
        """Forget the positions of a writer that will never append again. Raises as `append` does."""
        with self._guard, self._conversation("forgetting a writer", writer) as exchange:
            self._appender.retire(exchange, writer.encode())

    def _store(self, request: Request) -> AppendResult:
        if self._closed:
            raise PermanentError("storing", "the store is closed")
        if not len(request.records):
            return AppendResult()
        with self._conversation("storing", request.series, rows=len(request.records)) as exchange:
            result, refused = self._appender.append(exchange, request)
        self._unsecured = not self._durable
        for reason, some in refused.items():
            self._put_aside(request.series, reason, some)
        return result

    @contextlib.contextmanager
    def _conversation(self, operation: str, subject: object, *, rows: int = 0) -> Iterator[Exchange]:
        # The connection, which is given up after any error: the next call starts from a known state.
        try:
            if self._exchange is None:
                connection = connect(self._url, durable=self._durable, timeout_s=TIMEOUT_S / 2)
                self._exchange = Exchange(connection, timeout_s=TIMEOUT_S)
                check(connection)
            self._exchange.timeout_s = TIMEOUT_S + rows / _TIMEOUT_ROWS
            yield self._exchange
        except psycopg.Error as error:
            self._disconnect()
            raise postgres_error(operation, f"{printable_url(self._url)}: {subject}", error) from error
        except BaseException:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
        self._exchange = None
        self._appender.disconnected()

    def _put_aside(self, series: SeriesKey, reason: str, records: Records) -> None:
        # The records are counted already; that they cannot be kept for somebody to look at stops nothing.
        try:
            self._books.quarantine(series, reason, records)
        except ConsoleError as error:
            _logger.warning("could not quarantine %d records: %s", len(records), error)

    def series(self) -> list[SeriesKey]:
        """The series that were begun, in the order of their names. Reads raise as `PostgresReader` does."""
        return self._reader.series()

    def days(self, series: SeriesKey) -> list[int]:
        """The days since the epoch that hold records of a series, ascending."""
        return self._reader.days(series)

    def read(self, series: SeriesKey, start_ns: int, end_ns: int) -> Records:
        """A copy of the records with `start_ns <= ts_event < end_ns`. See `TickReader`."""
        return self._reader.read(series, start_ns, end_ns)

    def read_numbered(self, series: SeriesKey, start_ns: int, end_ns: int) -> Numbered:
        """The same records with their full ids."""
        return self._reader.read_numbered(series, start_ns, end_ns)

    def latest(self, series: SeriesKey, rows: int = 1) -> Records:
        """The last `rows` of what `read` would return of everything."""
        return self._reader.latest(series, rows)

    def stats(self) -> list[SeriesStats]:
        """What is stored and what was refused, series by series in the order of their names."""
        return self._reader.stats()

    def sync(self) -> None:
        """Make everything appended durable; nothing is left to do if the store is. Raises as `append` does.

        What a server that crashed has lost is not found out here: the call that failed then said so.
        """
        with self._guard:
            if self._unsecured:
                with self._conversation("storing", "making it durable") as exchange:
                    exchange.script(statements.SECURE)
                self._unsecured = False

    def close(self) -> None:
        """Sync and let go of the connections. May be called twice. Raises as `sync` does, all closed."""
        try:
            self.sync()
        finally:
            with self._guard:
                self._closed = True
                self._disconnect()
            self._reader.close()
            self._books.close()


def _request(series: SeriesKey, records: Records, newest_id: int, *, writer: bytes, position: int) -> Request:
    return Request(
        series=series,
        records=np.ascontiguousarray(records).view(series.schema.dtype),
        newest_id=newest_id if 0 <= newest_id < _MAX_ID else 0,  # no venue numbers so high: it is not an id
        writer=writer,
        position=position,
    )
