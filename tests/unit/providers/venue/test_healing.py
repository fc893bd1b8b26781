"""The healing sink: what it asks of a venue's past, when, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import attrs
import numpy as np
import pytest
import trio
import trio.testing

from core.bars.timeframes import Timeframe
from core.clock import NS_PER_S, monotonic_ns, wall_ns
from core.errors import NotFoundError, PermanentError, ResourceExhaustedError, TransientError
from core.model.instruments import Instrument
from core.model.records import BUY, F_LAST, F_RECOVERED, TRADE, Schema
from providers.base import Availability, BarPage, Historical, TradePage
from providers.connection import ConnectionState, ConnectionStatus
from providers.venue import healing, healing_channel, holes
from providers.venue.healing import HealingSink
from tests.unit.providers.binance.support import KeepingSink
from tests.unit.providers.venue.test_holes import BITCOIN, trade
from tests.unit.providers.venue.trades import pack_trade

DEADLINE_S = 20.0
PUBLISHED = "BTC/USD", Schema.TRADES


@attrs.define
class Past:
    """A venue's past that knows `ids`, and raises `failures` first. `asked` is what it was asked for."""

    ids: Sequence[int] = ()
    failures: list[Exception] = attrs.Factory(list)
    numbered: bool = True
    asked: list[tuple[int, int]] = attrs.Factory(list)
    rejected: int = 0

    async def trades(self, instrument: Instrument, *, start_ns: int, end_ns: int) -> AsyncIterator[TradePage]:
        """The trades of a range, in pages of three."""
        assert instrument is BITCOIN
        self._answer(start_ns, end_ns)
        wanted = [each for each in self.ids if start_ns <= each * NS_PER_S < end_ns]
        for at in range(0, len(wanted), 3):
            await trio.lowlevel.checkpoint()
            yield self._page(wanted[at : at + 3])

    def bars(
        self, instrument: Instrument, timeframe: Timeframe, *, start_ns: int, end_ns: int
    ) -> AsyncIterator[BarPage]:
        """Nobody asks for them here."""
        raise NotFoundError("bars", f"{instrument} {timeframe} {start_ns} {end_ns}")

    async def availability(self, instrument: Instrument) -> Availability:
        """Nobody asks for it here."""
        raise NotFoundError("availability", instrument.symbol)

    def _answer(self, first: int, last: int) -> None:
        self.asked.append((first, last))
        if self.failures:
            raise self.failures.pop(0)

    def _page(self, ids: Sequence[int]) -> TradePage:
        records = b"".join([trade(each, flags=F_LAST | F_RECOVERED) for each in ids])
        made = np.frombuffer(records, TRADE).copy()
        if not self.numbered:
            made["sequence"] = 0
        told = np.array(ids if self.numbered else [0] * len(ids), np.int64)
        return TradePage(records=made, ids=told, rejected=self.rejected)


class NumberedPast(Past):
    """One that can be asked by number."""

    async def trades_from_id(
        self, instrument: Instrument, *, first_id: int, last_id: int | None = None
    ) -> AsyncIterator[TradePage]:
        """The trades of a range of numbers, in one page."""
        assert instrument is BITCOIN
        self._answer(first_id, last_id or 0)
        await trio.lowlevel.checkpoint()
        yield self._page([each for each in self.ids if first_id <= each and (last_id is None or each <= last_id)])


