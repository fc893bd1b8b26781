"""Which points of a long series a plot needs, so that it is small and loses no peak. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.bars.ticks import Column


def thin(ts_ns: Column, *series: NDArray[Any], most: int = 2000) -> NDArray[np.intp]:
    """The ascending numbers of at most `most` points: the first, the last, and of each stretch of time the lowest and
    the highest of each of `series`; the first of them where several are.

    `ts_ns` ascends and each series has as many entries. All points when there are no more than `most`, which is at
    least two and two for each series.
    """
    assert series
    assert most >= 2 + 2 * len(series)
    count = len(ts_ns)
    if count <= most:
        return np.arange(count)
    stretches = (most - 2) // (2 * len(series))
    first_ns, span_ns = int(ts_ns[0]), int(ts_ns[-1]) - int(ts_ns[0])
    edges_ns = [first_ns - (-span_ns * number // stretches) for number in range(stretches)]  # exact: no float is
    edges = np.unique(np.append(np.searchsorted(ts_ns, np.array(edges_ns, np.int64)), count))
    kept = {0, count - 1}
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        for values in series:
            stretch = values[start:end]
            kept.add(start + int(stretch.argmin()))
            kept.add(start + int(stretch.argmax()))
    return np.array(sorted(kept), np.intp)
