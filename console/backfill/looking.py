"""What there is to see of stored history: series by series, day by day, and the fetching that goes on. Blocks."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import numpy as np

from console.backfill.books import Books
from console.backfill.rows import calendar_row, day_row, job_rows, series_row
from console.backfill.run import KIND
from console.spending import purchase_row, spend_state
from core.clock import DAY_NS, utc_day
from core.errors import NotFoundError
from core.model.sessions import calendar_of
from core.store.coverage import (
    GRID,
    GRID_FETCHED,
    GRID_LOST,
    GRID_MISSING,
    GRID_PARTIAL,
    SeriesFacts,
    day_coverage,
    day_grid,
)
from core.store.repository import SeriesKey
from core.store.spending import Budget, Spent

Row = dict[str, Any]
Wanted = Callable[[SeriesKey], bool]

MOST_SERIES: Final = 2000
RECENT: Final = 20
_WITH_HOLES: Final = (GRID_MISSING, GRID_PARTIAL, GRID_LOST)
_SIGNS: Final = np.frombuffer(GRID.encode(), "S1")


def coverage_map(books: Books, wanted: Wanted, *, first_day: int, days: int, now_ns: int) -> Row:
    """A sign a day of each series that is wanted, from `first_day` on; see `GRID`. Raises `ConsoleError`."""
    facts = books.all_facts(wanted, start_ns=first_day * DAY_NS, end_ns=(first_day + days) * DAY_NS)
    shown = facts[:MOST_SERIES]
    grid = day_grid(shown, first_day, first_day + days, now_ns=now_ns)
    return {
        "first_day": utc_day(first_day * DAY_NS),
        "days": days,
        "schemas": sorted({one.series.schema.value for one in facts}),
        "rows": [_map_row(one, codes, first_day) for one, codes in zip(shown, grid, strict=True)],
        "truncated": len(facts) > len(shown),
    }


def _map_row(facts: SeriesFacts, codes: np.ndarray[Any, np.dtype[np.uint8]], first_day: int) -> Row:
    series, days = facts.series, facts.days
    inside = (days["day"] >= first_day) & (days["day"] < first_day + len(codes))
    return {
        "venue": series.venue,
        "symbol": series.symbol,
        "schema": series.schema.value,
        "states": _SIGNS[codes].tobytes().decode(),
        "rows": int(days["rows"][inside].sum()),
        "holes": int(np.isin(codes[max(int(days["day"][0]) - first_day, 0) :], _WITH_HOLES).sum())
        if len(days)
        else 0,
    }


def day_seen(books: Books, series: SeriesKey, day: int, *, now_ns: int) -> Row:
    """One day of a series in full. Raises `NotFoundError` for a series that was never begun, else `ConsoleError`."""
    if series not in books.reading.ticks.series():
        raise NotFoundError("nothing is stored", str(series))
    calendar = calendar_of(series.venue)
    (seen,) = day_coverage(books.facts(series), calendar, day, day + 1, now_ns=now_ns)
    return day_row(seen) | calendar_row(calendar)


def series_seen(
    books: Books, series: SeriesKey, *, first_day: int | None, end_day: int | None, now_ns: int, detailed: bool
) -> Row:
    """A series from its first day to its last, or between two days; with `detailed` each of them."""
    facts, calendar = books.facts(series), calendar_of(series.venue)
    known = facts.days["day"]
    begin = first_day if first_day is not None else int(known[0]) if len(known) else 0
    end = end_day if end_day is not None else int(known[-1]) + 1 if len(known) else 0
    days = day_coverage(facts, calendar, begin, max(end, begin), now_ns=now_ns)
    codes = day_grid([facts], begin, max(end, begin), now_ns=now_ns)
    row = series_row(series, calendar, days, fetched_days=int((codes == GRID_FETCHED).sum()))
    return row | {"days_detail": [day_row(day) for day in days]} if detailed else row


def work_seen(books: Books, budget: Budget, *, now_ns: int) -> Row:
    """The newest jobs, and what was spent. Raises `ConsoleError`."""
    shelf = books.shelf
    spent = Spent(today_usd=Decimal(0), month_usd=Decimal(0)) if shelf is None else shelf.ledger.spent(now_ns)
    purchases = [] if shelf is None else shelf.ledger.purchases()
    return {
        "jobs": [] if shelf is None else job_rows(shelf.jobs.jobs(KIND)),
        "spend": spend_state(spent, budget)
        | {"recent": [purchase_row(one) for one in purchases[: -RECENT - 1 : -1]]},
    }