class Bench:
    """A healing sink in front of channels that keep."""

    def __init__(self) -> None:
        self.kept = KeepingSink()
        self.sink = HealingSink(self.kept)
        self.channel = self.sink.channel(BITCOIN, Schema.TRADES)
        self.connection = ConnectionState("KRAKEN")
        self.connection.enter(ConnectionStatus.CONNECTING)
        self.connection.enter(ConnectionStatus.CONNECTED)

    def live(self, *ids: int) -> None:
        """Push trades one by one."""
        for each in ids:
            self.channel.push(trade(each), each)

    @property
    def out(self) -> list[int]:
        """The low words of the ids that came out."""
        kept = self.kept.channels[PUBLISHED]
        return kept.array(Schema.TRADES)["sequence"].tolist() if kept.records else []

    @property
    def told(self) -> list[tuple[int, int, int, int]]:
        """First and last id, recovered and lost of each interval."""
        return [(each.first_id, each.last_id, each.recovered, each.lost) for each in self.sink.intervals]

    async def mend(self, past: Historical | None, until: Callable[[], bool]) -> None:
        """Run the sink until something is so."""
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.sink.run, past, self.connection)
                while not until():
                    await trio.sleep(0.005)
                nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits, so that the rules and not the figures take the time."""
    monkeypatch.setattr(holes, "GRACE_NS", NS_PER_S // 100)
    monkeypatch.setattr(healing, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(healing, "LOOK_S", 0.02)


@pytest.mark.trio
async def test_other_schemas_and_unnumbered_trades_pass_through() -> None:
    """A quote's channel is the sink's own; a channel is the same on every call."""
    bench = Bench()
    assert bench.sink.channel(BITCOIN, Schema.QUOTES) is bench.kept.channels["BTC/USD", Schema.QUOTES]
    assert bench.sink.channel(BITCOIN, Schema.TRADES) is bench.channel


@pytest.mark.trio
async def test_a_venue_that_numbers_is_asked_by_number() -> None:
    """For the missing ones and the one behind them; several symbols' worth of holes in one question."""
    bench, past = Bench(), NumberedPast(range(1, 100))
    bench.live(1, 5, 9)
    await bench.mend(past, lambda: bench.out == list(range(1, 10)))
    assert past.asked == [(2, 9)]
    assert bench.told == [(2, 4, 3, 0), (6, 8, 3, 0)]
    assert [each.cause for each in bench.sink.intervals] == [healing.SKIPPED] * 2


@pytest.mark.trio
async def test_a_venue_that_tells_numbers_is_asked_by_time() -> None:
    """A little wider than the hole, since its times are rounded; what is not missing is dropped."""
    bench, past = Bench(), Past(range(1, 100))
    bench.live(1, 5)
    await bench.mend(past, lambda: bench.out == list(range(1, 6)))
    ((start_ns, end_ns),) = past.asked
    assert start_ns < 1 * NS_PER_S
    assert end_ns > 5 * NS_PER_S
    assert bench.told == [(2, 4, 3, 0)]
    assert bench.sink.counts()["BTCUSD"] == healing.TradeCounts(
        published=5, duplicates=0, recovered=3, missing=0, gaps=0
    )


@pytest.mark.trio
async def test_several_symbols_are_mended_at_once_but_not_all() -> None:
    """As many as have a turn; the others wait in line, and come to it."""
    busiest = running = 0

    class Slow(Past):
        async def trades(self, instrument: Instrument, *, start_ns: int, end_ns: int) -> AsyncIterator[TradePage]:
            nonlocal busiest, running
            running += 1
            busiest = max(busiest, running)
            await trio.sleep(0.02)
            running -= 1
            yield self._page([2])

    bench = Bench()
    symbols = [attrs.evolve(BITCOIN, symbol=f"S{at}USD", venue_symbol=f"S{at}/USD") for at in range(9)]
    for each in symbols:
        channel = bench.sink.channel(each, Schema.TRADES)
        channel.push(trade(1), 1)
        channel.push(trade(3), 3)
    await bench.mend(Slow(), lambda: sum(each.published for each in bench.sink.counts().values()) == 27)
    assert busiest == healing.SYMBOLS_AT_ONCE


@pytest.mark.trio
async def test_a_past_without_numbers_is_numbered_by_its_neighbours() -> None:
    """Exactly as many as are missing lie between the two trades around them."""
    bench, past = Bench(), Past(range(1, 100), numbered=False)
    bench.live(10, 15, 13, 18)
    await bench.mend(past, lambda: bench.out == list(range(10, 19)))
    assert bench.told == [(11, 14, 3, 0), (16, 17, 2, 0)]


