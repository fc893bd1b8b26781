"""Which store the `db` actions work on, and how it is opened.

PostgreSQL when the settings or `DATABASE_URL` name one, else the embedded one.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from console.batch.settings_options import add_settings_options, settings_from
from core.errors import ConfigurationError

if TYPE_CHECKING:
    from core.store.catalogue import Catalogue
    from core.store.embedded import EmbeddedTickStore
    from core.store.repository import Bookkeeping, TickReader, TickStore

EMBEDDED: Final = "embedded"
POSTGRES: Final = "postgres"


@attrs.frozen(kw_only=True)
class Target:
    """A store: `kind` is EMBEDDED or POSTGRES; `url` is that of the database, with its password. `spill` is where
    engines on this machine keep what a database did not take."""

    kind: str
    directory: Path
    catalogue: Path
    spill: Path
    url: str = attrs.field(default="", repr=False)

    @property
    def place(self) -> str:
        """Where it is, fit to be shown: without a password."""
        if self.kind == EMBEDDED:
            return str(self.directory)
        from core.store.postgres.connection import printable_url

        return printable_url(self.url)


def add_store_option(parser: argparse.ArgumentParser) -> None:
    """The options that name the store."""
    parser.add_argument(
        "--store", choices=(EMBEDDED, POSTGRES), help="which store (default: postgres when DATABASE_URL is set)"
    )
    add_settings_options(parser)


def find_target(arguments: argparse.Namespace) -> Target:
    """The store that the command line, the settings and the environment name.

    Raises:
        ConfigurationError: it is the database, and nobody says where that is; or the settings cannot be used.
    """
    from config.paths import find_paths
    from console.stores import catalogue_path, spill_directory, ticks_directory

    paths = find_paths()
    url = settings_from(arguments).settings.database.url
    kind = arguments.store or (POSTGRES if url else EMBEDDED)
    if kind == POSTGRES and not url:
        raise ConfigurationError(
            "no database", "DATABASE_URL is not set", hint="like postgresql://user@host/ringside, or --store embedded"
        )
    return Target(
        kind=kind,
        directory=ticks_directory(paths.data),
        catalogue=catalogue_path(paths.state),
        spill=spill_directory(paths.data),
        url=url if kind == POSTGRES else "",
    )


def is_there(path: Path) -> bool:
    """Whether there is anything at `path`. Raises `ConfigurationError` when we may not look."""
    from core.store.faults import storage_error

    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise storage_error("looking into the store", path, error) from error
    return True


@attrs.frozen
class Reading:
    """A store that is open for reading; `books` is None when nothing was ever written down there."""

    ticks: TickReader
    books: Bookkeeping | None


@contextlib.contextmanager
def open_reader(target: Target) -> Iterator[Reading]:
    """The store for reading, beside whoever writes it. An embedded one that was never written is empty, not made.

    Raises:
        ConsoleError: it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        if target.kind == EMBEDDED:
            from core.store.history import EmbeddedHistory

            found = is_there(target.catalogue)
            books = stack.enter_context(_catalogue(target.catalogue, read_only=True)) if found else None
            yield Reading(EmbeddedHistory(target.directory), books)
            return
        from core.store.postgres.books import PostgresBooks
        from core.store.postgres.reading import PostgresReader

        reader = stack.enter_context(contextlib.closing(PostgresReader(target.url)))
        yield Reading(reader, stack.enter_context(contextlib.closing(PostgresBooks(target.url))))


@contextlib.contextmanager
def open_store(target: Target) -> Iterator[TickStore]:
    """The store for writing.

    Raises:
        RefusedError: an engine writes the embedded one.
        ConsoleError: it cannot be written.
    """
    if target.kind == EMBEDDED:
        with open_embedded(target) as store:
            yield store
        return
    from core.store.postgres.store import PostgresTickStore

    with contextlib.closing(PostgresTickStore(target.url)) as remote:
        yield remote


@contextlib.contextmanager
def open_embedded(target: Target) -> Iterator[EmbeddedTickStore]:
    """The embedded store for writing. Raises as `open_store` does."""
    from core.store.embedded import EmbeddedTickStore

    with (
        _catalogue(target.catalogue) as catalogue,
        contextlib.closing(EmbeddedTickStore(target.directory, catalogue)) as store,
    ):
        yield store


@contextlib.contextmanager
def _catalogue(path: Path, *, read_only: bool = False) -> Iterator[Catalogue]:
    from core.store.catalogue import Catalogue

    with contextlib.closing(Catalogue(path, read_only=read_only)) as catalogue:
        yield catalogue
