"""One symbol of Binance: its trades, its quotes and its book."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.flow.tape import Tape
from core.model.fixedpoint import FixedPointError
from core.model.records import Schema
from providers.base import FeedCounters, Sink
from providers.binance.depth import DepthBook
from providers.binance.normalise import NS_PER_MS, Depth, Quote, Trade, quote_record, read_trades
from providers.connection import ConnectionState
from providers.venue.packing import TradeColumns
from providers.venue.traded import TradedMarket


class Market(TradedMarket[Trade]):
    """The state of one symbol, kept over reconnects. `request_snapshot` is `DepthBook`'s."""

    def __init__(
        self,
        counters: FeedCounters,
        sink: Sink,
        connection: ConnectionState,
        *,
        tape: Tape | None,
        request_snapshot: Callable[[DepthBook], None],
    ) -> None:
        super().__init__(counters, sink, connection, tape=tape)
        self.book = DepthBook(self.instrument, counters, sink.channel(self.instrument, Schema.BOOK), request_snapshot)
        self._newest_quote = -1

    def opened(self) -> None:
        """A fresh connection: the book starts over, any quote is news."""
        self._newest_quote = -1
        self._returning = False
        self.book.begin()

    def closed(self) -> None:
        """The connection is lost: a book that stands is withheld."""
        self.publish()
        self.book.withhold()

    def granted(self) -> None:
        """The venue gives the symbol's streams."""
        if self._returning:
            self._restart()
        self.book.ask()

    def left(self) -> Tape:
        """Nobody wants the symbol any more: take its book back. Returns the tape, for the day it is wanted again."""
        self._restart()
        self.book.end()
        self.counters.problem = ""
        return self._tape

    def take_quote(self, quote: Quote, ts_recv_ns: int) -> None:
        """Take a quote; one that is not newer than the last is dropped."""
        counters = self.counters
        if quote.update_id <= self._newest_quote:
            if quote.update_id == self._newest_quote:
                counters.duplicates += 1
            else:
                counters.out_of_order += 1
            return
        try:
            record = quote_record(self.instrument, quote, ts_recv_ns=ts_recv_ns)
        except FixedPointError as error:
            self._reject(error)
            return
        self._newest_quote = quote.update_id
        self._add_quote(record, quote.update_id)
        counters.last_recv_ns = ts_recv_ns

    def take_depth(self, event: Depth, ts_recv_ns: int) -> None:
        """Take changes of the book."""
        if self._returning:
            return  # the snapshot is asked for with the answer, and no change before that answer would join it
        ts_event_ns = event.sent_ms * NS_PER_MS
        self._check_clock(ts_recv_ns - ts_event_ns)
        self.counters.last_event_ns = ts_event_ns
        self.counters.last_recv_ns = ts_recv_ns
        self.book.take(event, ts_recv_ns)

    def _read(self, items: Sequence[Trade], _received_ns: Sequence[int]) -> TradeColumns:
        return read_trades(items)
