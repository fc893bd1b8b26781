"""A sink that mends the trades which pass through it: what a connection did not bring is fetched from the venue's
past and published in its place, before what came after it; what cannot be had is told as lost.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

import attrs
import trio

from core.clock import NS_PER_S, WallClock, monotonic_ns, wall_ns
from core.errors import ConsoleError, ResourceExhaustedError
from core.model.instruments import Instrument
from core.model.records import Schema
from providers.base import Channel, Historical, Interval, Sink
from providers.connection import ConnectionState, ConnectionStatus
from providers.venue.asking import Answer, ask, ask_onward
from providers.venue.draining import DRAIN_S, Drain
from providers.venue.healing_channel import HealingChannel
from providers.venue.holes import ASKED_AT_MOST, HELD_AT_MOST_NS, Hole, event_ns, received_ns
from providers.venue.sparse_log import SparseLog

INTERVALS_KEPT: Final = 1024
SYMBOLS_AT_ONCE: Final = 4
"""Symbols whose missing trades are asked for at the same time; the others wait in line."""
QUIET_NS: Final = 5 * NS_PER_S
"""A symbol without a trade for so long after a connection stands again: what it may have missed is asked for."""
FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 8.0
"""Between two questions for the same trades: twice as long each time."""
LOOK_S: Final = 1.0

DISCONNECT: Final = "disconnect"
SKIPPED: Final = "skipped"
_NOBODY: Final = "this venue's past cannot be asked for"
_LATE: Final = f"not had within {HELD_AT_MOST_NS // NS_PER_S} s"
_CROWDED: Final = "too many other symbols were asked for first"
_SILENT: Final = "the venue's history does not answer"

_log = logging.getLogger("ringside.healing")


@runtime_checkable
class Continued(Protocol):
    """A channel that may go on where another producer left off."""

    def newest(self) -> tuple[int, bytes]:
        """The venue's id of about the newest record there is, and that record; 0 and nothing without any."""


@attrs.frozen(kw_only=True)
class TradeCounts:
    """What became of one symbol's trades: `published` records; `duplicates` dropped; `recovered` of those that were
    missing; `missing` now, in `gaps` intervals, lost or still looked for."""

    published: int
    duplicates: int
    recovered: int
    missing: int
    gaps: int


