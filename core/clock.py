"""The only reader of wall and monotonic time. It never waits: waiting is `trio.sleep`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime

WallClock = Callable[[], int]
"""Returns nanoseconds since the UNIX epoch. Passed as an argument wherever time decides something."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
DAY_NS = 86_400 * NS_PER_S
_EPOCH_DAY = date(1970, 1, 1).toordinal()

wall_ns: WallClock = time.time_ns
monotonic_ns: Callable[[], int] = time.monotonic_ns


def iso_ns(instant_ns: int) -> str:
    """`instant_ns` as RFC 3339 in UTC with nine decimals, so that nothing is rounded."""
    seconds, fraction_ns = divmod(instant_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction_ns:09d}Z"


def utc_day(instant_ns: int) -> str:
    """The UTC day that `instant_ns` falls in, as `YYYY-MM-DD`."""
    return f"{datetime.fromtimestamp(instant_ns // NS_PER_S, UTC):%Y-%m-%d}"


def calendar_date(day: int) -> date:
    """The date of a day since the epoch."""
    return date.fromordinal(_EPOCH_DAY + day)


def parse_date(text: str) -> int:
    """The day since the epoch that `YYYY-MM-DD` names. Raises `ValueError`."""
    return date.fromisoformat(text).toordinal() - _EPOCH_DAY


def parse_rfc3339_ns(text: str) -> int:
    """Nanoseconds since the epoch of an RFC 3339 instant in UTC with up to nine decimals.

    `datetime.fromisoformat` would round to microseconds and costs more; venues send one fixed shape.

    Raises:
        ValueError: the text is not such an instant.
    """
    try:
        # Microseconds, as nearly every tick has them: three look-ups take a third of what the general way takes.
        return _SECONDS[text[:20]] + _MILLISECONDS[text[20:23]] + _MICROSECONDS[text[23:]]
    except KeyError:
        return _any_instant_ns(text)


def _any_instant_ns(text: str) -> int:
    if len(text) < 20 or text[-1] != "Z" or text[10] != "T":
        raise ValueError(f"not an RFC 3339 instant in UTC: {text!r:.40}")
    whole, _, fraction = text[:-1].partition(".")
    if fraction and not (fraction.isascii() and fraction.isdigit() and len(fraction) <= 9):
        raise ValueError(f"not an RFC 3339 instant in UTC: {text!r:.40}")
    return _second_ns(whole) + (int(fraction.ljust(9, "0")) if fraction else 0)


def _second_ns(whole: str) -> int:
    second = f"{whole}."
    cached = _SECONDS.get(second)
    if cached is None:
        # `fromisoformat` is much faster than `strptime` and takes other shapes and offsets, too; this one has its
        # signs where no other of its length has them.
        if len(whole) != 19 or f"{whole[4]}{whole[7]}{whole[13]}{whole[16]}" != "--::" or not whole.isascii():
            raise ValueError(f"not an RFC 3339 instant in UTC: {whole!r:.40}")
        parsed = datetime.fromisoformat(whole).replace(tzinfo=UTC)
        if len(_SECONDS) >= 4096:
            _SECONDS.clear()
        cached = _SECONDS[second] = int(parsed.timestamp()) * NS_PER_S
    return cached


# What the parts of an instant count, each with what must follow it. Ticks arrive many to a second: the text of one is
# parsed once.
_SECONDS: dict[str, int] = {}
_MILLISECONDS = {f"{count:03}": count * NS_PER_MS for count in range(1000)}
_MICROSECONDS = {f"{count:03}Z": count * 1000 for count in range(1000)}
