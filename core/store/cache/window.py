"""The last records of one series in one array, and the order that records of a series are read in. Pure.

That order is a store's: ascending by `ts_event`; trades of our own venues at one instant by id, everything else as
it came.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.model.fixedpoint import OWN_PUBLISHERS
from core.model.records import TRADE, Records

_FIRST_ROWS = 64


class Window:
    """At most `max_rows` records, the newest ones pushed, ascending.

    `records` is a read-only view that is replaced as a whole and whose bytes never change: memory that was written
    is not written again, so readers need neither a lock nor a copy. `pushed` says whether the window is continued by
    pushes or was only read from elsewhere; after `expires_ns` it is no longer to be used.
    """

    __slots__ = ("_bytes", "_end", "_max_rows", "_shown", "expires_ns", "pushed", "records")

    records: Records
    _bytes: memoryview
    _shown: Records
    _end: int

    def __init__(self, records: Records, *, max_rows: int, expires_ns: int, pushed: bool) -> None:
        """Begin with `records`, which are in order."""
        self._max_rows = max_rows
        self.expires_ns = expires_ns
        self.pushed = pushed
        self._fill(records)

    def push(self, records: Records) -> None:
        """Add records in the order in which they came."""
        if not len(records):
            return
        shown = self.records
        if not len(shown):
            self._fill(begun(records))
        elif follow_on(shown[-1:], records):
            self._extend(records)
        else:
            self._fill(merged(shown, records))

    def _extend(self, records: Records) -> None:
        end = self._end + len(records)
        if end > len(self._shown):
            kept = self.records[max(0, len(self.records) + len(records) - self._max_rows) :]
            self._fill(joined(kept, records))
            return
        self._write(self._end, records)
        self._end = end
        self.records = self._shown[max(0, end - self._max_rows) : end]

    def _fill(self, records: Records) -> None:
        kept = records[-self._max_rows :]
        rows = max(min(2 * self._max_rows, 4 * len(kept)), _FIRST_ROWS)
        buffer = np.empty(rows * records.dtype.itemsize, np.uint8)
        self._bytes = buffer.data
        self._shown = buffer.view(records.dtype)
        self._write(0, kept)
        self._end = len(kept)
        self._shown.flags.writeable = False
        self.records = self._shown[: self._end]

    def _write(self, place: int, records: Records) -> None:
        # As bytes: structured arrays are copied field by field, fourteen times slower.
        size = records.dtype.itemsize
        self._bytes[place * size : (place + len(records)) * size] = records.tobytes()


def follow_on(last: Records, records: Records) -> bool:
    """Whether `records` are in order, none of them belongs before `last`, an array of one, and none is repeated."""
    stamps = records["ts_event"]
    if int(stamps[0]) > int(last["ts_event"][0]) and (len(stamps) == 1 or bool((stamps[1:] > stamps[:-1]).all())):
        return True
    both = joined(last, records)
    stamps, ranks, numbered = both["ts_event"], _ranks(both), _numbered(both)
    same = stamps[1:] == stamps[:-1]
    after = (ranks[1:] > ranks[:-1]) | (same & ~numbered[1:] & (ranks[1:] == ranks[:-1]))
    return bool(((stamps[1:] > stamps[:-1]) | (same & after)).all())


def begun(records: Records) -> Records:
    """The window that these make when none was there: those that belong before the first are left out."""
    return merged(records[:1], records[1:])


def merged(window: Records, records: Records) -> Records:
    """`window`, which is in order and not empty, with `records` that came later put in their places.

    Those that belong before the whole window are left out, for what else is missing there is not known, and trades
    of an id that is there: venues repeat them.
    """
    both = joined(window, records)
    order = np.lexsort((_ranks(both), both["ts_event"]))
    order = order[int(np.flatnonzero(order == 0)[0]) :]
    numbered = _numbered(both)
    if numbered.any():
        first_of_id = np.zeros(len(both), np.bool_)
        first_of_id[np.unique(both["sequence"], return_index=True)[1]] = True
        order = order[(first_of_id | ~numbered)[order]]
    return both[order]


def spliced(window: Records, found: Records) -> Records | None:
    """`window` lengthened at its beginning by those of `found` before it; None when the two do not overlap or differ.

    Both are in order and without holes; either may reach further than the other.
    """
    for start in np.flatnonzero(found["ts_event"] == window["ts_event"][0]).tolist():
        common = min(len(found) - start, len(window))
        if found[start : start + common].tobytes() == window[:common].tobytes():
            return joined(found[:start], window)
    return None


def joined(first: Records, second: Records) -> Records:
    """The records of two arrays of one dtype in a new one."""
    plain = np.dtype((np.void, first.dtype.itemsize))  # as in `Window`, bytes are copied faster than fields
    both: Records = np.concatenate((first.view(plain), second.view(plain))).view(first.dtype)
    return both


def _numbered(records: Records) -> NDArray[np.bool_]:
    # Which records bear an id that no other one bears.
    if records.dtype != TRADE:
        return np.zeros(len(records), np.bool_)
    numbered: NDArray[np.bool_] = (records["publisher_id"] >= OWN_PUBLISHERS) & (records["sequence"] != 0)
    return numbered


def _ranks(records: Records) -> NDArray[np.int32]:
    # Differences of ids, which wrap at 32 bits; 0 for what is kept as it came.
    if records.dtype != TRADE:
        return np.zeros(len(records), np.int32)
    numbers = records["sequence"]
    ranks = (numbers - numbers[0]).view(np.int32)
    return np.where(records["publisher_id"] >= OWN_PUBLISHERS, ranks, np.int32(0))
