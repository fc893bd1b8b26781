"""The half of a live feed that is alike at venues which are asked for channels of symbols: symbols come and go.

Texts in, records out, texts to send in `outbox`; no input or output.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from core.clock import NS_PER_S
from core.errors import ConsoleError, PermanentError, ResourceExhaustedError
from core.flow.printable import printable
from core.flow.tape import Tape
from core.model.instruments import Instrument
from providers.base import ChannelStatus, FeedCounters, Sink, Subscription
from providers.connection import ConnectionState
from providers.venue.market import StreamedMarket
from providers.venue.repeats import ASK_AGAIN_NS, Repeats
from providers.venue.sparse_log import SparseLog

_EXCERPT = 160
_ASKED = ChannelStatus()


class SymbolRequests(Repeats, ABC):
    """What the venue is asked for, put into `outbox`, and when something is asked for again."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox: list[str] = []

    @abstractmethod
    def opening(self, symbols: Sequence[str]) -> list[str]:
        """What to send first on a fresh connection; what was asked for on the last one is forgotten."""

    @abstractmethod
    def subscribe(self, symbol: str) -> None:
        """Ask for every channel of one symbol."""

    @abstractmethod
    def unsubscribe(self, symbol: str) -> None:
        """Ask for no more of one symbol."""

    @abstractmethod
    def ask_again(self, ts_recv_ns: int) -> list[str]:
        """Ask for what is due, and return the symbols whose books were asked for."""


Market = TypeVar("Market", bound=StreamedMarket[Any])
Requests = TypeVar("Requests", bound=SymbolRequests)


class MarketFeed(ABC, Generic[Market, Requests]):
    """Streams into `sink`: `instruments` and what `subscribe` adds. A symbol that leaves or fails disturbs no other.

    `counters` are those of every symbol that was ever streamed, `active` those of the ones streamed now. `CHANNELS`
    are all that the venue can refuse.
    """

    CHANNELS: Sequence[str] = ()

    def __init__(
        self, instruments: Sequence[Instrument], sink: Sink, connection: ConnectionState, *, requests: Requests
    ) -> None:
        self.outbox = requests.outbox
        self.counters = [FeedCounters(instrument) for instrument in instruments]
        self.active = list(self.counters)
        self._sink = sink
        self._connection = connection
        self._requests = requests
        self._markets = {
            counters.instrument.venue_symbol: self._market_of(counters, None) for counters in self.counters
        }
        # The tapes of symbols streamed no more: late frames of theirs are expected, and a return goes on from there.
        self._left: dict[str, Tape] = {}
        self._touched: dict[str, Market] = {}
        self._changed = False
        self._lines = SparseLog(logging.getLogger(f"ringside.{connection.venue.lower()}"))

    @abstractmethod
    def _market_of(self, counters: FeedCounters, tape: Tape | None) -> Market:
        """The state of one symbol of this venue."""

    def opened(self) -> list[str]:
        """A fresh connection: what to send first."""
        for market in self._markets.values():
            market.opened()
        return self._requests.opening(tuple(self._markets))

    def closed(self) -> None:
        """The connection is lost: every book is withheld."""
        self._requests.forget()
        for market in self._markets.values():
            market.closed()

    def subscribe(self, instrument: Instrument) -> FeedCounters:
        """Stream `instrument` too; see `Provider.subscribe`. From then on no refusal ends the stream."""
        name = instrument.venue_symbol
        market = self._markets.get(name)
        if market is not None:
            return market.counters
        known = next((each for each in self.counters if each.instrument.symbol == instrument.symbol), None)
        counters = known or FeedCounters(instrument)
        counters.instrument = instrument
        market = self._market_of(counters, self._left.get(name))
        if known is None:
            self.counters.append(counters)
        self._left.pop(name, None)
        self.active.append(counters)
        self._markets[name] = market
        self._changed = True
        market.opened()
        self._requests.subscribe(name)
        return counters

    def unsubscribe(self, symbol: str) -> None:
        """Stop streaming `symbol`; see `Provider.unsubscribe`."""
        market = next((each for each in self._markets.values() if each.instrument.symbol == symbol), None)
        if market is None:
            return
        name = market.instrument.venue_symbol
        del self._markets[name]
        self.active[:] = [each for each in self.active if each is not market.counters]
        self._left[name] = market.left()
        self._changed = True
        self._requests.drop(name)
        self._requests.unsubscribe(name)

    def subscriptions(self) -> Mapping[str, Subscription]:
        """What is wanted and what the venue says to it; see `Provider.subscriptions`."""
        return {
            market.instrument.symbol: {name: market.channels.get(name, _ASKED) for name in self.CHANNELS}
            for market in self._markets.values()
        }

    @abstractmethod
    def handle(self, text: str, ts_recv_ns: int) -> None:
        """Take one frame; see `ws_client.Feed.handle`."""

    def flush(self) -> None:
        """Publish what the frames since the last time brought; see `ws_client.Feed.flush`."""
        for market in self._touched.values():
            market.publish()
        self._touched.clear()

    @abstractmethod
    def probe(self) -> str:
        """A question that the venue answers whenever it is alive."""

    def _ask_again(self, ts_recv_ns: int) -> None:
        if self._requests.due_ns:
            for symbol in self._requests.ask_again(ts_recv_ns):
                self._markets[symbol].expect_snapshot()

    def _broke(self, symbol: str, ts_recv_ns: int) -> None:
        problem = self._markets[symbol].counters.problem
        self._lines.write(f"book {symbol}", "%s: %s; asking for it anew", symbol, problem)
        self._requests.broke(symbol, ts_recv_ns)

    def _refuse(self, symbols: Iterable[str], channels: Sequence[str], error: ConsoleError, ts_recv_ns: int) -> None:
        for symbol in symbols:
            if isinstance(error, PermanentError):
                self._markets[symbol].refuse(channels, error.subject)
                for channel in channels:
                    self._requests.due_ns.pop((symbol, channel), None)
                continue
            self._markets[symbol].put_off(channels, error.subject)
            wait_s = error.retry_after_s if isinstance(error, ResourceExhaustedError) else 0.0
            for channel in channels:
                self._requests.due_ns[symbol, channel] = ts_recv_ns + max(int(wait_s * NS_PER_S), ASK_AGAIN_NS // 6)
        if self._changed or not self._markets:
            return
        if all(market.refused.issuperset(self.CHANNELS) for market in self._markets.values()):
            names = ", ".join(self._markets)[:80]
            raise type(error)(f"{self._connection.venue} refuses every symbol", names, hint=error.subject)

    def _market(self, symbol: str) -> Market | None:
        market = self._markets.get(symbol)
        if market is not None:
            self._touched[symbol] = market
        elif symbol not in self._left:
            self._malformed(symbol, why="a symbol that was not asked for")
        return market

    def _malformed(self, text: str, *, why: str) -> None:
        self._connection.malformed += 1
        self._lines.write("frame", "frame not understood: %s: %s", printable(why), printable(text, _EXCERPT))
