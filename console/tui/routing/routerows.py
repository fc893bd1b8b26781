"""A routing decision as rows of styled text: the tiers in their order, what each says, and why it is taken or not.
Pure."""

from __future__ import annotations

from typing import Final

import attrs

from console.tui.forms.progress import wrapped_rows
from console.tui.text import Cell, Glyphs, Row, clean, fit, fit_row, title_row
from providers.routing.router import Considered, Decision

_TIER: Final = 11
_DEEP: Final = 15
NOT_ASKED: Final = "not asked"
"""What the reasons of rules begin with that stand behind the answer."""


@attrs.frozen(kw_only=True)
class Side:
    """The decision for one purpose, its `name` in words, whether it is the one the form is about, and how many of its
    rules are lit by now."""

    name: str
    decision: Decision | None
    chosen: bool = True
    lit: int = 99
    reason: str = ""


def side_rows(side: Side, *, width: int, most: int, glyphs: Glyphs, edge: str = "") -> list[Row]:
    """At most `most` rows of `width` cells: with the names of the rules, and apart, where there is room for it."""
    head = [_title(side, width, glyphs, edge)]
    if side.decision is None:
        return [*head, *wrapped_rows(side.reason, width, "dim")][:most]
    rows = [*head, *_body(side, side.decision, width, glyphs, whole=True, apart=True)]
    if len(rows) > most:
        rows = [*head, *_body(side, side.decision, width, glyphs, whole=True)]
    if len(rows) > most:
        rows = [*head, *_body(side, side.decision, width, glyphs, whole=False)]
    if len(rows) > most > 1:
        rows[most - 1] = fit_row(((f" {glyphs.ellipsis} tab shows all of it", "dim"),), width)
    return rows[:most]


def _title(side: Side, width: int, glyphs: Glyphs, edge: str) -> Row:
    decision, answer = side.decision, ("", "")
    if decision is not None:
        route = decision.route
        told = "no route" if route is None else " ".join(part for part in (route.provider, route.dataset) if part)
        answer = (clean(told), "warn" if route is None else "symbol")
    name = (side.name, "accent" if side.chosen else "title")
    return title_row((name, answer), width, glyphs, edge=edge)


def _body(
    side: Side, decision: Decision, width: int, glyphs: Glyphs, *, whole: bool, apart: bool = False
) -> list[Row]:
    blank = [fit_row((), width)] if apart else []
    rows: list[Row] = [*blank]
    if decision.asset is not None:
        head = ((f"   {decision.asset.asset_type}", "symbol"),)
        rows += [*_beside(head, clean(decision.asset.reason, limit=300), "dim", width), *blank]
    for number, one in enumerate(decision.considered):
        rows += [*_considered(one, width, glyphs, lit=number < side.lit, whole=whole), *blank]
    if decision.problem is not None:
        rows += wrapped_rows(f"{glyphs.warning} {clean(str(decision.problem), limit=600)}", width, "warn")
    return rows


def _considered(one: Considered, width: int, glyphs: Glyphs, *, lit: bool, whole: bool) -> list[Row]:
    asked = not one.reason.startswith(NOT_ASKED)
    sign, style = _sign(one, asked=asked, glyphs=glyphs)
    answer = " ".join(part for part in (one.provider, one.dataset) if part)
    if not lit:
        row: tuple[Cell, ...] = (("   ", ""), (fit(str(one.tier), _TIER), "faint"))
        return [fit_row(row, width)]
    head: Row = ((f" {sign} ", style), (f"{one.tier!s:<{_TIER}} ", "text" if asked else "dim"))
    reason = one.reason if whole or asked else NOT_ASKED
    if not answer:
        # A rule that says nothing: its name stands where the answer would.
        answer, reason = (one.rule, reason) if whole else (reason, "")
        style = "dim"
    else:
        style = "accent" if one.accepted else "text" if asked else "dim"
    rows = _beside(head, clean(answer, limit=120), style, width)
    if whole and one.rule not in answer and one.rule not in reason:
        rows += wrapped_rows(clean(one.rule, limit=120), width, "dim", indent=_DEEP)
    return rows + wrapped_rows(clean(reason, limit=300), width, "text" if one.accepted else "dim", indent=_DEEP)


def _sign(one: Considered, *, asked: bool, glyphs: Glyphs) -> tuple[str, str]:
    # No colour alone tells them apart.
    taken, refused = ("✓", "✗") if glyphs.braille else ("+", "x")
    if one.accepted:
        return taken, "up"
    return (refused, "warn" if one.provider else "dim") if asked else (glyphs.quiet, "dim")


def _beside(head: Row, text: str, style: str, width: int) -> list[Row]:
    # What does not fit beside a name goes on below it.
    rows = wrapped_rows(text, width, style, indent=_DEEP)
    if not rows:
        return [fit_row(head, width)]
    ((first, _style),) = rows[0]
    return [(*fit_row(head, _DEEP), (first[_DEEP:], style)), *rows[1:]]
