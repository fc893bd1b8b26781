"""The holes in what is stored: which there are, why, and what became of them once they were asked for."""

from __future__ import annotations

from typing import Final

import attrs
import numpy as np

from console.backfill.books import Books, Shelf
from console.backfill.plan import Planned
from core.clock import DAY_NS
from core.model.records import Schema
from core.model.spans import clip, total_ns
from core.store.coverage import HOLES, SeriesFacts, Stretch, covered, spans_fetched, stretches
from core.store.repository import Gap, SeriesKey, TickReader

NOT_THERE: Final = "the venue's history does not have them"


@attrs.frozen(kw_only=True)
class Hole:
    """A stretch of a series that is missing, and how many records lay in it when it was found."""

    series: SeriesKey
    stretch: Stretch
    rows: int


def holes_of(books: Books, planned: Planned, *, now_ns: int) -> list[Hole]:
    """The holes within a plan, oldest first. Raises `ConsoleError`."""
    series, calendar = planned.series, planned.calendar
    assert series is not None
    assert calendar is not None
    facts = books.facts(series)
    found = stretches(facts, calendar, planned.start_ns, planned.end_ns, now_ns=now_ns)
    return [
        Hole(series=series, stretch=stretch, rows=rows_between(books.reading.ticks, series, stretch))
        for stretch in found
        if stretch.kind in HOLES
    ]


def extent_of(ticks: TickReader, series: SeriesKey) -> tuple[int, int]:
    """The instants of the first record of a series and of the last; 0 and 0 when there is none."""
    days = ticks.days(series)
    if not days:
        return 0, 0
    first = ticks.read(series, days[0] * DAY_NS, (days[0] + 1) * DAY_NS)["ts_event"][0]
    return int(first), int(ticks.latest(series)["ts_event"][-1])


def rows_between(ticks: TickReader, series: SeriesKey, stretch: Stretch) -> int:
    """How many records are stored of a stretch, its end included: a hole ends with the record behind it."""
    rows = 0
    for day in ticks.days(series):
        if day * DAY_NS <= stretch.end_ns and (day + 1) * DAY_NS > stretch.start_ns:
            start_ns, end_ns = max(stretch.start_ns, day * DAY_NS), min(stretch.end_ns + 1, (day + 1) * DAY_NS)
            rows += len(ticks.read(series, start_ns, end_ns))
    return rows


def is_filled(facts: SeriesFacts, hole: Hole) -> bool:
    """Whether all of a hole is there by now."""
    start_ns, end_ns = hole.stretch.start_ns, hole.stretch.end_ns
    there = clip(covered(facts, start_ns, end_ns), start_ns, end_ns)
    return len(there) == 1 and there[0].tolist() == [start_ns, end_ns]


def settle_gaps(shelf: Shelf, ticks: TickReader, series: SeriesKey) -> None:
    """Write down of the gaps of a series that were asked for in full what was recovered, and that the rest is not to
    be had.

    Raises:
        ConsoleError: the store cannot be read, or the books not be written.
    """
    told = spans_fetched(shelf.fetched.fetched(series))
    for gap in shelf.notes.gaps():
        if (
            gap.series != series
            or gap.whole
            or total_ns(clip(told, gap.start_ns, gap.end_ns)) < gap.end_ns - gap.start_ns
        ):
            continue
        settled = _told_of(gap, ticks)
        if settled.recovered > gap.recovered:
            shelf.notes.record_gap(settled)


def _told_of(gap: Gap, ticks: TickReader) -> Gap:
    if not (gap.first_id and gap.rows and gap.series.schema is Schema.TRADES):
        inside = len(ticks.read(gap.series, gap.start_ns + 1, gap.end_ns))
        return attrs.evolve(gap, recovered=max(inside, gap.recovered), rows=0)
    ids = ticks.read_numbered(gap.series, gap.start_ns, gap.end_ns + 1).ids
    # Of the ids that were missing some may have been recovered before.
    span = gap.rows + gap.recovered
    found = int(np.count_nonzero((ids >= gap.first_id) & (ids < gap.first_id + span)))
    rows = max(span - found, 0)
    return attrs.evolve(gap, recovered=found, rows=rows, reason=NOT_THERE if rows else "")
