"""The lanes of one symbol: in what order strategies are asked, and what becomes of one that gives no answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext

import attrs
import numpy as np
import pytest

from core.bars.series import BarData
from core.bars.spec import BarDataMode
from core.bars.ticks import Ticks
from core.clock import NS_PER_S
from core.sim.accounts import AccountSpec
from core.sim.market import Market, Wanted
from core.sim.models import Execution
from core.sim.paper import Desk
from core.sim.state import LaneSpec
from core.strategy import BUY, SELL
from tests.unit.core.sim.desks import desk_state
from tests.unit.core.sim.examples import START_NS, instrument
from tests.unit.core.sim.scripted import NO_FEES, Answer, Scripted, ticks

ON = instrument()
MINUTE_NS = 60 * NS_PER_S


class Doing(Scripted):
    """Does something in place of its answer."""

    def __init__(self, does: Callable[[], object]) -> None:
        super().__init__()
        self.does = does

    def on_bar_data(self, bar: BarData) -> Answer:
        """What comes of it."""
        return self.does()  # type: ignore[return-value]


def market(*lanes: tuple[str, str, Scripted]) -> Market:
    """A market with lanes of (label, bars, strategy)."""
    specs = [
        LaneSpec(
            label=label,
            strategy="scripted",
            sha256="",
            parameters={},
            account="main",
            venue=ON.venue,
            symbol=ON.symbol,
            bars=bars,
            mode=strategy.mode,
        )
        for label, bars, strategy in lanes
    ]
    state = desk_state([ON], specs, [AccountSpec("main", "USD", 10**15)], Execution(NO_FEES))
    return Desk(state, {(label, ON.key): strategy for label, _, strategy in lanes}).markets[ON.key]


def of(wanted: list[Wanted]) -> list[tuple[str, int]]:
    """The label of each, and the trade before which it wants something."""
    return [(one.lane.spec.label, one.next_tick) for one in wanted]


def always(answer: Answer, mode: BarDataMode = BarDataMode.ON_EACH_TICK) -> Scripted:
    """A strategy that wants the same at every event."""
    return Scripted(dict.fromkeys(range(100), answer), mode)


def test_strategies_are_asked_trade_by_trade_and_then_lane_by_lane() -> None:
    """Whatever bars they have; HOLD is nothing that is wanted."""
    held = market(
        ("z", "1m", always(BUY)), ("a", "2t", always(SELL, BarDataMode.ON_CLOSE_BAR)), ("h", "1t", Scripted())
    )
    assert of(list(held.push(ticks("1", "2", "3"), nullcontext))) == [("z", 1), ("z", 2), ("a", 2), ("z", 3)]
    assert [lane.event for lane in held.lanes] == [3, 1, 3]


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (lambda: 1 // 0, "ZeroDivisionError"),
        (lambda: sys.exit(3), "SystemExit"),
        (lambda: "buy", "answers nonsense"),
        (lambda: [BUY, "buy"], "answers nonsense"),
    ],
    ids=["raises", "exits", "no answer", "half an answer"],
)
def test_what_is_no_answer_is_a_failure_in_words(does: Callable[[], object], said: str) -> None:
    """With the instant; the event at which it failed is not counted as one that was answered."""
    held = market(("a", "1t", Doing(does)))
    (wanted,) = held.push(ticks("1"), nullcontext)
    assert wanted.failure is not None
    assert said in str(wanted.failure)
    assert "2024-01-01" in str(wanted.failure)
    assert (wanted.signals, held.lanes[0].event) == ((), 0)


def test_one_that_is_stopped_is_not_asked_again_in_the_same_step() -> None:
    """Others go on to its end."""
    failing, other = Doing(lambda: 1 // 0), always(BUY)
    held = market(("a", "1t", failing), ("b", "1t", other))
    told = []
    for wanted in held.push(ticks("1", "2"), nullcontext):
        told.append(wanted)
        if wanted.failure is not None:
            wanted.lane.state = "stopped"
    assert of(told) == [("a", 1), ("b", 1), ("b", 2)]


def test_bars_beyond_all_reason_fail_their_lane_alone() -> None:
    """A trade from another century makes no bars of minutes for every minute between; bars of trades do not care."""
    held = market(("a", "1m", always(BUY, BarDataMode.ON_CLOSE_BAR)), ("b", "1t", always(BUY)))
    list(held.push(ticks("1"), nullcontext))
    later = attrs.evolve(ticks("2"), ts_ns=np.array([START_NS + 10**18 * 5], np.int64))
    first, second = held.push(later, nullcontext)
    assert (first.lane.spec.label, first.failure is None) == ("a", False)
    assert (second.lane.spec.label, second.failure) == ("b", None)


def test_a_bar_is_over_when_its_end_has_passed() -> None:
    """Not a nanosecond before; bars of trades are never over by the clock, nor is one of which nobody is asked."""
    held = market(("a", "1m", always(BUY, BarDataMode.ON_CLOSE_BAR)), ("b", "3t", always(BUY)))
    assert not held.closes_by(START_NS + MINUTE_NS)
    list(held.push(ticks("1"), nullcontext))
    assert not held.closes_by(START_NS + MINUTE_NS - 1)
    assert held.closes_by(START_NS + MINUTE_NS)
    assert of(list(held.pass_time(START_NS + MINUTE_NS, nullcontext))) == [("a", held.exchange.at)]
    assert not held.closes_by(START_NS + MINUTE_NS)
    held.lanes[0].state = "stopped"
    assert not held.closes_by(START_NS + 9 * MINUTE_NS)


def test_quantities_and_prices_as_large_as_there_are_pass() -> None:
    """No sum of them wraps round."""
    held = market(("a", "1t", always(BUY)), ("b", "2t", always(BUY)))
    most = np.full(3, 2**63 - 2, np.int64)
    times_ns = START_NS + np.arange(3, dtype=np.int64)
    wanted = list(held.push(Ticks(times_ns, most, most, np.full(3, ord("N"), np.uint8)), nullcontext))
    assert {one.last_e9 for one in wanted} == {2**63 - 2}
