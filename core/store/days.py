"""Reads one day of one series as it is on disk just now: a plain segment, a sealed one, or both."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
import numpy as np

from core.errors import PermanentError
from core.model.records import Records, Schema
from core.store.dedupe import Mask
from core.store.faults import DayMovedError, storage_error
from core.store.lock import keep_length
from core.store.paths import DayFiles
from core.store.repository import Ids, SeriesKey
from core.store.sealed import Order, SealedDays, ascends, is_leftover, seal_order
from core.store.segment import (
    FIRST_ID,
    GENERATION,
    SegmentFacts,
    header_bytes,
    numbered_ids,
    read_facts,
)  # fmt: skip

KEPT_BYTES: Final = 128 << 20
"""How much of sealed days one reader keeps decompressed."""

_HEAD_BYTES: Final = 512


@attrs.frozen
class Piece:
    """Records of one file (perhaps a view of it) in the order of the file, which `ascending` says is that of reading,
    and the full id that theirs are near; 0 when they have none."""

    records: Records
    schema: Schema
    first_id: int
    ascending: bool
    known_ids: Ids | None = None

    def ids(self) -> Ids:
        """The full id of each record; 0 where there is none."""
        if self.known_ids is not None:
            return self.known_ids
        return numbered_ids(self.records, self.schema, self.first_id)

    def between(self, start_ns: int, end_ns: int) -> Piece:
        """The records with `start_ns <= ts_event < end_ns`, in their order; a view when they are `ascending`."""
        # Plain integers would make searchsorted convert the whole column to floating point.
        start, end = np.uint64(start_ns), np.uint64(end_ns)
        stamps = self.records["ts_event"]
        if self.ascending:
            first, last = np.searchsorted(stamps, start), np.searchsorted(stamps, end)
            return self._chosen(slice(int(first), int(last)))
        return self._chosen((stamps >= start) & (stamps < end))

    def bounds_ns(self) -> tuple[int, int]:
        """The lowest and the highest `ts_event`; there must be records."""
        stamps = self.records["ts_event"]
        if self.ascending:
            return int(stamps[0]), int(stamps[-1])
        return int(stamps.min()), int(stamps.max())

    def last(self, rows: int) -> Piece:
        """The last `rows` of them in the order of the file, or as many as there are; a view."""
        return self._chosen(slice(max(len(self.records) - rows, 0), None))

    def _chosen(self, which: slice | Mask | Order) -> Piece:
        ids = None if self.known_ids is None else self.known_ids[which]
        return Piece(picked(self.records, which), self.schema, self.first_id, self.ascending, ids)


@attrs.frozen
class _Order:
    # Whether the first `rows` records of a file are in the order of reading; saves looking at a growing day again
    # and again. The last of them tells whether the writer took them back and wrote others there.
    inode: int
    last: bytes
    rows: int
    ascending: bool
    by_id: bool

    def begins(self, records: Records) -> bool:
        return self.rows <= len(records) and records[self.rows - 1].tobytes() == self.last


class DayReader:
    """Reads the days of series with no lock and no catalogue. May be used by several threads."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self.sealed = SealedDays(kept_bytes)
        self._orders: dict[Path, _Order] = {}

    def pieces(self, files: DayFiles, series: SeriesKey, *, settled: bool = False) -> list[Piece]:
        """What the files of a day hold, each record once: the sealed ones first.

        Raises:
            DayMovedError: a file is gone; or, unless it is `settled` that nobody is sealing, the seal is missing that
                was there when the plain segment was begun.
            PermanentError: a file is damaged.
            ConfigurationError: it may not be read.
        """
        # The plain file first: if it is sealed meanwhile, it is what the new seal holds and is left out.
        plain = None if files.plain is None else self._plain(files.plain, series)
        if files.sealed is None:
            if plain is not None and plain[0].generation and not settled:
                raise _moved(files)
            return [] if plain is None else [plain[1]]
        seal = self.sealed_day(files.sealed, series)
        if plain is None or is_leftover(plain[0], seal[0]):
            return [seal[1]]
        if plain[0].generation > seal[0].generation + 1 and not settled:
            raise _moved(files)
        return [seal[1], plain[1]]

    def sealed_day(self, path: Path, series: SeriesKey) -> tuple[SegmentFacts, Piece]:
        """The facts and the records of a sealed day. Raises as `pieces` does."""
        day = self.sealed.get(path, series)
        return day.facts, Piece(day.records, series.schema, day.facts.first_id, day.ascending)

    def _plain(self, path: Path, series: SeriesKey) -> tuple[SegmentFacts, Piece]:
        facts, records, inode = _map(path, series)
        ascending = not len(records) or self._ascends(path, records, series.schema, inode, by_id=facts.first_id != 0)
        return facts, Piece(records, series.schema, facts.first_id, ascending)

    def _ascends(self, path: Path, records: Records, schema: Schema, inode: int, *, by_id: bool) -> bool:
        known = self._orders.get(path)
        if known is None or (known.inode, known.by_id) != (inode, by_id) or not known.begins(records):
            known = _Order(inode, b"", 0, True, by_id)
        if known.ascending and known.rows < len(records):
            added = records[max(known.rows - 1, 0) :]
            ascending = ascends(added, schema, by_id=by_id)
            known = _Order(inode, records[-1].tobytes(), len(records), ascending, by_id)
            self._orders[path] = known
        return known.ascending


