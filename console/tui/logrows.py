"""The log screen's rows: what is wrong now, then the engine's log, newest below, or one line in full. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

import attrs

from console.logbook.expression import Span
from console.tui.logstore import LEVELS, MARK
from console.tui.logview import LogView
from console.tui.status import LogLine
from console.tui.text import CURSOR, Cell, Glyphs, Row, clock_text, fit, fit_row, grouped, moment_text, title_row
from core.clock import utc_day

_STYLES: Final = {"DEBUG": "dim", "INFO": "text", "WARNING": "warn", "ERROR": "alert", "CRITICAL": "alert"}
_COUNTED: Final = (("CRITICAL", "critical"), ("ERROR", "error"), ("WARNING", "warning"), ("INFO", "info"),
                   ("DEBUG", "debug"))  # fmt: skip
_MATCH: Final = "last_label"


@attrs.frozen(kw_only=True)
class LogRows:
    """The rows of a frame, the number of the line at the top of the log, and how many lines are in sight."""

    rows: list[Row]
    top: int
    seen: int


def log_rows(
    view: LogView,
    problems: Sequence[str],
    repairs: Sequence[str] = (),
    *,
    top: int = 0,
    width: int,
    height: int,
    glyphs: Glyphs,
) -> LogRows:
    """Exactly `height` rows. `top` is the number of the line that was at the top before; `repairs` are of the stored
    files."""
    rows: list[Row] = []
    for head, style, sentences in (("Problems now", "alert", problems), ("Repaired in the store", "warn", repairs)):
        if sentences:
            rows.append(title_row(((head, style), (str(len(sentences)), "dim")), width, glyphs))
            texts = _told(sentences, width=width, room=max(height // 3, 1), glyphs=glyphs)
            rows += [((fit(text, width, ellipsis=glyphs.ellipsis), "warn"),) for text in texts]
    rows += head_rows(view, width, glyphs)
    room = max(height - len(rows), 0)
    first, lines = top, 0
    if view.opened is not None:
        rows += opened_rows(view, width=width, height=room, glyphs=glyphs)
    elif not view.shown():
        words = " looking …" if view.left else " nothing logged" if not view.store.lines else " no line is like that"
        rows.append(((fit(words, width), "dim"),))
    else:
        below, first, lines = _window(view, top, width=width, room=room, glyphs=glyphs)
        rows += below
    return LogRows(rows=(rows + [((" " * width, ""),)] * height)[:height], top=first, seen=lines)


def head_rows(view: LogView, width: int, glyphs: Glyphs) -> list[Row]:
    """What there is, by level, and below it, where something is left out or stands still, what."""
    shown, all_lines = len(view.shown()), len(view.store.lines)
    counts = ", ".join(
        f"{grouped(view.store.counts[level])} {word}" for level, word in _COUNTED if view.store.counts[level]
    )
    filtered = bool(view.pattern) or view.level != LEVELS[0]
    state = [
        (f"/{view.pattern}" if view.pattern else "", "accent"),
        (view.error, "alert"),
        (f"{view.level.lower()} and above" if view.level != LEVELS[0] else "", "accent"),
        (f"{grouped(shown)} of {grouped(all_lines)}" if filtered or shown != all_lines else "", "dim"),
        (f"looking: {grouped(view.left)} to go" if view.left else "", "warn"),
        (_standing(view), "warn"),
        ("wrapped" if view.wrapped else f"from column {view.right + 1}" if view.right else "", "dim"),
    ]
    rows = [title_row((("Log", "title"), (grouped(all_lines), "dim"), (counts, "dim")), width, glyphs)]
    if any(text for text, _ in state):
        rows.append(title_row(tuple(state), width, glyphs))
    return rows


def _standing(view: LogView) -> str:
    if view.paused_at is not None:
        return f"paused, {grouped(view.newer)} newer: p goes on"
    below = len(view.shown()) - 1 - view.at
    return f"{grouped(below)} newer below: G" if below > 0 else ""


def _told(sentences: Sequence[str], *, width: int, room: int, glyphs: Glyphs) -> list[str]:
    # All of each where there is room for it, else a row each.
    head, indent = f" {glyphs.warning} ", "   "
    rows = [
        row
        for sentence in sentences
        for row in textwrap.wrap(sentence, max(width, 8), initial_indent=head, subsequent_indent=indent)
    ]
    return rows if len(rows) <= room else [head + sentence for sentence in sentences[:room]]


def _window(view: LogView, top: int, *, width: int, room: int, glyphs: Glyphs) -> tuple[list[Row], int, int]:
    # The rows of the lines in sight, the number of the first and how many they are. The view moves no further than it
    # takes to keep the cursor in sight.
    shown, at = view.shown(), view.at

    def drawn(number: int) -> list[Row]:
        return line_rows(view, shown[number], width=width, glyphs=glyphs, here=number == at)[: max(room, 1)]

    first = last = at
    rows = drawn(at)
    while first > 0 and (view.following or shown[first - 1].number >= top):
        above = drawn(first - 1)
        if len(above) + len(rows) > room:
            break
        rows, first = above + rows, first - 1
    while last + 1 < len(shown) and len(rows) < room:
        below = drawn(last + 1)[: room - len(rows)]
        rows, last = rows + below, last + 1
    while first > 0 and len(rows) < room:
        above = drawn(first - 1)
        rows, first = above[-(room - len(rows)) :] + rows, first - 1
    return rows, shown[first].number, last - first + 1


def line_rows(view: LogView, line: LogLine, *, width: int, glyphs: Glyphs, here: bool) -> list[Row]:
    """One line: a row, or as many as it takes when lines are wrapped. `here` is the cursor."""
    ground = CURSOR if here else ""
    if line.level == MARK:
        return [tuple((text, style + ground) for text, style in title_row(((line.text, "accent"),), width, glyphs))]
    head = _head_cells(line, width, glyphs, here=here)
    room = max(width - sum(len(text) for text, _ in head), 1)
    style, spans = _STYLES.get(line.level, "text"), view.spans(line)
    if not view.wrapped:
        text, begin = line.text, view.right
        cut = len(text) - begin > room
        cells = _pieces(text, spans, begin, min(begin + room - cut, len(text)), style + ground)
        ends: list[Cell] = [(glyphs.ellipsis, style + ground)] if cut else []
        more: list[Cell] = (
            [(" +", "accent" + ground)] if line.more and not cut and len(text) - begin + 2 <= room else []
        )
        return [fit_row((*(_grounded(head, ground)), *cells, *ends, *more), width, ground)]
    indent: list[Cell] = [(" " * (width - room), ground)]
    rows = []
    for begin in range(0, max(len(line.text), 1), room):
        cells = _pieces(line.text, spans, begin, min(begin + room, len(line.text)), style + ground)
        rows.append(fit_row((*(_grounded(head, ground) if not begin else indent), *cells), width, ground))
    return rows


def _grounded(cells: Sequence[Cell], ground: str) -> list[Cell]:
    return [(text, style + ground) for text, style in cells]


def _head_cells(line: LogLine, width: int, glyphs: Glyphs, *, here: bool) -> list[Cell]:
    day = f"{utc_day(line.ts_ns)} " if width >= 120 and line.ts_ns < 2**62 else ""
    source = 16 if width >= 120 else 10 if width >= 70 else 0
    name = fit(line.source, source, ellipsis=glyphs.ellipsis) + " " if source else ""
    moment = clock_text(line.ts_ns)
    sign = glyphs.cursor if here else " "
    return [(f"{sign}{day}{moment} ", "dim"), (f"{line.level:<8} ", _STYLES.get(line.level, "text")), (name, "dim")]


def _pieces(text: str, spans: Sequence[Span], begin: int, end: int, style: str) -> list[Cell]:
    # From `begin` to `end`, what was found in a style of its own.
    cells: list[Cell] = []
    at = begin
    for span in spans:
        first, last = max(span[0], at), min(span[1], end)
        if first < last:
            cells += [(text[at:first], style), (text[first:last], _MATCH)]
            at = last
    cells.append((text[at:end], style))
    return [cell for cell in cells if cell[0]]


def opened_rows(view: LogView, *, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """The opened line in full, scrolled; the scroll is held within what there is."""
    line = view.opened
    assert line is not None
    room = max(width - 3, 8)
    style = _STYLES.get(line.level, "text")
    rows: list[Row] = [
        ((f" {moment_text(line.ts_ns, decimals=9)}Z", "dim"), (f"  {line.level}", style),
         (f"  {line.source}", "text"), (f"  process {line.pid}" if line.pid else "", "dim")),
        (("", ""),),
    ]  # fmt: skip
    rows += [((f" {part}", style),) for part in textwrap.wrap(line.text, room, break_on_hyphens=False) or [""]]
    for name, value in line.fields:
        parts = textwrap.wrap(value, max(room - len(name) - 2, 8), break_on_hyphens=False) or [""]
        rows += [((f" {name} " if not at else " " * (len(name) + 2), "dim"), (part, "text"))
                 for at, part in enumerate(parts)]  # fmt: skip
    if line.trace:
        rows += [(("", ""),), ((" traceback, the cause last", "title"),)]
        for one in line.trace:
            indent = " " * min(len(one) - len(one.lstrip()), room // 2)
            parts = textwrap.wrap(one.strip(), room, initial_indent=indent, subsequent_indent=indent + "  ") or [""]
            rows += [((f" {part}", "text"),) for part in parts]
    elif line.more and not line.fields:
        rows.append(((" asking for the rest …", "dim"),))
    view.opened_top = min(view.opened_top, max(len(rows) - height + 1, 0))
    left = len(rows) - view.opened_top - (height - 1)
    more = f"j, k: {left} more below" if left > 0 else ""
    parts_shown = (("One line", "title"), ("esc closes it", "dim"), ("y copies it", "dim"), (more, "warn"))
    head = title_row(parts_shown, width, glyphs)
    return [head, *(fit_row(row, width) for row in rows[view.opened_top : view.opened_top + max(height - 1, 0)])]


def copy_line(line: LogLine) -> str:
    """A line as text, with all that is known of it."""
    told = "".join(f" {name}={value}" for name, value in line.fields)
    head = f"{moment_text(line.ts_ns).replace(' ', 'T')}Z {line.level.lower()} {line.source}: {line.text}{told}"
    return "\n".join((head, *line.trace))
