"""The channel that mends one symbol's trades: order, repeats, holes and their ends, without a network."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import NS_PER_S
from core.model.instruments import Instrument
from core.model.records import BUY, F_LAST, F_RECOVERED
from providers.base import Interval
from providers.venue import healing_channel, holes
from providers.venue.healing_channel import HealingChannel
from providers.venue.holes import GRACE_NS, event_ns, received_ns, whole_ids
from tests.unit.providers.kraken.support import instrument
from tests.unit.providers.venue.trades import pack_trade

BITCOIN: Instrument = instrument()
FIRST = 2**32 - 40  # the records' 32 bits overflow on the way


def trade(trade_id: int, *, flags: int = F_LAST) -> bytes:
    """The trade of that number; it happened at its number in seconds."""
    return pack_trade(
        BITCOIN, price_e9=trade_id, quantity_e8=trade_id, side=BUY, trade_id=trade_id,
        ts_event_ns=trade_id * NS_PER_S, ts_recv_ns=trade_id * NS_PER_S + 1, flags=flags,
    )  # fmt: skip


@attrs.define
class Tape:
    """A channel behind the mended one: the ids that came out, in order."""

    ids: list[int] = attrs.Factory(list)
    batches: list[int] = attrs.Factory(list)

    def push(self, records: bytes, newest_id: int = 0) -> None:
        """Keep the ids."""
        self.batches.append(len(records) // 48)
        self.ids += whole_ids(records, newest_id) if newest_id else [0] * (len(records) // 48)


class Bench:
    """A mended channel with a clock of its own."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.tape = Tape()
        self.wakes = 0
        self.intervals: deque[Interval] = deque(maxlen=1024)
        self.channel = HealingChannel(
            self.tape, BITCOIN, intervals=self.intervals, clock_ns=lambda: self.now_ns,
            cause_of=lambda _before: "skipped", wake=self._wake,
        )  # fmt: skip

    def _wake(self) -> None:
        self.wakes += 1

    def live(self, *ids: int) -> None:
        """Push trades one by one."""
        for each in ids:
            self.channel.push(trade(each), each)

    def batch(self, *ids: int) -> None:
        """Push trades in one piece."""
        self.channel.push(b"".join(map(trade, ids)), ids[-1])

    def told(self, ids: Iterable[int]) -> None:
        """The venue's past tells of trades."""
        known = list(ids)
        self.channel.recover(known, [trade(each, flags=F_LAST | F_RECOVERED) for each in known])

    def only_interval(self) -> tuple[int, int, int, int, str]:
        """First and last id, recovered, lost and why, of the one interval there is."""
        (only,) = self.intervals
        return only.first_id, only.last_id, only.recovered, only.lost, only.reason


def test_what_is_in_order_passes_at_once() -> None:
    """Single records and batches, the first of which may have any number."""
    bench = Bench()
    bench.live(100, 101)
    bench.batch(102, 103, 104)
    bench.live(105)
    assert bench.tape.ids == [100, 101, 102, 103, 104, 105]
    assert bench.tape.batches == [1, 1, 3, 1]
    assert bench.channel.published == 6
    assert bench.channel.hole is None
    assert bench.wakes == 0


def test_what_has_no_id_passes_as_it_is() -> None:
    """A venue without numbers is never held up."""
    bench = Bench()
    bench.channel.push(trade(9) + trade(3))
    assert bench.tape.ids == [0, 0]
    assert (bench.channel.published, bench.channel.sorter.duplicates) == (2, 0)


def test_what_came_is_dropped_the_second_time() -> None:
    """A repeat is counted, published or waiting."""
    bench = Bench()
    bench.live(1, 2, 2, 5, 5, 1)
    bench.batch(1, 2, 5)
    assert bench.tape.ids == [1, 2]
    assert bench.channel.sorter.duplicates == 6


def test_a_jump_holds_back_what_comes_after_it() -> None:
    """Until the missing ones are told; then all goes on in order, and one interval says so."""
    bench = Bench()
    bench.live(1, 2, 5, 6)
    assert bench.tape.ids == [1, 2]
    assert (bench.channel.missing, bench.channel.gaps, bench.channel.waits) == (2, 1, 2)
    bench.told([3, 4])
    bench.live(7)
    assert bench.tape.ids == [1, 2, 3, 4, 5, 6, 7]
    assert bench.only_interval() == (3, 4, 2, 0, "")
    assert (bench.intervals[0].start_ns, bench.intervals[0].end_ns) == (2 * NS_PER_S, 5 * NS_PER_S)
    assert (bench.channel.missing, bench.channel.gaps, bench.channel.sorter.recovered) == (0, 0, 2)


