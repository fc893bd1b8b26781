"""How often something usually comes: a running estimate that neither a burst nor an outage teaches at once.

Pure, and of constant size. It is looked at about once a second and learns of each look only whether anything came, so
that a thousand arrivals in a second are one lesson. Its clocks are two: the seconds, and what came of its neighbours,
which slows down and speeds up with the market.
"""

from __future__ import annotations

from typing import Final

from core.clock import NS_PER_S

KNOWN_AFTER: Final = 20
"""A habit is one after it was seen to move in so many looks."""

_MEMORY_S: Final = 600.0
_LEAST_MOVES: Final = 32  # what moves seldom is remembered for longer
_MEMORY_MOVES: Final = 256
# So many times the usual silence is the most that one silence may teach: an outage is no habit.
_LONGEST_LESSON: Final = 10.0
# The longest usual silence grows by a quarter when it is exceeded, by however much, and shrinks by 0.4 % when it is
# not: it settles where one silence in 56 is longer, which is the ratio of the two.
_GROWTH: Final = 1.25
_SHRINKING: Final = 0.996
_LOOK_S: Final = 1.0


class Habit:
    """Follows one growing count.

    `rate` is in how many looks a second it usually moves, 0 while that is not known; `longest_s` is a silence that
    one in fifty or sixty exceeds; `ever` tells whether anything came at all.
    """

    __slots__ = (
        "_count", "_fresh", "_last_ns", "_learned_s", "_mark", "_moves", "_neighbours", "_seen", "ever", "longest_s",
        "rate",
    )  # fmt: skip

    def __init__(self, count: int, now_ns: int) -> None:
        self.rate = 0.0
        self.longest_s = _LOOK_S
        self.ever = False
        self._count = count
        self._last_ns = now_ns
        self._fresh = True
        self._seen = 0
        self._learned_s = 0.0
        self._mark: int | None = None
        self._moves = self._neighbours = 0.0

    @property
    def known(self) -> bool:
        """Whether it was seen often enough to be a habit."""
        return self._seen >= KNOWN_AFTER

    def note(self, count: int, now_ns: int) -> int:
        """Take the count of this moment; how many came, 0 when it counts from nothing again."""
        came = count - self._count
        if not came:
            return 0
        silent_s, self._last_ns, self._count = self.silent_s(now_ns), now_ns, count
        if came < 0:
            return 0
        self.ever = True
        if not self._fresh:
            self._learn(max(silent_s, _LOOK_S))
        return came

    def forgive(self, now_ns: int) -> None:
        """Nothing could come until now: the silence begins anew, and what comes first, which was waiting for us, a
        snapshot for one, teaches nothing."""
        self._last_ns, self._fresh, self._mark = now_ns, True, None

    def silent_s(self, now_ns: int) -> float:
        """How long nothing has come, in seconds."""
        return max(now_ns - self._last_ns, 0) / NS_PER_S

    def place(self, neighbours: int) -> None:
        """It moved in this look: take the count of all that came of its neighbours, which only grows."""
        if not self._fresh and self._mark is not None:
            keep = 1.0 - 1.0 / _MEMORY_MOVES
            between = float(neighbours - self._mark)
            if self._moves > KNOWN_AFTER:
                between = min(between, _LONGEST_LESSON * self._neighbours / self._moves)
            self._moves, self._neighbours = self._moves * keep + 1.0, self._neighbours * keep + between
        self._fresh, self._mark = False, neighbours

    def missed(self, neighbours: int) -> float:
        """In how many looks it should have moved since it last did, by what came of its neighbours meanwhile. Rather
        too few than too many: what moves in every look by day cannot move in more."""
        if self._mark is None or not self._neighbours:
            return 0.0
        return (neighbours - self._mark) * self._moves / self._neighbours

    def _learn(self, silent_s: float) -> None:
        self._seen += 1
        span_s = silent_s
        if self._seen > KNOWN_AFTER // 4:
            span_s = min(silent_s, max(_LONGEST_LESSON / self.rate, _LOOK_S))
        memory_s = max(_MEMORY_S, _LEAST_MOVES / self.rate) if self.rate else _MEMORY_S
        self._learned_s = min(self._learned_s + span_s, memory_s)
        self.rate += min(span_s / self._learned_s, 1.0) * (1.0 / span_s - self.rate)
        if silent_s <= self.longest_s:
            self.longest_s = max(self.longest_s * _SHRINKING, _LOOK_S)
        else:
            self.longest_s = min(silent_s, self.longest_s * _GROWTH) if self.known else silent_s
