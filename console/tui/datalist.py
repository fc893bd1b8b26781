"""The state of the list of stored series: its cursor, what is scrolled, and whether a job's results are seen."""

from __future__ import annotations

from console.tui.datarows import Place, Shares, data_rows, filter_series, shares_of
from console.tui.snapshot import Snapshot
from console.tui.stored import RUNNING, Job, Key, Series, StoreAnswer
from console.tui.storewatch import StoreView
from console.tui.text import Glyphs, Row


class StoredList:
    """The cursor stays on its series while others come and go."""

    def __init__(self) -> None:
        self.pattern = ""
        self.cursor: Key | None = None
        self._top = 0
        self._series: list[Series] = []
        self._shares: Shares | None = None
        self._job: Job | None = None
        self._hidden: tuple[str, int] | None = None

    def draw(
        self,
        snapshot: Snapshot,
        view: StoreView,
        answer: StoreAnswer | None,
        *,
        width: int,
        height: int,
        glyphs: Glyphs,
    ) -> list[Row]:
        """Exactly `height` rows of this frame."""
        at = self._position()
        self.take(answer)
        if self.cursor not in [one.key for one in self._series]:
            # The one that took the place of a series that is gone.
            self.cursor = self._series[min(at, len(self._series) - 1)].key if self._series else None
        if answer is not None:
            self._shares = shares_of(
                answer, self._place(), shown=len(self._series), height=height, width=width, glyphs=glyphs
            )
        self._scroll()
        return data_rows(snapshot, view, self._place(), width=width, height=height, glyphs=glyphs)

    def take(self, answer: StoreAnswer | None) -> None:
        """Take what is known of the store."""
        self._job = None if answer is None else answer.job
        self._series = filter_series(answer, self.pattern)

    def _place(self) -> Place:
        return Place(cursor=self.cursor, top=self._top, pattern=self.pattern, results=self._results_shown)

    @property
    def _results_shown(self) -> bool:
        return self._job is not None and self._hidden != (self._job.name, self._job.since_ns)

    def hide_results(self) -> bool:
        """Put away the results of the last job; False when there were none to be seen."""
        if self._job is None or self._job.state == RUNNING or not self._job.results or not self._results_shown:
            return False
        self._hidden = (self._job.name, self._job.since_ns)
        return True

    def find(self, key: Key | None) -> Series | None:
        """The series with this key, if it passes the filter."""
        return next((one for one in self._series if one.key == key), None)

    @property
    def page(self) -> int:
        """How many series fit."""
        return max(self._shares.series if self._shares is not None else 1, 1)

    def _position(self) -> int:
        return next((at for at, one in enumerate(self._series) if one.key == self.cursor), 0)

    def _scroll(self) -> None:
        at, page = self._position(), self.page
        self._top = max(min(self._top, at, len(self._series) - page), at - page + 1, 0)

    def move(self, step: int) -> None:
        """Move the cursor by `step` series, as far as there are any."""
        if self._series:
            self.cursor = self._series[min(max(self._position() + step, 0), len(self._series) - 1)].key

    def click(self, y: int) -> None:
        """Choose the series in the row `y`."""
        if self._shares is None:
            return
        row = y - self._shares.series_top
        if 0 <= row < self._shares.series and self._top + row < len(self._series):
            self.cursor = self._series[self._top + row].key
