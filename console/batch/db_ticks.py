"""`db ticks`: the newest records of a series, or those of a stretch of time, with exact numbers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from console.batch import output
from console.batch.db_options import add_range_options, add_series_options, wanted_range
from console.batch.db_target import add_store_option, find_target, open_reader
from core.errors import UsageError

if TYPE_CHECKING:
    from core.store.paging import Range
    from core.store.repository import TickReader

DEFAULT_LAST = 20
DEFAULT_LIMIT = 1000
MOST_ROWS = 1_000_000


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_series_options(parser)
    add_range_options(parser)
    parser.add_argument("--last", type=int, metavar="N", help=f"the newest N (default: {DEFAULT_LAST})")
    parser.add_argument(
        "--limit", type=int, default=DEFAULT_LIMIT, metavar="N", help="of a time: the first N at most"
    )
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the records, oldest first; that there are none in a time is no error."""
    ranged = bool(arguments.start or arguments.end)
    if ranged and arguments.last is not None:
        raise UsageError("the newest or a time", "--last with --start or --end", hint="use one of them")
    count = arguments.limit if ranged else DEFAULT_LAST if arguments.last is None else arguments.last
    if not 1 <= count <= MOST_ROWS:
        raise UsageError("bad number", str(count), hint=f"from 1 to {MOST_ROWS}; db export writes any number")
    with open_reader(find_target(arguments)) as reading:
        wanted = wanted_range(reading.ticks, arguments)
        rows = first_rows(reading.ticks, wanted, count + 1) if ranged else last_rows(reading.ticks, wanted, count)
    more = ranged and len(rows) > count
    series = wanted.series
    envelope = {
        "schema_version": 1,
        "venue": series.venue,
        "symbol": series.symbol,
        "schema": series.schema.value,
        "more": more,
    }
    if more:
        output.talk(f"the first {count} are shown", "  --limit N shows more, db export writes all")
    output.write_rows(rows[:count], form=arguments.format, envelope=envelope)
    return 0


def first_rows(reader: TickReader, wanted: Range, count: int) -> list[dict[str, Any]]:
    """The first `count` records of a range, or as many as there are."""
    from core.store.columns import rows
    from core.store.paging import pages
    from core.store.repository import Numbered

    found: list[dict[str, Any]] = []
    for page in pages(reader, wanted):
        left, numbered = count - len(found), page.numbered
        found += rows(Numbered(numbered.records[:left], numbered.ids[:left]), wanted.series.schema)
        if len(found) >= count:
            break
    return found


def last_rows(reader: TickReader, wanted: Range, count: int) -> list[dict[str, Any]]:
    """The last `count` records of a series, or as many as there are."""
    from core.store.columns import rows
    from core.store.repository import Numbered

    latest = reader.latest(wanted.series, count)
    if not len(latest):
        return []
    # Their full ids are known to a range alone, which may hold more of the first instant.
    start_ns, end_ns = int(latest["ts_event"][0]), int(latest["ts_event"][-1]) + 1
    found = reader.read_numbered(wanted.series, start_ns, end_ns)
    return rows(Numbered(found.records[-len(latest) :], found.ids[-len(latest) :]), wanted.series.schema)
