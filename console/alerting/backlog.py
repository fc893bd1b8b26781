"""What somebody is still to be told. Pure: times are seconds of one monotonic clock, handed in.

Three things wait: messages, each for itself, the critical ones apart; what came when there was no room left for that,
counted; and what could not be told when it was tried, counted, too.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

from console.alerting.digest import Tally, is_urgent
from core.alerts.message import Message

WAITING: Final = 256
"""Messages that wait one by one, of the critical ones and of the others. What is more is counted for a digest."""


@attrs.frozen
class Parcel:
    """What is told at once: the `message`, and a count of what is in it."""

    message: Message
    tally: Tally

    @property
    def urgent(self) -> bool:
        """Whether something critical is in it."""
        return self.tally.urgent > 0


class Backlog:
    """What waits for one who hears."""

    def __init__(self) -> None:
        self._urgent: deque[tuple[float, Message]] = deque()
        self._usual: deque[tuple[float, Message]] = deque()
        self._counted = Tally()
        self._counted_since_s = 0.0
        self._missed = Tally()

    def add(self, message: Message, now_s: float) -> None:
        """One more came."""
        waiting = self._urgent if is_urgent(message) else self._usual
        if len(waiting) < WAITING:
            waiting.append((now_s, message))
            return
        if not self._counted.messages:
            self._counted_since_s = now_s
        self._counted.add(message)

    def put_back(self, parcel: Parcel) -> None:
        """It could not be told, and is told with what comes next."""
        self._missed.absorb(parcel.tally)

    @property
    def waiting(self) -> int:
        """Messages that were not told yet."""
        return self.fresh + self._missed.messages

    @property
    def fresh(self) -> int:
        """Those of them that were not even tried."""
        return len(self._urgent) + len(self._usual) + self._counted.messages

    @property
    def missed(self) -> int:
        """Those of them that were tried in vain."""
        return self._missed.messages

    @property
    def fresh_urgent(self) -> bool:
        """Whether something critical was not even tried."""
        return bool(self._urgent or self._counted.urgent)

    @property
    def urgent(self) -> bool:
        """Whether something critical waits."""
        return self.fresh_urgent or self._missed.urgent > 0

    @property
    def since_s(self) -> float:
        """When the oldest came of those that were not tried; infinite when there is none."""
        firsts = [waiting[0][0] for waiting in (self._urgent, self._usual) if waiting]
        if self._counted.messages:
            firsts.append(self._counted_since_s)
        return min(firsts, default=float("inf"))

    def take_one(self) -> Parcel | None:
        """The next message, critical ones first; None when none waits for itself alone."""
        waiting = self._urgent or self._usual
        if not waiting:
            return None
        _, message = waiting.popleft()
        tally = Tally()
        tally.add(message)
        return Parcel(message, tally)

    def take_all(self, now_ns: int) -> Parcel | None:
        """Everything in one message; None when nothing waits."""
        if not self.waiting:
            return None
        tally = self._missed
        for waiting in (self._urgent, self._usual):
            for _, message in waiting:
                tally.add(message)
            waiting.clear()
        tally.absorb(self._counted)
        self._missed, self._counted = Tally(), Tally()
        return Parcel(tally.told(now_ns), tally)
