"""`backfill status`: the fetching that goes on and was done, and what is stored day by day."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from console.batch import output
from console.batch.db_options import SCHEMAS
from console.batch.db_target import add_store_option
from console.batch.times import instant_of

if TYPE_CHECKING:
    from console.backfill.books import Books
    from core.store.repository import SeriesKey

Row = dict[str, Any]
JOBS_SHOWN: Final = 10
_JOB: Final = ("job_id", "state", "share", "symbols", "provider", "schema", "rows", "paid_usd", "updated", "message")
_SERIES: Final = (
    "venue", "symbol", "schema", "rows", "days", "first", "last", "holes", "partial_days", "missing_days",
    "fetched_days", "calendar", "calendar_ends",
)  # fmt: skip


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "A day is stored, partial, missing, closed (the market was) or future. With --detailed each day is listed "
        "with its stretches and why something is missing: never subscribed, disconnect, venue maintenance, lost."
    )
    parser.add_argument("--venue", default="", help="only this venue, or dataset")
    parser.add_argument("--symbols", default="", metavar="LIST", help="only these symbols")
    parser.add_argument("--schema", choices=SCHEMAS, help="only this kind of record")
    parser.add_argument("--start", metavar="TIME", help="from this day on (default: the first that holds records)")
    parser.add_argument("--end", metavar="TIME", help="before this day (default: behind the last)")
    parser.add_argument("--detailed", action="store_true", help="each day of each series, and the rules of routing")
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print jobs and series; nothing stored is no error."""
    from console.backfill.books import books_to_read
    from console.backfill.command import context_of
    from console.backfill.looking import work_seen

    context = context_of(arguments)
    with books_to_read(context.target) as books:
        work = work_seen(books, context.limits.budget, now_ns=context.now_ns)
        rows = _series(arguments, books, now_ns=context.now_ns)
    envelope = {"schema_version": 1, "store": context.target.place, "jobs": work["jobs"], "spend": work["spend"]}
    if arguments.detailed:
        envelope["routing"] = _routing(context.settings)
    if arguments.format == "table":
        narrowed = bool(arguments.venue or arguments.symbols or arguments.schema)
        _print_tables(envelope, rows, detailed=arguments.detailed, narrowed=narrowed)
    else:
        output.write_rows(rows, form=arguments.format, envelope=envelope, columns=_SERIES)
    return 0


def _series(arguments: argparse.Namespace, books: Books, *, now_ns: int) -> list[Row]:
    from console.backfill.looking import series_seen
    from core.clock import DAY_NS

    first, end = (
        None if text is None else instant_of(text, now_ns=now_ns) // DAY_NS
        for text in (arguments.start, arguments.end)
    )
    return [
        series_seen(books, series, first_day=first, end_day=end, now_ns=now_ns, detailed=arguments.detailed)
        for series in books.reading.ticks.series()
        if _is_meant(series, arguments)
    ]


def _is_meant(series: SeriesKey, arguments: argparse.Namespace) -> bool:
    from core.model.symbology import parse_symbols

    symbols = parse_symbols(arguments.symbols) if arguments.symbols else (series.symbol,)
    venue, schema = arguments.venue.upper() or series.venue, arguments.schema or series.schema.value
    return series.symbol in symbols and series.venue == venue and series.schema.value == schema


def _routing(settings: Any) -> Row:
    import attrs

    found: Row = attrs.asdict(settings.routing)
    return found


def _print_tables(envelope: Row, rows: list[Row], *, detailed: bool, narrowed: bool) -> None:
    jobs = [{name: job[name] for name in _JOB} for job in envelope["jobs"][:JOBS_SHOWN]]
    if jobs:
        output.write_rows(jobs, form="table", core=_JOB[:7])
        output.talk(f"fetches written down: {len(envelope['jobs'])}")
    else:
        output.talk("nothing was fetched yet")
    output.write_rows([_short(row) for row in rows], form="table", core=_SERIES[:8])
    for row in rows if detailed else ():
        days = [_day(row, day) for day in row["days_detail"]]
        output.write_rows(days, form="table", core=("symbol", "venue", "schema", "day", "state", "rows"))
    if detailed:
        output.write_object({"routing": envelope["routing"]}, form="table")
    if not rows:
        output.talk("nothing that was asked for is stored" if narrowed else "nothing is stored")


def _short(row: Row) -> Row:
    shown = {name: row[name] for name in _SERIES}
    return shown | {name: row[name] and f"{row[name][:19]}Z" for name in ("first", "last")}


def _day(row: Row, day: Row) -> Row:
    holes = [one for one in day["stretches"] if one["kind"] not in ("live", "market closed")]
    told = [f"{one['start'][11:19]}-{one['end'][11:19]} {one['kind']}" for one in holes]
    more = [f"{len(told) - 3} more"] if len(told) > 3 else []
    return {
        "symbol": row["symbol"],
        "venue": row["venue"],
        "schema": row["schema"],
        "day": day["day"],
        "state": day["state"],
        "rows": day["rows"],
        "first": day["first"] and day["first"][11:19],
        "last": day["last"] and day["last"][11:19],
        "told": "; ".join(told[:3] + more),
    }
