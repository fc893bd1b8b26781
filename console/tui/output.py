"""Screen updates in as few bytes as a slow line deserves.

Textual writes a changed span from the left edge of its widget and resets every style after every piece: on a busy
board that is five times the bytes below. `ExactUpdate` writes the changed cells and the changed attributes only. It
takes the place of a `ChopsUpdate` on its way to the terminal; nothing else of Textual's drawing is touched.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

_SYSTEMS: Final = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
}
_ATTRIBUTES: Final = (
    ("bold", "1"), ("dim", "2"), ("italic", "3"), ("underline", "4"), ("blink", "5"), ("reverse", "7"),
    ("strike", "9"),
)  # fmt: skip
_Codes = tuple[str, str, str]


@lru_cache(4096)
def style_codes(style: Style | None, system: ColorSystem | None) -> _Codes:
    """The SGR parameters of a style: (attributes, foreground, background). Without a colour system no colours."""
    if style is None:
        return "", "39", "49"
    attributes = ";".join(code for name, code in _ATTRIBUTES if getattr(style, name))
    colours = []
    for colour, foreground in ((style.color, True), (style.bgcolor, False)):
        if colour is None or system is None:
            colours.append("39" if foreground else "49")
        else:
            colours.append(";".join(colour.downgrade(system).get_ansi_codes(foreground)))
    return attributes, colours[0], colours[1]


class Pen:
    """Collects text for the terminal, with a change of style written only where the style changes."""

    def __init__(self, system: ColorSystem | None) -> None:
        self._system = system
        self._parts: list[str] = []
        self._codes: _Codes = ("", "39", "49")

    def move(self, x: int, y: int) -> None:
        """Go to a cell, counted from 0."""
        self._parts.append(f"\x1b[{y + 1};{x + 1}H")

    def draw(self, segment: Segment) -> None:
        """Write a segment where the pen stands."""
        codes = style_codes(segment.style, self._system)
        if codes != self._codes:
            self._parts.append(self._change(codes))
            self._codes = codes
        self._parts.append(segment.text)

    def _change(self, codes: _Codes) -> str:
        old_attributes, old_foreground, old_background = self._codes
        attributes, foreground, background = codes
        if attributes != old_attributes:
            # Attributes can only be put out all together.
            return f"\x1b[0;{attributes and attributes + ';'}{foreground};{background}m"
        if background == old_background:
            return f"\x1b[{foreground}m"
        return f"\x1b[{background}m" if foreground == old_foreground else f"\x1b[{foreground};{background}m"

    def text(self) -> str:
        """Everything written, ending in the terminal's own style."""
        return "".join((*self._parts, "\x1b[0m"))


class ExactUpdate(ChopsUpdate):
    """The same update, written cell by cell."""

    def render_segments(self, console: Console) -> str:
        """The update as text for the terminal."""
        pen = Pen(_SYSTEMS.get(console.color_system or ""))
        for y, first, last in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= last or end <= first:
                    continue
                _draw_span(pen, strip, x=x, y=y, first=max(first, x), last=min(last, end))
        return pen.text()


def _draw_span(pen: Pen, strip: Strip, *, x: int, y: int, first: int, last: int) -> None:
    # The cells from `first` to `last` of a strip that begins at column `x`. Strip.crop costs ten times more.
    pen.move(first, y)
    for segment in strip:
        text = segment.text
        length = len(text) if text.isascii() else segment.cell_length
        if x + length > first:
            if x >= first and x + length <= last:
                pen.draw(segment)
            elif length == len(text):
                pen.draw(Segment(text[max(first - x, 0) : last - x], segment.style))
            else:
                _draw_cut(pen, segment, max(first - x, 0), last - x)
        x += length
        if x >= last:
            return


def _draw_cut(pen: Pen, segment: Segment, first: int, last: int) -> None:
    for piece in Strip([segment]).crop(first, last):
        pen.draw(piece)


class ExactScreen(LayoutUpdate):
    """A whole screen, written the same way."""

    def render_segments(self, console: Console) -> str:
        """The screen as text for the terminal."""
        pen = Pen(_SYSTEMS.get(console.color_system or ""))
        for y, line in enumerate(self.strips, self.region.y):
            pen.move(self.region.x, y)
            for strip in line:
                for segment in strip:
                    pen.draw(segment)
        return pen.text()


def exact(update: object) -> object:
    """`update` in its exact form, if it is one that has such a form."""
    if type(update) is ChopsUpdate:
        return ExactUpdate(update.chops, update.spans, update.chop_ends)
    if type(update) is LayoutUpdate:
        return ExactScreen(update.strips, update.region)
    return update
