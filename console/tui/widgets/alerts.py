"""The Alerts screen: what fires, with a cursor in each of its lists."""

from __future__ import annotations

import attrs
from textual import events

from console.tui.alerts.aboutrows import Entry
from console.tui.alerts.document import QUIET, AlertId, Alerts, Heard, Target
from console.tui.alerts.panerows import ABOVE, key_of, shown_of
from console.tui.alerts.place import PANES, Pane, Place
from console.tui.alerts.rows import above, alert_rows, extent, layout_on, whole_extent
from console.tui.snapshot import Snapshot
from console.tui.widgets.lines import LineWidget, Look


class AlertsPane(LineWidget):
    """Draws what the engine says of its alerts. The cursors stay on what they are on while others come and go; what
    they were on and is gone leaves them in the same row. `asked` is what is being silenced while it is asked how
    long and why: the target and, once that is known, the seconds."""

    def __init__(self, look: Look, *, id: str) -> None:  # noqa: A002
        super().__init__(look, id=id)
        self.place = Place()
        self.asked: tuple[Target, float] | None = None
        self._alerts = Alerts()
        self._rows: dict[Pane, int] = {}
        self._leaving: AlertId | None = None
        self._now_ns = 0

    def draw(self, snapshot: Snapshot, heard: Heard) -> None:
        """Draw this frame."""
        width, height = self.size
        if not width or not height:
            return
        self._now_ns = snapshot.now_ns
        self._follow(heard.alerts or Alerts())
        self.show(alert_rows(snapshot, heard, self.place, width=width, height=height, glyphs=self.look.glyphs))

    @property
    def pattern(self) -> str:
        """What is filtered by."""
        return self.place.pattern

    @pattern.setter
    def pattern(self, text: str) -> None:
        """Filter all lists, and begin at their tops."""
        self.place = attrs.evolve(self.place, pattern=text, tops=(), whole_top=0)
        self._follow(self._alerts)

    @property
    def alerts(self) -> Alerts:
        """The alerts as they were drawn last."""
        return self._alerts

    @property
    def entry(self) -> Entry | None:
        """What is under the cursor of the pane with the keys."""
        focus = self.place.focus
        return shown_of(self._alerts, self.place.pattern).entry(focus, self.place.cursor(focus))

    @property
    def page(self) -> int:
        """How many rows of the pane with the keys are seen."""
        if self.place.whole:
            return max(self.size.height - above(self._alerts) - 1, 1)
        return self._extent(self.place.focus)[1]

    def move(self, step: int) -> None:
        """Move the cursor of the pane with the keys, or scroll what is told of one."""
        place = self.place
        if place.whole:
            most = self._whole_extent
            self.place = attrs.evolve(place, whole_top=min(max(place.whole_top + step, 0), most))
            return
        keys = self._extent(place.focus)[0]
        if keys:
            at = keys.index(place.cursor(place.focus)) if place.cursor(place.focus) in keys else 0
            self.place = place.pointed(place.focus, keys[min(max(at + step, 0), len(keys) - 1)])
        self._follow(self._alerts)

    def next_pane(self, step: int) -> None:
        """Give the keys to the next list, or the previous one."""
        self.focus_on(PANES[(PANES.index(self.place.focus) + step) % len(PANES)])

    def focus_on(self, pane: Pane) -> None:
        """Give the keys to a list, and show it."""
        self.place = self.place.focused(pane)
        self._follow(self._alerts)

    def toggle_whole(self) -> None:
        """Show all about the one under the cursor, or put it away."""
        if self.place.whole or self.entry is not None:
            self.place = attrs.evolve(self.place, whole=not self.place.whole, whole_top=0)

    def back(self) -> bool:
        """Put away all about one, or give the keys back to what fires; False when there was nothing to leave."""
        if self.place.whole:
            self.toggle_whole()
        elif self.place.focus != PANES[0]:
            self.focus_on(PANES[0])
        else:
            return False
        return True

    def leave(self, alert: AlertId) -> None:
        """Let the cursor stay in its row when that alert goes down to the quiet ones: the next takes its place."""
        self._leaving = alert

    def on_click(self, event: events.Click) -> None:
        """Choose what was clicked on, and its list."""
        width, height = self.size
        if self.place.whole:
            return
        row = event.y - above(self._alerts)
        for pane, box in layout_on(self._alerts, self.place, width=width, height=height).boxes:
            if box.x <= event.x < box.x + box.width and box.y <= row < box.y + box.height:
                self.focus_on(pane)
                keys, at = self._extent(pane)[0], row - box.y - ABOVE + self.place.top(pane)
                if row >= box.y + ABOVE and at < len(keys):
                    self.place = self.place.pointed(pane, keys[at])
                    self._follow(self._alerts)

    def on_mouse_scroll_down(self) -> None:
        """Move on."""
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        """Move back."""
        self.move(-3)

    def _follow(self, alerts: Alerts) -> None:
        # The cursors are on something that is there, and in sight.
        self._alerts = alerts
        width, height = self.size
        shown = shown_of(alerts, self.place.pattern)
        layout = layout_on(alerts, self.place, width=width, height=height)
        for pane in PANES:
            keys = [key_of(one) for one in shown.lists[pane]]
            box = layout.box(pane)
            seen = 1 if box is None else max(box.height - ABOVE, 1)
            cursor = self.place.cursor(pane)
            if pane == "alerts" and cursor is not None and cursor == self._leaving and self._is_quiet(alerts):
                self._leaving = cursor = None
            if cursor in keys:
                at = keys.index(cursor)
            else:
                at = min(self._rows.get(pane, 0), max(len(keys) - 1, 0))
                self.place = self.place.pointed(pane, keys[at] if keys else None)
            self._rows[pane] = at
            top = min(max(self.place.top(pane), at - seen + 1), at, max(len(keys) - seen, 0))
            self.place = self.place.scrolled(pane, max(top, 0))
        if self.place.whole and shown.entry(self.place.focus, self.place.cursor(self.place.focus)) is None:
            self.place = attrs.evolve(self.place, whole=False)

    def _is_quiet(self, alerts: Alerts) -> bool:
        return any(one.id == self._leaving and one.standing == QUIET for one in alerts.alerts)

    def _extent(self, pane: Pane) -> tuple[list[object], int]:
        width, height = self.size
        return extent(self._alerts, self.place, pane, width=width, height=height)

    @property
    def _whole_extent(self) -> int:
        width, height = self.size
        return whole_extent(
            self._alerts, self.place, self._now_ns, width=width, height=height, glyphs=self.look.glyphs
        )
