"""The arithmetic of one append: which records are new, which are late, which day each belongs to."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from core.clock import DAY_NS
from core.errors import ConsoleError
from core.model.records import Records
from core.store.dedupe import Mask
from core.store.repository import AppendResult, Ids
from core.store.segment import identities, marked
from core.store.writer import Segment

Stamps = NDArray[np.uint64]


@attrs.frozen
class Part:
    """The new records of one append that belong to one segment.

    `ids` tell them apart, None in a series without; `marks` says which of them may share theirs, None when none
    may; `late` of them are out of order.
    """

    segment: Segment
    records: Records
    ids: Ids | None = None
    marks: Mask | None = None
    late: int = 0


def late_ones(stamps: Stamps, newest_ns: int) -> Mask | None:
    """Which records are older than `newest_ns` or than one before them; None when none is."""
    newest = np.uint64(newest_ns)
    if stamps[0] >= newest and (len(stamps) == 1 or bool((stamps[1:] >= stamps[:-1]).all())):
        return None
    before = np.maximum.accumulate(np.concatenate((np.array([newest]), stamps[:-1])))
    return np.asarray(stamps < before)


def days_of(stamps: Stamps, late: Mask | None) -> list[int]:
    """The days since the epoch that records fall in, ascending; nearly always one."""
    lowest, highest = (stamps[0], stamps[-1]) if late is None else (stamps.min(), stamps.max())
    first, last = int(lowest) // DAY_NS, int(highest) // DAY_NS
    if first == last:
        return [first]
    return [int(day) for day in np.unique(stamps // np.uint64(DAY_NS))]


def new_part(segment: Segment, records: Records, late: Mask | None, reference: int) -> Part:
    """What of `records`, all of the segment's day, is not stored in it yet. `reference` is a full id near theirs, 0
    when the series has none and, but for bars, nothing is taken for a duplicate."""
    ids = identities(records, segment.series.schema, reference)
    if ids is None:
        return Part(segment, records, late=_count(late))
    marks = marked(records, segment.series.schema)
    fresh = segment.seen.fresh(ids) if marks is None else _fresh_of_both(segment, records, ids, marks)
    if fresh is None:
        return Part(segment, records, ids, marks, _count(late))
    some_marks = None if marks is None else marks[fresh]
    return Part(segment, records[fresh], ids[fresh], some_marks, 0 if late is None else _count(late & fresh))


def _fresh_of_both(segment: Segment, records: Records, ids: Ids, marks: Mask) -> Mask:
    # Marked records are told apart by their bytes, plain ones by their ids.
    fresh = np.ones(len(records), np.bool_)
    plain = ~marks
    new_ids = segment.seen.fresh(ids[plain])
    if new_ids is not None:
        fresh[plain] = new_ids
    fresh[marks] = segment.seen_marked.fresh(records[marks])
    return fresh


def _count(mask: Mask | None) -> int:
    return 0 if mask is None else int(mask.sum())


def write_all(parts: list[Part]) -> None:
    """Write the parts into their segments, all or none: a caller that repeats the whole append must not store half
    of it twice. Raises as `Segment.write` does."""
    written: list[Segment] = []
    try:
        for part in parts:
            if len(part.records):
                part.segment.write(part.records)
                written.append(part.segment)
    except ConsoleError:
        for segment in written:
            segment.undo()
        raise


def summed(first: AppendResult, second: AppendResult) -> AppendResult:
    """Two results as one."""
    return AppendResult(
        rows=first.rows + second.rows,
        duplicates=first.duplicates + second.duplicates,
        out_of_order=first.out_of_order + second.out_of_order,
        rejected=first.rejected + second.rejected,
    )