def test_a_batch_is_split_at_its_jump() -> None:
    """What goes before it is published at once, in order even if the batch is not."""
    bench = Bench()
    bench.batch(1, 3, 2, 6)
    assert bench.tape.ids == [1, 2, 3]
    bench.told([4, 5])
    assert bench.tape.ids == [1, 2, 3, 4, 5, 6]


def test_a_batch_that_ends_with_the_next_one_may_begin_with_a_repeat() -> None:
    """Only what is new of it passes, and what it ended with is where a hole begins."""
    bench = Bench()
    bench.live(1, 2)
    bench.batch(2, 3)
    bench.batch(4, 5)
    bench.live(7)
    bench.told([6])
    assert bench.tape.ids == [1, 2, 3, 4, 5, 6, 7]
    assert (bench.channel.sorter.duplicates, bench.intervals[0].start_ns) == (1, 5 * NS_PER_S)


def test_a_question_by_time_is_no_empty_range() -> None:
    """Even if the venue dated the trade before the hole later than the one behind it."""
    bench = Bench()
    ahead = bytearray(trade(1))
    ahead[8:16] = (600 * NS_PER_S).to_bytes(8, "little")
    bench.channel.push(bytes(ahead), 1)
    bench.live(3)
    bench.now_ns = GRACE_NS
    assert bench.channel.sorter.question() == (2, 2, 2, 3 * NS_PER_S, 600 * NS_PER_S)


def test_late_ones_that_fill_a_hole_close_it() -> None:
    """Nothing was fetched or lost, so there is nothing to tell."""
    bench = Bench()
    bench.live(1, 4, 3, 2, 5)
    assert bench.tape.ids == [1, 2, 3, 4, 5]
    assert not bench.intervals
    assert bench.channel.hole is None


def test_late_ones_join_those_that_were_told() -> None:
    """The interval names only what was fetched."""
    bench = Bench()
    bench.live(1, 6, 3)
    bench.told([2, 3, 4, 5])
    bench.live(4)
    assert bench.tape.ids == [1, 2, 3, 4, 5, 6]
    assert bench.only_interval() == (2, 5, 3, 0, "")
    assert bench.channel.sorter.duplicates == 1


def test_pages_are_published_as_they_come() -> None:
    """The first page of an answer does not wait for the last one."""
    bench = Bench()
    bench.live(1, 9)
    bench.told([2, 3, 4])
    assert bench.tape.ids == [1, 2, 3, 4]


def test_holes_are_settled_in_order() -> None:
    """A later hole that is whole waits for an earlier one; given up, both go on."""
    bench = Bench()
    bench.live(1, 4, 7, 10)
    bench.told([5, 6])
    assert bench.tape.ids == [1]
    bench.channel.give_up("refused")
    assert bench.tape.ids == [1, 4, 5, 6, 7]
    bench.told([8, 9])
    assert bench.tape.ids == [1, 4, 5, 6, 7, 8, 9, 10]
    said = [(each.first_id, each.last_id, each.recovered, each.lost, each.reason) for each in bench.intervals]
    assert said == [(5, 6, 2, 0, ""), (2, 3, 0, 2, "refused"), (8, 9, 2, 0, "")]
    assert (bench.channel.missing, bench.channel.gaps, bench.channel.sorter.lost) == (2, 1, 2)


def test_what_is_lost_is_told_exactly() -> None:
    """Of a hole that was partly filled only the rest is lost."""
    bench = Bench()
    bench.live(1, 10, 3, 9)
    bench.told([2, 4])
    bench.channel.give_up("refused")
    assert bench.tape.ids == [1, 2, 3, 4, 9, 10]
    assert bench.only_interval() == (2, 8, 2, 4, "refused")


