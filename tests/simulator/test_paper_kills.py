"""A process that trades on paper and is killed: the next one goes on from its last committed step, again and again.

`RINGSIDE_KILLS` sets how many processes die (20 when not set).
"""

from __future__ import annotations

import os
import random
import select
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import attrs
import pytest

from console.paper.desks import desk_folder, desk_place, holder
from console.paper.past import Past
from console.paper.session import begin, find, sessions
from core.sim.state import DeskState, SessionHead
from core.sim.tape import Rows
from tests.unit.core.sim.desks import Recorded
from tests.unit.core.sim.wild_desks import beginning, script, strategies

KILLS = int(os.environ.get("RINGSIDE_KILLS", "20"))
SEED = 20261122
DESK = "default"
STEPS = 5_000
DEADLINE_S = 60.0
CREATED_NS = 1_800_000_000 * 10**9


def last_state(folder: Path) -> DeskState:
    """With what the next session begins."""
    return find(folder, "latest").state() if sessions(folder) else beginning(SEED)


def trade(home: Path, report: int, seed: int) -> None:
    """Go on from the last session, and tell after each step how many are committed."""
    with desk_folder(home, DESK) as folder:
        state = last_state(folder)
        session = begin(folder, SessionHead(session="", desk=DESK, created_ns=CREATED_NS, state=state))
        recorded = Recorded(state, strategies(state, seed))
        committed = 0
        for told in script(seed, STEPS):
            lines, rows = len(recorded.lines), len(recorded.rows)
            told.tell(recorded)
            new = recorded.rows[rows:]
            if len(new):
                session.commit(recorded.lines[lines:], partial(_given, new))
                committed += 1
                os.write(report, committed.to_bytes(4, "little"))
                if committed % 16 == 0:
                    session.sync()


def _given(rows: Rows, _lines: int) -> Rows:
    return rows


@attrs.define
class Trader:
    """A process that trades until it is killed, and how many steps it said were committed by then."""

    pid: int
    reports: int
    committed: int = 0

    @classmethod
    def start(cls, home: Path, seed: int) -> Trader:
        """Fork it."""
        receiving, sending = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(receiving)
                trade(home, sending, seed)
            finally:
                os._exit(70)
        os.close(sending)
        return cls(pid, receiving)

    def listen(self, times: int) -> None:
        """Wait for so many reports."""
        for _ in range(times):
            assert select.select([self.reports], [], [], DEADLINE_S)[0]
            told = os.read(self.reports, 4)
            assert len(told) == 4, "it ended by itself"
            self.committed = int.from_bytes(told, "little")

    def kill(self) -> None:
        """Kill it and take what it still said."""
        os.kill(self.pid, signal.SIGKILL)
        assert os.waitpid(self.pid, 0)[1] == signal.SIGKILL
        while len(told := os.read(self.reports, 4)) == 4:
            self.committed = int.from_bytes(told, "little")
        os.close(self.reports)
        self.pid = 0


@pytest.fixture
def traders() -> Iterator[list[Trader]]:
    """Processes that do not outlive the test, whatever becomes of it."""
    started: list[Trader] = []
    yield started
    for trader in started:
        if trader.pid:
            trader.kill()


def played(past: Past, seed: int, steps: int) -> Recorded:
    """What a desk that nobody kills does in so many steps."""
    state = past.head.state
    recorded = Recorded(state, strategies(state, seed))
    told = script(seed, STEPS)
    while len(recorded.steps) < steps:
        next(told).tell(recorded)
    return recorded


def test_a_session_may_end_at_any_moment(tmp_path: Path, traders: list[Trader]) -> None:
    """Every step that was told as committed is there, also for a reader beside it; the lines and the state are those
    of a desk that was not killed, and with that state the next session begins."""
    choose = random.Random(SEED)
    folder = desk_place(tmp_path, DESK)
    state = beginning(SEED)
    for kill in range(KILLS):
        trader = Trader.start(tmp_path, SEED + kill)
        traders.append(trader)
        trader.listen(choose.randrange(1, 40))
        seen, told = find(folder, "latest"), trader.committed
        assert holder(tmp_path, DESK) is not None
        trader.listen(choose.randrange(1, 40))
        trader.kill()
        past = find(folder, "latest")
        assert len(sessions(folder)) == kill + 1
        assert past.head.state == state
        assert trader.committed <= len(past.steps) <= trader.committed + 1
        recorded = played(past, SEED + kill, len(past.steps))
        assert past.lines == recorded.lines
        assert list(past.steps) == list(recorded.steps)
        assert told <= len(seen.steps)
        assert seen.lines == past.lines[: len(seen.lines)]
        state = past.state()
        assert state == recorded.desk.state()
