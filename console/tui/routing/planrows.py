"""The plan of a fetch as rows of styled text: figures, money, and a sign a day, a row a month. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from console.tui.child import Progress
from console.tui.coverage import document as coverage
from console.tui.coverage.document import Outcome
from console.tui.coverage.words import STATE_STYLES, count_text, money_text, signs
from console.tui.forms.progress import wrapped_rows
from console.tui.routing.document import CLOSED, LEFT, PARTIAL, STORED, PlanDay, RoutePlan
from console.tui.text import Cell, Glyphs, Row, fit_row, grouped, row_width, short_age, short_bytes

Fact = tuple[str, str, str]
_AS: Final = {
    STORED: coverage.STORED, PARTIAL: coverage.PARTIAL, LEFT: coverage.MISSING, CLOSED: coverage.CLOSED,
}  # fmt: skip
_NAME: Final = 9
_MONTH: Final = _NAME + 31
_APART: Final = 3


def figure_rows(shown: RoutePlan, *, free: bool, width: int, glyphs: Glyphs) -> list[Row]:
    """What the plan comes to: days by what they are, price, size, and what is left of the budgets."""
    plan, row, sign = shown.plan, shown.plan.row, signs(glyphs)
    days = [("", f"{count_text(row.days_wanted, 'day')} wanted", "text")]
    for state, word, count in (
        (STORED, "stored", row.days_stored),
        (PARTIAL, "partial", shown.count(PARTIAL)),
        (LEFT, "left", shown.count(LEFT)),
        (CLOSED, "closed", row.days_closed),
    ):
        if count:
            days.append((sign[_AS[state]], f"{grouped(count)} {word}", STATE_STYLES[_AS[state]]))
    days += [(glyphs.warning, f"{grouped(count)} {word}", "warn") for word, count in shown.doubtful.items()]
    price = money_text(plan.price_usd)
    known = "paid for already" if row.bought else "free" if free or price == "$0" else price
    money = [
        ("price", known or "not asked", "accent" if known else "dim"),
        ("records", grouped(plan.records) if plan.records is not None else "", "text"),
        ("size", short_bytes(plan.size_bytes) if plan.size_bytes is not None else "", "text"),
        ("budget today", money_text(plan.left_today_usd), "text"),
        ("this month", money_text(plan.left_month_usd), "text"),
    ]
    return [*_flow(days, width), *(_flow(money, width) if row.days_left and not row.problem else [])]


def _flow(facts: Sequence[Fact], width: int) -> list[Row]:
    # Whole facts beside each other, in as many rows as they take.
    rows: list[Row] = []
    cells: list[Cell] = []
    for label, text, style in facts:
        fact = [(f" {label} " if label else " ", style if len(label) == 1 else "dim"), (text, style), (" ", "")]
        if not text:
            continue
        if cells and row_width((*cells, *fact)) > width:
            rows.append(fit_row(tuple(cells), width))
            cells = []
        cells += fact
    return [*rows, fit_row(tuple(cells), width)] if cells else rows


def note_rows(shown: RoutePlan, *, width: int, glyphs: Glyphs) -> list[Row]:
    """What else is to be said of the plan: why there is none, what was cut off, what is not known."""
    row, rows = shown.plan.row, list[Row]()
    for text in (row.problem, row.clamped):
        rows += wrapped_rows(f"{glyphs.warning} {text}" if text else "", width, "warn")
    if shown.calendar_ends and shown.days and shown.end[:10] > shown.calendar_ends:
        rows += wrapped_rows(
            f"{glyphs.warning} the sessions of {shown.calendar} are known until {shown.calendar_ends}", width, "warn"
        )
    for note in shown.plan.notes:
        if "--" not in note:  # what an option would do is done by a key here
            rows += wrapped_rows(note, width, "dim")
    return rows


def month_rows(shown: RoutePlan, *, top: int, most: int, width: int, glyphs: Glyphs) -> list[Row]:
    """At most `most` rows, a ruler of days and from row `top` on the months; where more follow, the last one says how
    many."""
    months = shown.months
    lines = month_lines(shown, width=width)
    if not months or most < 2:
        return []
    columns = _columns(width)
    room = most - 1
    top = max(min(top, lines - room), 0)
    seen = min(room if lines - top <= room else room - 1, lines - top)
    rows = [_ruler(min(columns, len(months)), width)]
    for line in range(top, top + seen):
        cells: list[Cell] = []
        for name, inside in months[line * columns : (line + 1) * columns]:
            cells += [*_month(name, inside, glyphs), (" " * _APART, "")]
        rows.append(fit_row(tuple(cells), width))
    if top + seen < lines:
        rows.append(fit_row(((f" {glyphs.down} {count_text(lines - top - seen, 'row')} more below", "dim"),), width))
    return rows


def month_lines(shown: RoutePlan, *, width: int) -> int:
    """How many rows all months take."""
    return -(-len(shown.months) // _columns(width))


def _columns(width: int) -> int:
    return max((width + _APART) // (_MONTH + _APART), 1)


def _ruler(columns: int, width: int) -> Row:
    marks = "".join(f"{day:<5}" if day > 1 else f"{day:<4}" for day in (1, 5, 10, 15, 20, 25, 30))
    column = f"{' ' * _NAME}{marks}"[:_MONTH].ljust(_MONTH + _APART)
    return fit_row(((column * columns, "head"),), width)


def _month(name: str, inside: Mapping[int, PlanDay], glyphs: Glyphs) -> list[Cell]:
    cells: list[Cell] = [(f" {name} ", "head")]
    sign = signs(glyphs)
    for number in range(1, 32):
        day = inside.get(number)
        text, style = " ", ""
        if day is not None and day.is_doubtful and day.state in (PARTIAL, LEFT):
            text, style = glyphs.warning, "warn"
        elif day is not None:
            text, style = sign[_AS[day.state]], STATE_STYLES[_AS[day.state]]
        if cells[-1][1] == style and number > 1:
            cells[-1] = (cells[-1][0] + text, style)
        else:
            cells.append((text, style))
    return cells


def outcome_rows(progress: Progress[Outcome], name: str, *, now_ns: int, width: int, glyphs: Glyphs) -> list[Row]:
    """What a fetch of `name` that is done has brought, in words."""
    outcome = progress.answer
    if outcome is None:
        return []
    paid = money_text(outcome.paid_usd)
    parts = [f"{count_text(outcome.stored, 'row')} stored"]
    parts += [f"{grouped(outcome.duplicates)} there already"] if outcome.duplicates else []
    parts += [f"{grouped(outcome.rejected)} rejected"] if outcome.rejected else []
    parts += [f"{paid} paid" if outcome.paid_usd else "nothing paid"] if paid else []
    good = outcome.state in ("done", "nothing to do") and not outcome.problem
    sign, style = (glyphs.light, "up") if good else (glyphs.warning, "alert")
    took = short_age(progress.elapsed_s(now_ns))
    rows = wrapped_rows(f"{sign} {name} {outcome.state or 'ended'} in {took}: {', '.join(parts)}", width, style)
    return rows + wrapped_rows(outcome.problem, width, "warn")
