"""What is said of the symbols and connections of a feed while the process that had them is gone, and the next one
does not tell of them yet. What vanished would be taken for over. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from console.shown import NOTHING_SHOWN
from providers.base import BookState
from providers.connection import ConnectionStatus
from providers.venue.watchdog import Health

Row = dict[str, Any]


def with_left(told: Sequence[Row], left: Mapping[str, Row], reason: str) -> list[Row]:
    """The `feeds` that a process tells, and those that the one before it left, by symbol: while none is told of
    all are still wanted and nothing comes of them; afterwards those that did not come back keep their counts."""
    if not told:
        return [unheard(row, reason) for row in left.values()]
    symbols = {row["symbol"] for row in told}
    return [*told, *(row | {"streaming": False} for symbol, row in left.items() if symbol not in symbols)]


def unheard(row: Row, reason: str) -> Row:
    """One of `feeds` of which nobody tells any more, for that `reason`. A symbol that was left stays left."""
    if not row.get("streaming", True):
        return row
    book = row["book_state"] if row["book_state"] == BookState.NONE else BookState.WITHHELD.value
    return row | NOTHING_SHOWN | {"health": Health.BROKEN.value, "health_reason": reason, "book_state": book}


def down_legs(legs: Iterable[Row], reason: str) -> list[Row]:
    """The legs of a connection that went with its process."""
    return [leg | {"status": ConnectionStatus.DISCONNECTED.value, "reason": reason} for leg in legs]
