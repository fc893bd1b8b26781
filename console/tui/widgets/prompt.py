"""The line in which commands, filters and confirmations are typed, in the place of the key line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

Mode = Literal["command", "filter", "confirm", "subscribe"]
_MARKS: Final[dict[Mode, str]] = {"command": ":", "filter": "/", "confirm": "!", "subscribe": "+"}
_HISTORY: Final = 200


class _Completion(Suggester):
    def __init__(self, complete: Callable[[str], str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        return self._complete(value) or None


class _Line(Input):
    # Tab takes the suggestion and the arrows recall what was typed before; all else is an ordinary input.
    async def _on_key(self, event: events.Key) -> None:
        prompt = self.parent
        if isinstance(prompt, Prompt) and event.key in {"tab", "up", "down", "escape"}:
            event.stop()
            event.prevent_default()
            prompt.special(event.key)
        else:
            await super()._on_key(event)


class Prompt(Horizontal):
    """Hidden until `ask`ed; then posts `Typed` with every change and at the end."""

    class Typed(Message):
        """The text so far, or, when `done`, the text entered; None when it was given up."""

        def __init__(self, mode: Mode, text: str | None, *, done: bool) -> None:
            super().__init__()
            self.mode, self.text, self.done = mode, text, done

    def __init__(self, complete: Callable[[str], str], *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.mode: Mode = "command"
        self._complete = complete
        self._history: list[str] = []
        self._at = 0

    def compose(self) -> ComposeResult:
        """A mark and the line."""
        yield Static(id="mark", markup=False)
        yield _Line(
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

    def ask(self, mode: Mode, *, text: str = "", question: str = "") -> None:
        """Show the line, with `text` in it, and take the keyboard."""
        self.mode = mode
        self._at = len(self._history)
        self.query_one("#mark", Static).update(f" {_MARKS[mode]}{question and ' ' + question + ' '}")
        line = self.query_one("#line", Input)
        self.display = True
        line.value = text
        line.cursor_position = len(text)
        line.focus()

    def special(self, key: str) -> None:
        """One of the keys that mean something else here than in an ordinary line."""
        line = self.query_one("#line", Input)
        if key == "escape":
            # Giving up a filter clears it.
            self._finish("" if self.mode == "filter" else None)
        elif key == "tab":
            line.value = self._suggestion(line.value) or line.value
            line.cursor_position = len(line.value)
        elif self.mode == "command" and self._history:
            self._at = min(max(self._at + (-1 if key == "up" else 1), 0), len(self._history))
            line.value = self._history[self._at] if self._at < len(self._history) else ""
            line.cursor_position = len(line.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass the text on."""
        event.stop()
        if self.open:
            self.post_message(self.Typed(self.mode, event.value, done=False))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Pass the text on and close."""
        event.stop()
        if self.mode == "command" and event.value.strip():
            self._history = [*self._history, event.value][-_HISTORY:]
        self._finish(event.value)

    def _finish(self, text: str | None) -> None:
        self.display = False
        self.screen.set_focus(None)
        self.post_message(self.Typed(self.mode, text, done=True))
