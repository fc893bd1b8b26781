"""What several connections of one venue count, as the counts of one: nothing told twice, nothing left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, overload

import attrs

from core.model.instruments import Instrument
from core.model.records import Schema
from providers.base import BookState, FeedCounters
from providers.connection import ConnectionState, ConnectionStatus
from providers.venue.leg_sink import Lines

_COUNTED: Final = ("messages", "malformed", "reconnects")
# What the venue sends to everybody, each leg counts again: the leg that heard most of it is told. What happens on a
# connection happens to that one alone: those are added up.
_HEARD: Final = ("book_updates", "checksum_ok", "rejected", "skewed")
_SUFFERED: Final = ("duplicates", "out_of_order", "book_breaks", "checksum_bad", "reconnects")
_SUMMED: Final = (*_HEARD, *_SUFFERED)
_LATEST: Final = ("last_event_ns", "last_recv_ns")
_BOOKS: Final = (BookState.NONE, BookState.WITHHELD, BookState.SYNCING, BookState.LIVE)
_STANDINGS: Final = (
    ConnectionStatus.CONNECTED,
    ConnectionStatus.RECONNECTING,
    ConnectionStatus.CONNECTING,
    ConnectionStatus.DISCONNECTED,
    ConnectionStatus.ERROR,
)


class LegCounters:
    """What one leg counted of each symbol, over all of its connections."""

    def __init__(self) -> None:
        self._running: list[Sequence[FeedCounters]] = []
        self._ended: dict[str, FeedCounters] = {}

    def begin(self, counters: Sequence[FeedCounters]) -> None:
        """Another connection's counters count too."""
        self._running.append(counters)

    def end(self, counters: Sequence[FeedCounters]) -> None:
        """A connection is over: what it counted stays."""
        self._running = [each for each in self._running if each is not counters]
        for each in counters:
            symbol = each.instrument.symbol
            earlier = self._ended.get(symbol)
            self._ended[symbol] = attrs.evolve(each) if earlier is None else _sum(earlier, each)

    def by_symbol(self) -> dict[str, FeedCounters]:
        """What was counted of each symbol, to be read and not kept; what is no count is the newest connection's, the
        book the best one."""
        found = dict(self._ended)
        running: set[str] = set()
        for counters in self._running:
            for each in counters:
                symbol = each.instrument.symbol
                earlier = found.get(symbol)
                found[symbol] = each if earlier is None else _sum(earlier, each)
                if earlier is not None and symbol in running:
                    found[symbol].book_state = _best(earlier.book_state, each.book_state)
                running.add(symbol)
        return found


class MergedCounters(Sequence[FeedCounters]):
    """One `FeedCounters` a symbol, what the legs counted merged into it each time the sequence is read.

    `trades` and `quotes` count what was passed on; of trades those that no leg brought are the gaps. A problem that
    not every leg has names the leg.
    """

    def __init__(self, instruments: Iterable[Instrument], legs: Mapping[int, LegCounters], lines: Lines) -> None:
        self._legs = legs
        self._lines = lines
        self._merged: dict[str, FeedCounters] = {}
        for instrument in instruments:
            self.add(instrument)

    def add(self, instrument: Instrument) -> FeedCounters:
        """The counters of `instrument`, new ones if it has none."""
        counters = self._merged.setdefault(instrument.symbol, FeedCounters(instrument))
        counters.instrument = instrument
        return counters

    def __len__(self) -> int:
        return len(self._merged)

    @overload
    def __getitem__(self, index: int) -> FeedCounters: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[FeedCounters]: ...
    def __getitem__(self, index: int | slice) -> FeedCounters | Sequence[FeedCounters]:
        return list(self)[index]

    def __iter__(self) -> Iterator[FeedCounters]:
        self.refresh()
        return iter(list(self._merged.values()))

    def refresh(self) -> None:
        """Merge what the legs counted until now."""
        by_leg = {leg: counters.by_symbol() for leg, counters in self._legs.items()}
        for symbol, merged in self._merged.items():
            self._merge(merged, {leg: found[symbol] for leg, found in by_leg.items() if symbol in found})

    def _merge(self, merged: FeedCounters, parts: Mapping[int, FeedCounters]) -> None:
        if not parts:
            return
        counted = list(parts.values())
        if len(counted) == 1:
            # Hundreds of symbols of a venue that is streamed over one: nothing to weigh up, and it is read often.
            for name in (*_SUMMED, *_LATEST):
                setattr(merged, name, getattr(counted[0], name))
        else:
            for name in (*_HEARD, *_LATEST):
                setattr(merged, name, max([getattr(each, name) for each in counted]))
            for name in _SUFFERED:
                setattr(merged, name, sum([getattr(each, name) for each in counted]))
        symbol = merged.instrument.symbol
        line = self._lines.counted(symbol)
        numbered = line.trades if line else 0
        merged.trades = numbered + self._lines.passed(symbol, Schema.TRADES)
        merged.quotes = self._lines.passed(symbol, Schema.QUOTES)
        if line is not None and line.tape.newest_id is not None:
            merged.gaps = line.tape.gaps
        else:
            merged.gaps = max(each.gaps for each in counted)
        merged.book_state = _best(*(each.book_state for each in counted))
        merged.problem = _joined({leg: each.problem for leg, each in parts.items()}, legs=len(self._legs))


