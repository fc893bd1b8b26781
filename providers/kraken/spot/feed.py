"""Kraken spot's live feed without input or output: texts in, records out, texts to send in `outbox`.

Each channel is asked for once for all symbols. Nothing numbers book updates: their checksum is the only sign of
loss, and a book that fails it is asked for anew alone, at growing distances when it keeps failing.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterable, Sequence

from core.clock import NS_PER_S
from core.errors import PermanentError, ResourceExhaustedError
from core.model.instruments import Instrument
from providers.base import ConnectionState, FeedCounters, Sink
from providers.kraken.spot.errors import is_harmless, printable, venue_error
from providers.kraken.spot.market import DEPTH, Market
from providers.kraken.spot.wire import (
    SNAPSHOT,
    BookFrame,
    FrameError,
    HeartbeatFrame,
    Reply,
    StatusFrame,
    TickerFrame,
    TradeFrame,
    decode_frame,
)

ASK_AGAIN_NS = 30 * NS_PER_S
"""The longest wait before a symbol is asked for again, and how long an answer is waited for."""
CALM_NS = 60 * NS_PER_S
"""After this long without a break a book's next break is its first again."""

_PARAMETERS: dict[str, dict[str, object]] = {
    "trade": {"snapshot": True},
    "ticker": {"event_trigger": "bbo", "snapshot": True},
    "book": {"depth": DEPTH, "snapshot": True},
}
CHANNELS = tuple(_PARAMETERS)
# A refusal names the symbol but not the channel; the number we send with a request comes back with it.
_REQUEST_IDS = {channel: number for number, channel in enumerate(CHANNELS, start=1)}
_CHANNEL_OF = {number: channel for channel, number in _REQUEST_IDS.items()}
_PING = json.dumps({"method": "ping"})
_EXCERPT_CHARACTERS = 160


