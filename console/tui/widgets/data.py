"""The Data screen: what is stored as a list and day by day on a map, what is fetched, and what is spent."""

from __future__ import annotations

from textual import events

from console.tui.coverage.document import Holdings
from console.tui.coverage.place import Ask
from console.tui.coverage.screen import Coverage
from console.tui.coverage.worklist import WorkList
from console.tui.datalist import StoredList
from console.tui.datarows import current_answer
from console.tui.snapshot import Snapshot
from console.tui.stored import Series
from console.tui.storewatch import StoreView
from console.tui.widgets.lines import LineWidget, Look


class DataPane(LineWidget):
    """Draws the list of what is stored, or with `mapped` the map of its days, or the jobs and the money above either;
    hands each what is done with keys and mouse."""

    def __init__(self, look: Look, *, id: str) -> None:  # noqa: A002
        super().__init__(look, id=id)
        self.stored = StoredList()
        self.coverage = Coverage()
        self.work = WorkList()
        self.mapped = False

    def draw(self, snapshot: Snapshot, view: StoreView, holdings: Holdings) -> None:
        """Draw this frame, and wish for what it takes."""
        width, height = self.size
        if not width or not height:
            return
        answer, glyphs = current_answer(snapshot, view), self.look.glyphs
        holdings.wish.coverage, holdings.wish.work = self.mapped, self.work.shown
        self.stored.take(answer)
        if self.work.shown:
            rows = self.work.draw(snapshot, holdings, width=width, height=height, glyphs=glyphs)
        elif self.mapped:
            kind = "" if answer is None else answer.kind
            rows = self.coverage.draw(snapshot, holdings, store=kind, width=width, height=height, glyphs=glyphs)
        else:
            rows = self.stored.draw(snapshot, view, answer, width=width, height=height, glyphs=glyphs)
        self.show(rows)

    @property
    def pattern(self) -> str:
        """What is filtered by."""
        return self.stored.pattern

    @pattern.setter
    def pattern(self, text: str) -> None:
        """Filter the list and the map alike."""
        self.stored.pattern = text
        self.coverage.filter(text)

    def toggle_map(self) -> None:
        """Show the map, or the list; the cursor stays on its series."""
        if self.work.shown:
            self.work.shown, self.mapped = False, True
        elif self.mapped:
            self.mapped, self.stored.cursor = False, self.coverage.place.key or self.stored.cursor
        else:
            self.mapped = True
            self.coverage.begin_at(self.stored.cursor)

    def toggle_spend(self) -> None:
        """Show the jobs and what was spent, or put them away."""
        self.work.shown = not self.work.shown

    def step_day(self, step: int) -> None:
        """Move the cursor of the map by `step` days."""
        if self.mapped and not self.work.shown:
            self.coverage.step_day(step)

    def price(self) -> None:
        """Ask what the day under the cursor costs, once more what the whole hole does; from the list, show it."""
        if self.mapped and not self.work.shown:
            self.coverage.price()
        else:
            self.toggle_map()

    def ask_fetch(self) -> Ask | None:
        """What it takes to fetch what was priced last; None on the list, from which nothing is fetched. An `Ask`
        without a name says `why` it cannot be done, one with a name is given to `begin_fetch` once that was typed."""
        return self.coverage.ask_fetch() if self.mapped and not self.work.shown else None

    def begin_fetch(self, ask: Ask) -> None:
        """Fetch what was asked for, once its name was typed."""
        self.coverage.begin_fetch(ask)

    def hide_results(self) -> bool:
        """Put away the uppermost of what lies over the list: the jobs, a price, the map, a job's results; False when
        there was nothing."""
        if self.work.shown:
            self.work.shown = False
        elif not self.mapped:
            return self.stored.hide_results()
        elif not self.coverage.back():
            self.toggle_map()
        return True

    @property
    def selected(self) -> Series | None:
        """The series under the cursor."""
        return self.stored.find(self.coverage.place.key if self.mapped else self.stored.cursor)

    @property
    def page(self) -> int:
        """How many series fit."""
        return self.coverage.page if self.mapped else self.stored.page

    def move(self, step: int) -> None:
        """Move the cursor by `step` series, or scroll the jobs."""
        (self.work if self.work.shown else self.coverage if self.mapped else self.stored).move(step)

    def on_click(self, event: events.Click) -> None:
        """Choose the series clicked on, on the map the day too."""
        if self.work.shown:
            return
        if self.mapped:
            self.coverage.click(event.x, event.y)
        else:
            self.stored.click(event.y)

    def on_mouse_scroll_down(self) -> None:
        """Move on."""
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        """Move back."""
        self.move(-3)

    def on_unmount(self) -> None:
        """End what was begun here."""
        self.coverage.fetching.stop()