class AlikePast(Past):
    """Its trades are alike in all but their number, of which it does not tell."""

    async def trades(self, instrument: Instrument, *, start_ns: int, end_ns: int) -> AsyncIterator[TradePage]:
        """All of them."""
        self._answer(start_ns, end_ns)
        await trio.lowlevel.checkpoint()
        records = np.frombuffer(trade(7, flags=F_LAST | F_RECOVERED) * len(self.ids), TRADE)
        yield TradePage(records=records, ids=np.zeros(len(self.ids), np.int64))


@pytest.mark.trio
async def test_trades_that_are_alike_need_not_be_told_apart() -> None:
    """Whichever of five came live: what lies between two of them is the same."""
    bench, past = Bench(), AlikePast(range(5))
    for each in (10, 13):
        bench.channel.push(trade(7)[:-4] + each.to_bytes(4, "little"), each)
    await bench.mend(past, lambda: bench.out == [10, 11, 12, 13])
    assert bench.told == [(11, 12, 2, 0)]


@pytest.mark.trio
async def test_no_number_is_ever_invented() -> None:
    """Another count of trades between the neighbours, and they are lost for that reason."""
    bench, past = Bench(), Past([10, 11, 13, 14, 15], numbered=False)
    bench.live(10, 15)
    await bench.mend(past, lambda: bench.out == [10, 15])
    assert bench.told == [(11, 14, 0, 4)]
    assert "another count" in bench.sink.intervals[0].reason


@pytest.mark.trio
async def test_what_the_venue_has_not_yet_is_asked_for_again() -> None:
    """An answer that ends too early is no reason to give up; neither is one that failed."""
    bench, past = Bench(), Past([1, 2], failures=[TransientError("trades", "HTTP 520")])
    bench.live(1, 5)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.sink.run, past, bench.connection)
            while len(past.asked) < 4:
                await trio.sleep(0.005)
            assert bench.out == [1, 2]
            past.ids = range(1, 100)
            while bench.out != [1, 2, 3, 4, 5]:
                await trio.sleep(0.005)
            nursery.cancel_scope.cancel()
    assert bench.told == [(2, 4, 3, 0)]


@pytest.mark.trio
@pytest.mark.parametrize("kind", [Past, NumberedPast])
async def test_what_the_venue_never_had_is_lost_at_once(kind: type[Past]) -> None:
    """It tells of the trades on both sides and of none between them."""
    bench, past = Bench(), kind([1, 3, 6, 7])
    bench.live(1, 6)
    await bench.mend(past, lambda: bench.out == [1, 3, 6])
    assert bench.told == [(2, 5, 1, 3)]
    assert "does not have them" in bench.sink.intervals[0].reason
    assert len(past.asked) == 1


@pytest.mark.trio
async def test_a_past_that_begins_behind_the_hole_is_believed_in_the_end() -> None:
    """As when a venue's numbers begin anew: nothing tells that there is nothing, but it is asked wider and wider."""
    bench, past = Bench(), Past([900, 901])
    bench.live(1, 900)
    await bench.mend(past, lambda: bench.out == [1, 900])
    assert bench.told == [(2, 899, 0, 898)]
    widths_ns = [end_ns - start_ns for start_ns, end_ns in past.asked]
    assert len(widths_ns) == 4
    assert widths_ns == sorted(set(widths_ns))


@pytest.mark.trio
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (PermanentError("trades", "HTTP 451"), "trades: HTTP 451"),
        (ResourceExhaustedError("trades", "banned", retry_after_s=120.0), "not had within 60 s: trades: banned"),
    ],
)
async def test_a_refusal_ends_it(failure: Exception, reason: str) -> None:
    """At once where asking again is no use, or not before the hole's time is over."""
    bench = Bench()
    bench.live(1, 3)
    await bench.mend(Past(failures=[failure]), lambda: bench.out == [1, 3])
    assert bench.told == [(2, 2, 0, 1)]
    assert bench.sink.intervals[0].reason == reason


