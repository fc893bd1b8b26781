"""The tape: its steps as columns, and what is none."""

from __future__ import annotations

import numpy as np
import pytest

from core.sim.tape import ACT, CLOCK, CONTEXT, END, TAPE, TRADE, Rows, Step, row_of, rows_of, steps_of, ticks_of
from tests.unit.core.sim.exchanges import ticks_of as ticks


def tape() -> Rows:
    """Two trades of before and three trades of one symbol, one of another, a clock mark and an act."""
    return np.concatenate(
        [
            rows_of(ticks((1, 100, 1), (2, 101, 1)), kind=CONTEXT, market=0, cursor=2, lines=0),
            rows_of(ticks((3, 102, 1), (4, 103, 1), (5, 104, 1)), kind=TRADE, market=0, cursor=5, lines=3),
            rows_of(ticks((6, 50, 1)), kind=TRADE, market=1, cursor=1, lines=3),
            row_of(kind=CLOCK, ts_ns=9, lines=4),
            row_of(kind=ACT, lines=7),
        ]
    )


STEPS = [
    Step(CONTEXT, 0, 0, 2, 0),
    Step(TRADE, 0, 2, 5, 3),
    Step(TRADE, 1, 5, 6, 3),
    Step(CLOCK, 0, 6, 7, 4),
    Step(ACT, 0, 7, 8, 7),
]


def test_steps_are_a_sequence() -> None:
    """They count, are gone through, and taken one by one or in parts."""
    steps = steps_of(tape())
    assert len(steps) == 5
    assert list(steps) == STEPS
    assert (steps[1], steps[-1]) == (STEPS[1], STEPS[-1])
    assert list(steps[1:3]) == STEPS[1:3]
    assert all(type(number) is int for step in (*steps, steps[0]) for number in step)


def test_a_step_without_an_end_is_left_out() -> None:
    """The rows after the last end belong to none, whatever they hold; of no rows there are no steps."""
    for count, whole in ((8, 5), (7, 4), (4, 1), (1, 0), (0, 0)):
        assert list(steps_of(tape()[:count])) == STEPS[:whole]
    rows = tape()
    rows[5:] = np.zeros(3, TAPE)
    assert list(steps_of(rows)) == STEPS[:2]


def test_so_many_steps_are_committed_as_the_ledger_has_lines_for() -> None:
    """A step without lines is with the one before it."""
    steps = steps_of(tape())
    assert [steps.committed(lines) for lines in range(9)] == [1, 1, 1, 3, 4, 4, 4, 5, 5]


@pytest.mark.parametrize(
    ("row", "field", "value", "said"),
    [
        (4, "kind", 0, "row 4 is of no kind that there is"),
        (8, "kind", (ACT + 1) | END, "row 8 is of no kind that there is"),
        (4, "kind", CLOCK, "row 4 is of another kind or symbol than its step"),
        (4, "market", 1, "row 4 is of another kind or symbol than its step"),
        (1, "market", 1, "row 2 is of another kind or symbol than its step"),
        (7, "lines", 2, "step 4 has fewer lines than the one before it"),
    ],
)
def test_what_is_no_tape_is_an_error(row: int, field: str, value: int, said: str) -> None:
    """It says where; rows and steps are counted from 1."""
    rows = tape()
    rows[field][row - 1] = value
    with pytest.raises(ValueError, match=f"^{said}$"):
        steps_of(rows)


def test_the_trades_of_a_market_are_all_of_them() -> None:
    """Those of before too, and nothing else; each column stands by itself."""
    found = ticks_of(tape(), 0)
    assert found.price_e9.tolist() == [price * 10**9 for price in (100, 101, 102, 103, 104)]
    assert found.price_e9.flags.c_contiguous
    assert len(ticks_of(tape(), 2)) == 0
