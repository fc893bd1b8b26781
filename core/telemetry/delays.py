"""The hops of a record's way through the program, and how long they took, as rows that processes tell each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from core.telemetry.histograms import EDGES_NS, LatencyHistogram

VENUE_TO_RECEIVED: Final = "venue_to_received"
RECEIVED_TO_RING: Final = "received_to_ring"
RING_TO_STORE: Final = "ring_to_store"
RING_TO_STRATEGY: Final = "ring_to_strategy"
HOPS: Final[Mapping[str, str]] = {
    VENUE_TO_RECEIVED: (
        "from the instant that the venue gave a trade to the read that brought it out of the socket, by the clocks of"
        " two machines; below zero counts as none"
    ),
    RECEIVED_TO_RING: (
        "from that read until all that came with it is decoded, checked and in its rings, for each message"
    ),
    RING_TO_STORE: (
        "from the instant at which a record was received until the store has synced it: on the disk or, with a"
        " database, there or in the spill"
    ),
    RING_TO_STRATEGY: (
        "from the instant at which a trade was received until the strategies on paper were asked and what they did is"
        " written down"
    ),
}
"""Each hop, and from where to where it is."""

Rows = Mapping[str, Mapping[str, Any]]
"""By hop: `counts` and `sum_ns` as in `Cumulated`, and the quantiles of the last minute as in `LatencySummary`."""
RECENT: Final = ("p50_ns", "p99_ns", "max_ns")


def delay_row(histogram: LatencyHistogram) -> dict[str, Any]:
    """What there is to tell of the delays of one hop."""
    all_of_them, recent = histogram.cumulated(), histogram.summary()
    return {
        "counts": list(all_of_them.counts),
        "sum_ns": all_of_them.sum_ns,
        "p50_ns": recent.p50_ns,
        "p99_ns": recent.p99_ns,
        "max_ns": recent.max_ns,
    }


def merged(several: Iterable[Rows]) -> dict[str, dict[str, Any]]:
    """The rows of several who took the same hops, as those of one: of the last minute the slowest, since an average
    would hide the one that needs looking at."""
    found: dict[str, dict[str, Any]] = {}
    for rows in several:
        for hop, row in rows.items():
            known = found.get(hop)
            found[hop] = dict(row) if known is None else _both(known, row)
    return found


def ended(rows: Rows) -> dict[str, dict[str, Any]]:
    """The rows of somebody who is gone: what was counted stays, of the last minute there is nothing."""
    return {hop: {**row, **dict.fromkeys(RECENT, 0)} for hop, row in rows.items()}


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    assert len(one["counts"]) == len(other["counts"]) == len(EDGES_NS) + 1
    return {
        "counts": [mine + theirs for mine, theirs in zip(one["counts"], other["counts"], strict=True)],
        "sum_ns": one["sum_ns"] + other["sum_ns"],
        **{name: max(one[name], other[name]) for name in RECENT},
    }
