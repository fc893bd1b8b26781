"""A form as rows of styled text. Pure."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence
from typing import Final

import attrs

from console.tui.editor import Editor
from console.tui.forms.field import Field, Fillable
from console.tui.text import CURSOR, Cell, Glyphs, Row, clean, fit, fit_row, title_row

_LABEL: Final = 14


def _notes(height: int) -> int:
    # Lines below the fields for what is to be said of one of them.
    return 2 if height < 30 else 4


@attrs.frozen(kw_only=True)
class Place:
    """Where an operator is in the form: the field, what is typed into it, and whether the keys are the form's."""

    field: str
    editor: Editor | None = None
    focused: bool = True


@attrs.frozen
class _Window:
    # The lines in sight, and how many are above and below them.
    lines: list[Field | str]
    above: int
    below: int


def form_rows(form: Fillable, place: Place, *, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Exactly `height` rows of `width` cells: the fields, with the one under the cursor in sight, and notes on it."""
    fields = form.fields()
    window = _window(fields, place, height)
    rows: list[Row] = [_title(form.title, window, place, width, glyphs)]
    for one in window.lines:
        if isinstance(one, Field):
            rows.append(_field_row(form, one, place, width, glyphs))
        else:
            rows.append(title_row(((one, "dim"),), width, glyphs))
    notes = _note_rows(form, fields, place, count=_notes(height), width=width, glyphs=glyphs)
    rows += [fit_row((), width)] * (height - len(notes) - len(rows))
    return [*rows, *notes][: max(height, 0)]


def field_at(form: Fillable, place: Place, *, row: int, height: int) -> str | None:
    """The field in a row of `form_rows`, None where there is none."""
    lines = _window(form.fields(), place, height).lines
    one = lines[row - 1] if 0 < row <= len(lines) else None
    return one.name if isinstance(one, Field) else None


def command_text(form: Fillable) -> str:
    """The command line that does what a form says."""
    return "ringside --batch " + shlex.join(form.arguments())


def command_row(form: Fillable, *, width: int, glyphs: Glyphs) -> Row:
    """The same as a row of `width` cells, cut between words."""
    text = clean(command_text(form), limit=4000)
    if len(text) + 2 > width:
        room = max(width - 4, 0)
        text = f"{text[:room].rpartition(' ')[0] or text[:room]} {glyphs.ellipsis}"
    return fit_row((("= ", "accent"), (text, "dim")), width)


def beside_form(
    form: Fillable, place: Place, right: Sequence[Row], *, width: int, beside: int, glyphs: Glyphs
) -> list[Row]:
    """`right` with the form in `beside` cells on its left, none of it if that is 0, and below both the command, in a
    row of `width` cells."""
    command = command_row(form, width=width, glyphs=glyphs)
    if not beside:
        return [*right, command]
    left = form_rows(form, place, width=beside, height=len(right), glyphs=glyphs)
    return [*((*one, *other) for one, other in zip(left, right, strict=True)), command]


def _window(fields: Sequence[Field], place: Place, height: int) -> _Window:
    room = max(height - 1 - _notes(height), 1)
    lines = _lines(fields, grouped=len(fields) + len({one.group for one in fields}) <= room)
    at = next((number for number, one in enumerate(lines) if isinstance(one, Field) and one.name == place.field), 0)
    top = min(max(at - room // 2, 0), max(len(lines) - room, 0))
    return _Window(lines[top : top + room], top, max(len(lines) - top - room, 0))


def _lines(fields: Sequence[Field], *, grouped: bool) -> list[Field | str]:
    lines: list[Field | str] = []
    group = fields[0].group if fields else ""
    for one in fields:
        if grouped and one.group != group:
            lines.append(one.group)
        group = one.group
        lines.append(one)
    return lines


def _title(title: str, window: _Window, place: Place, width: int, glyphs: Glyphs) -> Row:
    above = f"{glyphs.up}{window.above}" if window.above else ""
    below = f"{glyphs.down}{window.below}" if window.below else ""
    more = f"{above} {below}".strip()
    return title_row(((title, "accent" if place.focused else "title"), (more, "dim")), width, glyphs)


def _field_row(form: Fillable, field: Field, place: Place, width: int, glyphs: Glyphs) -> Row:
    here = field.name == place.field
    value, problem = form.value(field.name), form.problem(field.name)
    cells: list[Cell] = [(glyphs.cursor if here else " ", "accent")]
    cells.append((fit(field.label, _LABEL - 1, ellipsis=glyphs.ellipsis) + " ", "head" if not here else "text"))
    room = width - _LABEL - 2
    if here and place.editor is not None:
        before, under, after = place.editor.shown(room)
        # The cursor of the row would hide that of the text: the text alone is marked.
        cells += [(before, "text"), (under, "last_label"), (after, "text")]
        return fit_row(tuple(cells), width)
    text, style = (value, "symbol") if value else (field.default or "none", "dim")
    if problem is not None:
        text, style = f"{value} {glyphs.warning} {problem.operation}".strip(), "warn"
    elif remark := form.remark(field.name):
        text, style = f"{value}  {remark}", "accent"
    elif here and place.focused and field.choices:
        text = f"< {text} >"
    cells.append((fit(text, room, ellipsis=glyphs.ellipsis).rstrip(), style))
    if here and place.focused:
        return fit_row(tuple((text, style + CURSOR) for text, style in cells), width, CURSOR)
    return fit_row(tuple(cells), width)


def _note_rows(
    form: Fillable, fields: Sequence[Field], place: Place, *, count: int, width: int, glyphs: Glyphs
) -> list[Row]:
    field = next((one for one in fields if one.name == place.field), None)
    if field is None:
        return [fit_row((), width)] * count
    problem = form.concern(field.name)
    if problem is not None:
        text, style = f"{glyphs.warning} {problem}", "warn"
    else:
        text, style = field.help, "dim"
    parts = textwrap.wrap(text, max(width - 2, 1), max_lines=count, placeholder=f" {glyphs.ellipsis}")
    parts += [""] * (count - len(parts))
    return [((fit(f" {part}", width, ellipsis=glyphs.ellipsis), style),) for part in parts]
