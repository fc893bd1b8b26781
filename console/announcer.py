"""Keeps an engine's entry in the service registry true: what it serves publicly, and that it is alive."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from console.plan import EnginePlan
from core.clock import NS_PER_S, wall_ns
from ringbuf import control, layout
from ringbuf.discovery import Announcement

HEARTBEAT_NS = 5 * NS_PER_S

logger = logging.getLogger("ringside.engine")


class Announcer:
    """The registry entry of one engine. A registry that cannot be used is said once, and done without."""

    def __init__(self, plan: EnginePlan) -> None:
        self._plan = plan
        self._announcement: Announcement | None = None
        self._served: dict[str, list[str]] = {}
        self._told_ns = 0
        self._problem = ""

    def tell(self, rings: Iterable[dict[str, Any]]) -> None:
        """Announce the public ones of `rings`, rows with `venue`, `symbol`, `public`. Cheap when nothing is new."""
        served: dict[str, list[str]] = {}
        for row in rings:
            if row["public"]:
                names = served.setdefault(row["venue"], [])
                if row["symbol"] not in names:
                    names.append(row["symbol"])
        if self._announcement is not None and served == self._served and wall_ns() - self._told_ns < HEARTBEAT_NS:
            return
        try:
            self._announce(served)
        except layout.RingError as error:
            if str(error) != self._problem:
                logger.warning("not in the service registry: %s", error)
            self._problem = str(error)

    def _announce(self, served: dict[str, list[str]]) -> None:
        if self._announcement is None:
            self._announcement = Announcement(
                self._plan.instance,
                providers=[feed.provider for feed in self._plan.feeds],
                symbols=served,
                prefix=layout.ring_prefix(self._plan.instance if self._plan.named else ""),
                control=str(control.socket_path(self._plan.instance)),
            )
        else:
            self._announcement.update(symbols=served)
        self._served, self._told_ns, self._problem = served, wall_ns(), ""

    def close(self) -> None:
        """Leave the registry. May be called twice."""
        if self._announcement is not None:
            self._announcement.close()
            self._announcement = None
