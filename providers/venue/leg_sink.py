"""What several connections bring of one market, made one stream: trades by their ids, anything else from one leader.

Nothing here waits or connects; `providers.venue.legs` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

import attrs

from core.clock import NS_PER_S
from core.flow.tape import Tape, Verdict
from core.model.instruments import Instrument
from core.model.records import F_MAYBE_BAD_BOOK, TRADE, Schema
from providers.base import Channel, Sink
from providers.connection import ConnectionState, ConnectionStatus
from providers.venue.holes import whole_ids

STALE_NS: Final = 2 * NS_PER_S
"""A leader that passes nothing for so long, while another connection goes on, leads no more."""

_TRADE_BYTES = TRADE.itemsize
_FLAGS_AT, _EVENT_AT, _RECEIVED_AT, _SEQUENCE_AT = (
    TRADE.fields[name][1]  # type: ignore[index]
    for name in ("flags", "ts_event", "ts_recv", "sequence")
)
_INSTANT = Struct("<Q").unpack_from
_WORD = (1 << 32) - 1


class _Nowhere:
    # Where the records of a symbol go that nobody wants any more.
    def push(self, records: bytes, newest_id: int = 0) -> None:
        pass


_NOWHERE: Final = _Nowhere()


@attrs.define(eq=False)
class Source:
    """One connection's stream: which leg it belongs to, and whether it is `over`."""

    leg: int
    connection: ConnectionState
    over: bool = False

    @property
    def stands(self) -> bool:
        """Whether anything may be expected from it."""
        return not self.over and self.connection.status is ConnectionStatus.CONNECTED


@attrs.define(eq=False)
class LegTape:
    """The trades of one symbol that one leg brought. `brought_first` counts those that no other leg had before."""

    tape: Tape = attrs.Factory(Tape)
    first_id: int = 0
    brought_first: int = 0
    missed_before: int = 0


class TradeLine:
    """The trades of one symbol: all of them go to `target`, whatever brought them, and are counted by leg."""

    def __init__(self, target: Channel) -> None:
        self.target = target
        self.tape = Tape()
        self._legs: dict[int, LegTape] = {}

    def of_leg(self, leg: int) -> LegTape:
        """What one leg brought."""
        return self._legs.setdefault(leg, LegTape())

    def count(self, own: LegTape, trade_ids: Sequence[int]) -> None:
        """Note that a leg brought these trades."""
        if own.tape.newest_id is None:
            own.first_id = trade_ids[0]
        if not own.tape.follow(trade_ids):
            for trade_id in trade_ids:
                own.tape.accept(trade_id)
        if self.tape.follow(trade_ids):
            own.brought_first += len(trade_ids)
        else:
            own.brought_first += sum([self.tape.accept(each) is not Verdict.DUPLICATE for each in trade_ids])

    @property
    def trades(self) -> int:
        """Trades brought by any leg, each counted once."""
        return sum(own.brought_first for own in self._legs.values())

    def missed(self, leg: int) -> int:
        """Trades that this leg did not bring and another did, up to the newest this leg brought.

        Exact for the newest `MAX_OPEN_GAPS` intervals since the symbol was last asked for; of older ones those are
        left out that were given up.
        """
        own = self.of_leg(leg)
        return own.missed_before + self._missed_now(own)

    def _missed_now(self, own: LegTape) -> int:
        newest_id = own.tape.newest_id
        if newest_id is None:
            return 0
        return max(own.tape.missing - self.tape.missing_within(own.first_id, newest_id), 0)

    def restart(self) -> None:
        """Nobody listens from now on: what is missing until somebody does is no loss."""
        for own in self._legs.values():
            own.missed_before += self._missed_now(own)
            own.tape.restart()
        self.tape.restart()


