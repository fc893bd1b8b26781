"""Which connection leads, what is passed on, and what each brought: without any connection."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import numpy as np
import pytest

from core.clock import NS_PER_S
from core.model.instruments import Instrument
from core.model.records import F_LAST, F_MAYBE_BAD_BOOK, TRADE, Schema
from providers.base import Channel
from providers.connection import ConnectionState, ConnectionStatus
from providers.venue.leg_sink import LegSink, Lines, Source
from tests.conformance.providers import KeepingSink
from tests.unit.providers.kraken.support import instrument

SYMBOL = "BTCUSD"


@attrs.define
class Pair:
    """Two connections into one sink."""

    kept: KeepingSink = attrs.Factory(KeepingSink)
    lines: Lines = attrs.field(init=False)
    sources: list[Source] = attrs.field(init=False)
    sinks: list[LegSink] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.lines = Lines(self.kept)
        self.sources = [Source(leg, ConnectionState("V", ConnectionStatus.CONNECTED)) for leg in (1, 2)]
        self.sinks = [LegSink(self.lines, source) for source in self.sources]

    def channels(self, schema: Schema, of: Instrument | None = None) -> tuple[Channel, Channel]:
        """The channel of each connection."""
        one, two = (sink.channel(of or instrument(), schema) for sink in self.sinks)
        return one, two

    def events(self, schema: Schema = Schema.BOOK) -> list[int]:
        """When that was which was passed on; a book taken back counts as -1."""
        records = self.kept.records(SYMBOL, schema)
        bad = records["flags"] & F_MAYBE_BAD_BOOK != 0
        return [-1 if taken else int(at) for taken, at in zip(bad, records["ts_event"], strict=True)]


def record(
    schema: Schema, at_ns: int, *, received_ns: int | None = None, bad: bool = False, number: int = 0
) -> bytes:
    """One record of that time."""
    made = np.zeros(1, schema.dtype)
    made["ts_event"], made["ts_recv"] = at_ns, at_ns if received_ns is None else received_ns
    made["flags"], made["sequence"] = F_LAST | (F_MAYBE_BAD_BOOK if bad else 0), number
    return made.tobytes()


def book(at_ns: int, *, received_ns: int | None = None, bad: bool = False) -> bytes:
    """One book of that time."""
    return record(Schema.BOOK, at_ns, received_ns=received_ns, bad=bad)


def trades(ids: Iterable[int]) -> bytes:
    """A batch of trades."""
    return b"".join(record(Schema.TRADES, number, number=number & 0xFFFF_FFFF) for number in ids)


def test_only_the_leader_passes() -> None:
    """The first that brings a book leads; the other's books are dropped."""
    pair = Pair()
    one, two = pair.channels(Schema.BOOK)
    for at_ns in (1, 2, 3):
        two.push(book(at_ns), at_ns)
        one.push(book(at_ns), at_ns)
    assert pair.events() == [1, 2, 3]
    assert pair.lines.passed(SYMBOL, Schema.BOOK) == 3


def test_a_book_taken_back_is_replaced_at_once() -> None:
    """The other's newest book stands in, nobody sees a withheld one; only when both are gone is it told."""
    pair = Pair()
    one, two = pair.channels(Schema.BOOK)
    one.push(book(1))
    two.push(book(2))
    one.push(book(3, bad=True))
    assert pair.events() == [1, 2]
    one.push(book(4))
    two.push(book(5))
    one.push(book(6, bad=True))
    assert pair.events() == [1, 2, 5]
    two.push(book(7, bad=True))
    one.push(book(8, bad=True))
    assert pair.events() == [1, 2, 5, -1]
    one.push(book(9))
    assert pair.events() == [1, 2, 5, -1, 9]


