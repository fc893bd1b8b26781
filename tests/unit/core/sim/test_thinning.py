"""Plots of thousands of points: what must not be lost of a million."""

from __future__ import annotations

import numpy as np
import pytest

from core.sim.thinning import thin


def test_no_peak_is_lost() -> None:
    """The highest and the lowest of each stretch of time stay, and so do the first and the last point."""
    rng = np.random.default_rng(7)
    ts_ns = np.cumsum(rng.integers(0, 5, 50_000))
    values = rng.normal(0, 1, 50_000).cumsum()
    kept = thin(ts_ns, values, most=100)
    assert len(kept) <= 100
    assert np.all(np.diff(kept) > 0)
    assert (kept[0], kept[-1]) == (0, 49_999)
    stretch = (ts_ns - ts_ns[0]) * 49 // (ts_ns[-1] - ts_ns[0])
    for number in range(49):
        points = np.flatnonzero(stretch == number)
        assert values[points].max() == values[np.intersect1d(points, kept)].max()
        assert values[points].min() == values[np.intersect1d(points, kept)].min()


def test_a_single_spike_survives() -> None:
    """One point out of a million that differs is among the hundred that are drawn."""
    values = np.full(1_000_000, 42_000 * 10**9)
    values[654_321] += 1
    assert 654_321 in thin(np.arange(1_000_000), values, most=100)


def test_several_series_share_their_points() -> None:
    """The extremes of each series are kept, and together they are no more than asked for."""
    first, second = np.zeros(10_000), np.zeros(10_000)
    first[4_000], second[4_001] = 1.0, -1.0
    kept = thin(np.arange(10_000), first, second, most=50)
    assert {4_000, 4_001} <= set(kept.tolist())
    assert len(kept) <= 50


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_few_points_stay_as_they_are(count: int) -> None:
    """Nothing is left out of a series that is short enough."""
    assert thin(np.arange(count), np.zeros(count), most=50).tolist() == list(range(count))


def test_stretches_without_points_and_equal_instants() -> None:
    """Long silence takes no points, and a series of one instant is thinned too."""
    ts_ns = np.concatenate((np.arange(500), np.arange(500) + 10**18))
    kept = thin(ts_ns, np.arange(1000), most=100)
    assert kept.tolist() == [0, 499, 500, 999]
    assert thin(np.full(1000, 5), np.arange(1000) % 7, most=100).tolist() == [0, 6, 999]
