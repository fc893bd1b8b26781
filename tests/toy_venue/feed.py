"""The toy venue's live feed without input or output: texts in, records out, texts to send in `outbox`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import msgspec

from core.flow.tape import Tape
from core.model.fixedpoint import FixedPointError
from core.model.instruments import Instrument
from core.model.records import F_LAST, F_SNAPSHOT
from providers.base import BookState, FeedCounters, Sink
from providers.connection import ConnectionState
from providers.venue.market import StreamedMarket
from providers.venue.market_feed import MarketFeed, SymbolRequests
from providers.venue.packing import TradeColumns, columns_of, pack_mbp10
from providers.venue.repeats import ASK_AGAIN_NS, BOOK
from tests.toy_venue.errors import venue_error
from tests.toy_venue.normalise import (
    NS_PER_US,
    BookFrame,
    Granted,
    Refused,
    TradeRow,
    apply_levels,
    decode_frame,
    read_trade,
)

CHANNELS: Final = ("trade", BOOK)
_PING: Final = json.dumps({"do": "ping"})


class Market(StreamedMarket[TradeRow]):
    """One market. Its tape, its problems and its counters are `StreamedMarket`'s business, its book is ours."""

    def take_book(self, frame: BookFrame, ts_recv_ns: int) -> bool:
        """Apply the frame and publish the book. False: it is withheld and must be asked for anew."""
        counters = self.counters
        counters.last_recv_ns = ts_recv_ns
        if not frame.whole:
            if counters.book_state is not BookState.LIVE:
                return True  # sent before the venue read that we want the book anew
            due = self._book_id + 1
            if frame.seq < due:
                counters.duplicates += 1
                return True
            if frame.seq > due:
                self._break(f"book: change {frame.seq} where {due} is due", ts_recv_ns)
                return False
        try:
            apply_levels(self._book, frame)
        except FixedPointError as error:
            self._reject(error)
            self._break(counters.problem, ts_recv_ns)
            return False
        self._book_id = frame.seq
        counters.book_updates += 1
        if self._book.crossed:
            self._break("book: bid above ask", ts_recv_ns)
            return False
        ts_event_ns = frame.at * NS_PER_US
        self._show(ts_event_ns, ts_recv_ns, snapshot=frame.whole)
        flags = F_LAST | F_SNAPSHOT if frame.whole else F_LAST
        record = pack_mbp10(
            self.instrument,
            self._book,
            sequence=frame.seq,
            ts_event_ns=ts_event_ns,
            ts_recv_ns=ts_recv_ns,
            flags=flags,
        )
        self._books.push(record, frame.seq)
        return True

    def _read(self, items: Sequence[TradeRow], _received_ns: Sequence[int]) -> TradeColumns:
        return columns_of([read_trade(item) for item in items])


class Requests(SymbolRequests):
    """What the venue is asked for."""

    def opening(self, symbols: Sequence[str]) -> list[str]:
        """One request a channel and symbol: the venue has no words for several at once."""
        self.forget()
        return [_request("subscribe", channel, symbol) for symbol in symbols for channel in CHANNELS]

    def subscribe(self, symbol: str) -> None:
        """Ask for both channels of one symbol."""
        self.outbox += [_request("subscribe", channel, symbol) for channel in CHANNELS]

    def unsubscribe(self, symbol: str) -> None:
        """Ask for no more of one symbol."""
        self.outbox += [_request("unsubscribe", channel, symbol) for channel in CHANNELS]

    def ask_again(self, ts_recv_ns: int) -> list[str]:
        """Ask anew for what is due: only a new subscription brings a whole book. Returns the books' symbols."""
        books = []
        for symbol, channel in self.due(ts_recv_ns):
            del self.due_ns[symbol, channel]
            self.outbox += [_request(act, channel, symbol) for act in ("unsubscribe", "subscribe")]
            if channel == BOOK:
                books.append(symbol)
                self.due_ns[symbol, channel] = ts_recv_ns + ASK_AGAIN_NS
        return books


class ToyFeed(MarketFeed[Market, Requests]):
    """Streams trades and books into `sink`."""

    CHANNELS = CHANNELS

    def __init__(self, instruments: Sequence[Instrument], sink: Sink, connection: ConnectionState) -> None:
        super().__init__(instruments, sink, connection, requests=Requests())

    def probe(self) -> str:
        """A ping, which the venue answers."""
        return _PING

    def handle(self, text: str, ts_recv_ns: int) -> None:
        """Take one frame.

        Raises:
            PermanentError: the venue refuses every symbol.
        """
        try:
            frame = decode_frame(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            self._malformed(text, why=str(error))
            return
        match frame:
            case TradeRow():
                if market := self._market(frame.market):
                    market.take_trade(frame, ts_recv_ns)
            case BookFrame():
                self._take_book(frame, ts_recv_ns)
            case Granted():
                if frame.channel in CHANNELS and (market := self._markets.get(frame.market)):
                    market.granted(frame.channel)
            case Refused():
                known = [frame.market] if frame.market in self._markets else []
                channels = [frame.channel] if frame.channel in CHANNELS else CHANNELS
                refusal = venue_error(frame.why, operation="subscription refused")
                self._refuse(known, channels, refusal, ts_recv_ns)
        self._ask_again(ts_recv_ns)

    def _market_of(self, counters: FeedCounters, tape: Tape | None) -> Market:
        return Market(counters, self._sink, self._connection, tape=tape)

    def _take_book(self, frame: BookFrame, ts_recv_ns: int) -> None:
        market = self._market(frame.market)
        if market is None:
            return
        if frame.whole:
            self._requests.due_ns.pop((frame.market, BOOK), None)
        if not market.take_book(frame, ts_recv_ns):
            self._broke(frame.market, ts_recv_ns)


def _request(act: str, channel: str, symbol: str) -> str:
    return json.dumps({"do": act, "channel": channel, "market": symbol})
