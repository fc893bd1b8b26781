"""How long to wait before the next attempt. Pure: it computes delays and never waits."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime

FIRST_CEILING_S = 1.0
CEILING_S = 30.0
SETTLED_S = 60.0
"""A connection that lived this long proves the venue well: the next loss starts again with the shortest delay."""
UNSTATED_RETRY_S = 60.0
LONGEST_RETRY_S = 3 * 86_400.0  # the longest ban a venue documents


def backoff_delays(
    *,
    first_ceiling_s: float = FIRST_CEILING_S,
    ceiling_s: float = CEILING_S,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Iterator[float]:
    """Delays in seconds, without end: a tenth of the first ceiling at most, then drawn from 0 to a doubling ceiling.

    The whole width is drawn from (full jitter), so that many clients cut at once do not come back at once.
    """
    yield uniform(0.0, first_ceiling_s / 10)
    ceiling = first_ceiling_s
    while True:
        yield uniform(0.0, ceiling)
        ceiling = min(ceiling * 2, ceiling_s)


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
