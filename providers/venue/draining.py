"""How fast that which waited is published: as fast as whoever stores it can follow, within limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol, runtime_checkable

import trio

from core.clock import NS_PER_S
from core.model.instruments import Instrument
from core.model.records import Schema
from providers.base import Sink
from providers.venue.healing_channel import AT_ONCE, HealingChannel

DRAIN_S: Final = 0.01
"""Between two slices of one symbol's trades."""
PATIENCE_NS: Final = 5 * NS_PER_S
"""So long a store that reads nothing is waited for; then its losses are its own, and screens go on."""
EMPTIED_S: Final = 10.0
"""So long an end waits for a slow store in all, which is less than a process is given to leave."""


@runtime_checkable
class Roomy(Protocol):
    """A sink whose channels hold so many records and no more."""

    def room(self, instrument: Instrument, schema: Schema) -> int:
        """How many records may be pushed before one is overwritten that is not stored yet."""


class Drain:
    """Publishes in slices what channels in front of `sink` have ready. `clock_ns` is monotonic."""

    def __init__(self, sink: Sink, clock_ns: Callable[[], int]) -> None:
        self._roomy = sink if isinstance(sink, Roomy) else None
        self._clock_ns = clock_ns
        self._stuck_ns: dict[HealingChannel, int] = {}

    def publish(self, channel: HealingChannel) -> bool:
        """Publish what there is room for, leaving half of it to what comes live; whether some is left."""
        if not channel.sorter.ready:
            return False
        at_most = AT_ONCE
        if self._roomy is not None:
            at_most = min(at_most, self._roomy.room(channel.instrument, Schema.TRADES) // 2)
        if at_most > 0:
            self._stuck_ns.pop(channel, None)
        elif self._clock_ns() - self._stuck_ns.setdefault(channel, self._clock_ns()) < PATIENCE_NS:
            return True
        else:
            at_most = AT_ONCE
        if channel.drain(at_most):
            return True
        self._stuck_ns.pop(channel, None)
        return False

    async def empty(self, channels: Iterable[HealingChannel]) -> None:
        """Publish all of it, even if cancelled; after `EMPTIED_S` the rest at once."""
        left = list(channels)
        with trio.CancelScope(shield=True, deadline=trio.current_time() + EMPTIED_S):
            while left := [channel for channel in left if self.publish(channel)]:
                await trio.sleep(DRAIN_S)
        for channel in left:
            while channel.drain():
                pass
            self._stuck_ns.pop(channel, None)
