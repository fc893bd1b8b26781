"""What the log screen shows of the engine's log: the lines it was told, which are wanted, where the cursor is.

The lines come in pages, in the order in which the engine logged them. What is wanted is worked out a little in each
frame, from the newest lines on, so that no expression and no number of lines makes the screen stand still.
"""

from __future__ import annotations

from typing import Final

from console.logbook.expression import Expression, Span
from console.tui.logstore import LEVELS, MARK, STEP, LogStore, Wanted
from console.tui.status import LogLine
from core.clock import monotonic_ns
from core.errors import UsageError

_BUDGET_NS: Final = 15_000_000


class LogView:
    """The state of the log screen. Every method returns at once."""

    def __init__(self) -> None:
        self.store = LogStore()
        self.level = LEVELS[0]
        self.error = ""
        self.wrapped = False
        self.right = 0
        self.opened: LogLine | None = None
        self.opened_top = 0
        self.paused_at: int | None = None
        self._pattern = ""
        self._expression = Expression("")
        self._cursor: int | None = None
        self._wanted = Wanted((), self._expression, self.level)
        self._spans: dict[tuple[int, str], list[Span]] = {}
        self._shown: list[LogLine] = []
        self._stale = True

    @property
    def pattern(self) -> str:
        """The expression that was typed, right or wrong."""
        return self._pattern

    @pattern.setter
    def pattern(self, pattern: str) -> None:
        """Look for another one, if it is one."""
        # While it is typed it is often none: what was wanted before stays until it is one again.
        self._pattern = pattern
        try:
            expression = Expression(pattern)
        except UsageError as error:
            self.error = error.subject
            return
        self.error, self._expression = "", expression
        self._spans.clear()
        self.search()

    def next_level(self) -> None:
        """Leave out one level more, or begin again with all."""
        self.level = LEVELS[(LEVELS.index(self.level) + 1) % len(LEVELS)]
        self.search()

    def search(self) -> None:
        """Look at all lines anew, the newest first."""
        self._wanted = Wanted(self.store.lines, self._expression, self.level)
        self.store.fresh.clear()  # they are among the lines
        self._stale = True
        self._wanted.go_on(0)

    def work(self, budget_ns: int = _BUDGET_NS) -> None:
        """Look for what is wanted for so long."""
        store, until_ns = self.store, monotonic_ns() + budget_ns
        self._stale = self._stale or bool(store.fresh) or bool(self._wanted.left)
        while store.fresh:
            for _ in range(min(STEP, len(store.fresh))):
                self._wanted.add(store.fresh.popleft())
            if monotonic_ns() >= until_ns:
                break
        if self._wanted.left:
            self._wanted.go_on(until_ns)
        if store.lines:
            self._wanted.drop_before(store.lines[0].number)

    @property
    def left(self) -> int:
        """How many lines were not looked at yet."""
        return self._wanted.left + len(self.store.fresh)

    def shown(self) -> list[LogLine]:
        """The wanted lines, oldest first; while it is paused none that came later."""
        if self._stale:
            found = self._wanted.lines
            last = self.paused_at
            self._shown = [line for line in found if last is None or line.number <= last]
            self._stale = False
        return self._shown

    @property
    def newer(self) -> int:
        """How many wanted lines came since it was paused."""
        if self.paused_at is None:
            return 0
        count = 0
        for line in reversed(self._wanted.lines):
            if line.number <= self.paused_at:
                break
            count += 1
        return count

    def toggle_pause(self) -> None:
        """Freeze what is shown, or go on at the end."""
        if self.paused_at is None:
            self.paused_at = self.store.number
        else:
            self.paused_at, self._cursor = None, None
        self._stale = True

    @property
    def following(self) -> bool:
        """Whether the newest line is under the cursor, whichever comes."""
        return self._cursor is None

    @property
    def at(self) -> int:
        """The place of the cursor among the shown lines, -1 when there are none."""
        shown = self.shown()
        if self._cursor is None or not shown:
            return len(shown) - 1
        # The next one where the line itself is not wanted any more.
        low, high = 0, len(shown)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if shown[middle].number < self._cursor else (low, middle)
        return min(low, len(shown) - 1)

    @property
    def selected(self) -> LogLine | None:
        """The line under the cursor."""
        shown = self.shown()
        return shown[self.at] if shown else None

    @property
    def under_cursor(self) -> LogLine | None:
        """The opened line, else the one under the cursor."""
        return self.opened or self.selected

    def move(self, step: int) -> None:
        """Move the cursor; down is newer, and at the end it follows. In an opened line, scroll."""
        if self.opened is not None:
            self.opened_top = max(self.opened_top + step, 0)
            return
        shown = self.shown()
        at = self.at + step
        self._cursor = None if at >= len(shown) - 1 else shown[max(at, 0)].number

    def open(self) -> LogLine | None:
        """Show the line under the cursor in full, until `back`; which it is."""
        line = self.selected
        if self.opened is None and line is not None and line.level != MARK:
            self.opened, self.opened_top = line, 0
            return line
        return None

    def hear_whole(self, line: LogLine, sequence: int) -> None:
        """Take the whole of an opened line, if that is still the one."""
        if self.opened is not None and self.opened.sequence == sequence and self.opened.ts_ns == line.ts_ns:
            self.opened = line.numbered(self.opened.number)

    def back(self) -> bool:
        """Close an opened line; whether there was one."""
        opened, self.opened = self.opened, None
        return opened is not None

    def spans(self, line: LogLine) -> list[Span]:
        """Where in the text of a shown line the expression stands."""
        key = (line.number, line.text)
        found = self._spans.get(key)
        if found is None:
            if len(self._spans) > 500:
                self._spans.clear()
            found = self._spans[key] = self._expression.spans(line.text)
        return found
