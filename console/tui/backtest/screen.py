"""The Backtest screen's state: what is in the form, where the keys go, and what is run for it.

Not a widget. `tick` is called by the application and never waits.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from console.tui.backtest.fields import StrategyChoice, choice_of
from console.tui.backtest.filling import Filling, store_words
from console.tui.backtest.form import Form
from console.tui.backtest.rows import WORDS, Task, View
from console.tui.backtest.runs import Runs
from console.tui.child import COMMAND
from console.tui.forms.rows import Place
from console.tui.forms.screen import FormScreen
from core.clock import monotonic_ns


def known_strategies() -> list[StrategyChoice]:
    """Those that come with the program."""
    from strategies.catalogue import STRATEGIES

    return [choice_of(kind) for kind in STRATEGIES.values()]


class Backtest(FormScreen[Form]):
    """`open` it when the screen comes into sight, and stop its `runs` at the end. `command` is what they run."""

    def __init__(self, *, command: Sequence[str] = COMMAND) -> None:
        super().__init__(Form(known_strategies()))
        self.runs = Runs(command=command)
        self.plots, self.notes = True, False

    def open(self) -> None:
        """Learn what is stored by now."""
        self.runs.look(store_words(self.form.passed))

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

    def cancel(self) -> str:
        """End what is under way; a sentence where nothing is."""
        if not self.runs.busy:
            return "nothing is running"
        self.runs.cancel()
        return ""

    def back(self) -> bool:
        """Put away the notes, or go back to the form; False when there was nothing to leave."""
        if self.notes:
            self.notes, self.top = False, 0
            return True
        return super().back()

    def look_closer(self) -> None:
        """Show the notes on the result or put them away."""
        self.notes, self.top = not self.notes, 0