def test_a_connection_that_is_lost_leads_no_more() -> None:
    """The next record of the other passes; a lost connection is no heir either."""
    pair = Pair()
    one, two = pair.channels(Schema.QUOTES)
    one.push(record(Schema.QUOTES, 1))
    pair.sources[0].connection.enter(ConnectionStatus.RECONNECTING)
    two.push(record(Schema.QUOTES, 2))
    pair.sources[1].connection.enter(ConnectionStatus.RECONNECTING)
    two.push(record(Schema.QUOTES, 3, bad=True))
    assert pair.events(Schema.QUOTES) == [1, 2, -1]


def test_time_never_goes_back() -> None:
    """A new leader's records older than the last that was passed are dropped; later ones pass."""
    pair = Pair()
    one, two = pair.channels(Schema.BOOK)
    one.push(book(3))
    two.push(book(3))
    one.push(book(7))
    one.push(book(9, bad=True))
    for at_ns in (5, 7, 8):
        two.push(book(at_ns))
    assert pair.events() == [3, 7, 7, 8]


def test_a_leader_of_tomorrow_does_not_darken_today() -> None:
    """When the last leader's clock was ahead, its successor is heard after a moment all the same."""
    pair = Pair()
    one, two = pair.channels(Schema.BOOK)
    one.push(book(600 * NS_PER_S, received_ns=NS_PER_S))
    two.push(book(NS_PER_S))
    one.push(book(0, bad=True))
    two.push(book(2 * NS_PER_S))
    assert pair.events() == [600 * NS_PER_S]
    two.push(book(4 * NS_PER_S))
    two.push(book(5 * NS_PER_S))
    assert pair.events() == [600 * NS_PER_S, 4 * NS_PER_S, 5 * NS_PER_S]


def test_a_silent_leader_is_followed_by_one_that_goes_on() -> None:
    """A pause of the market is none of the leader's; one that is silent while the other goes on has to go."""
    pair = Pair()
    one, two = pair.channels(Schema.QUOTES)

    def quote(at_ns: int) -> bytes:
        return record(Schema.QUOTES, at_ns)

    one.push(quote(1))
    two.push(quote(60 * NS_PER_S))
    one.push(quote(60 * NS_PER_S))
    two.push(quote(61 * NS_PER_S))
    two.push(quote(62 * NS_PER_S))
    two.push(quote(63 * NS_PER_S))
    one.push(quote(63 * NS_PER_S))
    assert pair.events(Schema.QUOTES) == [1, 60 * NS_PER_S, 63 * NS_PER_S]


def test_trades_of_both_pass_and_are_counted_by_leg() -> None:
    """All of them go to the sink; who was first and who missed what is exact, over batches and wrapped numbers."""
    pair = Pair()
    one, two = pair.channels(Schema.TRADES)
    start = (5 << 32) - 3
    one.push(trades(range(start, start + 6)), start + 5)
    two.push(trades(range(start + 1, start + 3)), start + 2)
    two.push(trades([start + 8, start + 7]), start + 7)
    one.push(trades([start + 7]), start + 7)
    two.push(trades([start + 20]), start + 20)
    line = pair.lines.counted(SYMBOL)
    assert line is not None
    assert len(pair.kept.records(SYMBOL, Schema.TRADES)) == 12
    assert [line.of_leg(leg).brought_first for leg in (1, 2)] == [6, 3]
    # Of what two missed one had start + 3 to start + 5; start + 6 and start + 9 onwards nobody brought.
    assert [line.missed(leg) for leg in (1, 2)] == [0, 3]
    assert (line.trades, line.tape.gaps) == (9, 2)


def test_what_was_missed_stays_counted_when_a_symbol_leaves() -> None:
    """And what nobody listened to is missed by nobody."""
    pair = Pair()
    one, two = pair.channels(Schema.TRADES)
    one.push(trades([1, 2, 3]), 3)
    two.push(trades([1]), 1)
    two.push(trades([3]), 3)
    pair.lines.leave(SYMBOL)
    pair.lines.leave("NOPE")
    pair.lines.enter(SYMBOL)
    one, two = pair.channels(Schema.TRADES)
    one.push(trades([9]), 9)
    two.push(trades([9]), 9)
    line = pair.lines.counted(SYMBOL)
    assert line is not None
    assert [line.missed(leg) for leg in (1, 2)] == [0, 1]
    assert line.tape.gaps == 0


