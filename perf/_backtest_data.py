"""The trades that backtests are timed with: the same ones every time, for us and for the peers."""

from __future__ import annotations

import numpy as np

from core.bars.ticks import Ticks
from core.clock import DAY_NS, NS_PER_MS

SEED = 20_240_101
START_MS = 1_704_067_200_000
"""2024-01-01, 00:00 UTC: a Monday."""

_CENT_E9 = 10**7


def ticks(rows: int = 1_000_000, days: int = 5) -> Ticks:
    """A random walk in cents around 42 000, at milliseconds of which no two are the same, about 0.05 a trade."""
    random = np.random.default_rng(SEED)
    times_ms = np.sort(random.choice(days * DAY_NS // NS_PER_MS, rows, replace=False, shuffle=False))
    cents = 4_200_000 + np.cumsum(random.integers(-3, 4, rows))
    quantity_e8 = 1 + random.exponential(5e6, rows).astype(np.int64)
    side = np.where(random.integers(0, 2, rows), ord("B"), ord("A")).astype(np.uint8)
    return Ticks((START_MS + times_ms) * NS_PER_MS, cents * _CENT_E9, quantity_e8, side)
