"""What the Backtest screen has the command do, each in a process of its own: look at the store, check, run, save."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from console.tui.answers import Raw, read_count, read_rows, read_text
from console.tui.backtest.document import Answer, Preview, Result, Sweep
from console.tui.backtest.fields import StoredTrades, at_home
from console.tui.backtest.form import Form
from console.tui.backtest.parsing import parse_document
from console.tui.backtest.rows import WORDS, Task
from console.tui.child import COMMAND, Child, Progress, UnreadableError
from console.tui.text import clean
from core.errors import ConsoleError

_FOLLOWED: Final = ("--json", "--progress", "json")
_MOST_RUNS: Final = ("--top", "1000")
"""Of a sweep's runs nobody looks at more than these; all are in what is saved."""


def parse_stored(raw: Raw) -> tuple[StoredTrades, ...]:
    """The symbols whose trades `db stats` lists, those with the most first."""
    if "rows" not in raw:
        raise UnreadableError("the list of what is stored cannot be read")
    found = [
        StoredTrades(
            symbol=read_text(row, "symbol"),
            venue=read_text(row, "venue"),
            rows=read_count(row, "rows"),
            first=read_text(row, "first"),
            last=read_text(row, "last"),
        )
        for row in read_rows(raw, "rows")
        if row.get("schema") == "trades" and read_count(row, "rows")
    ]
    return tuple(sorted(found, key=lambda one: (-one.rows, one.symbol, one.venue)))


class Runs:
    """At most one task at a time, and the newest answer, `shown`. Nothing here waits; `tick` takes what has ended.
    `command` is what arguments are given to."""

    def __init__(self, *, command: Sequence[str] = COMMAND) -> None:
        self.task: Task = "run"
        self.shown: Answer | None = None
        self.stored: tuple[StoredTrades, ...] | None = None
        self._command = tuple(command)
        self._child: Child[Answer] | None = None
        self._asked: tuple[str, ...] = ()
        self._of: tuple[str, ...] = ()
        self._looking: Child[tuple[StoredTrades, ...]] | None = None
        self._saving: Child[Answer] | None = None
        self._said: list[str] = []

    @property
    def busy(self) -> bool:
        """Whether a task is under way."""
        return self._child is not None and self._child.running

    @property
    def progress(self) -> Progress[Answer] | None:
        """How the task stands that is under way or was the last."""
        return None if self._child is None else self._child.progress

    def is_of(self, form: Form) -> bool:
        """Whether the answer is what this form would bring."""
        return self._of == _arguments(form, preview=isinstance(self.shown, Preview))

    def look(self, options: Sequence[str]) -> None:
        """Learn what is stored in the store that these options name."""
        if self._looking is None:
            self._looking = Child(["db", "stats", *options, "--json"], parse_stored, command=self._command)
            self._looking.start()

    def begin(self, task: Task, form: Form) -> None:
        """Run what a form says, or check its data. Nothing else may be under way."""
        assert not self.busy
        asked = (
            ("--preview",)
            if task == "check"
            else _MOST_RUNS
            if form.sweeps and not form.value("walk_forward")
            else ()
        )
        self.task = task
        self._asked = _arguments(form, preview=task == "check")
        self._child = Child([*self._asked, *asked, *_FOLLOWED], parse_document, command=self._command)
        self._child.start()

    def cancel(self) -> None:
        """End the task under way."""
        if self._child is not None:
            self._child.cancel()

    def stop(self) -> None:
        """End everything at once."""
        for child in (self._child, self._saving, self._looking):
            if child is not None:
                child.stop()

    def tick(self) -> str:
        """Take what ended; a sentence to be said, or nothing."""
        if self._looking is not None and not self._looking.running:
            self.stored, self._looking = self._looking.progress.answer, None
        if self._saving is not None and not self._saving.running:
            self._said.append(self._saved(self._saving.progress))
            self._saving = None
        child = self._child
        if child is not None and child.progress.answer not in (None, self.shown):
            self.shown, self._of = child.progress.answer, self._asked
            self._said.append(f"{WORDS[self.task]}: done in {child.progress.elapsed_s(0):.1f} s")
        return self._said.pop(0) if self._said else ""

    def save(self, name: str) -> str:
        """Have the result written to a file of that name: a sentence, and another one from `tick` when it is done."""
        path = Path(at_home(name))
        if isinstance(self.shown, Result):
            threading.Thread(target=self._write, args=(self.shown.raw, path), name="backtest-save").start()
        elif not isinstance(self.shown, Sweep):
            return "there is no result to be saved: r runs one"
        elif self._saving is None:
            # Only the command knows all of its runs; it kept them, and does not run them again.
            again = [word for word in self._of if word != "--fresh"]
            self._saving = Child([*again, f"--out={path}", *_FOLLOWED], parse_document, command=self._command)
            self._saving.start()
        return f"saving {path}"

    def _saved(self, progress: Progress[Answer]) -> str:
        if progress.state != "done":
            return f"not saved: {progress.message} {progress.hint}".strip()
        known = {one.data_sha256 for one in (progress.answer, self.shown) if isinstance(one, Sweep)}
        return "saved" if len(known) == 1 else "saved, but run anew: other data is stored by now than is shown"

    def _write(self, document: Mapping[str, object], path: Path) -> None:
        from console.backtests.export import check_outputs, write_outputs

        try:
            check_outputs([path], force=False)
            write_outputs(document, [path], force=False)
        except (ConsoleError, OSError) as error:
            self._said.append(f"not saved: {clean(str(error))}")
        except Exception as error:  # noqa: BLE001 - whatever the command printed must not take the screen down
            self._said.append(f"not saved: the result is incomplete: {type(error).__name__} {clean(str(error))}")
        else:
            self._said.append(f"saved: {path}")


def _arguments(form: Form, *, preview: bool) -> tuple[str, ...]:
    # Data is checked for all parameters alike: what sweeps is left out.
    alone = attrs.evolve(form, values=form.without_ranges()) if preview else form
    return tuple(alone.arguments())
