"""The widget of a screen with a form: keys and mouse to its fields, and to what is scrolled beside it."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

import attrs
from textual import events

from console.tui.forms.rows import Place, field_at
from console.tui.forms.screen import FormScreen, Pane
from console.tui.text import Glyphs, Row
from console.tui.widgets.lines import LineWidget, Look

Shown = TypeVar("Shown", bound=FormScreen[Any])


class Rows(Protocol):
    """All rows of a view on a screen of that size."""

    def __call__(self, view: Any, /, *, width: int, height: int, glyphs: Glyphs) -> list[Row]: ...


class Extent(Protocol):
    """How many rows there are to be scrolled in a view, and how many of them are seen."""

    def __call__(self, view: Any, /, *, width: int, height: int, glyphs: Glyphs) -> tuple[int, int]: ...


class FormWidth(Protocol):
    """The cells of the form on a screen of that width."""

    def __call__(self, width: int, pane: Pane, /) -> int: ...


@attrs.frozen(kw_only=True)
class Drawing:
    """How a screen with a form is drawn."""

    rows: Rows
    extent: Extent
    form_width: FormWidth


class FormPane(LineWidget, Generic[Shown]):
    """Draws the state `shown`, which has a `view`, and hands it what is done with keys and mouse."""

    def __init__(self, look: Look, shown: Shown, drawing: Drawing, *, id: str) -> None:  # noqa: A002
        super().__init__(look, id=id)
        self.shown = shown
        self.pattern = ""  # there is nothing to be filtered
        self._drawing = drawing
        self._seen = 1

    def draw(self, view: Any) -> None:
        """Draw this frame; the result is scrolled no further than to its end."""
        width, height = self.size
        if width and height:
            count, seen = self._drawing.extent(view, width=width, height=height, glyphs=self.look.glyphs)
            if self.shown.top > max(count - seen, 0):
                self.shown.top = max(count - seen, 0)
                view = attrs.evolve(view, top=self.shown.top)
            self._seen = seen
            self.show(self._drawing.rows(view, width=width, height=height, glyphs=self.look.glyphs))

    @property
    def page(self) -> int:
        """How many fields, or rows of the result, a page has."""
        return self._seen if self.shown.pane == "result" else max(self.size.height // 2, 1)

    def move(self, step: int) -> None:
        """Move the cursor of the form, or scroll the result."""
        self.shown.move(step)

    def on_click(self, event: events.Click) -> None:
        """Choose the field clicked on; one that is chosen already takes its next choice."""
        screen, height = self.shown, self.size.height
        if event.x >= self._drawing.form_width(self.size.width, screen.pane):
            screen.pane = "result"
            return
        field = field_at(screen.form, screen.place, row=event.y, height=height - 1)
        screen.pane = "form"
        if field is not None and field == screen.place.field and screen.place.editor is None:
            screen.turn(1)
        elif field is not None:
            screen.place = Place(field=field)

    def on_mouse_scroll_down(self) -> None:
        """Move on."""
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        """Move back."""
        self.move(-3)
