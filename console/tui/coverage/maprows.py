"""The coverage map: a line a series, a character a day, months above, a legend below. Pure.

Only what is seen is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import attrs

from console.tui.coverage.document import FETCHED, OUTSIDE, STATES, STORED, CoverageMap, MapRow
from console.tui.coverage.place import MapPlace, day_text, within
from console.tui.coverage.words import STATE_STYLES, STATE_WORDS, signs
from console.tui.tables import Column, head_row, table_row
from console.tui.text import Cell, Glyphs, Row, fit, fit_row, row_width, short_count, title_row
from core.clock import calendar_date

ABOVE: Final = 3
"""Rows above the series: a title, the months, and the day under the cursor."""
_BEFORE: Final = (Column("symbol", "symbol", 11), Column("venue", "venue", 13), Column("schema", "schema", 8))
_NARROW: Final = (Column("symbol", "symbol", 9), Column("venue", "venue", 7), Column("schema", "schema", 6))
_AFTER: Final = (Column("rows", "rows", 5, right=True), Column("holes", "holes", 5, right=True))
_WIDE_FROM: Final = 100
_LEGEND_FROM: Final = 76
_FAINT: Final = {state: style and "grid" for state, style in STATE_STYLES.items()}


def _columns(width: int) -> tuple[Column, ...]:
    return _BEFORE if width >= _WIDE_FROM else _NARROW


def before_width(width: int) -> int:
    """The cells left of the days."""
    return 1 + sum(column.width + 1 for column in _columns(width))


def day_room(width: int) -> int:
    """How many days a map of `width` cells shows."""
    return max(width - before_width(width) - sum(column.width + 1 for column in _AFTER) - 1, 1)


def day_clicked(x: int, place: MapPlace, width: int) -> int | None:
    """The day in the column `x`, None where there is none."""
    at = x - before_width(width)
    return place.left_day + at if 0 <= at < day_room(width) else None


@attrs.frozen(kw_only=True)
class MapView:
    """The series that pass the filter, where the operator is among them, why the map is an old one, and what is to
    be said in the place of the legend."""

    coverage: CoverageMap
    shown: Sequence[MapRow]
    place: MapPlace
    kept: str = ""
    note: str = ""


def map_rows(view: MapView, *, room: int, width: int, glyphs: Glyphs) -> list[Row]:
    """The title, the ruler, `room` series at most, and the legend."""
    place, shown = view.place, view.shown
    days = day_room(width)
    rows = [_title(view, room, width, glyphs), _months(place, days, width), _pointer(view, days, width, glyphs)]
    columns = _columns(width)
    seen = shown[place.top : place.top + room]
    rows += [_series_row(one, view, columns, days, width, glyphs) for one in seen]
    if not shown and room:
        text = "nothing matches the filter; esc clears it" if place.pattern else "nothing is stored yet"
        rows.append(((fit(f" {text}", width, ellipsis=glyphs.ellipsis), "dim"),))
    if view.note:
        return [*rows, ((fit(f" {glyphs.warning} {view.note}", width, ellipsis=glyphs.ellipsis), "warn"),)]
    return [*rows, _legend(width, glyphs)]


def _title(view: MapView, room: int, width: int, glyphs: Glyphs) -> Row:
    coverage, place, total = view.coverage, view.place, len(view.coverage.rows)
    count = f"{len(view.shown)} of {total}" if len(view.shown) != total else str(total)
    below = max(len(view.shown) - place.top - room, 0)
    parts = (
        ("Coverage", "title"),
        (f"{count}{'+' if coverage.truncated else ''} series", "dim"),
        (f"/{place.pattern}" if place.pattern else "", "accent"),
        (f"{below} more below" if below else "", "dim"),
        (f"{glyphs.warning} as last heard: {view.kept}" if view.kept else "", "warn"),
    )
    return title_row(parts, width, glyphs)


def _months(place: MapPlace, days: int, width: int) -> Row:
    # Each month at its first day, with its year where there is none before it.
    line, free, year = [" "] * days, 0, ""
    for at in range(days):
        day = calendar_date(max(place.left_day + at, 0))
        if day.day != 1 and at:
            continue
        name = f"{day:%b}" if f"{day:%Y}" == year else f"{day:%b %Y}"
        if at >= free and at + len(name) <= days and not (at == 0 and day.day > 20):
            line[at : at + len(name)] = name
            free, year = at + len(name) + 1, f"{day:%Y}"
    return fit_row((_gap(width), ("".join(line), "dim")), width)


def _gap(width: int) -> Cell:
    return " " * before_width(width), ""


def _pointer(view: MapView, days: int, width: int, glyphs: Glyphs) -> Row:
    # Below the months, above the cursor's column: the day in words.
    place = view.place
    columns = (*_columns(width), Column("days", "", days), *_AFTER)
    cells = list(head_row(columns, width=width, glyphs=glyphs))
    at = place.day - place.left_day
    if not view.shown or not 0 <= at < days:
        return tuple(cells)
    words = f"{calendar_date(place.day):%a} {day_text(place.day)}"
    left = f"{words} {glyphs.down}".rjust(at + 1)[-days:] if at >= days // 2 else ""
    right = f"{' ' * at}{glyphs.down} {words}"[:days]
    cells[len(_columns(width)) + 1] = ((left or right).ljust(days) + " ", "accent")
    return fit_row(tuple(cells), width)


def _series_row(one: MapRow, view: MapView, columns: Sequence[Column], days: int, width: int, glyphs: Glyphs) -> Row:
    place = view.place
    here = one.key == place.key
    venue, symbol, schema = one.key
    named = {"symbol": (symbol, "symbol"), "venue": (venue, "dim"), "schema": (schema, "text")}
    counted = {
        "rows": (short_count(one.rows), "text" if one.rows else "dim"),
        "holes": (short_count(one.holes) if one.holes else glyphs.minus, "warn" if one.holes else "dim"),
    }
    before = table_row(
        columns, named, width=before_width(width), glyphs=glyphs, marker=glyphs.cursor if here else " ", cursor=here
    )
    after = table_row(_AFTER, counted, width=width - before_width(width) - days, glyphs=glyphs, cursor=here)
    cursor = place.day - place.left_day if here else None
    return (*before, *_day_cells(one, place.left_day - view.coverage.first_day, days, cursor, glyphs), *after)


def _day_cells(one: MapRow, start: int, days: int, cursor: int | None, glyphs: Glyphs) -> list[Cell]:
    seen = OUTSIDE * max(-start, 0) + one.states[max(start, 0) : max(start + days, 0)]
    seen = seen.ljust(days, OUTSIDE)[:days]
    begins = within(one.begins - start, least=0, most=days)
    if cursor is None or not 0 <= cursor < days:
        return _runs(seen, 0, days, begins, glyphs)
    # A sign that fills its cell leaves nothing of a ground to be seen.
    style = "accent" if seen[cursor] in (STORED, FETCHED) and glyphs.braille else "last_label"
    here = (signs(glyphs)[seen[cursor]], style)
    return [*_runs(seen, 0, cursor, begins, glyphs), here, *_runs(seen, cursor + 1, days, begins, glyphs)]


def _runs(states: str, first: int, end: int, begins: int, glyphs: Glyphs) -> list[Cell]:
    # Nobody is to be alarmed by days from before there was anything: those are faint.
    sign, early = signs(glyphs), max(min(begins, end), first)
    faint = [(sign[state] * len(list(run)), _FAINT[state]) for state, run in groupby(states[first:early])]
    return faint + [(sign[state] * len(list(run)), STATE_STYLES[state]) for state, run in groupby(states[early:end])]


def _legend(width: int, glyphs: Glyphs) -> Row:
    sign = signs(glyphs)
    cells: list[Cell] = [(" ", "")]
    for state in STATES:
        if state == OUTSIDE:
            continue
        words = "bought, recovered" if state == FETCHED and width >= _WIDE_FROM else STATE_WORDS[state]
        shown, apart = (sign[state] * 2, 3) if width >= _LEGEND_FROM else (sign[state], 2)
        cells += [(shown, STATE_STYLES[state]), (f" {words}{' ' * apart}", "dim")]
    keys = "←→ day   p price   f fetch   m list" if glyphs.braille else "left, right day   p price   f fetch   m list"
    room = width - row_width(tuple(cells)) - 1
    if len(keys) <= room:
        cells.append((keys.rjust(room), "dim"))
    return fit_row(tuple(cells), width)
