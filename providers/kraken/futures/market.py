"""One product of Kraken Futures: what its frames do to its tape, its book, the quotes made of it and its counters."""

from __future__ import annotations

from collections.abc import Sequence

from core.flow.tape import Tape
from core.model.fixedpoint import FixedPointError
from core.model.records import F_LAST, F_MAYBE_BAD_BOOK, F_SNAPSHOT, F_TOB, LEVELS, UNDEF_SIZE
from providers.base import BookState, FeedCounters, Sink
from providers.connection import ConnectionState
from providers.kraken.futures.normalise import (
    NO_QUOTE,
    ProductState,
    Quote,
    apply_change,
    event_time_ns,
    fill_book,
    quote_record,
    read_trades,
    state_of,
    top_of,
)
from providers.kraken.futures.wire import BookChange, BookSnapshot, Ticker, Trade
from providers.venue.market import StreamedMarket
from providers.venue.packing import TradeColumns, pack_mbp10

MAX_LEVELS = 10_000
KEPT_LEVELS = 5_000
KNOWN_UIDS = 1024
"""Ten snapshots' worth of trades are recognised by their uid, whatever number the venue gives them."""


class Market(StreamedMarket[Trade]):
    """The state of one product, kept over reconnects. `state` is what its last ticker said."""

    def __init__(
        self, counters: FeedCounters, sink: Sink, connection: ConnectionState, *, tape: Tape | None = None
    ) -> None:
        super().__init__(counters, sink, connection, tape=tape)
        self.state: ProductState | None = None
        self._quote: Quote | None = None
        self._uids: dict[str, None] = {}
        self._halt = ""

    @property
    def missing(self) -> int:
        """Trades that are known to be missing and may still come."""
        return self._tape.missing

    @property
    def newest_id(self) -> int:
        """The number of the newest trade, 0 before the first."""
        return self._tape.newest_id or 0

    def missing_since(self, trade_id: int) -> int:
        """Those of the missing trades that are newer than one."""
        return self._tape.missing_within(trade_id + 1, self.newest_id)

    def take_trades(self, items: Sequence[Trade], ts_recv_ns: int, *, snapshot: bool = False) -> None:
        """Take the trades, in the order of their numbers, that were not taken before."""
        super().take_trades([item for item in items if self._is_unknown(item)], ts_recv_ns, snapshot=snapshot)

    def take_snapshot(self, item: BookSnapshot, ts_recv_ns: int) -> bool:
        """Take a whole book and publish it. False: it is wrong and must be asked for anew."""
        self.counters.last_recv_ns = ts_recv_ns
        try:
            fill_book(self._book, item)
        except FixedPointError as error:
            self._reject(error)
            self._break(self.counters.problem, ts_recv_ns)
            return False
        self._book_id = item.seq
        return self._taken(item, ts_recv_ns, snapshot=True, changed=True)

    def take_change(self, item: BookChange, ts_recv_ns: int) -> bool:
        """Apply the change and publish what it shows. False: the book is withheld and must be asked for anew."""
        counters = self.counters
        counters.last_recv_ns = ts_recv_ns
        if counters.book_state is not BookState.LIVE:
            return True  # sent before the venue read that we want the book anew
        due = self._book_id + 1
        if item.seq < due:
            counters.duplicates += 1
            return True
        if item.seq > due:
            self._break(f"book: change {item.seq} where {due} is due", ts_recv_ns)
            return False
        try:
            changed = apply_change(self._book, item, shown=LEVELS)
        except FixedPointError as error:
            self._reject(error)
            self._break(counters.problem, ts_recv_ns)
            return False
        self._book_id = due
        return self._taken(item, ts_recv_ns, snapshot=False, changed=changed)

    def take_ticker(self, item: Ticker, ts_recv_ns: int) -> None:
        """Note what the ticker says; that trading is suspended is the operator's business."""
        self.counters.last_recv_ns = ts_recv_ns
        try:
            self.state = state_of(item)
        except FixedPointError as error:
            self._reject(error)
            return
        if item.suspended:
            self._halt = self.counters.problem = "the venue has suspended trading"
        elif self._halt:
            self._clear_problem(self._halt)
            self._halt = ""

    def _is_unknown(self, item: Trade) -> bool:
        if item.trade_id > UNDEF_SIZE:
            self.counters.rejected += 1
            self.counters.problem = f"a trade's number exceeds 32 bits: {item.trade_id}"
            return False
        if not item.uid:
            return True
        if item.uid in self._uids:
            self.counters.duplicates += 1
            return False
        self._uids[item.uid] = None
        if len(self._uids) > KNOWN_UIDS:
            del self._uids[next(iter(self._uids))]
        return True

    def _repeated(self, item: Trade, *, snapshot: bool) -> None:
        if snapshot or not item.uid:
            super()._repeated(item, snapshot=snapshot)
            return
        # Its uid is new: the venue counts from the beginning again, and an operator must know what is being lost.
        self.counters.rejected += 1
        self.counters.problem = f"a new trade under an old number: {item.trade_id}"

    def _read(self, items: Sequence[Trade], received_ns: Sequence[int]) -> TradeColumns:
        return read_trades(items, received_ns)

    def _refuse_trade(self, item: Trade, error: FixedPointError) -> None:
        super()._refuse_trade(item, error)
        self._uids.pop(item.uid, None)  # it may come again, and right

    def _taken(self, item: BookSnapshot | BookChange, ts_recv_ns: int, *, snapshot: bool, changed: bool) -> bool:
        book = self._book
        self.counters.book_updates += 1
        if book.crossed:
            self._break("book: bid above ask", ts_recv_ns)
            return False
        if len(book.bids) > MAX_LEVELS or len(book.asks) > MAX_LEVELS:
            book.truncate(KEPT_LEVELS)
        ts_event_ns = event_time_ns(item.timestamp, ts_recv_ns)
        self._show(ts_event_ns, ts_recv_ns, snapshot=snapshot)
        if changed:
            self._publish(ts_event_ns=ts_event_ns, ts_recv_ns=ts_recv_ns, snapshot=snapshot)
        return True

    def _publish(self, *, ts_event_ns: int, ts_recv_ns: int, snapshot: bool) -> None:
        flags = F_LAST | F_SNAPSHOT if snapshot else F_LAST
        record = pack_mbp10(
            self.instrument,
            self._book,
            sequence=self._book_id,
            ts_event_ns=ts_event_ns,
            ts_recv_ns=ts_recv_ns,
            flags=flags,
        )
        self._books.push(record, self._book_id)
        quote = top_of(self._book)
        if quote != self._quote:
            self._quote = quote
            self._push_quote(quote, ts_event_ns=ts_event_ns, ts_recv_ns=ts_recv_ns, flags=flags | F_TOB)

    def _push_quote(self, quote: Quote, *, ts_event_ns: int, ts_recv_ns: int, flags: int) -> None:
        self.counters.quotes += 1
        record = quote_record(
            self.instrument,
            quote,
            sequence=self._book_id,
            ts_event_ns=ts_event_ns,
            ts_recv_ns=ts_recv_ns,
            flags=flags,
        )
        self._quotes.push(record, self._book_id)

    def _withhold(self, ts_recv_ns: int) -> None:
        super()._withhold(ts_recv_ns)
        if self._quote is None:
            return
        # Its quote came from the book: where the one may be wrong, so may the other.
        self._quote = None
        flags = F_LAST | F_TOB | F_MAYBE_BAD_BOOK
        instant_ns = max(ts_recv_ns, self._book_ns)
        self._push_quote(NO_QUOTE, ts_event_ns=instant_ns, ts_recv_ns=ts_recv_ns, flags=flags)
