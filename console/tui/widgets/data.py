"""The Data screen: what is stored and how storing goes, with a cursor on the series."""

from __future__ import annotations

from textual import events

from console.tui.datarows import Place, Shares, current_answer, data_rows, filter_series, shares_of
from console.tui.snapshot import Snapshot
from console.tui.stored import RUNNING, Job, Key, Series
from console.tui.storewatch import StoreView
from console.tui.widgets.lines import LineWidget, Look


class DataPane(LineWidget):
    """Draws what the engine says of its store. The cursor stays on its series while others come and go."""

    def __init__(self, look: Look, *, id: str) -> None:  # noqa: A002
        super().__init__(look, id=id)
        self.pattern = ""
        self._cursor: Key | None = None
        self._top = 0
        self._series: list[Series] = []
        self._shares: Shares | None = None
        self._job: Job | None = None
        self._hidden: tuple[str, int] | None = None

    def draw(self, snapshot: Snapshot, view: StoreView) -> None:
        """Draw this frame."""
        width, height = self.size
        if not width or not height:
            return
        at, answer, glyphs = self._position(), current_answer(snapshot, view), self.look.glyphs
        self._job = None if answer is None else answer.job
        self._series = filter_series(answer, self.pattern)
        if self._cursor not in [one.key for one in self._series]:
            # The one that took the place of a series that is gone.
            self._cursor = self._series[min(at, len(self._series) - 1)].key if self._series else None
        if answer is not None:
            self._shares = shares_of(
                answer, self._place(), shown=len(self._series), height=height, width=width, glyphs=glyphs
            )
        self._scroll()
        self.show(data_rows(snapshot, view, self._place(), width=width, height=height, glyphs=glyphs))

    def _place(self) -> Place:
        return Place(cursor=self._cursor, top=self._top, pattern=self.pattern, results=self._results_shown)

    @property
    def _results_shown(self) -> bool:
        return self._job is not None and self._hidden != (self._job.name, self._job.since_ns)

    def hide_results(self) -> bool:
        """Put away the results of the last job; False when there were none to be seen."""
        if self._job is None or self._job.state == RUNNING or not self._job.results or not self._results_shown:
            return False
        self._hidden = (self._job.name, self._job.since_ns)
        return True

    @property
    def selected(self) -> Series | None:
        """The series under the cursor."""
        return next((one for one in self._series if one.key == self._cursor), None)

    @property
    def page(self) -> int:
        """How many series fit."""
        return max(self._shares.series if self._shares is not None else 1, 1)

    def _position(self) -> int:
        return next((at for at, one in enumerate(self._series) if one.key == self._cursor), 0)

    def _scroll(self) -> None:
        at, page = self._position(), self.page
        self._top = max(min(self._top, at, len(self._series) - page), at - page + 1, 0)

    def move(self, step: int) -> None:
        """Move the cursor by `step` series, as far as there are any."""
        if self._series:
            self._cursor = self._series[min(max(self._position() + step, 0), len(self._series) - 1)].key

    def on_click(self, event: events.Click) -> None:
        """Choose the series clicked on."""
        if self._shares is None:
            return
        row = event.y - self._shares.series_top
        if 0 <= row < self._shares.series and self._top + row < len(self._series):
            self._cursor = self._series[self._top + row].key

    def on_mouse_scroll_down(self) -> None:
        """Move on."""
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        """Move back."""
        self.move(-3)
