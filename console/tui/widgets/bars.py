"""The lines at the edges of the screen, and the pages over it."""

from __future__ import annotations

from console.tui.actions import help_rows, key_row
from console.tui.snapshot import Snapshot
from console.tui.statusline import status_rows
from console.tui.text import Row, fit_row
from console.tui.widgets.lines import LineWidget, Look


class StatusBar(LineWidget):
    """The status line on top: one row on a wide terminal, two on a narrow one."""

    def draw(self, snapshot: Snapshot | None) -> None:
        """Draw this frame."""
        width, height = self.size
        if width and height:
            self.show(status_rows(snapshot, width=width, height=height, glyphs=self.look.glyphs))

    @property
    def ground(self) -> str:
        """A bar's own ground."""
        return "bar"


class KeyLine(LineWidget):
    """The key line at the bottom, or a message in its place."""

    def draw(self, *, current: int, message: str) -> None:
        """Draw this frame."""
        width = self.size.width
        if width:
            self.show([key_row(current=current, message=message, width=width)])

    @property
    def ground(self) -> str:
        """A bar's own ground."""
        return "bar"


class HelpPage(LineWidget):
    """The page of keys, over everything else. It scrolls where it does not fit."""

    def __init__(self, look: Look, *, id: str) -> None:  # noqa: A002
        super().__init__(look, id=id)
        self._top, self._most = 0, 0

    @property
    def page(self) -> int:
        """How many lines fit."""
        return max(self.size.height - 1, 1)

    def move(self, step: int) -> None:
        """Scroll by `step` lines."""
        self._top = min(max(self._top + step, 0), self._most)

    def draw(self, leaving: str) -> None:
        """Draw it; `leaving` says what becomes of the engine when the screen is left."""
        width, height = self.size
        if width and height:
            look = self.look
            rows, self._most = help_rows(
                width=width, height=height, glyphs=look.glyphs, leaving=leaving, ascii_only=look.ascii_only,
                top=self._top,
            )  # fmt: skip
            self._top = min(self._top, self._most)
            self.show(rows + [fit_row((), width, "panel")] * (height - len(rows)))

    @property
    def ground(self) -> str:
        """A panel's own ground."""
        return "panel"


class TooSmall(LineWidget):
    """What stands there when the terminal is too small for anything else."""

    def draw(self) -> None:
        """Say how large it should be."""
        width, height = self.size
        if not width or not height:
            return
        wanted, now = "make this terminal at least 60x15", f"(now {width}x{height})"
        lines = [f"{wanted} {now}"] if width >= 46 else [*_wrapped(wanted, width), now]
        top = max((height - len(lines)) // 2, 0)
        blank: Row = ((" " * width, ""),)
        rows: list[Row] = [blank] * height
        for number, text in enumerate(lines[:height]):
            rows[top + number] = ((text[:width].center(width), "warn"),)
        self.show(rows[:height])


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
