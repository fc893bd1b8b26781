"""What comes between a ring and a desk: order, lateness, the future, and time that passes."""

from __future__ import annotations

import numpy as np

from core.bars.ticks import Ticks
from core.clock import NS_PER_S
from core.sim.intake import AHEAD_NS, BELIEVED, GRACE_NS, Intake
from tests.unit.core.sim.examples import START_NS


def taken(intake: Intake, *seconds: float, received_s: float | None = None, mono_s: float = 0.0) -> list[float]:
    """The instants, in seconds after the start, at which trades at `seconds` count."""
    times_ns = np.array([START_NS + int(one * NS_PER_S) for one in seconds], np.int64)
    ones = np.ones(len(times_ns), np.int64)
    ticks = Ticks(times_ns, ones, ones, np.full(len(times_ns), ord("N"), np.uint8))
    recv_ns = times_ns if received_s is None else ones * (START_NS + int(received_s * NS_PER_S))
    found = intake.accept(ticks, recv_ns, int(mono_s * NS_PER_S))
    return [(one - START_NS) / NS_PER_S for one in found.ts_ns.tolist()]


def test_trades_in_order_pass_as_they_are() -> None:
    """One at a time or many at once, nothing is counted and nothing is changed."""
    intake = Intake()
    assert taken(intake, 1) == [1]
    assert taken(intake, 1) == [1]
    assert taken(intake, 2, 2, 5) == [2, 2, 5]
    assert (intake.late, intake.future, intake.disordered, intake.repeated) == (0, 0, 0, 0)


def test_an_older_trade_counts_as_of_the_newest_or_is_late() -> None:
    """Within the grace it is taken to have happened with the newest one; further back it is left out."""
    for pieces in (((10,), (8,), (7.9,), (9,)), ((10, 8, 7.9, 9),)):
        intake = Intake()
        found = [one for piece in pieces for one in taken(intake, *piece)]
        assert found == [10, 10, 10]
        assert (intake.late, intake.disordered) == (1, 2)


def test_the_late_do_not_make_others_late() -> None:
    """Within one batch a trade is measured at the newest before it, and not at one that follows."""
    intake = Intake()
    assert taken(intake, 1, 2, 9, 6, 10) == [1, 2, 9, 10]
    assert intake.late == 1


def test_what_has_passed_has_passed() -> None:
    """A trade from before an instant that a clock mark had passed is late, however little; at it, it is not."""
    intake = Intake()
    taken(intake, 10, mono_s=100)
    passed_ns = intake.passed_ns(104 * NS_PER_S)
    assert passed_ns == START_NS + 14 * NS_PER_S - GRACE_NS
    intake.mark(passed_ns)
    assert taken(intake, 11.9, mono_s=104) == []
    assert taken(intake, 12, mono_s=104) == [12]
    assert intake.late == 1


def test_time_runs_with_the_monotonic_clock_alone() -> None:
    """Before the first trade nothing passes; a trade that is not newer does not move the instant of the newest."""
    intake = Intake(START_NS)
    assert intake.passed_ns(10**15) == 0
    taken(intake, 10, mono_s=5)
    taken(intake, 9.5, mono_s=6)
    assert intake.passed_ns(7 * NS_PER_S) == START_NS + 12 * NS_PER_S - GRACE_NS
    assert intake.passed_ns(0) == START_NS + 10 * NS_PER_S - GRACE_NS


def test_a_trade_of_the_far_future_is_left_out() -> None:
    """It must lie an hour ahead of the estimated time and of its own reception; either alone is believed."""
    hour_s = AHEAD_NS / NS_PER_S
    intake = Intake()
    assert taken(intake, hour_s + 1, received_s=0) == []
    assert taken(intake, 0, received_s=0, mono_s=0) == [0]
    assert taken(intake, hour_s + 1, received_s=0, mono_s=0) == []
    assert taken(intake, hour_s + 1, 1, received_s=0, mono_s=0) == [1]
    assert intake.future == 3
    # The wall clock is hours behind, and the trades say so.
    assert taken(intake, 2, received_s=-3 * hour_s, mono_s=1) == [2]
    # The venue was closed over night.
    assert taken(intake, 9 * hour_s, received_s=9 * hour_s, mono_s=2) == [9 * hour_s]
    assert intake.future == 3


def test_after_another_ring_only_news_counts() -> None:
    """What is not newer than the newest was seen, or cannot be told from what was; time goes on where it was."""
    intake = Intake()
    taken(intake, 10)
    intake.renew()
    assert taken(intake, 9, 10) == []
    assert taken(intake, 10) == []
    assert taken(intake, 10, 11, 10.5) == [11, 11]
    assert (intake.repeated, intake.late, intake.disordered) == (4, 0, 1)


def test_a_price_that_is_none_is_left_out() -> None:
    """An exchange fills at prices above zero only."""
    times_ns = np.array([START_NS, START_NS + 1], np.int64)
    ticks = Ticks(times_ns, np.array([-5, 7], np.int64), np.ones(2, np.int64), np.full(2, ord("N"), np.uint8))
    intake = Intake()
    assert intake.accept(ticks, times_ns, 0).price_e9.tolist() == [7]
    assert intake.accept(ticks.part(0, 1), times_ns[:1], 0).price_e9.tolist() == []
    assert intake.unpriced == 2


def test_instants_that_are_none_are_left_out() -> None:
    """The largest and the smallest instants that a record can hold do not upset the sums."""
    intake = Intake()
    assert taken(intake, 10) == [10]
    times_ns = np.array([-1, 2**63 - 1, -(2**63)], np.int64)
    ones = np.ones(3, np.int64)
    found = intake.accept(Ticks(times_ns, ones, ones, ones.astype(np.uint8)), np.full(3, START_NS), 0)
    assert len(found) == 0
    assert (intake.late, intake.future) == (2, 1)


def test_a_machine_whose_clock_is_far_behind_is_found_out() -> None:
    """Where every trade from the first on seems to come from the future it is not they who are wrong, and only so
    many are left out, which are counted."""
    intake = Intake()
    for number in range(BELIEVED):
        assert taken(intake, number, received_s=-2 * AHEAD_NS / NS_PER_S) == []
    assert taken(intake, BELIEVED, received_s=-2 * AHEAD_NS / NS_PER_S) == [BELIEVED]
    assert (intake.future, intake.left_out) == (BELIEVED, BELIEVED)