class MergedConnection:
    """Keeps `state` true to several connections: connected while any is, counting what all of them did."""

    def __init__(self, venue: str) -> None:
        self.state = ConnectionState(venue)
        self._ended = dict.fromkeys(_COUNTED, 0)
        self._told = dict.fromkeys(_COUNTED, 0)

    def end(self, connection: ConnectionState) -> None:
        """A connection is over and will not be looked at again: what it counted stays."""
        for name in _COUNTED:
            self._ended[name] += getattr(connection, name)

    def refresh(self, connections: Sequence[ConnectionState], *, named: bool) -> None:
        """Take over how `connections` stand. The reason is the best one's, or when `named` what each of them says."""
        state = self.state
        for name in _COUNTED:
            total = self._ended[name] + sum(getattr(each, name) for each in connections)
            # Whoever reads `state` may have added to it what was counted before.
            setattr(state, name, getattr(state, name) + total - self._told[name])
            self._told[name] = total
        if connections:
            best = min(connections, key=lambda each: _STANDINGS.index(each.status))
            state.recent = best.recent
            said = {leg: _said(each) for leg, each in enumerate(connections, start=1)}
            several = named and len(connections) > 1
            enter(state, best.status, _joined(said, legs=len(said)) if several else best.reason)


def enter(state: ConnectionState, status: ConnectionStatus, reason: str) -> None:
    """Let `state` stand at `status`, by way of what lies in between where nobody looked for a moment."""
    if state.status is ConnectionStatus.CONNECTED and status is ConnectionStatus.CONNECTING:
        status = ConnectionStatus.RECONNECTING
    if status is ConnectionStatus.CONNECTED and state.status in {
        ConnectionStatus.DISCONNECTED,
        ConnectionStatus.ERROR,
    }:
        state.enter(ConnectionStatus.CONNECTING)
    if (status, reason) != (state.status, state.reason):
        state.enter(status, reason)


def _best(*states: BookState) -> BookState:
    return max(states, key=_BOOKS.index)


def _said(connection: ConnectionState) -> str:
    if connection.status is ConnectionStatus.CONNECTED:
        return connection.reason
    return f"{connection.status}: {connection.reason}" if connection.reason else connection.status.value


def _joined(texts: Mapping[int, str], *, legs: int) -> str:
    said = {text for text in texts.values() if text}
    if len(said) == 1 and len([text for text in texts.values() if text]) == legs:
        return said.pop()
    return "; ".join(f"leg {leg}: {text}" for leg, text in texts.items() if text)


def _sum(earlier: FeedCounters, later: FeedCounters) -> FeedCounters:
    summed = attrs.evolve(later)
    for name in (*_SUMMED, "gaps"):
        setattr(summed, name, getattr(earlier, name) + getattr(later, name))
    for name in _LATEST:
        setattr(summed, name, max(getattr(earlier, name), getattr(later, name)))
    return summed
