"""A frame as plain values for JSON, and back: how it goes over the control channel."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from core.errors import UsageError
from core.telemetry.frame import Column, Frame
from core.telemetry.series import COLUMNS

MOST_PATTERNS: Final = 64
MOST_CHARACTERS: Final = 128

Document = dict[str, Any]


def frame_document(frame: Frame, patterns: Sequence[str] = ()) -> Document:
    """The columns of a frame whose names match one of `patterns`, in which `*` stands for anything; all without
    patterns. What is not known is null."""
    return {
        "time_ns": frame.time_ns,
        "columns": {
            name: {
                "labels": [list(labels) for labels in column.labels],
                "values": [None if math.isnan(value) else value for value in column.values.tolist()],
            }
            for name, column in frame.columns.items()
            if not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        },
    }


def asked_patterns(request: Mapping[str, Any]) -> list[str]:
    """The patterns that a request names. Raises `UsageError`."""
    patterns = request.get("series", [])
    if not isinstance(patterns, list) or len(patterns) > MOST_PATTERNS:
        raise UsageError("bad request", f"series are {MOST_PATTERNS} patterns at most")
    if not all(isinstance(each, str) and len(each) <= MOST_CHARACTERS for each in patterns):
        raise UsageError("bad request", f"a pattern is a text of {MOST_CHARACTERS} characters at most")
    return patterns


def document_frame(document: Mapping[str, Any]) -> Frame:
    """The frame that `frame_document` made a document of; series that this program does not know are left out."""
    columns = {}
    for name, told in document["columns"].items():
        if name in COLUMNS:
            labels = tuple(tuple(str(text) for text in each) for each in told["labels"])
            values = np.array([math.nan if value is None else float(value) for value in told["values"]], np.float64)
            columns[name] = Column(labels, values)
    return Frame(int(document["time_ns"]), columns)


def frame_rows(frame: Frame) -> Iterator[dict[str, Any]]:
    """One row a series and its labels, in the order in which they are declared; what is not known is left out."""
    for name, names in COLUMNS.items():
        column = frame.columns.get(name)
        if column is None:
            continue
        for labels, value in zip(column.labels, column.values.tolist(), strict=True):
            if not math.isnan(value):
                yield {"series": name, "labels": dict(zip(names, labels, strict=True)), "value": value}
