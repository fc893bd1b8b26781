"""A tape that heals itself, through real sockets: whatever a venue cuts, what comes out is what it traded.

`RINGSIDE_CUTS` says how many connections of each venue are cut, ten unless told otherwise.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import numpy as np
import pytest
import trio

from config.paths import find_paths
from console.journal import Journal
from console.plan import EnginePlan, FeedPlan
from console.supervise import Engine
from core.clock import NS_PER_MS, NS_PER_S
from core.model.fixedpoint import parse_price, parse_quantity, quantities_e8
from core.model.instruments import Instrument
from core.model.records import BUY, F_RECOVERED, SELL, Records, Schema
from core.store.history import EmbeddedHistory
from core.store.repository import SeriesKey
from providers.base import Endpoints, Historical, Provider, Sink
from providers.binance import limits as binance_limits
from providers.binance.provider import BinanceSpot
from providers.kraken.futures.provider import KrakenFutures
from providers.kraken.spot.history import KrakenHistory
from providers.kraken.spot.provider import KrakenSpot
from providers.simulated import futures_market, guard, kraken_market, venue
from providers.simulated.binance_market import BinanceFloor
from providers.simulated.capture_lines import Protocol
from providers.simulated.faults import FaultPlan
from providers.simulated.futures_market import FuturesFloor
from providers.simulated.kraken_market import KrakenFloor
from providers.simulated.market import MarketSource
from providers.simulated.venue import RunningVenue, serve_venue
from providers.venue import attempts, healing, holes
from providers.venue.healing import HealingSink
from providers.venue.healing_channel import RESTART
from providers.venue.holes import whole_ids
from ringbuf import control
from ringbuf.control import ControlClient, ControlError
from tests.simulator.test_engine import feed_of, make_plan
from tests.unit.providers.binance.support import KeepingSink, Kept
from tests.unit.providers.simulated import raw_client
from tests.unit.providers.simulated.raw_client import running

CUTS = int(os.environ.get("RINGSIDE_CUTS", "10"))
DEADLINE_S = 60.0 + 3.0 * CUTS
FLOAT_TIME_NS = 1000
NEVER = 10**9
PROTOCOLS: tuple[Protocol, ...] = ("kraken", "binance", "kraken_futures")
NAMES = {"kraken": "BTC/USD", "binance": "BTCUSDT", "kraken_futures": "PI_XBTUSD"}

Floor = KrakenFloor | BinanceFloor | FuturesFloor


class Traded(NamedTuple):
    """One trade as the venue's ledger has it."""

    trade_id: int
    at_ns: int
    price_e9: int
    quantity_e8: int
    side: bytes


@attrs.define
class Ledger:
    """Everything a venue traded, kept as its own ledger forgets."""

    protocol: Protocol
    floor: Floor
    traded: dict[int, Traded] = attrs.Factory(dict)

    def read(self) -> None:
        """Take over what was traded since."""
        fresh = self._futures() if isinstance(self.floor, FuturesFloor) else self._spot(self.floor)
        self.traded.update((each.trade_id, each) for each in fresh)

    def assert_holds(self, ids: list[int], records: Records) -> None:
        """Trade for trade: prices, quantities and sides are as traded, times to the error of a float."""
        self.read()
        traded = [self.traded[each] for each in ids]
        assert records["price"].tolist() == [each.price_e9 for each in traded]
        assert quantities_e8(records).tolist() == [each.quantity_e8 for each in traded]
        assert records["side"].tolist() == [each.side for each in traded]
        late_ns = records["ts_event"].astype(np.int64) - np.array([each.at_ns for each in traded])
        assert np.abs(late_ns).max() <= FLOAT_TIME_NS

    def _spot(self, floor: KrakenFloor | BinanceFloor) -> Iterable[Traded]:
        for fill in floor.past(NAMES[self.protocol]):
            numbers = parse_price(fill.price), parse_quantity(fill.quantity)
            yield Traded(fill.trade_id, fill.at_ns, *numbers, BUY if fill.buy else SELL)

    def _futures(self) -> Iterable[Traded]:
        assert isinstance(self.floor, FuturesFloor)
        for past in self.floor.past_trades(NAMES[self.protocol]):
            number = int(past.text.partition('"seq":')[2].partition(",")[0])
            numbers = parse_price(past.price), parse_quantity(past.quantity)
            yield Traded(number, past.time_ms * NS_PER_MS, *numbers, BUY if past.buy else SELL)


