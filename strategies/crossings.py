"""When something begins and when it ends, event by event and for all at once: what signals are made of. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.strategy import BUY, HOLD, SELL, Signal

SIGNALS: Final = (HOLD, BUY, SELL)
"""The signal of an `Action` number: `SIGNALS[-1]` is to sell."""


class Crossing:
    """Follows whether something holds. Before the first event it does not."""

    def __init__(self) -> None:
        self._held = False

    def update(self, holds: bool) -> int:
        """1 where it begins to hold, -1 where it ends, else 0."""
        change = holds - self._held
        self._held = holds
        return change


def crossings(holds: NDArray[np.bool_]) -> NDArray[np.int8]:
    """What `Crossing` gives for each of `holds`."""
    now = holds.view(np.int8)
    changes = now.copy()
    changes[1:] -= now[:-1]
    return changes


def action(*, buys: bool, sells: bool) -> Signal:
    """To buy, to sell or to hold; where both, to buy."""
    if buys:
        return BUY
    return SELL if sells else HOLD


def actions(*, buys: NDArray[np.bool_], sells: NDArray[np.bool_]) -> NDArray[np.int8]:
    """What `action` gives for each of them, as `Action` numbers."""
    return np.where(buys, np.int8(1), -sells.view(np.int8))


def after_warming_up(answers: NDArray[np.int8], events: int) -> NDArray[np.int8]:
    """One answer for each of `events`, of which those that `answers` does not reach back to are to hold."""
    return np.concatenate([np.zeros(events - len(answers), np.int8), answers])


def lasting(side: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the newest entry of `side` that is not 0 is above 0; before there is one it is not."""
    newest = np.maximum.accumulate(np.where(side != 0, np.arange(len(side)), 0))
    return side[newest] > 0
