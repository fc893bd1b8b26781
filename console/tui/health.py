"""From the engine's answers to what the status line says: rates, the worst lag, losses, problems."""

from __future__ import annotations

import os
from collections.abc import Iterable

from console.tui.snapshot import Health
from console.tui.status import EngineStatus
from core.clock import NS_PER_S

READER_NAME = "screen"
"""The name of the screen's readers in the rings' reader tables."""


class HealthBook:
    """Remembers what it takes two answers to know. `reachable` and `reason` tell how the last question went."""

    def __init__(self) -> None:
        self.reachable, self.reason = False, "connecting"
        self._previous: EngineStatus | None = None
        self._rates: dict[str, float] = {}
        self._pid = os.getpid()

    def lost(self, reason: str) -> None:
        """The engine did not answer."""
        self.reachable, self.reason = False, reason
        self._previous, self._rates = None, {}

    def answered(self, status: EngineStatus) -> None:
        """The engine answered."""
        self.reachable, self.reason = True, ""
        previous, self._previous = self._previous, status
        if previous is None or status.now_ns <= previous.now_ns or status.started_ns != previous.started_ns:
            self._rates = {}
            return
        elapsed_s = (status.now_ns - previous.now_ns) / NS_PER_S
        before = {connection.venue: connection.messages for connection in previous.connections}
        self._rates = {
            now.venue: max(now.messages - before.get(now.venue, now.messages), 0) / elapsed_s
            for now in status.connections
        }

    def health(self, status: EngineStatus | None, *, lag: int, lost: int, problems: Iterable[str]) -> Health:
        """The health of this moment; `lag` and `lost` are those of our own readers, `problems` our own troubles."""
        sentences = list(problems)
        withheld = 0
        if status is not None:
            others = [
                reader
                for ring in status.rings
                for reader in ring.readers
                if reader.name != READER_NAME or reader.pid != self._pid
            ]
            lag = max([lag, *(reader.lag for reader in others)])
            lost += sum(reader.lapped for reader in others)
            withheld = sum(feed.book_state == "withheld" for feed in status.feeds)
            sentences += [f"{feed.symbol} {feed.venue}: {feed.problem}" for feed in status.feeds if feed.problem]
        return Health(
            reachable=self.reachable,
            reason=self.reason,
            rates=self._rates,
            lag=lag,
            lost=lost,
            withheld=withheld,
            problems=tuple(sentences),
        )
