"""The feed without a network: what is held back, and what is said about it."""

from __future__ import annotations

import pytest

from core.errors import AuthenticationError, NotFoundError, TransientError
from core.model.records import MBP1_STRUCT, STREAMED, TRADE_STRUCT, Schema
from providers.connection import ConnectionState
from providers.databento.feed import Feed
from providers.databento.live import Mapped, Notice, Refusal
from tests.unit.providers.databento.gateways import instrument
from tests.unit.providers.databento.support import MemorySink

NOW_NS = 1_800_000_000_000_000_000


def trade(
    number: int = 118, *, at_ns: int = NOW_NS, sequence: int = 1, publisher: int = 1, length: int = 12, rtype: int = 0
) -> bytes:
    """One trade."""
    return TRADE_STRUCT.pack(length, rtype, publisher, number, at_ns, 5, 1, b"T", b"A", 128, 0, at_ns, 0, sequence)


def opened(*symbols: str) -> tuple[Feed, MemorySink]:
    """A feed in its first session, its symbols mapped to 118, 119 and so on."""
    sink = MemorySink()
    feed = Feed([instrument(each) for each in symbols or ("ESU4",)], sink, ConnectionState("GLBX.MDP3"), STREAMED)
    feed.opened(NOW_NS)
    feed.began(NOW_NS - 10_000_000_000)
    feed.take([Mapped(118 + at, each) for at, each in enumerate(symbols or ("ESU4",))], NOW_NS)
    return feed, sink


@pytest.mark.parametrize(
    "record",
    [
        trade(117),
        trade(rtype=0x13),
        trade(length=11),
        trade() + b"\0" * 8,
        trade(publisher=61_440),
        MBP1_STRUCT.pack(20, 0, 1, 118, NOW_NS, 0, 0, b"A", b"A", 0, 0, NOW_NS, 0, 0, 0, 0, 0, 0, 0, 0),
    ],
)
def test_what_could_be_mistaken_is_held_back(record: bytes) -> None:
    """Unknown instruments, other layouts and our own publisher numbers are counted and not published."""
    feed, sink = opened()
    feed.take([record, trade(sequence=2)], NOW_NS)
    (counters,) = feed.counters
    assert sink.bytes_of("ESU4", Schema.TRADES) == trade(sequence=2)
    assert feed._connection.malformed + counters.rejected == 1
    assert counters.trades == 1


def test_instruments_may_change_their_numbers() -> None:
    """A new mapping moves a symbol to another number while the session runs."""
    feed, sink = opened()
    feed.take([trade(118), Mapped(500, "ESU4"), trade(500, sequence=2)], NOW_NS)
    assert sink.bytes_of("ESU4", Schema.TRADES) == trade(118) + trade(500, sequence=2)


def test_what_came_before_an_error_is_published() -> None:
    """An error record ends the session; records before it in the same batch are not lost."""
    feed, sink = opened()
    with pytest.raises(AuthenticationError):
        feed.take([trade(), Refusal("AUTH_FAILED", "no\x1b[2Jmore"), trade(sequence=2)], NOW_NS)
    assert sink.bytes_of("ESU4", Schema.TRADES) == trade()


def test_skipped_records_begin_a_new_session() -> None:
    """What the gateway skipped is replayed from the last record taken."""
    feed, _ = opened()
    with pytest.raises(TransientError):
        feed.take([trade(), Refusal("SKIPPED_RECORDS_AFTER_SLOW_READING", ""), trade(sequence=9)], NOW_NS)
    assert feed.starts()["trades"] == NOW_NS - 1_000_000_000


def test_symbols_that_cannot_be_resolved() -> None:
    """Those named in the text are refused, all that have no name yet when it names none; the last one ends it."""
    feed, _ = opened("ESU4", "NQU4", "YMU4")
    feed.take([Refusal("SYMBOL_RESOLUTION_FAILED", "Failed to resolve symbols: 'NQU4', XNQU4")], NOW_NS)
    assert [bool(each.problem) for each in feed.counters] == [False, True, False]
    feed.take([Mapped(300, "ESU4")], NOW_NS)
    feed.opened(NOW_NS)
    with pytest.raises(NotFoundError):
        feed.take([Refusal("SYMBOL_RESOLUTION_FAILED", "nothing found")], NOW_NS)


