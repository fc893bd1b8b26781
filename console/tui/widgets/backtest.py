"""The Backtest screen: a form, what came of it, and the keys between them."""

from __future__ import annotations

from textual import events

from console.tui.backtest.formrows import Place, field_at
from console.tui.backtest.rows import backtest_rows, form_width, list_extent
from console.tui.backtest.screen import Backtest
from console.tui.widgets.lines import LineWidget, Look


class BacktestPane(LineWidget):
    """Draws the state of a `Backtest`, and hands it what is done with keys and mouse."""

    def __init__(self, look: Look, *, id: str) -> None:  # noqa: A002
        super().__init__(look, id=id)
        self.backtest = Backtest()
        self.pattern = ""  # there is nothing to be filtered

    def draw(self) -> None:
        """Draw this frame."""
        width, height = self.size
        if width and height:
            self._bound()
            self.show(backtest_rows(self.backtest.view(), width=width, height=height, glyphs=self.look.glyphs))

    def _bound(self) -> None:
        # A list is not scrolled beyond its end.
        count, seen = self._extent
        self.backtest.top = min(self.backtest.top, max(count - seen, 0))

    @property
    def _extent(self) -> tuple[int, int]:
        width, height = self.size
        return list_extent(self.backtest.view(), width=width, height=height, glyphs=self.look.glyphs)

    @property
    def page(self) -> int:
        """How many fields, or rows of a list, a page has."""
        return self._extent[1] if self.backtest.pane == "result" else max(self.size.height // 2, 1)

    def move(self, step: int) -> None:
        """Move the cursor of the form, or scroll the result."""
        self.backtest.move(step)

    def on_click(self, event: events.Click) -> None:
        """Choose the field clicked on; one that is chosen already takes its next choice."""
        backtest, height = self.backtest, self.size.height
        if event.x >= form_width(self.size.width, backtest.pane):
            backtest.pane = "result"
            return
        field = field_at(backtest.form, backtest.place, row=event.y, height=height - 1)
        backtest.pane = "form"
        if field is not None and field == backtest.place.field and backtest.place.editor is None:
            backtest.turn(1)
        elif field is not None:
            backtest.place = Place(field=field)

    def on_mouse_scroll_down(self) -> None:
        """Move on."""
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        """Move back."""
        self.move(-3)
