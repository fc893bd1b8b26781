"""How many messages one who hears may get: so many in any 60 s, one of them kept for a critical one. Pure: times are
seconds of one monotonic clock, handed in."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_S: Final = 60.0


class Allowance:
    """The messages of the last 60 s. Of a limit of two or more, one is used by urgent messages alone, so that the
    first of them goes out at once in whatever storm."""

    def __init__(self, limit: int) -> None:
        assert limit >= 1
        self._limit = limit
        self._usual_limit = max(limit - 1, 1)
        self._taken: deque[tuple[float, bool]] = deque()

    def room(self, now_s: float, *, urgent: bool) -> int:
        """How many messages of that urgency may go out now."""
        self._forget(now_s)
        return self._room(list(self._taken), urgent=urgent)

    def wait_s(self, now_s: float, *, urgent: bool) -> float:
        """How long until there is room for one, in seconds; 0 is now."""
        self._forget(now_s)
        taken = list(self._taken)
        while self._room(taken, urgent=urgent) < 1:
            ended_s, _ = taken.pop(0)
            wait_s = ended_s + WINDOW_S - now_s
        return wait_s if len(taken) < len(self._taken) else 0.0

    def take(self, now_s: float, *, urgent: bool) -> None:
        """One has gone out. `now_s` is when that was over: it may have arrived at any moment until then."""
        self._taken.append((now_s, urgent))

    def had_urgent(self, now_s: float) -> bool:
        """Whether an urgent one went out within the last 60 s."""
        self._forget(now_s)
        return any(urgent for _, urgent in self._taken)

    def _room(self, taken: list[tuple[float, bool]], *, urgent: bool) -> int:
        free = self._limit - len(taken)
        usual = sum(not one for _, one in taken)
        return free if urgent else min(free, self._usual_limit - usual)

    def _forget(self, now_s: float) -> None:
        while self._taken and now_s - self._taken[0][0] >= WINDOW_S:
            self._taken.popleft()
