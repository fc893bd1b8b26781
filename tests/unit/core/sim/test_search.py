"""Where a price is first reached."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.sim.search import first_at_or_above, first_at_or_below


@given(
    st.lists(st.integers(-5, 5), max_size=30), st.integers(-6, 6), st.integers(0, 30), st.integers(0, 30),
    st.sampled_from([1, 300]),
)  # fmt: skip
def test_the_first_price_is_found(values: list[int], level: int, start: int, end: int, repeat: int) -> None:
    """Both searches agree with looking at each price, in short runs and in those of several pieces."""
    prices = np.repeat(np.array(values, np.int64), repeat)
    start, end = min(start * repeat, len(prices)), min(end * repeat, len(prices))
    stop = max(start, end)
    below = next((at for at in range(start, stop) if prices[at] <= level), stop)
    above = next((at for at in range(start, stop) if prices[at] >= level), stop)
    assert first_at_or_below(prices, level, start=start, end=stop) == below
    assert first_at_or_above(prices, level, start=start, end=stop) == above