def test_quiet_markets_move_the_cursor() -> None:
    """A heartbeat says that everything before was sent, so a quiet day is not replayed."""
    feed, _ = opened()
    hour_ns = 3600 * 10**9
    feed.take([trade(), Notice("HEARTBEAT", "", NOW_NS + hour_ns)], NOW_NS)
    assert feed.starts()["trades"] == NOW_NS + hour_ns - 1_000_000_000


def test_nothing_of_before_the_first_session_is_replayed() -> None:
    """A cut right after the beginning asks for no more than happened since, though replays overlap."""
    feed = Feed([instrument("ESU4")], MemorySink(), ConnectionState("GLBX.MDP3"), STREAMED)
    feed.opened(NOW_NS)
    feed.began(NOW_NS)
    feed.take([Mapped(118, "ESU4"), trade(at_ns=NOW_NS + 5)], NOW_NS)
    assert set(feed.starts().values()) == {NOW_NS}


def test_a_heartbeat_within_a_replay_moves_nothing() -> None:
    """Until everything missed was replayed the gateway's clock says nothing of what was sent."""
    feed, _ = opened()
    feed.take([trade()], NOW_NS)
    feed.closed(NOW_NS)
    feed.opened(NOW_NS)
    feed.take([Notice("HEARTBEAT", "", NOW_NS + 10**12)], NOW_NS)
    assert feed.starts()["trades"] == NOW_NS - 1_000_000_000


def intervals(feed: Feed) -> list[tuple[str, int, int, int, int]]:
    """Of each: symbol, where it begins and ends, how many were recovered and lost; all of them are of cuts."""
    assert all((each.venue, each.cause) == ("GLBX.MDP3", "disconnect") for each in feed._missed.intervals)
    return [(each.symbol, each.start_ns, each.end_ns, each.recovered, each.lost) for each in feed._missed.intervals]


def test_replays_end_one_schema_at_a_time() -> None:
    """Who missed trades is told so once theirs are replayed, with their number; who missed none is not."""
    feed, _ = opened("ESU4", "NQU4")
    feed.take([trade(), trade(119)], NOW_NS)
    feed.closed(NOW_NS)
    feed.opened(NOW_NS)
    feed.take([Mapped(118, "ESU4"), Mapped(119, "NQU4"), trade(), trade(sequence=2), trade(sequence=3)], NOW_NS)
    for text in ("Finished mbp-1 replay", "Finished trades replay", "done"):
        feed.take([Notice("REPLAY_COMPLETED", text, NOW_NS + 7)], NOW_NS)
        assert len(feed._missed.intervals) == ("mbp-1" not in text)
    assert intervals(feed) == [("ESU4", NOW_NS - 1_000_000_000, NOW_NS + 7, 2, 0)]
    feed.take([trade(sequence=4)], NOW_NS)
    assert len(feed._missed.intervals) == 1


def test_a_replay_that_is_cut_is_told_with_the_next() -> None:
    """The interval begins where the first cut was, and holds the trades of both replays."""
    feed, _ = opened()
    feed.take([trade()], NOW_NS)
    for sequence in (2, 3):
        feed.opened(NOW_NS)
        feed.take([Mapped(118, "ESU4"), trade(at_ns=NOW_NS + sequence, sequence=sequence)], NOW_NS)
    feed.take([Notice("REPLAY_COMPLETED", "Finished trades replay", NOW_NS + 9)], NOW_NS)
    assert intervals(feed) == [("ESU4", NOW_NS - 1_000_000_000, NOW_NS + 9, 2, 0)]