@pytest.fixture
def floors(monkeypatch: pytest.MonkeyPatch) -> list[Floor]:
    """The floors of the venues that the test starts; connections come back fast, so that many can be cut."""
    found: list[Floor] = []

    def keeping(make: Callable[[MarketSource], Floor]) -> Callable[[MarketSource], Floor]:
        def kept(source: MarketSource) -> Floor:
            found.append(floor := make(source))
            return floor

        return kept

    for name, make in (("KrakenFloor", KrakenFloor), ("BinanceFloor", BinanceFloor), ("FuturesFloor", FuturesFloor)):
        monkeypatch.setattr(venue, name, keeping(make))
    monkeypatch.setattr(attempts, "STAND_IN_CEILING_S", 0.2)
    monkeypatch.setattr(raw_client, "DEADLINE_S", DEADLINE_S)
    # No venue would bear so many connections a minute, each of which asks for books.
    monkeypatch.setattr(guard, "WEIGHT_A_MINUTE", 10**9)
    monkeypatch.setattr(binance_limits, "WEIGHT_A_MINUTE", 10**9)
    # The last trades, which two of them repeat, would fill nearly all that is missed here.
    monkeypatch.setattr(futures_market, "SNAPSHOT_TRADES", 3)
    monkeypatch.setattr(kraken_market, "SNAPSHOT_TRADES", 3)
    return found


def _provider(protocol: Protocol, place: RunningVenue) -> Provider:
    endpoints = Endpoints(stream_url=place.stream_url, rest_url=place.rest_url)
    if protocol == "kraken":
        return KrakenSpot(endpoints, "SIM.KRAKEN")
    if protocol == "binance":
        return BinanceSpot(endpoints, "SIM.BINANCE")
    return KrakenFutures(endpoints, "SIM.KRAKEN_FUTURES")


