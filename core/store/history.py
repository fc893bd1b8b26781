"""The reading half of the embedded store: any process may read the segments while one process appends to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.clock import DAY_NS
from core.model.records import UNDEF_TIMESTAMP, Records
from core.store.days import KEPT_BYTES, DayReader, Piece, joined, map_plain, merged
from core.store.faults import DayMovedError
from core.store.paths import DayFiles, all_series, days_of_folder, series_directory
from core.store.repository import Numbered, SeriesKey
from core.store.sealed import is_leftover, read_seal_facts
from core.store.segment import SegmentFacts

_ATTEMPTS: Final = 5
_COLUMN_ROWS: Final = 8192


@attrs.frozen(kw_only=True)
class Extent:
    """What lies in the segments of one series, lowest to highest `ts_event`; 0 where there is nothing. `segments` are
    its days, `sealed` of which are sealed; bytes are those on the disk."""

    rows: int = 0
    segments: int = 0
    sealed: int = 0
    stored_bytes: int = 0
    sealed_bytes: int = 0
    first_ns: int = 0
    last_ns: int = 0


class EmbeddedHistory:
    """Reads the segments under `directory`, with no lock and no catalogue; implements `TickReader`.

    Every call sees what is there by then. Of sealed days it keeps `kept_bytes` decompressed, at most. May be used by
    several threads. All methods raise:
        PermanentError: a segment of that time is damaged.
        ConfigurationError: it may not be read.
    """

    def __init__(self, directory: Path, *, kept_bytes: int = KEPT_BYTES) -> None:
        self.directory = directory
        self._reader = DayReader(kept_bytes)
        self._folders: dict[SeriesKey, Path] = {}

    def series(self) -> list[SeriesKey]:
        """The series that have a directory, in the order of their names."""
        return [series for series, _ in all_series(self.directory)]

    def days(self, series: SeriesKey) -> list[int]:
        """The days since the epoch that hold records of a series, ascending."""
        return [files.day for files, extent in self._extents(series) if extent.rows]

    def read(self, series: SeriesKey, start_ns: int, end_ns: int) -> Records:
        """A copy of the records with `start_ns <= ts_event < end_ns`, in the order that `TickReader` says."""
        return joined([piece.records for piece in self._between(series, start_ns, end_ns)], series.schema)

    def read_numbered(self, series: SeriesKey, start_ns: int, end_ns: int) -> Numbered:
        """The same records with their full ids."""
        pieces = self._between(series, start_ns, end_ns)
        ids = [piece.ids() for piece in pieces] or [np.empty(0, np.int64)]
        return Numbered(joined([piece.records for piece in pieces], series.schema), np.concatenate(ids))

    def columns(self, series: SeriesKey, start_ns: int, end_ns: int, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The named fields of the same records, each a contiguous array: cheaper than all of each record."""
        parts = [piece.records for piece in self._between(series, start_ns, end_ns)]
        dtype, rows = series.schema.dtype, sum(len(part) for part in parts)
        found = {name: np.empty(rows, dtype[name]) for name in names}
        at = 0
        for part in parts:
            # By so many that the processor has them at hand for every field.
            for first in range(0, len(part), _COLUMN_ROWS):
                some = part[first : first + _COLUMN_ROWS]
                for name, column in found.items():
                    column[at : at + len(some)] = some[name]
                at += len(some)
        return found

    def latest(self, series: SeriesKey, rows: int = 1) -> Records:
        """The last `rows` of what `read` would return of everything, or as many as there are."""
        found: list[Records] = []
        wanted = rows
        folder = self._folder(series)
        for files in reversed(days_of_folder(folder)):
            if wanted <= 0:
                break
            pieces = self._pieces(files, series)
            if pieces:
                found.append(_last(pieces, wanted).records)
                wanted -= len(found[-1])
        return joined(found[::-1], series.schema)

    def extent(self, series: SeriesKey) -> Extent:
        """How much is stored of a series, and from when to when."""
        extents = self._extents(series)
        filled = [files for files, extent in extents if extent.rows]
        return Extent(
            rows=sum(extent.rows for _, extent in extents),
            segments=len(extents),
            sealed=sum(extent.sealed for _, extent in extents),
            stored_bytes=sum(extent.stored_bytes for _, extent in extents),
            sealed_bytes=sum(extent.sealed_bytes for _, extent in extents),
            # A segment is a day: only the first and the last can hold the extremes.
            first_ns=self._bounds(filled[0], series)[0] if filled else 0,
            last_ns=self._bounds(filled[-1], series)[1] if filled else 0,
        )

    def day_extents(self, series: SeriesKey) -> list[tuple[int, Extent]]:
        """What lies in each day since the epoch of a series, ascending; without `first_ns` and `last_ns`."""
        return [(files.day, extent) for files, extent in self._extents(series)]

    def _extents(self, series: SeriesKey) -> list[tuple[DayFiles, Extent]]:
        # Of every day what is known without its records.
        found = []
        for files in days_of_folder(self._folder(series)):
            seal, plain = self._facts(files, series)
            extent = Extent(
                rows=seal.rows + plain.rows,
                sealed=int(files.sealed is not None),
                stored_bytes=seal.stored_bytes + plain.stored_bytes,
                sealed_bytes=seal.stored_bytes,
            )
            found.append((files, extent))
        return found

    def _facts(self, files: DayFiles, series: SeriesKey) -> tuple[SegmentFacts, SegmentFacts]:
        # What the headers of a day say of the sealed and of the plain part; one that is moved meanwhile counts once.
        nothing = SegmentFacts(generation=-1)
        for _ in range(_ATTEMPTS):
            try:
                plain = nothing if files.plain is None else map_plain(files.plain, series)[0]
                seal = nothing if files.sealed is None else read_seal_facts(files.sealed, series)
            except DayMovedError:
                files = self._again(files, series)
            else:
                return seal, nothing if is_leftover(plain, seal) else plain
        return nothing, nothing

    def _bounds(self, files: DayFiles, series: SeriesKey) -> tuple[int, int]:
        pieces = [piece for piece in self._pieces(files, series) if len(piece.records)]
        bounds = [piece.bounds_ns() for piece in pieces] or [(0, 0)]
        return min(first for first, _ in bounds), max(last for _, last in bounds)

    def _between(self, series: SeriesKey, start_ns: int, end_ns: int) -> list[Piece]:
        # Of each day that has records in the range these, in their order.
        start_ns, end_ns = max(start_ns, 1), min(end_ns, UNDEF_TIMESTAMP)
        found: list[Piece] = []
        if end_ns <= start_ns:
            return found
        first_day, last_day = start_ns // DAY_NS, (end_ns - 1) // DAY_NS
        # From the last to the first: of a batch that spans midnight the first day is written first, so that whoever
        # sees the second part finds the first one too.
        for files in reversed(days_of_folder(self._folder(series))):
            if first_day <= files.day <= last_day:
                pieces = [piece.between(start_ns, end_ns) for piece in self._pieces(files, series)]
                pieces = [piece for piece in pieces if len(piece.records)]
                if pieces:
                    found.append(merged(pieces))
        return found[::-1]

    def _folder(self, series: SeriesKey) -> Path:
        found = self._folders.get(series)
        if found is None:
            found = self._folders[series] = series_directory(self.directory, series)
        return found

    def _pieces(self, files: DayFiles, series: SeriesKey) -> list[Piece]:
        # Of a day that is being sealed the files may change between the look at their names and the opening.
        for attempt in range(_ATTEMPTS):
            try:
                return self._reader.pieces(files, series, settled=attempt == _ATTEMPTS - 1)
            except DayMovedError:
                files = self._again(files, series)
        return self._reader.pieces(files, series, settled=True)

    def _again(self, files: DayFiles, series: SeriesKey) -> DayFiles:
        folder = self._folder(series)
        return next((found for found in days_of_folder(folder) if found.day == files.day), DayFiles(files.day))


def _last(pieces: list[Piece], rows: int) -> Piece:
    # The last of a day without sorting all of it.
    parts = []
    for piece in pieces:
        if not piece.ascending and len(piece.records) > rows:
            stamps = piece.records["ts_event"]
            oldest = int(np.partition(stamps, -rows)[-rows])
            parts.append(piece.between(oldest, UNDEF_TIMESTAMP))
        else:
            parts.append(piece.last(rows) if piece.ascending else piece)
    return merged(parts).last(rows)