def test_trades_without_numbers_come_from_the_leader() -> None:
    """They cannot be told apart, so that two connections' would be stored twice."""
    pair = Pair()
    one, two = pair.channels(Schema.TRADES)
    for at_ns in (1, 2):
        one.push(record(Schema.TRADES, at_ns))
        two.push(record(Schema.TRADES, at_ns))
    assert pair.events(Schema.TRADES) == [1, 2]
    assert pair.lines.passed(SYMBOL, Schema.TRADES) == 2


def test_a_symbol_that_comes_back_has_the_sinks_new_channel() -> None:
    """The rings of a symbol that left are gone: nothing is pushed into them, and no old book stands in."""
    pair = Pair()
    one, two = pair.channels(Schema.BOOK)
    one.push(book(1))
    two.push(book(1))
    pair.kept.channels.clear()
    one, two = pair.channels(Schema.BOOK)
    one.push(book(5))
    one.push(book(6, bad=True))
    assert pair.events() == [5, -1]


@pytest.mark.parametrize("schema", [Schema.TRADES, Schema.QUOTES, Schema.BOOK])
def test_every_schema_begins_alike(schema: Schema) -> None:
    """The instants, flags and numbers that are read here stand where they stand in a trade."""
    for name in ("ts_event", "ts_recv", "flags", "sequence"):
        assert schema.dtype.fields is not None
        assert TRADE.fields is not None
        assert schema.dtype.fields[name][1] == TRADE.fields[name][1]


def test_what_is_over_is_forgotten() -> None:
    """A connection that is over leads no more, and the next to push does."""
    pair = Pair()
    one, two = pair.channels(Schema.QUOTES)
    one.push(record(Schema.QUOTES, 1))
    pair.lines.drop(pair.sources[0])
    two.push(record(Schema.QUOTES, 2))
    assert pair.events(Schema.QUOTES) == [1, 2]


def quotes(*at_ns: int) -> bytes:
    """A batch of quotes of those times."""
    return b"".join(record(Schema.QUOTES, each) for each in at_ns)


def test_time_never_goes_back_within_batches() -> None:
    """What a reader saw last is the end of a batch, not its beginning; the rest of a batch that is newer passes."""
    pair = Pair()
    one, two = pair.channels(Schema.QUOTES)
    one.push(quotes(10, 20))
    pair.lines.drop(pair.sources[0])
    two.push(quotes(12, 15))
    two.push(quotes(15, 25))
    two.push(quotes(26, 27))
    assert pair.events(Schema.QUOTES) == [10, 20, 25, 26, 27]


def test_of_a_batch_the_newest_book_stands_in() -> None:
    """The one that has heard the newest is the heir, and of what it heard last only the end is told."""
    pair = Pair()
    one, two = pair.channels(Schema.BOOK)
    one.push(book(1))
    two.push(book(2) + book(3))
    one.push(book(4, bad=True))
    assert pair.events() == [1, 3]


def test_a_symbol_that_left_is_pushed_no_more() -> None:
    """A connection that begins late, or ends late, makes no channel of it in the sink and pushes nothing there."""
    pair = Pair()
    one, _ = pair.channels(Schema.BOOK)
    tape, _ = pair.channels(Schema.TRADES)
    pair.lines.leave(SYMBOL)
    one.push(book(1))
    tape.push(trades([1]), 1)
    pair.kept.channels.clear()
    late = pair.sinks[1].channel(instrument(), Schema.BOOK)
    late.push(book(2))
    assert not pair.kept.channels
    pair.lines.enter(SYMBOL)
    one, _ = pair.channels(Schema.BOOK)
    one.push(book(3))
    assert pair.events() == [3]