class LeadLine:
    """One (instrument, schema) that passes from one leading connection to `target`. `last` are the records passed
    last, `passed_bytes` says how much was."""

    def __init__(self, target: Channel, record_bytes: int) -> None:
        self.target = target
        self.record_bytes = record_bytes
        self.leader: LedChannel | None = None
        self.channels: list[LedChannel] = []
        self.last = b""
        self.passed_bytes = 0

    def succeed(self, channel: LedChannel) -> None:
        """Let `channel` lead from now on; what it pushes must not be older than what was passed."""
        self.leader = channel
        channel.follow(self.last[-self.record_bytes :])

    def heir(self, leaver: LedChannel) -> LedChannel | None:
        """Who leads when `leaver` cannot: the one that stands and has heard the newest; None without any."""
        fit = [each for each in self.channels if each is not leaver and each.newest and each.source.stands]
        return max(fit, key=lambda each: _event_ns(each.newest, -self.record_bytes), default=None)

    def drop(self, source: Source) -> None:
        """Forget a connection that is over."""
        self.channels = [each for each in self.channels if each.source is not source]
        if self.leader is not None and self.leader.source is source:
            self.leader = None


class LedChannel:
    """What one connection pushes into a `LeadLine`: passed on while it leads, dropped otherwise.

    `newest` are the last records that it pushed, empty while they are not to be trusted.
    """

    def __init__(self, line: LeadLine, source: Source) -> None:
        self.source = source
        self.newest = b""
        self._newest_id = 0
        self._line = line
        self._flags_at = _FLAGS_AT - line.record_bytes  # of the last record, from the end
        self._floor = b""
        self._seen: bytes | None = None
        self._ahead_ns = 0

    def push(self, records: bytes, newest_id: int = 0) -> None:
        """Take whole records of this connection; see `Channel.push`."""
        line = self._line
        if records[self._flags_at] & F_MAYBE_BAD_BOOK:
            self._spoil(records, newest_id)
            return
        self.newest, self._newest_id = records, newest_id
        if line.leader is not self:
            if not self._may_lead(records):
                return
            line.succeed(self)
        if self._floor and not (records := self._above_floor(records)):
            return
        line.last = records
        line.passed_bytes += len(records)
        line.target.push(records, newest_id)

    def follow(self, last: bytes) -> None:
        """Begin to lead after `last`, the newest record that was passed."""
        self._floor = last

    def repeat(self) -> None:
        """Push the newest record once more."""
        self.push(self.newest[-self._line.record_bytes :], self._newest_id)

    def forget(self) -> None:
        """What was pushed so far is of another time."""
        self.newest = b""

    def _spoil(self, records: bytes, newest_id: int) -> None:
        # The book is taken back: another connection's stands in for it, or readers must learn that there is none.
        self.newest = b""
        line = self._line
        if line.leader is not self:
            return
        heir = line.heir(self)
        if heir is None:
            line.leader = None
            line.passed_bytes += len(records)
            line.target.push(records, newest_id)
            return
        line.succeed(heir)
        heir.repeat()

    def _may_lead(self, records: bytes) -> bool:
        line = self._line
        leader = line.leader
        if leader is None or not leader.newest or not leader.source.stands:
            return True
        received_ns = _received_ns(records)
        if self._seen is not line.last:
            self._seen, self._ahead_ns = line.last, received_ns
            return False
        return received_ns - self._ahead_ns >= STALE_NS

    def _above_floor(self, records: bytes) -> bytes:
        # The rest of them from which time does not go back, unless the last leader's was of tomorrow.
        event_ns, until_ns = _event_ns(self._floor), _received_ns(self._floor) + STALE_NS
        for at in range(0, len(records), self._line.record_bytes):
            if _event_ns(records, at) >= event_ns or _received_ns(records, at) >= until_ns:
                self._floor = b""
                return records[at:]
        return b""


class TradeChannel:
    """What one connection pushes into a `TradeLine`. Trades without ids cannot be told apart: one leader's pass."""

    def __init__(self, line: TradeLine, own: LegTape, unnumbered: LedChannel) -> None:
        self._line = line
        self._own = own
        self._unnumbered = unnumbered

    def push(self, records: bytes, newest_id: int = 0) -> None:
        """Take whole records of this connection; see `Channel.push`."""
        if newest_id <= 0:
            self._unnumbered.push(records, newest_id)
            return
        line, own = self._line, self._own
        count = len(records) // _TRADE_BYTES
        if newest_id - count == own.tape.newest_id == line.tape.newest_id and (
            count == 1 or _in_a_row(records, newest_id, count=count)
        ):
            # The next ones, and nobody brought them before: as nearly always where one connection is alone.
            own.tape.newest_id = line.tape.newest_id = newest_id
            own.brought_first += count
        else:
            line.count(own, whole_ids(records, newest_id))
        line.target.push(records, newest_id)


