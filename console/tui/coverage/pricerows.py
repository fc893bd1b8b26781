"""What fetching a hole comes to, how a fetch stands, and what it has brought. Pure."""

from __future__ import annotations

import textwrap
from typing import Any, Final

import attrs

from console.tui.child import Progress
from console.tui.coverage.document import Outcome, Plan
from console.tui.coverage.fetching import why_not
from console.tui.coverage.place import Hole
from console.tui.coverage.words import count_text, money_text
from console.tui.datadetail import facts_row
from console.tui.datahead import progress_cells
from console.tui.text import Cell, Glyphs, Row, fit, fit_row, grouped, short_age, short_bytes, title_row

PANEL: Final = 4
"""Rows of the panel, its title among them."""


@attrs.frozen(kw_only=True)
class Panel:
    """What is known of a hole: its price, and the fetch of it if there was one. With `wider` there is a longer one
    around it, of so many days."""

    hole: Hole
    plan: Progress[Plan] | None
    outcome: Progress[Outcome] | None
    wider: int = 0
    now_ns: int = 0


def panel_rows(panel: Panel, *, width: int, glyphs: Glyphs) -> list[Row]:
    """Exactly `PANEL` rows."""
    hole = panel.hole
    _venue, symbol, schema = hole.key
    word = "Fetch" if panel.outcome is not None else "Price"
    days = count_text(hole.days, "day")
    rows = [
        title_row(
            ((word, "title"), (f"{symbol} {schema}", "accent"), (hole.text, "text"), (days, "dim")), width, glyphs
        )
    ]
    if panel.outcome is not None:
        rows += _outcome(panel.outcome, panel.now_ns, width, glyphs)
    elif panel.plan is not None:
        rows += _plan(panel, panel.plan, width, glyphs)
    return [*rows, *([((" " * width, ""),)] * PANEL)][:PANEL]


def _plan(panel: Panel, progress: Progress[Plan], width: int, glyphs: Glyphs) -> list[Row]:
    plan = progress.answer
    if plan is None:
        return _unanswered(progress, "asking for the price", width, glyphs)
    row, problem = plan.row, why_not(plan)
    free = "paid for already" if row.bought else "costs nothing" if plan.price_usd == 0 else ""
    price = free or money_text(plan.price_usd)
    facts = [
        ("" if free else "price", "" if row.problem else price or "unknown", "accent" if price else "warn"),
        ("days", f"{grouped(row.days_left)} to fetch", "text"),
        ("", f"{grouped(row.days_stored)} stored" if row.days_stored else "", "dim"),
        ("", f"{grouped(row.days_closed)} closed" if row.days_closed else "", "dim"),
        ("records", grouped(plan.records) if plan.records is not None else "", "text"),
        ("size", short_bytes(plan.size_bytes) if plan.size_bytes is not None else "", "text"),
    ]
    budget = [
        ("by", " ".join(part for part in (row.provider, row.dataset) if part), "text"),
        ("budget left: today", money_text(plan.left_today_usd) or "no limit", "text"),
        ("this month", money_text(plan.left_month_usd) or "no limit", "text"),
        ("", row.clamped, "warn"),
    ]
    if problem:
        return [
            facts_row(facts, width),
            _said(f"{glyphs.warning} {problem}", "warn", width, glyphs),
            _keys(panel, False, width),
        ]
    return [facts_row(facts, width), facts_row(budget, width), _keys(panel, True, width)]


def _keys(panel: Panel, may_fetch: bool, width: int) -> Row:
    cells: list[Cell] = []
    for key, text in (
        ("f", "fetches it" if may_fetch else ""),
        ("p", f"prices the whole hole, {count_text(panel.wider, 'day')}" if panel.wider else ""),
        ("esc", "puts this away"),
    ):
        if text:
            cells += [(f" {key} ", "accent"), (f"{text}  ", "dim")]
    return fit_row(tuple(cells), width)


def _said(text: str, style: str, width: int, glyphs: Glyphs) -> Row:
    return ((fit(f" {text}", width, ellipsis=glyphs.ellipsis), style),)


def _unanswered(progress: Progress[Any], asking: str, width: int, glyphs: Glyphs) -> list[Row]:
    # A child that has not answered: still running, cancelled, or failed for a reason worth several lines.
    if progress.state == "running":
        return [_said(f"{glyphs.turning} {progress.text or asking}", "text", width, glyphs)]
    if progress.state == "cancelled":
        return [_said(f"{glyphs.warning} cancelled: what has come until then is stored", "warn", width, glyphs)]
    lines = textwrap.wrap(f"{glyphs.warning} {progress.message}", max(width - 2, 1), subsequent_indent="  ")[:2]
    return [
        *(_said(line, "alert", width, glyphs) for line in lines),
        *([_said(progress.hint, "warn", width, glyphs)] if progress.hint else []),
    ]


def _outcome(progress: Progress[Outcome], now_ns: int, width: int, glyphs: Glyphs) -> list[Row]:
    if progress.state == "running":
        return _bar(progress, now_ns, width, glyphs)
    outcome = progress.answer
    if outcome is None:
        return _unanswered(progress, "", width, glyphs)
    paid = money_text(outcome.paid_usd)
    parts = [count_text(outcome.stored, "row") + " stored"]
    parts += [count_text(outcome.duplicates, "row") + " there already"] if outcome.duplicates else []
    parts += [count_text(outcome.rejected, "row") + " rejected"] if outcome.rejected else []
    parts += [f"{paid} paid" if outcome.paid_usd else "nothing paid"] if paid else []
    good = outcome.state in ("done", "nothing to do") and not outcome.problem
    sign, style = (glyphs.light, "up") if good else (glyphs.warning, "alert")
    took = short_age(progress.elapsed_s(now_ns))
    rows = [_said(f"{sign} {outcome.state or 'ended'} in {took}: {', '.join(parts)}", style, width, glyphs)]
    if outcome.problem:
        rows.append(_said(outcome.problem, "warn", width, glyphs))
    return [*rows, fit_row(((" esc ", "accent"), ("puts this away", "dim")), width)]


def _bar(progress: Progress[Outcome], now_ns: int, width: int, glyphs: Glyphs) -> list[Row]:
    share, left_s = progress.share or 0.0, progress.left_s(now_ns)
    left = f", {short_age(left_s)} left" if left_s is not None else ""
    figures = f" {int(share * 100):>3} %  {short_age(progress.elapsed_s(now_ns))}{left} "
    bar = progress_cells(share, max(width - len(figures) - 1, 0), glyphs)
    said = progress.text or (progress.said[-1] if progress.said else "starting")
    return [
        fit_row(((" ", ""), *bar, (figures, "text")), width),
        _said(said, "dim", width, glyphs),
        fit_row(((" esc ", "accent"), ("cancels it; what has come until then stays", "dim")), width),
    ]
