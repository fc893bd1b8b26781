"""The Routing screen: a form, who serves it and why, and what fetching it comes to."""

from __future__ import annotations

from console.tui.routing.rows import form_width, routing_rows, scroll_extent
from console.tui.routing.screen import Routing
from console.tui.widgets.forms import Drawing, FormPane
from console.tui.widgets.lines import Look


class RoutingPane(FormPane[Routing]):
    """Draws the state of a `Routing`."""

    def __init__(self, look: Look, *, id: str) -> None:  # noqa: A002
        drawing = Drawing(rows=routing_rows, extent=scroll_extent, form_width=form_width)
        super().__init__(look, Routing(), drawing, id=id)

    @property
    def routing(self) -> Routing:
        """Its state."""
        return self.shown

    @routing.setter
    def routing(self, state: Routing) -> None:
        """Show another one."""
        self.shown = state
