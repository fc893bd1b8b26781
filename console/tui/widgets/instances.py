"""The Instances screen: engines, connections, rings and readers, with a cursor on the rings."""

from __future__ import annotations

from pathlib import Path

from textual import events

from console.tui.instancerows import (
    Place,
    Shares,
    connection_lines,
    filter_rings,
    instance_rows,
    readers_of,
    share_height,
)
from console.tui.services import Services
from console.tui.snapshot import Snapshot
from console.tui.status import Ring
from console.tui.widgets.lines import LineWidget, Look


class InstancesPane(LineWidget):
    """Draws what the engine and the registry say. The cursor stays on its ring while others come and go."""

    def __init__(self, look: Look, *, id: str) -> None:  # noqa: A002
        super().__init__(look, id=id)
        self.pattern = ""
        self._cursor: Path | None = None
        self._top = 0
        self._rings: list[Ring] = []
        self._shares: Shares | None = None

    def draw(self, snapshot: Snapshot, services: Services) -> None:
        """Draw this frame."""
        width, height = self.size
        if not width or not height:
            return
        at = self._position()
        self._rings = filter_rings(snapshot.status, self.pattern)
        if self._cursor not in [ring.path for ring in self._rings]:
            # The one that took the place of a ring that is gone.
            self._cursor = self._rings[min(at, len(self._rings) - 1)].path if self._rings else None
        connections = connection_lines(snapshot.status)
        self._shares = share_height(
            height, engines=len(services.found), connections=len(connections), rings=len(self._rings),
            readers=len(readers_of(self._rings, self._cursor)),
        )  # fmt: skip
        self._scroll()
        place = Place(cursor=self._cursor, top=self._top, pattern=self.pattern)
        self.show(
            instance_rows(snapshot, services, place, width=width, height=height, glyphs=self.look.glyphs)
        )  # fmt: skip

    @property
    def selected(self) -> Ring | None:
        """The ring under the cursor."""
        return next((ring for ring in self._rings if ring.path == self._cursor), None)

    @property
    def page(self) -> int:
        """How many rings fit."""
        return max(self._shares.rings if self._shares is not None else 1, 1)

    def _position(self) -> int:
        return next((at for at, ring in enumerate(self._rings) if ring.path == self._cursor), 0)

    def _scroll(self) -> None:
        at, page = self._position(), self.page
        self._top = max(min(self._top, at, len(self._rings) - page), at - page + 1, 0)

    def move(self, step: int) -> None:
        """Move the cursor by `step` rings, as far as there are any."""
        if self._rings:
            self._cursor = self._rings[min(max(self._position() + step, 0), len(self._rings) - 1)].path

    def on_click(self, event: events.Click) -> None:
        """Choose the ring clicked on."""
        if self._shares is None:
            return
        row = event.y - self._shares.rings_top
        if 0 <= row < self._shares.rings and self._top + row < len(self._rings):
            self._cursor = self._rings[self._top + row].path

    def on_mouse_scroll_down(self) -> None:
        """Move on."""
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        """Move back."""
        self.move(-3)
