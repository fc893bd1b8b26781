"""The Routing screen as rows of styled text: the form, beside it who serves it and why, below that the plan of a
fetch, and the command. Pure."""

from __future__ import annotations

from typing import Any, Final

import attrs

from console.tui.child import Progress
from console.tui.coverage.document import Outcome
from console.tui.forms.progress import progress_rows, wrapped_rows
from console.tui.forms.rows import Place, beside_form
from console.tui.forms.screen import Pane
from console.tui.routing.document import RoutePlan
from console.tui.routing.form import RoutingForm
from console.tui.routing.planrows import figure_rows, month_lines, month_rows, note_rows, outcome_rows
from console.tui.routing.routerows import Side, side_rows
from console.tui.text import Cell, Glyphs, Row, fit_row, title_row

_NARROW: Final = 100
_WIDE: Final = 140
_LEAST_MONTHS: Final = 4
_SPARE: Final = 4


@attrs.frozen(kw_only=True)
class View:
    """What the screen shows in one frame. `sides` are the decisions, the one that the form is about first; `shown` is
    the newest plan, `planning` how the question for it stands, with `pricing` for its price; `unready` says why the
    form has no plan. `fetch` tells how the fetch of `fetched` stands, or has ended. `now_ns` is of the monotonic
    clock."""

    now_ns: int
    form: RoutingForm
    place: Place
    pane: Pane = "form"
    sides: tuple[Side, ...] = ()
    shown: RoutePlan | None = None
    stale: bool = False
    free: bool = False
    planning: Progress[RoutePlan] | None = None
    pricing: bool = False
    fetch: Progress[Outcome] | None = None
    fetched: str = ""
    unready: str = ""
    top: int = 0


def form_width(width: int, pane: Pane) -> int:
    """The cells of the form on a screen of `width`: where it is narrow the pane with the keys has all of them when it
    is the result's."""
    if width < _NARROW:
        return 35 if pane == "form" else 0
    return 42 if width < _WIDE else 46


