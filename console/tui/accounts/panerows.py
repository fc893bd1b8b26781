"""The lower half of the Accounts screen: positions and orders, strategies, fills, feeds. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import attrs

from console.tui.accounts.cells import FILLS, LANES, ORDERS, POSITIONS, STREAMS, Cells
from console.tui.accounts.document import RUNNING, Desk, Fill, Lane, Position, Stream, WorkingOrder
from console.tui.accounts.money import places_of
from console.tui.accounts.place import BELOW, Box, Pane, Place
from console.tui.tables import Column, fit_columns, head_row, table_row
from console.tui.text import (
    Cell,
    Glyphs,
    Row,
    fit,
    fit_row,
    title_row,
)

One = TypeVar("One", Position, WorkingOrder, Lane, Fill)

_NAMES: Final[Mapping[Pane, str]] = {
    "positions": "Positions", "strategies": "Strategies", "fills": "Fills", "feed": "Feed",
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Shown:
    """What the panes show: the parts of a desk that belong to the chosen account and pass the filter."""

    positions: tuple[Position, ...] = ()
    orders: tuple[WorkingOrder, ...] = ()
    lanes: tuple[Lane, ...] = ()
    fills: tuple[Fill, ...] = ()
    streams: tuple[Stream, ...] = ()
    decimals: int = 2

    def count(self, pane: Pane) -> int:
        """How many rows a pane has to scroll through."""
        if pane == "positions":
            return len(self.positions) + len(self.orders) + (_BETWEEN if self.orders else 0)
        return len({"strategies": self.lanes, "fills": self.fills, "feed": self.streams}.get(pane, ()))


_BETWEEN: Final = 2  # the title and the head of the orders below the positions


def shown_of(desk: Desk, place: Place) -> Shown:
    """What is shown of `desk`; the feeds are those of all its symbols."""

    def passing(rows: Sequence[One]) -> tuple[One, ...]:
        return tuple(one for one in rows if one.account == place.account and _passes(one, place.pattern))

    account = next((one for one in desk.accounts if one.id == place.account), None)
    return Shown(
        positions=passing(desk.positions),
        orders=passing(desk.orders),
        lanes=passing(desk.lanes),
        fills=passing(desk.fills),
        streams=tuple(one for one in desk.streams if _passes(one, place.pattern)),
        decimals=places_of(account.initial if account is not None else None),
    )


def _passes(one: Position | WorkingOrder | Lane | Fill | Stream, pattern: str) -> bool:
    inverted, wanted = pattern.startswith("!"), pattern.removeprefix("!").strip().lower()
    words = (one.symbol, one.venue, *(getattr(one, name, "") for name in ("label", "side", "state", "feed")))
    return not wanted or (wanted in " ".join(words).lower()) != inverted


def rows_seen(box: Box, pane: Pane, shown: Shown, place: Place, glyphs: Glyphs) -> int:
    """How many rows a pane of that size shows of what it scrolls through."""
    about = len(_lane_detail(shown, place, _inner(box), glyphs)) if pane == "strategies" else 0
    return max(box.height - 2 - about, 1)


def pane_rows(
    pane: Pane, box: Box, shown: Shown, place: Place, *, now_ns: int, alone: bool, glyphs: Glyphs
) -> list[Row]:
    """Exactly `box.height` rows of `box.width` cells. One that is `alone` names the others in its title."""
    edge, inner = glyphs.bar if box.x else "", _inner(box)
    cells = Cells(now_ns=now_ns, decimals=shown.decimals, glyphs=glyphs)
    draw = _Drawing(shown, place, cells, inner, box.height, glyphs)
    title = title_row(
        _title(pane, shown, place, box, alone=alone, glyphs=glyphs),
        box.width,
        glyphs,
        edge=glyphs.cross if edge else "",
    )
    body: Callable[[], list[Row]] = {
        "positions": draw.positions, "strategies": draw.strategies, "fills": draw.fills, "feed": draw.feed,
    }[pane]  # fmt: skip
    rows = body()[: max(box.height - 1, 0)]
    rows += [fit_row((), inner)] * (box.height - 1 - len(rows))
    bar: Row = ((edge, "grid"),) if edge else ()
    return [title, *((*bar, *row) for row in rows)][: box.height]


def _title(pane: Pane, shown: Shown, place: Place, box: Box, *, alone: bool, glyphs: Glyphs) -> Row:
    parts: list[Cell] = []
    for name in BELOW if alone else (pane,):
        focused = place.focus == name
        marker = glyphs.cursor if focused else ""
        style = "accent" if focused else "title" if name == pane else "dim"
        rows = len(shown.positions) if name == "positions" else shown.count(name)
        parts.append((f"{marker}{_NAMES[name]} {rows}", style))
    seen, top = rows_seen(box, pane, shown, place, glyphs), place.top(pane)
    below = shown.count(pane) - top - seen
    parts.append((f"/{place.pattern}" if place.pattern else "", "accent"))
    parts.append((f"{below} below" if below > 0 else "", "dim"))
    if pane == "strategies" and place.focus == pane and shown.lanes:
        parts.append(("p pauses, r resumes", "dim"))
    return tuple(parts)


@attrs.frozen
class _Drawing:
    # What every pane is drawn from and with.
    shown: Shown
    place: Place
    cells: Cells
    width: int
    height: int
    glyphs: Glyphs

    def positions(self) -> list[Row]:
        columns = fit_columns(POSITIONS, self.width)
        cells = self.cells.within(columns)
        rows = [self.table(columns, cells.position(one)) for one in self.shown.positions]
        if self.shown.orders:
            count = len(self.shown.orders)
            title = (("Working orders", "title"), (str(count), "dim"))
            waiting = fit_columns(ORDERS, self.width)
            rows += [title_row(title, self.width, self.glyphs), self.head(waiting)]
            rows += [self.table(waiting, self.cells.order(one)) for one in self.shown.orders]
        top = self.place.top("positions")
        above = [self.head(columns)] if self.shown.positions else [self.sentence("holds nothing")]
        rows = [*above, *rows[top:]]
        return rows if self.shown.orders else [*rows, self.sentence("no order waits")]

    def strategies(self) -> list[Row]:
        columns = fit_columns(LANES, self.width)
        top, detail = self.place.top("strategies"), _lane_detail(self.shown, self.place, self.width, self.glyphs)
        room = max(self.height - 2 - len(detail), 1)
        cells = self.cells.within(columns)
        rows = [
            self.table(columns, cells.lane(one), here=one.key == self.place.lane)
            for one in self.shown.lanes[top : top + room]
        ]
        if not rows:
            return [self.sentence("no strategy trades on this account")]
        blank = [fit_row((), self.width)] * (room - len(rows))
        return [self.head(columns), *rows, *blank, *detail]

    def fills(self) -> list[Row]:
        columns, top = fit_columns(FILLS, self.width), self.place.top("fills")
        cells = self.cells.within(columns)
        rows = [self.table(columns, cells.fill(one)) for one in self.shown.fills[top : top + self.height]]
        return [self.head(columns), *rows] if rows else [self.sentence("nothing was traded yet")]

    def feed(self) -> list[Row]:
        columns, top = fit_columns(STREAMS, self.width), self.place.top("feed")
        rows = [self.table(columns, self.cells.stream(one)) for one in self.shown.streams[top : top + self.height]]
        return [self.head(columns), *rows] if rows else [self.sentence("no symbol is traded")]

    def sentence(self, text: str) -> Row:
        said = "nothing matches the filter; esc clears it" if self.place.pattern else text
        return ((fit(f" {said}", self.width, ellipsis=self.glyphs.ellipsis), "dim"),)

    def head(self, columns: Sequence[Column]) -> Row:
        return head_row(columns, width=self.width, glyphs=self.glyphs)

    def table(self, columns: Sequence[Column], cells: Mapping[str, Cell], *, here: bool = False) -> Row:
        marker = self.glyphs.cursor if here else " "
        return table_row(columns, cells, width=self.width, glyphs=self.glyphs, marker=marker, cursor=here)


def _inner(box: Box) -> int:
    return box.width - bool(box.x)  # a pane on the right has an edge


def _lane_detail(shown: Shown, place: Place, width: int, glyphs: Glyphs) -> list[Row]:
    # What the chosen strategy is, or why it does not trade, in at most two rows.
    lane = next((one for one in shown.lanes if one.key == place.lane), None)
    if lane is None:
        return []
    style = {"stopped": "alert", "paused": "warn"}.get(lane.state, "dim")
    text = f"{lane.label} on {lane.symbol} {lane.venue}: {lane.strategy}"
    text += "".join(f", {part}" for part in (f"bars {lane.bars}" if lane.bars else "", lane.mode) if part)
    if lane.state != RUNNING:
        text = f"{glyphs.warning} {lane.label} on {lane.symbol} {lane.venue} {lane.state}"
        text += f": {lane.reason}" if lane.reason else ""
    lines = textwrap.wrap(text, max(width - 2, 10))
    kept = [*lines[:1], *([" ".join(lines[1:])] if lines[1:] else [])]
    return [((fit(f" {line}", width, ellipsis=glyphs.ellipsis), style),) for line in kept]
