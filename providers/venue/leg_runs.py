"""The connections of one leg: what is known of each, and when one may take the place of another. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import attrs
import trio

from core.errors import ConsoleError
from providers.base import BookState, ChannelStatus, FeedCounters, Provider, Standing
from providers.connection import ConnectionStatus
from providers.venue.leg_counts import LegCounters, MergedConnection
from providers.venue.leg_sink import LegSink, Source

_ASKED = ChannelStatus()


@attrs.frozen(kw_only=True)
class Lifetime:
    """When a connection is replaced: drawn anew each time, `earliest_s` to `latest_s` after it was connected, so that
    many do not move at once.

    The old one stays until every channel and book that it has stands on the new one too, `books_s` at most, and
    `overlap_s` longer: what has arrived on the one may still be on its way to the other. A new one that is not even
    connected after `patience_s` is given up, and tried again after as long again. All in seconds.
    """

    earliest_s: float
    latest_s: float
    patience_s: float = 120.0
    books_s: float = 900.0  # Binance gives a snapshot every 0.6 s, of up to 341 symbols, and may refuse some at first
    overlap_s: float = 5.0


@attrs.define(eq=False)
class Run:
    """One provider that streams for a leg. `counters` are those of its stream, None while it has not begun; `given`
    are the symbols that the stream was begun with."""

    provider: Provider
    source: Source
    sink: LegSink
    scope: trio.CancelScope = attrs.Factory(trio.CancelScope)
    counters: Sequence[FeedCounters] | None = None
    given: frozenset[str] = frozenset()
    _connected_ns: int = 0
    _due_s: float = 0.0

    def is_due(
        self, lifetime: Lifetime, now_s: float, *, uniform: Callable[[float, float], float] = random.uniform
    ) -> bool:
        """Whether its connection is to be replaced, `now_s` by a monotonic clock. Only the time of the connection
        that stands counts; to be asked often, so that one that was lost is noticed."""
        connection = self.provider.connection
        if connection.status is not ConnectionStatus.CONNECTED:
            self._connected_ns = 0
            return False
        if connection.since_ns != self._connected_ns:
            self._connected_ns = connection.since_ns
            self._due_s = now_s + uniform(lifetime.earliest_s, lifetime.latest_s)
        return now_s >= self._due_s

    def put_off(self, until_s: float) -> None:
        """Its connection is not to be replaced before `until_s`."""
        self._due_s = until_s

    def stands_like(self, other: Run) -> bool:
        """Whether it is connected, and has every channel and every book that `other` has."""
        if self.counters is None or not self.source.stands:
            return False
        books = {each.instrument.symbol: each.book_state for each in self.counters}
        if any(
            each.book_state is BookState.LIVE and books.get(each.instrument.symbol) is not BookState.LIVE
            for each in other.counters or ()
        ):
            return False
        said = self.provider.subscriptions()
        return not any(
            status.standing is Standing.GRANTED and said.get(symbol, {}).get(name, _ASKED).standing is Standing.ASKED
            for symbol, channels in other.provider.subscriptions().items()
            for name, status in channels.items()
        )


@attrs.define(eq=False)
class Leg:
    """One leg. `runs` are its connections, the one that is to end first; `moving` while one replaces another. `error`
    is why it is over."""

    number: int
    connection: MergedConnection
    counters: LegCounters = attrs.Factory(LegCounters)
    runs: list[Run] = attrs.Factory(list)
    moving: bool = False
    hand_overs: int = 0
    error: ConsoleError | None = None

    def refresh(self) -> None:
        """Take over how its connections stand."""
        self.connection.refresh([run.provider.connection for run in self.runs], named=False)
