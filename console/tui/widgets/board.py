"""The board: one line an instrument, with a cursor, a filter and an order of its own."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message

from console.tui.boardrows import SORTS, board_columns, board_head, board_row, board_title, filter_views, sort_views
from console.tui.snapshot import Key, Snapshot, SymbolView
from console.tui.text import Row
from console.tui.widgets.lines import LineWidget, Look

_HEADS = 2
_RESORT_FRAMES = 10


class Board(LineWidget):
    """The instruments of a snapshot. Lines off the cursor are drawn every second frame, odd and even in turn: nobody
    reads a figure faster, and a slow line carries half as much."""

    class Chosen(Message):
        """An instrument was chosen with the mouse."""

        def __init__(self, key: Key) -> None:
            super().__init__()
            self.key = key

    def __init__(self, look: Look, *, id: str) -> None:  # noqa: A002
        super().__init__(look, id=id)
        self.pattern = ""
        self.sort = SORTS[0]
        self.reverse = False
        self.cursor: Key | None = None
        self._order: list[Key] = []
        self._total = 0
        self._top = 0
        self._frame = 0
        self._arranged: tuple[object, ...] = ()
        self._wanted: tuple[object, ...] = ()

    def draw(self, snapshot: Snapshot, focused: Key | None, *, whole: bool) -> None:
        """Draw this frame; `focused` is the instrument in the right-hand panes, `whole` asks for every line."""
        width, height = self.size
        if not width or not height:
            return
        self._frame += 1
        by_key = {view.key: view for view in snapshot.symbols}
        moved = self._arrange(snapshot.symbols, focused)
        visible = [by_key[key] for key in self._order[self._top : self._top + self.page] if key in by_key]
        columns = board_columns(snapshot.symbols, width)
        shown, glyphs = len(self._order), self.look.glyphs
        rows: list[Row] = [
            board_title(
                shown=shown, total=self._total, sort=self.sort, reverse=self.reverse, pattern=self.pattern,
                width=width, glyphs=glyphs,
            ),
            board_head(columns, sort=self.sort, width=width),
        ]  # fmt: skip
        arranged = (width, height, self._top, self.cursor, focused, tuple(columns), shown)
        whole = whole or moved or arranged != self._arranged or len(self.rows) != height
        self._arranged = arranged
        for number, view in enumerate(visible):
            y = number + _HEADS
            if whole or view.key == self.cursor or (y + self._frame) % 2 == 0:
                rows.append(
                    board_row(
                        view, columns, width=width, cursor=view.key == self.cursor, focused=view.key == focused,
                        glyphs=glyphs,
                    )
                )  # fmt: skip
            else:
                rows.append(self.rows[y])
        rows += self._rest(len(visible), width, height - len(rows))
        self.show(rows[:height])

    def _rest(self, visible: int, width: int, height: int) -> list[Row]:
        blank: Row = ((" " * width, ""),)
        rows = [blank] * max(height, 0)
        if not visible and rows:
            text = "nothing matches the filter; esc clears it" if self._total else "no instruments yet"
            rows[0] = ((f" {text}".ljust(width)[:width], "dim"),)
        return rows

    def _arrange(self, views: Sequence[SymbolView], focused: Key | None) -> bool:
        # Sorted anew about once a second: rows that change places at every tick cannot be read.
        keys = {view.key for view in views}
        wanted = (self.pattern, self.sort, self.reverse, frozenset(keys))
        due = self.sort != SORTS[0] and self._frame % _RESORT_FRAMES == 0
        before = self._order
        if due or wanted != self._wanted:
            self._wanted = wanted
            found = sort_views(filter_views(views, self.pattern), self.sort, reverse=self.reverse)
            self._order = [view.key for view in found]
            self._total = len(views)
        if self.cursor not in self._order:
            self.cursor = focused if focused in self._order else (self._order[0] if self._order else None)
        self._scroll()
        return self._order != before

    def _scroll(self) -> None:
        at, page = self._position(), self.page
        self._top = min(max(self._top, at - page + 1), at, max(len(self._order) - 1, 0))
        self._top = max(min(self._top, len(self._order) - page), 0)

    def _position(self) -> int:
        return self._order.index(self.cursor) if self.cursor in self._order else 0

    @property
    def page(self) -> int:
        """How many instruments fit."""
        return max(self.size.height - _HEADS, 1)

    def move(self, step: int) -> None:
        """Move the cursor by `step` rows, as far as there are any."""
        if self._order:
            self.cursor = self._order[min(max(self._position() + step, 0), len(self._order) - 1)]
            self._scroll()

    def next_sort(self) -> None:
        """Sort by the next column; figures begin with the largest."""
        self.sort_by(SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)])

    def sort_by(self, sort: str) -> None:
        """Sort by one of `SORTS`; figures begin with the largest."""
        self.sort = sort
        self.reverse = self.sort in {"last", "chg", "bid", "ask", "spread", "rate"}

    def turn(self) -> None:
        """Turn the order round."""
        self.reverse = not self.reverse

    def on_click(self, event: events.Click) -> None:
        """Choose the instrument clicked on."""
        at = self._top + event.y - _HEADS
        if event.y >= _HEADS and at < len(self._order):
            self.cursor = self._order[at]
            self.post_message(self.Chosen(self._order[at]))

    def on_mouse_scroll_down(self) -> None:
        """Move on."""
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        """Move back."""
        self.move(-3)
