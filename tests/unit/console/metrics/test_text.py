"""The text for Prometheus and the document for the control channel: what is written is what is read."""

from __future__ import annotations

import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from console.metrics.collect import collect
from console.metrics.document import asked_patterns, document_frame, frame_document, frame_rows
from console.metrics.text import exposition, value_text
from core.errors import UsageError
from core.telemetry.frame import Column, Frame
from core.telemetry.series import PREFIX, SERIES, Kind
from tests.unit.console.metrics.documents import NOW_NS, a_status
from tests.unit.console.metrics.test_collect import FACTS

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def text_of(frame: Frame) -> str:
    """The whole text."""
    return b"".join(exposition(frame)).decode()


def read(text: str) -> Samples:
    """The samples of a text, as Prometheus' own client reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def known(frame: Frame) -> Samples:
    """The same of a frame: what is known of it."""
    return {(row["series"], tuple(sorted(row["labels"].items()))): row["value"] for row in frame_rows(frame)}


def everything() -> Frame:
    """The frame of an engine that does everything."""
    return collect(a_status(), FACTS, now_ns=NOW_NS)


def test_the_text_is_read_back_by_another_program() -> None:
    """Every sample with its name, labels and value, and every family with its kind and help."""
    text = text_of(everything())
    assert read(text) == known(everything())
    for family in text_string_to_metric_families(text):
        series = SERIES.get(family.name) or SERIES[f"{family.name}_total"]
        assert family.type == series.kind
        assert family.documentation == series.meaning


def test_heads_come_once_and_samples_end_with_a_line() -> None:
    """One HELP and one TYPE a series, before its samples."""
    lines = text_of(everything()).splitlines()
    heads = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))
    assert text_of(everything()).endswith("\n")
    buckets = [line for line in lines if line.startswith(f"{PREFIX}delay_seconds_bucket")]
    assert any('le="+Inf"' in line for line in buckets)
    histograms = [series.name for series in SERIES.values() if series.kind is Kind.HISTOGRAM]
    assert f"# TYPE {histograms[0]} histogram" in lines


@given(st.text(max_size=40), st.floats())
def test_any_label_and_any_number_survive(label: str, value: float) -> None:
    """Quotes, backslashes, new lines and what no encoding holds; numbers to the last digit, and infinite ones."""
    frame = Frame(NOW_NS, {f"{PREFIX}legs": Column(((label,),), np.array([value]))})
    text = text_of(frame)
    assert text.count("\n") in {0, 3}
    kept = label.encode("utf-8", "backslashreplace").decode()
    if math.isnan(value):
        assert text == ""
    elif "\r" not in label and not any(character in label for character in "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"):
        assert read(text) == {(f"{PREFIX}legs", (("venue", kept),)): value}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (-0.5, "-0.5"),
        (1e300, "1e+300"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (2.0**60, "1.152921504606847e+18"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    """Whole ones without a fraction while they are exact."""
    assert value_text(value) == text


def test_a_document_comes_back_as_its_frame() -> None:
    """Also as JSON, also what is not known."""
    frame = everything()
    back = document_frame(json.loads(msgspec.json.encode(frame_document(frame))))
    assert back.time_ns == frame.time_ns
    assert list(back.columns) == list(frame.columns)
    for name, column in frame.columns.items():
        assert back.columns[name].labels == column.labels
        np.testing.assert_array_equal(back.columns[name].values, column.values)


def test_a_document_has_what_was_asked_for() -> None:
    """Patterns choose columns; of a program that knows more series than this one the others are left out."""
    document = frame_document(everything(), [f"{PREFIX}store_*", f"{PREFIX}paper_up"])
    assert f"{PREFIX}paper_up" in document["columns"]
    assert all(name.startswith((f"{PREFIX}store_", f"{PREFIX}paper_up")) for name in document["columns"])
    document["columns"]["ringside_of_tomorrow"] = {"labels": [["a"]], "values": [1]}
    assert "ringside_of_tomorrow" not in document_frame(document).columns


@pytest.mark.parametrize("series", ["ring_*", [1], ["x" * 129], ["x"] * 65, {"a": 1}])
def test_what_is_no_list_of_patterns_is_refused(series: object) -> None:
    """Whoever asks over the control channel may send anything."""
    with pytest.raises(UsageError):
        asked_patterns({"series": series})