def test_a_replay_that_is_gone_is_told() -> None:
    """For every symbol, with what came of it, the reason, and where the next session begins, however many were cut
    before they did: how much is lost is not known."""
    feed, _ = opened("ESU4", "NQU4")
    feed.take([trade()], NOW_NS)
    feed.opened(NOW_NS)
    feed.take([Mapped(118, "ESU4"), trade(at_ns=NOW_NS + 1, sequence=2)], NOW_NS)
    with pytest.raises(TransientError):
        feed.take([Refusal("REPLAY_DATA_AGED_OUT", "gone")], NOW_NS + 5)
    feed.began(NOW_NS)  # of the session that is of no more use
    for at_ns in (NOW_NS + 6, NOW_NS + 60):
        feed.closed(at_ns)
        assert not feed._missed.intervals
        assert feed.starts()["trades"] == 0
        feed.opened(at_ns + 1)
    feed.began(NOW_NS + 99)
    begun_ns = NOW_NS - 1_000_000_000
    assert intervals(feed) == [("ESU4", begun_ns, NOW_NS + 99, 1, 0), ("NQU4", begun_ns, NOW_NS + 99, 0, 0)]
    assert {each.reason for each in feed._missed.intervals} == {"what was missed cannot be replayed"}
    assert [each.gaps for each in feed.counters] == [1, 1]


def test_a_replay_of_quotes_that_is_gone_costs_trades_too() -> None:
    """The next session begins anew in every schema: what was traded meanwhile is lost, and told."""
    feed, _ = opened()
    feed.take([trade()], NOW_NS)
    feed.opened(NOW_NS + 1)
    feed.take([Mapped(118, "ESU4"), Notice("REPLAY_COMPLETED", "Finished trades replay", NOW_NS + 2)], NOW_NS)
    with pytest.raises(TransientError):
        feed.take([Refusal("REPLAY_DATA_AGED_OUT", "gone")], NOW_NS + 5)
    feed.closed(NOW_NS + 6)
    feed.opened(NOW_NS + 7)
    feed.began(NOW_NS + 9)
    assert intervals(feed) == [("ESU4", NOW_NS + 5, NOW_NS + 9, 0, 0)]


def test_a_session_that_never_said_when_it_began_is_told() -> None:
    """From when the first of them was opened to when the next one began: one interval, and a gap, a symbol."""
    feed = Feed([instrument("ESU4")], MemorySink(), ConnectionState("GLBX.MDP3"), STREAMED)
    for at_ns in (NOW_NS, NOW_NS + 10):
        feed.opened(at_ns)
        feed.began(0)
        feed.closed(at_ns + 5)
    feed.opened(NOW_NS + 20)
    assert not feed._missed.intervals
    feed.began(NOW_NS + 21)
    feed.began(NOW_NS + 21)
    assert intervals(feed) == [("ESU4", NOW_NS, NOW_NS + 21, 0, 0)]
    assert "before it said when it began" in feed._missed.intervals[0].reason
    assert feed.counters[0].gaps == 1
    feed.closed(NOW_NS + 30)
    feed.opened(NOW_NS + 31)
    feed.began(0)
    feed.closed(NOW_NS + 32)
    feed.opened(NOW_NS + 33)
    feed.began(NOW_NS + 34)
    assert len(feed._missed.intervals) == 1, "what was heard once is replayed"


def test_late_trades_and_skewed_clocks_are_counted() -> None:
    """A trade older than the last counts as out of order; one an hour from our time as skewed, until it is not."""
    feed, sink = opened()
    feed.take([trade(), trade(at_ns=NOW_NS - 5, sequence=2)], NOW_NS)
    (counters,) = feed.counters
    assert (counters.out_of_order, counters.trades, counters.skewed) == (1, 2, 0)
    feed.take([trade(at_ns=NOW_NS + 1, sequence=3)], NOW_NS + 3600 * 10**9)
    assert (counters.skewed, "clock" in counters.problem) == (1, True)
    feed.take([trade(at_ns=NOW_NS + 2, sequence=4)], NOW_NS)
    assert counters.problem == ""
    assert len(sink.bytes_of("ESU4", Schema.TRADES)) == 4 * 48


def test_unknown_notices_are_counted() -> None:
    """What a later gateway may say is no error."""
    feed, _ = opened()
    feed.take([Notice("UNEXPECTED", "StatusMsg\x1b", 0), Notice("SUBSCRIPTION_ACK", "", 0)], NOW_NS)
    assert feed._connection.malformed == 1