def routing_rows(view: View, *, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Exactly `height` rows of `width` cells."""
    beside = form_width(width, view.pane)
    right = _result(view, width=width - beside, height=height - 1, edge=bool(beside), glyphs=glyphs)
    return beside_form(view.form, view.place, right, width=width, beside=beside, glyphs=glyphs)


def scroll_extent(view: View, *, width: int, height: int, glyphs: Glyphs) -> tuple[int, int]:
    """How many rows of months there are, and how many of them are seen on a screen of that size."""
    beside = form_width(width, view.pane)
    inner = width - beside - bool(beside)
    if view.shown is None:
        return 0, 1
    above = len(_routes(view, width - beside, height - 1, bool(beside), glyphs)) + 1
    above += len(_above_months(view, view.shown, inner, glyphs)) + len(_below_months(view, view.shown, inner, glyphs))
    return month_lines(view.shown, width=inner), max(height - 1 - above - 2, 1)


def _wanted_rows(view: View, width: int, glyphs: Glyphs) -> int:
    # What the plan needs: all that is said, and at least some of its months.
    if view.shown is None:
        return 1 + len(_unplanned(view, width, glyphs))
    said = len(_above_months(view, view.shown, width, glyphs)) + len(_below_months(view, view.shown, width, glyphs))
    return 2 + said + min(month_lines(view.shown, width=width), _LEAST_MONTHS)


def _unplanned(view: View, width: int, glyphs: Glyphs) -> list[Row]:
    rows = progress_rows(_told(view), now_ns=view.now_ns, width=width, glyphs=glyphs)
    return rows + wrapped_rows(view.unready, width, "dim")


def _result(view: View, *, width: int, height: int, edge: bool, glyphs: Glyphs) -> list[Row]:
    rows = _routes(view, width, height, edge, glyphs)
    rows += _plan(view, width, height - len(rows), edge, glyphs)
    inner = width - edge
    bar: Row = ((glyphs.bar, "grid"),) if edge else ()
    rows += [(*bar, *fit_row((), inner))] * (height - len(rows))
    return rows[:height]


def _routes(view: View, width: int, height: int, edge: bool, glyphs: Glyphs) -> list[Row]:
    # Side by side where there is room for both, else the one that the form is about.
    most = max(height - _wanted_rows(view, width - edge, glyphs), height // 2)
    bar: Row = ((glyphs.bar, "grid"),) if edge else ()
    head = glyphs.cross if edge else ""
    if width < _NARROW or len(view.sides) < 2:
        alone = side_rows(view.sides[0], width=width - edge, most=most, glyphs=glyphs)
        title = side_rows(view.sides[0], width=width, most=1, glyphs=glyphs, edge=head)[0]
        return [title, *((*bar, *row) for row in alone[1:])]
    half = width // 2
    first = _column(view.sides[0], half, most, head, bar, glyphs)
    second = _column(view.sides[1], width - half, most, glyphs.cross, ((glyphs.bar, "grid"),), glyphs)
    longest = max(len(first), len(second))
    blanks = ((*bar, *fit_row((), half - edge)), ((glyphs.bar, "grid"), *fit_row((), width - half - 1)))
    first += [blanks[0]] * (longest - len(first))
    second += [blanks[1]] * (longest - len(second))
    return [(*one, *other) for one, other in zip(first, second, strict=True)]


def _column(side: Side, width: int, most: int, edge: str, bar: Row, glyphs: Glyphs) -> list[Row]:
    title = side_rows(side, width=width, most=1, glyphs=glyphs, edge=edge)[0]
    rows = side_rows(side, width=width - len(bar), most=most, glyphs=glyphs)
    return [title, *((*bar, *row) for row in rows[1:])]


def _plan(view: View, width: int, height: int, edge: bool, glyphs: Glyphs) -> list[Row]:
    inner = width - edge
    shown, rows = view.shown, list[Row]()
    if shown is None:
        rows += _unplanned(view, inner, glyphs)
    else:
        above, below = _above_months(view, shown, inner, glyphs), _below_months(view, shown, inner, glyphs)
        room = height - 1 - len(above) - len(below)
        months = month_rows(shown, top=view.top, most=room, width=inner, glyphs=glyphs)
        blank = [fit_row((), inner)] if months and room >= len(months) + _SPARE else []
        rows += [*blank, *above, *blank, *months, *blank, *below]
    bar: Row = ((glyphs.bar, "grid"),) if edge else ()
    head = glyphs.tee if edge else ""
    return [_plan_title(view, width, glyphs, edge=head), *((*bar, *row) for row in rows)][: max(height, 0)]


def _plan_title(view: View, width: int, glyphs: Glyphs, *, edge: str) -> Row:
    shown, state = view.shown, ("", "")
    if _is_running(view.fetch):
        state = ("fetching, x cancels", "accent")
    elif _is_running(view.planning):
        state = ("asking the price, x cancels" if view.pricing else f"{glyphs.turning} planning", "accent")
    elif shown is not None and view.stale:
        state = ("the form has changed since", "warn")
    parts: list[Cell] = [("Plan", "accent" if view.pane == "result" else "title"), state]
    if shown is not None:
        parts.append((f"{shown.plan.row.symbol} {shown.schema}", "text"))
        parts.append((shown.venue, "dim"))
        parts.append((f"{shown.start[:10]} to {shown.end[:10]}" if shown.days else "", "dim"))
    return _whole_title(parts, width, glyphs, edge)


def _whole_title(parts: list[Cell], width: int, glyphs: Glyphs, edge: str) -> Row:
    # Parts that do not fit are left out from the last on.
    parts = [part for part in parts if part[0]]
    while len(parts) > 1 and sum(len(text) + 3 for text, _style in parts) + 1 + len(edge) > width:
        parts.pop()
    return title_row(tuple(parts), width, glyphs, edge=edge)


def _told(view: View) -> Progress[Any] | None:
    # A plan takes a second: only the title says that it is made. Why it failed is told in full.
    return None if _is_running(view.planning) else view.planning


def _is_running(progress: Progress[Any] | None) -> bool:
    return progress is not None and progress.state == "running"


def _above_months(view: View, shown: RoutePlan, width: int, glyphs: Glyphs) -> list[Row]:
    rows = progress_rows(view.fetch, now_ns=view.now_ns, width=width, glyphs=glyphs)
    if view.fetch is not None:
        rows += outcome_rows(view.fetch, view.fetched, now_ns=view.now_ns, width=width, glyphs=glyphs)
    rows += progress_rows(_told(view), now_ns=view.now_ns, width=width, glyphs=glyphs)
    return rows + figure_rows(shown, free=view.free, width=width, glyphs=glyphs)


def _below_months(view: View, shown: RoutePlan, width: int, glyphs: Glyphs) -> list[Row]:
    rows = note_rows(shown, width=width, glyphs=glyphs)
    busy = _is_running(view.fetch) or _is_running(view.planning)
    if not busy and not view.stale and shown.plan.row.days_left and not shown.plan.row.problem:
        known = view.free or shown.plan.price_usd is not None or shown.plan.row.bought
        keys = ("f", "fetches it") if known else ("p", "asks what it costs")
        rows.append(fit_row(((f" {keys[0]} ", "accent"), (keys[1], "dim")), width))
    return rows
