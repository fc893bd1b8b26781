"""The panes beside the board: chart, ladder and tape, each a few lines round its pure rows."""

from __future__ import annotations

from console.tui.chart import chart_rows, chart_title
from console.tui.ladderrows import ladder_rows
from console.tui.snapshot import Focus, Print
from console.tui.taperows import tape_rows, tape_title
from console.tui.text import Row
from console.tui.troublerows import trouble_rows
from console.tui.widgets.lines import LineWidget, Look


def edge_of(widget: LineWidget) -> str:
    """The line on the left of a pane."""
    return widget.look.glyphs.bar


class ChartPane(LineWidget):
    """The selected instrument's candles, below what went wrong on its feed."""

    def draw(self, focus: Focus | None) -> None:
        """Draw this frame."""
        width, height = self.size
        if not width or not height:
            return
        glyphs, edge = self.look.glyphs, edge_of(self)
        head = [chart_title(focus, width=width, glyphs=glyphs, edge=edge)]
        head += [] if focus is None else trouble_rows(focus.view.feed, width=width, glyphs=glyphs, edge=edge)
        rows = chart_rows(focus, width=width, height=height - len(head), glyphs=glyphs, edge=edge)
        self.show([*head, *rows][:height])


class LadderPane(LineWidget):
    """The selected instrument's book."""

    def draw(self, focus: Focus | None) -> None:
        """Draw this frame."""
        width, height = self.size
        if width and height:
            self.show(ladder_rows(focus, width=width, height=height, glyphs=self.look.glyphs, edge=edge_of(self)))


class TapePane(LineWidget):
    """The selected instrument's trades. Paused, it stands still and counts what came since."""

    def __init__(self, look: Look, *, id: str) -> None:  # noqa: A002
        super().__init__(look, id=id)
        self._held: tuple[Focus, tuple[Print, ...]] | None = None

    @property
    def paused(self) -> bool:
        """Whether the tape stands still."""
        return self._held is not None

    def toggle(self, focus: Focus | None) -> None:
        """Pause at what is shown now, or go on."""
        self._held = None if self._held is not None or focus is None else (focus, focus.tape)

    def draw(self, focus: Focus | None) -> None:
        """Draw this frame."""
        width, height = self.size
        if not width or not height:
            return
        prints = focus.tape if focus is not None else ()
        behind = None
        if self._held is not None and (focus is None or focus.view.key != self._held[0].view.key):
            self._held = None
        if self._held is not None and focus is not None:
            prints = self._held[1]
            behind = focus.tape_total - self._held[0].tape_total
        glyphs, edge = self.look.glyphs, edge_of(self)
        rows: list[Row] = [tape_title(width=width, glyphs=glyphs, behind=behind, edge=edge)]
        if focus is not None:
            feed = focus.view.feed
            rows += tape_rows(prints, feed, width=width, height=height - 1, glyphs=glyphs, edge=edge)
        else:
            rows += [((edge, "grid"), (" " * (width - 1), ""))] * (height - 1)
        self.show(rows)
