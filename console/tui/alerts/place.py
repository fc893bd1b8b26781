"""Where the operator is on the Alerts screen, and how its rows and columns are shared. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Literal

import attrs

Pane = Literal["alerts", "rules", "history", "silences", "handlers"]
PANES: Final[tuple[Pane, ...]] = ("alerts", "rules", "history", "silences", "handlers")
"""In the order of `tab`."""
About = Literal["about"]
"""What is told of the one under the cursor: it has no keys of its own."""
TITLE: Final = 1
"""The rows above the panes."""
_MEDIUM, _WIDE = 100, 140
_LOW, _TALL = 15, 30
_CALM: Final = 3  # rows for the sentence that nothing fires
_SMALL: Final = 6  # rows of what is short most often


@attrs.frozen(kw_only=True)
class Place:
    """The pane that has the keys, the list `shown` where there is room for one alone, what the cursor of each is on,
    and how far each is scrolled. `whole` tells whether all about one is there in the place of everything."""

    focus: Pane = "alerts"
    shown: Pane = "rules"
    cursors: tuple[tuple[Pane, Hashable], ...] = ()
    tops: tuple[tuple[Pane, int], ...] = ()
    pattern: str = ""
    whole: bool = False
    whole_top: int = 0

    def cursor(self, pane: Pane) -> Hashable:
        """What the cursor of a pane is on, None for nothing yet."""
        return dict(self.cursors).get(pane)

    def pointed(self, pane: Pane, key: Hashable) -> Place:
        """The same with the cursor of a pane somewhere else."""
        return attrs.evolve(self, cursors=tuple({**dict(self.cursors), pane: key}.items()))

    def top(self, pane: Pane) -> int:
        """The first row of a pane that is seen."""
        return dict(self.tops).get(pane, 0)

    def scrolled(self, pane: Pane, top: int) -> Place:
        """The same with a pane scrolled."""
        return attrs.evolve(self, tops=tuple({**dict(self.tops), pane: top}.items()))

    def focused(self, pane: Pane) -> Place:
        """The same with the keys given to a pane, which is in sight then."""
        return attrs.evolve(self, focus=pane, shown=self.shown if pane == "alerts" else pane, whole=False)


@attrs.frozen(kw_only=True)
class Box:
    """Where a pane is: the column and the row of its title below that of the screen, its cells and its rows, title
    included."""

    x: int
    y: int
    width: int
    height: int


@attrs.frozen(kw_only=True)
class Layout:
    """The panes that are seen. One that is `alone` stands for others as well, which its title names. Those right of
    an edge begin at the row `right`."""

    boxes: tuple[tuple[Pane, Box], ...]
    about: Box
    alone: tuple[Pane, ...] = ()
    right: int = 0

    def box(self, pane: Pane) -> Box | None:
        """Where a pane is, None when it is not seen."""
        return dict(self.boxes).get(pane)


def layout_of(place: Place, *, calm: bool, width: int, height: int) -> Layout:
    """The layout of `height` rows below the title: everything where there is room, else one list at a time.

    `calm` tells that nothing fires, so that a sentence is enough of it.
    """
    if width >= _WIDE and height >= _TALL:
        return _wide(calm=calm, width=width, height=height)
    if width >= _MEDIUM and height >= _TALL:
        return _tall(place, calm=calm, width=width, height=height)
    if height >= _LOW:
        return _short(place, calm=calm, width=width, height=height)
    about = min(4, height // 3)
    box = Box(x=0, y=0, width=width, height=height - about)
    below = Box(x=0, y=height - about, width=width, height=about)
    return Layout(boxes=((place.focus, box),), about=below, alone=PANES)


def _wide(*, calm: bool, width: int, height: int) -> Layout:
    left = width * 4 // 7
    alerts = _CALM if calm else height * 2 // 5
    about, rest = height // 3, height - height // 3 - 2 * _SMALL
    right = {"x": left, "width": width - left}
    return Layout(
        boxes=(
            ("alerts", Box(x=0, y=0, width=left, height=alerts)),
            ("rules", Box(x=0, y=alerts, width=left, height=height - alerts)),
            ("history", Box(**right, y=about, height=rest)),
            ("silences", Box(**right, y=about + rest, height=_SMALL)),
            ("handlers", Box(**right, y=about + rest + _SMALL, height=_SMALL)),
        ),
        about=Box(**right, y=0, height=about),
    )


def _tall(place: Place, *, calm: bool, width: int, height: int) -> Layout:
    alerts = _CALM if calm else height // 3
    below = max(height // 3, 11)
    rules = height - alerts - below
    left, shown = width * 5 // 12, place.shown if place.shown != "rules" else "history"
    return Layout(
        boxes=(
            ("alerts", Box(x=0, y=0, width=width, height=alerts)),
            ("rules", Box(x=0, y=alerts, width=width, height=rules)),
            (shown, Box(x=left, y=alerts + rules, width=width - left, height=below)),
        ),
        about=Box(x=0, y=alerts + rules, width=left, height=below),
        alone=("history", "silences", "handlers"),
        right=alerts + rules,
    )


def _short(place: Place, *, calm: bool, width: int, height: int) -> Layout:
    alerts = _CALM if calm else max(height * 7 // 20, 5)
    about = max(height * 7 // 20, 5)
    return Layout(
        boxes=(
            ("alerts", Box(x=0, y=0, width=width, height=alerts)),
            (place.shown, Box(x=0, y=alerts, width=width, height=height - alerts - about)),
        ),
        about=Box(x=0, y=height - about, width=width, height=about),
        alone=PANES[1:],
    )