@pytest.mark.trio
async def test_a_refusal_that_says_when_is_obeyed() -> None:
    """The next question comes no sooner."""
    bench, past = Bench(), Past(range(9), failures=[ResourceExhaustedError("trades", "429", retry_after_s=0.3)])
    bench.live(1, 3)
    began_s = trio.current_time()
    await bench.mend(past, lambda: bench.out == [1, 2, 3])
    assert trio.current_time() - began_s >= 0.3
    assert len(past.asked) == 2


@pytest.mark.trio
async def test_nothing_is_held_back_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A past that never answers costs a hole its time, and then its trades."""
    monkeypatch.setattr(holes, "HELD_AT_MOST_NS", NS_PER_S // 5)

    class Silent(Past):
        async def trades(self, instrument: Instrument, *, start_ns: int, end_ns: int) -> AsyncIterator[TradePage]:
            self._answer(start_ns, end_ns)
            await trio.sleep(2 * DEADLINE_S)
            yield self._page([])

    bench = Bench()
    bench.live(1, 3, 4)
    await bench.mend(Silent(), lambda: bench.out == [1, 3, 4])
    assert bench.sink.intervals[0].reason.endswith("the venue's history does not answer")


@pytest.mark.trio
async def test_what_is_too_large_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A weekend's trades are not fetched in passing."""
    monkeypatch.setattr(healing, "ASKED_AT_MOST", 5)
    bench, past = Bench(), Past(range(100))
    bench.live(1, 8)
    await bench.mend(past, lambda: bench.out == [1, 8])
    assert past.asked == []
    assert bench.sink.intervals[0].reason == "more than 5 are not asked for in passing"


@pytest.mark.trio
async def test_without_a_past_what_is_missing_is_told() -> None:
    """After its grace, in which it may still come."""
    bench = Bench()
    bench.live(1, 3, 2, 5)
    await bench.mend(None, lambda: bench.out == [1, 2, 3, 5])
    assert bench.told == [(4, 4, 0, 1)]


@pytest.mark.trio
async def test_a_lost_connection_is_the_cause_of_what_it_lost() -> None:
    """What was skipped on a connection that stands is another matter."""
    bench = Bench()
    bench.connection.reconnects = 1
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.sink.run, Past(range(100)), bench.connection)
            await trio.testing.wait_all_tasks_blocked()
            bench.live(1, 3)  # received long before the connection stood
            now_ns = wall_ns()
            fresh = pack_trade(
                BITCOIN, price_e9=4, quantity_e8=4, side=BUY, trade_id=4, ts_event_ns=4 * NS_PER_S, ts_recv_ns=now_ns
            )
            bench.channel.push(fresh, 4)
            bench.live(6)
            while bench.out != list(range(1, 7)):
                await trio.sleep(0.005)
            nursery.cancel_scope.cancel()
    assert [each.cause for each in bench.sink.intervals] == [healing.DISCONNECT, healing.SKIPPED]


