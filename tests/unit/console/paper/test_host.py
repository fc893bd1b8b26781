"""The host on rings that a test writes: what is read, what is missed, what nobody saw, and how a desk goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import numpy as np
import pytest
import trio
from msgspec.structs import replace

from config.paths import find_paths
from console.paper import audit
from console.paper.desks import desk_place, holder
from console.paper.host import PaperHost
from console.paper.past import Past
from console.paper.plan import PaperPlan, RunPlan
from console.paper.rings import PaperRing, inode_of
from console.paper.session import begin, find, sessions
from core.clock import NS_PER_S
from core.errors import ConsoleError, NotFoundError, RefusedError, TransientError, UsageError
from core.model.instruments import Instrument
from core.model.records import TRADE, Records, Schema
from core.sim.accounts import AccountsConfig
from core.sim.lines import FillLine, HoleLine, LaneLine, Line, RingLine
from core.sim.tape import CLOCK, CONTEXT, MISSED
from core.sim.tape import TRADE as STEP
from core.sim.trader import Sizing
from core.store.cache.memory import InMemoryTickCache
from core.store.cache.tiered import TieredCache
from core.store.repository import SeriesKey
from ringbuf import layout
from ringbuf.writer import RingIdentity, RingWriter
from tests.unit.core.sim.examples import instrument

DEADLINE_S = 30
BTC = instrument()
ETH = attrs.evolve(BTC, symbol="ETHUSD", canonical="ETHUSD", base="ETH")
START_NS = 1_800_000_000 * NS_PER_S


class Ring:
    """A ring of a symbol, and who writes it."""

    def __init__(self, of: Instrument = BTC, *, capacity: int = 1024, name: str = "test") -> None:
        self.instrument = of
        self.path = layout.directory() / f"{name}__{of.symbol}_{of.venue}"
        identity = RingIdentity(
            schema=Schema.TRADES, record_bytes=TRADE.itemsize, symbol=of.symbol, venue=of.venue, instrument_id=1,
            instance=name,
        )  # fmt: skip
        self.writer = RingWriter(self.path, identity, capacity=capacity)

    def push(self, *prices: int, first: int) -> None:
        """Trades at these prices, one a second from second `first` on."""
        self.writer.push_batch(records(*prices, first=first))

    def now(self) -> PaperRing:
        """As the host is told of it."""
        return PaperRing(self.path, inode_of(self.path), self.instrument)


def records(*prices: int, first: int) -> Records:
    """Trades, one a second, received when they were made."""
    found: Records = np.zeros(len(prices), TRADE)
    found["ts_event"] = found["ts_recv"] = START_NS + (first + np.arange(len(prices))) * NS_PER_S
    found["price"] = np.array(prices) * 10**9
    found["size"], found["side"], found["publisher_id"] = 10, b"B", 1
    return found


def left_by_the_dead() -> PaperRing:
    """A ring with a trade, of a process that died without a word."""
    if not (killed := os.fork()):
        Ring().push(10, first=0)
        os._exit(0)
    os.waitpid(killed, 0)
    path = layout.directory() / f"test__{BTC.symbol}_{BTC.venue}"
    return PaperRing(path, inode_of(path), BTC)


def plan(**changes: Any) -> PaperPlan:
    """SMA of two and three trades on bars of one, a unit at a time."""
    paths = find_paths()
    made = PaperPlan(
        desk="d",
        instance="test",
        state_directory=paths.state,
        approved=paths.configuration / "approved",
        runs=(RunPlan(label="sma", strategy="sma", parameters={"short": "2", "long": "3"}, bars="1t"),),
        accounts=AccountsConfig.with_default("main", "USD", "1000000"),
        currency="USD",
        symbols=("BTCUSD",),
        sizing=Sizing(quantity_e8=10**8),
        context_ticks=4,
    )
    return attrs.evolve(made, **changes)


class Heard:
    """What a host tells."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.numbers: list[int] = []

    def hear(self, first: int, lines: list[Line]) -> None:
        """Keep the lines and their numbers."""
        self.numbers += range(first, first + len(lines))
        self.lines += lines

    def of(self, kind: type[Any]) -> list[Any]:
        """Those of one kind."""
        return [line for line in self.lines if isinstance(line, kind)]


@asynccontextmanager
async def hosted(
    made: PaperPlan,
    rings: Callable[[], Sequence[PaperRing]],
    heard: Heard | None = None,
    *,
    alive: bool = True,
    **more: Any,
) -> AsyncIterator[PaperHost]:
    """A host that has begun, on rings that are `alive`; it is ended afterwards."""
    host = PaperHost(made, rings, hear=(heard or Heard()).hear, **more)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(host.run)
            if alive:
                await until(ready(host))
            yield host
            nursery.cancel_scope.cancel()


