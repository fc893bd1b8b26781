"""From the engine's answers to what the status line says: rates, the worst lag, losses, problems."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Final, Generic, TypeVar

from console.tui.healthwords import is_unwell
from console.tui.paperwords import paper_problems
from console.tui.snapshot import Health
from console.tui.status import EngineStatus, Feed
from console.tui.storewords import store_problems
from core.clock import NS_PER_S

Name = TypeVar("Name", bound=Hashable)

READER_NAME = "screen"
"""The name of the screen's readers in the rings' reader tables."""
RATE_ANSWERS: Final = 10
"""A ring's rate is taken over so many answers, about five seconds: over two it jumps too much to be read."""
MESSAGE_ANSWERS: Final = 4
"""The same for the messages of a venue: of a feed in a process of its own they are told once in two answers."""


class Rates(Generic[Name]):
    """How fast counters grow, from what they were in the last few answers."""

    def __init__(self, answers: int) -> None:
        self._seen: deque[tuple[int, Mapping[Name, int]]] = deque(maxlen=answers)

    def clear(self) -> None:
        """Begin anew."""
        self._seen.clear()

    def add(self, now_ns: int, counts: Mapping[Name, int]) -> dict[Name, float]:
        """The growth a second of each of `counts` since the oldest answer that has it; 0 for one that fell or is
        new."""
        if self._seen and now_ns <= self._seen[-1][0]:
            self._seen.clear()
        rates = {name: self._rate(name, count, now_ns) for name, count in counts.items()}
        self._seen.append((now_ns, counts))
        return rates

    def _rate(self, name: Name, count: int, now_ns: int) -> float:
        for seen_ns, counts in self._seen:
            if name in counts:
                return max(count - counts[name], 0) * NS_PER_S / (now_ns - seen_ns)
        return 0.0


class HealthBook:
    """Remembers what it takes two answers to know. `reachable` and `reason` tell how the last question went."""

    def __init__(self) -> None:
        self.reachable, self.reason = False, "connecting"
        self._previous: EngineStatus | None = None
        self._rates: dict[str, float] = {}
        self._ring_rates: dict[Path, float] = {}
        self._messages, self._records = Rates[str](MESSAGE_ANSWERS), Rates[Path](RATE_ANSWERS)
        self._pid = os.getpid()

    def lost(self, reason: str) -> None:
        """The engine did not answer."""
        self.reachable, self.reason = False, reason
        self._forget()
        self._previous, self._rates, self._ring_rates = None, {}, {}

    def answered(self, status: EngineStatus) -> None:
        """The engine answered."""
        self.reachable, self.reason = True, ""
        previous, self._previous = self._previous, status
        if previous is not None and status.started_ns != previous.started_ns:
            self._forget()
        self._rates = self._messages.add(status.now_ns, {
            line.venue: line.messages for one in status.connections for line in one.lines
        })  # fmt: skip
        self._ring_rates = self._records.add(status.now_ns, {one.path: one.committed for one in status.rings})

    def _forget(self) -> None:
        self._messages.clear()
        self._records.clear()

    def health(self, status: EngineStatus | None, *, lag: int, lost: int, problems: Iterable[str]) -> Health:
        """The health of this moment; `lag` and `lost` are those of our own readers, `problems` our own troubles."""
        sentences = list(problems)
        withheld = 0
        unwell: list[Feed] = []
        if status is not None:
            sentences += store_problems(status) + paper_problems(status)
            others = [
                reader
                for ring in status.rings
                for reader in ring.readers
                if reader.name != READER_NAME or reader.pid != self._pid
            ]
            lag = max([lag, *(reader.lag for reader in others)])
            lost += sum(reader.lapped for reader in others)
            feeds = [feed for feed in status.feeds if feed.streaming]
            withheld = sum(feed.book_state == "withheld" for feed in feeds)
            connected = {one.venue for one in status.connections if one.status == "connected"}
            unwell = [feed for feed in feeds if is_unwell(feed) and feed.venue in connected]
            sentences += [
                f"{feed.symbol} {feed.venue}: {said}"
                for feed in feeds
                if (said := _said(feed, feed.venue in connected))
            ]
        return Health(
            reachable=self.reachable,
            reason=self.reason,
            rates=self._rates,
            ring_rates=self._ring_rates,
            lag=lag,
            lost=lost,
            withheld=withheld,
            stale=Counter(feed.venue for feed in unwell if feed.health == "stale"),
            broken=Counter(feed.venue for feed in unwell if feed.health == "broken"),
            problems=tuple(sentences),
        )


def _said(feed: Feed, connected: bool) -> str:
    # A symbol is one problem: where its venue is up, the watchdog's reason holds the feed's own words or is worse.
    if connected and is_unwell(feed) and feed.health_reason:
        return f"{feed.health}: {feed.health_reason}"
    return feed.problem
