"""The tape of one symbol: decides by trade id what is new, what came twice, what came late and what is missing."""

from __future__ import annotations

import bisect
import enum
from collections.abc import Sequence

MAX_OPEN_GAPS = 1024


class Verdict(enum.Enum):
    """What a trade id says about its trade."""

    NEW = "new"
    LATE = "late"
    DUPLICATE = "duplicate"


_NEW = Verdict.NEW


class Tape:
    """Follows ids that the venue numbers one by one.

    An id beyond the next opens a gap; an id inside an open gap is late and closes that part of it; any other id
    not above the newest is a duplicate. At most `MAX_OPEN_GAPS` gaps are remembered: the oldest are then given up
    as lost, and stay counted. `gaps` are the intervals of ids that are missing now, those given up (`lost_gaps`)
    included.
    """

    def __init__(self) -> None:
        self.newest_id: int | None = None
        self.gaps = 0  # kept and not counted anew: it is read after every trade
        self.lost_gaps = 0
        self._lows: list[int] = []
        self._highs: list[int] = []
        self._restarted_at: int | None = None

    @property
    def missing(self) -> int:
        """Ids missing now, without those of gaps that were given up."""
        return sum(self._highs) - sum(self._lows) + len(self._lows)

    def missing_within(self, low: int, high: int) -> int:
        """Ids from `low` to `high`, both included, that are missing now, without those of gaps that were given up."""
        return sum(
            max(min(high, last) - max(low, first) + 1, 0) for first, last in zip(self._lows, self._highs, strict=True)
        )

    def follow(self, trade_ids: Sequence[int]) -> bool:
        """Note `trade_ids` when all of them are new and next to each other, as nearly always; else note nothing."""
        if not trade_ids:
            return True
        first = trade_ids[0]
        if self.newest_id is not None and first != self.newest_id + 1:
            return False
        if trade_ids != list(range(first, first + len(trade_ids))):
            return False
        self.newest_id = trade_ids[-1]
        return True

    def accept(self, trade_id: int) -> Verdict:
        """Note `trade_id` and say what it is."""
        newest = self.newest_id
        if newest is None or trade_id == newest + 1:
            self.newest_id = trade_id
            return _NEW
        if trade_id > newest:
            if newest != self._restarted_at:
                self._open_gap(newest + 1, trade_id - 1)
            self.newest_id = trade_id
            return Verdict.NEW
        return Verdict.LATE if self._close_gap(trade_id) else Verdict.DUPLICATE

    def restart(self) -> None:
        """Begin anew after a time in which nobody listened: what is missing up to the next id is no gap.

        Ids up to the newest stay known, as duplicates; the gaps open now are given up as lost, and stay counted.
        """
        self.lost_gaps = self.gaps
        self._lows.clear()
        self._highs.clear()
        self._restarted_at = self.newest_id

    def _open_gap(self, low: int, high: int) -> None:
        self._lows.append(low)
        self._highs.append(high)
        self.gaps += 1
        if len(self._lows) > MAX_OPEN_GAPS:
            del self._lows[0], self._highs[0]
            self.lost_gaps += 1

    def _close_gap(self, trade_id: int) -> bool:
        at = bisect.bisect_right(self._lows, trade_id) - 1
        if at < 0 or trade_id > self._highs[at]:
            return False
        low, high = self._lows[at], self._highs[at]
        rest = [(a, b) for a, b in ((low, trade_id - 1), (trade_id + 1, high)) if a <= b]
        self._lows[at : at + 1] = [a for a, _ in rest]
        self._highs[at : at + 1] = [b for _, b in rest]
        self.gaps += len(rest) - 1
        return True