def ready(host: PaperHost) -> Callable[[], bool]:
    """Whether what comes now is traded, on every symbol."""
    return lambda: all(row["feed"] == "streaming" for row in host.document()["symbols"])


async def until(true: Callable[[], object]) -> None:
    """Wait until something has become true."""
    with trio.fail_after(DEADLINE_S):
        while not true():
            await trio.sleep(0.01)


def kinds(past: Past) -> list[tuple[int, int]]:
    """The kinds of the steps of trades, each with how many trades it has."""
    return [(step.kind, step.end - step.first) for step in past.steps if step.kind != CLOCK]


def latest() -> Past:
    """What is on disk of the newest session."""
    return find(desk_place(find_paths().state, "d"), "latest")


def seen(host: PaperHost, count: int) -> Callable[[], bool]:
    """Whether the host has seen so many trades."""
    return lambda: host.document()["trades_seen"] >= count


@pytest.mark.trio
async def test_trades_become_fills_and_a_ledger() -> None:
    """What was there before is context, what comes is traded, and all of it is on disk when it is told."""
    ring, heard = Ring(), Heard()
    ring.push(9, 9, 9, 9, 9, 9, first=0)
    async with hosted(plan(), lambda: [ring.now()], heard) as host:
        for number, price in enumerate((10, 11, 12, 13)):
            ring.push(price, first=10 + number)
            await until(seen(host, number + 1))
        assert len(heard.of(FillLine)) == 1
        document = host.document()
        assert document["positions"][0]["quantity"] == "1"
        assert (document["symbols"][0]["feed"], document["symbols"][0]["ticks"]) == ("streaming", 4)
        assert host.report()["fills"] == 1
        assert holder(find_paths().state, "d") is not None
        assert latest().lines[-1] == heard.lines[-1]
    past = latest()
    assert kinds(past) == [(CONTEXT, 4), (STEP, 1), (STEP, 1), (STEP, 1), (STEP, 1)]
    assert past.lines == heard.lines
    assert heard.numbers == list(range(1, len(heard.lines) + 1))
    assert holder(find_paths().state, "d") is None


@pytest.mark.trio
async def test_the_next_session_goes_on_where_the_last_one_ended() -> None:
    """Trades that came between are missed ones, none comes twice, and what is held stays."""
    ring, heard = Ring(), Heard()
    ring.push(9, 9, first=0)
    async with hosted(plan(), lambda: [ring.now()]) as host:
        ring.push(10, 11, 12, first=10)
        await until(seen(host, 3))
    before = latest()
    ring.push(13, 14, first=20)
    async with hosted(plan(), lambda: [ring.now()], heard) as host:
        ring.push(15, first=30)
        await until(seen(host, 3))
        assert host.document()["positions"][0]["quantity"] == "1"
    after = latest()
    assert after.head.resumed == before.head.session
    assert kinds(after) == [(CONTEXT, 4), (MISSED, 2), (STEP, 1)]
    assert after.rows["price_e9"].tolist() == [one * 10**9 for one in (9, 10, 11, 12, 13, 14, 15)]
    assert not heard.of(HoleLine)
    assert len(before.state().orders) + sum(isinstance(line, FillLine) for line in before.lines) == 1
    assert len(heard.of(FillLine)) + sum(isinstance(line, FillLine) for line in before.lines) == 1


@pytest.mark.trio
async def test_a_session_that_read_nothing_changes_nothing() -> None:
    """One that was killed as soon as it had begun leaves no hole: the next reads on where trading stopped."""
    ring, heard = Ring(), Heard()
    async with hosted(plan(), lambda: [ring.now()]) as host:
        ring.push(10, 11, first=0)
        await until(seen(host, 2))
    before = latest()
    head = replace(before.head, state=before.state(), resumed=before.head.session)
    begin(desk_place(find_paths().state, "d"), head).close()
    ring.push(12, first=2)
    async with hosted(plan(), lambda: [ring.now()], heard) as host:
        await until(seen(host, 1))
    assert kinds(latest()) == [(CONTEXT, 2), (MISSED, 1)]
    assert not heard.of(HoleLine)


@pytest.mark.trio
async def test_a_session_that_only_found_its_ring_changes_nothing() -> None:
    """What it wrote down of the ring is no trade that it read: those that came meanwhile are missed ones."""
    ring, heard = Ring(), Heard()
    blind = attrs.evolve(plan(), context_ticks=0)
    async with hosted(blind, lambda: [ring.now()]) as host:
        ring.push(10, 11, first=0)
        await until(seen(host, 2))
    async with hosted(blind, lambda: [ring.now()], heard):
        await until(lambda: bool(heard.of(RingLine)))
    assert [step.kind for step in latest().steps] == [CLOCK]
    ring.push(12, first=2)
    async with hosted(blind, lambda: [ring.now()], heard) as host:
        await until(seen(host, 1))
    assert kinds(latest()) == [(MISSED, 1)]
    assert not heard.of(HoleLine)