def test_what_was_given_up_and_comes_all_the_same_is_published() -> None:
    """Out of order, once; the interval and the counts know it."""
    bench = Bench()
    bench.live(1, 5)
    bench.channel.give_up("refused")
    bench.live(3, 3, 6)
    assert bench.tape.ids == [1, 5, 3, 6]
    assert bench.only_interval() == (2, 4, 1, 2, "refused")
    assert (bench.channel.missing, bench.channel.sorter.duplicates) == (2, 1)


def test_too_many_waiting_give_up_the_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The buffer is bounded: the oldest hole is given up for that reason, and what waits goes on."""
    monkeypatch.setattr(healing_channel, "WAITING_AT_MOST", 5)
    bench = Bench()
    bench.live(1, *range(3, 9))
    assert bench.tape.ids == [1, 3, 4, 5, 6, 7, 8]
    assert bench.only_interval() == (2, 2, 0, 1, "more than 5 trades wait for them")


def test_much_is_published_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long wait does not end in a flood: what is live meanwhile queues up behind."""
    monkeypatch.setattr(healing_channel, "AT_ONCE", 10)
    bench = Bench()
    bench.live(1, *range(3, 40))
    bench.told([2])
    assert bench.tape.ids == [1]
    bench.live(40)
    while bench.channel.drain():
        bench.live(bench.channel.cursor[0] + 1)
        if bench.channel.cursor[0] > 60:
            break
    while bench.channel.drain():
        pass
    bench.live(bench.channel.cursor[0] + 1)
    assert bench.tape.ids == list(range(1, bench.channel.cursor[0] + 1))
    assert max(bench.tape.batches) == 10
    assert bench.channel.waits == 0


def test_more_holes_than_are_kept_apart_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is forgotten by it."""
    monkeypatch.setattr(holes, "HOLES_AT_MOST", 3)
    bench = Bench()
    bench.live(*range(1, 40, 2))
    assert (bench.channel.gaps, bench.channel.missing) == (3, 19)
    bench.told(range(1, 40))
    assert bench.tape.ids == list(range(1, 40))
    assert sum(each.recovered for each in bench.intervals) == 19


def test_a_question_covers_the_holes_that_are_near() -> None:
    """Each has its grace first; a far one is asked for by itself."""
    bench = Bench()
    bench.live(1, 4, 8)
    assert bench.channel.sorter.question() is None
    bench.now_ns = GRACE_NS
    bench.live(*range(9, 2000), 2003)
    question = bench.channel.sorter.question()
    assert question == (2, 7, 3, 1 * NS_PER_S, 8 * NS_PER_S)
    bench.now_ns *= 2
    assert bench.channel.sorter.question() == question
    bench.told([2, 3, 5, 6, 7])
    assert bench.channel.sorter.question() == (2000, 2002, 2002, 1999 * NS_PER_S, 2003 * NS_PER_S)


def test_runs_are_what_lies_between_known_trades() -> None:
    """Each with its neighbours, whether published or waiting."""
    bench = Bench()
    bench.live(1, 9, 4, 12)
    assert bench.channel.sorter.runs(8) == [(2, 3, trade(1), trade(4)), (5, 8, trade(4), trade(9))]
    assert bench.channel.sorter.runs(11)[2:] == [(10, 11, trade(9), trade(12))]


def test_the_rings_newest_record_is_where_it_goes_on() -> None:
    """What it has is a repeat, what is missing behind it a hole that a restart made."""
    bench = Bench()
    bench.channel.resume(51, trade(50))  # the producer died before it committed the next
    bench.live(49, 50, 53)
    assert bench.tape.ids == []
    bench.told([51, 52])
    assert bench.tape.ids == [51, 52, 53]
    assert [each.cause for each in bench.intervals] == ["restart"]
    assert bench.channel.sorter.duplicates == 2


def test_a_venue_that_counts_anew_is_not_taken_for_repeats() -> None:
    """Later trades with lower numbers than the ring's begin a fresh tape."""
    bench = Bench()
    bench.channel.resume(50, trade(50))
    again = bytearray(trade(3))
    again[8:16] = (99 * NS_PER_S).to_bytes(8, "little")
    bench.channel.push(bytes(again), 3)
    bench.live(4, 5)
    assert bench.tape.ids == [3, 4, 5]


