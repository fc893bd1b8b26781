"""Stretches of time as arrays: what is covered, what is wanted, and what is left of one without the other.

Spans are int64 of shape (n, 2), nanoseconds since the epoch: [first instant, first instant not in it), ascending,
none empty, none touching another. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Spans = NDArray[np.int64]

NO_SPANS: Final[Spans] = np.empty((0, 2), np.int64)


def spans_of(pairs: Iterable[tuple[int, int]] | Spans) -> Spans:
    """The spans that any stretches make together: in order, joined where they touch, empty ones left out."""
    given = np.asarray(pairs if isinstance(pairs, np.ndarray) else list(pairs), np.int64).reshape(-1, 2)
    given = given[given[:, 0] < given[:, 1]]
    if not len(given):
        return NO_SPANS
    given = given[np.argsort(given[:, 0], kind="stable")]
    reached = np.maximum.accumulate(given[:, 1])
    begins = np.flatnonzero(np.concatenate(([True], given[1:, 0] > reached[:-1])))
    ends = np.concatenate((begins[1:] - 1, [len(given) - 1]))
    return np.stack((given[begins, 0], reached[ends]), axis=1)


def union(*many: Spans) -> Spans:
    """What lies in any of them."""
    return spans_of(np.concatenate(many)) if many else NO_SPANS


def intersect(one: Spans, other: Spans) -> Spans:
    """What lies in both."""
    if not len(one) or not len(other):
        return NO_SPANS
    first = np.searchsorted(other[:, 1], one[:, 0], "right")
    last = np.searchsorted(other[:, 0], one[:, 1], "left")
    counts = np.maximum(last - first, 0)
    mine = np.repeat(np.arange(len(one)), counts)
    theirs = np.arange(len(mine)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    starts = np.maximum(one[mine, 0], other[theirs, 0])
    return np.stack((starts, np.minimum(one[mine, 1], other[theirs, 1])), axis=1)


def subtract(one: Spans, other: Spans) -> Spans:
    """What lies in `one` and not in `other`."""
    if not len(one) or not len(other):
        return one
    lowest, highest = min(one[0, 0], other[0, 0]), max(one[-1, 1], other[-1, 1])
    edges = np.concatenate(([lowest], other.reshape(-1), [highest])).reshape(-1, 2)
    return intersect(one, edges[edges[:, 0] < edges[:, 1]])


def clip(spans: Spans, start_ns: int, end_ns: int) -> Spans:
    """What lies in [`start_ns`, `end_ns`)."""
    return intersect(spans, spans_of([(start_ns, end_ns)]))


def total_ns(spans: Spans) -> int:
    """How long they are together."""
    return int((spans[:, 1] - spans[:, 0]).sum())


def measured_ns(spans: Spans, bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """How much of `spans` lies between each two of `bounds`, which ascend."""
    if not len(spans):
        return np.zeros(len(bounds) - 1, np.int64)
    before = np.concatenate(([0], np.cumsum(spans[:, 1] - spans[:, 0])))
    at = np.searchsorted(spans[:, 0], bounds, "right")
    inside = np.minimum(bounds, spans[at - 1, 1]) - spans[at - 1, 0]
    reached = np.where(at > 0, before[at - 1] + inside, 0)
    return np.diff(reached)
