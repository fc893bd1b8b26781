"""Latency histograms against exact quantiles."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.clock import NS_PER_S
from core.telemetry.histograms import LatencyHistogram, LatencySummary, WindowedHistogram


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


@given(st.lists(st.integers(-100, 2**70)))
def test_many_at_once_are_one_after_another(delays_ns: list[int]) -> None:
    """A batch counts as each of its values does alone, in a window too; an empty one changes nothing."""
    for make in (LatencyHistogram, lambda: WindowedHistogram(lambda: 0)):
        single, batch = make(), make()
        for delay_ns in delays_ns:
            single.record(delay_ns)
        batch.record_all(delays_ns)
        batch.record_all([])
        assert batch.summary() == single.summary()


def test_a_window_forgets() -> None:
    """A regression shows within half a window, is gone two halves later, and a silence empties the window."""
    now_ns = 0
    histogram = WindowedHistogram(lambda: now_ns)

    def advance(seconds: int, delay_ns: int) -> None:
        nonlocal now_ns
        for _ in range(seconds):
            now_ns += NS_PER_S
            for _ in range(10):
                histogram.record(delay_ns)

    advance(2 * 3600, delay_ns=1_000)
    found = histogram.summary()
    assert 300 <= found.count <= 610
    assert found.max_ns == 1_000
    advance(15, delay_ns=1_000_000)
    assert histogram.summary().p99_ns == histogram.summary().max_ns == 1_000_000
    advance(60, delay_ns=1_000)
    assert histogram.summary().max_ns == 1_000
    now_ns += 40 * NS_PER_S
    assert histogram.summary().count > 0
    now_ns += 60 * NS_PER_S
    assert histogram.summary() == LatencySummary(0, 0, 0, 0)
