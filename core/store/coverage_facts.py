"""Gathers what coverage is told by, from the embedded store and its catalogue or from PostgreSQL."""

from __future__ import annotations

import itertools
import operator
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.clock import DAY_NS
from core.model.records import STREAMED, Records, Schema
from core.store.coverage import DAYS, NO_DAYS, SeriesFacts, spans_touched
from core.store.coverage_live import live_extents
from core.store.fetched import Fetched, FetchedBook
from core.store.history import EmbeddedHistory
from core.store.repository import DAMAGED_FILE, MISSED, NOT_STORED, Bookkeeping, Gap, SeriesKey, TickReader

_STREAMED_BESIDE: Final = tuple(schema for schema in STREAMED if schema is not Schema.TRADES)
_OF_TRADES_ALONE: Final = frozenset({DAMAGED_FILE, MISSED, NOT_STORED, "skipped"})


def facts_of(
    ticks: TickReader,
    books: Bookkeeping | None,
    fetched: FetchedBook | None,
    wanted: Collection[SeriesKey],
    *,
    known: Mapping[SeriesKey, Records],
) -> list[SeriesFacts]:
    """What is known of each of `wanted`, in their order, given what lies in their days as `known`. Raises
    `ConsoleError`."""
    gaps, told = defaultdict[SeriesKey, list[Gap]](list), defaultdict[SeriesKey, list[Fetched]](list)
    beside = {series for series in wanted if series.schema in _STREAMED_BESIDE}
    for gap in () if books is None else books.gaps():
        gaps[gap.series].append(gap)
        for series in beside.intersection(_streamed_with(gap)):
            gaps[series].append(attrs.evolve(gap, series=series, rows=0, first_id=0, recovered=0, reason=""))
    for one in () if fetched is None else fetched.fetched():
        told[one.series].append(one)
    return [
        _facts(ticks, series, known.get(series, NO_DAYS), gaps.get(series, ()), told.get(series, ()))
        for series in wanted
    ]


def _streamed_with(gap: Gap) -> list[SeriesKey]:
    # What one connection brings along with the trades of which the gap tells: of that no gap is ever recorded, and
    # what was recovered of the trades was not of those.
    if gap.series.schema is not Schema.TRADES or gap.cause in _OF_TRADES_ALONE:
        return []
    return [attrs.evolve(gap.series, schema=schema) for schema in _STREAMED_BESIDE]


def _facts(
    ticks: TickReader, series: SeriesKey, days: Records, gaps: Sequence[Gap], told: Sequence[Fetched]
) -> SeriesFacts:
    def stamps(start_ns: int, end_ns: int) -> NDArray[np.int64]:
        return ticks.read(series, start_ns, end_ns)["ts_event"].astype(np.int64)

    return SeriesFacts(
        series=series,
        days=days,
        live=live_extents(days, spans_touched(told), stamps),
        gaps=tuple(sorted(gaps, key=lambda gap: gap.start_ns)),
        fetched=tuple(told),
    )


def days_of_files(history: EmbeddedHistory, series: SeriesKey, noted: Records = NO_DAYS) -> Records:
    """What lies in each day of a series by its files. Of days of which `noted` has as many rows as the files, its
    instants are taken; the others are read. Raises as `EmbeddedHistory` does."""
    by_day = {int(row["day"]): row for row in noted}
    found = []
    for day, extent in history.day_extents(series):
        if not extent.rows:
            continue
        row = by_day.get(day)
        if row is not None and row["rows"] == extent.rows:
            found.append(tuple(row.tolist()))
            continue
        stamps = history.read(series, day * DAY_NS, (day + 1) * DAY_NS)["ts_event"]
        if len(stamps):
            found.append((day, len(stamps), int(stamps[0]), int(stamps[-1])))
    return np.array(found, DAYS)


def days_by_series(rows: Iterable[tuple[str, str, str, int, int, int, int]]) -> dict[SeriesKey, Records]:
    """Rows of (venue, symbol, schema, day, rows, first_ns, last_ns), any number a day, as `DAYS` of each series."""
    gathered = defaultdict[tuple[str, str, str], list[tuple[int, int, int, int]]](list)
    for names, some in itertools.groupby(rows, operator.itemgetter(0, 1, 2)):
        gathered[names].extend([row[3:] for row in some])
    known = {schema.value for schema in Schema}
    return {
        SeriesKey(venue, symbol, Schema(schema)): _summed(np.array(facts, DAYS))
        for (venue, symbol, schema), facts in gathered.items()
        if schema in known
    }


def _summed(days: Records) -> Records:
    days = days[days["rows"] > 0]
    if not len(days):
        return NO_DAYS
    days = days[np.argsort(days["day"], kind="stable")]
    begins = np.flatnonzero(np.concatenate(([True], days["day"][1:] != days["day"][:-1])))
    if len(begins) == len(days):
        return days
    summed = days[begins].copy()
    summed["rows"] = np.add.reduceat(days["rows"], begins)
    summed["first_ns"] = np.minimum.reduceat(days["first_ns"], begins)
    summed["last_ns"] = np.maximum.reduceat(days["last_ns"], begins)
    return summed
