"""What is wrong with the records of one day, as far as the records themselves tell: pure functions over arrays.

Whoever keeps records can use them: they look neither at files nor at tables.
"""

from __future__ import annotations

import attrs
import numpy as np

from core.clock import DAY_NS
from core.model.records import Records, Schema
from core.store.dedupe import sorted_unique
from core.store.repository import Ids
from core.store.segment import acceptable, marked


@attrs.frozen(kw_only=True)
class Audit:
    """What was found in the records of one day and series.

    `invalid` records belong to another series or have no time; `misplaced` ones lie outside of their day; `disorder`
    counts those older than one before them; `duplicates` those whose identity came before.
    """

    rows: int = 0
    invalid: int = 0
    misplaced: int = 0
    disorder: int = 0
    duplicates: int = 0


def audit(records: Records, ids: Ids, *, schema: Schema, day: int, head: tuple[int, int]) -> Audit:
    """Look at the records (contiguous) of one `day` since the epoch, in the order in which they are kept, with their
    full ids (int64, of the same length; 0 where there is none). `head` is the series' `expected_head`."""
    if not len(records):
        return Audit()
    right = acceptable(records, head)
    stamps = records["ts_event"]
    inside = stamps // np.uint64(DAY_NS) == np.uint64(day)
    return Audit(
        rows=len(records),
        invalid=0 if right is None else int((~right).sum()),
        misplaced=int((~inside).sum()),
        disorder=int((stamps[1:] < np.maximum.accumulate(stamps)[:-1]).sum()),
        duplicates=duplicates(records, ids, schema=schema),
    )


@attrs.frozen(kw_only=True)
class IdGap:
    """`missing` ids that no record of a series has, below ids of this day; `first` is the lowest of them."""

    day: int
    missing: int
    first: int


class IdGaps:
    """Finds the ids that are missing from a venue that numbers its trades one by one, over any number of days.

    Ids may go on from one day to the next in any order near midnight. Each missing id is counted once, in the day
    whose ids go on behind it.
    """

    def __init__(self) -> None:
        self._newest = 0
        self._day = 0
        self._ids: Ids = np.empty(0, np.int64)

    def add(self, day: int, ids: Ids) -> IdGap | None:
        """Take the full ids of the next day, in any order, 0 for none; returns what is missing in the day before,
        None when nothing is."""
        known = sorted_unique(ids[ids > 0])
        found = self._settle(known)
        self._day, self._ids = day, known
        return found

    def finish(self) -> IdGap | None:
        """What is missing in the last day, None when nothing is."""
        return self._settle(self._ids[:0])

    def _settle(self, following: Ids) -> IdGap | None:
        if not len(self._ids):
            return None
        newest = max(self._newest, int(self._ids[-1]))
        both = sorted_unique(np.concatenate((self._ids, following)))
        both = both[(both > self._newest) & (both <= newest)]
        if self._newest:
            both = np.concatenate((np.array([self._newest]), both))
        self._newest = newest
        steps = np.diff(both)
        if not (steps > 1).any():
            return None
        first = int(both[int((steps > 1).argmax())]) + 1
        return IdGap(day=self._day, missing=int((steps - 1).sum()), first=first)


def duplicates(records: Records, ids: Ids, *, schema: Schema) -> int:
    """How many records have the identity of one before: the instant of a bar, the full id of anything else that has
    one (0 has none); the bytes of quotes and books that may share their id."""
    if schema.is_bars:
        return len(records) - len(sorted_unique(np.ascontiguousarray(records["ts_event"]).view(np.int64)))
    marks = marked(records, schema)
    plain = ids if marks is None else ids[~marks]
    plain = plain[plain != 0]
    found = len(plain) - len(sorted_unique(plain))
    if marks is not None and bool((ids != 0).any()):
        some = records[marks]
        found += len(some) - len({record.tobytes() for record in some})
    return found
