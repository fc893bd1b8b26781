"""Tables of one line a row: which columns fit, their heads, and their cells. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from console.tui.text import CURSOR, Cell, Glyphs, Row, fit, fit_row


@attrs.frozen
class Column:
    """One column. It is there from a screen of `least` cells on; what is left over goes to those that `grow`, each up
    to `most` cells: to numbers, which stand on the `right`, before names."""

    name: str
    head: str
    width: int
    right: bool = False
    least: int = 0
    grows: bool = False
    most: int = 10**6


def fit_columns(columns: Sequence[Column], width: int) -> tuple[Column, ...]:
    """Those of `columns` that a table of `width` cells has, as wide as they will be drawn."""
    shown = [column for column in columns if column.least <= width]
    spare = max(width - 1 - sum(column.width + 1 for column in shown), 0)
    widths = {column.name: column.width for column in shown}
    for column in sorted((one for one in shown if one.grows), key=lambda one: not one.right):
        more = min(spare, column.most - column.width)
        widths[column.name] += more
        spare -= more
    return tuple(attrs.evolve(column, width=widths[column.name]) for column in shown)


def head_row(columns: Sequence[Column], *, width: int, glyphs: Glyphs) -> Row:
    """The names of the columns."""
    cells: list[Cell] = [(" ", "head")]
    cells += [
        (fit(column.head, column.width, right=column.right, ellipsis=glyphs.ellipsis) + " ", "head")
        for column in columns
    ]
    return fit_row(tuple(cells), width, "head")


def table_row(
    columns: Sequence[Column],
    cells: Mapping[str, Cell],
    *,
    width: int,
    glyphs: Glyphs,
    marker: str = " ",
    cursor: bool = False,
) -> Row:
    """One row: `cells` by the names of their columns, behind a `marker` of one character."""
    drawn: list[Cell] = [(marker, "accent")]
    for column in columns:
        text, style = cells[column.name]
        drawn.append((fit(text, column.width, right=column.right, ellipsis=glyphs.ellipsis) + " ", style))
    if cursor:
        drawn = [(text, style + CURSOR) for text, style in drawn]
    return fit_row(tuple(drawn), width, CURSOR if cursor else "")
