"""Kraken spot's live feed without input or output: texts in, records out, texts to send in `outbox`.

Nothing numbers book updates: their checksum is the only sign of loss, and a book that fails it is asked for anew
alone, at growing distances when it keeps failing. Symbols come and go while it runs; the others do not notice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import attrgetter

from core.flow.printable import printable
from core.flow.tape import Tape
from core.model.instruments import Instrument
from providers.base import FeedCounters, Sink
from providers.connection import ConnectionState
from providers.kraken.spot.errors import is_harmless, venue_error
from providers.kraken.spot.market import Market
from providers.kraken.spot.requests import CHANNELS, Requests
from providers.kraken.spot.wire import (
    SNAPSHOT,
    BookFrame,
    HeartbeatFrame,
    Reply,
    StatusFrame,
    TickerFrame,
    TradeFrame,
    decode_frame,
)
from providers.venue.frame_decoder import FrameError
from providers.venue.market_feed import MarketFeed

_PING = json.dumps({"method": "ping"})
_SYMBOL = attrgetter("symbol")


class SpotFeed(MarketFeed[Market, Requests]):
    """Streams trades, quotes and ten-level books into `sink`."""

    CHANNELS = CHANNELS

    def __init__(self, instruments: Sequence[Instrument], sink: Sink, connection: ConnectionState) -> None:
        super().__init__(instruments, sink, connection, requests=Requests())
        self._notice = ""
        self._complaint = ""
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
        self._notice = ""
        return super().opened()

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
        self._ask_again(ts_recv_ns)

    def _market_of(self, counters: FeedCounters, tape: Tape | None) -> Market:
        return Market(counters, self._sink, self._connection, tape=tape)

    def _take_trades(self, frame: TradeFrame, ts_recv_ns: int) -> None:
        items = frame.data
        snapshot = frame.type == SNAPSHOT
        if snapshot:
            items.sort(key=lambda item: item.trade_id)
        for symbol, group in groupby(items, _SYMBOL):  # one, as a rule
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
                self._requests.due_ns.pop((item.symbol, "book"), None)
            if not market.take_book(item, ts_recv_ns, snapshot=snapshot):
                self._broke(item.symbol, ts_recv_ns)

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
                self._lines.write("status", "%s", self._notice)

    def _take_reply(self, reply: Reply, ts_recv_ns: int) -> None:
        channel, symbol = self._requests.asked_for(reply.req_id)
        if reply.success and not reply.error:
            self._granted(reply)
        elif reply.method != "subscribe" or is_harmless(reply.error):
            if reply.method == "subscribe" and channel and (market := self._markets.get(symbol)):
                market.granted(channel)
            self._lines.write(
                "answer", "%s answered: %s", printable(reply.method), printable(reply.error), level=logging.INFO
            )
        else:
            self._refused(reply, ts_recv_ns, channel=channel, symbol=reply.symbol or symbol)

    def _granted(self, reply: Reply) -> None:
        granted = reply.result
        if reply.method != "subscribe" or granted is None:
            return
        if self._complaint and self._connection.reason == self._complaint:
            self._connection.reason = self._complaint = ""
        if granted.channel in CHANNELS and (market := self._markets.get(granted.symbol)):
            market.granted(granted.channel)
        for warning in granted.warnings or ():
            self._lines.write("warning", "%s: %s", printable(granted.symbol), printable(warning))

    def _refused(self, reply: Reply, ts_recv_ns: int, *, channel: str, symbol: str) -> None:
        known = symbol if symbol in self._markets else ""
        self._lines.write(
            f"refusal {known}", "%s refused: %s", printable(symbol) or "a request", printable(reply.error)
        )
        symbols: Iterable[str] = (known,) if known else ()
        if not reply.symbol:
            self._complaint = self._connection.reason = printable(reply.error)
        if not symbol:
            symbols = self._markets if channel else ()
        error = venue_error(reply.error, operation="subscription refused", now_ns=ts_recv_ns)
        self._refuse(symbols, (channel,) if channel else CHANNELS, error, ts_recv_ns)
