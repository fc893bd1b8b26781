"""The live feed of Binance Spot without input or output: what to send, and what each frame means.

A frame costs a few microseconds: its kind is read from the stream's name at its start, and only then is it decoded,
by the decoder of that kind. Symbols come and go while it runs; the others do not notice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from core.errors import PermanentError, ResourceExhaustedError, TransientError
from core.flow.printable import printable
from core.flow.tape import Tape
from core.model.instruments import Instrument
from providers.base import ChannelStatus, FeedCounters, Sink, Standing, Subscription
from providers.binance.depth import DepthBook
from providers.binance.errors import Refusal, classify
from providers.binance.market import Market
from providers.binance.normalise import decode_control, decode_depth, decode_quote, decode_trade
from providers.connection import ConnectionState
from providers.venue.sparse_log import SparseLog

STREAMS = ("trade", "bookTicker", "depth@100ms")
MAX_SYMBOLS = 1024 // len(STREAMS)
"""The venue allows 1024 streams on one connection."""
SYMBOLS_A_MESSAGE = 33
_EXCERPT = 200
_COMBINED = '{"stream":"'

_log = logging.getLogger("ringside.binance")


def _always(_counters: FeedCounters) -> bool:
    return True


class BinanceFeed:
    """Trades, quotes and books over one combined stream: of `instruments` and of what `subscribe` adds.

    `request_snapshot` is called with a book that needs one; the answer goes to that book's `install`. A symbol whose
    counters `is_listed` does not approve is counted and not asked for. `counters` are those of every symbol that
    was ever named, `active` those of the ones streamed now.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        sink: Sink,
        *,
        connection: ConnectionState,
        request_snapshot: Callable[[DepthBook], None],
        is_listed: Callable[[FeedCounters], bool] = _always,
    ) -> None:
        self.outbox: list[str] = []
        self.last_recv_ns = 0
        self.counters = [FeedCounters(instrument) for instrument in instruments]
        self.active: list[FeedCounters] = []
        self._sink = sink
        self._connection = connection
        self._request_snapshot = request_snapshot
        self._is_listed = is_listed
        self._markets: dict[str, Market] = {}
        self._touched: dict[str, Market] = {}
        # The tapes of symbols streamed no more: late frames of theirs are expected, and a return goes on from there.
        self._left: dict[str, Tape] = {}
        self._changed = False
        # What the venue said, by its names; why symbols are not asked for, by ours.
        self._granted: set[str] = set()
        self._refused: dict[str, str] = {}
        self._unlisted: dict[str, str] = {}
        for counted in self.counters:
            self._add(counted)
        self._kinds: Mapping[str, Callable[[str, int], None]] = {"t": self._trade, "b": self._quote, "d": self._depth}
        self._pending: dict[int, list[str]] = {}
        self._newest_question = 0
        self._warnings = SparseLog(_log)

    def opened(self) -> list[str]:
        """Start every book over and return the subscriptions."""
        self._pending.clear()
        self._granted.clear()
        for market in self._markets.values():
            market.opened()
        wanted = [symbol for symbol in self._markets if symbol not in self._refused]
        return [
            self._subscription(wanted[at : at + SYMBOLS_A_MESSAGE]) for at in range(0, len(wanted), SYMBOLS_A_MESSAGE)
        ]

    def closed(self) -> None:
        """The connection is lost: nothing is granted, and every book that stands is withheld."""
        self._granted.clear()
        for market in self._markets.values():
            market.closed()

    def subscribe(self, instrument: Instrument) -> FeedCounters:
        """Stream `instrument` too; see `Provider.subscribe`. From then on no refusal ends the stream."""
        name = instrument.venue_symbol
        if name in self._markets:
            return self._markets[name].counters
        if len(self._markets) >= MAX_SYMBOLS:
            raise too_many_symbols(len(self._markets) + 1, self._connection.venue)
        known = next((each for each in self.counters if each.instrument.symbol == instrument.symbol), None)
        counters = known or FeedCounters(instrument)
        counters.instrument = instrument
        self._changed = True
        if self._add(counters):
            self._markets[name].book.begin()
            self.outbox.append(self._subscription([name]))
        if known is None:
            self.counters.append(counters)
        return counters

    def unsubscribe(self, symbol: str) -> None:
        """Stop streaming `symbol`; see `Provider.unsubscribe`."""
        self._unlisted.pop(symbol, None)
        market = next((each for each in self._markets.values() if each.instrument.symbol == symbol), None)
        if market is None:
            return
        name = market.instrument.venue_symbol
        del self._markets[name]
        self.active[:] = [each for each in self.active if each is not market.counters]
        self._left[name] = market.left()
        self._changed = True
        self._granted.discard(name)
        self._refused.pop(name, None)
        for asked in self._pending.values():
            if name in asked:
                asked.remove(name)
        self.outbox.append(self._question("UNSUBSCRIBE", _streams([name])))

    def subscriptions(self) -> Mapping[str, Subscription]:
        """What is wanted and what the venue says to it; see `Provider.subscriptions`. A name has one answer for all
        of its streams."""
        said = {
            market.instrument.symbol: _said(name, self._refused, self._granted)
            for name, market in self._markets.items()
        }
        said |= {symbol: ChannelStatus(Standing.REFUSED, why) for symbol, why in self._unlisted.items()}
        return {symbol: dict.fromkeys(STREAMS, status) for symbol, status in said.items()}

    def probe(self) -> str:
        """Ask what is subscribed: the venue answers that even when no market moves."""
        return self._question("LIST_SUBSCRIPTIONS")

    def handle(self, text: str, ts_recv_ns: int) -> None:
        """Take one frame. A frame that is not understood is counted and logged, and costs nothing else.

        Raises:
            PermanentError: the venue refuses the last symbol.
            TransientError: the venue announced that it will close this connection.
            ResourceExhaustedError: the venue says that we ask too much.
        """
        self.last_recv_ns = ts_recv_ns
        try:
            if text.startswith(_COMBINED):
                at = text.find("@", 11, 75)
                kind = self._kinds.get(text[at + 1 : at + 2]) if at > 0 else None
                if kind is not None:
                    kind(text, ts_recv_ns)
                    return
            self._control(text, ts_recv_ns)
        except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
            self._malformed(text, error)

    def flush(self) -> None:
        """Publish what the frames since the last time brought; see `ws_client.Feed.flush`."""
        for market in self._touched.values():
            market.publish()
        self._touched.clear()

    def _add(self, counters: FeedCounters) -> bool:
        # Unknown symbols have no channels: nothing would ever be pushed into them.
        instrument = counters.instrument
        if not self._is_listed(counters):
            self._unlisted[instrument.symbol] = counters.problem
            return False
        self._unlisted.pop(instrument.symbol, None)
        name = instrument.venue_symbol
        self._markets[name] = Market(
            counters,
            self._sink,
            self._connection,
            tape=self._left.get(name),
            request_snapshot=self._request_snapshot,
        )
        self._left.pop(name, None)
        self.active.append(counters)
        return True

    def _trade(self, text: str, ts_recv_ns: int) -> None:
        trade = decode_trade(text).data
        if market := self._market(trade.symbol, text):
            market.take_trade(trade, ts_recv_ns)

    def _quote(self, text: str, ts_recv_ns: int) -> None:
        quote = decode_quote(text).data
        if market := self._market(quote.symbol, text):
            market.take_quote(quote, ts_recv_ns)

    def _depth(self, text: str, ts_recv_ns: int) -> None:
        event = decode_depth(text).data
        if market := self._market(event.symbol, text):
            if event.last_id < event.first_id:
                self._malformed(text, "update ids out of order")
                return
            market.take_depth(event, ts_recv_ns)

    def _control(self, text: str, ts_recv_ns: int) -> None:
        control = decode_control(text)
        if control.event == "serverShutdown":
            raise TransientError("stream closing", "the venue announced a shutdown")
        kind = self._kinds.get(control.stream.partition("@")[2][:1])
        if kind is not None:
            kind(text, ts_recv_ns)
        elif (refusal := control.refusal) is not None:
            self._refuse(refusal, control.id)
        elif control.result is not msgspec.UNSET:
            self._accept(control.id)
        else:
            self._malformed(text, "an event that was not asked for")

    def _accept(self, question: int | str | None) -> None:
        # The venue also accepts names that it does not know: those are sorted out before they are asked for.
        symbols = self._pending.pop(question, []) if isinstance(question, int) else []
        for symbol in symbols:
            self._granted.add(symbol)
            self._markets[symbol].granted()
        if symbols:
            _log.info("%s: %d symbols subscribed", self._connection.venue, len(symbols))

    def _refuse(self, refusal: Refusal, question: int | str | None) -> None:
        error = classify("subscription refused", refusal)
        if question is None and len(self._pending) == 1:
            question = next(iter(self._pending))
        symbols = self._pending.pop(question, []) if isinstance(question, int) else []
        self._warnings.write(
            f"refusal {symbols[0] if len(symbols) == 1 else ''}", "%s: %s", self._connection.venue, error
        )
        if isinstance(error, ResourceExhaustedError):
            raise error
        if len(symbols) > 1:
            # One bad name refuses the whole message: ask for each alone, so that the others live.
            self.outbox += [self._subscription([symbol]) for symbol in symbols]
            return
        for symbol in symbols:
            self._refused[symbol] = self._markets[symbol].counters.problem = str(error)
        if symbols and not self._changed and len(self._refused) == len(self._markets):
            raise PermanentError("every symbol refused", self._connection.venue, hint=str(error))

    def _subscription(self, symbols: list[str]) -> str:
        text = self._question("SUBSCRIBE", _streams(symbols))
        self._pending[self._newest_question] = symbols
        return text

    def _question(self, method: str, names: list[str] | None = None) -> str:
        self._newest_question += 1
        question: dict[str, object] = {"method": method, "id": self._newest_question}
        if names is not None:
            question["params"] = names
        return msgspec.json.encode(question).decode()

    def _market(self, symbol: str, text: str) -> Market | None:
        market = self._markets.get(symbol)
        if market is not None:
            self._touched[symbol] = market
        elif symbol not in self._left:
            self._malformed(text, "a symbol that was not asked for")
        return market

    def _malformed(self, text: str, why: object) -> None:
        self._connection.malformed += 1
        said = printable(str(why)), printable(text, _EXCERPT)
        self._warnings.write("frame", "%s: frame not understood (%s): %s", self._connection.venue, *said)


def _said(name: str, refused: Mapping[str, str], granted: Collection[str]) -> ChannelStatus:
    if name in refused:
        return ChannelStatus(Standing.REFUSED, refused[name])
    return ChannelStatus(Standing.GRANTED if name in granted else Standing.ASKED)


def too_many_symbols(count: int, venue: str) -> PermanentError:
    """The error of more symbols than one connection carries."""
    return PermanentError("too many symbols", f"{count} on {venue}", hint=f"at most {MAX_SYMBOLS}")


def _streams(symbols: Sequence[str]) -> list[str]:
    return [f"{symbol.lower()}@{stream}" for symbol in symbols for stream in STREAMS]
