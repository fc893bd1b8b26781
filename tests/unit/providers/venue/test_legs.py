"""Several connections as one provider, against simulated venues on loopback; each leg's way there can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import attrs
import numpy as np
import pytest
import trio
from trio import TaskStatus

from core.clock import NS_PER_MS
from core.errors import NotFoundError, PermanentError, RefusedError, TransientError
from core.model.instruments import Instrument, Product
from core.model.records import F_MAYBE_BAD_BOOK, F_SNAPSHOT, Schema
from providers.base import (
    BookState,
    Channel,
    Endpoints,
    FeedCounters,
    Provider,
    Sink,
    Standing,
    Subscription,
    not_streaming,
)
from providers.binance.provider import BinanceSpot
from providers.connection import ConnectionState, ConnectionStatus
from providers.kraken.spot.provider import KrakenSpot
from providers.simulated.market import MarketSource
from providers.simulated.venue import RunningVenue, serve_venue
from providers.venue.healing import DISCONNECT, HealingSink
from providers.venue.leg_runs import Lifetime
from providers.venue.legs import Legs
from tests.conformance.providers import KeepingSink, Way, until

SYMBOLS = ("BTCUSD", "ETHUSD")
FIRST, SECOND = SYMBOLS
DEADLINE_S = 60.0
INSTRUMENT = Instrument(
    venue="FAKE", symbol=FIRST, venue_symbol=FIRST, canonical=FIRST, base="BTC", quote="USD", settle="USD",
    product=Product.SPOT, price_decimals=1, quantity_decimals=8, price_increment_e9=10**8,
    quantity_increment_e8=1, instrument_id=1,
)  # fmt: skip
MAKERS: dict[str, Callable[[Endpoints], Provider]] = {
    "kraken": lambda endpoints: KrakenSpot(endpoints, "SIM.KRAKEN"),
    "binance": lambda endpoints: BinanceSpot(endpoints, "SIM.BINANCE"),
}


@attrs.define
class Noted:
    """A channel that notes the ids that pass through it."""

    behind: Channel
    ids: set[int]

    def push(self, records: bytes, newest_id: int = 0) -> None:
        """Note the ids, and pass the records on."""
        sequences = np.frombuffer(records, Schema.TRADES.dtype)["sequence"].astype(np.int64)
        self.ids.update((newest_id - ((newest_id - sequences) & 0xFFFF_FFFF)).tolist())
        self.behind.push(records, newest_id)


@attrs.define
class NotingSink:
    """Notes the trades of each symbol that one leg brings."""

    behind: Sink
    brought: dict[str, set[int]]

    def channel(self, instrument: Instrument, schema: Schema) -> Channel:
        """The sink's own channel, that of trades noted."""
        channel = self.behind.channel(instrument, schema)
        if schema is not Schema.TRADES:
            return channel
        return Noted(channel, self.brought.setdefault(instrument.symbol, set()))


@attrs.define
class Bench:
    """Legs at one venue: leg n goes over the n-th way, and what it brought is noted in the n-th of `brought`."""

    legs: Legs
    ways: list[Way]
    brought: list[dict[str, set[int]]]
    instruments: dict[str, Instrument]
    kept: KeepingSink
    sink: HealingSink
    counters: Sequence[FeedCounters] = ()

    def of(self, symbol: str) -> FeedCounters:
        """The merged counters of a symbol, as they are now."""
        return next(each for each in self.counters if each.instrument.symbol == symbol)

    def ids(self, symbol: str) -> list[int]:
        """The low words of the ids published, in order."""
        return self.kept.records(symbol, Schema.TRADES)["sequence"].astype(np.int64).tolist()  # type: ignore[no-any-return]

    def dark(self, symbol: str) -> int:
        """How often the book was taken back from its readers."""
        return int((self.kept.records(symbol, Schema.BOOK)["flags"] & F_MAYBE_BAD_BOOK != 0).sum())

    async def grows(self, symbol: str = FIRST, *, trades: int = 20) -> None:
        """Wait until so many more trades are published."""
        wanted = len(self.ids(symbol)) + trades
        await until(lambda: len(self.ids(symbol)) >= wanted)

    async def stands(self) -> None:
        """Wait until every leg is connected and every book is shown."""
        await until(
            lambda: (
                all(each.connection.status is ConnectionStatus.CONNECTED for each in self.legs.reports())
                and all(each.book_state is BookState.LIVE for each in self.counters)
            )
        )

    def assert_whole(self, symbol: str) -> None:
        """Every trade once, in order; time goes back no further than the venue itself lets it: its snapshots are of
        the moment in which they were asked for, and what was due before may come after."""
        ids = self.ids(symbol)
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        for schema in (Schema.QUOTES, Schema.BOOK):
            records = self.kept.records(symbol, schema)
            good = records[records["flags"] & (F_MAYBE_BAD_BOOK | F_SNAPSHOT) == 0]
            assert (np.diff(good["ts_event"].astype(np.int64)) > -NS_PER_MS).all()


