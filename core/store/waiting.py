"""What engines on this machine hold for a database that did not take it yet, looked at from outside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from core.store.faults import storage_error
from core.store.paths import all_series
from core.store.repository import SeriesKey
from core.store.segment import PREFIX_BYTES, header_bytes
from core.store.spill.log import named_position

Position = Callable[[SeriesKey, str], int]
"""How far the database is with what a writer appended to a series."""


@attrs.frozen(kw_only=True)
class Waiting:
    """Rows of one series that wait, and the bytes of the files that they are in."""

    rows: int
    stored_bytes: int


def waiting(spill: Path, position: Position | None = None) -> dict[SeriesKey, Waiting]:
    """What waits in the directories below `spill`, one an engine; empty when there are none.

    Without `position`, what the database took already of a file that it did not take all of is counted in. An engine
    may be writing and replaying meanwhile.

    Raises:
        ConsoleError: a directory may not be read, or what `position` raises.
    """
    rows: defaultdict[SeriesKey, int] = defaultdict(int)
    sizes: defaultdict[SeriesKey, int] = defaultdict(int)
    for directory in _engines(spill):
        for series, folder in all_series(directory):
            for path in sorted(folder.glob("*.dbn")):
                found = _measured(path, series, position)
                if found is not None:
                    rows[series] += found.rows
                    sizes[series] += found.stored_bytes
    return {series: Waiting(rows=rows[series], stored_bytes=sizes[series]) for series in rows}


def _engines(spill: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in spill.iterdir() if path.is_dir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error("reading the spill", spill, error) from error


def _measured(path: Path, series: SeriesKey, position: Position | None) -> Waiting | None:
    named = named_position(path)
    if named is None:
        return None
    try:
        with path.open("rb") as file:
            header = header_bytes(file.read(PREFIX_BYTES))
        size = path.stat().st_size
    except FileNotFoundError:  # all of it was replayed just now
        return None
    except OSError as error:
        raise storage_error("reading the spill", path, error) from error
    writer, base = named
    rows = max(size - header, 0) // series.schema.dtype.itemsize if header else 0
    taken = max(position(series, writer) - base, 0) if position is not None else 0
    return Waiting(rows=max(rows - taken, 0), stored_bytes=size)
