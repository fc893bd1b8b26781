"""The tape: what an id says about its trade."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.flow.tape import MAX_OPEN_GAPS, Tape, Verdict


def test_ids_in_order_leave_no_gap() -> None:
    """A stream numbered one by one is all new."""
    tape = Tape()
    assert {tape.accept(number) for number in range(5, 50)} == {Verdict.NEW}
    assert (tape.gaps, tape.missing, tape.newest_id) == (0, 0, 49)


def test_a_gap_heals_as_its_trades_arrive() -> None:
    """A late trade is late once, a duplicate afterwards, and the gap shrinks, splits and closes."""
    tape = Tape()
    for number in (1, 6):
        tape.accept(number)
    assert (tape.gaps, tape.missing) == (1, 4)
    assert tape.accept(4) is Verdict.LATE
    assert tape.accept(4) is Verdict.DUPLICATE
    assert (tape.gaps, tape.missing) == (2, 3)
    for number in (2, 3, 5):
        assert tape.accept(number) is Verdict.LATE
    assert (tape.gaps, tape.missing) == (0, 0)


def test_what_is_missing_is_told_of_a_part() -> None:
    """Only ids of the part asked for count, its ends included."""
    tape = Tape()
    for number in (1, 6, 7, 10):
        tape.accept(number)
    assert tape.missing == tape.missing_within(0, 20) == 6
    assert [tape.missing_within(*part) for part in ((5, 8), (3, 3), (6, 7), (9, 100), (8, 5))] == [2, 1, 0, 1, 0]


def test_gaps_beyond_the_bound_stay_counted() -> None:
    """Memory is bounded, the count is not."""
    tape = Tape()
    for number in range(0, 4 * MAX_OPEN_GAPS, 2):
        tape.accept(number)
    assert tape.gaps == 2 * MAX_OPEN_GAPS - 1
    assert tape.missing == MAX_OPEN_GAPS


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80))
def test_the_tape_agrees_with_a_set(ids: list[int]) -> None:
    """Whatever comes in whatever order: published once each, and missing is what a set says it is."""
    tape, seen = Tape(), set[int]()
    for number in ids:
        verdict = tape.accept(number)
        # Ids below the very first are before our time and look like repeats.
        expected_new = number not in seen and number >= ids[0]
        assert (verdict is not Verdict.DUPLICATE) == expected_new
        if expected_new:
            seen.add(number)
    assert tape.missing == max(seen) - min(seen) + 1 - len(seen)


def test_a_restart_opens_no_gap_and_forgets_no_trade() -> None:
    """What was missed while nobody listened is no gap; what was open before stays counted; repeats stay repeats."""
    tape = Tape()
    for number in (1, 3):
        tape.accept(number)
    tape.restart()
    verdicts = [tape.accept(number) for number in (2, 3, 10, 12, 11)]
    assert verdicts == [Verdict.DUPLICATE, Verdict.DUPLICATE, Verdict.NEW, Verdict.NEW, Verdict.LATE]
    assert (tape.gaps, tape.missing, tape.lost_gaps) == (1, 0, 1)


def test_a_restart_excuses_only_what_comes_next() -> None:
    """When nothing was missed, or nothing was heard yet, the first loss afterwards is a gap as ever."""
    tape = Tape()
    tape.restart()
    for number in (1, 3):
        tape.accept(number)
    tape.restart()
    for number in (4, 6):
        tape.accept(number)
    assert tape.gaps == 2
