"""Stores what a DBN file holds: first the whole file is checked, then it is stored, so that a bad one leaves nothing.

Files of our own datasets keep their venue and their ids, sizes in lots are turned back. Of others the dataset is the
venue, and nothing is taken for a duplicate unless their sequences are said to be ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import numpy as np

from core.errors import PermanentError, TransientError, UsageError
from core.model.fixedpoint import OWN_PUBLISHERS
from core.model.publishers import PUBLISHERS
from core.model.records import Records, Schema
from core.store.dbnfile import DbnFile
from core.store.dbnheader import FileHeader, SymbolTable
from core.store.lots import MOST_PIECES, from_lots, unfinished
from core.store.paging import Progress, unheard
from core.store.paths import series_directory
from core.store.repository import AppendResult, SeriesKey, TickStore
from core.store.segment import marked

_CHECKED: Final = 0.3  # of the time that an import takes


@attrs.frozen(kw_only=True)
class ImportRequest:
    """What to import and what the file does not say: `venue` and `symbol` are "" when it does. With `sequence_ids`
    a foreign file's sequences are ids, by which what comes again is known."""

    path: Path
    venue: str = ""
    symbol: str = ""
    sequence_ids: bool = False


@attrs.frozen(kw_only=True)
class CheckedFile:
    """A file that was read from first to last and is sound: `rows` of them will be offered to the store, `unnamed`
    ones have no symbol and are left out."""

    request: ImportRequest
    header: FileHeader
    venue: str
    rows: int
    unnamed: int
    sha256: str

    @property
    def has_ids(self) -> bool:
        """Whether what comes again is known for it: importing twice then does no harm."""
        schema = self.header.schema
        return schema.is_bars or bool(self.header.first_id) or self.request.sequence_ids


def check_file(request: ImportRequest, progress: Progress = unheard) -> CheckedFile:
    """Read the whole file and make sure that it can be stored.

    Raises:
        NotFoundError, ConfigurationError: it is not there, or may not be read.
        PermanentError: it is no DBN file, of a schema that is not stored, damaged, or holds what it should not.
        UsageError: it does not go with what was asked for.
    """
    with DbnFile(request.path) as file:
        venue = _venue(file.header, request.venue)
        naming = _Naming(file.header, request.symbol)
        rows = unnamed = 0
        size = max(request.path.stat().st_size, 1)
        for records in _whole_pages(file):
            _check_publishers(records, venue, request.path)
            named = 0
            for symbol, some in naming.split(records):
                series_directory(Path(), SeriesKey(venue, symbol, file.header.schema))
                named += len(some)
            rows += named
            unnamed += len(records) - named
            progress(file.read_bytes / size * _CHECKED, 0)
        if unnamed and not rows:
            raise UsageError("no symbols", f"{request.path} names none for its records", hint="name it with --symbol")
        return CheckedFile(
            request=request, header=file.header, venue=venue, rows=rows, unnamed=unnamed, sha256=file.sha256
        )


def import_file(
    store: TickStore, checked: CheckedFile, progress: Progress = unheard
) -> Iterator[tuple[SeriesKey, AppendResult]]:
    """Store a checked file page by page; after each append what became of it. All of it is durable at the end.

    Raises:
        TransientError: the file changed since it was checked, or what the store raises.
        ConsoleError: what the store raises; what was yielded so far is stored.
    """
    request = checked.request
    with DbnFile(request.path) as file:
        naming = _Naming(file.header, request.symbol)
        references: dict[str, int] = {}
        rows, size = 0, max(request.path.stat().st_size, 1)
        for records in _whole_pages(file):
            for symbol, some in naming.split(records):
                series = SeriesKey(checked.venue, symbol, file.header.schema)
                reference = references[symbol] = _reference(checked, some, references.get(symbol, 0))
                yield series, store.append(series, some, reference)
                rows += len(some)
            progress(_CHECKED + file.read_bytes / size * (1 - _CHECKED), rows)
        store.sync()
        if file.sha256 != checked.sha256:
            raise TransientError("importing", f"{request.path} changed meanwhile")


def _whole_pages(file: DbnFile) -> Iterator[Records]:
    # The records as they are stored here. A split trade may begin on one page and end on the next.
    header = file.header
    if header.size_exp is None:
        yield from file.pages()
        return
    waiting = np.empty(0, header.schema.dtype)
    for page in file.pages():
        records = np.concatenate((waiting, page)) if len(waiting) else page
        cut = len(records) - (unfinished(records) if header.schema is Schema.TRADES else 0)
        records, waiting = records[:cut], records[cut:]
        if len(waiting) > MOST_PIECES:
            raise PermanentError("damaged file", f"{file.path}: a split trade has no end")
        if len(records):
            yield from_lots(records, header.schema, header.size_exp)
    if len(waiting):
        raise PermanentError("damaged file", f"{file.path}: the last piece of a split trade is missing")


def _venue(header: FileHeader, asked: str) -> str:
    if header.venue:
        if asked not in {"", header.venue}:
            raise UsageError("wrong venue", f"the file is of {header.venue}, not of {asked}")
        return header.venue
    venue = asked or header.dataset
    if not venue:
        raise UsageError("no venue", "the file names no dataset", hint="name it with --venue")
    if venue in PUBLISHERS:
        raise UsageError("wrong venue", f"{venue} is not who published the file", hint="name another with --venue")
    return venue


def _check_publishers(records: Records, venue: str, path: Path) -> None:
    publisher = PUBLISHERS.get(venue)
    found = records["publisher_id"]
    right = found < OWN_PUBLISHERS if publisher is None else found == publisher.publisher_id
    if not right.all():
        number = int(found[~right][0])
        raise PermanentError("damaged file", f"{path}: publisher {number} does not belong to {venue}")


def _reference(checked: CheckedFile, records: Records, before: int) -> int:
    # A full id near the last record: unwrapped from page to page, so that ids may go any distance.
    schema = checked.header.schema
    if schema.is_bars or not (checked.header.first_id or checked.request.sequence_ids):
        return 0
    marks = marked(records, schema)
    sequences = records["sequence"] if marks is None else records["sequence"][~marks]
    before = before or checked.header.first_id
    if not len(sequences):
        return before
    if not before:
        return max(int(sequences[-1]), 1)
    steps = np.concatenate(([before & 0xFFFF_FFFF], sequences)).astype(np.uint32)
    distance = int(np.diff(steps).astype(np.uint32).view(np.int32).astype(np.int64).sum())
    return max(before + distance, 1)


class _Naming:
    # Which symbol each record of a file bears.
    def __init__(self, header: FileHeader, asked: str) -> None:
        self._table = SymbolTable(header.mapped)
        self._only = ""
        self._numbers: set[int] | None = None
        self._wanted = ""
        if asked and asked in self._table.symbols:
            self._wanted = asked
        elif asked:
            self._only, self._numbers = asked, set()
        elif len(header.symbols) == 1 and (header.venue or not header.mapped):
            self._only = header.symbols[0]

    def split(self, records: Records) -> Iterator[tuple[str, Records]]:
        if not self._only:
            for symbol, mask in self._table.split(records):
                if self._wanted in {"", symbol}:
                    yield symbol, records[mask]
            return
        if self._numbers is not None:
            self._numbers.update(np.unique(records["instrument_id"]).tolist())
            if len(self._numbers) > 1:
                known = ", ".join(sorted(self._table.symbols)[:5])
                raise UsageError(
                    "more than one instrument", self._only, hint=f"the file names {known}" if known else ""
                )
        yield self._only, records