@attrs.define
class Run:
    """One venue streamed into a healing sink."""

    protocol: Protocol
    ledger: Ledger
    provider: Provider
    instrument: Instrument
    kept: KeepingSink
    sink: HealingSink

    @property
    def tape(self) -> Kept:
        """What came out."""
        return self.kept.channels[NAMES[self.protocol], Schema.TRADES]

    @property
    def settled(self) -> bool:
        """Whether nothing is looked for."""
        counts = self.sink.counts()
        return bool(counts) and all(each.gaps == 0 for each in counts.values())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Poll."""
        while not condition():
            self.ledger.read()
            await trio.sleep(0.02)

    def ids(self) -> list[int]:
        """The ids that came out, in order."""
        pushes = zip(self.tape.records, self.tape.ids, strict=True)
        return [each for records, newest_id in pushes for each in whole_ids(records, newest_id)]

    def assert_as_traded(self) -> None:
        """What came out is what the venue traded."""
        self.ledger.assert_holds(self.ids(), self.tape.array(Schema.TRADES))


async def _begin(
    nursery: trio.Nursery, protocol: Protocol, place: RunningVenue, floor: Floor, history: Historical | str | None
) -> Run:
    provider = _provider(protocol, place)
    instrument = (await provider.catalogue()).resolve(NAMES[protocol])
    kept = KeepingSink()
    run = Run(protocol, Ledger(protocol, floor), provider, instrument, kept, HealingSink(kept))
    past = provider.history() if isinstance(history, str) else history
    nursery.start_soon(run.sink.run, past, provider.connection)
    sink: Sink = run.sink
    await nursery.start(provider.stream, [instrument], sink)
    return run


@pytest.mark.trio
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_tape_is_whole_however_often_it_is_cut(floors: list[Floor], protocol: Protocol) -> None:
    """With trades going on, and a history that fails now and then: nothing lost, nothing twice, all in order."""
    every = {"disconnect": 60, "maintenance": 7, "half-answer": 11}
    source = MarketSource(11, ("BTCUSD",), rate=10.0)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            place = await nursery.start(partial(serve_venue, protocol, source, faults=FaultPlan(every)))
            run = await _begin(nursery, protocol, place, floors[-1], "own")
            await run.until(lambda: run.provider.connection.reconnects >= CUTS)
            every["disconnect"] = NEVER
            await run.until(lambda: run.settled)
            nursery.cancel_scope.cancel()
    await run.sink.close()
    ids = run.ids()
    assert ids == list(range(ids[0], ids[-1] + 1))
    run.assert_as_traded()
    (counts,) = run.sink.counts().values()
    assert (counts.published, counts.missing, counts.gaps) == (len(ids), 0, 0)
    assert all(each.lost == 0 and each.cause == healing.DISCONNECT for each in run.sink.intervals)
    assert len(run.sink.intervals) > CUTS // 4
    flags = run.tape.array(Schema.TRADES)["flags"]
    assert int((flags & F_RECOVERED == F_RECOVERED).sum()) == counts.recovered > 0


@pytest.mark.trio
@pytest.mark.parametrize("refusing", ["nobody", "maintenance", "unknown"])
async def test_what_cannot_be_had_is_told_exactly(
    floors: list[Floor], monkeypatch: pytest.MonkeyPatch, refusing: str
) -> None:
    """Without a past, with one that fails for too long, with one that refuses: the lost ids are the missing ones."""
    monkeypatch.setattr(holes, "HELD_AT_MOST_NS", NS_PER_S)
    faults = "maintenance=1" if refusing == "maintenance" else ""
    async with (
        running("kraken", MarketSource(11, ("BTCUSD",), rate=15.0), faults="disconnect=60") as place,
        running("kraken", MarketSource(12, ("ETHUSD",)), faults=faults) as other,
    ):
        history = None if refusing == "nobody" else KrakenHistory(other.rest_url)
        async with trio.open_nursery() as nursery:
            run = await _begin(nursery, "kraken", place, floors[0], history)
            await run.until(lambda: len([each for each in run.sink.intervals if each.lost]) >= 3)
            nursery.cancel_scope.cancel()
    await run.sink.close()
    ids = run.ids()
    assert ids == sorted(set(ids))
    run.assert_as_traded()
    lost = [number for each in run.sink.intervals for number in range(each.first_id, each.last_id + 1)]
    assert sorted([*ids, *lost]) == list(range(ids[0], ids[-1] + 1))
    assert len(lost) == sum(each.lost for each in run.sink.intervals)
    for each in run.sink.intervals:
        assert each.reason
        assert (each.venue, each.symbol, each.recovered) == ("SIM.KRAKEN", "BTCUSD", 0)
        assert each.start_ns == run.ledger.traded[each.first_id - 1].at_ns // 1000 * 1000
        assert each.end_ns == run.ledger.traded[each.last_id + 1].at_ns // 1000 * 1000


def _live_plan(place: RunningVenue, *, public: bool, **changes: Any) -> EnginePlan:
    # As if the venue were a real one: it outlives whoever streams from it.
    feed = FeedPlan(provider="kraken", symbols=("BTCUSD",), stream_url=place.stream_url, rest_url=place.rest_url)
    return make_plan(feeds=(feed,), public_symbols=None if public else frozenset(), **changes)


async def _wait_for(condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    # The status of the engine called "test", as soon as it is as wanted.
    with closing(ControlClient(control.socket_path("test"), timeout_s=10)) as client:
        while True:
            try:
                if condition(status := await trio.to_thread.run_sync(client.request, "status")):
                    return status
            except ControlError:
                pass
            await trio.sleep(0.05)


def _healed(status: dict[str, Any]) -> bool:
    return bool(status["recovered"]) and not feed_of(status, "BTCUSD")["gaps"]


def _assert_stored_as_traded(ledger: Ledger) -> None:
    history = EmbeddedHistory(find_paths().data / "ticks")
    stored = history.read_numbered(SeriesKey("KRAKEN", "BTCUSD", Schema.TRADES), 0, 2**62)
    # The venue's history tells an instant more finely than its stream: equal ones may be stored the other way round.
    order = np.argsort(stored.ids)
    ids = stored.ids[order].tolist()
    assert ids == list(range(ids[0], ids[-1] + 1))
    ledger.assert_holds(ids, stored.records[order])


@pytest.mark.trio
@pytest.mark.parametrize("public", [True, False])
async def test_a_killed_child_leaves_no_hole(floors: list[Floor], public: bool) -> None:
    """The next one goes on from the ring: what was traded meanwhile is recovered, and stored by the parent in its
    place."""
    async with running("kraken", MarketSource(11, ("BTCUSD",), rate=3.0)) as place:
        engine = Engine(_live_plan(place, public=public, split=True), Journal())
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            status = await _wait_for(lambda status: feed_of(status, "BTCUSD")["trades"] >= 20)
            os.kill(status["connections"][0]["pid"], signal.SIGKILL)
            await _wait_for(_healed)
            engine.stop()
    summary = engine.summary
    _assert_stored_as_traded(Ledger("kraken", floors[0]))
    assert [(row["cause"], row["lost"]) for row in summary["intervals"]] == [(RESTART, 0)]
    assert summary["recovered"] > 0
    assert summary["store"]["lost"] == 0


@pytest.mark.trio
async def test_a_killed_engine_leaves_no_hole(floors: list[Floor], tmp_path: Path) -> None:
    """The next one of its name, at the same venue: store and ledger agree trade for trade."""
    async with running("kraken", MarketSource(11, ("BTCUSD",), rate=3.0)) as place:
        settings = tmp_path / "ringside.toml"
        settings.write_text(
            f'[venues.kraken]\nstream_url = "{place.stream_url}"\nrest_url = "{place.rest_url}"\n', encoding="utf-8"
        )
        line = ["--batch", "serve", "--config", str(settings), "--provider", "kraken", "--symbols", "BTCUSD"]
        line += ["--persist", "--instance-id", "test"]
        victim = await trio.lowlevel.open_process(
            [sys.executable, "-m", "console", *line], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            await _wait_for(lambda status: feed_of(status, "BTCUSD")["trades"] >= 20)
        finally:
            victim.kill()
            await victim.wait()
        ledger = Ledger("kraken", floors[0])
        ledger.read()
        seen_id = max(ledger.traded)
        while max(ledger.traded) < seen_id + 10:  # more than the venue repeats to whoever comes
            await trio.sleep(0.02)
            ledger.read()
        engine = Engine(_live_plan(place, public=False), Journal())
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            await _wait_for(_healed)
            engine.stop()
    summary = engine.summary
    _assert_stored_as_traded(Ledger("kraken", floors[0]))
    assert [(row["cause"], row["lost"]) for row in summary["intervals"]] == [(RESTART, 0)]
    assert summary["feeds"][0]["recovered"] == summary["recovered"] > 0
