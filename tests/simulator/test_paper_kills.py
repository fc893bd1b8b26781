"""A process that trades on paper and is killed: the next one goes on from its last committed step, again and again.

`RINGSIDE_KILLS` sets how many processes die (20 when not set).
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from console.paper.desks import desk_folder, desk_place, holder
from console.paper.past import Past
from console.paper.session import begin, find, sessions
from core.sim.state import DeskState, SessionHead
from core.sim.tape import Rows
from tests.simulator.killed import Worker, tell
from tests.unit.core.sim.desks import Recorded
from tests.unit.core.sim.wild_desks import beginning, script, strategies

KILLS = int(os.environ.get("RINGSIDE_KILLS", "20"))
SEED = 20261122
DESK = "default"
STEPS = 5_000
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
                tell(report, committed)
                if committed % 16 == 0:
                    session.sync()


def _given(rows: Rows, _lines: int) -> Rows:
    return rows


@pytest.fixture
def traders() -> Iterator[list[Worker]]:
    """Processes that do not outlive the test, whatever becomes of it."""
    started: list[Worker] = []
    yield started
    for trader in started:
        trader.kill()


def played(past: Past, seed: int, steps: int) -> Recorded:
    """What a desk that nobody kills does in so many steps."""
    state = past.head.state
    recorded = Recorded(state, strategies(state, seed))
    told = script(seed, STEPS)
    while len(recorded.steps) < steps:
        next(told).tell(recorded)
    return recorded


def test_a_session_may_end_at_any_moment(tmp_path: Path, traders: list[Worker]) -> None:
    """Every step that was told as committed is there, also for a reader beside it; the lines and the state are those
    of a desk that was not killed, and with that state the next session begins."""
    choose = random.Random(SEED)
    folder = desk_place(tmp_path, DESK)
    state = beginning(SEED)
    for kill in range(KILLS):
        trader = Worker.start(partial(trade, tmp_path, seed=SEED + kill))
        traders.append(trader)
        trader.listen(choose.randrange(1, 40))
        seen, told = find(folder, "latest"), trader.told
        assert holder(tmp_path, DESK) is not None
        trader.listen(choose.randrange(1, 40))
        trader.kill()
        past = find(folder, "latest")
        assert len(sessions(folder)) == kill + 1
        assert past.head.state == state
        assert trader.told <= len(past.steps) <= trader.told + 1
        recorded = played(past, SEED + kill, len(past.steps))
        assert past.lines == recorded.lines
        assert list(past.steps) == list(recorded.steps)
        assert told <= len(seen.steps)
        assert seen.lines == past.lines[: len(seen.lines)]
        state = past.state()
        assert state == recorded.desk.state()
