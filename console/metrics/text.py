"""A frame in the text format of Prometheus, version 0.0.4. Pure, and written here: its client library would take
sixty milliseconds to import for what these few lines do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from core.telemetry.frame import Frame, Labels
from core.telemetry.series import SERIES, Series, columns_of

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_EXACT: Final = 2**53


def exposition(frame: Frame) -> Iterator[bytes]:
    """The text, one piece a series. What is not known is left out, and so is a series of which nothing is."""
    written: dict[int, list[str]] = {}  # many columns share their labels
    for series in SERIES.values():
        lines = list(_samples(series, frame, written))
        if lines:
            yield "".join((*_heading(series), *lines)).encode("utf-8", "backslashreplace")


def _heading(series: Series) -> tuple[str, str]:
    meaning = series.meaning.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {series.name} {meaning}\n", f"# TYPE {series.name} {series.kind}\n"


def _samples(series: Series, frame: Frame, written: dict[int, list[str]]) -> Iterator[str]:
    for name, names in columns_of(series).items():
        column = frame.columns.get(name)
        if column is None:
            continue
        # The frame holds the labels, so that no other can come to be known by the same number meanwhile.
        texts = written.get(id(column.labels))
        if texts is None:
            texts = written[id(column.labels)] = [labels_text(names, labels) for labels in column.labels]
        for text, value in zip(texts, column.values.tolist(), strict=True):
            if value == value:  # noqa: PLR0124 - nothing else tells what is not a number as fast
                yield f"{name}{text} {value_text(value)}\n"


def labels_text(names: Labels, values: Labels) -> str:
    """Labels as they stand behind the name of a series; nothing for a series without any."""
    if not names:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def value_text(value: float) -> str:
    """A number: whole ones without a fraction, all others with every digit that they have."""
    if value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return {float("inf"): "+Inf", float("-inf"): "-Inf"}.get(value) or repr(value)
