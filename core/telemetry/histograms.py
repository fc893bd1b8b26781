"""Measurements kept while running: latency histograms with a fixed memory, exact enough for p50 and p99."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

_SUB_BITS = 4  # 16 steps an octave: a quantile is at most 1/16 too high
_BUCKETS = 64 << _SUB_BITS
_EXACT = 2 << _SUB_BITS  # below it, a bucket holds one value
HALF_WINDOW_NS = 30_000_000_000
EDGES_NS: Final = tuple((1 << power) - 1 for power in range(13, 36))
"""Where cumulated counts are told: 8 us to 34 s by factors of two. Each is the last delay of a bucket of ours, so
that none is counted on the wrong side."""
_FEW: Final = 32  # so many delays are counted one by one faster than as an array
_LONGEST_NS: Final = 1 << 52


@attrs.frozen
class LatencySummary:
    """Quantiles in nanoseconds; all 0 when nothing was measured."""

    count: int
    p50_ns: int
    p99_ns: int
    max_ns: int


@attrs.frozen
class Cumulated:
    """All delays since the start: how many were no longer than each of `EDGES_NS`, then how many there were at all.
    `sum_ns` takes each for the middle of its bucket: it is at most 1/32 wrong, and never falls."""

    counts: tuple[int, ...]
    sum_ns: int


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

    def record_array(self, delays_ns: NDArray[np.int64]) -> None:
        """Count each of `delays_ns`, for some nanoseconds apiece where they are many."""
        if len(delays_ns) <= _FEW:
            self.record_all(delays_ns.tolist())
            return
        counted = np.bincount(_buckets(delays_ns))
        counts = self._counts
        for bucket in np.flatnonzero(counted).tolist():
            counts[bucket] += int(counted[bucket])
        self._max_ns = max(self._max_ns, int(delays_ns.max()))

    def summary(self) -> LatencySummary:
        """The quantiles so far: each the upper edge of its bucket, never below the true value."""
        return _summarise(self._counts, self._max_ns)

    def cumulated(self) -> Cumulated:
        """Everything since the start, also what a summary has forgotten."""
        counts = self._all_counts()
        cumulative = np.cumsum(counts)
        at_edges = (*cumulative[_EDGE_BUCKETS].tolist(), int(cumulative[-1]))
        return Cumulated(at_edges, int(counts @ _MIDDLES_NS))

    def _all_counts(self) -> NDArray[np.int64]:
        return np.array(self._counts, np.int64)


class WindowedHistogram(LatencyHistogram):
    """A histogram of the last 30 to 60 seconds by `clock`, a monotonic one in nanoseconds: what happened hours ago
    must not hide what happens now. 0.2 us a value more.

    One thread may count while others ask. What leaves the window is added up, for `cumulated`: that costs those who
    count nothing.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        super().__init__()
        self._clock = clock
        self._ends_ns = clock() + HALF_WINDOW_NS
        self._before_counts = [0] * _BUCKETS
        self._before_max_ns = 0
        self._gone = np.zeros(_BUCKETS, np.int64)
        self._advancing = threading.Lock()

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

    def record_array(self, delays_ns: NDArray[np.int64]) -> None:
        """Count each of `delays_ns`, as those of a plain histogram are."""
        if self._clock() >= self._ends_ns:
            self._advance()
        super().record_array(delays_ns)

    def summary(self) -> LatencySummary:
        """The quantiles of the window, as those of a plain histogram."""
        if self._clock() >= self._ends_ns:
            self._advance()
        counts = [recent + before for recent, before in zip(self._counts, self._before_counts, strict=True)]
        return _summarise(counts, max(self._max_ns, self._before_max_ns))

    def _all_counts(self) -> NDArray[np.int64]:
        with self._advancing:
            counts: NDArray[np.int64] = self._gone + np.array(self._before_counts) + np.array(self._counts)
            return counts

    def _advance(self) -> None:
        with self._advancing:
            now_ns = self._clock()
            if now_ns < self._ends_ns:
                return  # another thread was first
            self._move()
            if now_ns >= self._ends_ns + HALF_WINDOW_NS:  # nothing came for so long that all of it is over
                self._move()
            self._ends_ns = now_ns + HALF_WINDOW_NS

    def _move(self) -> None:
        # A thread that counts just now still holds the list, which is added to what is gone half a window later.
        self._gone += np.array(self._before_counts)
        self._before_counts, self._before_max_ns = self._counts, self._max_ns
        self._counts, self._max_ns = [0] * _BUCKETS, 0


class RecentHighest:
    """The highest of what was noted in the last 30 to 60 seconds by `clock`, a monotonic one in nanoseconds; 0 when
    nothing was."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._ends_ns = clock() + HALF_WINDOW_NS
        self._highest = self._before = 0

    def note(self, value: int) -> None:
        """Take `value`, which is not below 0, into account."""
        if self._clock() >= self._ends_ns:
            self._advance()
        self._highest = max(self._highest, value)

    def highest(self) -> int:
        """The highest of them."""
        if self._clock() >= self._ends_ns:
            self._advance()
        return max(self._highest, self._before)

    def _advance(self) -> None:
        now_ns = self._clock()
        self._before = 0 if now_ns >= self._ends_ns + HALF_WINDOW_NS else self._highest
        self._highest, self._ends_ns = 0, now_ns + HALF_WINDOW_NS


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


def _buckets(delays_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    # `_bucket` of many: below 2**53 a float's exponent is the length in bits.
    held = np.clip(delays_ns, 0, _LONGEST_NS)
    bits = np.frexp(held.astype(np.float64))[1].astype(np.int64)
    shift = np.maximum(bits - _SUB_BITS - 1, 0)
    buckets: NDArray[np.int64] = (shift << _SUB_BITS) + (held >> shift)
    return buckets


def _middle_ns(bucket: int) -> float:
    lowest_ns = 0 if bucket == 0 else _upper_edge_ns(bucket - 1) + 1
    return (lowest_ns + _upper_edge_ns(bucket)) / 2


_EDGE_BUCKETS: Final = np.array([_bucket(edge_ns) for edge_ns in EDGES_NS])
_MIDDLES_NS: Final = np.array([_middle_ns(bucket) for bucket in range(_BUCKETS)])
