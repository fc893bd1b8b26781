"""The lines of the engine's log that the screen was told, and those that are wanted. No widgets, no threads."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from console.logbook import levels
from console.logbook.expression import Expression
from console.tui.status import LogLine
from core.clock import monotonic_ns

MARK: Final = "MARK"
"""The level of a line that the screen itself puts in: the engine was started again, or lines are missing."""
LEVELS: Final = tuple(level.upper() for level in levels.LEVELS[:-1])
"""Those that are chosen from."""
RANKS: Final = {level.upper(): rank for level, rank in levels.RANKS.items()} | {MARK: 9}
KEPT: Final = 5000
STEP: Final = 16
"""Lines between two looks at the clock."""


class Wanted:
    """Those of `lines` that are wanted, found step by step. Lines are told apart by their `number`, which grows."""

    def __init__(self, lines: Sequence[LogLine], expression: Expression, level: str) -> None:
        self.lines: deque[LogLine] = deque()
        self._expression, self._rank = expression, RANKS[level]
        self._older = list(lines)

    @property
    def left(self) -> int:
        """How many lines were not looked at yet."""
        return len(self._older)

    def add(self, line: LogLine) -> None:
        """One more, newer than all others."""
        if self._holds(line):
            self.lines.append(line)

    def drop_before(self, number: int) -> None:
        """Lines with a smaller number are not kept any more."""
        while self.lines and self.lines[0].number < number:
            self.lines.popleft()

    def go_on(self, until_ns: int, clock: Callable[[], int] = monotonic_ns) -> None:
        """Look at older lines until that time, at some at least."""
        while self._older:
            for _ in range(min(STEP, len(self._older))):
                line = self._older.pop()
                if self._holds(line):
                    self.lines.appendleft(line)
            if clock() >= until_ns:
                return

    def _holds(self, line: LogLine) -> bool:
        if RANKS.get(line.level, 1) < self._rank:
            return False
        return line.level == MARK or self._expression.holds(f"{line.source} {line.text}")


class LogStore:
    """The newest lines with numbers that grow, and how many there are of each level. Lines that nobody looked at yet
    are also in `fresh`."""

    def __init__(self) -> None:
        self.lines: deque[LogLine] = deque(maxlen=KEPT)
        self.fresh: deque[LogLine] = deque(maxlen=KEPT)
        self.counts: Counter[str] = Counter()
        self.number = 0
        self._epoch_ns = 0

    def hear(self, lines: Iterable[LogLine], *, epoch_ns: int = 0, missed: int = 0) -> None:
        """Take lines that the engine logged after those that were heard before. `epoch_ns` tells its runs apart;
        `missed` lines came between and are not kept by it any more."""
        if self._epoch_ns and epoch_ns and epoch_ns != self._epoch_ns:
            self._add_mark("the engine was started again")
        self._epoch_ns = epoch_ns or self._epoch_ns
        if missed:
            self._add_mark(f"{missed:,} lines came faster than they were read: they are in the log file")
        for line in lines:
            self._add(line)

    def replace(self, lines: Iterable[LogLine]) -> None:
        """Forget all lines and take these."""
        self.lines.clear()
        self.counts.clear()
        self.number = self._epoch_ns = 0
        for line in lines:
            self._add(line)

    def _add_mark(self, text: str) -> None:
        self._add(LogLine(ts_ns=0, level=MARK, logger="", text=text))

    def _add(self, line: LogLine) -> None:
        self.number += 1
        line = line.numbered(self.number)
        if len(self.lines) == KEPT:
            self.counts[self.lines[0].level] -= 1
        self.lines.append(line)
        self.counts[line.level] += 1
        self.fresh.append(line)
