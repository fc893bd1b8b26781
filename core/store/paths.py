"""Where the segments of a series lie: `VENUE/SYMBOL/SCHEMA/YYYY-MM-DD.dbn` under the store's directory."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from core.errors import RefusedError
from core.model.records import Schema
from core.store.faults import storage_error
from core.store.repository import SeriesKey

MAX_SYMBOL = 70  # DBN keeps a symbol in 71 bytes with its NUL
_DAY_FILE = re.compile(r"\d{4}-\d\d-\d\d\.dbn")


def series_directory(directory: Path, series: SeriesKey) -> Path:
    """The directory of a series; characters that a file name should not have are written as %XX.

    Raises:
        RefusedError: the venue or the symbol is empty, too long or not ASCII.
    """
    for name in (series.venue, series.symbol):
        if not _usable(name):
            raise RefusedError("cannot store", f"{ascii(str(series))[:120]}: not a usable name")
    return directory / _folder(series.venue) / _folder(series.symbol) / series.schema.value


def _usable(name: str) -> bool:
    return 0 < len(name) <= MAX_SYMBOL and name.isascii() and name.isprintable()


def _folder(name: str) -> str:
    safe = quote(name, safe="")
    return f"%2E{safe[1:]}" if safe[0] == "." else safe


def segments_of(folder: Path) -> list[Path]:
    """The day segments in the directory of a series, oldest first; empty when there is none.

    Raises:
        ConsoleError: it may not be read.
    """
    return [folder / name for name in _names(folder) if _DAY_FILE.fullmatch(name)]


def all_series(directory: Path) -> Iterator[tuple[SeriesKey, Path]]:
    """Every series that has a directory under `directory`, with it, in the order of their names.

    What the store would not have named so is somebody else's, and is passed over. Raises as `segments_of` does.
    """
    schemas = {schema.value: schema for schema in Schema}
    for venue, venue_folder in _named(directory):
        for symbol, symbol_folder in _named(venue_folder):
            for name in _names(symbol_folder):
                schema, folder = schemas.get(name), symbol_folder / name
                if schema is not None and _is_folder(folder):
                    yield SeriesKey(venue, symbol, schema), folder


def _named(directory: Path) -> Iterator[tuple[str, Path]]:
    for name in _names(directory):
        plain = unquote(name)
        if _usable(plain) and _folder(plain) == name:
            yield plain, directory / name


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - 5x faster
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise storage_error("reading", folder, error) from error


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise storage_error("reading", path, error) from error


def make_folder(folder: Path) -> None:
    """Make a directory and those above it where there are none, mode 0700 and durably. Raises `OSError`."""
    try:
        folder.mkdir(mode=0o700)
    except FileNotFoundError:
        if folder.parent == folder:
            raise
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    try:
        sync_folder(folder.parent)
    except OSError:
        with contextlib.suppress(OSError):
            folder.rmdir()  # else the next attempt would find it there and take it for durable
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in a directory durable. Raises `OSError`."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
