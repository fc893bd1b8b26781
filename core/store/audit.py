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