@asynccontextmanager
async def bench(
    protocol: str, *, legs: int = 2, lifetime: Lifetime | None = None, symbols: Sequence[str] = SYMBOLS
) -> AsyncIterator[Bench]:
    """A running stream over some legs; it is cancelled when the block ends."""
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            source = MarketSource(7, SYMBOLS, rate=6.0)
            venue: RunningVenue = await nursery.start(serve_venue, protocol, source)
            head, _, rest = venue.stream_url.rpartition(":")
            port, _, path = rest.partition("/")
            ways = [await nursery.start(Way().serve, int(port)) for _ in range(legs)]
            urls = [f"{head}:{way.port}/{path}" for way in ways]
            brought: list[dict[str, set[int]]] = [{} for _ in ways]
            made = 0

            def make() -> Provider:
                nonlocal made
                number, made = made % legs, made + 1
                provider = MAKERS[protocol](Endpoints(stream_url=urls[number], rest_url=venue.rest_url))
                return noting(provider, brought[number])

            provider = Legs(make, legs=legs, lifetime=lifetime)
            catalogue = await provider.catalogue()
            instruments = {symbol: catalogue.resolve(symbol) for symbol in SYMBOLS}
            kept = KeepingSink()
            sink = HealingSink(kept, resume=False)
            running = Bench(provider, ways, brought, instruments, kept, sink)
            async with trio.open_nursery() as streams:
                streams.start_soon(sink.run, provider.history(), provider.connection)
                wanted = [instruments[symbol] for symbol in symbols]
                running.counters = await streams.start(provider.stream, wanted, sink)
                await running.stands()
                yield running
                streams.cancel_scope.cancel()
            nursery.cancel_scope.cancel()


