"""When a series was followed: from where its records lie, what was fetched and which gaps are recorded. Pure.

Nobody writes it down. It was followed between two of its records, unless a gap is recorded, something was fetched in
between, or whole UTC days without any record lie there, more than weekends and holidays make up: whether a symbol was
quiet then nobody can say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.clock import DAY_NS, NS_PER_S
from core.model.records import Records, Schema
from core.model.spans import NO_SPANS, Spans, clip, spans_of, subtract

STREAMED_NS: Final = 300 * NS_PER_S
"""A series whose newest record is no older than this is followed just now."""

Instants = NDArray[np.int64]
Stamps = Callable[[int, int], Instants]
"""The instants of the records of a series within a range, ascending."""

# What is told by when it was received may have happened that much before what was asked for begins.
_STRAY_NS: Final = 60 * NS_PER_S


def live_extents(days: Records, told: Spans, stamps: Stamps) -> Spans:
    """Where the records of `days` lie that are not within what was `told`: from the first to behind the last of each
    day, or of each part of a day that was told in part, which alone is looked into. Ascending; they may touch."""
    if not len(days):
        return NO_SPANS
    whole = np.stack((days["first_ns"], days["last_ns"] + 1), axis=1)
    if not len(told):
        return whole
    touched = overlaps(whole, told)
    found = [whole[~touched]]
    touched &= np.searchsorted(told[:, 0], whole[:, 0], "right") != np.searchsorted(told[:, 1], whole[:, 1]) + 1
    for first_ns, over_ns in whole[touched].tolist():
        for start_ns, end_ns in subtract(spans_of([(first_ns, over_ns)]), told).tolist():
            inside = stamps(start_ns, end_ns)
            if len(inside):
                found.append(np.array([[inside[0], inside[-1] + 1]], np.int64))
    parts = np.concatenate(found)
    return parts[np.argsort(parts[:, 0])]


def followed(
    schema: Schema, live: Spans, *, told: Spans, gaps: Spans, quiet_days: int, now_ns: int | None = None
) -> Spans:
    """When a series was followed whose records lie in `live`, as `live_extents` says, and of which besides something
    was `told`; where its `gaps` lie, in any order, is not taken out. At most `quiet_days` whole days may be without a
    record. With `now_ns`, of what is followed just now up to then."""
    if schema.is_bars:
        return _days_of_bars(live, schema.interval_ns)
    if now_ns is not None and len(live) and 0 < now_ns - int(live[-1, 1]) <= STREAMED_NS:
        live = np.concatenate((live, [[now_ns - 1, now_ns]]))
    starts, ends, known_ns = _evidence(live, gaps, told)
    if not len(starts):
        return NO_SPANS
    number = np.searchsorted(told[:, 0], known_ns, "right")
    following = np.append(told[:, 0], np.iinfo(np.int64).max)[number]
    stray = (starts < ends) & (starts >= following - _STRAY_NS) & (ends != following)
    stray &= ~holds(spans_of(gaps), following)
    far = known_ns[1:] // DAY_NS - np.maximum(known_ns, ends - 1)[:-1] // DAY_NS > quiet_days + 1
    first = np.flatnonzero(np.concatenate(([True], (number[1:] != number[:-1]) | far | stray[1:])))
    found: Spans = np.stack((starts[first], np.maximum.reduceat(ends, first)), axis=1)
    return found[found[:, 1] - found[:, 0] > 1]  # one record alone tells of no time


def _evidence(live: Spans, gaps: Spans, told: Spans) -> tuple[Instants, Instants, Instants]:
    # When it is known that the series was followed, ascending: from when to when, and an instant in each. Where a gap
    # begins and ends, too, before it and behind it: no record says so any more once the gap was fetched. Those are of
    # no length.
    edges = gaps.reshape(-1)
    before, behind = edges[~holds(told, edges - 1)], edges[~holds(told, edges)]
    starts = np.concatenate((live[:, 0], before, behind))
    order = np.argsort(starts, kind="stable")
    ends = np.concatenate((live[:, 1], before, behind))
    known_ns = np.concatenate((live[:, 0], before - 1, behind))
    return starts[order], ends[order], known_ns[order]


def _days_of_bars(live: Spans, bar_ns: int) -> Spans:
    # Of bars each day that has any counts in full, between the first and the end of the last: no gap is ever recorded
    # of them, and in a quiet interval there is none.
    if not len(live):
        return NO_SPANS
    whole = np.stack((live[:, 0] // DAY_NS, (live[:, 1] - 1) // DAY_NS + 1), axis=1) * DAY_NS
    return clip(spans_of(whole), int(live[0, 0]), int(live[-1, 1]) - 1 + bar_ns)


def holds(spans: Spans, instants: Instants) -> NDArray[np.bool_]:
    """Which instants lie in any of `spans`."""
    at = np.searchsorted(spans[:, 0], instants, "right")
    found: NDArray[np.bool_] = at > np.searchsorted(spans[:, 1], instants, "right")
    return found


def overlaps(spans: Spans, others: Spans) -> NDArray[np.bool_]:
    """Which of `spans`, in any order and of any kind, share something with the others."""
    first = np.searchsorted(others[:, 1], spans[:, 0], "right")
    found: NDArray[np.bool_] = first < np.searchsorted(others[:, 0], spans[:, 1], "left")
    return found