class SpotFeed:
    """Streams trades, quotes and ten-level books of `instruments` into `sink`, counting in `counters`."""

    def __init__(self, instruments: Sequence[Instrument], sink: Sink, connection: ConnectionState) -> None:
        self.outbox: list[str] = []
        self.counters = [FeedCounters(instrument) for instrument in instruments]
        self._connection = connection
        self._markets = {
            counters.instrument.venue_symbol: Market(counters, sink, connection) for counters in self.counters
        }
        self._due_ns: dict[tuple[str, str], int] = {}
        self._breaks: dict[str, tuple[int, int]] = {}
        self._notice = ""
        self._complaint = ""
        self._log = logging.getLogger(f"ringside.{connection.venue.lower()}")
        self._takers: dict[type, Callable[..., None]] = {
            TradeFrame: self._take_trades,
            TickerFrame: self._take_quotes,
            BookFrame: self._take_books,
            StatusFrame: self._take_status,
            HeartbeatFrame: self._take_heartbeat,
            Reply: self._take_reply,
        }

    def opened(self) -> list[str]:
        """A fresh connection: what to send first, one request a channel."""
        self._due_ns.clear()
        self._notice = ""
        for market in self._markets.values():
            market.opened()
        return [_request(self._markets, method="subscribe", channel=channel) for channel in CHANNELS]

    def closed(self) -> None:
        """The connection is lost: every book is withheld."""
        self._due_ns.clear()
        for market in self._markets.values():
            market.closed()

    def probe(self) -> str:
        """A ping, which the venue always answers."""
        return _PING

    def handle(self, text: str, ts_recv_ns: int) -> None:
        """Take one frame.

        Raises:
            PermanentError: the venue refuses every symbol.
        """
        try:
            frame = decode_frame(text)
        except FrameError as error:
            self._malformed(text, why=str(error))
            return
        self._takers[type(frame)](frame, ts_recv_ns)
        if self._due_ns:
            self._ask_again(ts_recv_ns)

    def _take_trades(self, frame: TradeFrame, ts_recv_ns: int) -> None:
        items = frame.data
        snapshot = frame.type == SNAPSHOT
        if len(items) == 1:
            if market := self._market(items[0].symbol):
                market.take_trades(items, ts_recv_ns, snapshot=snapshot)
            return
        if snapshot:
            items.sort(key=lambda item: item.trade_id)
        items.sort(key=lambda item: item.symbol)  # stable, and nearly always sorted already
        for symbol, group in itertools.groupby(items, key=lambda item: item.symbol):
            if market := self._market(symbol):
                market.take_trades(list(group), ts_recv_ns, snapshot=snapshot)

    def _take_quotes(self, frame: TickerFrame, ts_recv_ns: int) -> None:
        for item in frame.data:
            if market := self._market(item.symbol):
                market.take_quote(item, ts_recv_ns, snapshot=frame.type == SNAPSHOT)

    def _take_books(self, frame: BookFrame, ts_recv_ns: int) -> None:
        snapshot = frame.type == SNAPSHOT
        for item in frame.data:
            market = self._market(item.symbol)
            if market is None:
                continue
            if snapshot:
                self._due_ns.pop((item.symbol, "book"), None)
            if not market.take_book(item, ts_recv_ns, snapshot=snapshot):
                self._log.warning("%s: %s; asking for it anew", item.symbol, market.counters.problem)
                self._due_ns[item.symbol, "book"] = ts_recv_ns + self._penalty_ns(item.symbol, ts_recv_ns)

    def _take_heartbeat(self, _frame: HeartbeatFrame, _ts_recv_ns: int) -> None:
        pass

    def _take_status(self, frame: StatusFrame, _ts_recv_ns: int) -> None:
        for item in frame.data:
            if item.system == "online":
                if self._connection.reason == self._notice:
                    self._connection.reason = ""
                self._notice = ""
            elif item.system:
                self._notice = f"the venue says: {printable(item.system)}"
                self._connection.reason = self._notice
                self._log.warning("%s", self._notice)

    def _take_reply(self, reply: Reply, ts_recv_ns: int) -> None:
        if reply.success and not reply.error:
            self._granted(reply)
        elif reply.method != "subscribe" or is_harmless(reply.error):
            self._log.info("%s answered: %s", printable(reply.method), printable(reply.error))
        else:
            self._refused(reply, ts_recv_ns)

    def _granted(self, reply: Reply) -> None:
        granted = reply.result
        if reply.method != "subscribe" or granted is None:
            return
        if self._complaint and self._connection.reason == self._complaint:
            self._connection.reason = self._complaint = ""
        if market := self._markets.get(granted.symbol):
            market.granted(granted.channel)
        for warning in granted.warnings or ():
            self._log.warning("%s: %s", printable(granted.symbol), printable(warning))

    def _refused(self, reply: Reply, ts_recv_ns: int) -> None:
        self._log.warning("%s refused: %s", printable(reply.symbol) or "a request", printable(reply.error))
        channel = _CHANNEL_OF.get(reply.req_id or 0)
        symbols: Iterable[str] = (reply.symbol,) if reply.symbol in self._markets else ()
        if not reply.symbol:
            self._complaint = self._connection.reason = printable(reply.error)
            symbols = self._markets if channel else ()
        error = venue_error(reply.error, operation="subscription refused", now_ns=ts_recv_ns)
        for symbol in symbols:
            self._refuse(symbol, (channel,) if channel else CHANNELS, error, ts_recv_ns)
        if self._markets and all(market.refused.issuperset(CHANNELS) for market in self._markets.values()):
            names = ", ".join(self._markets)[:80]
            raise type(error)(f"{self._connection.venue} refuses every symbol", names, hint=printable(reply.error))

    def _refuse(self, symbol: str, channels: Sequence[str], error: Exception, ts_recv_ns: int) -> None:
        if isinstance(error, PermanentError):
            self._markets[symbol].refuse(channels, error.subject)
            for channel in channels:
                self._due_ns.pop((symbol, channel), None)
            return
        wait_s = error.retry_after_s if isinstance(error, ResourceExhaustedError) else 0.0
        for channel in channels:
            self._due_ns[symbol, channel] = ts_recv_ns + max(int(wait_s * NS_PER_S), ASK_AGAIN_NS // 6)

    def _penalty_ns(self, symbol: str, ts_recv_ns: int) -> int:
        # The first break is mended at once; a book that goes on breaking must not use up the venue's patience.
        count, last_ns = self._breaks.get(symbol, (0, 0))
        count = count + 1 if ts_recv_ns - last_ns < CALM_NS else 1
        self._breaks[symbol] = (count, ts_recv_ns)
        return 0 if count == 1 else min(NS_PER_S << min(count - 2, 8), ASK_AGAIN_NS)

    def _ask_again(self, ts_recv_ns: int) -> None:
        due = [key for key, instant_ns in self._due_ns.items() if instant_ns <= ts_recv_ns]
        for symbol, channel in due:
            if channel == "book":
                self.outbox.append(_request((symbol,), method="unsubscribe", channel=channel))
                self._markets[symbol].expect_snapshot()
                self._due_ns[symbol, channel] = ts_recv_ns + ASK_AGAIN_NS
            else:
                del self._due_ns[symbol, channel]
            self.outbox.append(_request((symbol,), method="subscribe", channel=channel))

    def _market(self, symbol: str) -> Market | None:
        market = self._markets.get(symbol)
        if market is None:
            self._malformed(symbol, why="a symbol that was not asked for")
        return market

    def _malformed(self, text: str, *, why: str) -> None:
        self._connection.malformed += 1
        count = self._connection.malformed
        if count & (count - 1) == 0:  # a venue gone mad must not fill the log
            excerpt = ascii(text[:_EXCERPT_CHARACTERS])
            self._log.warning("frame %d not understood: %s: %s", count, printable(why), excerpt)


def _request(symbols: Iterable[str], *, method: str, channel: str) -> str:
    parameters = {"channel": channel, "symbol": list(symbols), **_PARAMETERS[channel]}
    return json.dumps({"method": method, "params": parameters, "req_id": _REQUEST_IDS[channel]})
