"""The tables of docs/metrics.md, made of what is declared: `python -m console.metrics.page` writes them anew."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.telemetry.delays import HOPS
from core.telemetry.series import SERIES, Series

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
_MARKS: Final = ("<!-- {name}: made by console/metrics/page.py -->", "<!-- end of {name} -->")


def with_tables(page: str) -> str:
    """The text of the page with its tables as they are to be now."""
    for name, lines in (("hops", _hops()), ("series", _series())):
        begin, end = (mark.format(name=name) for mark in _MARKS)
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = "\n".join((before + begin, "", *lines, "", end + after))
    return page


def _hops() -> Iterator[str]:
    yield "| hop | from where to where |"
    yield "| --- | --- |"
    for hop, meaning in HOPS.items():
        yield f"| `{hop}` | {meaning} |"


def _series() -> Iterator[str]:
    yield "| series | kind | labels | unit | meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for series in SERIES.values():
        yield _row(series)


def _row(series: Series) -> str:
    labels = ", ".join(f"`{label}`" for label in series.labels)
    return f"| `{series.name}` | {series.kind} | {labels} | {series.unit} | {series.meaning} |"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
