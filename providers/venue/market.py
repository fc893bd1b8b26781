"""One streamed symbol: what every venue's frames do to its trades, its book, its problems and counters."""

from __future__ import annotations

from collections.abc import Iterable

from core.flow.printable import printable
from core.flow.tape import Tape
from core.model.records import Schema
from providers.base import BookState, ChannelStatus, FeedCounters, Sink, Standing
from providers.connection import ConnectionState
from providers.venue.book import Book
from providers.venue.packing import pack_withheld_book
from providers.venue.repeats import BOOK
from providers.venue.traded import Item, TradedMarket


class StreamedMarket(TradedMarket[Item]):
    """The state of one symbol, kept over reconnects. `channels` holds what the venue said to the channels that it
    was asked for on this connection.

    A venue's own market builds upon this one: `_read` makes integers of its trades, `TRADES` is the name of their
    channel.
    """

    TRADES = "trade"

    def __init__(
        self, counters: FeedCounters, sink: Sink, connection: ConnectionState, *, tape: Tape | None = None
    ) -> None:
        super().__init__(counters, sink, connection, tape=tape)
        self.channels: dict[str, ChannelStatus] = {}
        self._books = sink.channel(self.instrument, Schema.BOOK)
        self._book = Book()
        self._book_id = 0
        self._book_ns = 0
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
        self.publish()
        self.channels.clear()
        if self.counters.book_state is not BookState.NONE:
            self._withhold(self.counters.last_recv_ns)

    def left(self) -> Tape:
        """Nobody wants the symbol any more: take its book back. Returns the tape, for the day it is wanted again."""
        self.publish()
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
            self._restart()
        if not self.refused and self._refusal:
            self._clear_problem(self._refusal)
            self._refusal = ""

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
