"""Where the operator is on the Accounts screen, and how its rows and columns are shared. Pure."""

from __future__ import annotations

from typing import Final, Literal

import attrs

from console.tui.accounts.document import LaneId

Pane = Literal["accounts", "positions", "strategies", "fills", "feed"]
PANES: Final[tuple[Pane, ...]] = ("accounts", "positions", "strategies", "fills", "feed")
"""In the order of `tab`."""
BELOW: Final[tuple[Pane, ...]] = PANES[1:]
ACCOUNT_ROWS: Final = 2
"""The rows that an account has in the list."""
_NARROW, _WIDE = 100, 140
_TALL, _LOW = 36, 26
_BESIDE = 80


@attrs.frozen(kw_only=True)
class Place:
    """The chosen account, the strategy under the cursor, the pane that has the keys, the one `shown` where there is
    room for one alone, and how far each is scrolled. `notes` tells whether all about the account is there."""

    account: str = ""
    lane: LaneId | None = None
    focus: Pane = "accounts"
    shown: Pane = "positions"
    tops: tuple[tuple[Pane, int], ...] = ()
    pattern: str = ""
    notes: bool = False
    notes_top: int = 0

    def top(self, pane: Pane) -> int:
        """The first row of a pane that is seen."""
        return dict(self.tops).get(pane, 0)

    def scrolled(self, pane: Pane, top: int) -> Place:
        """The same with a pane scrolled."""
        return attrs.evolve(self, tops=tuple({**dict(self.tops), pane: top}.items()))


@attrs.frozen(kw_only=True)
class Box:
    """Where one of the panes is: the column and the row of its title, its cells and its rows, title included."""

    x: int
    y: int
    width: int
    height: int


@attrs.frozen(kw_only=True)
class Layout:
    """How the screen is divided. The list of accounts takes `list_width` cells of the upper `head` rows, its title
    included; beside it the account's curve stands right of its figures if `beside`, and below them if not. `boxes`
    are the panes below that are seen."""

    list_width: int
    head: int
    beside: bool
    boxes: tuple[tuple[Pane, Box], ...]

    @property
    def accounts_seen(self) -> int:
        """How many accounts the list has room for."""
        return max((self.head - 1) // ACCOUNT_ROWS, 1)

    def box(self, pane: Pane) -> Box | None:
        """Where a pane is, None when it is not seen."""
        return dict(self.boxes).get(pane)


def layout_of(place: Place, *, width: int, height: int) -> Layout:
    """The layout of a screen of that size: all panes where there is room, two on a tall one, else the one shown."""
    list_width = 24 if width < _NARROW else 34 if width < _WIDE else 36
    head = height // 2 if height < _LOW else 14 if height < _TALL else 16
    rows = 2 if height >= _TALL else 1
    columns = 2 if width >= _WIDE else 1
    at = BELOW.index(place.shown) if place.shown in BELOW else 0
    first = at // (rows * columns) * rows * columns
    left = max(height - head, 0)
    boxes = []
    for number, pane in enumerate(BELOW[first : first + rows * columns]):
        row, column = divmod(number, columns)
        across, down = width // columns, left // rows
        box = Box(
            x=column * across,
            y=head + row * down,
            width=width - across if column else across,
            height=left - down * (rows - 1) if row == rows - 1 else down,
        )
        boxes.append((pane, box))
    return Layout(list_width=list_width, head=head, beside=width - list_width >= _BESIDE, boxes=tuple(boxes))
