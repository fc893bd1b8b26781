"""Notices where the trades of a series do not go on where they left off, while they are stored, and nobody has said
why."""

from __future__ import annotations

import bisect
import threading
from typing import Final

import attrs
import numpy as np

from core.clock import NS_PER_S, monotonic_ns
from core.model.records import Records
from core.store.dedupe import full_ids
from core.store.repository import MISSED, NOT_STREAMED, Gap, Ids, SeriesKey

GRACE_S: Final = 3.0
"""Ids that were skipped may still come so long: late. What their provider knows of them must arrive in the same time:
of a feed in a process of its own it comes with its status, which is asked for once a second."""

MOST_GAPS: Final = 16
"""When more than so many are missed at once, they are told as one gap."""

_LATEST_NS: Final = 2**63 - 1
_MOST_OPEN: Final = 1024
_MOST_SETTLED: Final = 4096


@attrs.frozen(kw_only=True)
class Reached:
    """How far the trades of a series go in a store: 0 for an id that they do not have, and for nothing yet."""

    newest_id: int = 0
    newest_ns: int = 0


@attrs.define(eq=False)
class _Open:
    # Of the ids between `below` and `above` so many are missing; both are 0 where there are no ids. When several
    # holes were `joined`, it is not known any more which ids between them are missing.
    below: int
    above: int
    missing: int
    gap: Gap
    since_ns: int
    joined: bool = False


class _Settled:
    # Stretches of ids that need not be told of: somebody else does, or they came late. They do not touch; so many are
    # kept that those which are forgotten, the lowest, were settled long ago.

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def left(self, first: int, last: int) -> int:
        # How many of the ids `first` to `last` lie in none of the stretches.
        at, count = bisect.bisect_left(self._lasts, first), max(last - first + 1, 0)
        while count and at < len(self._firsts) and self._firsts[at] <= last:
            count -= min(last, self._lasts[at]) - max(first, self._firsts[at]) + 1
            at += 1
        return count

    def add(self, first: int, last: int) -> None:
        low, high = bisect.bisect_left(self._lasts, first - 1), bisect.bisect_right(self._firsts, last + 1)
        if low < high:
            first, last = min(first, self._firsts[low]), max(last, self._lasts[high - 1])
        self._firsts[low:high], self._lasts[low:high] = [first], [last]
        if len(self._firsts) > _MOST_SETTLED:
            del self._firsts[0], self._lasts[0]


