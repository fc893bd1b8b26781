"""The reading half of the embedded store: any process may read the segments while one process appends to them."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import numpy as np

from core.clock import utc_day
from core.errors import PermanentError
from core.model.records import UNDEF_TIMESTAMP, Records, Schema
from core.store.faults import storage_error
from core.store.paths import all_series, segments_of, series_directory
from core.store.repository import SeriesKey
from core.store.segment import PREFIX_BYTES, header_bytes


@attrs.frozen
class _Order:
    # Whether the first `rows` records of a file ascend by ts_event, and the last of them; saves looking at a
    # growing day again and again.
    inode: int
    rows: int
    ascending: bool
    last_ns: int


@attrs.frozen(kw_only=True)
class Extent:
    """What lies in the segments of one series, lowest to highest `ts_event`; 0 where there is nothing."""

    rows: int = 0
    segments: int = 0
    stored_bytes: int = 0
    first_ns: int = 0
    last_ns: int = 0


class EmbeddedHistory:
    """Reads the segments under `directory`, with no lock and no catalogue. Every call sees what is there by then."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._orders: dict[Path, _Order] = {}

    def series(self) -> list[SeriesKey]:
        """The series that have a directory, in the order of their names. Raises `ConsoleError` as `read` does."""
        return [series for series, _ in all_series(self.directory)]

    def read(self, series: SeriesKey, start_ns: int, end_ns: int) -> Records:
        """A copy of the records with `start_ns <= ts_event < end_ns`, ascending by `ts_event`, then as they came.

        Raises:
            PermanentError: a segment of that time is damaged.
            ConfigurationError: it may not be read.
        """
        start_ns, end_ns = max(start_ns, 1), min(end_ns, UNDEF_TIMESTAMP)
        nothing = np.empty(0, series.schema.dtype)
        if end_ns <= start_ns:
            return nothing
        first_day, last_day = utc_day(start_ns), utc_day(end_ns - 1)
        folder = series_directory(self.directory, series)
        days = [path for path in segments_of(folder) if first_day <= path.stem <= last_day]
        parts = [self._select(path, series.schema, start_ns=start_ns, end_ns=end_ns) for path in days]
        parts = [part for part in parts if len(part)]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else nothing

    def latest(self, series: SeriesKey) -> Records:
        """The record of the highest `ts_event`, the last stored of equals; an empty array when there is none.

        Raises as `read` does.
        """
        for path in reversed(segments_of(series_directory(self.directory, series))):
            records = self._map(path, series.schema)
            if len(records):
                stamps = records["ts_event"]
                newest = len(records) - 1
                if not self._ascends(path, records):
                    newest -= int(stamps[::-1].argmax())
                return np.array(records[newest : newest + 1])
        return np.empty(0, series.schema.dtype)

    def extent(self, series: SeriesKey) -> Extent:
        """How much is stored of a series, and from when to when. Raises as `read` does."""
        paths = segments_of(series_directory(self.directory, series))
        parts = [(path, self._map(path, series.schema)) for path in paths]
        filled = [(path, part["ts_event"]) for path, part in parts if len(part)]
        if not filled:
            return Extent(segments=len(paths))
        # A segment is a day: only the first and the last can hold the extremes.
        return Extent(
            rows=sum(len(part) for _, part in parts),
            segments=len(paths),
            stored_bytes=sum(_stat(path).st_size for path in paths),
            first_ns=int(filled[0][1].min()),
            last_ns=int(filled[-1][1].max()),
        )

    def _select(self, path: Path, schema: Schema, *, start_ns: int, end_ns: int) -> Records:
        records = self._map(path, schema)
        # Plain integers would make searchsorted convert the whole column to floating point.
        start, end = np.uint64(start_ns), np.uint64(end_ns)
        stamps = records["ts_event"]
        if self._ascends(path, records):
            first, last = np.searchsorted(stamps, start), np.searchsorted(stamps, end)
            return np.array(records[first:last])
        found: Records = np.array(records[(stamps >= start) & (stamps < end)])
        return found[np.argsort(found["ts_event"], kind="stable")]

    def _map(self, path: Path, schema: Schema) -> Records:
        # The whole records of a segment as it is now; a torn tail is left out.
        try:
            with path.open("rb") as file:
                offset = header_bytes(file.read(PREFIX_BYTES))
                rows = (os.fstat(file.fileno()).st_size - offset) // schema.dtype.itemsize
                if not offset or rows < 0:
                    raise PermanentError(
                        "damaged segment", str(path), hint="the next engine that stores will mend it"
                    )
                if rows == 0:
                    return np.empty(0, schema.dtype)
                return np.memmap(file, schema.dtype, "r", offset, (rows,))
        except OSError as error:
            raise storage_error("reading", path, error) from error

    def _ascends(self, path: Path, records: Records) -> bool:
        if not len(records):
            return True
        inode = _stat(path).st_ino
        known = self._orders.get(path)
        if known is None or known.inode != inode or known.rows > len(records):
            known = _Order(inode, 0, True, 0)
        stamps = records["ts_event"][known.rows :]
        if len(stamps):
            ascending = (
                known.ascending and int(stamps[0]) >= known.last_ns and bool((stamps[1:] >= stamps[:-1]).all())
            )
            known = _Order(inode, len(records), ascending, int(stamps[-1]))
            self._orders[path] = known
        return known.ascending


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise storage_error("reading", path, error) from error
