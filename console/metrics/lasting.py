"""For how long something has been bad without a break, looked at once a second: two looks that are half a minute
apart cannot tell what lasts from what comes and goes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np

from core.clock import NS_PER_S
from core.telemetry.frame import Column, Labels
from core.telemetry.series import PREFIX

Row = Mapping[str, Any]

DOWN: Final = f"{PREFIX}connection_down_seconds"
STALE: Final = f"{PREFIX}stale_seconds"
BOOK_INVALID: Final = f"{PREFIX}book_invalid_seconds"
_BAD: Final = frozenset({"stale", "broken"})


class Lasting:
    """Looks at the `connections` and `feeds` of an engine's status, at instants of a clock that never goes back."""

    def __init__(self, monotonic_ns: Callable[[], int]) -> None:
        self._monotonic_ns = monotonic_ns
        self._since_ns: dict[str, dict[Labels, int | None]] = {}

    def look(self, connections: Iterable[Row], feeds: Iterable[Row]) -> None:
        """Take in how things stand."""
        rows = list(connections)
        ended = {row["venue"] for row in rows if row["reason"] == "end of recording"}
        streamed = [row for row in feeds if row.get("streaming", True)]
        self._note(DOWN, {(row["venue"],): _is_down(row) for row in rows})
        self._note(STALE, {_symbol(row): row["health"] in _BAD if row["health"] else None for row in streamed})
        self._note(
            BOOK_INVALID,
            {_symbol(row): row["book_state"] == "withheld" and row["venue"] not in ended for row in streamed},
        )

    def _note(self, name: str, bad: Mapping[Labels, bool | None]) -> None:
        # Since when, 0 for what is well, None for what nobody knows.
        before, now_ns = self._since_ns.get(name, {}), self._monotonic_ns()
        self._since_ns[name] = {
            labels: None if known is None else (before.get(labels) or now_ns) if known else 0
            for labels, known in bad.items()
        }

    def columns(self) -> dict[str, Column]:
        """Seconds, by the names of the series; 0 for what is well."""
        now_ns = self._monotonic_ns()
        found = {}
        for name, since in self._since_ns.items():
            seconds = [
                math.nan if one is None else (now_ns - one) / NS_PER_S if one else 0.0 for one in since.values()
            ]
            if seconds:
                found[name] = Column(tuple(since), np.array(seconds, np.float64))
        return found


def _is_down(row: Row) -> bool:
    return bool(row["status"] != "connected" and row["reason"] != "end of recording")


def _symbol(row: Row) -> Labels:
    return row["venue"], row["symbol"]
