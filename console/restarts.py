"""How often a feed that failed is tried again, and when it is given up."""

from __future__ import annotations

from typing import Final

import trio

from core.errors import ConsoleError, PermanentError, ResourceExhaustedError

DELAYS_S: Final = (0.5, 2.0, 8.0, 30.0, 60.0)
"""One restart for each; then the feed is given up and shown as such."""
HEALTHY_S: Final = 60.0
"""After a run of this length the budget is whole again."""


class RestartBudget:
    """Call `begin` before each run and `delay_s` after each failure."""

    def __init__(self) -> None:
        self._spent = 0
        self._began_s = 0.0

    def begin(self) -> None:
        """A run begins now."""
        self._began_s = trio.current_time()

    def delay_s(self, error: ConsoleError) -> float | None:
        """How long to wait before the next run, at least as long as the venue asked for; None to give up."""
        if trio.current_time() - self._began_s >= HEALTHY_S:
            self._spent = 0
        if isinstance(error, PermanentError) or self._spent >= len(DELAYS_S):
            return None
        delay_s = DELAYS_S[self._spent]
        self._spent += 1
        asked_s = error.retry_after_s if isinstance(error, ResourceExhaustedError) else 0.0
        return max(delay_s, asked_s)
