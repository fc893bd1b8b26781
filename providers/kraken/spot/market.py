"""One symbol of Kraken spot: what its frames do to its tape, its last quote, its book and its counters."""

from __future__ import annotations

from collections.abc import Sequence

from core.flow.tape import Tape
from core.model.fixedpoint import FixedPointError
from core.model.records import F_LAST, F_SNAPSHOT, F_TOB
from providers.base import BookState, FeedCounters, Sink
from providers.connection import ConnectionState
from providers.kraken.spot.normalise import (
    BookChecksum,
    Quote,
    apply_levels,
    event_time_ns,
    quote_of,
    quote_record,
    read_trades,
)
from providers.kraken.spot.wire import BookItem, TickerItem, TradeItem
from providers.venue.market import StreamedMarket
from providers.venue.packing import TradeColumns, pack_mbp10

DEPTH = 10


class Market(StreamedMarket[TradeItem]):
    """The state of one symbol, kept over reconnects."""

    def __init__(
        self, counters: FeedCounters, sink: Sink, connection: ConnectionState, *, tape: Tape | None = None
    ) -> None:
        super().__init__(counters, sink, connection, tape=tape)
        self._quote: Quote | None = None
        self._checksum = BookChecksum(
            price_decimals=self.instrument.price_decimals, quantity_decimals=self.instrument.quantity_decimals
        )

    def opened(self) -> None:
        """A fresh connection: nothing is refused yet, the book waits for its snapshot and any quote is news."""
        super().opened()
        self._quote = None

    def take_quote(self, item: TickerItem, ts_recv_ns: int, *, snapshot: bool) -> None:
        """Publish the quote, if it is one and says something new: tickers also come when only trades changed."""
        counters = self.counters
        counters.last_recv_ns = ts_recv_ns
        try:
            quote = quote_of(item)
        except FixedPointError as error:
            self._reject(error)
            return
        if quote is None or quote == self._quote:
            return
        ts_event_ns = event_time_ns(item.timestamp, ts_recv_ns)
        flags = F_LAST | F_TOB | F_SNAPSHOT if snapshot else F_LAST | F_TOB
        record = quote_record(self.instrument, quote, ts_event_ns=ts_event_ns, ts_recv_ns=ts_recv_ns, flags=flags)
        self._quote = quote
        counters.last_event_ns = ts_event_ns
        if not snapshot:
            self._check_clock(ts_recv_ns - ts_event_ns)
        self._add_quote(record)

    def take_book(self, item: BookItem, ts_recv_ns: int, *, snapshot: bool) -> bool:
        """Apply the change and publish the book. False: it is wrong and withheld, and must be asked for anew."""
        counters = self.counters
        counters.last_recv_ns = ts_recv_ns
        if snapshot:
            self._book.clear()
        elif counters.book_state is not BookState.LIVE:
            return True  # sent before the venue read that we want the book anew
        try:
            apply_levels(self._book, item, depth=DEPTH)
        except FixedPointError as error:
            self._reject(error)
            self._break(counters.problem, ts_recv_ns)
            return False
        counters.book_updates += 1
        if self._checksum.of(self._book) != item.checksum:
            counters.checksum_bad += 1
            self._break("the book's checksum is wrong", ts_recv_ns)
            return False
        counters.checksum_ok += 1
        ts_event_ns = event_time_ns(item.timestamp, ts_recv_ns)
        self._show(ts_event_ns, ts_recv_ns, snapshot=snapshot)
        flags = F_LAST | F_SNAPSHOT if snapshot else F_LAST
        self._books.push(
            pack_mbp10(
                self.instrument,
                self._book,
                sequence=0,
                ts_event_ns=ts_event_ns,
                ts_recv_ns=ts_recv_ns,
                flags=flags,
            )
        )
        return True

    def _read(self, items: Sequence[TradeItem], received_ns: Sequence[int]) -> TradeColumns:
        return read_trades(items, received_ns)
