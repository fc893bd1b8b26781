"""A process that trades on a ring which never stands still, and is killed: nothing is lost, and nothing twice.

`RINGSIDE_KILLS` sets how many processes die (30 when not set).
"""

from __future__ import annotations

import os
import random
import select
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import pytest
import trio

from config.paths import find_paths
from console.paper.desks import desk_place
from console.paper.host import PaperHost
from console.paper.past import Past
from console.paper.plan import PaperPlan, RunPlan
from console.paper.rings import PaperRing, inode_of
from console.paper.session import find, sessions
from core.clock import wall_ns
from core.model.orders import OrderState
from core.model.records import TRADE, Records, Schema
from core.sim.accounts import AccountsConfig
from core.sim.lines import FillLine, HoleLine, OrderLine
from core.sim.state import DeskState
from core.sim.tape import CONTEXT, MISSED
from core.sim.tape import TRADE as STEP
from core.sim.trader import Sizing
from ringbuf import layout
from ringbuf.writer import RingIdentity, RingWriter
from strategies.approval import approve
from strategies.fingerprint import sha256_of
from tests.property.test_paper_sessions import assert_balanced
from tests.unit.core.sim.examples import instrument

KILLS = int(os.environ.get("RINGSIDE_KILLS", "30"))
SEED = 20261122
DEADLINE_S = 60.0
DESK = "d"
BTC = instrument()
RESTLESS = '''
import random

from core.bars.spec import BarDataMode
from core.strategy import CANCEL, HOLD, Strategy, buy, sell


class Restless(Strategy):
    """Gives orders of every kind, far and near."""

    name = "restless"

    def reset(self):
        self.random = random.Random(7)

    def on_bar_data(self, bar):
        dice, act = self.random.random(), self.random.choice((buy, sell))
        price = bar.close_e9 // 10**9
        if dice < 0.02:
            return CANCEL
        if dice < 0.2:
            return act("0.5", limit=price + (-3 if act is buy else 3))
        if dice < 0.3:
            return act("0.5", stop=price + (3 if act is buy else -3))
        return act("0.5") if dice < 0.5 else HOLD
'''


def ring_path() -> Path:
    """Where the ring is."""
    return layout.directory() / "kills"


def trades(first: int, count: int, now_ns: int) -> Records:
    """Trades from number `first` on, which their quantities tell; the price goes up and down."""
    numbers = np.arange(first, first + count)
    made: Records = np.zeros(count, TRADE)
    made["ts_event"] = made["ts_recv"] = now_ns + np.arange(count)
    made["price"] = price_e9(numbers)
    made["size"], made["side"], made["publisher_id"] = 10**8 + numbers, b"B", 0xFFFF
    return made


