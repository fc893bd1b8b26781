"""The line in which commands, filters and confirmations are typed, in the place of the key line.

It never waits for the keyboard: the app hands it every key in the order typed, from the one that opened it on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import attrs
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.suggester import Suggester
from textual.widgets import Input, Static

from console.tui.text import clean

Mode = Literal["command", "filter", "confirm", "subscribe", "save", "silence", "reason"]
_MARKS: Final[dict[Mode, str]] = {
    "command": ":", "filter": "/", "confirm": "!", "subscribe": "+", "save": ">", "silence": "z", "reason": "z",
}  # fmt: skip
_HISTORY: Final = 200
_EDITS: Final[dict[str, Callable[[Input], None]]] = {
    "backspace": lambda line: line.action_delete_left(),
    "ctrl+h": lambda line: line.action_delete_left(),
    "delete": lambda line: line.action_delete_right(),
    "ctrl+d": lambda line: line.action_delete_right(),
    "left": lambda line: line.action_cursor_left(),
    "right": lambda line: line.action_cursor_right(),
    "ctrl+left": lambda line: line.action_cursor_left_word(),
    "ctrl+right": lambda line: line.action_cursor_right_word(),
    "home": lambda line: line.action_home(),
    "ctrl+a": lambda line: line.action_home(),
    "end": lambda line: line.action_end(),
    "ctrl+e": lambda line: line.action_end(),
    "ctrl+w": lambda line: line.action_delete_left_word(),
    "ctrl+u": lambda line: line.action_delete_left_all(),
    "ctrl+k": lambda line: line.action_delete_right_all(),
}


@attrs.frozen
class Typed:
    """The text so far, or, when `done`, the text entered; None when it was given up."""

    mode: Mode
    text: str | None
    done: bool


class _Completion(Suggester):
    def __init__(self, complete: Callable[[str], str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        return self._complete(value) or None


class Prompt(Horizontal):
    """Hidden until `ask`ed; then `heard` is called with every change and at the end."""

    def __init__(self, complete: Callable[[str], str], heard: Callable[[Typed], None], *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.mode: Mode = "command"
        self._complete, self._heard = complete, heard
        self._history: list[str] = []
        self._at = 0

    def compose(self) -> ComposeResult:
        """A mark and the line."""
        yield Static(id="mark", markup=False)
        yield Input(
            id="line", compact=True, max_length=200, suggester=_Completion(self._suggestion), select_on_focus=False
        )

    def _suggestion(self, text: str) -> str:
        if self.mode == "subscribe":
            return self._complete(f"subscribe {text}").removeprefix("subscribe ")
        return self._complete(text) if self.mode == "command" else ""

    @property
    def open(self) -> bool:
        """Whether something is being asked."""
        return bool(self.display)

    @property
    def _line(self) -> Input:
        return self.query_one("#line", Input)

    def ask(self, mode: Mode, *, text: str = "", question: str = "") -> None:
        """Show the line, with `text` in it, and take the keyboard."""
        self.mode = mode
        self._at = len(self._history)
        self.query_one("#mark", Static).update(f" {_MARKS[mode]}{question and ' ' + question + ' '}")
        self.display = True
        self._put(text)
        self._line.focus()  # for the cursor to be seen; the keys come by `take`

    def _put(self, text: str) -> None:
        self._line.value = text
        self._line.cursor_position = len(text)

    def take(self, event: events.Key) -> None:
        """Do what a key does here, at once; one that does nothing here does nothing."""
        line, before = self._line, self._line.value
        if event.key == "enter":
            self._enter(before)
            return
        if event.key == "escape":
            # Giving up a filter clears it.
            self._finish("" if self.mode == "filter" else None)
            return
        if event.key == "tab":
            self._put(self._suggestion(before) or before)
        elif event.key in {"up", "down"}:
            self._recall(event.key)
        elif event.key in _EDITS:
            _EDITS[event.key](line)
        elif event.is_printable and event.character is not None:
            line.insert_text_at_cursor(event.character)
        self._changed(before)

    def paste(self, text: str) -> None:
        """Take the first line of a pasted text; what a terminal would obey is replaced."""
        before = self._line.value
        if lines := text.splitlines():
            self._line.insert_text_at_cursor(clean(lines[0]))
        self._changed(before)

    def _recall(self, key: str) -> None:
        if self.mode == "command" and self._history:
            self._at = min(max(self._at + (-1 if key == "up" else 1), 0), len(self._history))
            self._put(self._history[self._at] if self._at < len(self._history) else "")

    def _changed(self, before: str) -> None:
        if self._line.value != before:
            self._heard(Typed(self.mode, self._line.value, done=False))

    def _enter(self, text: str) -> None:
        if self.mode == "command" and text.strip():
            self._history = [*self._history, text][-_HISTORY:]
        self._finish(text)

    def _finish(self, text: str | None) -> None:
        self.display = False
        self.screen.set_focus(None)
        self._heard(Typed(self.mode, text, done=True))