@pytest.mark.trio
async def test_what_was_overwritten_is_a_hole_of_so_many() -> None:
    """A ring that went round while nobody read it says how many trades are lost."""
    ring, heard = Ring(capacity=64), Heard()
    async with hosted(plan(), lambda: [ring.now()]) as host:
        ring.push(10, first=0)
        await until(seen(host, 1))
    ring.push(*range(100, 200), first=10)
    async with hosted(plan(), lambda: [ring.now()], heard) as host:
        await until(seen(host, 64))
        assert host.document()["symbols"][0]["lost"] == 36
    (hole,) = heard.of(HoleLine)
    assert (hole.rows, hole.ts_ns) == (36, START_NS)


@pytest.mark.trio
async def test_another_ring_is_a_hole_of_nobody_knows_how_many() -> None:
    """Between two sessions: what the new ring and the cache hold is context, and nothing is filled by it."""
    ring, heard = Ring(), Heard()
    async with hosted(plan(), lambda: [ring.now()]) as host:
        ring.push(10, 11, first=0)
        await until(seen(host, 2))
    ring.writer.close()
    other = Ring()
    other.push(21, 22, first=30)
    cache = TieredCache(InMemoryTickCache())
    cache.push(SeriesKey(BTC.venue, BTC.symbol, Schema.TRADES), records(17, 18, 19, 20, 21, 22, first=26))
    async with hosted(plan(), lambda: [other.now()], heard, cache=cache) as host:
        other.push(23, first=40)
        await until(seen(host, 1))
    assert [(hole.rows, hole.cause) for hole in heard.of(HoleLine)] == [
        (0, "the ring is not the one of the session before")
    ]
    past = latest()
    assert kinds(past) == [(CONTEXT, 4), (STEP, 1)]
    assert (past.rows["price_e9"] // 10**9).tolist() == [19, 20, 21, 22, 23]


@pytest.mark.trio
async def test_a_ring_that_is_made_anew_is_gone_on_with() -> None:
    """While it trades: it waits, says what it does not know, takes nothing twice, and goes on by itself."""
    ring, heard = Ring(), Heard()
    rings = [ring]
    async with hosted(plan(), lambda: [one.now() for one in rings], heard) as host:
        ring.push(10, 11, first=0)
        await until(seen(host, 2))
        ring.writer.close()
        rings.clear()
        await until(lambda: host.document()["symbols"][0]["feed"] == "waiting")
        other = Ring()
        other.push(10, 11, 12, first=0)
        rings.append(other)
        await until(seen(host, 3))
        other.push(13, first=3)
        await until(seen(host, 4))
    past = latest()
    assert (past.rows[past.rows["kind"] & 0x7F != CLOCK]["price_e9"] // 10**9).tolist() == [10, 11, 12, 13]
    assert [hole.cause for hole in heard.of(HoleLine)] == ["the engine was restarted"]
    assert len({line.inode for line in heard.of(RingLine)}) == 2


@pytest.mark.trio
async def test_a_producer_that_takes_its_ring_over_is_noticed() -> None:
    """The file is the same and its producer is not: the ring goes on, with a hole that nobody can measure."""
    heard = Heard()
    left = left_by_the_dead()
    async with hosted(plan(), lambda: [left], heard, alive=False) as host:
        await until(lambda: host.document()["symbols"][0]["last_price"] == "10")
        assert host.document()["symbols"][0]["feed"] == "waiting"
        Ring().push(11, first=5)
        await until(seen(host, 1))
    assert [line.epoch for line in heard.of(RingLine)] == [1, 2]
    assert [hole.rows for hole in heard.of(HoleLine)] == [0]


@pytest.mark.trio
async def test_bars_end_by_the_clock_when_no_trade_comes() -> None:
    """Once the minute of the last trade and the grace are over, the strategy is asked."""
    ring, heard = Ring(), Heard()
    runs = (RunPlan(label="sma", strategy="sma", parameters={"short": "1", "long": "2"}, bars="1m"),)
    async with hosted(plan(runs=runs), lambda: [ring.now()], heard) as host:
        ring.push(10, first=0)
        ring.push(11, first=60)
        ring.push(12, first=119)
        await until(seen(host, 3))
        await until(lambda: [step for step in latest().steps if step.kind == CLOCK])
        assert host.document()["strategies"][0]["signals"] == 1


@pytest.mark.trio
async def test_a_symbol_that_comes_later_begins_a_new_session() -> None:
    """It is traded from then on, and nothing of the others is lost."""
    btc, eth = Ring(), Ring(ETH)
    rings = [btc]
    async with hosted(plan(symbols=()), lambda: [one.now() for one in rings]) as host:
        btc.push(10, first=0)
        await until(seen(host, 1))
        first = host.document()["session"]
        btc.push(11, first=1)
        rings.append(eth)
        await until(lambda: host.document()["session"] != first)
        await until(ready(host))
        eth.push(7, first=2)
        btc.push(12, first=2)
        await until(seen(host, 2))
        assert [row["symbol"] for row in host.document()["strategies"]] == ["BTCUSD", "ETHUSD"]
    assert len(sessions(desk_place(find_paths().state, "d"))) == 2


@pytest.mark.trio
async def test_a_strategy_that_raises_is_stopped_alone() -> None:
    """The others go on, the reason is shown, and what it held in memory is let go."""
    path = find_paths().configuration / "mine.py"
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text(
        "from core.strategy import HOLD, Strategy\n\n\nclass Mine(Strategy):\n    name = 'mine'\n\n"
        "    def on_bar_data(self, bar):\n        return HOLD if bar.close_e9 < 11 * 10**9 else 1 / 0\n"
    )
    from strategies.approval import LIST_NAME
    from strategies.fingerprint import sha256_of

    approved = find_paths().configuration / LIST_NAME
    approved.write_text(f"{sha256_of(path)}  {path}\n")
    approved.chmod(0o600)
    ring, heard = Ring(), Heard()
    runs = (*plan().runs, RunPlan(label="mine", strategy=str(path)))
    async with hosted(plan(runs=runs, approved=approved), lambda: [ring.now()], heard) as host:
        ring.push(10, 11, first=0)
        ring.push(12, 13, 14, first=2)
        await until(seen(host, 5))
        states = {row["label"]: (row["state"], row["reason"]) for row in host.document()["strategies"]}
        assert states["sma"] == ("running", "")
        assert states["mine"][0] == "stopped"
        assert "division by zero" in states["mine"][1]
        assert host.report()["stopped"] == 1
    assert [(line.lane, line.event) for line in heard.of(LaneLine)] == [("mine", 1)]


@pytest.mark.trio
async def test_operators_act_and_it_is_written_down_first() -> None:
    """What is refused too; a kill wants the name of the desk."""
    ring = Ring()
    async with hosted(plan(), lambda: [ring.now()]) as host:
        ring.push(10, 11, 12, 13, first=0)
        await until(seen(host, 4))
        assert host.act("pause", "sma", by="me")["target"] == "sma"
        assert host.document()["strategies"][0]["state"] == "paused"
        host.act("halt", "main", by="me")
        assert host.document()["accounts"][0]["halted"]
        refused: list[tuple[str, str, type[ConsoleError]]] = [
            ("pause", "nobody", NotFoundError), ("kill", "all", UsageError), ("reset", "", RefusedError)
        ]  # fmt: skip
        for act, target, kind in refused:
            with pytest.raises(kind):
                host.act(act, target, by="me")
        host.act("kill", "all", by="me", confirm="d")
        entries = audit.newest(desk_place(find_paths().state, "d"), 10)
        assert [(entry.act, entry.outcome.partition(":")[0]) for entry in reversed(entries)] == [
            ("pause", "done"), ("halt", "done"), ("pause", "refused"), ("kill", "refused"), ("reset", "refused"),
            ("kill", "done"),
        ]  # fmt: skip
        assert host.document()["acts"][0]["by"] == "me"
    assert [lane.state for lane in latest().state().lanes] == ["paused"]


@pytest.mark.trio
async def test_before_its_first_session_it_says_what_it_waits_for() -> None:
    """No ring, no session: there is nothing to show and nothing to do, and the report says why."""
    host = PaperHost(plan(), list)
    with pytest.raises(TransientError, match="has not begun"):
        host.document()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(host.run)
        await until(lambda: host.report()["waits_for"] == ["BTCUSD"])
        with pytest.raises(TransientError, match="it waits for BTCUSD"):
            host.act("pause", "all", by="me")
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_desk_has_one_host() -> None:
    """The second is refused and told who has it."""
    ring = Ring()
    async with hosted(plan(), lambda: [ring.now()]):
        with pytest.raises(RefusedError, match="instance test"):
            await PaperHost(plan(), lambda: [ring.now()]).run()


@pytest.mark.trio
async def test_old_sessions_go() -> None:
    """Those beyond the days that are kept, when another one begins."""
    ring, folder = Ring(), desk_place(find_paths().state, "d")
    async with hosted(plan(), lambda: [ring.now()]):
        pass
    (name,) = sessions(folder)
    for old in ("20200101T000000Z", "20200102T000000Z"):
        shutil.copytree(folder / name, folder / old)
    async with hosted(plan(), lambda: [ring.now()]):
        await until(lambda: len(sessions(folder)) == 3)
    assert sessions(folder)[0] == "20200102T000000Z"
