"""The rings of trades of an engine, by what its status tells of them: for those who trade on paper there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import trio

from console.paper.rings import PaperRing
from console.storage import StoredRing
from core.model.records import Schema
from providers.connection import ConnectionStatus

PATIENCE_S: Final = 30.0
"""So long are all waited for, at most, when one venue does not answer."""


def missing_venues(status: Mapping[str, Any]) -> list[str]:
    """The venues without a ring of trades yet, of the `connections` in a status that were not given up, by its
    `rings`. Before there is any connection it is one without a name."""
    traded = {row["venue"] for row in status.get("rings", []) if row["schema"] == Schema.TRADES}
    venues = [row["venue"] for row in status.get("connections", []) if row["status"] != ConnectionStatus.ERROR]
    return [venue for venue in venues or [""] if venue not in traded]


class AwaitedRings:
    """Lists the rings of trades once there is one of every feed, and none before: a desk that began without a venue
    would have to begin again. `waits_for` names those that are missing."""

    def __init__(self, status: Callable[[], Mapping[str, Any]], rings: Callable[[], Iterable[StoredRing]]) -> None:
        self.waits_for: list[str] = []
        self._status, self._rings = status, rings
        self._until_s = trio.current_time() + PATIENCE_S
        self._complete = False

    def __call__(self) -> list[PaperRing]:
        """Those there are now."""
        if not self._complete:
            self.waits_for = missing_venues(self._status())
            if self.waits_for and trio.current_time() < self._until_s:
                return []
            self._complete, self.waits_for = True, []
        rings = (ring for ring in self._rings() if ring.series.schema is Schema.TRADES)
        return [PaperRing(ring.path, ring.inode, ring.instrument) for ring in rings]
