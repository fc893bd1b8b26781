"""`backfill fill-gaps`: finds the holes between the first and the last record of a series, and fetches them."""

from __future__ import annotations

import argparse
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from console.batch import output
from console.batch.backfill_options import add_request_options, add_spending_options, check_exchange
from console.batch.fetch import PARTLY_DONE
from console.batch.times import instant_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from console.backfill.books import Books, Shelf
    from console.backfill.command import Context
    from console.backfill.filling import Hole
    from console.backfill.plan import Planned
    from console.backfill.run import Outcome
    from core.store.repository import SeriesKey

MAX_DAYS: Final = 31
COLUMNS: Final = (
    "venue", "symbol", "schema", "start", "end", "start_ns", "end_ns", "cause", "detail", "missing", "recovered",
    "state",
)  # fmt: skip
_SHOWN: Final = tuple(name for name in COLUMNS if not name.endswith("_ns"))


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "Holes are what a recorded gap says, and days without a record between two others; hours in which the "
        "market is closed are none. Without --symbols all series of the schema are looked at. Just the holes are "
        "fetched, and none that is longer than --max-days. Exit code 0 when no hole is left or there was none, 9 "
        "when some are left."
    )
    add_request_options(parser, symbols=False, since=False)
    add_spending_options(parser)
    parser.add_argument("--max-days", type=int, default=MAX_DAYS, metavar="N",
                        help=f"leave holes that are longer alone (default: {MAX_DAYS})")  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="show the holes, and fetch nothing")


def run(arguments: argparse.Namespace) -> int:
    """Print one row a hole, with what became of it."""
    from console.backfill.books import books_to_read, books_to_write
    from console.backfill.command import context_of

    check_exchange(arguments)
    context = context_of(arguments)
    if arguments.dry_run:
        with books_to_read(context.target) as books:
            plans = _plans(context, books)
            holes = _holes(context, books, plans)
            return _print(context, holes, [], stored=len(plans), left=set(holes), recovered={})
    with books_to_write(context.target) as (books, shelf):
        return _fill(context, books, shelf)


def _fill(context: Context, books: Books, shelf: Shelf) -> int:
    from functools import partial

    from console.backfill.command import STOPPED, fetched
    from console.backfill.filling import is_filled, rows_between
    from console.backfill.plan import without_longer
    from console.backtests.progress import progress_of
    from console.batch.loops import run_quietly
    from core.clock import DAY_NS

    plans = _plans(context, books)
    holes = _holes(context, books, plans)
    longest_ns = context.arguments.max_days * DAY_NS
    plans = [without_longer(planned, longest_ns) for planned in plans]
    wanted = [planned for planned in plans if planned.problem is not None or len(planned.spans)]
    outcomes: list[Outcome] = []
    if wanted:
        with progress_of(context.arguments.progress, "filling holes") as progress:
            outcomes = run_quietly(partial(fetched, context, wanted, books, shelf, progress), stopped=STOPPED)
    ticks = books.reading.ticks
    recovered = {hole: rows_between(ticks, hole.series, hole.stretch) - hole.rows for hole in holes}
    facts = {series: books.facts(series) for series in {hole.series for hole in holes}}
    left = {hole for hole in holes if not is_filled(facts[hole.series], hole)}
    return _print(context, holes, outcomes, stored=len(plans), left=left, recovered=recovered)


def _plans(context: Context, books: Books) -> list[Planned]:
    # One for each series that is meant, from its first record to its last.
    from console.backfill.filling import extent_of
    from core.model.records import Schema
    from core.model.symbology import parse_symbols

    asked, schema = context.arguments, Schema(context.arguments.schema)
    symbols = parse_symbols(asked.symbols) if asked.symbols else ()
    plans = []
    for series in books.reading.ticks.series():
        if series.schema is not schema or (symbols and series.symbol not in symbols):
            continue
        start_ns, end_ns = extent_of(books.reading.ticks, series)
        if asked.start:
            start_ns = max(start_ns, instant_of(asked.start, now_ns=context.now_ns))
        if asked.end:
            end_ns = min(end_ns, instant_of(asked.end, now_ns=context.now_ns))
        if start_ns < end_ns:
            plans += _plan(context, books, series, start_ns, end_ns)
    return plans


def _plan(context: Context, books: Books, series: SeriesKey, start_ns: int, end_ns: int) -> list[Planned]:
    # None when the command line means another venue by that symbol.
    import attrs

    from console.backfill.command import decide_of
    from console.backfill.plan import Wish, make_plan

    asked = argparse.Namespace(**vars(context.arguments))
    if not (asked.exchange or asked.dataset or asked.provider):
        asked.exchange = series.venue
        check_exchange(asked)
    wish = Wish(
        symbols=(series.symbol,), schema=series.schema, start_ns=start_ns, end_ns=end_ns, simulated=asked.simulated
    )
    decide = decide_of(attrs.evolve(context, arguments=asked))
    return [
        planned for planned in make_plan(wish, decide, books.facts, now_ns=context.now_ns) if planned.series == series
    ]


def _holes(context: Context, books: Books, plans: list[Planned]) -> list[Hole]:
    from console.backfill.filling import holes_of

    return [hole for planned in plans for hole in holes_of(books, planned, now_ns=context.now_ns)]


def _print(
    context: Context,
    holes: list[Hole],
    outcomes: list[Outcome],
    *,
    stored: int,
    left: set[Hole],
    recovered: Mapping[Hole, int],
) -> int:
    from console.spending import plain

    problems = [outcome.problem for outcome in outcomes if outcome.problem is not None]
    rows = [_row(hole, filled=hole not in left, recovered=recovered.get(hole, 0)) for hole in holes]
    envelope = {
        "schema_version": 1,
        "kind": "fill-gaps",
        "store": context.target.place,
        "holes": len(holes),
        "left": len(left),
        "recovered": sum(recovered.values()),
        "paid_usd": plain(sum((outcome.paid_usd for outcome in outcomes), Decimal(0))),
        "problems": [str(problem) for problem in problems],
    }
    arguments = context.arguments
    shown = [{name: row[name] for name in _SHOWN} for row in rows] if arguments.format == "table" else rows
    output.write_rows(shown, form=arguments.format, envelope=envelope, columns=COLUMNS)
    if arguments.format == "table":
        output.talk(*(str(problem) for problem in problems))
        none = "no hole is known" if stored else "nothing that was asked for is stored"
        noun = "hole" if len(holes) == 1 else "holes"
        output.talk(f"{len(holes)} {noun}, {len(left)} left" if holes else none)
    if problems and len(left) == len(holes):
        return problems[0].exit_code
    return PARTLY_DONE if left and not arguments.dry_run else 0


def _row(hole: Hole, *, filled: bool, recovered: int) -> dict[str, Any]:
    from core.clock import iso_ns

    stretch, series = hole.stretch, hole.series
    return {
        "venue": series.venue,
        "symbol": series.symbol,
        "schema": series.schema.value,
        "start": iso_ns(stretch.start_ns),
        "end": iso_ns(stretch.end_ns),
        "start_ns": stretch.start_ns,
        "end_ns": stretch.end_ns,
        "cause": stretch.kind.value,
        "detail": stretch.detail,
        "missing": stretch.missing,
        "recovered": recovered,
        "state": "filled" if filled else "left",
    }
