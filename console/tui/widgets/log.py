"""The Log screen: what is wrong now, and the engine's log with a cursor on it."""

from __future__ import annotations

from console.tui.logfeed import LogFeed
from console.tui.logrows import log_rows
from console.tui.logview import LogView
from console.tui.snapshot import Snapshot
from console.tui.status import LogLine
from console.tui.widgets.lines import LineWidget, Look


class LogPane(LineWidget):
    """Draws the log and moves through it. What it shows is `view`."""

    def __init__(self, look: Look, *, id: str) -> None:  # noqa: A002
        super().__init__(look, id=id)
        self.view = LogView()
        self._top, self._seen = 0, 1
        self._from_status: tuple[LogLine, ...] | None = None

    def take(self, feed: LogFeed, snapshot: Snapshot | None) -> None:
        """Take what the engine told of its log since the last time; of one that cannot be asked for it, the few lines
        of its status."""
        while not feed.pages.empty():
            if self._from_status is not None:
                self._from_status = None
                self._load(())
            page = feed.pages.get()
            if page.whole is not None:
                self.view.hear_whole(page.whole, page.whole.sequence)
            else:
                self.view.store.hear(page.lines, epoch_ns=page.epoch_ns, missed=page.missed)
        if not feed.offered and snapshot is not None and snapshot.status is not None:
            lines = snapshot.status.log
            if lines != self._from_status:
                self._from_status = lines
                self._load(lines)

    def _load(self, lines: tuple[LogLine, ...]) -> None:
        self.view.store.replace(lines)
        self.view.search()

    def draw(self, snapshot: Snapshot | None) -> None:
        """Draw this frame."""
        width, height = self.size
        if not width or not height or snapshot is None:
            return
        self.view.work()
        drawn = log_rows(
            self.view,
            snapshot.health.problems,
            () if snapshot.status is None else snapshot.status.store_repairs,
            top=self._top,
            width=width,
            height=height,
            glyphs=self.look.glyphs,
        )
        self._top, self._seen = drawn.top, drawn.seen
        self.show(drawn.rows)

    @property
    def pattern(self) -> str:
        """The expression that lines must hold."""
        return self.view.pattern

    @pattern.setter
    def pattern(self, pattern: str) -> None:
        """Look for another one."""
        self.view.pattern = pattern

    @property
    def level(self) -> str:
        """The lowest level that is shown."""
        return self.view.level

    @property
    def page(self) -> int:
        """How many lines were in sight."""
        return max(self._seen - 1, 1)

    def move(self, step: int) -> None:
        """Move the cursor by `step` lines; down is newer."""
        self.view.move(step)
