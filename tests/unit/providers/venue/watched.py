"""A venue of bare counters for the watchdog's tests: whoever holds it says what comes, second by second."""

from __future__ import annotations

import random
from collections.abc import Mapping

import attrs

from core.clock import NS_PER_S
from core.model.instruments import Instrument, Product
from providers.base import BookState, FeedCounters
from providers.connection import ConnectionState, ConnectionStatus
from providers.venue.watchdog import Health, Verdict, Watchdog

_ANY = Instrument(
    venue="KRAKEN", symbol="ANY", venue_symbol="ANY", canonical="ANY", base="BTC", quote="USD", settle="USD",
    product=Product.SPOT, price_decimals=1, quantity_decimals=8, price_increment_e9=10**8, quantity_increment_e8=1,
)  # fmt: skip


class Watched:
    """A connected venue of symbols with live books, and its watchdog. `said` is the last answer."""

    def __init__(self, *symbols: str) -> None:
        self.connection = ConnectionState("KRAKEN")
        self.connection.enter(ConnectionStatus.CONNECTING)
        self.connection.enter(ConnectionStatus.CONNECTED)
        self.counters = {symbol: self.counted(symbol) for symbol in symbols}
        self.watchdog = Watchdog()
        self.now_ns = self.connection.since_ns
        self.said: dict[str, Verdict] = {}

    @staticmethod
    def counted(symbol: str) -> FeedCounters:
        """The counters of a symbol before anything came."""
        return FeedCounters(attrs.evolve(_ANY, symbol=symbol), book_state=BookState.LIVE)

    def second(
        self, trades: Mapping[str, int] | None = None, *, heartbeat: bool = True, after_s: float = 1.0
    ) -> None:
        """Let time pass, then that many trades come, each with a quote and a change of the book; look."""
        self.now_ns += int(after_s * NS_PER_S)
        self.connection.messages += heartbeat
        for symbol, count in (trades or {}).items():
            counters = self.counters[symbol]
            counters.trades += count
            counters.quotes += count
            counters.book_updates += count
        self.said = self.watchdog.look(self.connection, tuple(self.counters.values()), now_ns=self.now_ns)

    def seconds(self, count: int, trades: Mapping[str, int] | None = None, *, heartbeat: bool = True) -> None:
        """That many alike."""
        for _ in range(count):
            self.second(trades, heartbeat=heartbeat)

    def health(self, symbol: str) -> Health:
        """What was said last of a symbol."""
        return self.said[symbol].health

    def reason(self, symbol: str) -> str:
        """Why."""
        return self.said[symbol].reason


def arrivals(chance: random.Random, rate: float) -> int:
    """How many come in a second of a Poisson process."""
    count, left_s = 0, chance.expovariate(rate)
    while left_s < 1.0:
        count += 1
        left_s += chance.expovariate(rate)
    return count
