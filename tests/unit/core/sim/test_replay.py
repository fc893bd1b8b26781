"""A session again: what strategies do only then, how long they may take, and how far it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from core.bars.series import BarData, BarSeries
from core.bars.spec import BarDataMode
from core.sim.accounts import AccountSpec
from core.sim.asking import StrategyError
from core.sim.lines import LaneLine
from core.sim.models import Execution
from core.sim.replay import Replay
from core.sim.state import LaneSpec
from core.strategy import BUY
from tests.unit.core.sim.desks import Recorded, desk_state, lines_of
from tests.unit.core.sim.examples import instrument
from tests.unit.core.sim.exchanges import prices
from tests.unit.core.sim.scripted import NO_FEES, Answer, Scripted

ON = instrument()


def recorded(*labels: str) -> Recorded:
    """Ten trades on which strategies buy at the second and hold at all others, each told alone."""
    specs = [
        LaneSpec(
            label=label,
            strategy="scripted",
            sha256="0" * 64,
            parameters={},
            account="main",
            venue=ON.venue,
            symbol=ON.symbol,
            bars="1m",
            mode=BarDataMode.ON_EACH_TICK,
        )
        for label in labels
    ]
    account = AccountSpec("main", ON.settle, 10**18)
    found = Recorded(
        desk_state([ON], specs, [account], Execution(NO_FEES)), {(one, ON.key): Scripted({1: BUY}) for one in labels}
    )
    trades = prices(*range(100, 110))
    for number in range(len(trades)):
        found.trades(ON.key, trades.part(number, number + 1))
    return found


class Failing(Scripted):
    """Asked for the fourth time it fails, and whenever it is asked after that."""

    def on_bar_data(self, bar: BarData) -> Answer:
        """The answer, or nothing."""
        answer = super().on_bar_data(bar)
        if len(self.seen) > 3:
            raise ValueError("not again")
        return answer


class AtOnce(Scripted):
    """Answers all at once."""

    def signals(self, events: BarSeries) -> NDArray[np.int8]:
        """The same."""
        return np.array([event == 1 for event in range(len(events))], np.int8)


def replay(of: Recorded, strategies: Mapping[str, Scripted], asked: list[str] | None = None) -> Replay:
    """It again, with other strategies by label; `asked` hears of each that begins and ends to be asked."""
    heard = [] if asked is None else asked

    @contextmanager
    def limit(label: str) -> Iterator[None]:
        heard.append(f"{label} begins")
        yield
        heard.append(f"{label} ends")

    by_key = {(label, ON.key): one for label, one in strategies.items()}
    made = Replay(of.state, of.rows, of.steps, of.lines, by_key, limit=limit)
    heard.clear()  # of those that began anew
    return made


def test_a_strategy_that_fails_only_now_is_stopped_where_it_did() -> None:
    """It is not asked any more; what it did before is as it was, and the difference can be told."""
    once, failing = recorded("mine"), Failing({1: BUY})
    again = list(replay(once, {"mine": failing}).run())
    stopped = [(step.number, line) for step in again for line in step.lines if isinstance(line, LaneLine)]
    assert [(number, line.state, line.event) for number, line in stopped] == [(3, "stopped", 3)]
    assert stopped[0][1].reason.endswith(": ValueError: 'not again'")
    assert len(failing.seen) == 4
    assert lines_of(again[:3]) == once.lines[: once.steps[2].lines]


def test_a_strategy_that_cannot_begin_anew_is_to_blame() -> None:
    """It is said which, and what it raised, also where it traded before."""

    class Worn(Scripted):
        def reset(self) -> None:
            super().reset()
            if hasattr(self, "mode"):  # it is whole, and used again
                raise ValueError("no more")

    with pytest.raises(StrategyError, match="scripted failed beginning anew: ValueError: 'no more'"):
        replay(recorded("mine"), {"mine": Worn()})
    with pytest.raises(StrategyError, match="scripted failed beginning anew"):
        Recorded(recorded("mine").state, {("mine", ON.key): Worn()})


def test_each_lane_is_asked_within_its_limit() -> None:
    """One after the other, before anything is traded."""
    once, asked = recorded("one", "two"), list[str]()
    steps = replay(once, {"one": Scripted({1: BUY}), "two": AtOnce()}, asked).run()
    assert asked == []
    assert next(steps).number == 0
    assert asked == ["one begins", "one ends", "two begins", "two ends"]
    assert lines_of([*steps]) == once.lines[once.steps[0].lines :]


def test_progress_begins_with_the_questions() -> None:
    """They are its first half, which each lane moves; it never goes back, and is over when all is."""
    once, heard = recorded("one", "two"), list[float]()
    steps = replay(once, {"one": Scripted({1: BUY}), "two": AtOnce()}).run(heard.append)
    next(steps)
    assert heard[-1] == 0.5
    assert {0.25, 0.5} <= set(heard)
    assert len(list(steps)) == 9
    assert heard == sorted(heard)
    assert heard[-1] == 1
