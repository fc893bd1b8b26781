"""The widget that all others are: rows of styled text, of which only changed cells are drawn again."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from console.tui.text import Glyphs, Row, row_width
from console.tui.themes import Palette

Span = tuple[int, int]


@attrs.define
class Look:
    """What everything on the screen is drawn with. One object is shared by all widgets, its fields may change."""

    palette: Palette
    glyphs: Glyphs
    ascii_only: bool = False


def changed_spans(old: Row, new: Row) -> list[Span]:
    """Where two rows of one width differ, as (first, end) columns; spans that nearly touch are one.

    Within a cell whose style stayed, the leading characters that stayed are left out: a price seldom changes in its
    first digits.
    """
    if len(old) != len(new):
        return _outer_span(old, new)
    spans: list[Span] = []
    x = 0
    for was, now in zip(old, new, strict=True):
        if len(was[0]) != len(now[0]):
            return _outer_span(old, new)
        if was != now:
            begin = x + (_common(was[0], now[0]) if was[1] == now[1] else 0)
            end = x + len(now[0])
            # Moving the cursor costs as much as some five characters.
            if spans and begin - spans[-1][1] < 5:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((begin, end))
        x += len(now[0])
    return spans


def _common(old: str, new: str) -> int:
    for number, (was, now) in enumerate(zip(old, new, strict=True)):
        if was != now:
            return number
    return len(new)


def _outer_span(old: Row, new: Row) -> list[Span]:
    begin = 0
    for was, now in zip(old, new, strict=False):
        if was != now:
            break
        begin += len(now[0])
    end = sum(len(text) for text, _style in new)
    for was, now in zip(reversed(old), reversed(new), strict=False):
        if was != now or end - len(now[0]) < begin:
            break
        end -= len(now[0])
    return [(begin, end)]


class LineWidget(Widget):
    """Draws the rows last given to `show`; rows beyond its height are not seen."""

    can_focus = False

    def __init__(self, look: Look, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.look = look
        self.rows: list[Row] = []
        self._strips: list[Strip | None] = []

    def show(self, rows: Sequence[Row]) -> None:
        """Draw `rows`, each as wide as the widget; only what differs from the previous ones costs anything."""
        old, self.rows = self.rows, list(rows)
        if len(old) != len(self.rows):
            self._strips = [None] * len(self.rows)
            self.refresh()
            return
        regions = []
        for y, (was, now) in enumerate(zip(old, self.rows, strict=True)):
            if was is now or was == now:
                continue
            self._strips[y] = None
            regions += [Region(begin, y, end - begin, 1) for begin, end in changed_spans(was, now)]
        if regions:
            self.refresh(*regions)

    def redraw(self) -> None:
        """Draw everything again: the look changed."""
        self._strips = [None] * len(self.rows)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row as a strip, exactly as wide as the widget."""
        width, style = self.size.width, self.look.palette.style
        if y >= len(self.rows):
            return Strip([Segment(" " * width, style(self.ground))], width)
        row = self.rows[y]
        if self.look.ascii_only:
            row = tuple((text.encode("ascii", "replace").decode(), name) for text, name in row)
        # Every character of ours is one cell: giving the width spares Textual from measuring each.
        strip = Strip([Segment(text, style(name)) for text, name in row if text], row_width(row))
        if strip.cell_length != width:
            strip = strip.adjust_cell_length(width, style(self.ground))
        self._strips[y] = strip
        return strip

    def render_lines(self, crop: Region) -> list[Strip]:
        """The rows of a region. There is nothing of borders or padding here, so the rows are drawn as they are."""
        known = self._strips
        strips = [(known[y] if y < len(known) else None) or self.render_line(y) for y in range(crop.y, crop.bottom)]
        if crop.x or crop.width != self.size.width:
            strips = [strip.crop(crop.x, crop.right) for strip in strips]
        return strips

    @property
    def ground(self) -> str:
        """The style of what no row covers."""
        return ""

    def on_resize(self) -> None:
        """Strips of the old width are of no use."""
        self._strips = [None] * len(self.rows)
