"""The state of the list of jobs and of what was spent: whether it is seen, and how far it is scrolled."""

from __future__ import annotations

from console.tui.coverage.document import Holdings
from console.tui.coverage.jobrows import work_extent, work_rows
from console.tui.datarows import NOTHING_STORED, sentence_rows
from console.tui.snapshot import Snapshot
from console.tui.text import Glyphs, Row, title_row


class WorkList:
    """Lies over the list of series and over the map while it is `shown`."""

    def __init__(self) -> None:
        self.shown = False
        self._top = 0

    def move(self, step: int) -> None:
        """Scroll by `step` rows."""
        self._top = max(self._top + step, 0)

    def draw(self, snapshot: Snapshot, holdings: Holdings, *, width: int, height: int, glyphs: Glyphs) -> list[Row]:
        """Exactly `height` rows of this frame."""
        work, reason = holdings.work, holdings.work_reason
        if not snapshot.health.reachable:
            reason = snapshot.health.reason or "the engine cannot be reached"
        if work is None:
            title = title_row((("Jobs and spending", "title"),), width, glyphs)
            return sentence_rows(title, _sentences(snapshot, holdings, reason), width, height)
        self._top = min(self._top, work_extent(work, width=width, height=height, glyphs=glyphs))
        return work_rows(work, reason=reason, top=self._top, width=width, height=height, glyphs=glyphs)


def _sentences(snapshot: Snapshot, holdings: Holdings, reason: str) -> tuple[str, str]:
    if not snapshot.health.reachable:
        return "The engine cannot be reached.", reason
    if snapshot.status is not None and snapshot.status.store_lag_s is None:
        return NOTHING_STORED
    if holdings.work_refused:
        return "This engine does not tell what was fetched.", "It is of an older version."
    return ("The engine does not say what was fetched.", reason) if reason else ("Asking the engine.", "")