class Continuity:
    """Follows the trades of `series`, which are stored as far as `reached`. One thread notes, another may take what
    was found."""

    def __init__(self, series: SeriesKey, reached: Reached) -> None:
        self._series = series
        self._newest_id = reached.newest_id
        self._newest_ns = reached.newest_ns
        self._paused = True
        self._open: list[_Open] = []
        self._settled = _Settled()
        self._guard = threading.Lock()

    @property
    def reached(self) -> Reached:
        """How far the trades go that were noted."""
        with self._guard:
            return Reached(newest_id=self._newest_id, newest_ns=self._newest_ns)

    def resume(self) -> None:
        """What is missing up to the next record was not streamed: a feed begins."""
        with self._guard:
            self._paused = True

    def known(self, first_id: int, last_id: int, *, lost: int) -> None:
        """Somebody else tells that of the ids `first_id` to `last_id` so many are `lost`: no gap is told of them that
        was not taken yet. Said again, or of no ids, it changes nothing; it may come before or after what is stored
        around them."""
        with self._guard:
            if first_id <= 0 or not self._settled.left(first_id, last_id):
                return
            for one in self._open:
                if not one.joined:
                    one.missing -= self._settled.left(max(first_id, one.below + 1), min(last_id, one.above - 1))
                elif one.below < first_id and last_id < one.above:
                    one.missing -= lost
            self._settled.add(first_id, last_id)
            self._open = [one for one in self._open if one.missing > 0 or not one.above]

    def note(self, records: Records, newest_id: int, *, lost: int = 0) -> None:
        """The next records (at least one) as they came; `newest_id` is as in `TickSink.append`. `lost` came just
        before them, and whoever lost them says so."""
        stamps = np.minimum(records["ts_event"], np.uint64(_LATEST_NS)).astype(np.int64)
        with self._guard:
            if newest_id:
                self._note_numbered(full_ids(records["sequence"], newest_id), stamps, lost)
            else:
                if self._paused and 0 < self._newest_ns < int(stamps[0]):
                    self._begin(self._gap(NOT_STREAMED, 0, (self._newest_ns, int(stamps[0]))))
                self._paused = False
            self._newest_ns = max(self._newest_ns, int(stamps.max()))

    def _note_numbered(self, ids: Ids, stamps: Ids, lost: int) -> None:
        newest = self._newest_id
        if not (int(ids[0]) > newest and bool((ids[1:] > ids[:-1]).all())):
            self._fill(np.unique(ids[ids <= newest]))
            ids, first = np.unique(ids, return_index=True)
            above = ids > newest
            ids, stamps = ids[above], stamps[first][above]
        if not len(ids):
            return
        if newest:
            ids = np.concatenate((np.array([newest]), ids))
            stamps = np.concatenate((np.array([self._newest_ns]), stamps))
        else:
            self._paused, lost = False, 0  # before the first of all nothing is missing
        if len(ids) > 1:
            self._find(ids, stamps, lost)
        self._paused = False
        self._newest_id = int(ids[-1])

    def _find(self, ids: Ids, stamps: Ids, lost: int) -> None:
        # The ids ascend; `lost` are missing behind the first.
        before, missing = np.maximum.accumulate(stamps), np.diff(ids) - 1
        missing[0] -= lost
        jumps = np.flatnonzero(missing > 0)
        for at in jumps if self._settled else ():
            first, last = int(ids[at]) + 1, int(ids[at + 1]) - 1
            missing[at] -= last - first + 1 - self._settled.left(first, last)
        jumps = jumps[missing[jumps] > 0]
        if self._paused and missing[0] > 0:
            jumps = jumps[1:]
            gap = self._gap(NOT_STREAMED, int(missing[0]), (int(before[0]), int(stamps[1])))
            self._begin(gap, int(ids[0]), int(ids[1]))
        if len(jumps) > MOST_GAPS:
            span = (int(before[jumps[0]]), int(stamps[jumps[-1] + 1]))
            gap = self._gap(MISSED, int(missing[jumps].sum()), span)
            self._begin(gap, int(ids[jumps[0]]), int(ids[jumps[-1] + 1]), joined=True)
            return
        for at in jumps:
            span = (int(before[at]), int(stamps[at + 1]))
            self._begin(self._gap(MISSED, int(missing[at]), span), int(ids[at]), int(ids[at + 1]))

    def _gap(self, cause: str, rows: int, span: tuple[int, int]) -> Gap:
        # What a venue sends anew after a pause may be older than what came before it.
        return Gap(series=self._series, start_ns=min(span), end_ns=max(span), rows=rows, cause=cause)

    def _begin(self, gap: Gap, below: int = 0, above: int = 0, *, joined: bool = False) -> None:
        self._open.append(_Open(below, above, gap.rows, gap, monotonic_ns(), joined))
        if len(self._open) > _MOST_OPEN:
            last, one = self._open.pop(), self._open.pop()
            gap, missing = _joined([one.gap, last.gap]), one.missing + last.missing
            self._open.append(_Open(one.below, last.above, missing, gap, last.since_ns, joined=True))

    def _fill(self, late: Ids) -> None:
        for one in self._open:
            if not one.above or one.joined:
                continue
            begin, end = np.searchsorted(late, one.below, "right"), np.searchsorted(late, one.above)
            for number in late[begin:end].tolist():
                one.missing -= self._settled.left(number, number)
                self._settled.add(number, number)
        self._open = [one for one in self._open if one.missing > 0 or not one.above]

    def take(self, *, ending: bool = False) -> list[Gap]:
        """The gaps that were found, each once: at once those in which nothing was streamed, so that an engine that is
        killed has told them; the others when they were open for `GRACE_S` or nothing more will come."""
        if not self._open:
            return []
        due_ns = monotonic_ns() - (0 if ending else int(GRACE_S * NS_PER_S))
        with self._guard:
            due = [one for one in self._open if one.gap.cause == NOT_STREAMED or one.since_ns <= due_ns]
            taken = set(due)
            self._open = [one for one in self._open if one not in taken]
        found = [
            attrs.evolve(one.gap, rows=one.missing, first_id=one.below + 1) if one.above else one.gap for one in due
        ]
        stops = [gap for gap in found if gap.cause == NOT_STREAMED]
        missed = [gap for gap in found if gap.cause != NOT_STREAMED]
        return stops + ([_joined(missed)] if len(missed) > MOST_GAPS else missed)


def _joined(gaps: list[Gap]) -> Gap:
    return attrs.evolve(
        gaps[-1],
        start_ns=min(gap.start_ns for gap in gaps),
        end_ns=max(gap.end_ns for gap in gaps),
        rows=sum(gap.rows for gap in gaps),
    )
