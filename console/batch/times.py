"""Times as they are typed: instants, and instants that are so long ago."""

from __future__ import annotations

import re
from typing import Final

from core.clock import NS_PER_S, parse_rfc3339_ns
from core.durations import DURATIONS, ago_ns
from core.errors import UsageError

FOREVER_NS: Final = 2**63 - 1
TIMES: Final = "like 2026-11-22, 2026-11-22 07:15:00, 2026-11-22T09:15:00+02:00 or nanoseconds since 1970"
TIMES_OR_AGO: Final = f"{TIMES}; or so long ago, {DURATIONS}"
_INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))?)?", re.ASCII
)
_NANOSECONDS: Final = re.compile(r"[0-9]{15,19}")  # fewer are a day without its dashes, or seconds


def parse_instant(text: str, *, hint: str = TIMES) -> int:
    """Nanoseconds since the epoch of an instant: a date, which is its midnight, or a date and a time, in UTC unless
    there is an offset; or those nanoseconds themselves. `hint` is said of what is nothing of the kind.

    Raises:
        UsageError: it is nothing of the kind, or not from 1970 to 2262.
    """
    try:
        instant_ns = int(text) if _NANOSECONDS.fullmatch(text) else _calendar_ns(text)
    except ValueError as error:
        raise UsageError("bad time", ascii(text)[:40], hint=hint) from error
    if not 0 <= instant_ns < FOREVER_NS:
        raise UsageError("bad time", ascii(text)[:40], hint="from 1970 to 2262")
    return instant_ns


def instant_of(text: str, *, now_ns: int) -> int:
    """An instant as `parse_instant` reads it, or so long before now: `30d`, `12h`, `1h30m`, with a minus or without.

    Raises:
        UsageError: it is neither.
    """
    try:
        return ago_ns(text, now_ns=now_ns)
    except ValueError:
        return parse_instant(text, hint=TIMES_OR_AGO)


def _calendar_ns(text: str) -> int:
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError("no date and time")
    day, minute, second, sign, hours, minutes = found.groups()
    instant_ns = parse_rfc3339_ns(f"{day}T{minute or '00:00'}{second or ':00'}Z")
    if sign is None:
        return instant_ns
    ahead_ns = (int(hours) * 60 + int(minutes)) * 60 * NS_PER_S
    return instant_ns - ahead_ns if sign == "+" else instant_ns + ahead_ns
