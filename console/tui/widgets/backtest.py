"""The Backtest screen: a form, what came of it, and the keys between them."""

from __future__ import annotations

from console.tui.backtest.rows import backtest_rows, form_width, list_extent
from console.tui.backtest.screen import Backtest
from console.tui.widgets.forms import Drawing, FormPane
from console.tui.widgets.lines import Look


class BacktestPane(FormPane[Backtest]):
    """Draws the state of a `Backtest`."""

    def __init__(self, look: Look, *, id: str) -> None:  # noqa: A002
        drawing = Drawing(rows=backtest_rows, extent=list_extent, form_width=form_width)
        super().__init__(look, Backtest(), drawing, id=id)

    @property
    def backtest(self) -> Backtest:
        """Its state."""
        return self.shown

    @backtest.setter
    def backtest(self, state: Backtest) -> None:
        """Show another one."""
        self.shown = state
