"""The Accounts screen: what trades on paper, with a cursor on the accounts and on the strategies of one."""

from __future__ import annotations

import attrs
from textual import events

from console.tui.accounts.document import Account, Desk, Heard, Lane
from console.tui.accounts.panerows import shown_of
from console.tui.accounts.place import ACCOUNT_ROWS, BELOW, PANES, Pane, Place, layout_of
from console.tui.accounts.rows import TITLE, account_rows, extent, notes_extent
from console.tui.snapshot import Snapshot
from console.tui.widgets.lines import LineWidget, Look


class AccountsPane(LineWidget):
    """Draws what the engine says of its desk. The cursors stay on what they are on while others come and go."""

    def __init__(self, look: Look, *, id: str) -> None:  # noqa: A002
        super().__init__(look, id=id)
        self.place = Place()
        self._desk = Desk()

    def draw(self, snapshot: Snapshot, heard: Heard) -> None:
        """Draw this frame."""
        width, height = self.size
        if not width or not height:
            return
        self._follow(heard.desk or Desk())
        self.show(account_rows(snapshot, heard, self.place, width=width, height=height, glyphs=self.look.glyphs))

    @property
    def pattern(self) -> str:
        """What is filtered by."""
        return self.place.pattern

    @pattern.setter
    def pattern(self, text: str) -> None:
        """Filter all lists, and begin at their tops."""
        self.place = attrs.evolve(self.place, pattern=text, tops=())

    @property
    def desk(self) -> Desk:
        """The desk as it was drawn last, an empty one when nothing is known of any."""
        return self._desk

    @property
    def account(self) -> Account | None:
        """The chosen account."""
        return next((one for one in self._desk.accounts if one.id == self.place.account), None)

    @property
    def lane(self) -> Lane | None:
        """The strategy under the cursor."""
        return next((one for one in shown_of(self._desk, self.place).lanes if one.key == self.place.lane), None)

    @property
    def page(self) -> int:
        """How many rows of the pane with the keys are seen."""
        return max(self._extent(self.place.focus)[1], 1)

    def move(self, step: int) -> None:
        """Move the cursor of the pane with the keys, or scroll it where it has none."""
        place = self.place
        if place.notes:
            count, seen = self._notes_extent
            self.place = attrs.evolve(place, notes_top=_within(place.notes_top + step, count - seen))
        elif place.focus == "accounts":
            self.choose(step)
        elif place.focus == "strategies":
            lanes = shown_of(self._desk, place).lanes
            at = next((number for number, one in enumerate(lanes) if one.key == place.lane), 0)
            if lanes:
                self.place = attrs.evolve(place, lane=lanes[_within(at + step, len(lanes) - 1)].key)
        else:
            count, seen = self._extent(place.focus)
            self.place = place.scrolled(place.focus, _within(place.top(place.focus) + step, count - seen))
        self._follow(self._desk)

    def choose(self, step: int) -> None:
        """Go to another account; what is below it begins at its top."""
        ids = self._desk.account_ids
        if ids:
            at = ids.index(self.place.account) if self.place.account in ids else 0
            chosen = ids[_within(at + step, len(ids) - 1)]
            if chosen != self.place.account:
                tops = tuple(one for one in self.place.tops if one[0] == "accounts")
                self.place = attrs.evolve(self.place, account=chosen, lane=None, tops=tops, notes_top=0)
            self._follow(self._desk)

    def next_pane(self, step: int) -> None:
        """Give the keys to the next pane, or the previous one."""
        self.focus_on(PANES[(PANES.index(self.place.focus) + step) % len(PANES)])

    def focus_on(self, pane: Pane) -> None:
        """Give the keys to a pane, and show it."""
        shown = pane if pane in BELOW else self.place.shown
        self.place = attrs.evolve(self.place, focus=pane, shown=shown, notes=False)

    def toggle_notes(self) -> None:
        """Show all about the account, or put it away."""
        self.place = attrs.evolve(self.place, notes=not self.place.notes, notes_top=0)

    def back(self) -> bool:
        """Put away the details, or give the keys back to the accounts; False when there was nothing to leave."""
        if self.place.notes:
            self.toggle_notes()
        elif self.place.focus != "accounts":
            self.focus_on("accounts")
        else:
            return False
        return True

    def on_click(self, event: events.Click) -> None:
        """Choose the account, the strategy or the pane clicked on."""
        width, height = self.size
        layout, row = layout_of(self.place, width=width, height=height - TITLE), event.y - TITLE
        if row < layout.head:
            if event.x < layout.list_width and row > 0:
                self.focus_on("accounts")
                at = self._desk.account_ids.index(self.place.account) if self.account is not None else 0
                self.choose(self.place.top("accounts") + (row - 1) // ACCOUNT_ROWS - at)
            return
        for pane, box in layout.boxes:
            if box.x <= event.x < box.x + box.width and box.y <= row < box.y + box.height:
                self.focus_on(pane)
                lanes, at = shown_of(self._desk, self.place).lanes, row - box.y - 2 + self.place.top(pane)
                if pane == "strategies" and row > box.y + 1 and at < len(lanes):
                    self.place = attrs.evolve(self.place, lane=lanes[at].key)

    def on_mouse_scroll_down(self) -> None:
        """Move on."""
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        """Move back."""
        self.move(-3)

    def _follow(self, desk: Desk) -> None:
        # The cursors are on something that is there, and in sight.
        self._desk = desk
        if self.place.account not in desk.account_ids:
            self.place = attrs.evolve(self.place, account=desk.accounts[0].id if desk.accounts else "", lane=None)
        lanes = [one.key for one in shown_of(desk, self.place).lanes]
        if self.place.lane not in lanes:
            self.place = attrs.evolve(self.place, lane=lanes[0] if lanes else None)
        for pane in PANES:
            count, seen = self._extent(pane)
            top = _within(self.place.top(pane), count - seen)
            if pane == "accounts" and self.place.account in desk.account_ids:
                at = desk.account_ids.index(self.place.account)
                top = max(min(top, at), at - seen + 1)
            elif pane == "strategies" and self.place.lane is not None:
                at = lanes.index(self.place.lane)
                top = max(min(top, at), at - seen + 1)
            if top != self.place.top(pane):
                self.place = self.place.scrolled(pane, top)

    def _extent(self, pane: Pane) -> tuple[int, int]:
        width, height = self.size
        return extent(self._desk, self.place, pane, width=width, height=height, glyphs=self.look.glyphs)

    @property
    def _notes_extent(self) -> tuple[int, int]:
        width, height = self.size
        return notes_extent(self._desk, self.place, width=width, height=height, glyphs=self.look.glyphs)


def _within(value: int, most: int) -> int:
    return max(min(value, most), 0)