def map_plain(path: Path, series: SeriesKey) -> tuple[SegmentFacts, Records]:
    """What the header of a plain segment says, and a view of its whole records as it is now; a torn tail is left out.
    The writer cannot take a failed batch back while the view is there: let go of it soon.

    Raises as `DayReader.pieces` does.
    """
    return _map(path, series)[:2]


def _map(path: Path, series: SeriesKey) -> tuple[SegmentFacts, Records, int]:
    # The inode too: it says whether it is the same file as before.
    dtype = series.schema.dtype
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            keep_length(fd)
            found = os.fstat(fd)
            head = os.pread(fd, _HEAD_BYTES, 0)
            offset = header_bytes(head)
            if offset > len(head):
                head = os.pread(fd, offset, 0)
            rows = (found.st_size - offset) // dtype.itemsize
            if not offset or rows < 0:
                raise PermanentError("damaged segment", str(path), hint="the next engine that stores will mend it")
            mapped = mmap.mmap(fd, found.st_size, access=mmap.ACCESS_READ) if rows else b""
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise DayMovedError("reading", f"{path} is gone") from None
    except OSError as error:
        raise storage_error("reading", path, error) from error
    carried = read_facts(head[:offset], path, series)
    facts = SegmentFacts(
        rows=rows,
        stored_bytes=offset + rows * dtype.itemsize,
        first_id=carried.get(FIRST_ID[:-1], 0),
        generation=carried.get(GENERATION, 0),
    )
    records = np.frombuffer(mapped, dtype, rows, offset) if rows else np.empty(0, dtype)
    return facts, records, found.st_ino


def merged(pieces: list[Piece]) -> Piece:
    """The records of all pieces of one day in the order in which they are read; a view when there is but one and it
    is in that order."""
    if len(pieces) == 1 and pieces[0].ascending:
        return pieces[0]
    schema = pieces[0].schema
    records = joined([piece.records for piece in pieces], schema)
    ids = np.concatenate([piece.ids() for piece in pieces])
    order = seal_order(records, schema, ids)
    if order is not None:
        records, ids = picked(records, order), ids[order]
    return Piece(records, schema, pieces[0].first_id, ascending=True, known_ids=ids)


def joined(parts: Sequence[Records], schema: Schema) -> Records:
    """A copy of all `parts` (contiguous), one behind the other."""
    # As opaque bytes: numpy would copy a structured array field by field, thirty times slower.
    if not parts:
        return np.empty(0, schema.dtype)
    opaque = np.dtype((np.void, schema.dtype.itemsize))
    return np.concatenate([part.view(opaque) for part in parts]).view(schema.dtype)


def picked(records: Records, which: slice | Mask | Order) -> Records:
    """Some of `records` (contiguous); a view when `which` is a slice."""
    if isinstance(which, slice):
        return records[which]
    return records.view(np.dtype((np.void, records.dtype.itemsize)))[which].view(records.dtype)


def _moved(files: DayFiles) -> DayMovedError:
    return DayMovedError("reading", f"{files.plain}: what was sealed before it is missing")
