"""`db ticks`: the newest records of a series, or those of a stretch of time, with exact numbers."""

from __future__ import annotations

import argparse
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs

from console.batch import output
from console.batch.db_options import (
    add_count_options,
    add_range_options,
    add_series_options,
    check_counts,
    wanted_range,
)
from console.batch.db_target import add_store_option, find_target, open_reader

if TYPE_CHECKING:
    from core.model.records import Schema
    from core.store.paging import Range
    from core.store.repository import TickReader

DEFAULT_LAST = 20
DEFAULT_LIMIT = 1000
TOP_LEVEL = "_00"

Row = dict[str, Any]


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_series_options(parser)
    add_range_options(parser)
    add_count_options(
        parser,
        last=f" (default: {DEFAULT_LAST}, without a time)",
        first=f" (default: {DEFAULT_LIMIT}, with a time)",
    )
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the records, oldest first; that there are none in a time is no error."""
    check_counts(arguments)
    last, limit = arguments.last, arguments.limit
    if last is None and limit is None:
        last, limit = (None, DEFAULT_LIMIT) if arguments.start or arguments.end else (DEFAULT_LAST, None)
    with open_reader(find_target(arguments)) as reading:
        wanted = wanted_range(reading.ticks, arguments)
        if last is None:
            rows = first_rows(reading.ticks, wanted, limit + 1)
        else:
            rows = last_rows(reading.ticks, wanted, last)
    more = last is None and len(rows) > limit
    series = wanted.series
    envelope = {
        "schema_version": 1,
        "venue": series.venue,
        "symbol": series.symbol,
        "schema": series.schema.value,
        "more": more,
    }
    if more:
        output.talk(f"the first {limit} are shown", "  --limit N shows more, db export writes all")
        del rows[limit:]
    if not rows:
        output.talk("nothing in that time")
    if arguments.format == "table" and series.schema.value == "mbp-10":
        output.talk("the best level and the sums of all are shown", "  --format json or csv shows every level")
        rows = [_short(row) for row in rows]
    output.write_rows(rows, form=arguments.format, envelope=envelope, columns=_names(series.schema))
    return 0


def first_rows(reader: TickReader, wanted: Range, count: int) -> list[Row]:
    """The first `count` records of a range, or as many as there are."""
    from core.store.columns import rows
    from core.store.paging import pages
    from core.store.repository import Numbered

    found: list[Row] = []
    for page in pages(reader, wanted):
        left, numbered = count - len(found), page.numbered
        found += rows(Numbered(numbered.records[:left], numbered.ids[:left]), wanted.series.schema)
        if len(found) >= count:
            break
    return found


def last_rows(reader: TickReader, wanted: Range, count: int) -> list[Row]:
    """The last `count` records of a range, or as many as there are."""
    from core.clock import DAY_NS
    from core.store.columns import rows
    from core.store.paging import pages, stored_part
    from core.store.repository import Numbered

    # The last records of a series tell where its end begins; a day that holds more than is wanted goes by in pages.
    latest = reader.latest(wanted.series, count)
    from_ns = int(latest["ts_event"][0]) if len(latest) == count else 0
    if len(latest) and int(latest["ts_event"][-1]) < wanted.end_ns:
        wanted = attrs.evolve(wanted, start_ns=max(wanted.start_ns, from_ns))
    whole = stored_part(reader, wanted)
    found: list[Row] = []
    for day in reversed(reader.days(wanted.series)):
        at, end = max(day * DAY_NS, whole.start_ns), min((day + 1) * DAY_NS, whole.end_ns)
        if at >= end or len(found) >= count:
            continue
        kept: list[Row] = []
        left = count - len(found)
        for page in pages(reader, attrs.evolve(wanted, start_ns=at, end_ns=end)):
            numbered = page.numbered
            kept += rows(Numbered(numbered.records[-left:], numbered.ids[-left:]), wanted.series.schema)
            del kept[:-left]
        found = kept + found
    return found


def _names(schema: Schema) -> list[str]:
    # The columns that a record of ours has.
    import numpy as np

    from core.model.fixedpoint import OWN_PUBLISHERS
    from core.store.columns import rows
    from core.store.repository import Numbered

    record = np.zeros(1, schema.dtype)
    record["publisher_id"] = OWN_PUBLISHERS
    return list(rows(Numbered(record, np.zeros(1, np.int64)), schema)[0])


def _short(row: Row) -> Row:
    # A book in the width of a screen: the best level, and how much there is on each side.
    levels = {name: value for name, value in row.items() if name[-3:-2] == "_" and name[-2:].isdigit()}
    short = {name: value for name, value in row.items() if name not in levels or name.endswith(TOP_LEVEL)}
    for side in ("bid", "ask"):
        quantities = [value for name, value in levels.items() if name.startswith(f"{side}_quantity_")]
        short[f"{side}_total"] = f"{sum(map(Decimal, filter(None, quantities)), Decimal(0)).normalize():f}"
    return short
