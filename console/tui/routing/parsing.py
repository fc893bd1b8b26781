"""From what the command prints of a fetch to values. Whatever else it prints is refused, and nothing of it breaks
the screen. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from console.batch.db_options import parse_day
from console.tui.answers import Raw, read_rows, read_text
from console.tui.child import UnreadableError
from console.tui.coverage.document import Outcome
from console.tui.coverage.parsing import parse_outcome, parse_plan
from console.tui.routing.document import STATES, PlanDay, RoutePlan
from core.errors import UsageError

_MOST_DAYS: Final = 36_600


def read_route_plan(raw: Raw) -> RoutePlan:
    """What `fetch --dry-run --verbose` prints of one symbol. Raises `UnreadableError`."""
    try:
        plan = parse_plan(raw)
    except ValueError as error:
        raise UnreadableError(f"its answer cannot be read: {error}") from error
    (row,) = read_rows(raw, "rows")
    return RoutePlan(
        plan=plan,
        days=tuple(_days(read_rows(row, "days"))),
        schema=read_text(row, "schema", limit=20),
        venue=read_text(row, "venue", limit=40),
        start=read_text(row, "start", limit=40),
        end=read_text(row, "end", limit=40),
        calendar=read_text(row, "calendar", limit=40),
        calendar_ends=read_text(row, "calendar_ends", limit=20),
    )


def read_outcome(raw: Raw) -> Outcome:
    """What a fetch of one symbol prints. Raises `UnreadableError`."""
    try:
        return parse_outcome(raw)
    except ValueError as error:
        raise UnreadableError(f"its answer cannot be read: {error}") from error


def _days(rows: Sequence[Raw]) -> list[PlanDay]:
    # A day that is none is left out, and so is one that does not come after the one before it.
    days: list[PlanDay] = []
    for row in rows[:_MOST_DAYS]:
        try:
            number = parse_day(read_text(row, "day", limit=20))
        except UsageError:
            continue
        state = read_text(row, "state", limit=20)
        if state in STATES and (not days or number > days[-1].day):
            days.append(PlanDay(day=number, state=state, condition=read_text(row, "condition", limit=20)))
    return days
