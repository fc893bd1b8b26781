"""A range of a store by pages whose size in memory stays about the same, however much a day holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import attrs

from core.clock import DAY_NS
from core.store.repository import Numbered, SeriesKey, TickReader

Progress = Callable[[float, int], None]
"""Told the part of the work that is done, 0 to 1, and the rows so far."""

FIRST_PAGE_NS: Final = DAY_NS // 24
_SHORTEST_PAGE_NS = DAY_NS // 24 // 60
_SMALL_BYTES = 8 << 20
_LARGE_BYTES = 48 << 20


def unheard(_fraction: float, _rows: int) -> None:
    """Tells nobody."""


@attrs.frozen(kw_only=True)
class Range:
    """The records of a series with `start_ns <= ts_event < end_ns`."""

    series: SeriesKey
    start_ns: int
    end_ns: int


@attrs.frozen
class Page:
    """Records that follow those of the page before; `fraction` of the range is done with it."""

    numbered: Numbered
    fraction: float


def stored_part(reader: TickReader, wanted: Range) -> Range:
    """What of a range lies in days that hold records; an empty range when none does."""
    days = [day for day in reader.days(wanted.series) if wanted.start_ns < (day + 1) * DAY_NS]
    days = [day for day in days if day * DAY_NS < wanted.end_ns]
    if not days:
        return Range(series=wanted.series, start_ns=0, end_ns=0)
    start_ns, end_ns = days[0] * DAY_NS, (days[-1] + 1) * DAY_NS
    return Range(series=wanted.series, start_ns=max(start_ns, wanted.start_ns), end_ns=min(end_ns, wanted.end_ns))


def pages(reader: TickReader, wanted: Range) -> Iterator[Page]:
    """The records of a range, ascending, in pages that are not empty. Days without any cost nothing."""
    whole = stored_part(reader, wanted)
    length_ns = FIRST_PAGE_NS
    for day in reader.days(whole.series):
        at, end = max(day * DAY_NS, whole.start_ns), min((day + 1) * DAY_NS, whole.end_ns)
        while at < end:
            until = min(at + length_ns, end)
            numbered = reader.read_numbered(whole.series, at, until)
            size = numbered.records.nbytes
            if size > _LARGE_BYTES:
                length_ns = max(length_ns // 2, _SHORTEST_PAGE_NS)
            elif size < _SMALL_BYTES:
                length_ns = min(length_ns * 2, DAY_NS)
            at = until
            if size:
                yield Page(numbered, (until - whole.start_ns) / (whole.end_ns - whole.start_ns))
