"""What is written down about fetching, opened together: jobs, what was fetched, what was spent, known gaps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Final

import attrs

from console.batch.db_target import EMBEDDED, Reading, Target, open_reader
from core.clock import DAY_NS
from core.model.records import Records
from core.store.catalogue import Catalogue
from core.store.coverage import NO_DAYS, SeriesFacts
from core.store.coverage_facts import days_by_series, days_of_files, facts_of
from core.store.fetched import CatalogueFetched, FetchedBook
from core.store.history import EmbeddedHistory
from core.store.jobs import CatalogueJobs, JobLog, PostgresJobs
from core.store.paths import make_folder
from core.store.postgres.books import PostgresBooks
from core.store.postgres.fetched import PostgresFetched
from core.store.postgres.spending import PostgresLedger
from core.store.repository import Bookkeeping, SeriesKey
from core.store.spending import CatalogueLedger, Ledger

LATEST_NS: Final = 2**63 - 1


@attrs.frozen(kw_only=True)
class Shelf:
    """What is written down of fetching: work, stretches that were fetched, purchases, gaps and instruments."""

    jobs: JobLog
    fetched: FetchedBook
    ledger: Ledger
    notes: Bookkeeping


@attrs.frozen(kw_only=True)
class Books:
    """A store's records and gaps, to read, and its `shelf`; None where nothing was ever written down."""

    reading: Reading
    shelf: Shelf | None

    def facts(self, series: SeriesKey) -> SeriesFacts:
        """What is known of what is stored of a series. Raises `ConsoleError`."""
        return self._facts([series], self._days(series))[0]

    def all_facts(self, wanted: Callable[[SeriesKey], bool], *, start_ns: int, end_ns: int) -> list[SeriesFacts]:
        """What is known in a range of all series that are wanted, in the order of their names: of the day that is
        being written what was noted last. Raises `ConsoleError`."""
        days = self._noted(None, start_ns=start_ns - DAY_NS, end_ns=end_ns + DAY_NS)
        return self._facts([series for series in self.reading.ticks.series() if wanted(series)], days)

    def _facts(self, wanted: list[SeriesKey], known: Mapping[SeriesKey, Records]) -> list[SeriesFacts]:
        reading, shelf = self.reading, self.shelf
        return facts_of(reading.ticks, reading.books, shelf.fetched if shelf else None, wanted, known=known)

    def _noted(
        self, series: SeriesKey | None, *, start_ns: int = 0, end_ns: int = LATEST_NS
    ) -> dict[SeriesKey, Records]:
        books = self.reading.books
        if isinstance(books, Catalogue):
            return days_by_series(books.day_rows(series))
        if self.shelf is not None and isinstance(self.shelf.fetched, PostgresFetched):
            return self.shelf.fetched.day_extents(series, start_ns=start_ns, end_ns=end_ns)
        return {}

    def _days(self, series: SeriesKey) -> dict[SeriesKey, Records]:
        # Of files what lies in them now, whatever was noted.
        noted, ticks = self._noted(series), self.reading.ticks
        if isinstance(ticks, EmbeddedHistory):
            return {series: days_of_files(ticks, series, noted.get(series, NO_DAYS))}
        return noted


@contextmanager
def books_to_read(target: Target) -> Iterator[Books]:
    """The books of `target`, for reading: looking makes none. Raises `ConsoleError`."""
    with contextlib.ExitStack() as stack:
        reading = stack.enter_context(open_reader(target))
        if reading.books is None:
            yield Books(reading=reading, shelf=None)
        else:
            yield Books(reading=reading, shelf=_shelf(target, stack, reading.books, read_only=True))


@contextmanager
def books_to_write(target: Target) -> Iterator[tuple[Books, Shelf]]:
    """The books of `target`, made when there are none. Raises `ConsoleError`."""
    with contextlib.ExitStack() as stack:
        if target.kind == EMBEDDED:
            make_folder(target.catalogue.parent)
            notes: Bookkeeping = stack.enter_context(closing(Catalogue(target.catalogue)))
        else:
            notes = stack.enter_context(closing(PostgresBooks(target.url)))
        shelf = _shelf(target, stack, notes, read_only=False)
        reading = stack.enter_context(open_reader(target))
        yield Books(reading=reading, shelf=shelf), shelf


def _shelf(target: Target, stack: contextlib.ExitStack, notes: Bookkeeping, *, read_only: bool) -> Shelf:
    if target.kind == EMBEDDED:
        path = target.catalogue
        return Shelf(
            jobs=stack.enter_context(closing(CatalogueJobs(path, read_only=read_only))),
            fetched=stack.enter_context(closing(CatalogueFetched(path, read_only=read_only))),
            ledger=stack.enter_context(closing(CatalogueLedger(path, read_only=read_only))),
            notes=notes,
        )
    return Shelf(
        jobs=stack.enter_context(closing(PostgresJobs(target.url))),
        fetched=stack.enter_context(closing(PostgresFetched(target.url))),
        ledger=stack.enter_context(closing(PostgresLedger(target.url))),
        notes=notes,
    )
