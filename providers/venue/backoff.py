"""How long to wait before the next attempt, and how many attempts there may be. Pure: it never waits."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime

import attrs

from core.clock import NS_PER_S
from providers.venue.ratelimit import WindowLimit

FIRST_CEILING_S = 1.0
CEILING_S = 30.0
SETTLED_S = 60.0
"""A connection that lived this long proves the venue well: the next loss starts again with the shortest delay."""
UNSTATED_RETRY_S = 60.0
LONGEST_RETRY_S = 3 * 86_400.0  # the longest ban a venue documents


@attrs.frozen(kw_only=True)
class Reconnecting:
    """How soon and how often a host may be connected to: `attempts` in any span of `window_s`; of those in a row
    `at_once` need not keep their distance, the next ones come `apart_s` or more after the last, up to `ceiling_s`.

    The figures are Kraken's, the venue that bans soonest: about 150 in ten minutes by address. A fifth is left to
    whatever else connects from the same address.
    """

    attempts: int = 120
    window_s: float = 600.0
    at_once: int = 3
    apart_s: float = 5.0
    ceiling_s: float = CEILING_S

    def delays(self) -> Iterator[float]:
        """The delays between attempts in a row, in seconds, without end."""
        return backoff_delays(ceiling_s=self.ceiling_s, at_once=self.at_once, apart_s=self.apart_s)


class AttemptBudget:
    """The attempts that one host has seen of us. Instants are nanoseconds of one monotonic clock."""

    def __init__(self, figures: Reconnecting) -> None:
        self.figures = figures
        self._window = WindowLimit(figures.attempts, int(figures.window_s * NS_PER_S))

    def wait_s(self, now_ns: int) -> float:
        """How long until the next attempt may be made, in seconds; 0 is now."""
        return self._window.wait_ns(1, now_ns) / NS_PER_S

    def take(self, now_ns: int) -> None:
        """An attempt is made now. The caller has seen a wait of 0."""
        self._window.take(1, now_ns)


def backoff_delays(
    *,
    first_ceiling_s: float = FIRST_CEILING_S,
    ceiling_s: float = CEILING_S,
    at_once: int = 1,
    apart_s: float = 0.0,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Iterator[float]:
    """Delays in seconds, without end: a tenth of the first ceiling at most, then drawn from 0 to a doubling ceiling;
    after `at_once` of them from `apart_s`, with room for twice that.

    The whole width is drawn from (full jitter), so that many clients cut at once do not come back at once.
    """
    yield uniform(0.0, first_ceiling_s / 10)
    ceiling, drawn = first_ceiling_s, 1
    while True:
        lowest = apart_s if drawn >= at_once else 0.0
        yield uniform(lowest, min(max(ceiling, 2 * lowest), ceiling_s))
        ceiling, drawn = min(ceiling * 2, ceiling_s), drawn + 1


def retry_after_s(value: str, *, now_s: float) -> float:
    """The seconds a `Retry-After` header asks for, from 0 to three days; a minute when it says nothing readable.

    `now_s` is the wall clock in seconds since the epoch, for the header's other form, a date.
    """
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return min(float(text), LONGEST_RETRY_S)
    try:
        wanted_s = parsedate_to_datetime(text).timestamp() - now_s
    except (ValueError, OverflowError):
        return UNSTATED_RETRY_S
    return min(max(wanted_s, 0.0), LONGEST_RETRY_S)
