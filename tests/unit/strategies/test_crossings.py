"""Where something begins and ends."""

from __future__ import annotations

import numpy as np
import pytest

from core.strategy import BUY, HOLD, SELL, Action
from strategies.crossings import SIGNALS, Crossing, action, actions, after_warming_up, crossings, lasting


@pytest.mark.parametrize("held", [[], [False], [True], [True, True, False, False, True], [False, True]])
def test_both_forms_agree(held: list[bool]) -> None:
    """One at a time and all at once; before the first it does not hold."""
    follow = Crossing()
    one_by_one = [follow.update(holds) for holds in held]
    found = crossings(np.array(held, np.bool_))
    assert found.dtype == np.int8
    assert found.tolist() == one_by_one
    assert sum(one_by_one) == (held[-1] if held else 0)


def test_signals_stand_under_the_numbers_of_actions() -> None:
    """Each `Action` finds its own signal."""
    assert [SIGNALS[action] for action in Action] == [SELL, HOLD, BUY]


def test_reasons_to_act_are_told_alike_in_both_forms() -> None:
    """One to buy, one to sell, neither, and both, which is to buy."""
    buys, sells = np.array([True, False, False, True]), np.array([False, True, False, True])
    expected = [BUY, SELL, HOLD, BUY]
    assert [action(buys=buy, sells=sell) for buy, sell in zip(buys, sells, strict=True)] == expected
    found = actions(buys=buys, sells=sells)
    assert found.dtype == np.int8
    assert [SIGNALS[number] for number in found] == expected


def test_a_side_lasts_until_there_is_another() -> None:
    """Zeros take over what was before; before anything it is not above."""
    sides = np.array([0, 0, 1, 0, -1, 0, 0, 1], np.float64)
    assert lasting(sides).tolist() == [False, False, True, True, False, False, False, True]
    assert lasting(sides[:0]).tolist() == []


def test_warming_up_is_to_hold() -> None:
    """Answers that begin late are put at the end."""
    assert after_warming_up(np.array([1, -1], np.int8), 4).tolist() == [0, 0, 1, -1]
