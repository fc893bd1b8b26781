"""The Backtest screen's state: what is in the form, where the keys go, and what is run for it.

Not a widget. `tick` is called by the application and never waits.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from console.tui.backtest.child import COMMAND
from console.tui.backtest.fields import StrategyChoice, choice_of
from console.tui.backtest.filling import Filling
from console.tui.backtest.form import Form
from console.tui.backtest.formrows import Place
from console.tui.backtest.rows import WORDS, Pane, Task, View
from console.tui.backtest.runs import Runs
from console.tui.editor import Editor
from core.clock import monotonic_ns


def known_strategies() -> list[StrategyChoice]:
    """Those that come with the program."""
    from strategies.catalogue import STRATEGIES

    return [choice_of(kind) for kind in STRATEGIES.values()]


class Backtest:
    """`open` it when the screen comes into sight, and stop its `runs` at the end. `command` is what they run."""

    def __init__(self, *, command: Sequence[str] = COMMAND) -> None:
        self.form, self.runs = Form(known_strategies()), Runs(command=command)
        self.place = Place(field="strategy")
        self.pane: Pane = "form"
        self.top, self.plots, self.notes = 0, True, False

    @property
    def editing(self) -> bool:
        """Whether keys are text."""
        return self.place.editor is not None

    def open(self) -> None:
        """Learn what is stored by now."""
        passed = self.form.passed
        self.runs.look([word for at, word in enumerate(passed) if _is_store(passed, at)])

    def fill(self, filling: Filling) -> None:
        """Fill in the form."""
        self.form.values.update(filling.values)
        self.form.passed = tuple(filling.passed)

    def view(self) -> View:
        """What there is to be seen now."""
        runs = self.runs
        return View(
            now_ns=monotonic_ns(),
            form=self.form,
            place=attrs.evolve(self.place, focused=self.pane == "form"),
            pane=self.pane,
            task=runs.task,
            progress=runs.progress,
            shown=runs.shown,
            stale=runs.shown is not None and not runs.is_of(self.form),
            top=self.top,
            plots=self.plots,
            notes=self.notes,
        )

    def tick(self) -> str:
        """Take what ended; a sentence to be said, or nothing."""
        before = self.runs.shown
        said = self.runs.tick()
        if self.runs.shown is not before:
            self.top, self.notes = 0, False
        stored = self.runs.stored
        if stored is not None and stored != self.form.stored:
            self.form.stored = stored
            if stored and not (self.form.value("symbol") or self.form.value("data")):
                self.form.turn("symbol", 1)
        return said

    def begin(self, task: Task) -> str:
        """Run the form, or check its data; a sentence that says why not, or nothing."""
        if self.runs.busy:
            return f"still {WORDS[self.runs.task]}: x cancels it"
        found = self.form.first_problem()
        if found is not None:
            self.place, self.pane = Place(field=found[0]), "form"
            return str(found[1])
        self.runs.begin(task, self.form)
        return ""

    def other_pane(self) -> None:
        """Give the keys to the form, or to the result."""
        self.pane = "result" if self.pane == "form" else "form"

    def back(self) -> bool:
        """Put away the notes, or go back to the form; False when there was nothing to leave."""
        if self.notes:
            self.notes, self.top = False, 0
        elif self.pane == "result":
            self.pane = "form"
        else:
            return False
        return True

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
        """Begin to type into the field; of a result, show the notes or put them away."""
        if self.pane == "result":
            self.notes, self.top = not self.notes, 0
        else:
            self.place = Place(field=self.place.field, editor=Editor.of(self.form.value(self.place.field)))

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


def _is_store(passed: Sequence[str], at: int) -> bool:
    names = {"--store", "--config"}
    return passed[at] in names or (at > 0 and passed[at - 1] in names)