@pytest.mark.trio
@pytest.mark.parametrize("kind", [Past, NumberedPast])
async def test_a_quiet_market_is_asked_after_a_reconnect(monkeypatch: pytest.MonkeyPatch, kind: type[Past]) -> None:
    """No trade shows that some are missing: everything behind the newest is asked for, once."""
    monkeypatch.setattr(healing, "QUIET_NS", NS_PER_S // 20)
    bench, past = Bench(), kind(range(1, 8))
    bench.live(1, 2)
    bench.connection.reconnects = 1
    await bench.mend(past, lambda: bench.out == list(range(1, 8)))
    assert sum(each.recovered for each in bench.sink.intervals) == 5
    assert {each.cause for each in bench.sink.intervals} == {healing.DISCONNECT}
    bench.live(8)
    assert bench.out == list(range(1, 9))


@pytest.mark.trio
async def test_a_market_that_goes_on_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trade since the connection stands shows by its number what is missing."""
    monkeypatch.setattr(healing, "QUIET_NS", NS_PER_S // 20)
    bench, past = Bench(), NumberedPast(range(1, 4))
    other = attrs.evolve(BITCOIN, symbol="ETHUSD", venue_symbol="ETH/USD")
    fresh = pack_trade(
        other, price_e9=1, quantity_e8=1, side=BUY, trade_id=1, ts_event_ns=NS_PER_S, ts_recv_ns=wall_ns()
    )
    bench.sink.channel(other, Schema.TRADES).push(fresh, 1)
    bench.live(1)
    await bench.mend(past, lambda: bench.out == [1, 2, 3])
    assert past.asked == [(2, 0)]


@pytest.mark.trio
async def test_a_holes_time_begins_with_the_run() -> None:
    """While nobody mended, nothing could be done about it: it is not given up unasked."""
    bench, away_ns = Bench(), 0
    bench.sink = HealingSink(bench.kept, clock_ns=lambda: monotonic_ns() + away_ns)
    bench.channel = bench.sink.channel(BITCOIN, Schema.TRADES)
    bench.live(1, 3)
    away_ns = 2 * holes.HELD_AT_MOST_NS
    await bench.mend(Past(range(9)), lambda: len(bench.out) == 3)
    assert bench.told == [(2, 2, 1, 0)]


@pytest.mark.trio
async def test_a_quiet_market_without_numbers_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing says which numbers the trades behind the last one have: none are given, and nothing more is asked."""
    monkeypatch.setattr(healing, "QUIET_NS", NS_PER_S // 20)
    bench, past = Bench(), Past(range(1, 8), numbered=False)
    bench.live(1, 2)
    await bench.mend(past, lambda: bool(past.asked))
    assert bench.out == [1, 2]


@pytest.mark.trio
async def test_a_quiet_market_is_asked_again_when_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A passing failure is no answer, a refusal is one."""
    monkeypatch.setattr(healing, "QUIET_NS", NS_PER_S // 20)
    monkeypatch.setattr(healing, "LONGEST_WAIT_S", 0.01)
    bench = Bench()
    bench.live(1, 2)
    failing = NumberedPast(range(1, 4), failures=[TransientError("trades", "HTTP 520")] * 2)
    await bench.mend(failing, lambda: bench.out == [1, 2, 3])
    assert len(failing.asked) == 3


@pytest.mark.trio
async def test_a_long_wait_does_not_end_in_a_flood() -> None:
    """What waited is published in slices, while what is live queues up behind it."""
    bench = Bench()
    bench.live(1, *range(3, 4000))
    await bench.mend(Past(range(4)), lambda: len(bench.out) == 3999)
    assert bench.out == list(range(1, 4000))
    kept = bench.kept.channels[PUBLISHED]
    assert max(map(len, kept.records)) == healing_channel.AT_ONCE * 48


@pytest.mark.trio
async def test_what_is_looked_for_outlives_the_run() -> None:
    """A provider that is restarted goes on with the hole that its predecessor left."""
    bench = Bench()
    bench.live(1, 3)
    never = Past(failures=[TransientError("trades", "no route")] * 1000)
    await bench.mend(never, lambda: len(never.asked) > 2)
    await bench.mend(Past(range(9)), lambda: bench.out == [1, 2, 3])
    assert bench.told == [(2, 2, 1, 0)]


@pytest.mark.trio
async def test_a_forgotten_symbol_begins_anew() -> None:
    """What waited is published; the time in which nobody listened is no hole."""
    bench = Bench()
    bench.live(1, 3)
    await bench.sink.forget("BTCUSD")
    await bench.sink.forget("BTCUSD")
    assert (bench.out, bench.told) == ([1, 3], [(2, 2, 0, 1)])
    bench.channel = bench.sink.channel(BITCOIN, Schema.TRADES)
    bench.live(70, 71)
    assert bench.out == [1, 3, 70, 71]
    assert bench.sink.counts()["BTCUSD"].gaps == 0


@pytest.mark.trio
async def test_closed_it_publishes_what_waits() -> None:
    """What is still looked for is lost, since nobody will find it."""
    bench = Bench()
    bench.live(1, 3)
    await bench.sink.close()
    assert (bench.out, bench.told) == ([1, 3], [(2, 2, 0, 1)])
    counts = bench.sink.counts()["BTCUSD"]
    assert (counts.published, counts.gaps, counts.missing) == (2, 1, 1)
