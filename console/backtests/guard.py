"""Stops a strategy that does not come to an end, even one that catches every exception."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from core.errors import PermanentError

HINT: Final = "allow more with --timeout, or mend the strategy"
AGAIN_S: Final = 0.01
"""The alarm comes again so often, because a strategy may swallow the first one."""
SWALLOWED: Final = 200
"""After so many alarms a strategy is beyond help."""


class StrategyTimeoutError(PermanentError):
    """A strategy took longer than it may: mend it, or allow more time."""

    category = "strategy_timeout"


class _OutOfTime(BaseException):
    # No `Exception`, so that `except Exception` in a strategy does not catch it.
    pass


LastResort = Callable[[StrategyTimeoutError], None]
"""Told of a strategy that swallows even what is no `Exception`; it ends the process."""


class TimeLimit:
    """A block that may take so long; see `time_limit`."""

    def __init__(self, seconds: float, last_resort: LastResort | None, who: str, hint: str) -> None:
        self._error = StrategyTimeoutError(f"{who} took too long".lstrip(), f"more than {seconds:g} s", hint=hint)
        self._seconds, self._last_resort = seconds, last_resort
        self._before: Any = None
        self._limited = False
        self._alarms = 0

    def __enter__(self) -> None:
        in_main = threading.current_thread() is threading.main_thread()
        self._limited = in_main and self._seconds > 0 and math.isfinite(self._seconds)
        if self._limited:
            self._before = signal.signal(signal.SIGALRM, self._alarm)
            signal.setitimer(signal.ITIMER_REAL, self._seconds, AGAIN_S)

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if not self._limited:
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        # A strategy may have made another error of the alarm, or an answer.
        if self._alarms and kind is not KeyboardInterrupt:
            raise self._error from None

    def _alarm(self, _number: int, frame: FrameType | None) -> None:
        # Raised only inside the block: on the way in or out nobody would take the alarm away any more.
        while frame is not None:
            if frame.f_code in _OURS and frame.f_locals.get("self") is self:
                return
            frame = frame.f_back
        self._alarms += 1
        if self._alarms > SWALLOWED and self._last_resort is not None:
            self._last_resort(self._error)
        raise _OutOfTime


_OURS: Final = (TimeLimit.__enter__.__code__, TimeLimit.__exit__.__code__)


def time_limit(
    seconds: float, last_resort: LastResort | None = None, *, who: str = "", hint: str = HINT
) -> TimeLimit:
    """For a `with`, whose block ends with `StrategyTimeoutError` when it takes longer than `seconds`; 0 is no limit.

    Only in the main thread, whose SIGALRM it takes for the time; in another it does nothing. Code that never comes
    back to the interpreter cannot be stopped by it. `last_resort` is called when the block does not let itself be
    ended. The error says `who` took too long, and what to do.
    """
    return TimeLimit(seconds, last_resort, who, hint)