class HealingSink:
    """Hands out the channels of `sink`, those of trades mended while `run` runs. It outlives the provider.

    `intervals` are the newest `INTERVALS_KEPT` stretches that were missed. With `resume`, a channel that goes on from
    records of another producer goes on from the newest of them. `clock_ns` is monotonic.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        resume: bool = True,
        clock_ns: Callable[[], int] = monotonic_ns,
        wall: WallClock = wall_ns,
    ) -> None:
        self.intervals: deque[Interval] = deque(maxlen=INTERVALS_KEPT)
        self._sink = sink
        self._resume = resume
        self._clock_ns = clock_ns
        self._wall = wall
        self._channels: dict[str, HealingChannel] = {}
        self._connection: ConnectionState | None = None
        self._runs = 0
        self._looks_onward = True
        self._changed = trio.Event()
        self._mending: set[HealingChannel] = set()
        self._asked_onward: dict[HealingChannel, int] = {}
        self._turns = trio.CapacityLimiter(SYMBOLS_AT_ONCE)
        self._quiet_turn = trio.CapacityLimiter(1)
        self._lines = SparseLog(_log)
        self._drain = Drain(sink, clock_ns)

    def channel(self, instrument: Instrument, schema: Schema) -> Channel:
        """See `Sink.channel`."""
        if schema is not Schema.TRADES:
            return self._sink.channel(instrument, schema)
        channel = self._channels.get(instrument.symbol)
        if channel is None:
            behind = self._sink.channel(instrument, schema)
            channel = self._channels[instrument.symbol] = HealingChannel(
                behind,
                instrument,
                intervals=self.intervals,
                clock_ns=self._clock_ns,
                cause_of=self._cause_of,
                wake=self._wake,
            )
            newest_id, record = behind.newest() if self._resume and isinstance(behind, Continued) else (0, b"")
            if newest_id:
                channel.resume(newest_id, record)
        return channel

    def counts(self) -> dict[str, TradeCounts]:
        """What became of the trades of each symbol that is streamed now, by `Instrument.symbol`."""
        return {symbol: _counts(channel) for symbol, channel in self._channels.items()}

    async def forget(self, symbol: str) -> TradeCounts | None:
        """Nobody wants `symbol`, by `Instrument.symbol`, any more: what waits is published, its channel let go.
        Returns what became of its trades, None when it had no channel. Not cancelled before that is done.

        To be called after the provider's `unsubscribe` and before the channel behind is closed.
        """
        channel = self._channels.pop(symbol, None)
        if channel is None:
            return None
        channel.settle("the symbol was unsubscribed")
        self._asked_onward.pop(channel, None)
        await self._drain.empty([channel])
        return _counts(channel)

    async def close(self) -> None:
        """Nothing more will come: what waits is published, what is still looked for is lost. Not cancelled before
        that is done."""
        for channel in self._channels.values():
            channel.settle("the feed ended first")
        await self._drain.empty(self._channels.values())

    async def run(self, history: Historical | None, connection: ConnectionState) -> None:
        """Mend until cancelled; `history` is None where nothing can be asked for.

        What is looked for when it is cancelled stays so for the next run, in which its time begins anew. To be begun
        before anything is pushed.
        """
        self._runs += 1
        self._connection = connection
        self._looks_onward = True
        for channel in self._channels.values():
            channel.begin_anew()
        async with trio.open_nursery() as nursery:
            while True:
                channels = list(self._channels.values())
                for channel in channels:
                    if channel.hole is not None and channel not in self._mending:
                        self._mending.add(channel)
                        nursery.start_soon(self._mend, channel, history)
                    elif history is not None and self._may_have_missed(channel):
                        self._asked_onward[channel] = connection.since_ns
                        nursery.start_soon(self._look_onward, channel, history)
                draining = [channel for channel in channels if self._drain.publish(channel)]
                if draining:
                    await trio.sleep(DRAIN_S)
                    continue
                with trio.move_on_after(LOOK_S):
                    await self._changed.wait()
                self._changed = trio.Event()

    def _wake(self) -> None:
        self._changed.set()

    def _cause_of(self, before: bytes) -> str:
        # The receipt times of a recording are old: there only a reconnect says that a connection was lost.
        connection = self._connection
        if connection is None or not (connection.reconnects or self._runs > 1):
            return SKIPPED
        return DISCONNECT if connection.since_ns > received_ns(before) else SKIPPED

    async def _mend(self, channel: HealingChannel, history: Historical | None) -> None:
        try:
            attempt, asked_for = 0, channel.hole
            while (hole := channel.hole) is not None:
                if hole is not asked_for:
                    attempt, asked_for = 0, hole
                await trio.lowlevel.checkpoint()
                if (grace_ns := hole.grace_ns(self._clock_ns())) > 0:
                    await trio.sleep(grace_ns / NS_PER_S)
                    continue
                answer, wait_s = await self._asked(channel, hole, history, attempt=attempt)
                if channel.hole is not hole:
                    continue
                left_s = hole.left_ns(self._clock_ns()) / NS_PER_S
                if answer.final or max(wait_s, 0.0) >= left_s:
                    self._give_up(channel, answer.reason if answer.final else f"{_LATE}: {answer.reason}")
                    continue
                wait_s = max(wait_s, min(FIRST_WAIT_S * 2**attempt, LONGEST_WAIT_S))
                attempt += 1
                await self._wait_for(channel, hole, seconds=min(wait_s, left_s))
        finally:
            self._mending.discard(channel)

    async def _wait_for(self, channel: HealingChannel, hole: Hole, *, seconds: float) -> None:
        # What is missing may come by itself meanwhile, and another hole be the oldest.
        until_s = trio.current_time() + seconds
        while channel.hole is hole and (left_s := until_s - trio.current_time()) > 0:
            await trio.sleep(min(left_s, FIRST_WAIT_S))

    async def _asked(
        self, channel: HealingChannel, hole: Hole, history: Historical | None, *, attempt: int
    ) -> tuple[Answer, float]:
        # What came of it, and how long the venue wants to be left alone.
        if history is None:
            return Answer(True, _NOBODY), 0.0
        if hole.missing > ASKED_AT_MOST:
            return Answer(True, f"more than {ASKED_AT_MOST} are not asked for in passing"), 0.0
        reason = _CROWDED
        with trio.move_on_after(max(hole.left_ns(self._clock_ns()), 0) / NS_PER_S):
            async with self._turns:
                reason = _SILENT
                question = channel.sorter.question()
                if question is None:
                    return Answer(False, ""), 0.0
                try:
                    return await ask(history, channel, question, attempt=attempt), 0.0
                except ResourceExhaustedError as error:
                    return Answer(False, str(error)), error.retry_after_s
                except ConsoleError as error:
                    return Answer(not error.retryable, str(error)), 0.0
        return Answer(False, reason), 0.0

    def _give_up(self, channel: HealingChannel, reason: str) -> None:
        hole = channel.hole
        assert hole is not None
        venue, symbol = channel.instrument.venue, channel.instrument.symbol
        channel.give_up(reason)
        self._lines.write(symbol, "%s %s: %d trades are lost: %s", venue, symbol, hole.missing, reason)

    def _may_have_missed(self, channel: HealingChannel) -> bool:
        connection = self._connection
        if connection is None or connection.status is not ConnectionStatus.CONNECTED or not self._looks_onward:
            return False
        since_ns = connection.since_ns
        if self._wall() - since_ns < QUIET_NS or self._asked_onward.get(channel) == since_ns:
            return False
        newest_id, record = channel.cursor
        return newest_id > 0 and received_ns(record) < since_ns

    async def _look_onward(self, channel: HealingChannel, history: Historical) -> None:
        # Nothing came since the connection stands again, so nothing could show whether something is missing.
        assert self._connection is not None
        since_ns = self._connection.since_ns
        async with self._quiet_turn:
            newest_id, record = channel.cursor
            # While it stood in line the symbol may have left, or moved, or the connection been lost again.
            if not newest_id or received_ns(record) >= since_ns or self._connection.since_ns != since_ns:
                return
            if channel.hole is not None or not self._looks_onward:
                return
            cursor = newest_id, event_ns(record)
            with trio.move_on_after(HELD_AT_MOST_NS / NS_PER_S):
                try:
                    now_ns = self._wall() + NS_PER_S
                    self._looks_onward = await ask_onward(history, channel, now_ns=now_ns, cursor=cursor)
                except ConsoleError as error:
                    self._lines.write(f"onward {channel.instrument.symbol}", "%s", error, level=logging.INFO)
                    if error.retryable:
                        await trio.sleep(LONGEST_WAIT_S)
                        self._asked_onward.pop(channel, None)


def _counts(channel: HealingChannel) -> TradeCounts:
    return TradeCounts(
        published=channel.published,
        duplicates=channel.sorter.duplicates,
        recovered=channel.sorter.recovered,
        missing=channel.missing,
        gaps=channel.gaps,
    )
