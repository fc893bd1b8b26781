"""What hosts tell of trades that their streams did not bring: heard once, counted, shown, handed to the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import attrs
import msgspec

from core.flow.printable import printable
from core.model.records import Schema
from core.store.repository import Gap, SeriesKey
from providers.base import Interval

SHOWN_INTERVALS: Final = 256
"""So many are in a report, the newest."""

_MOST_WAITING: Final = 4096  # for the store; of what it has not taken then the oldest are let go
_LARGEST: Final = 2**63 - 1
_REASON_CHARACTERS: Final = 200


Key = tuple[str, str, int, int, str, int, int]
"""What an interval is known by: all of it but what became of the trades."""


@attrs.define
class IntervalCounts:
    """How many stretches of trades a stream did not bring, and of those trades how many were published in their place
    and how many were not."""

    intervals: int = 0
    recovered: int = 0
    lost: int = 0

    def add(self, interval: Interval, before: Interval | None) -> None:
        """Count one more, or one of which something else was said `before`."""
        self.intervals += before is None
        self.recovered += interval.recovered - (0 if before is None else before.recovered)
        self.lost += interval.lost - (0 if before is None else before.lost)


class ToldIntervals:
    """All that hosts have told since the start; `total` counts it."""

    def __init__(self) -> None:
        self.total = IntervalCounts()
        self._by_symbol: defaultdict[tuple[str, str], IntervalCounts] = defaultdict(IntervalCounts)
        self._listed: list[tuple[Interval, ...]] = []
        self._newest: dict[Key, Interval] = {}
        self._waiting: dict[Key, Interval] = {}

    def hear(self, listings: Iterable[Iterable[Interval]]) -> None:
        """Take up what is new in `listings`, one of each host and in the same order every time. A host lists the
        newest that it knows of, in the order in which it learnt of them; of one that it lists already it may say
        something else, because trades that were given up came all the same."""
        for number, listing in enumerate(listings):
            if number == len(self._listed):
                self._listed.append(())
            told, earlier = tuple(listing), self._listed[number]
            if told == earlier:  # mostly the very same objects, which costs next to nothing
                continue
            known = {_key(interval): interval for interval in earlier}
            for interval in told:
                before = known.get(_key(interval))
                if interval != before:
                    self._add(interval, before)
            self._listed[number] = told

    def _add(self, interval: Interval, before: Interval | None) -> None:
        self.total.add(interval, before)
        self._by_symbol[interval.venue, interval.symbol].add(interval, before)
        for kept, most in ((self._newest, SHOWN_INTERVALS), (self._waiting, _MOST_WAITING)):
            kept[_key(interval)] = interval
            if len(kept) > most:
                del kept[next(iter(kept))]

    def of_symbol(self, venue: str, symbol: str) -> IntervalCounts:
        """What was told of one symbol."""
        return self._by_symbol[venue, symbol]

    def take(self) -> list[Interval]:
        """What was heard since this was asked last, oldest first."""
        taken = list(self._waiting.values())
        self._waiting.clear()
        return taken

    def rows(self) -> list[dict[str, Any]]:
        """The newest as the status shows them, the newest last."""
        return interval_rows(self._newest.values())


def _key(interval: Interval) -> Key:
    return (
        interval.venue,
        interval.symbol,
        interval.start_ns,
        interval.end_ns,
        interval.cause,
        interval.first_id,
        interval.last_id,
    )


def interval_rows(intervals: Iterable[Interval]) -> list[dict[str, Any]]:
    """The newest of `intervals`, whose last is the newest, in the shape of the status."""
    return [_row(interval) for interval in list(intervals)[-SHOWN_INTERVALS:]]


@lru_cache(maxsize=4096)  # they do not change, and a screen asks for all of them twice a second
def _row(interval: Interval) -> dict[str, Any]:
    return attrs.asdict(interval)


def read_intervals(rows: object) -> list[Interval]:
    """The intervals that another process tells as `rows`, texts made printable; what makes no sense is left out."""
    found = (_read(row) for row in rows) if isinstance(rows, list) else ()
    return [interval for interval in found if interval is not None]


def _read(row: object) -> Interval | None:
    try:
        told = msgspec.convert(row, Interval)
    except msgspec.ValidationError:
        return None
    numbers = (told.start_ns, told.end_ns, told.recovered, told.lost, told.first_id, told.last_id)
    if min(numbers) < 0 or max(numbers) > _LARGEST:
        return None
    return attrs.evolve(
        told,
        venue=printable(told.venue),
        symbol=printable(told.symbol),
        cause=printable(told.cause),
        reason=printable(told.reason, _REASON_CHARACTERS),
    )


def gap_of(interval: Interval) -> Gap:
    """The same as a gap in the trades that are stored, with texts and instants that every database holds."""
    start_ns, end_ns = sorted((_held(interval.start_ns), _held(interval.end_ns)))
    return Gap(
        series=SeriesKey(interval.venue, interval.symbol, Schema.TRADES),
        start_ns=start_ns,
        end_ns=end_ns,
        rows=_held(interval.lost),
        cause=printable(interval.cause),
        first_id=_held(interval.first_id),
        recovered=_held(interval.recovered),
        reason=printable(interval.reason, _REASON_CHARACTERS),
    )


def _held(number: int) -> int:
    # A venue's time may be undefined, a number that the books cannot hold.
    return min(max(number, 0), _LARGEST)
