"""Databento's live feed without input or output: what a session gives in, records out, unchanged.

Only what could be mistaken or would break a reader is held back: records of unknown instruments, of another layout,
or under a publisher number of our own.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from core.clock import NS_PER_S
from core.errors import ConsoleError, NotFoundError, TransientError
from core.flow.printable import printable
from core.model.fixedpoint import OWN_PUBLISHERS
from core.model.instruments import Instrument
from core.model.records import F_LAST, F_MAYBE_BAD_BOOK, LEVELS, MBP10_STRUCT, NO_SIDE, UNDEF_PRICE, Schema
from providers.base import BookState, ChannelStatus, FeedCounters, Interval, Sink, Standing, Subscription
from providers.connection import ConnectionState
from providers.databento.errors import record_error
from providers.databento.join import Seam
from providers.databento.live import Item, Mapped, Notice, Refusal
from providers.databento.missed import FORGOTTEN, KEPT_INTERVALS, UNHEARD, Missed
from providers.venue.skew import MAX_SKEW_NS, skew_problem
from providers.venue.sparse_log import SparseLog

_NAME: Final = re.compile(r"[^\s,;:'\"\[\]()]+")
BAR_S: Final[Mapping[Schema, int]] = {Schema.BARS_1S: 1, Schema.BARS_1M: 60, Schema.BARS_1H: 3600}
"""The bars that may be streamed, and how long each is. Not those of a day: the gateway replays no more than the last
24 hours, in which the one that was missed did not begin."""
_NO_LEVELS: Final = (UNDEF_PRICE, UNDEF_PRICE, 0, 0, 0, 0) * LEVELS


@attrs.define
class _Market:
    # One symbol. `publisher_id` and `instrument_id` are those of its last record.
    counters: FeedCounters
    publisher_id: int = 0
    instrument_id: int = 0
    last_trade_ns: int = 0
    mapped: bool = False
    refusal: str = ""
    clock_problem: str = ""
    waiting: defaultdict[Schema, list[bytes]] = attrs.Factory(lambda: defaultdict(list))


class Feed:
    """Publishes what sessions give of `instruments`, and of what `subscribe` adds, into `sink`.

    `counters` are those of every symbol that was ever streamed, `active` those of the ones streamed now; `records`
    counts every data record that came. What symbols missed between two sessions is added to `intervals`.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        sink: Sink,
        connection: ConnectionState,
        schemas: Sequence[Schema],
        *,
        intervals: deque[Interval] | None = None,
    ) -> None:
        self.counters = [FeedCounters(instrument) for instrument in instruments]
        self.active = list(self.counters)
        self.records = 0
        self._sink = sink
        self._connection = connection
        self._seams = {schema: Seam(BAR_S.get(schema, 0) * NS_PER_S) for schema in schemas}
        self._by_rtype = {schema.rtype: schema for schema in schemas}
        self._markets = {each.instrument.venue_symbol: _Market(each) for each in self.counters}
        self._numbers: dict[int, _Market | None] = {}
        self._left: dict[str, list[int]] = {}  # what this session goes on sending, and its numbers
        self._changed = False
        self._replaying: set[Schema] = set()
        self._forgot = False  # this session is of no more use to begin the next one by
        self._missed = Missed(connection.venue, deque(maxlen=KEPT_INTERVALS) if intervals is None else intervals)
        self._lines = SparseLog(logging.getLogger("ringside.databento"))

    @property
    def symbols(self) -> list[str]:
        """What the next session is to be asked for."""
        return list(self._markets)

    def starts(self) -> Mapping[str, int]:
        """For each schema the instant from which the next session is to replay, 0 for none."""
        return {schema.value: seam.start_ns for schema, seam in self._seams.items()}

    def opened(self, now_ns: int) -> None:
        """A session is open, at `now_ns` by our clock, with the replays of `starts`."""
        self._numbers.clear()
        self._left.clear()
        starts = {schema: seam.start_ns for schema, seam in self._seams.items()}
        self._replaying = {schema for schema, start_ns in starts.items() if start_ns}
        self._forgot = False
        self._missed.opened(now_ns, replays=bool(self._replaying), trades_from_ns=starts.get(Schema.TRADES, 0))
        for seam in self._seams.values():
            seam.cut()
        for market in self._markets.values():
            market.mapped, market.refusal = False, ""

    def closed(self, now_ns: int) -> None:
        """The session is over: every book is withheld."""
        self._missed.closed()
        for market in self._markets.values():
            market.mapped = False
            _withhold(self._sink, market, now_ns)

    def subscriptions(self) -> Mapping[str, Subscription]:
        """What is wanted and what the gateway says to it; see `Provider.subscriptions`. It grants a name by saying
        its number, once for all schemas."""
        return {
            market.counters.instrument.symbol: dict.fromkeys(map(str, self._seams), _said(market))
            for market in self._markets.values()
        }

    def began(self, start_ns: int) -> None:
        """The session began at `start_ns` by the gateway's clock: nothing before it was asked for. 0 says nothing."""
        if not start_ns or self._forgot:
            return
        if self._missed.began(start_ns, self._traded()):
            self._count_loss(UNHEARD)
        for seam in self._seams.values():
            if not seam.start_ns:
                seam.begin(start_ns)

    def lose(self, now_ns: int) -> None:
        """What was missed cannot be replayed: it is counted as a gap of every symbol."""
        self._missed.lost(now_ns)
        self._count_loss(FORGOTTEN)
        for seam in self._seams.values():
            seam.forget()
        self._replaying.clear()
        self._forgot = True

    def _traded(self) -> list[str]:
        # The symbols whose trades are streamed: of those we tell what is missing.
        return [each.instrument.symbol for each in self.active] if Schema.TRADES in self._seams else []

    def _count_loss(self, reason: str) -> None:
        self._lines.write("lost", "%s: %s", self._connection.venue, reason)
        for counters in self.active:
            counters.gaps += 1

    def subscribe(self, instrument: Instrument) -> tuple[FeedCounters, bool]:
        """The counters of `instrument`, and whether it has to be asked for."""
        market = self._markets.get(instrument.venue_symbol)
        if market is not None:
            return market.counters, False
        known = next((each for each in self.counters if each.instrument.symbol == instrument.symbol), None)
        counters = known or FeedCounters(instrument)
        counters.instrument = instrument
        for schema in self._seams:
            self._sink.channel(instrument, schema)
        if known is None:
            self.counters.append(counters)
        self.active.append(counters)
        market = self._markets[instrument.venue_symbol] = _Market(counters)
        self._changed = True
        numbers = self._left.pop(instrument.venue_symbol, None)
        self._numbers.update(dict.fromkeys(numbers or (), market))
        return counters, numbers is None

    def unsubscribe(self, symbol: str, now_ns: int) -> None:
        """Publish nothing more of `symbol`, and take its book back. The gateway goes on sending: it has no word for
        less."""
        market = next((each for each in self._markets.values() if each.counters.instrument.symbol == symbol), None)
        if market is None:
            return
        _withhold(self._sink, market, now_ns)
        market.counters.book_state = BookState.NONE
        name = market.counters.instrument.venue_symbol
        del self._markets[name]
        self.active[:] = [each for each in self.active if each is not market.counters]
        self._left[name] = [number for number, each in self._numbers.items() if each is market]
        self._numbers.update(dict.fromkeys(self._left[name], None))
        self._changed = True

    def take(self, items: Iterable[Item], ts_recv_ns: int) -> None:
        """Publish a batch that was received at `ts_recv_ns`.

        Raises:
            PermanentError: the gateway refuses for good.
            ConsoleError: this session is of no more use; what came before was published.
        """
        touched: dict[str, _Market] = {}
        try:
            for item in items:
                if isinstance(item, bytes):
                    self._take_record(item, ts_recv_ns, touched)
                elif isinstance(item, Mapped):
                    self._map(item)
                elif isinstance(item, Notice):
                    self._note(item)
                else:
                    self._refuse(item, ts_recv_ns)
        finally:
            for market in touched.values():
                for schema, records in market.waiting.items():
                    self._sink.channel(market.counters.instrument, schema).push(b"".join(records))
                market.waiting.clear()

    def _take_record(self, record: bytes, ts_recv_ns: int, touched: dict[str, _Market]) -> None:
        self.records += 1
        schema = self._by_rtype.get(record[1]) if len(record) > 1 else None
        number = int.from_bytes(record[4:8], "little")
        publisher_id = int.from_bytes(record[2:4], "little")
        if schema is None or len(record) != schema.dtype.itemsize or record[0] * 4 != len(record):
            self._malformed("layout", f"a record of type 0x{record[1:2].hex()} and {len(record)} bytes")
            return
        market = self._numbers.get(number)
        if market is None:
            if number not in self._numbers:
                self._malformed("number", f"a record of instrument {number}, which has no name")
            return
        counters = market.counters
        if publisher_id >= OWN_PUBLISHERS:
            counters.rejected += 1
            counters.problem = f"publisher {publisher_id} is not one of Databento's"
            return
        ts_event_ns = int.from_bytes(record[8:16], "little")
        if not self._seams[schema].is_new(record, ts_event_ns):
            counters.duplicates += 1
            return
        if schema is Schema.TRADES:
            counters.trades += 1
            counters.out_of_order += ts_event_ns < market.last_trade_ns
            market.last_trade_ns = ts_event_ns
            if schema in self._replaying:
                self._missed.replayed(counters.instrument.symbol)
            else:
                _check_clock(self._connection, market, ts_recv_ns - ts_event_ns)
        elif schema is Schema.QUOTES:
            counters.quotes += 1
        elif schema is Schema.BOOK:
            counters.book_updates += 1
            counters.book_state = BookState.LIVE
        if schema not in BAR_S:  # which bear the instant at which they began
            counters.last_event_ns, counters.last_recv_ns = ts_event_ns, ts_recv_ns
        market.publisher_id, market.instrument_id = publisher_id, number
        market.waiting[schema].append(record)
        touched[counters.instrument.symbol] = market

    def _map(self, mapped: Mapped) -> None:
        market = self._markets.get(mapped.symbol)
        self._numbers[mapped.instrument_id] = market
        if market is not None:
            market.mapped = True
            market.counters.problem = ""

    def _note(self, notice: Notice) -> None:
        match notice.code:
            case "HEARTBEAT":
                if not self._replaying:
                    for seam in self._seams.values():
                        seam.heard(notice.ts_event_ns)
            case "REPLAY_COMPLETED":
                self._caught_up(notice)
            case "SLOW_READER_WARNING":
                self._connection.reason = "this machine reads more slowly than the gateway sends"
                self._lines.write("slow", "%s: %s", self._connection.venue, printable(notice.text))
            case "SUBSCRIPTION_ACK" | "UNSUBSCRIBE_ACK" | "END_OF_INTERVAL":
                pass
            case _:
                self._malformed("notice", f"{notice.code} {notice.text}")

    def _caught_up(self, notice: Notice) -> None:
        # The text names the schema; if it ever should not, the next message will do.
        named = {schema for schema in self._replaying if schema.value in notice.text.split()}
        for schema in named or set(sorted(self._replaying)[:1]):
            self._seams[schema].caught_up()
            self._replaying.discard(schema)
        if Schema.TRADES not in self._replaying and self._missed.caught_up(notice.ts_event_ns):
            self._lines.write("recovered", "%s: what was missed was replayed", self._connection.venue)

    def _refuse(self, refusal: Refusal, ts_recv_ns: int) -> None:
        error: ConsoleError = record_error("live session", code=refusal.code, text=refusal.text)
        self._lines.write(f"refusal {refusal.code}", "%s: %s", self._connection.venue, error)
        match refusal.code:
            case "SYMBOL_RESOLUTION_FAILED":
                self._refuse_symbols(refusal.text, error)
            case "REPLAY_DATA_AGED_OUT":
                self.lose(ts_recv_ns)
                raise TransientError("live session", error.subject)
            case _:
                raise error

    def _refuse_symbols(self, text: str, error: ConsoleError) -> None:
        named = {name for name in _NAME.findall(text) if name in self._markets}
        for name in named or [name for name, market in self._markets.items() if not market.mapped]:
            self._markets[name].refusal = self._markets[name].counters.problem = error.subject
        if not self._changed and all(market.refusal for market in self._markets.values()):
            names = ", ".join(self._markets)[:80]
            raise NotFoundError(f"{self._connection.venue} refuses every symbol", names, hint=error.subject)

    def _malformed(self, kind: str, why: str) -> None:
        self._connection.malformed += 1
        self._lines.write(kind, "not understood: %s", printable(why))


