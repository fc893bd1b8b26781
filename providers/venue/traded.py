"""One symbol's trades and quotes: taken message by message, published together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from operator import sub
from typing import Generic, Protocol, TypeVar

from core.flow.printable import printable
from core.flow.tape import Tape, Verdict
from core.model.fixedpoint import FixedPointError
from core.model.records import F_LAST, F_SNAPSHOT, Schema
from providers.base import FeedCounters, Sink
from providers.connection import ConnectionState
from providers.venue.packing import TradeColumns, columns_of, pack_trades
from providers.venue.skew import MAX_SKEW_NS, skew_problem


class NumberedTrade(Protocol):
    """A trade as a venue sends it: `trade_id` rises by one from trade to trade of a symbol."""

    trade_id: int


Item = TypeVar("Item", bound=NumberedTrade)


class TradedMarket(ABC, Generic[Item]):
    """What is alike of one symbol at every venue that numbers its trades; kept over reconnects.

    What is taken goes out with `publish`. A symbol that was streamed before brings its `tape`: what was missed
    meanwhile is no gap.
    """

    def __init__(
        self, counters: FeedCounters, sink: Sink, connection: ConnectionState, *, tape: Tape | None = None
    ) -> None:
        self.counters = counters
        self.instrument = counters.instrument
        self._connection = connection
        self._trades = sink.channel(self.instrument, Schema.TRADES)
        self._quotes = sink.channel(self.instrument, Schema.QUOTES)
        self._tape = tape or Tape()
        self._returning = tape is not None
        self._clock_problem = ""
        self._items: list[Item] = []
        self._received_ns: list[int] = []
        self._quote_records: list[bytes] = []
        self._newest_quote_id = 0

    def take_trades(self, items: Sequence[Item], ts_recv_ns: int, *, snapshot: bool = False) -> None:
        """Take trades of one message; those that the tape does not have yet will be published. Those of a snapshot
        are published at once, behind what came before them."""
        if snapshot:
            self.publish()
        self._items += items
        self._received_ns += [ts_recv_ns] * len(items)
        self.counters.last_recv_ns = ts_recv_ns
        if snapshot:
            self._publish_trades(snapshot=True)

    def take_trade(self, item: Item, ts_recv_ns: int) -> None:
        """Take the one trade of a message."""
        self._items.append(item)
        self._received_ns.append(ts_recv_ns)
        self.counters.last_recv_ns = ts_recv_ns

    def publish(self) -> None:
        """Publish what was taken since the last time, each schema as one batch."""
        if self._items:
            self._publish_trades(snapshot=False)
        if self._quote_records:
            records, self._quote_records = self._quote_records, []
            self._quotes.push(b"".join(records), self._newest_quote_id)

    def _publish_trades(self, *, snapshot: bool) -> None:
        items, received_ns = self._items, self._received_ns
        self._items, self._received_ns = [], []
        try:
            trades = self._read(items, received_ns)
        except FixedPointError:
            items, received_ns = self._readable(items, received_ns)
            trades = self._read(items, received_ns)
        # Only now: the number of a trade that cannot be held stays free, and so missing, until it comes right.
        if not self._tape.follow(trades[0]):
            fresh = [at for at, item in enumerate(items) if self._is_fresh(item, snapshot=snapshot)]
            rows = list(zip(*trades, strict=True))
            trades = columns_of([rows[at] for at in fresh])
            received_ns = [received_ns[at] for at in fresh]
            self.counters.gaps = self._tape.gaps
        ids, ts_event_ns, *_ = trades
        if not ids:
            return
        if not snapshot:
            self._note_delays(list(map(sub, received_ns, ts_event_ns)))
        self.counters.trades += len(ids)
        self.counters.last_event_ns = ts_event_ns[-1]
        flags = F_LAST | F_SNAPSHOT if snapshot else F_LAST
        self._trades.push(pack_trades(self.instrument, trades, received_ns, flags), ids[-1])

    @abstractmethod
    def _read(self, items: Sequence[Item], received_ns: Sequence[int]) -> TradeColumns:
        """Trades in integers, see `trade_columns`. Raises `FixedPointError`: one of them has a number that does not
        fit."""

    def _readable(self, items: Sequence[Item], received_ns: Sequence[int]) -> tuple[list[Item], list[int]]:
        readable = []
        for row in zip(items, received_ns, strict=True):
            try:
                self._read(row[:1], row[1:])
            except FixedPointError as error:
                self._refuse_trade(row[0], error)
            else:
                readable.append(row)
        return [item for item, _ in readable], [instant_ns for _, instant_ns in readable]

    def _refuse_trade(self, _item: Item, error: FixedPointError) -> None:
        self._reject(error)

    def _is_fresh(self, item: Item, *, snapshot: bool) -> bool:
        verdict = self._tape.accept(item.trade_id)
        if verdict is Verdict.DUPLICATE:
            self._repeated(item, snapshot=snapshot)
            return False
        self.counters.out_of_order += verdict is Verdict.LATE
        return True

    def _repeated(self, _item: Item, *, snapshot: bool) -> None:
        self.counters.duplicates += 1

    def _add_quote(self, record: bytes, update_id: int = 0) -> None:
        self._quote_records.append(record)
        self._newest_quote_id = update_id
        self.counters.quotes += 1

    def _restart(self) -> None:
        # Trades that the last subscription still sent are not next to those of this one.
        self.publish()
        self._tape.restart()
        self._returning = False

    def _reject(self, error: FixedPointError) -> None:
        self.counters.rejected += 1
        self.counters.problem = f"a number does not fit: {printable(str(error))}"

    def _note_delays(self, delays_ns: Sequence[int]) -> None:
        self._connection.venue_delay.record_all(delays_ns)
        least_ns = min(delays_ns)
        if least_ns < 0:
            self._connection.ahead_ns.note(-least_ns)
        if self._clock_problem or least_ns < -MAX_SKEW_NS or max(delays_ns) > MAX_SKEW_NS:
            for delay_ns in delays_ns:
                self._check_clock(delay_ns)

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
