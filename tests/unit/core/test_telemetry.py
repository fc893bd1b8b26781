"""Latency histograms against exact quantiles."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.telemetry import LatencyHistogram


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=300))
def test_quantiles_are_at_most_a_sixteenth_too_high(delays_ns: list[int]) -> None:
    """p50 and p99 lie between the exact quantile and 1/16 above it; the maximum is exact."""
    histogram = LatencyHistogram()
    for delay_ns in delays_ns:
        histogram.record(delay_ns)
    found = histogram.summary()
    ordered = np.sort(delays_ns)
    for quantile, value in ((50, found.p50_ns), (99, found.p99_ns)):
        exact = int(ordered[max(-(-len(ordered) * quantile // 100), 1) - 1])
        assert exact <= value <= exact + exact // 16 + 1
    assert (found.count, found.max_ns) == (len(delays_ns), max(delays_ns))


def test_odd_values_are_counted() -> None:
    """Negative delays count as none, absurd ones in the last bucket, and nothing measured gives zeros."""
    histogram = LatencyHistogram()
    assert histogram.summary().count == 0
    histogram.record(-5)
    histogram.record(2**70)
    assert histogram.summary().count == 2
    histogram.reset()
    assert histogram.summary().max_ns == 0
