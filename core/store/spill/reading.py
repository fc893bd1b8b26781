"""What a read returns while some of the records are in the database and some on their way to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs
import numpy as np

from core.clock import DAY_NS
from core.model.records import UNDEF_TIMESTAMP, Records, Schema
from core.store.dedupe import SeenRecords, full_ids
from core.store.repository import Ids, Numbered, SeriesKey
from core.store.segment import acceptable, expected_head, marked
from core.store.spill.lane import Lane
from core.store.spill.log import SpillFile

_PIECE_ROWS: Final = 65_536


@attrs.frozen(eq=False)
class Piece:
    """Records that wait, valid ones only, and a full id near theirs, 0 when there is none."""

    records: Records
    reference: int


@attrs.frozen(eq=False)
class Waiting:
    """The records of a lane that the database has not taken, at one moment. Read it while nobody replays the lane."""

    series: SeriesKey
    files: list[tuple[SpillFile, int, int]]
    batches: list[Piece]

    @classmethod
    def of(cls, lane: Lane) -> Waiting:
        """What waits in a lane; the caller holds its lock."""
        files = [
            (file, max(lane.sent - file.base, 0) if at == 0 else 0, file.rows) for at, file in enumerate(lane.files)
        ]
        batches = []
        for batch in lane.batches:
            taken = 0 if lane.files else min(max(lane.sent - batch.first, 0), len(batch.records))
            if taken < len(batch.records):
                batches.append(Piece(batch.records[taken:], batch.newest_id))
        return cls(lane.series, files, batches)

    def __bool__(self) -> bool:
        return bool(self.batches) or any(first < rows for _, first, rows in self.files)

    def pieces(self) -> Iterator[Piece]:
        """The valid records, in the order they came. Raises `ConsoleError` when the disk cannot be read."""
        head = expected_head(self.series)
        for file, first, rows in self.files:
            for at in range(first, rows, _PIECE_ROWS):
                yield _valid(Piece(file.read(at, min(_PIECE_ROWS, rows - at)), file.reference), head)
        for piece in self.batches:
            yield _valid(piece, head)

    def days(self) -> set[int]:
        """The days since the epoch that the valid ones fall in."""
        return {
            int(day) for piece in self.pieces() for day in np.unique(piece.records["ts_event"] // np.uint64(DAY_NS))
        }


def _valid(piece: Piece, head: tuple[int, int]) -> Piece:
    right = acceptable(piece.records, head) if len(piece.records) else None
    return piece if right is None else Piece(piece.records[right], piece.reference)


def merged(stored: Numbered, waiting: Waiting, *, start_ns: int, end_ns: int) -> Numbered:
    """The records of a range that the database gave, `stored`, with those of the range that wait, each once, in the
    order that `TickReader.read` promises. Raises `ConsoleError` when the disk cannot be read."""
    schema = waiting.series.schema
    start, end = (np.uint64(min(max(instant_ns, 0), UNDEF_TIMESTAMP)) for instant_ns in (start_ns, end_ns))
    parts, ids = [stored.records], [stored.ids]
    newest = int(stored.ids.max()) if len(stored.ids) else 0
    for piece in waiting.pieces():
        stamps = piece.records["ts_event"]
        some = piece.records[(stamps >= start) & (stamps < end)]
        reference = piece.reference or newest
        parts.append(some)
        ids.append(_ids(some, reference, schema))
        newest = max(newest, piece.reference)
    records, all_ids = np.concatenate(parts), np.concatenate(ids)
    fresh = _fresh(records, all_ids, schema, known=len(stored.records))
    records, all_ids = records[fresh], all_ids[fresh]
    by_id = schema is Schema.TRADES
    order = np.lexsort((all_ids, records["ts_event"])) if by_id else np.argsort(records["ts_event"], kind="stable")
    return Numbered(records[order], all_ids[order])


def _ids(records: Records, reference: int, schema: Schema) -> Ids:
    if schema.is_bars or not reference:
        return np.zeros(len(records), np.int64)
    return full_ids(records["sequence"], reference)


def _fresh(records: Records, ids: Ids, schema: Schema, *, known: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    # The first `known` are stored and stay; of the others each must be new, told apart as the store does.
    fresh = np.ones(len(records), np.bool_)
    keys = records["ts_event"].astype(np.int64) if schema.is_bars else ids
    marks = None if schema.is_bars else marked(records, schema)
    plain = (keys != 0) if marks is None else (keys != 0) & ~marks
    where = np.flatnonzero(plain)
    repeated = np.ones(len(where), np.bool_)
    repeated[np.unique(keys[where], return_index=True)[1]] = False
    fresh[where[repeated]] = False
    if marks is not None:
        shared = np.flatnonzero(marks & (ids != 0))
        fresh[shared[~SeenRecords(lambda: records[:0]).fresh(records[shared])]] = False
    fresh[:known] = True
    return fresh
