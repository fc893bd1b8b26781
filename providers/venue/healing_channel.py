"""The channel of one symbol's trades that mends them on their way. Pure: no clock of its own, no input or output."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from core.model.instruments import Instrument
from providers.base import Channel, Interval
from providers.venue.holes import RECORD_BYTES, Hole, Sorter, event_ns, pieces, whole_ids

WAITING_AT_MOST: Final = 100_000
"""Records of one symbol that wait to be published. When more do, the oldest hole is given up."""
AT_ONCE: Final = 512
"""Records published together: whoever reads the ring must have his turn before it is full."""
RESTART: Final = "restart"
"""Why trades behind those of another producer are missing."""
_BLOCKED: Final = -1


class HealingChannel:
    """The channel of trades, which are numbered one by one, in front of `channel`; see `Sorter` for their order.

    `wake` is called when there is something to mend or to drain. What comes without an id passes as it is.
    """

    def __init__(
        self,
        channel: Channel,
        instrument: Instrument,
        *,
        intervals: deque[Interval],
        clock_ns: Callable[[], int],
        cause_of: Callable[[bytes], str],
        wake: Callable[[], None],
    ) -> None:
        self.instrument = instrument
        self.published = 0
        self.sorter = Sorter(instrument, intervals=intervals, clock_ns=clock_ns, cause_of=self._cause)
        self._push = channel.push
        self._clock_ns = clock_ns
        self._cause_of = cause_of
        self._wake = wake
        self._next_id = _BLOCKED  # what may be published at once: none while something waits
        self._last = b""  # what went before it
        self._resumed = False

    @property
    def missing(self) -> int:
        """Trades that did not come: lost, or looked for."""
        return self.sorter.lost + sum(hole.missing for hole in self.sorter.holes)

    @property
    def gaps(self) -> int:
        """Intervals of ids that are missing: lost, or looked for."""
        return self.sorter.gaps

    @property
    def hole(self) -> Hole | None:
        """The oldest hole, which holds everything up."""
        return self.sorter.holes[0] if self.sorter.holes else None

    @property
    def waits(self) -> int:
        """Records that came and are not published yet."""
        return len(self.sorter.waiting) + len(self.sorter.ready)

    @property
    def cursor(self) -> tuple[int, bytes]:
        """The newest id that may go on and its record; 0 and nothing before the first."""
        self._note_fast_ones()
        return self.sorter.newest_id, self.sorter.last

    def resume(self, newest_id: int, record: bytes) -> None:
        """Go on behind a record that the ring has already; `newest_id` is the full id of it or of one near it."""
        (trade_id,) = whole_ids(record, newest_id)
        self.sorter.note(trade_id, record)
        self._next_id, self._last, self._resumed = trade_id + 1, record, True

    def push(self, records: bytes, newest_id: int = 0) -> None:
        """See `Channel.push`."""
        if newest_id == self._next_id and len(records) == RECORD_BYTES:
            self._push(records, newest_id)
            self._next_id = newest_id + 1
            self._last = records
            self.published += 1
        elif newest_id > 0:
            self._sort_in(records, newest_id)
        else:
            self._push(records, newest_id)
            self.published += len(records) // RECORD_BYTES

    def _note_fast_ones(self) -> None:
        if self._next_id > 0:
            self.sorter.note(self._next_id - 1, self._last)

    def _sort_in(self, records: bytes, newest_id: int) -> None:
        self._note_fast_ones()
        ids, sorter = whole_ids(records, newest_id), self.sorter
        if ids[0] == self._next_id and ids == list(range(ids[0], ids[0] + len(ids))) and len(ids) <= AT_ONCE:
            self._push(records, ids[-1])
            self.published += len(ids)
            self._next_id, self._last = ids[-1] + 1, records[-RECORD_BYTES:]
            return
        trades = sorted(zip(ids, pieces(records), strict=True))
        if self._resumed and not self.published and _counts_anew(trades, sorter):
            sorter.forget()
        for trade_id, record in trades:
            sorter.place(trade_id, record)
        sorter.go_on()
        self._go_on()

    def _cause(self, before: bytes) -> str:
        self._wake()  # asked of each new hole
        return RESTART if self._resumed and not self.published else self._cause_of(before)

    def _go_on(self) -> None:
        sorter = self.sorter
        if len(sorter.waiting) > WAITING_AT_MOST:
            sorter.give_up(f"more than {WAITING_AT_MOST} trades wait for them")
        self._next_id = _BLOCKED
        if len(sorter.ready) <= AT_ONCE or self.waits > WAITING_AT_MOST:
            self.drain()
        if sorter.ready:
            self._wake()

    def drain(self, at_most: int | None = None) -> bool:
        """Publish `AT_ONCE` or `at_most` of what may be published; whether some of it is left."""
        sorter = self.sorter
        ready = sorter.ready
        batch = [ready.popleft() for _ in range(min(len(ready), AT_ONCE if at_most is None else at_most))]
        if batch:
            self._push(b"".join([record for _, record in batch]), batch[-1][0])
            self.published += len(batch)
        if self._next_id == _BLOCKED and sorter.newest_id and not self.waits:
            self._next_id, self._last = sorter.newest_id + 1, sorter.last
        return bool(ready)

    def recover(self, ids: Iterable[int], records: Iterable[bytes]) -> None:
        """Put trades that were asked for, oldest first, where they are missing; others are dropped."""
        if self.sorter.holes:
            self.sorter.recover(ids, records)
            self._go_on()

    def catch_up(self, ids: Sequence[int], records: Sequence[bytes]) -> None:
        """Take trades that were asked for, oldest first, and that may be newer than all that came."""
        self._note_fast_ones()
        self.sorter.extend(ids, records)
        self._go_on()

    def begin_anew(self) -> None:
        """Somebody mends again: the time of every hole begins now, for nothing could be done about it before."""
        for hole in self.sorter.holes:
            hole.found_ns = self._clock_ns()

    def give_up(self, reason: str) -> None:
        """What is missing from the oldest hole is lost, for `reason`; what waited for it goes on."""
        self.sorter.give_up(reason)
        self._go_on()

    def settle(self, reason: str) -> None:
        """Nothing more comes: give up every hole, so that all that waits may be drained. What came later would begin
        anew."""
        self._note_fast_ones()
        while self.sorter.holes:
            self.sorter.give_up(reason)
        self.sorter.forget()
        self._next_id = _BLOCKED


def _counts_anew(trades: Sequence[tuple[int, bytes]], sorter: Sorter) -> bool:
    # Later trades than the ring's with lower numbers: the venue's numbers began again, and none of these came before.
    newest_ns = max(event_ns(record) for _, record in trades)
    return trades[-1][0] <= sorter.seen_id and newest_ns > event_ns(sorter.last)