def _check_clock(connection: ConnectionState, market: _Market, delay_ns: int) -> None:
    counters = market.counters
    if delay_ns < 0:
        connection.ahead_ns.note(-delay_ns)
    if -MAX_SKEW_NS <= delay_ns <= MAX_SKEW_NS:
        connection.venue_delay.record(delay_ns)
        if market.clock_problem and counters.problem == market.clock_problem:
            counters.problem = market.clock_problem = ""
        return
    counters.skewed += 1
    market.clock_problem = counters.problem = skew_problem(delay_ns)


def _said(market: _Market) -> ChannelStatus:
    if market.refusal:
        return ChannelStatus(Standing.REFUSED, market.refusal)
    return ChannelStatus(Standing.GRANTED if market.mapped else Standing.ASKED)


def _withhold(sink: Sink, market: _Market, now_ns: int) -> None:
    counters = market.counters
    if counters.book_state is not BookState.LIVE:
        return
    counters.book_state = BookState.WITHHELD
    sink.channel(counters.instrument, Schema.BOOK).push(_withheld_book(market, now_ns))


def _withheld_book(market: _Market, now_ns: int) -> bytes:
    # A book without levels, marked as bad: readers drop the one that they show.
    return MBP10_STRUCT.pack(
        MBP10_STRUCT.size // 4, Schema.BOOK.rtype, market.publisher_id, market.instrument_id, now_ns,
        UNDEF_PRICE, 0, b"R", NO_SIDE, F_LAST | F_MAYBE_BAD_BOOK, 0, now_ns, 0, 0, *_NO_LEVELS,
    )  # fmt: skip