def noting(provider: Provider, brought: dict[str, set[int]]) -> Provider:
    """`provider`, what it brings noted."""
    stream = provider.stream

    async def noted(
        instruments: Sequence[Instrument],
        sink: Sink,
        *,
        task_status: TaskStatus[Sequence[FeedCounters]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        await stream(instruments, NotingSink(sink, brought), task_status=task_status)

    provider.stream = noted  # type: ignore[method-assign]
    return provider


def missed(own: set[int], other: set[int]) -> int:
    """What one leg did not bring of the other's, within what it did bring."""
    return sum(min(own) < each < max(own) for each in other - own)


@pytest.mark.trio
@pytest.mark.parametrize("protocol", list(MAKERS))
async def test_one_leg_is_cut_again_and_again(protocol: str) -> None:
    """Every trade is published once and in order, no book goes dark; who missed what is told exactly."""
    async with bench(protocol) as running:
        for _ in range(3):
            await running.stands()
            await running.grows()
            assert running.ways[0].cut() == 1
            await running.grows()
            assert running.legs.connection.status is ConnectionStatus.CONNECTED
        # Away for longer than the trades that the venue tells a newcomer.
        wanted = len(running.ids(FIRST)) + 80
        while len(running.ids(FIRST)) < wanted:
            running.ways[0].cut()
            await trio.sleep(0.005)
        await running.stands()
        await running.grows()
        for symbol in SYMBOLS:
            running.assert_whole(symbol)
            assert running.dark(symbol) == 0
            assert (running.of(symbol).gaps, running.of(symbol).problem) == (0, "")
        first, second = running.legs.reports()
        one, two = running.brought
        assert first.missed == sum(missed(one[symbol], two[symbol]) for symbol in SYMBOLS) > 0
        assert second.missed == sum(missed(two[symbol], one[symbol]) for symbol in SYMBOLS) == 0
        assert first.connection.reconnects >= 3 > second.connection.reconnects == 0
        distinct = sum(len(one[symbol] | two[symbol]) for symbol in SYMBOLS)
        # What a leg tells of the time before the stream began is nobody's first.
        assert 0 < first.brought_first + second.brought_first <= distinct
        assert min(first.brought_first, second.brought_first, first.connection.messages) > 0
        assert running.of(FIRST).reconnects == running.legs.connection.reconnects == first.connection.reconnects
        assert running.legs.connection.messages == first.connection.messages + second.connection.messages
    assert not any(interval.lost for interval in running.sink.intervals)


@pytest.mark.trio
async def test_both_legs_are_cut() -> None:
    """Then the book is taken back once, the reason says so, and what nobody brought is had from the past."""
    async with bench("kraken") as running:
        await running.grows()
        said: set[str] = set()

        def told() -> bool:
            running.legs.reports()
            said.add(running.legs.connection.reason)
            return running.legs.connection.reconnects == 2

        assert [way.cut() for way in running.ways] == [1, 1]
        await until(told)
        assert any("reconnecting" in reason for reason in said)
        await until(lambda: running.dark(FIRST) == 1)
        await running.stands()
        await running.grows()
        await until(lambda: running.sink.counts()[FIRST].missing == 0)
        running.assert_whole(FIRST)
        assert running.dark(FIRST) == 1
        assert running.of(FIRST).reconnects == 2
        assert running.legs.connection.reason == ""


@pytest.mark.trio
@pytest.mark.parametrize("legs", [1, 2])
@pytest.mark.parametrize("protocol", list(MAKERS))
async def test_connections_are_replaced_before_they_end(protocol: str, legs: int) -> None:
    """A fresh connection takes over again and again: no trade is lost, no book goes dark, nothing was reconnected."""
    lifetime = Lifetime(earliest_s=0.3, latest_s=0.5, overlap_s=0.2)
    async with bench(protocol, legs=legs, lifetime=lifetime) as running:
        await until(lambda: all(each.hand_overs >= 2 for each in running.legs.reports()))
        messages = running.legs.connection.messages
        await running.grows()
        for symbol in SYMBOLS:
            running.assert_whole(symbol)
            assert running.dark(symbol) == 0
            assert (running.of(symbol).reconnects, running.of(symbol).gaps) == (0, 0)
            assert running.of(symbol).book_state is BookState.LIVE
        assert running.legs.connection.reconnects == 0
        assert running.legs.connection.status is ConnectionStatus.CONNECTED
        assert [report.missed for report in running.legs.reports()] == [0] * legs
        assert running.legs.connection.messages > messages > 0
    assert not running.sink.intervals


@pytest.mark.trio
async def test_a_lone_leg_that_is_cut_says_so_at_once() -> None:
    """A loss that is over within moments is one all the same: since when it stands is told, and what was missed was
    missed by it."""
    async with bench("kraken", legs=1) as running:
        for cuts in range(1, 6):
            before_ns = running.legs.connection.since_ns
            await running.grows(trades=5)
            running.ways[0].cut()
            await until(lambda: running.legs.connection.reconnects == cuts)  # noqa: B023
            await running.stands()
            assert running.legs.connection.since_ns > before_ns
        await running.grows(trades=5)
    assert {interval.cause for interval in running.sink.intervals} <= {DISCONNECT}


@pytest.mark.trio
async def test_an_age_that_a_cut_ended_does_not_count() -> None:
    """A connection that was lost is as old as its successor: one that is cut in time is never replaced."""
    lifetime = Lifetime(earliest_s=3600.0, latest_s=7200.0)
    async with bench("kraken", legs=1, lifetime=lifetime) as running:
        running.ways[0].cut()
        await until(lambda: running.of(FIRST).reconnects == 1)
        await running.stands()
        assert [report.hand_overs for report in running.legs.reports()] == [0]


@pytest.mark.trio
async def test_symbols_come_and_go_on_both_legs() -> None:
    """One is added and taken away on every leg; afterwards nothing of it is pushed, and it may come back."""
    async with bench("kraken", symbols=[FIRST]) as running:
        added = running.legs.subscribe(running.instruments[SECOND])
        await until(lambda: running.of(SECOND).book_state is BookState.LIVE)
        assert running.of(SECOND) is added
        await running.grows(SECOND, trades=5)
        running.legs.unsubscribe(SECOND)
        assert running.dark(SECOND) == 1
        assert set(running.legs.subscriptions()) == {FIRST}
        before = [len(running.kept.pushes(SECOND, schema)) for schema in (Schema.QUOTES, Schema.BOOK)]
        await running.grows()
        assert [len(running.kept.pushes(SECOND, schema)) for schema in (Schema.QUOTES, Schema.BOOK)] == before
        running.ways[0].cut()
        assert running.legs.subscribe(running.instruments[SECOND]) is added
        await running.stands()
        await until(lambda: all(
            status.standing is Standing.GRANTED for status in running.legs.subscriptions()[SECOND].values()
        ))  # fmt: skip
        assert running.dark(FIRST) == 0


@attrs.define
class Fake:
    """A provider that does what it is told to: `ends` are how its streams end, in turn; then they wait for ever."""

    ends: list[Exception | None]
    venue: str = "FAKE"
    connection: ConnectionState = attrs.Factory(lambda: ConnectionState("FAKE"))
    begun: int = 0
    refuses: bool = False
    left: list[str] = attrs.Factory(list)
    counters: list[FeedCounters] = attrs.Factory(list)

    def subscriptions(self) -> dict[str, Subscription]:
        """Nothing is asked of any venue."""
        return {}

    def unsubscribe(self, symbol: str) -> None:
        """Note it, or say that nothing is streamed."""
        if self.refuses:
            raise not_streaming(self.venue)
        self.left.append(symbol)

    async def stream(
        self,
        instruments: Sequence[Instrument],
        _sink: Sink,
        *,
        task_status: TaskStatus[Sequence[FeedCounters]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Begin, then end as told."""
        self.begun += 1
        with self.connection.attempting():
            self.counters = [FeedCounters(each, book_updates=self.begun) for each in instruments]
            task_status.started(self.counters)
            await trio.lowlevel.checkpoint()
            if not self.ends:
                self.connection.enter(ConnectionStatus.CONNECTED)
                await trio.sleep_forever()
            if (error := self.ends.pop(0)) is not None:
                raise error


def over(*providers: Fake, lifetime: Lifetime | None = None) -> Legs:
    """Legs over these providers, one each; those left are for hand-overs."""
    left = iter(providers)
    legs = sum(1 for _ in providers) if lifetime is None else 1
    return Legs(lambda: next(left), legs=legs, lifetime=lifetime)  # type: ignore[arg-type, return-value]


@pytest.mark.trio
async def test_a_leg_that_is_refused_for_good_leaves_the_other() -> None:
    """The stream goes on with what is left, and the reason names the leg."""
    refused, good = Fake([PermanentError("refused", "FAKE")]), Fake([])
    legs = over(refused, good)
    async with trio.open_nursery() as nursery:
        await nursery.start(legs.stream, [], KeepingSink())
        await until(lambda: legs.connection.reason == "leg 1: error: refused: FAKE")
        assert [legs.connection.status, *(each.connection.status for each in legs.reports())] == [
            ConnectionStatus.CONNECTED, ConnectionStatus.ERROR, ConnectionStatus.CONNECTED,
        ]  # fmt: skip
        nursery.cancel_scope.cancel()
    assert [legs.connection.status] == [ConnectionStatus.DISCONNECTED]
    assert (refused.begun, good.begun) == (1, 1)


@pytest.mark.trio
async def test_when_every_leg_is_refused_the_error_comes_out_bare() -> None:
    """The first leg's own error, in no group; the connection stands at it."""
    legs = over(Fake([PermanentError("refused", "one")]), Fake([NotFoundError("no such symbol", "two")]))
    with pytest.raises(PermanentError, match="refused: one"):
        await legs.stream([], KeepingSink())
    assert legs.connection.status is ConnectionStatus.ERROR
    with pytest.raises(RefusedError, match="not streaming"):
        legs.unsubscribe(FIRST)


@pytest.mark.trio
async def test_a_leg_that_fails_begins_again() -> None:
    """What will probably work later is tried later, by that leg alone; an end for good is the end."""
    failing = Fake([TransientError("lost", "FAKE"), TransientError("lost", "FAKE"), None])
    legs = over(failing, Fake([None]))
    with trio.fail_after(DEADLINE_S):
        await legs.stream([], KeepingSink())
    assert failing.begun == 3
    assert legs.connection.status is ConnectionStatus.DISCONNECTED


@pytest.mark.trio
async def test_a_programming_error_is_not_caught() -> None:
    """It ends the stream of every leg."""
    legs = over(Fake([ValueError("a mistake")]), Fake([]))
    with pytest.raises(ExceptionGroup) as caught:
        await legs.stream([], KeepingSink())
    assert caught.group_contains(ValueError, match="a mistake", depth=1)


@pytest.mark.trio
async def test_without_a_fresh_connection_the_old_one_is_kept() -> None:
    """One that is refused, or not connected in time, never takes the place of one that stands."""
    old, refused = Fake([]), Fake([PermanentError("refused", "FAKE")])
    unreachable = [Fake([TransientError("lost", "FAKE")] * 1000) for _ in range(3)]
    lifetime = Lifetime(earliest_s=0.0, latest_s=0.0, patience_s=0.05, overlap_s=0.0)
    legs = over(old, refused, *unreachable, *(Fake([]) for _ in range(100)), lifetime=lifetime)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(legs.stream, [], KeepingSink())
            await until(lambda: unreachable[2].begun > 0)
            assert legs.reports()[0].hand_overs == 0
            assert old.connection.status is legs.connection.status is ConnectionStatus.CONNECTED
            await until(lambda: legs.reports()[0].hand_overs == 2)
            nursery.cancel_scope.cancel()
    assert (old.begun, refused.begun) == (1, 1)


@pytest.mark.trio
async def test_a_fresh_connection_has_time_for_its_books() -> None:
    """However long they take, beyond the time to connect: the old one stays until the fresh one shows them."""
    old, fresh = Fake([]), Fake([])
    lifetime = Lifetime(earliest_s=0.0, latest_s=0.0, patience_s=0.05, books_s=DEADLINE_S, overlap_s=0.0)
    legs = over(old, fresh, *(Fake([]) for _ in range(100)), lifetime=lifetime)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(legs.stream, [INSTRUMENT], KeepingSink())
            await until(lambda: bool(old.counters))
            old.counters[0].book_state = BookState.LIVE
            await until(lambda: fresh.connection.status is ConnectionStatus.CONNECTED)
            looks = 0

            def looked() -> bool:
                nonlocal looks
                looks += 1
                return looks * 5 > 100

            await until(looked)
            assert legs.reports()[0].hand_overs == 0
            fresh.counters[0].book_state = BookState.LIVE
            await until(lambda: legs.reports()[0].hand_overs == 1)
            nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_symbol_leaves_while_one_connection_ends() -> None:
    """That one streams no more and says so; the symbol leaves the others all the same."""
    ending, good = Fake([]), Fake([])
    legs = over(ending, good)
    async with trio.open_nursery() as nursery:
        await nursery.start(legs.stream, [INSTRUMENT], KeepingSink())
        await until(lambda: bool(ending.counters and good.counters))
        ending.refuses = True
        legs.unsubscribe(FIRST)
        assert (ending.left, good.left) == ([], [FIRST])
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_is_counted_goes_on_over_restarts() -> None:
    """A provider that begins again counts from nothing; the leg does not."""
    legs = over(Fake([TransientError("lost", "FAKE")]))
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            counters: Sequence[FeedCounters] = await nursery.start(legs.stream, [INSTRUMENT], KeepingSink())
            await until(lambda: counters[0].book_updates == 3)
            nursery.cancel_scope.cancel()
    assert counters[0].book_updates == 3