def test_catching_up_brings_what_nobody_pushed() -> None:
    """In a quiet market the past alone says what was missed; what is absurdly far is not believed."""
    bench = Bench()
    bench.live(1, 2)
    ids = [2, 3, 5, 2**33]
    bench.channel.catch_up(ids, [trade(each) for each in ids])
    assert bench.tape.ids == [1, 2, 3]
    bench.told([4])
    bench.live(5, 6)
    assert bench.tape.ids == [1, 2, 3, 4, 5, 6]
    assert bench.only_interval() == (3, 5, 3, 0, "")


def test_settled_it_begins_anew() -> None:
    """What waited is published, what was looked for lost; the next id is as good as any."""
    bench = Bench()
    bench.live(1, 3)
    bench.channel.settle("unsubscribed")
    assert not bench.channel.drain()
    bench.channel.catch_up([9], [trade(9)])
    assert bench.tape.ids == [1, 3]
    assert bench.only_interval() == (2, 2, 0, 1, "unsubscribed")
    bench.live(70, 71)
    assert bench.tape.ids == [1, 3, 70, 71]


def test_instants_are_read_from_the_bytes() -> None:
    """Those of the venue and of the receipt."""
    assert (event_ns(trade(7)), received_ns(trade(7))) == (7 * NS_PER_S, 7 * NS_PER_S + 1)


Act = tuple[str, list[int]]
_OFFSETS = st.integers(0, 60)
_ACTS: st.SearchStrategy[Act] = st.one_of(
    st.tuples(st.just("live"), st.lists(_OFFSETS, min_size=1, max_size=6)),
    st.tuples(st.just("batch"), st.lists(_OFFSETS, min_size=1, max_size=6)),
    st.tuples(st.just("told"), st.lists(_OFFSETS, max_size=20).map(sorted)),
    st.tuples(st.just("onward"), st.lists(_OFFSETS, min_size=1, max_size=6).map(sorted)),
    st.tuples(st.sampled_from(["refused", "drain"]), st.just([])),
)


@given(
    st.lists(_ACTS, max_size=40),
    st.sampled_from([2, 100_000]),
    st.sampled_from([1, 3, 512]),
    st.sampled_from([1, 4, 1024]),
)
def test_every_trade_comes_out_once_or_is_lost(acts: list[Act], waiting: int, at_once: int, kept: int) -> None:
    """Any order, repeats, cuts, partial answers and refusals: published and lost are all there ever was, exactly; and
    what comes out ascends, but for what had been given up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(healing_channel, "WAITING_AT_MOST", waiting)
        patch.setattr(healing_channel, "AT_ONCE", at_once)
        patch.setattr(holes, "HOLES_AT_MOST", kept)
        bench, came = Bench(), _play(acts)
        first = _carry_out(acts, bench)
    assert len(set(bench.tape.ids)) == len(bench.tape.ids) == bench.channel.published
    if first is None:
        return
    newest = max(bench.tape.ids)
    lost = set(range(first, newest + 1)) - set(bench.tape.ids)
    assert len(lost) == bench.channel.sorter.lost == sum(each.lost for each in bench.intervals)
    assert sum(each.recovered for each in bench.intervals) == bench.channel.sorter.recovered
    assert {each for each in came if each >= first} <= set(bench.tape.ids)
    for each in lost:
        assert any(told.first_id <= each <= told.last_id for told in bench.intervals if told.lost)
    if not any(told.lost or told.reason for told in bench.intervals):
        assert bench.tape.ids == sorted(bench.tape.ids)


def _play(acts: list[Act]) -> set[int]:
    return {FIRST + each for kind, offsets in acts if kind in {"live", "batch"} for each in offsets}


def _carry_out(acts: list[Act], bench: Bench) -> int | None:
    first: int | None = None
    for kind, offsets in acts:
        ids = [FIRST + each for each in offsets]
        if first is None and kind in {"live", "batch"}:
            first = ids[0] if kind == "live" else min(ids)
        if kind == "live":
            bench.live(*ids)
        elif kind == "batch":
            bench.batch(*ids)
        elif kind == "told":
            bench.told(ids)
        elif kind == "onward":
            bench.channel.catch_up(ids, [trade(each) for each in ids])
        elif kind == "drain":
            bench.channel.drain()
        elif bench.channel.hole is not None:
            bench.channel.give_up("refused")
    while bench.channel.hole is not None:
        bench.channel.give_up("over")
    while bench.channel.drain():
        pass
    return first
