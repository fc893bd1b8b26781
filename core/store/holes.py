"""Which trade ids are missing from a series whose venue numbers its trades one by one, and which of them have a known
cause. Pure; looks at what is stored, so that what was filled in later is not missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.clock import NS_PER_S
from core.model.records import Records
from core.store.repository import Gap, Ids

NAMED_HOLES: Final = 20
"""So many holes of each kind are told one by one, the largest; of the rest there is the sum."""

_MOST_EXPLAINED: Final = 3  # of more gaps around one hole the causes alone are told

_SLACK_NS: Final = NS_PER_S  # the times of a venue do not quite rise with its ids

Mask = NDArray[np.bool_]


@attrs.frozen(kw_only=True)
class Hole:
    """`missing` ids from `first` on that no record of a series has, below ids of `day`, between two instants.

    `causes` are those of the recorded gaps that explain it, none when nothing does; `explanations` are the same with
    what else is known of them, where they are few. A sum of several `holes` has no day, no first id, no instants and
    no explanations."""

    missing: int
    causes: tuple[str, ...] = ()
    explanations: tuple[str, ...] = ()
    holes: int = 1
    day: int | None = None
    first: int | None = None
    start_ns: int | None = None
    end_ns: int | None = None

    @property
    def message(self) -> str:
        """What is missing and why, in words."""
        if self.first is None:
            text = f"trade ids are missing in {self.holes} smaller holes"
        elif self.missing == 1:
            text = f"trade id {self.first} is missing"
        else:
            text = f"trade ids {self.first} to {self.first + self.missing - 1} are missing"
        return f"{text}: {' and '.join(self.explanations or self.causes)}" if self.causes else text


class IdHoles:
    """Finds the holes in the ids of one series, over any number of days, and explains them with its recorded `gaps`.

    Ids may go on from one day to the next in any order near midnight. A hole is explained when it lies within gaps
    that miss as many records as it has ids, or of which nobody knows how many. One that was recovered in full
    explains nothing.
    """

    def __init__(self, gaps: Iterable[Gap] = ()) -> None:
        self._gaps = [gap for gap in gaps if not gap.whole]
        self._newest = 0
        self._newest_ns = 0
        self._day = 0
        self._ids: Ids = np.empty(0, np.int64)
        self._stamps: Ids = np.empty(0, np.int64)
        self._unexplained = _Largest()
        self._explained = _Largest()

    def add(self, day: int, records: Records, ids: Ids) -> None:
        """Take the records of the next day with their full ids, in any order, 0 for none."""
        following = _by_id(ids, records["ts_event"].astype(np.int64))
        self._settle(*following)
        self._day = day
        self._ids, self._stamps = following

    def finish(self) -> list[Hole]:
        """All that is missing between the lowest and the highest id: what nothing explains, then the rest, each with
        the largest first and the sum of what is not told one by one last."""
        self._settle(self._ids[:0], self._stamps[:0])
        self._ids = self._ids[:0]
        return self._unexplained.told() + self._explained.told()

    def _settle(self, following: Ids, following_stamps: Ids) -> None:
        # The holes below the ids of the day taken last: what fills them may be in the one that follows.
        if not len(self._ids):
            return
        newest = max(self._newest, int(self._ids[-1]))
        ids, stamps = _by_id(np.concatenate((self._ids, following)), np.concatenate((self._stamps, following_stamps)))
        new = (ids > self._newest) & (ids <= newest)
        ids, stamps = ids[new], stamps[new]
        if self._newest:
            ids = np.concatenate((np.array([self._newest]), ids))
            stamps = np.concatenate((np.array([self._newest_ns]), stamps))
        before = np.maximum.accumulate(stamps)
        self._newest = newest
        self._newest_ns = int(before[-1]) if len(before) else self._newest_ns
        at = np.flatnonzero(np.diff(ids) > 1)
        if len(at):
            self._sort(ids[at] + 1, np.diff(ids)[at] - 1, before[at], stamps[at + 1])

    def _sort(self, firsts: Ids, missing: Ids, before: Ids, behind: Ids) -> None:
        # What a venue sends anew after a pause may be older than what came before it.
        starts, ends = np.minimum(before, behind), np.maximum(before, behind)
        near = [gap for gap in self._gaps if _within(gap, starts, ends).any()]
        allowed = np.zeros(len(missing))
        for gap in near:
            allowed[_within(gap, starts, ends)] += gap.rows if gap.rows > 0 else np.inf
        explained = missing <= allowed
        for largest, chosen, gaps in ((self._explained, explained, near), (self._unexplained, ~explained, [])):
            largest.add(self._day, firsts[chosen], missing[chosen], (starts[chosen], ends[chosen]), gaps)


class _Largest:
    # The largest holes of one kind, and the sum of all others.

    def __init__(self) -> None:
        self._kept: list[Hole] = []
        self._rest_missing = 0
        self._rest_holes = 0
        self._rest_causes: set[str] = set()

    def add(self, day: int, firsts: Ids, missing: Ids, span: tuple[Ids, Ids], gaps: list[Gap]) -> None:
        order = np.argsort(-missing, kind="stable")
        for index in order[:NAMED_HOLES]:
            start, end = span[0][index : index + 1], span[1][index : index + 1]
            around = [gap for gap in gaps if _within(gap, start, end).any()]
            explained = {gap.explanation for gap in around} if len(around) <= _MOST_EXPLAINED else ()
            hole = Hole(
                missing=int(missing[index]), day=day, first=int(firsts[index]), start_ns=int(start[0]),
                end_ns=int(end[0]),
                causes=tuple(sorted({gap.cause for gap in around})), explanations=tuple(sorted(explained)),
            )  # fmt: skip
            self._kept.append(hole)
        left = order[NAMED_HOLES:]
        self._rest_missing += int(missing[left].sum())
        self._rest_holes += len(left)
        self._rest_causes.update(gap.cause for gap in gaps if _within(gap, span[0][left], span[1][left]).any())
        self._kept.sort(key=lambda hole: -hole.missing)
        for hole in self._kept[NAMED_HOLES:]:
            self._rest_missing += hole.missing
            self._rest_holes += 1
            self._rest_causes.update(hole.causes)
        del self._kept[NAMED_HOLES:]

    def told(self) -> list[Hole]:
        if not self._rest_holes:
            return self._kept
        causes = tuple(sorted(self._rest_causes))
        return [*self._kept, Hole(missing=self._rest_missing, holes=self._rest_holes, causes=causes)]


def _by_id(ids: Ids, stamps: Ids) -> tuple[Ids, Ids]:
    # Each id once, ascending, with the time of its first record; ids of 0 left out. Mostly they are so already.
    if not len(ids) or (int(ids[0]) > 0 and bool((ids[1:] > ids[:-1]).all())):
        return ids, stamps
    known, first = np.unique(ids, return_index=True)
    real = known > 0
    return known[real], stamps[first[real]]


def _within(gap: Gap, starts: Ids, ends: Ids) -> Mask:
    found: Mask = (starts >= gap.start_ns - _SLACK_NS) & (ends <= gap.end_ns + _SLACK_NS)
    return found
