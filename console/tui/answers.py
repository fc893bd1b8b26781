"""Reading fields of an engine's answer: what is missing or of another type becomes its empty value, and every text is
safe to draw. An engine of a neighbouring version must not take the screen down. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from console.tui.text import clean

Raw = Mapping[str, Any]
LARGEST: Final = 2**64 - 1
"""What no counter goes beyond."""


def read_text(row: Raw, key: str, *, limit: int = 120) -> str:
    """At most `limit` characters of a text, or none."""
    value = row.get(key)
    return clean(value, limit=limit) if isinstance(value, str) else ""


def read_count(row: Raw, key: str) -> int:
    """A whole number from 0 to `LARGEST`."""
    value = row.get(key)
    return min(max(value, 0), LARGEST) if isinstance(value, int) and not isinstance(value, bool) else 0


def read_number(row: Raw, key: str) -> float:
    """A number from 0 to 1e9; one that is none is 0."""
    value = row.get(key)
    if isinstance(value, float):
        return min(max(value, 0.0), 1e9) if value == value else 0.0  # noqa: PLR0124 - not a number
    return float(min(read_count(row, key), 10**9))


def read_mapping(row: Raw, key: str) -> Raw:
    """An object, or an empty one."""
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def read_list(row: Raw, key: str) -> list[Any]:
    """A list, or an empty one."""
    value = row.get(key)
    return value if isinstance(value, list) else []


def read_rows(row: Raw, key: str) -> list[Raw]:
    """Those items of a list that are objects."""
    return [item for item in read_list(row, key) if isinstance(item, dict)]
