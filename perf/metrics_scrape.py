"""One scrape of 200 symbols with four rings each, beside the text of the same samples by prometheus_client; and what
the histograms cost those who count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from console.metrics.collect import collect
from console.metrics.facts import MachineFacts
from console.metrics.text import exposition
from core.telemetry.frame import Frame
from core.telemetry.histograms import LatencyHistogram
from core.telemetry.series import COLUMNS
from perf.figures import Figure
from tests.unit.console.metrics.documents import NOW_NS, a_feed, a_ring, a_status

SYMBOLS: Final = 200
SCHEMAS: Final = ("trades", "mbp-1", "mbp-10", "ohlcv-1m")
RUNS: Final = 15
BATCH: Final = 8192


def measure() -> Iterator[Figure]:
    """Milliseconds, the best of several runs on either side."""
    status = _large()
    frame = collect(status, MachineFacts(), now_ns=NOW_NS)
    theirs_ms = _best_ms(lambda: generate_latest(_registry(frame)))
    against = f"prometheus_client's text of the same {_count(frame)} samples"
    yield Figure(
        f"Frame of {SYMBOLS} symbols x {len(SCHEMAS)} rings from a status",
        _best_ms(lambda: collect(status, MachineFacts(), now_ns=NOW_NS)),
        theirs_ms,
        "ms",
        against,
        digits=2,
    )
    yield Figure("  and its text", _best_ms(lambda: b"".join(exposition(frame))), theirs_ms, "ms", against, digits=2)
    delays_ns = np.random.default_rng(1).exponential(1e6, BATCH).astype(np.int64)
    listed, histogram = delays_ns.tolist(), LatencyHistogram()
    yield Figure(
        f"{BATCH} delays counted as an array",
        _best_ms(lambda: histogram.record_array(delays_ns)),
        _best_ms(lambda: histogram.record_all(listed)),
        "ms",
        "one by one",
        digits=3,
    )


def _large() -> dict[str, Any]:
    names = [f"S{number}USD" for number in range(SYMBOLS)]
    readers = (("store", 3, 0), ("screen", 5, 0))
    return a_status(
        feeds=[a_feed(name) for name in names],
        rings=[a_ring(name, schema, readers) for name in names for schema in SCHEMAS],
    )


def _best_ms(work: Callable[[], object]) -> float:
    found = []
    for _ in range(RUNS):
        began_s = time.perf_counter()
        work()
        found.append((time.perf_counter() - began_s) * 1e3)
    return min(found)


def _count(frame: Frame) -> int:
    return sum(len(column.values) for column in frame.columns.values())


class _Same(Collector):
    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for name, column in self._frame.columns.items():
            family = GaugeMetricFamily(name, name, labels=COLUMNS[name])
            for labels, value in zip(column.labels, column.values.tolist(), strict=True):
                family.add_metric(labels, value)
            yield family


def _registry(frame: Frame) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Same(frame))
    return registry
