"""What the keys do on a screen with a form and what came of it beside it. Not a widget."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from console.tui.editor import Editor
from console.tui.forms.field import Fillable
from console.tui.forms.rows import Place

Pane = Literal["form", "result"]
Filled = TypeVar("Filled", bound=Fillable)


class FormScreen(Generic[Filled]):
    """A `form`, the `place` in it where an operator is, and the `pane` that has the keys. `top` is how far the result
    is scrolled. What `look_closer` means of the result is another's to say."""

    def __init__(self, form: Filled) -> None:
        self.form = form
        self.place = Place(field=form.fields()[0].name)
        self.pane: Pane = "form"
        self.top = 0

    @property
    def editing(self) -> bool:
        """Whether keys are text."""
        return self.place.editor is not None

    def other_pane(self) -> None:
        """Give the keys to the form, or to the result."""
        self.pane = "result" if self.pane == "form" else "form"

    def back(self) -> bool:
        """Go back to the form; False when there was nothing to leave."""
        left = self.pane == "result"
        self.pane = "form"
        return left

    def move(self, step: int) -> None:
        """Go to another field, or scroll the result."""
        if self.pane == "result":
            self.top = max(self.top + step, 0)
            return
        names = [one.name for one in self.form.fields()]
        at = names.index(self.place.field) if self.place.field in names else 0
        self.place = Place(field=names[min(max(at + step, 0), len(names) - 1)])

    def turn(self, step: int) -> None:
        """Take the next or previous choice of the field; one that has none is edited."""
        if self.pane == "form" and not self.form.turn(self.place.field, step) and step > 0:
            self.edit()

    def edit(self) -> None:
        """Begin to type into the field; of the result, show another side of it."""
        if self.pane == "result":
            self.look_closer()
        else:
            self.place = Place(field=self.place.field, editor=Editor.of(self.form.value(self.place.field)))

    def look_closer(self) -> None:
        """Show another side of the result, if there is one."""

    def type(self, key: str, character: str | None) -> None:
        """Take a key while a field is edited."""
        editor = self.place.editor
        if editor is None:
            return
        if key == "escape":
            self.place = Place(field=self.place.field)
        elif key in {"enter", "tab", "down", "up"}:
            self._finish(editor.text, step={"tab": 1, "down": 1, "up": -1}.get(key, 0))
        else:
            edited = editor.put(character) if character is not None and character.isprintable() else editor.key(key)
            self.place = Place(field=self.place.field, editor=edited)

    def paste(self, text: str) -> None:
        """Take the first line of a pasted text while a field is edited."""
        if self.place.editor is not None and (lines := text.splitlines()):
            self.place = Place(field=self.place.field, editor=self.place.editor.put(lines[0]))

    def _finish(self, text: str, *, step: int) -> None:
        # What makes no sense stays, with the reason beside it: it can be mended or left for later.
        self.form.put(self.place.field, text)
        self.place = Place(field=self.place.field)
        if step and self.form.problem(self.place.field) is None:
            self.move(step)