def price_e9(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """What trades cost."""
    return (100 + abs(numbers % 40 - 20)) * 10**9


def produce(capacity: int) -> None:
    """Write trades for ever, a thousand a second or so."""
    identity = RingIdentity(
        schema=Schema.TRADES, record_bytes=TRADE.itemsize, symbol=BTC.symbol, venue=BTC.venue, instrument_id=1,
        instance="kills",
    )  # fmt: skip
    writer = RingWriter(ring_path(), identity, capacity=capacity)
    choose, number, newest_ns = random.Random(SEED), 0, 0
    while True:
        count = choose.choice((1, 1, 1, 2, 5))
        newest_ns = max(wall_ns(), newest_ns + 10)
        writer.push_batch(trades(number, count, newest_ns))
        number += count
        select.select([], [], [], 0.002)


def plan(strategy: Path) -> PaperPlan:
    """An average on every trade, and one that wants anything."""
    paths = find_paths()
    return PaperPlan(
        desk=DESK,
        instance="test",
        state_directory=paths.state,
        approved=paths.configuration / "approved",
        runs=(
            RunPlan(label="sma", strategy="sma", parameters={"short": "1", "long": "3"}, bars="1t"),
            RunPlan(label="restless", strategy=str(strategy), bars="20t"),
        ),
        accounts=AccountsConfig.with_default("main", "USD", "1000000"),
        currency="USD",
        symbols=("BTCUSD",),
        sizing=Sizing(quantity_e8=10**8),
        context_ticks=50,
    )


def trade(made: PaperPlan, report: int) -> None:
    """Trade for ever, and tell whenever something was written down."""
    ring = PaperRing(ring_path(), inode_of(ring_path()), BTC)
    host = PaperHost(made, lambda: [ring], hear=lambda _number, _lines: _tell(report))
    trio.run(host.run)


def _tell(report: int) -> None:
    os.write(report, b"!")


class Children:
    """Processes forked from this one, which tell of what they do and are killed."""

    def __init__(self) -> None:
        self._living: dict[int, int] = {}

    def trade(self, made: PaperPlan) -> int:
        """One that trades."""
        receiving, sending = os.pipe()
        pid = self._start(lambda: trade(made, sending), receiving)
        os.close(sending)
        return pid

    def produce(self, capacity: int) -> None:
        """One that writes the ring."""
        self._start(lambda: produce(capacity), -1)

    def _start(self, work: object, receiving: int) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                work()  # type: ignore[operator]
            finally:
                os._exit(70)
        self._living[pid] = receiving
        return pid

    def listen(self, pid: int, times: int) -> None:
        """Wait until one has told so often."""
        while times > 0:
            assert select.select([self._living[pid]], [], [], DEADLINE_S)[0]
            told = len(os.read(self._living[pid], times))
            assert told, "it ended by itself"
            times -= told

    def kill(self, pid: int) -> None:
        """Kill one and see that it was the kill that ended it."""
        report = self._living.pop(pid)
        os.kill(pid, signal.SIGKILL)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        if report >= 0:
            os.close(report)

    def end(self) -> None:
        """Kill those that are left."""
        for pid in list(self._living):
            self.kill(pid)


@pytest.fixture
def children() -> Iterator[Children]:
    """Processes that do not outlive the test, whatever becomes of it."""
    started = Children()
    yield started
    started.end()


@attrs.define
class Witness:
    """Goes through the sessions one after the other and holds each against those before it."""

    state: DeskState | None = None
    name: str = ""
    orders: dict[int, OrderLine] = attrs.field(factory=dict)
    filled_e8: defaultdict[int, int] = attrs.field(factory=lambda: defaultdict(int))
    following: int | None = None
    holes: int = 0
    steps: int = 0

    def look(self, past: Past) -> None:
        """The next session."""
        begun = past.head.state
        assert past.head.resumed == self.name
        if self.state is not None:
            for what in ("accounts", "orders", "market_e12", "fees_e12", "next_number"):
                assert getattr(begun, what) == getattr(self.state, what), what
            assert [lane.held_e8 for lane in begun.lanes] == [lane.held_e8 for lane in self.state.lanes]
        self._orders(past)
        self._tape(past)
        self.state, self.name = past.state(), past.head.session
        assert_balanced(self.state)
        waiting = {one.number for one in self.state.orders}
        open_orders = {
            number for number, one in self.orders.items()
            if one.state in {OrderState.WORKING, OrderState.PARTLY_FILLED}
        }  # fmt: skip
        assert waiting == open_orders

    def _orders(self, past: Past) -> None:
        before = set(self.orders)
        for line in past.lines:
            if isinstance(line, FillLine):
                self.filled_e8[line.order] += line.quantity_e8
            elif isinstance(line, OrderLine):
                known = self.orders.get(line.number)
                assert known is None or (known.lane, known.side, known.given_ns) == (
                    line.lane, line.side, line.given_ns,
                )  # fmt: skip
                assert (line.number >= past.head.state.next_number) is (line.number not in before)
                self.orders[line.number] = line
                assert line.filled_e8 == self.filled_e8[line.number]

    def _tape(self, past: Past) -> None:
        # Trade by trade: the next one, or as many left out as a hole says.
        written = 0
        for step in past.steps:
            lost = [line.rows for line in past.lines[written : step.lines] if isinstance(line, HoleLine)]
            written = step.lines
            self.steps += 1
            if step.kind not in {CONTEXT, MISSED, STEP}:
                assert not lost
                continue
            rows = past.rows[step.first : step.end]
            numbers = rows["quantity_e8"] - 10**8
            assert (rows["price_e9"] == price_e9(numbers)).all()
            if step.kind == CONTEXT:
                assert not lost
                if self.following is None:
                    self.following = int(numbers[-1]) + 1
                assert int(numbers[-1]) < self.following, "what was shown beforehand was not traded on"
                continue
            assert int(numbers[0]) == (self.following or 0) + sum(lost)
            assert (np.diff(numbers) == 1).all()
            self.holes += len(lost)
            self.following = int(numbers[-1]) + 1


@pytest.mark.parametrize("capacity", [65_536, 64], ids=["a ring that holds all", "a ring that goes round"])
def test_a_trader_may_die_at_any_moment(tmp_path: Path, children: Children, capacity: int) -> None:
    """Over all sessions: each trade is on a tape once, or a hole says how many are not; each order has one
    number, the fills that it says it has, and waits until it has an end; money is where it was."""
    path = tmp_path / "restless.py"
    path.write_text(RESTLESS)
    made = plan(path)
    made.approved.parent.mkdir(parents=True, exist_ok=True)
    approve(made.approved, path, sha256_of(path))
    children.produce(capacity)
    choose, witness, folder = random.Random(SEED), Witness(), desk_place(made.state_directory, DESK)
    seen: list[str] = []
    for _ in range(max(KILLS // 2, 1)):
        pid = children.trade(made)
        children.listen(pid, choose.choice((0, 1, 2, 5, 20, 60)))
        select.select([], [], [], choose.choice((0, 0, choose.random() / 10)))
        children.kill(pid)
        select.select([], [], [], choose.choice((0, choose.random() / 5)))
        for name in sessions(folder)[len(seen) :]:
            witness.look(find(folder, name))
            seen.append(name)
    print(f"{len(seen)} sessions, {witness.steps} steps, {len(witness.orders)} orders, {witness.holes} holes")
    assert len(witness.orders) > len(seen) > 0
    assert sum(witness.filled_e8.values())
    assert (witness.holes > 0) is (capacity == 64)
    kinds = {(line.lane, str(line.type)) for line in witness.orders.values()}
    assert {("sma", "market"), ("restless", "limit"), ("restless", "stop")} <= kinds
