"""One streamed symbol: what every venue's frames do to its tape, its book's state, its problems and its counters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from core.flow.printable import printable
from core.flow.tape import Tape, Verdict
from core.model.fixedpoint import FixedPointError
from core.model.records import F_LAST, F_SNAPSHOT, Schema
from providers.base import BookState, ChannelStatus, FeedCounters, Sink, Standing
from providers.connection import ConnectionState
from providers.venue.book import Book
from providers.venue.packing import pack_withheld_book
from providers.venue.repeats import BOOK
from providers.venue.skew import MAX_SKEW_NS, skew_problem


class NumberedTrade(Protocol):
    """A trade as a venue sends it: `trade_id` rises by one from trade to trade of a symbol."""

    trade_id: int


_NEW = Verdict.NEW  # what nearly every trade is: looked up in its enumeration once

Item = TypeVar("Item", bound=NumberedTrade)


class StreamedMarket(ABC, Generic[Item]):
    """The state of one symbol, kept over reconnects. `channels` holds what the venue said to the channels that it
    was asked for on this connection.

    A symbol that was streamed before brings its `tape`: what was missed meanwhile is no gap. A venue's own market
    builds upon this one: `_trade` makes its records, `TRADES` is the name of its channel of trades.
    """

    TRADES = "trade"

    def __init__(
        self, counters: FeedCounters, sink: Sink, connection: ConnectionState, *, tape: Tape | None = None
    ) -> None:
        self.counters = counters
        self.instrument = counters.instrument
        self.channels: dict[str, ChannelStatus] = {}
        self._connection = connection
        self._trades = sink.channel(self.instrument, Schema.TRADES)
        self._quotes = sink.channel(self.instrument, Schema.QUOTES)
        self._books = sink.channel(self.instrument, Schema.BOOK)
        self._tape = tape or Tape()
        self._book = Book()
        self._book_id = 0
        self._book_ns = 0
        self._returning = tape is not None
        self._clock_problem = ""
        self._book_problem = ""
        self._refusal = ""

    @property
    def refused(self) -> set[str]:
        """The channels that the venue will not give."""
        return {name for name, status in self.channels.items() if status.standing is Standing.REFUSED}

    def opened(self) -> None:
        """A fresh connection: nothing is refused yet and the book waits for its snapshot."""
        self.channels.clear()
        self.expect_snapshot()

    def closed(self) -> None:
        """The connection is lost: nothing is granted, and what the book says may no longer be so."""
        self.channels.clear()
        if self.counters.book_state is not BookState.NONE:
            self._withhold(self.counters.last_recv_ns)

    def left(self) -> Tape:
        """Nobody wants the symbol any more: take its book back. Returns the tape, for the day it is wanted again."""
        self._withhold(self.counters.last_recv_ns)
        self.counters.book_state = BookState.NONE
        self.counters.problem = ""
        self._tape.restart()
        return self._tape

    def expect_snapshot(self) -> None:
        """The book was asked for: updates before its snapshot are not for it."""
        self._book.clear()
        self.channels.pop(BOOK, None)
        self.counters.book_state = BookState.SYNCING

    def put_off(self, channels: Iterable[str], text: str) -> None:
        """The venue does not give these channels now: they will be asked for again."""
        self.channels.update(dict.fromkeys(channels, ChannelStatus(Standing.ASKED, printable(text))))

    def refuse(self, channels: Iterable[str], text: str) -> None:
        """The venue will not give these channels."""
        self._refusal = self.counters.problem = printable(text)
        self.channels.update(dict.fromkeys(channels, ChannelStatus(Standing.REFUSED, self._refusal)))
        if BOOK in self.refused:
            self._withhold(self.counters.last_recv_ns)
            self.counters.book_state = BookState.NONE

    def granted(self, channel: str) -> None:
        """The venue gives `channel`."""
        self.channels[channel] = ChannelStatus(Standing.GRANTED)
        if channel == self.TRADES and self._returning:
            # Trades that the last subscription still sent are not next to those of this one.
            self._tape.restart()
            self._returning = False
        if not self.refused and self._refusal:
            self._clear_problem(self._refusal)
            self._refusal = ""

    def take_trades(self, items: Sequence[Item], ts_recv_ns: int, *, snapshot: bool) -> None:
        """Publish the trades that the tape does not have yet."""
        counters, tape = self.counters, self._tape
        flags = F_LAST | F_SNAPSHOT if snapshot else F_LAST
        accept, read, note_delay = tape.accept, self._trade, self._connection.venue_delay.record
        records: list[bytes] = []
        newest_id = 0
        for item in items:
            try:
                ts_event_ns, record = read(item, ts_recv_ns, flags)
            except FixedPointError as error:
                self._reject(error)
                continue
            # Only now: the number of a trade that cannot be held stays free, and so missing, until it comes right.
            verdict = accept(item.trade_id)
            if verdict is not _NEW:
                if verdict is Verdict.DUPLICATE:
                    self._repeated(item, snapshot=snapshot)
                    continue
                counters.out_of_order += 1
            records.append(record)
            newest_id = item.trade_id
            counters.last_event_ns = ts_event_ns
            if not snapshot:
                delay_ns = ts_recv_ns - ts_event_ns
                note_delay(delay_ns)
                if self._clock_problem or not -MAX_SKEW_NS <= delay_ns <= MAX_SKEW_NS:
                    self._check_clock(delay_ns)
        counters.last_recv_ns = ts_recv_ns
        counters.gaps = tape.gaps + counters.book_breaks
        if records:
            counters.trades += len(records)
            self._trades.push(b"".join(records), newest_id)

    def _repeated(self, _item: Item, *, snapshot: bool) -> None:
        self.counters.duplicates += 1

    @abstractmethod
    def _trade(self, item: Item, ts_recv_ns: int, flags: int) -> tuple[int, bytes]:
        """The instant of a trade and its record. Raises `FixedPointError`."""

    def _show(self, ts_event_ns: int, ts_recv_ns: int, *, snapshot: bool) -> None:
        # The book agrees with the venue's: what is told of it before it is published.
        counters = self.counters
        counters.last_event_ns = self._book_ns = ts_event_ns
        if snapshot:
            counters.book_state = BookState.LIVE
            self._clear_problem(self._book_problem)
        else:
            self._check_clock(ts_recv_ns - ts_event_ns)

    def _break(self, why: str, ts_recv_ns: int) -> None:
        counters = self.counters
        counters.book_breaks += 1
        counters.gaps = self._tape.gaps + counters.book_breaks
        self._book_problem = counters.problem = why
        self._withhold(ts_recv_ns)

    def _withhold(self, ts_recv_ns: int) -> None:
        counters = self.counters
        self._book.clear()
        if counters.book_state is BookState.LIVE:
            # Our clock may be behind the venue's, and the time of a book never goes back.
            instant_ns = max(ts_recv_ns, self._book_ns)
            record = pack_withheld_book(
                self.instrument, sequence=self._book_id, ts_event_ns=instant_ns, ts_recv_ns=ts_recv_ns
            )
            self._books.push(record, self._book_id)
        counters.book_state = BookState.WITHHELD

    def _reject(self, error: FixedPointError) -> None:
        self.counters.rejected += 1
        self.counters.problem = f"a number does not fit: {printable(str(error))}"

    def _check_clock(self, delay_ns: int) -> None:
        if -MAX_SKEW_NS <= delay_ns <= MAX_SKEW_NS:
            if self._clock_problem:
                self._clear_problem(self._clock_problem)
                self._clock_problem = ""
            return
        self.counters.skewed += 1
        self._clock_problem = self.counters.problem = skew_problem(delay_ns)

    def _clear_problem(self, problem: str) -> None:
        # Only the problem that is over is taken back, never another that came after it.
        if problem and self.counters.problem == problem:
            self.counters.problem = ""
