"""Measurements kept while running: latency histograms with a fixed memory, exact enough for p50 and p99."""

from __future__ import annotations

import attrs
import numpy as np

_SUB_BITS = 4  # 16 steps an octave: a quantile is at most 1/16 too high
_BUCKETS = 64 << _SUB_BITS


@attrs.frozen
class LatencySummary:
    """Quantiles in nanoseconds; all 0 when nothing was measured."""

    count: int
    p50_ns: int
    p99_ns: int
    max_ns: int


class LatencyHistogram:
    """A log-linear histogram of non-negative nanosecond delays: 8 KiB, 0.3 us a value, nothing ever dropped."""

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._max_ns = 0

    def record(self, delay_ns: int) -> None:
        """Count one delay; a negative one (a venue's clock ahead of ours) counts as 0."""
        if delay_ns < 0:
            delay_ns = 0
        elif delay_ns > self._max_ns:
            self._max_ns = delay_ns
        shift = max(delay_ns.bit_length() - _SUB_BITS - 1, 0)
        self._counts[min((shift << _SUB_BITS) + (delay_ns >> shift), _BUCKETS - 1)] += 1

    def summary(self) -> LatencySummary:
        """The quantiles so far: each the upper edge of its bucket, never below the true value."""
        cumulative = np.cumsum(self._counts)
        total = int(cumulative[-1])
        if total == 0:
            return LatencySummary(0, 0, 0, 0)
        at = [int(np.searchsorted(cumulative, -(-total * q // 100))) for q in (50, 99)]
        p50_ns, p99_ns = (min(_upper_edge_ns(bucket), self._max_ns) for bucket in at)
        return LatencySummary(total, p50_ns, p99_ns, self._max_ns)

    def reset(self) -> None:
        """Forget everything measured so far."""
        self._counts = [0] * _BUCKETS
        self._max_ns = 0


def _upper_edge_ns(bucket: int) -> int:
    if bucket < 2 << _SUB_BITS:
        return bucket
    shift = (bucket >> _SUB_BITS) - 1
    return ((bucket - (shift << _SUB_BITS) + 1) << shift) - 1
