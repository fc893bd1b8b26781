"""The numbered trades of one symbol put in order: what is new goes on, what came twice is dropped, what is missing
holds back what came after it, until it is found or given up. Pure: no clock of its own, no input or output.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import attrs

from core.clock import NS_PER_MS, NS_PER_S
from core.flow.tape import Tape, Verdict
from core.model.instruments import Instrument
from core.model.records import TRADE_STRUCT
from providers.base import Interval

HELD_AT_MOST_NS: Final = 60 * NS_PER_S
"""How long a hole may hold back what came after it; then it is given up."""
ASKED_AT_MOST: Final = 100_000
"""Missing trades that a venue is asked for in passing. A larger hole is given up as soon as its grace is over."""
HOLES_AT_MOST: Final = 1024
"""Holes of one symbol kept apart. One more becomes part of the newest: only what is told of them grows coarser."""
GRACE_NS: Final = 300 * NS_PER_MS
"""How long missing trades may still come by themselves, out of order or on another connection."""
NEAR: Final = 1000
"""Holes with no more than so many trades between them are asked for together: that is one page of most venues."""

RECORD_BYTES: Final = TRADE_STRUCT.size
_WORDS: Final = RECORD_BYTES // 4
_EVENT: Final = slice(8, 16)
_RECEIVED: Final = slice(32, 40)
_LOW: Final = 0xFFFF_FFFF
_HALF: Final = 0x8000_0000


def event_ns(record: bytes) -> int:
    """When the trade of 48 bytes happened, by the venue's clock."""
    return int.from_bytes(record[_EVENT], "little")


def received_ns(record: bytes) -> int:
    """When the trade of 48 bytes was received."""
    return int.from_bytes(record[_RECEIVED], "little")


def whole_ids(records: bytes, newest_id: int) -> list[int]:
    """The venue's full ids of trades, of which records hold 32 bits, from an id near all of them."""
    low = newest_id & _LOW
    sequences: list[int] = memoryview(records).cast("I")[_WORDS - 1 :: _WORDS].tolist()
    return [newest_id + ((each - low + _HALF) & _LOW) - _HALF for each in sequences]


def pieces(records: bytes) -> list[bytes]:
    """The trades of 48 bytes one by one."""
    return [records[at : at + RECORD_BYTES] for at in range(0, len(records), RECORD_BYTES)]


@attrs.define(kw_only=True)
class Hole:
    """Trades `first_id` to `last_id`, of which `missing` did not come yet. `before` and `after` are the trades around
    it when it was found, at `found_ns` of the channel's clock."""

    first_id: int
    last_id: int
    found_ns: int
    before: bytes
    after: bytes
    cause: str
    missing: int
    recovered: int = 0
    lowest_recovered: int = 0
    highest_recovered: int = 0

    def grace_ns(self, now_ns: int) -> int:
        """How long its trades may still come by themselves."""
        return self.found_ns + GRACE_NS - now_ns

    def left_ns(self, now_ns: int) -> int:
        """How long it may still hold up what came after it."""
        return self.found_ns + HELD_AT_MOST_NS - now_ns


class Question(NamedTuple):
    """What to ask the venue's past for: the trades from `first_id` to `last_id`, which happened about `start_ns` to
    `end_ns`; `last_of_first` ends the hole that holds everything up."""

    first_id: int
    last_id: int
    last_of_first: int
    start_ns: int
    end_ns: int


class Run(NamedTuple):
    """Consecutive missing trades, and the two around them."""

    first_id: int
    last_id: int
    before: bytes
    after: bytes


