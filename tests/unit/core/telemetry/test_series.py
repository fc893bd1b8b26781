"""What is declared: names as Prometheus wants them, each once, each explained."""

from __future__ import annotations

import re

import pytest

from core.telemetry.delays import HOPS, delay_row, ended, merged
from core.telemetry.histograms import LatencyHistogram
from core.telemetry.series import COLUMNS, PREFIX, SERIES, Kind, Series

UNITS = {"_seconds": "seconds", "_bytes": "bytes", "_ratio": "ratio"}


@pytest.mark.parametrize("series", SERIES.values(), ids=str)
def test_a_series_is_named_and_explained(series: Series) -> None:
    """The prefix, lower case, its unit in the name, `_total` for counters alone, and a meaning."""
    assert re.fullmatch(rf"{PREFIX}[a-z][a-z_]*", series.name)
    assert series.name.endswith("_total") == (series.kind is Kind.COUNTER)
    for suffix, unit in UNITS.items():
        assert series.name.removesuffix("_total").endswith(suffix) == (series.unit == unit), series.name
    assert len(series.meaning) > 4
    assert not series.meaning.endswith(".")
    assert all(re.fullmatch(r"[a-z]+", label) for label in series.labels)
    assert len(set(series.labels)) == len(series.labels)
    assert "le" not in series.labels
    if series.kind is Kind.COUNTER:
        assert series.unit


def test_a_histogram_has_three_columns() -> None:
    """Buckets with their bound, sum and count; all others have the one of their own name."""
    assert COLUMNS[f"{PREFIX}delay_seconds_bucket"] == ("hop", "le")
    assert COLUMNS[f"{PREFIX}delay_seconds_sum"] == COLUMNS[f"{PREFIX}delay_seconds_count"] == ("hop",)
    assert f"{PREFIX}delay_seconds" not in COLUMNS
    assert len(COLUMNS) == len(SERIES) + 2


def test_delays_of_several_are_those_of_one() -> None:
    """Counts and sums are added up; of the last minute the slowest is told, and nothing of somebody who is gone."""
    fast, slow = LatencyHistogram(), LatencyHistogram()
    fast.record(1_000, 5)
    slow.record(1_000_000)
    rows = [{hop: delay_row(histogram)} for histogram in (fast, slow) for hop in [next(iter(HOPS))]]
    (row,) = merged(rows).values()
    assert (row["counts"][0], row["counts"][-1]) == (5, 6)
    assert (row["max_ns"], row["p50_ns"]) == (1_000_000, 1_000_000)
    (left,) = ended(merged(rows)).values()
    assert (left["counts"], left["sum_ns"], left["max_ns"], left["p99_ns"]) == (row["counts"], row["sum_ns"], 0, 0)
    assert merged([{}, {}]) == {}
