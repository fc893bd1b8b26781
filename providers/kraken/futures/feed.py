"""Kraken Futures' live feed without input or output: texts in, records out, texts to send in `outbox`.

Changes of a book are numbered one by one: a number that is missing withholds that book at once and asks for it anew
alone. Trades are numbered, too: a new subscription repeats the last hundred, which fills what was missed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence

from core.clock import NS_PER_S
from core.flow.printable import printable
from core.flow.tape import Tape
from core.model.instruments import Instrument
from providers.base import BookState, FeedCounters, Sink
from providers.connection import ConnectionState
from providers.kraken.futures.errors import is_harmless, named_product, venue_error
from providers.kraken.futures.market import Market
from providers.kraken.futures.normalise import ProductState
from providers.kraken.futures.requests import CHANNELS, Requests
from providers.kraken.futures.wire import (
    BookChange,
    BookSnapshot,
    Event,
    Heartbeat,
    Ticker,
    Trade,
    TradeSnapshot,
    decode_frame,
)
from providers.venue.frame_decoder import FrameError
from providers.venue.market_feed import MarketFeed
from providers.venue.repeats import ASK_AGAIN_NS, BOOK

PING_NS = 45 * NS_PER_S
"""The venue hangs up on a client that says nothing for a minute."""
MEND_NS = NS_PER_S
"""How long a missing trade may still come by itself before the last hundred are asked for."""
_PING = json.dumps({"event": "ping"})
_REFUSALS = frozenset({"subscribed_failed", "alert", "error"})


class FuturesFeed(MarketFeed[Market, Requests]):
    """Streams trades, ten-level books and the quotes made of them into `sink`."""

    CHANNELS = CHANNELS

    def __init__(self, instruments: Sequence[Instrument], sink: Sink, connection: ConnectionState) -> None:
        super().__init__(instruments, sink, connection, requests=Requests())
        self._spoke_ns: int | None = None
        self._complaint = ""
        self._takers: dict[type, Callable[..., None]] = {
            Trade: self._take_trade,
            TradeSnapshot: self._take_trades,
            BookChange: self._take_change,
            BookSnapshot: self._take_snapshot,
            Ticker: self._take_ticker,
            Heartbeat: self._take_heartbeat,
            Event: self._take_event,
        }

    def opened(self) -> list[str]:
        """A fresh connection: what to send first, one request a feed."""
        self._spoke_ns = None
        return super().opened()

    def probe(self) -> str:
        """A ping, which the venue answers."""
        return _PING

    def state(self, symbol: str) -> ProductState | None:
        """What the last ticker said of a product streamed now, by `Instrument.symbol`; None before the first."""
        return next((each.state for each in self._markets.values() if each.instrument.symbol == symbol), None)

    def handle(self, text: str, ts_recv_ns: int) -> None:
        """Take one frame.

        Raises:
            PermanentError: the venue refuses every product.
        """
        try:
            frame = decode_frame(text)
        except FrameError as error:
            self._malformed(text, why=str(error))
            return
        self._takers[type(frame)](frame, ts_recv_ns)
        self._ask_again(ts_recv_ns)
        if self._spoke_ns is None:
            self._spoke_ns = ts_recv_ns
        elif not 0 <= ts_recv_ns - self._spoke_ns < PING_NS:  # a clock that was set back must not silence us
            self._spoke_ns = ts_recv_ns
            self.outbox.append(_PING)

    def flush(self) -> None:
        """Publish what the frames since the last time brought, and have missing trades told again."""
        due_ns = self._requests.due_ns
        for product_id, market in self._touched.items():
            gaps, newest_id = market.counters.gaps, market.newest_id
            market.publish()
            if market.missing_since(newest_id):
                due_ns.setdefault((product_id, "trade"), market.counters.last_recv_ns + MEND_NS)
            elif market.counters.gaps < gaps and not market.missing:
                due_ns.pop((product_id, "trade"), None)
        self._touched.clear()

    def _market_of(self, counters: FeedCounters, tape: Tape | None) -> Market:
        return Market(counters, self._sink, self._connection, tape=tape)

    def _take_trade(self, frame: Trade, ts_recv_ns: int) -> None:
        if market := self._market(frame.product_id):
            market.take_trades((frame,), ts_recv_ns)

    def _take_trades(self, frame: TradeSnapshot, ts_recv_ns: int) -> None:
        if market := self._market(frame.product_id):
            own = [item for item in frame.trades if item.product_id == frame.product_id]
            market.counters.rejected += len(frame.trades) - len(own)
            own.sort(key=lambda item: item.trade_id)
            market.take_trades(own, ts_recv_ns, snapshot=True)

    def _take_change(self, frame: BookChange, ts_recv_ns: int) -> None:
        market = self._market(frame.product_id)
        if market is None:
            return
        if not market.take_change(frame, ts_recv_ns):
            self._broke(frame.product_id, ts_recv_ns)
        elif market.counters.book_state is not BookState.LIVE:
            # Its snapshot is due; one that never comes is asked for again.
            self._requests.due_ns.setdefault((frame.product_id, BOOK), ts_recv_ns + ASK_AGAIN_NS)

    def _take_snapshot(self, frame: BookSnapshot, ts_recv_ns: int) -> None:
        if market := self._market(frame.product_id):
            self._requests.due_ns.pop((frame.product_id, BOOK), None)
            if not market.take_snapshot(frame, ts_recv_ns):
                self._broke(frame.product_id, ts_recv_ns)

    def _take_ticker(self, frame: Ticker, ts_recv_ns: int) -> None:
        if market := self._market(frame.product_id):
            market.take_ticker(frame, ts_recv_ns)

    def _take_heartbeat(self, _frame: Heartbeat, _ts_recv_ns: int) -> None:
        pass

    def _take_event(self, event: Event, ts_recv_ns: int) -> None:
        if event.event == "subscribed":
            self._granted(event)
        elif event.event in _REFUSALS and not is_harmless(event.message):
            self._refused(event, ts_recv_ns)
        elif event.message:
            said = printable(event.event), printable(event.message)
            self._lines.write("answer", "the venue says %s: %s", *said, level=logging.INFO)

    def _granted(self, event: Event) -> None:
        if self._complaint and self._connection.reason == self._complaint:
            self._connection.reason = self._complaint = ""
        for product_id in event.product_ids:
            if event.feed in CHANNELS and (market := self._markets.get(product_id)):
                market.granted(event.feed)

    def _refused(self, event: Event, ts_recv_ns: int) -> None:
        # An alert carries neither our request nor, mostly, its feed: the product named in its text is all there is.
        named = [*event.product_ids, named_product(event.message)]
        known = [product_id for product_id in dict.fromkeys(named) if product_id in self._markets]
        said = printable(event.message) or f"{printable(event.feed)} refused without a reason"
        self._lines.write(
            f"refusal {','.join(known)}", "%s: the venue says: %s", ", ".join(known) or "a request", said
        )
        if not known:
            self._complaint = self._connection.reason = said
            return
        error = venue_error(event.message, operation="subscription refused")
        channels = (event.feed,) if event.feed in CHANNELS else CHANNELS
        self._refuse(known, channels, error, ts_recv_ns)
