"""One symbol's book: buffers changes, waits for the snapshot, joins the two, and notices when they no longer fit.

It does no input or output: it asks for a snapshot through a callback and is given it later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from core.model.fixedpoint import FixedPointError
from core.model.instruments import Instrument
from core.model.records import F_LAST, F_SNAPSHOT
from providers.base import BookState, Channel, FeedCounters
from providers.binance.normalise import NS_PER_MS, Depth, Snapshot, apply_levels
from providers.venue.book import Book
from providers.venue.packing import pack_mbp10, pack_withheld_book

MAX_BUFFERED = 4096
"""Events kept while a snapshot is awaited, nearly seven minutes of them; beyond that the oldest go, and a snapshot
that no longer meets the rest is asked for again."""
MAX_LEVELS = 10_000
KEPT_LEVELS = 5_000


class DepthBook:
    """Follows the venue's procedure: buffer, snapshot, first event across it, then every event right after the last.

    `request` is called with this book when it needs a snapshot; the answer goes to `install` with the `generation`
    it was asked under.
    """

    def __init__(
        self,
        instrument: Instrument,
        counters: FeedCounters,
        channel: Channel,
        request: Callable[[DepthBook], None],
    ) -> None:
        self.instrument = instrument
        self.counters = counters
        self.generation = 0
        self._channel = channel
        self._request = request
        self._book = Book()
        self._buffer: deque[tuple[Depth, int]] = deque(maxlen=MAX_BUFFERED)
        self._last_id = 0
        self._bridged = False
        self._asked = False
        self._stamps = (0, 0)

    def begin(self) -> None:
        """Start over on a fresh connection: whatever was asked for before is void."""
        self.generation += 1
        self._book.clear()
        self._buffer.clear()
        self._asked = False
        self.counters.book_state = BookState.SYNCING

    def end(self) -> None:
        """Nobody wants the book any more: take it back, and void what was asked for."""
        self.withhold()
        self.begin()
        self.counters.book_state = BookState.NONE

    def ask(self) -> None:
        """Ask for a snapshot unless one is on its way or the book stands."""
        if not self._asked and self.counters.book_state is not BookState.LIVE:
            self._asked = True
            self.counters.book_state = BookState.SYNCING
            self._request(self)

    def take(self, event: Depth, ts_recv_ns: int) -> None:
        """Apply one event to a book that stands, or keep it for the snapshot to come."""
        self.counters.book_updates += 1
        if self.counters.book_state is BookState.LIVE:
            self._follow(event, ts_recv_ns)
        else:
            self._keep(event, ts_recv_ns)
        self.ask()

    def install(self, snapshot: Snapshot, *, generation: int, ts_recv_ns: int) -> bool:
        """Build the book from a snapshot and what was buffered. False when another snapshot is needed.

        The record of the snapshot takes the time of the last event it contains, so that time never goes back; with
        nothing buffered it takes `ts_recv_ns`.
        """
        if generation != self.generation:
            return True
        pending = [each for each in self._buffer if each[0].last_id > snapshot.last_id]
        next_id = snapshot.last_id + 1
        if pending and pending[0][0].first_id > next_id:
            return False
        if not self._fill(snapshot):
            return False
        self._stamp(pending, ts_recv_ns)
        self._buffer.clear()
        self._last_id = snapshot.last_id
        self._bridged = False
        self._asked = False
        self.counters.book_state = BookState.LIVE
        if self.counters.problem.startswith("book"):
            self.counters.problem = ""
        self._publish(F_LAST | F_SNAPSHOT)
        for event, received_ns in pending:
            if self.counters.book_state is BookState.LIVE:
                self._follow(event, received_ns)
            else:
                self._keep(event, received_ns)
        self.ask()
        return True

    def withhold(self) -> None:
        """Take back a book that stands: publish one empty record, marked bad."""
        if self.counters.book_state is not BookState.LIVE:
            return
        self.counters.book_state = BookState.WITHHELD
        ts_event_ns, ts_recv_ns = self._stamps
        record = pack_withheld_book(
            self.instrument, sequence=self._last_id, ts_event_ns=ts_event_ns, ts_recv_ns=ts_recv_ns
        )
        self._channel.push(record, self._last_id)

    def _fill(self, snapshot: Snapshot) -> bool:
        self._book.clear()
        try:
            apply_levels(self._book, bids=snapshot.bids, asks=snapshot.asks)
        except FixedPointError as error:
            self.counters.rejected += 1
            self.counters.problem = f"book snapshot: {error}"
            return False
        if self._book.crossed:
            self.counters.problem = "book snapshot: bid above ask"
        return not self._book.crossed

    def _stamp(self, pending: list[tuple[Depth, int]], ts_recv_ns: int) -> None:
        contained = len(self._buffer) - len(pending)
        if contained or pending:
            event, received_ns = self._buffer[contained - 1 if contained else 0]
            self._stamps = (event.sent_ms * NS_PER_MS, received_ns)
        else:
            self._stamps = (ts_recv_ns, ts_recv_ns)

    def _keep(self, event: Depth, ts_recv_ns: int) -> None:
        buffer = self._buffer
        next_id = buffer[-1][0].last_id + 1 if buffer else event.first_id
        if event.first_id != next_id:
            if event.last_id < next_id:
                self.counters.duplicates += 1
                return
            self.counters.book_breaks += 1
            buffer.clear()
        buffer.append((event, ts_recv_ns))

    def _follow(self, event: Depth, ts_recv_ns: int) -> None:
        next_id = self._last_id + 1
        if event.first_id != next_id:
            if event.last_id < next_id:
                # Before the first event across the snapshot an older one is normal; later it is a repetition.
                self.counters.duplicates += self._bridged
                return
            if self._bridged or event.first_id > next_id:
                self.counters.book_breaks += self._bridged
                self._break(f"book: update {event.first_id} where {next_id} is due", event, ts_recv_ns)
                return
        self._stamps = (event.sent_ms * NS_PER_MS, ts_recv_ns)
        try:
            apply_levels(self._book, bids=event.bids, asks=event.asks)
        except FixedPointError as error:
            self.counters.rejected += 1
            self._break(f"book: {error}", None, ts_recv_ns)
            return
        self._last_id = event.last_id
        self._bridged = True
        if self._book.crossed:
            self.counters.book_breaks += 1
            self._break("book: bid above ask", None, ts_recv_ns)
            return
        if len(self._book.bids) > MAX_LEVELS or len(self._book.asks) > MAX_LEVELS:
            self._book.truncate(KEPT_LEVELS)
        self._publish(F_LAST)

    def _break(self, problem: str, event: Depth | None, ts_recv_ns: int) -> None:
        self.counters.problem = problem
        self._stamps = (self._stamps[0], ts_recv_ns)
        self.withhold()
        self.generation += 1
        self._asked = False
        self._buffer.clear()
        if event is not None:
            self._buffer.append((event, ts_recv_ns))

    def _publish(self, flags: int) -> None:
        ts_event_ns, ts_recv_ns = self._stamps
        record = pack_mbp10(
            self.instrument,
            self._book,
            sequence=self._last_id,
            ts_event_ns=ts_event_ns,
            ts_recv_ns=ts_recv_ns,
            flags=flags,
        )
        self._channel.push(record, self._last_id)
