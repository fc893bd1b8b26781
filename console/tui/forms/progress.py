"""How a child of the screen stands, as rows: a bar while it runs, the reason where it has failed. Pure."""

from __future__ import annotations

import textwrap
from typing import Any

from console.tui.child import Progress
from console.tui.text import Glyphs, Row, fit, fit_row, short_age

_MOST_LINES = 8


def progress_rows(progress: Progress[Any] | None, *, now_ns: int, width: int, glyphs: Glyphs) -> list[Row]:
    """Rows of `width` cells, none of them of what is done or was never begun; `now_ns` is of the monotonic clock."""
    if progress is None or progress.state == "done":
        return []
    if progress.state == "running":
        return _bar_rows(progress, now_ns, width, glyphs)
    if progress.state == "cancelled":
        elapsed = short_age(progress.elapsed_s(now_ns))
        return [((fit(f" {glyphs.warning} cancelled after {elapsed}", width), "warn"),)]
    rows = wrapped_rows(f"{glyphs.warning} {progress.message}", width, "alert")
    rows += wrapped_rows(progress.hint, width, "warn")
    for line in progress.said[-3:]:
        if line not in progress.message:
            rows += wrapped_rows(line, width, "dim")
    return [*rows[:_MOST_LINES], fit_row((), width)]


def _bar_rows(progress: Progress[Any], now_ns: int, width: int, glyphs: Glyphs) -> list[Row]:
    share, left_s = progress.share or 0.0, progress.left_s(now_ns)
    times = f"{short_age(progress.elapsed_s(now_ns))}" + (f", {short_age(left_s)} left" if left_s is not None else "")
    figures = f" {share:4.0%}  {times} "
    room = max(width - len(figures) - 2, 0)
    eighths = int(share * room * 8)
    bar = glyphs.ramps[8] * (eighths // 8) + (glyphs.ramps[eighths % 8] if eighths % 8 else "")
    rest = room - len(bar)
    row = ((" ", ""), (bar, "accent"), (glyphs.shade * rest, "faint"), (figures, "text"))
    said = progress.text or (progress.said[-1] if progress.said else "starting")
    return [fit_row(row, width), *wrapped_rows(said, width, "dim")[:3]]


def wrapped_rows(text: str, width: int, style: str, *, indent: int = 1) -> list[Row]:
    """`text` in as many rows as it takes, cut between words, behind `indent` cells."""
    room = max(width - indent - 1, 1)
    return [((fit(" " * indent + part, width), style),) for part in textwrap.wrap(text, room)]
