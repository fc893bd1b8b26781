"""Opens what a plan stores in and reads from: the embedded store or PostgreSQL behind a spill, and the cache."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from console.store_acts import database_acts, embedded_acts
from core.errors import ConsoleError, RefusedError
from core.model.records import Schema
from core.store.catalogue import Catalogue, Cursor
from core.store.continuity import Reached
from core.store.deadline import CLOSE_TIMEOUT_S, within
from core.store.embedded import EmbeddedTickStore

if TYPE_CHECKING:
    from console.plan import CachePlan, EnginePlan
    from console.upkeep import Act
    from core.store.cache.tiered import TieredCache
    from core.store.postgres.books import PostgresBooks
    from core.store.repository import Bookkeeping, Gap, SeriesKey, TickStore
    from core.store.spill import SpillingTickStore

TICKS: Final = "ticks"
SPILL: Final = "spill"
STAGING: Final = "staging"
CATALOGUE: Final = "catalogue.sqlite3"
MAX_SPILLS: Final = 16

logger = logging.getLogger("ringside.store")


def ticks_directory(data_directory: Path) -> Path:
    """Where the segments of the embedded store lie."""
    return data_directory / TICKS


def spill_directory(data_directory: Path) -> Path:
    """Where engines keep what a database did not take, each in a directory of its own below."""
    return data_directory / SPILL


def staging_directory(data_directory: Path) -> Path:
    """Where what is on its way into the store lies."""
    return data_directory / STAGING


def catalogue_path(state_directory: Path) -> Path:
    """Where the catalogue lies: the embedded store's, and the numbers of this machine's instruments."""
    return state_directory / CATALOGUE


@attrs.frozen(kw_only=True)
class OpenStore:
    """A store that is open: what it is called and where it is, fit to be shown; `spill` is the same store when it is
    one that may have to wait for a database. What an engine writes down goes to `notes`, a file on this machine;
    `books` are the store's own, with what it rejected. `repairs` says in words what was damaged. `reached` is how far
    each series of trades goes; a store that may not answer the next time has it written down by `remember`."""

    kind: str
    place: str
    store: TickStore
    notes: Bookkeeping
    books: Bookkeeping
    repairs: list[str]
    acts: Mapping[str, Act]
    reached: Mapping[SeriesKey, Reached]
    remember: Callable[[Mapping[SeriesKey, Reached]], None]
    spill: SpillingTickStore | None = None


@contextmanager
def opened_store(plan: EnginePlan, catalogue: Catalogue) -> Iterator[OpenStore]:
    """The store of a plan; it is synced and closed at the end.

    Raises:
        ConsoleError: it cannot be used. A database that does not answer is no error: what it should hold waits.
    """
    with ExitStack() as stack:
        opened = _database(plan, stack) if plan.store.database_url else _embedded(plan, catalogue)
        stack.callback(_close, opened.store.close)
        yield opened


def _close(close: Callable[[], None]) -> None:
    with told("closing the store"):
        close()


def _embedded(plan: EnginePlan, catalogue: Catalogue) -> OpenStore:
    directory = ticks_directory(plan.data_directory)
    store = EmbeddedTickStore(directory, catalogue)
    return OpenStore(
        kind="embedded",
        place=str(directory),
        store=store,
        notes=catalogue,
        books=catalogue,
        repairs=store.repairs,
        acts=embedded_acts(store, catalogue),
        reached={
            stats.series: Reached(newest_id=stats.newest_id, newest_ns=stats.last_ns)
            for stats in store.stats()
            if stats.series.schema is Schema.TRADES
        },
        remember=lambda _reached: None,
    )


def _database(plan: EnginePlan, stack: ExitStack) -> OpenStore:
    from core.store.postgres.books import PostgresBooks
    from core.store.postgres.connection import printable_url

    url, spill = plan.store.database_url, spill_directory(plan.data_directory)
    in_database = _checked_database(url)
    # Not in the catalogue: a gap in the files of this machine is none in the database, nor the other way round.
    notes = Catalogue(catalogue_path(spill))
    stack.callback(_close, notes.close)
    books = PostgresBooks(url)
    # Whoever is asking something may be waiting for the answer, and would have the connection that long.
    stack.callback(_close, lambda: within(CLOSE_TIMEOUT_S, books.close, operation="letting go", path=spill))
    store = _spilling(plan, spill, notes, books)
    return OpenStore(
        kind="postgres",
        place=printable_url(url),
        store=store,
        notes=notes,
        books=books,
        repairs=store.repairs,
        acts=database_acts(url),
        reached=_furthest(_remembered(notes), in_database),
        remember=lambda reached: _remember(notes, reached),
        spill=store,
    )


def _spilling(plan: EnginePlan, spill: Path, notes: Catalogue, books: PostgresBooks) -> SpillingTickStore:
    from core.store.postgres.store import PostgresTickStore
    from core.store.spill import SpillingTickStore

    known: set[Gap] = set()

    def catch_up_books() -> None:
        # The gaps first: an instrument whose number another machine has given away must not hold them up.
        for gap in notes.gaps():
            if gap not in known:
                books.record_gap(gap)
                known.add(gap)
        books.describe(notes.instruments())

    writer = f"{socket.gethostname()} {os.getpid()} {plan.instance}"
    remote = PostgresTickStore(plan.store.database_url, writer=writer, durable=plan.store.durable)
    return _first_free(spill, lambda directory: SpillingTickStore(remote, directory, errand=catch_up_books))


def _checked_database(url: str) -> dict[SeriesKey, Reached]:
    # A database that is there and not fit for it must be heard of at the start; one that is away may come back.
    from core.store.postgres.connection import connect
    from core.store.postgres.migrate import check
    from core.store.postgres.reached import reached_trades

    try:
        with connect(url) as connection:
            check(connection)
            return reached_trades(connection)
    except ConsoleError as error:
        if not error.retryable:
            raise
        logger.warning("the database does not answer; what it should hold waits on this machine: %s", error)
        return {}


def _remembered(notes: Catalogue) -> dict[SeriesKey, Reached]:
    return {
        cursor.series: Reached(newest_id=cursor.newest_id, newest_ns=cursor.newest_ns) for cursor in notes.cursors()
    }


def _remember(notes: Catalogue, reached: Mapping[SeriesKey, Reached]) -> None:
    cursors = [
        Cursor(series=series, newest_id=one.newest_id, newest_ns=one.newest_ns) for series, one in reached.items()
    ]
    notes.save(segments=(), cursors=cursors)


def _furthest(one: dict[SeriesKey, Reached], other: dict[SeriesKey, Reached]) -> dict[SeriesKey, Reached]:
    # The database has what other machines have stored, and not yet what waits on this one.
    shared = {
        series: max(one[series], other[series], key=lambda reached: (reached.newest_id, reached.newest_ns))
        for series in one.keys() & other.keys()
    }
    return one | other | shared


def _first_free(parent: Path, make: Callable[[Path], SpillingTickStore]) -> SpillingTickStore:
    # Several engines may store in one database. Directories in which something waits come first, so that what a
    # killed engine left is carried on by the next.
    numbered = [parent / str(number) for number in range(MAX_SPILLS)]
    for directory in sorted(numbered, key=lambda folder: not (folder.is_dir() and any(folder.rglob("*.dbn")))):
        try:
            return make(directory)
        except RefusedError:
            continue
    raise RefusedError("opening the store", f"{parent}: {MAX_SPILLS} engines already store in the database")


@contextmanager
def opened_cache(plan: CachePlan | None) -> Iterator[TieredCache | None]:
    """The cache of a plan, None when it has none.

    Raises:
        ConfigurationError: the address of Redis is none. One that does not answer is done without.
    """
    if plan is None:
        yield None
        return
    from core.store.cache.memory import InMemoryTickCache
    from core.store.cache.tiered import TieredCache

    memory = InMemoryTickCache(plan.memory_ticks, plan.memory_ttl_s)
    redis = None
    if plan.redis_url:
        from core.store.cache.redis import RedisTickCache

        redis = RedisTickCache(plan.redis_url, plan.redis_ticks, plan.redis_ttl_s)
    cache = TieredCache(memory, redis)
    try:
        yield cache
    finally:
        cache.close()


@contextmanager
def told(operation: str) -> Iterator[None]:
    """On the way out an error is said; it must not stand in for the summary of everything else."""
    try:
        yield
    except ConsoleError as error:
        logger.error("%s: %s", operation, error)
