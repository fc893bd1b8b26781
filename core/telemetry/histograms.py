"""Measurements kept while running: latency histograms with a fixed memory, exact enough for p50 and p99."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import numpy as np

_SUB_BITS = 4  # 16 steps an octave: a quantile is at most 1/16 too high
_BUCKETS = 64 << _SUB_BITS
_EXACT = 2 << _SUB_BITS  # below it, a bucket holds one value
HALF_WINDOW_NS = 30_000_000_000


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

    def record(self, delay_ns: int, count: int = 1) -> None:
        """Count a delay that `count` things had; a negative one (a venue's clock ahead of ours) counts as 0."""
        self._counts[_bucket(delay_ns)] += count
        if delay_ns > self._max_ns:  # noqa: PLR1730 - `max` takes a fifth of the whole
            self._max_ns = delay_ns

    def record_all(self, delays_ns: Sequence[int]) -> None:
        """Count each of `delays_ns`, for a third of what they cost one by one."""
        counts = self._counts
        for bucket in map(_bucket, delays_ns):
            counts[bucket] += 1
        self._max_ns = max(self._max_ns, max(delays_ns, default=0))

    def summary(self) -> LatencySummary:
        """The quantiles so far: each the upper edge of its bucket, never below the true value."""
        return _summarise(self._counts, self._max_ns)


class WindowedHistogram(LatencyHistogram):
    """A histogram of the last 30 to 60 seconds by `clock`, a monotonic one in nanoseconds: what happened hours ago
    must not hide what happens now. 0.2 us a value more."""

    def __init__(self, clock: Callable[[], int]) -> None:
        super().__init__()
        self._clock = clock
        self._ends_ns = clock() + HALF_WINDOW_NS
        self._before_counts = [0] * _BUCKETS
        self._before_max_ns = 0

    def record(self, delay_ns: int, count: int = 1) -> None:
        """Count a delay, as those of a plain histogram are."""
        if self._clock() >= self._ends_ns:
            self._advance()
        super().record(delay_ns, count)

    def record_all(self, delays_ns: Sequence[int]) -> None:
        """Count each of `delays_ns`, as those of a plain histogram are."""
        if self._clock() >= self._ends_ns:
            self._advance()
        super().record_all(delays_ns)

    def summary(self) -> LatencySummary:
        """The quantiles of the window, as those of a plain histogram."""
        if self._clock() >= self._ends_ns:
            self._advance()
        counts = [recent + before for recent, before in zip(self._counts, self._before_counts, strict=True)]
        return _summarise(counts, max(self._max_ns, self._before_max_ns))

    def _advance(self) -> None:
        now_ns = self._clock()
        self._before_counts, self._before_max_ns = self._counts, self._max_ns
        self._counts, self._max_ns = [0] * _BUCKETS, 0
        if now_ns >= self._ends_ns + HALF_WINDOW_NS:  # nothing came for so long that all of it is over
            self._before_counts, self._before_max_ns = [0] * _BUCKETS, 0
        self._ends_ns = now_ns + HALF_WINDOW_NS


def _summarise(counts: list[int], max_ns: int) -> LatencySummary:
    cumulative = np.cumsum(counts)
    total = int(cumulative[-1])
    if total == 0:
        return LatencySummary(0, 0, 0, 0)
    at = [int(np.searchsorted(cumulative, -(-total * q // 100))) for q in (50, 99)]
    p50_ns, p99_ns = (min(_upper_edge_ns(bucket), max_ns) for bucket in at)
    return LatencySummary(total, p50_ns, p99_ns, max_ns)


def _bucket(delay_ns: int) -> int:
    if delay_ns < _EXACT:
        return delay_ns if delay_ns > 0 else 0
    shift = delay_ns.bit_length() - _SUB_BITS - 1
    bucket = (shift << _SUB_BITS) + (delay_ns >> shift)
    return bucket if bucket < _BUCKETS else _BUCKETS - 1


def _upper_edge_ns(bucket: int) -> int:
    if bucket < _EXACT:
        return bucket
    shift = (bucket >> _SUB_BITS) - 1
    return ((bucket - (shift << _SUB_BITS) + 1) << shift) - 1
