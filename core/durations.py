"""How long something lasts, as people type it: `30s`, `1h30m`, `1.5d`, `2w`. The one language for it everywhere."""

from __future__ import annotations

import re
from typing import Final

from core.clock import NS_PER_S

DURATIONS: Final = "like 30s, 5m, 1h30m, 1.5d or 2w"
"""For help and hints."""
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_PART: Final = r"([0-9]{1,7}(?:\.[0-9]{1,3})?)([smhdw])"
_WHOLE: Final = re.compile(rf"{_PART}(?: ?{_PART}){{0,4}}")
_PARTS: Final = re.compile(_PART)


def parse_duration_s(text: str) -> float:
    """The seconds that a duration lasts: numbers with s, m, h, d or w, in either case, up to five together with or
    without a space between; not below 0, and finite.

    Raises:
        ValueError: it is none.
    """
    said = text.strip().lower()
    if not _WHOLE.fullmatch(said):
        raise ValueError(f"no duration: {text[:40]!a}")
    return sum((float(count) * _UNITS_S[unit] for count, unit in _PARTS.findall(said)), 0.0)


def ago_ns(text: str, *, now_ns: int) -> int:
    """The instant that a duration, with a minus or without, lies before `now_ns`; never before 1970.

    Raises:
        ValueError: it is none.
    """
    seconds = parse_duration_s(text.strip().removeprefix("-"))
    return max(now_ns - round(seconds * NS_PER_S), 0)