class Lines:
    """Every line into one sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._trades: dict[str, TradeLine] = {}
        self._led: dict[tuple[str, Schema], LeadLine] = {}
        self._left: set[str] = set()

    def trades(self, instrument: Instrument) -> TradeLine:
        """The trades of an instrument, into the channel that the sink has for them now."""
        target = self._sink.channel(instrument, Schema.TRADES)
        line = self._trades.setdefault(instrument.symbol, TradeLine(target))
        line.target = target
        return line

    def led(self, instrument: Instrument, schema: Schema) -> LeadLine:
        """One (instrument, schema), into the channel that the sink has for it now."""
        target = self._sink.channel(instrument, schema)
        line = self._led.setdefault((instrument.symbol, schema), LeadLine(target, schema.dtype.itemsize))
        line.target = target
        return line

    def counted(self, symbol: str) -> TradeLine | None:
        """The trades of a symbol; None when it was never asked for."""
        return self._trades.get(symbol)

    def numbered(self) -> list[TradeLine]:
        """The trades of every symbol that was ever asked for."""
        return list(self._trades.values())

    def passed(self, symbol: str, schema: Schema) -> int:
        """Records of a (symbol, schema) that a leader brought."""
        line = self._led.get((symbol, schema))
        return line.passed_bytes // schema.dtype.itemsize if line else 0

    def leave(self, symbol: str) -> None:
        """Nobody wants a symbol any more: whatever still brings it, the sink is neither asked nor told."""
        self._left.add(symbol)
        if trades := self._trades.get(symbol):
            trades.restart()
            trades.target = _NOWHERE
        for (name, _), line in self._led.items():
            if name == symbol:
                line.target = _NOWHERE

    def enter(self, symbol: str) -> None:
        """A symbol that may have left is wanted again."""
        self._left.discard(symbol)

    def wants(self, symbol: str) -> bool:
        """Whether a symbol did not leave."""
        return symbol not in self._left

    def drop(self, source: Source) -> None:
        """Forget a connection that is over."""
        source.over = True
        for line in self._led.values():
            line.drop(source)


class LegSink:
    """The sink that one connection streams into."""

    def __init__(self, lines: Lines, source: Source) -> None:
        self._lines = lines
        self._source = source
        self._channels: dict[tuple[str, Schema], LedChannel] = {}

    def channel(self, instrument: Instrument, schema: Schema) -> Channel:
        """The channel of one (instrument, schema) for this connection. Raises what the sink's own raises."""
        if not self._lines.wants(instrument.symbol):
            return _NOWHERE
        line = self._lines.led(instrument, schema)
        key = (instrument.symbol, schema)
        led = self._channels.get(key)
        if led is None:
            led = self._channels[key] = LedChannel(line, self._source)
            line.channels.append(led)
        led.forget()
        if schema is not Schema.TRADES:
            return led
        trades = self._lines.trades(instrument)
        return TradeChannel(trades, trades.of_leg(self._source.leg), led)


def _in_a_row(records: bytes, newest_id: int, *, count: int) -> bool:
    # Where the word that holds a number wraps it says no, and each is looked at.
    last = newest_id & _WORD
    numbers = memoryview(records).cast("I")[_SEQUENCE_AT // 4 :: _TRADE_BYTES // 4].tolist()
    return numbers == list(range(last - count + 1, last + 1))


def _event_ns(records: bytes, record_at: int = 0) -> int:
    instant_ns: int = _INSTANT(records, record_at + _EVENT_AT)[0]
    return instant_ns


def _received_ns(records: bytes, record_at: int = 0) -> int:
    instant_ns: int = _INSTANT(records, record_at + _RECEIVED_AT)[0]
    return instant_ns
