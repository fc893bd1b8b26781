"""One day of a series in full: its figures, a strip of its 24 hours, and every stretch with its cause. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import Final

import attrs

from console.tui.coverage.document import (
    CLOSED,
    FETCHED,
    HOLES,
    LOST,
    MISSING,
    OUTSIDE,
    PARTIAL,
    STORED,
    DayDetail,
    MapRow,
    Stretch,
)
from console.tui.coverage.place import day_text
from console.tui.coverage.words import STATE_STYLES, STATE_WORDS, kind_of, signs
from console.tui.datadetail import facts_row
from console.tui.text import Glyphs, Row, clock_text, fit, fit_row, grouped, row_width, title_row
from core.clock import DAY_NS, NS_PER_S, calendar_date

DAY_ROWS: Final = 12
"""So many rows a day has where there is room: its head, and what most days have of stretches."""
_SOON: Final = 60
_ORDER: Final = (LOST, MISSING, FETCHED, STORED, CLOSED)
"""What is seen of a cell in which there are several, the first of them."""


@attrs.frozen(kw_only=True)
class DayView:
    """The day under the cursor: what the map knows of it, and what was asked for, if it came, or why not."""

    row: MapRow
    day: int
    state: str
    detail: DayDetail | None
    reason: str = ""
    now_ns: int = 0


def day_rows(view: DayView, *, room: int, width: int, glyphs: Glyphs) -> list[Row]:
    """At most `room` rows."""
    rows = [_title(view, width, glyphs)]
    detail = view.detail
    if detail is None:
        text = f"{glyphs.warning} {view.reason}" if view.reason else "asking the engine"
        return [*rows, ((fit(f" {text}", width, ellipsis=glyphs.ellipsis), "warn" if view.reason else "dim"),)][:room]
    rows += [_facts(detail, view, width, glyphs), *_strip(detail, view.now_ns, width, glyphs)]
    warning = calendar_warning(detail, view.now_ns // DAY_NS)
    if warning:
        rows.append(((fit(f" {glyphs.warning} {warning}", width, ellipsis=glyphs.ellipsis), "warn"),))
    left = room - len(rows)
    stretches = list(detail.stretches)
    # Where there is no room for all, what is missing is told first.
    if len(stretches) > left:
        worst = sorted(stretches, key=lambda one: kind_of(one.kind).state not in HOLES)[: max(left - 1, 0)]
        more = ((fit(f" {grouped(len(stretches) - len(worst))} more", width), "dim"),)
        stretches = sorted(worst, key=lambda one: one.start_ns)
        return [*rows, *(_stretch_row(one, width, glyphs) for one in stretches), more][:room]
    return [*rows, *(_stretch_row(one, width, glyphs) for one in stretches)][:room]


def _title(view: DayView, width: int, glyphs: Glyphs) -> Row:
    parts = (
        (view.row.name, "accent"),
        (f"{calendar_date(view.day):%a} {day_text(view.day)}", "text"),
        (STATE_WORDS[view.state] if view.state != OUTSIDE else "", STATE_STYLES[view.state] or "dim"),
    )
    return title_row(parts, width, glyphs)


def _facts(detail: DayDetail, view: DayView, width: int, glyphs: Glyphs) -> Row:
    missing = [one.missing for one in detail.stretches if kind_of(one.kind).state in HOLES]
    counted = sum(count for count in missing if count is not None)
    said = grouped(counted) + ("+" if None in missing and counted else "") if counted else "unknown"
    facts = (
        ("rows", grouped(detail.rows), "text"),
        ("first", _time(detail.first_ns, detail.day, glyphs), "text"),
        ("last", _time(detail.last_ns, detail.day, glyphs), "text"),
        ("missing", said if missing else "", "warn"),
        ("calendar", detail.calendar, "text"),
    )
    return facts_row(facts, width)


def _time(instant_ns: int, day: int, glyphs: Glyphs) -> str:
    return clock_text(instant_ns) if instant_ns and instant_ns // DAY_NS == day else glyphs.minus


def calendar_warning(detail: DayDetail, today: int) -> str:
    """That what is known of the sessions ends soon, or has ended; nothing while it does not."""
    if detail.calendar_ends is None or detail.calendar_ends - today > _SOON:
        return ""
    verb = "ends" if detail.calendar_ends >= today else "ended"
    day = day_text(detail.calendar_ends)
    return f"the calendar {detail.calendar} {verb} on {day}: behind it every hour counts as open"


def strip_states(detail: DayDetail, cells: int, now_ns: int) -> str:
    """The state of each of `cells` equal parts of the day until `now_ns`, 0 for all of it. What is missing in a part
    is seen however short it is: then it is PARTIAL."""
    begin_ns, step_ns = detail.day * DAY_NS, DAY_NS // cells
    end_ns = min(begin_ns + DAY_NS, now_ns or begin_ns + DAY_NS)
    there: list[set[str]] = [set() for _ in range(cells)]
    for one in detail.stretches:
        start, end = max(one.start_ns, begin_ns), min(one.end_ns, end_ns)
        if start < end:
            for part in there[(start - begin_ns) // step_ns : -((begin_ns - end) // step_ns)]:
                part.add(kind_of(one.kind).state)
    return "".join(map(_seen, there))


def _seen(there: set[str]) -> str:
    worst = next((state for state in _ORDER if state in there), OUTSIDE)
    return PARTIAL if worst == MISSING and there - {MISSING, CLOSED} else worst


def _strip(detail: DayDetail, now_ns: int, width: int, glyphs: Glyphs) -> list[Row]:
    per_hour = 4 if width >= 24 * 4 + 2 else 2 if width >= 24 * 2 + 2 else 1
    sign = signs(glyphs)
    hours = "".join(f"{hour:02d}".ljust(3 * per_hour) for hour in range(0, 24, 3))
    states = strip_states(detail, 24 * per_hour, now_ns)
    cells = [(sign[state] * len(list(run)), STATE_STYLES[state]) for state, run in groupby(states)]
    return [fit_row(((f" {hours}", "dim"),), width), fit_row(((" ", ""), *cells), width)]


def _stretch_row(one: Stretch, width: int, glyphs: Glyphs) -> Row:
    kind = kind_of(one.kind)
    style = STATE_STYLES[kind.state]
    end = "24:00:00" if one.end_ns % DAY_NS == 0 else clock_text(one.end_ns, decimals=0)
    span = f"{clock_text(one.start_ns, decimals=0)} to {end}"
    counted = ""
    if kind.state in HOLES:
        counted = (
            f"{grouped(one.missing)} missing" if one.missing is not None else "nobody knows how many are missing"
        )
    detail = one.detail if one.detail not in (kind.words, one.kind) else ""
    text = "  ".join(part for part in (kind.words, counted, detail) if part)
    cells: Row = (
        (f" {signs(glyphs)[kind.state]} ", style),
        (f"{span}  ", "text"),
        (f"{_long(one.end_ns - one.start_ns):>9}  ", "dim"),
    )
    left = max(width - row_width(cells), 0)
    return fit_row((*cells, (fit(text, left, ellipsis=glyphs.ellipsis), _words_style(kind.state))), width)


def _words_style(state: str) -> str:
    return "dim" if state == CLOSED else STATE_STYLES[state] if state in HOLES else "text"


def _long(duration_ns: int) -> str:
    # `6h 05m`, `12m 30s`, `8.25s`.
    seconds = duration_ns // NS_PER_S
    if seconds >= 3600:
        return f"{seconds // 3600}h {seconds % 3600 // 60:02d}m"
    if seconds >= 60:
        return f"{seconds // 60}m {seconds % 60:02d}s"
    return f"{duration_ns / NS_PER_S:.2f}s"