class Sorter:
    """The order of one symbol's trades. What may go on is put into `ready`, what may not waits behind `holes`.

    `intervals` gets one of each hole from which something had to be fetched or was lost; what came by itself in time
    leaves none. `cause_of` tells why the trades behind a record are missing.
    """

    def __init__(
        self,
        instrument: Instrument,
        *,
        intervals: deque[Interval],
        clock_ns: Callable[[], int],
        cause_of: Callable[[bytes], str],
    ) -> None:
        self.ready: deque[tuple[int, bytes]] = deque()
        self.waiting: dict[int, bytes] = {}
        self.holes: list[Hole] = []
        self.last = b""  # the newest record that may go on
        self.seen_id = 0  # the newest that came
        self.tape = Tape()  # of what may go on, in its order
        self.duplicates = 0
        self.recovered = 0
        self.lost = 0
        self._forgotten_gaps = 0
        self._instrument = instrument
        self._intervals = intervals
        self._clock_ns = clock_ns
        self._cause_of = cause_of

    @property
    def newest_id(self) -> int:
        """The newest id that may go on; 0 before the first."""
        return self.tape.newest_id or 0

    @property
    def gaps(self) -> int:
        """Intervals of ids that are missing: lost, or looked for."""
        return self._forgotten_gaps + self.tape.gaps + len(self.holes)

    def note(self, newest_id: int, record: bytes) -> None:
        """The trades up to this one went on without coming here; nothing waits."""
        self.tape.newest_id = self.seen_id = newest_id
        self.last = record

    def forget(self) -> None:
        """Begin anew: any id may come next. What is lost stays counted."""
        self._forgotten_gaps += self.tape.gaps
        self.tape, self.seen_id, self.last = Tape(), 0, b""

    def place(self, trade_id: int, record: bytes) -> None:
        """Take a trade that came live."""
        if not self.seen_id:
            self.seen_id = trade_id
            self._let_go(trade_id, record)
        elif trade_id > self.seen_id:
            if trade_id > self.seen_id + 1:
                self._open(self.seen_id + 1, trade_id - 1, after=record)
            self.seen_id = trade_id
            self.waiting[trade_id] = record
        elif trade_id <= self.newest_id:
            self._place_behind(trade_id, record)
        elif trade_id in self.waiting:
            self.duplicates += 1
        else:
            self._fill(trade_id, record)

    def _place_behind(self, trade_id: int, record: bytes) -> None:
        if self.tape.accept(trade_id) is Verdict.DUPLICATE:
            self.duplicates += 1
            return
        # It was given up, and comes all the same: out of its order, but it comes.
        self.lost -= 1
        self.recovered += 1
        self.ready.append((trade_id, record))
        for at in reversed(range(len(self._intervals))):
            told = self._intervals[at]
            if told.symbol == self._instrument.symbol and told.lost and told.first_id <= trade_id <= told.last_id:
                self._intervals[at] = attrs.evolve(told, lost=told.lost - 1, recovered=told.recovered + 1)
                return

    def _open(self, first_id: int, last_id: int, *, after: bytes) -> None:
        before = self.waiting.get(first_id - 1, self.last)
        count = last_id - first_id + 1
        if len(self.holes) >= HOLES_AT_MOST:
            newest = self.holes[-1]
            newest.last_id, newest.after, newest.missing = last_id, after, newest.missing + count
            return
        self.holes.append(
            Hole(
                first_id=first_id,
                last_id=last_id,
                found_ns=self._clock_ns(),
                before=before,
                after=after,
                cause=self._cause_of(before),
                missing=count,
            )
        )

    def _fill(self, trade_id: int, record: bytes) -> Hole:
        # Every id between the newest that went on and the newest that came either waits or is missing from a hole.
        at = bisect.bisect_right(self.holes, trade_id, key=lambda hole: hole.first_id) - 1
        hole = self.holes[at]
        assert hole.first_id <= trade_id <= hole.last_id
        self.waiting[trade_id] = record
        hole.missing -= 1
        return hole

    def _let_go(self, trade_id: int, record: bytes) -> None:
        self.tape.accept(trade_id)
        self.last = record
        self.ready.append((trade_id, record))

    def go_on(self) -> None:
        """Close the holes that are whole, and make ready what no hole holds back any more."""
        for hole in [hole for hole in self.holes if not hole.missing]:
            self._close(hole, lost=0, reason="")
        while (record := self.waiting.pop(next_id := self.newest_id + 1, None)) is not None:
            self._let_go(next_id, record)

    def recover(self, ids: Iterable[int], records: Iterable[bytes]) -> None:
        """Put trades that were asked for, oldest first, where they are missing; others are dropped."""
        newest_id = self.newest_id
        for trade_id, record in zip(ids, records, strict=True):
            if not newest_id < trade_id <= self.seen_id or trade_id in self.waiting:
                continue
            hole = self._fill(trade_id, record)
            hole.recovered += 1
            hole.lowest_recovered = min(hole.lowest_recovered or trade_id, trade_id)
            hole.highest_recovered = max(hole.highest_recovered, trade_id)
            self.recovered += 1
        self.go_on()

    def extend(self, ids: Sequence[int], records: Sequence[bytes]) -> None:
        """Take trades that were asked for and may be newer than all that came; what is absurdly far is dropped."""
        limit = self.seen_id + ASKED_AT_MOST
        told = [(each, record) for each, record in zip(ids, records, strict=True) if each <= limit]
        newest_id, record = max(told, default=(0, b""))
        if self.seen_id and newest_id > self.seen_id:
            self._open(self.seen_id + 1, newest_id, after=record)
            self.seen_id = newest_id
        self.recover(ids, records)

    def question(self) -> Question | None:
        """What to ask for now: the oldest hole, and those near it whose grace is over; None when nothing is due."""
        now_ns = self._clock_ns()
        if not self.holes or self.holes[0].grace_ns(now_ns) > 0:
            return None
        first = newest = self.holes[0]
        total = first.missing
        for hole in self.holes[1:]:
            total += hole.missing
            if hole.grace_ns(now_ns) > 0 or hole.first_id - newest.last_id > NEAR or total > ASKED_AT_MOST:
                break
            newest = hole
        instants = event_ns(self.last), event_ns(newest.after)
        return Question(self.newest_id + 1, newest.last_id, first.last_id, min(instants), max(instants))

    def lacks(self, question: Question) -> bool:
        """Whether anything of what was asked for is still missing, and waited for."""
        return bool(self.holes) and self.holes[0].first_id <= question.last_id

    def runs(self, last_id: int) -> list[Run]:
        """What is missing up to `last_id`, each run of it with its neighbours, which are known."""
        found: list[Run] = []
        for hole in self.holes:
            if hole.last_id > last_id or hole.missing > ASKED_AT_MOST:
                break
            first_id = 0
            for trade_id in range(max(hole.first_id, self.newest_id + 1), hole.last_id + 2):
                if trade_id not in self.waiting:
                    first_id = first_id or trade_id
                elif first_id:
                    before = self.last if first_id == self.newest_id + 1 else self.waiting[first_id - 1]
                    found.append(Run(first_id, trade_id - 1, before, self.waiting[trade_id]))
                    first_id = 0
        return found

    def give_up(self, reason: str) -> None:
        """What is missing from the oldest hole is lost, for `reason`; what waited for it is ready."""
        hole = self.holes[0]
        self.lost += hole.missing
        self._close(hole, lost=hole.missing, reason=reason)
        near: Iterable[int] = range(self.newest_id + 1, hole.last_id + 2)
        if hole.missing > len(self.waiting):
            near = sorted(each for each in self.waiting if each <= hole.last_id + 1)
        for trade_id in near:
            if (record := self.waiting.pop(trade_id, None)) is not None:
                self._let_go(trade_id, record)
        self.go_on()

    def _close(self, hole: Hole, *, lost: int, reason: str) -> None:
        self.holes.remove(hole)
        if not (hole.recovered or lost):
            return
        first_id, last_id = hole.lowest_recovered, hole.highest_recovered
        if lost:
            highest_lost = hole.last_id
            while highest_lost in self.waiting:
                highest_lost -= 1
            first_id = min(first_id or highest_lost, self.newest_id + 1)
            last_id = max(last_id, highest_lost)
        self._intervals.append(
            Interval(
                venue=self._instrument.venue,
                symbol=self._instrument.symbol,
                start_ns=event_ns(hole.before),
                end_ns=event_ns(hole.after),
                cause=hole.cause,
                recovered=hole.recovered,
                lost=lost,
                first_id=first_id,
                last_id=last_id,
                reason=reason,
            )
        )
