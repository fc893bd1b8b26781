"""The lower part of the Data screen: one series in full with its gaps, and what a job has found. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from console.tui.stored import RUNNING, Finding, Job, Series, StoredGap
from console.tui.storewatch import HISTORY
from console.tui.storewords import gap_words, seconds_text
from console.tui.text import Cell, Glyphs, Row, fit, fit_row, grouped, moment_text, row_width, short_count, title_row
from core.clock import NS_PER_S

DETAIL: Final = 3
"""Lines of figures below the title of a series."""
_BOTH_ENDS_FROM: Final = 100
_SIGNS: Final = {"error": "alert", "warning": "warn"}


def detail_rows(
    one: Series, gaps: Sequence[StoredGap], *, rate: float, room: int, width: int, glyphs: Glyphs
) -> list[Row]:
    """At most `room` rows: all figures of a series in full, then those of `gaps` that are its own; `rate` is rows a
    second."""
    own = [gap for gap in gaps if gap.key == one.key]
    decimals = 9 if width >= 100 else 3
    each = f"{one.stored_bytes / one.rows:.1f} a row" if one.rows else ""
    lines = [
        (("rows", grouped(one.rows), ""), ("days", grouped(one.days), ""),
         ("bytes", grouped(one.stored_bytes), ""), ("", each, "dim"),
         ("newest id", grouped(one.newest_id) if one.newest_id else "none", "")),
        (("first", moment_text(one.first_ns, decimals=decimals), ""),
         ("last", moment_text(one.last_ns, decimals=decimals), "")),
        (("duplicates", grouped(one.duplicates), ""), ("late", grouped(one.out_of_order), ""),
         ("rejected", grouped(one.rejected), "warn" if one.rejected else ""),
         ("rows/s", short_count(round(rate, 1)), "")),
    ]  # fmt: skip
    missing = sum(not gap.whole for gap in own)
    counted = f"{missing} gap{'s' if missing > 1 else ''} recorded" if missing else ""
    mended = f"{len(own) - missing} recovered" if len(own) > missing else ""
    rows = [title_row(((one.name, "accent"), (counted, "warn"), (mended, "dim")), width, glyphs)]
    rows += [facts_row(line, width) for line in lines]
    # What is missing first: there may be no room for all.
    for gap in sorted(own, key=lambda gap: gap.whole):
        rows.append(_note(_gap_text(gap, width, glyphs), "dim" if gap.whole else "warn", width, glyphs))
    return (rows if own else [*rows, _note("no gap is recorded", "dim", width, glyphs)])[:room]


def facts_row(facts: Sequence[tuple[str, str, str]], width: int) -> Row:
    """As many of some facts as fit whole, each a label, a text and its style; those without a text are left out."""
    cells: list[Cell] = []
    for label, text, style in facts:
        fact: list[Cell] = [(f" {label} " if label else " ", "dim"), (text, style or "text"), (" ", "")]
        if text and row_width((*cells, *fact)) <= width:
            cells += fact
    return fit_row(tuple(cells), width)


def _gap_text(gap: StoredGap, width: int, glyphs: Glyphs) -> str:
    begin = moment_text(gap.start_ns) if gap.start_ns else "the beginning"
    long = seconds_text(max(gap.end_ns - gap.start_ns, 0) / NS_PER_S) if gap.start_ns else ""
    # Where it is narrow the end can be told from how long it was: what became of it and why matter more.
    span = begin if long and width < _BOTH_ENDS_FROM else f"{begin} to {moment_text(gap.end_ns)}"
    facts = (span, long, gap_words(gap), gap.cause, gap.reason)
    return f"{glyphs.light if gap.whole else glyphs.warning} " + "  ".join(text for text in facts if text)


def _note(text: str, style: str, width: int, glyphs: Glyphs) -> Row:
    return ((fit(f" {text}", width, ellipsis=glyphs.ellipsis), style),)


def spark_text(rates: Sequence[float], width: int, glyphs: Glyphs) -> str:
    """The last `width` of `rates` as columns, the highest one full, the newest on the right; anything above nothing
    is seen."""
    shown = rates[-width:] if width else ()
    most = max(shown, default=0.0)
    levels = len(glyphs.levels) - 1
    return "".join(glyphs.levels[_steps(rate, most, levels)] for rate in shown).rjust(width)


def growth_rows(rates: Sequence[float], *, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """At most `height` rows: `rates` as a chart below a title, the newest on the right; none before the first."""
    if not rates or height < 2:
        return []
    wide = max(min(width // HISTORY, 3), 1)
    shown, most, lines = rates[-(width // wide) :], max(rates), height - 1
    title = (
        ("Rows a second", "title"),
        (f"{short_count(round(rates[-1], 1))} now", "text"),
        (f"{short_count(round(most, 1))} at most", "dim"),
    )
    rows = [title_row(title, width, glyphs)]
    full = len(glyphs.levels) - 1
    for line in range(lines):
        below = (lines - 1 - line) * full
        steps = [min(max(_steps(rate, most, lines * full) - below, 0), full) for rate in shown]
        # Broad columns stand apart, so that they can be counted.
        text = "".join(glyphs.levels[step] * max(wide - 1, 1) + " " * (wide > 1) for step in steps)
        rows.append(((text.rjust(width), "bid"),))
    return rows


def _steps(rate: float, most: float, steps: int) -> int:
    return max(int(rate * steps / most), 1) if rate > 0 else 0


def result_rows(job: Job, *, room: int, width: int, glyphs: Glyphs) -> list[Row]:
    """At most `room` rows: what a job has found, the worst first, and how much more there is."""
    shown = job.results[: room - 1]
    left = job.found - len(shown)
    wrong = sum(one.severity == "error" for one in job.results)
    noun = "finding" if job.name == "verify" else "day"
    parts = (
        (f"Results of {job.name}", "title"),
        (f"{wrong} error{'s' if wrong > 1 else ''}" if wrong else "", "alert"),
        (f"{grouped(job.found)} {noun}{'' if job.found == 1 else 's'}", "dim"),
        (f"{grouped(left)} more" if left else "", "dim"),
        ("esc hides them" if job.state != RUNNING else "", "dim"),
    )
    return [title_row(parts, width, glyphs), *(_finding_row(one, width, glyphs) for one in shown)]


def _finding_row(one: Finding, width: int, glyphs: Glyphs) -> Row:
    sign = glyphs.light if one.severity == "info" else glyphs.warning
    word = f" {sign} {one.severity:<7}  "
    text = "  ".join(part for part in (one.place, one.text) if part)
    room = max(width - len(word), 0)
    return fit_row(
        ((word, _SIGNS.get(one.severity, "dim")), (fit(text, room, ellipsis=glyphs.ellipsis), "text")), width
    )
