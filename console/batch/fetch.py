"""`fetch`: history of symbols into the store: routed, planned, priced, bought within limits, and never twice."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from console.batch import output
from console.batch.backfill_options import add_request_options, add_spending_options, check_exchange, wish_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.backfill.document import Limits
    from console.backfill.plan import Planned
    from console.backfill.run import Outcome
    from core.errors import ConsoleError

NAME = "fetch"
HELP = "fetch history that is not stored yet"
PARTLY_DONE: Final = 9
EPILOG: Final = (
    "What is stored already is not fetched again, and what was paid for once is downloaded again for free. With "
    "--dry-run nobody is asked anything, unless --price asks what it would cost. Nothing that costs money is bought "
    "without --yes or a typed yes, above --max-cost, or over the budgets of [backfill]: exit code 8."
)
_SHOWN: Final = (
    "symbol", "provider", "dataset", "venue", "schema", "start", "end", "days_wanted", "days_stored", "days_closed",
    "days_left", "records", "bytes", "price_usd", "clamped", "problem",
)  # fmt: skip
_RESULT: Final = (
    "symbol", "venue", "schema", "start", "end", "days_left", "stored", "duplicates", "rejected", "paid_usd", "state",
    "problem",
)  # fmt: skip


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = EPILOG
    add_request_options(parser)
    add_spending_options(parser)
    add_plan_options(parser)


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """The options of a plan that is only looked at."""
    parser.add_argument("--dry-run", action="store_true", help="show what would be fetched, and fetch nothing")
    parser.add_argument("--price", action="store_true", help="with --dry-run: ask the venue what it costs")
    parser.add_argument("--verbose", action="store_true", help="every day, and which providers were considered")


def run(arguments: argparse.Namespace) -> int:
    """Print the plan, or fetch and print what became of it."""
    check_exchange(arguments)
    if arguments.dry_run:
        return show_plan(arguments, price=arguments.price)
    return fetch(arguments)


def show_plan(arguments: argparse.Namespace, *, price: bool) -> int:
    """Print what would be fetched; nothing is made or changed. The exit code is 9 when some symbols have no plan, and
    that of the problem when none has."""
    from console.backfill.books import books_to_read
    from console.backfill.command import context_of, limits_now, planned_from, priced, sources_to_price
    from console.batch.loops import run_quietly

    context = context_of(arguments)
    with books_to_read(context.target) as books:
        plans = planned_from(context, wish_of(arguments, now_ns=context.now_ns), books)
        if price:

            async def ask() -> list[Planned]:
                async with sources_to_price(context) as sources:
                    return await priced(plans, sources, books)

            plans = run_quietly(ask)
        limits = limits_now(context, books)
    return _print_plan(arguments, plans, store=context.target.place, limits=limits, asked=price)


def _print_plan(
    arguments: argparse.Namespace, plans: list[Planned], *, store: str, limits: Limits, asked: bool
) -> int:
    from console.backfill.document import plan_document, plan_row

    head = plan_document(plans, store=store, limits=limits, notes=_notes(plans, asked=asked))
    rows = [plan_row(planned, verbose=arguments.verbose) for planned in plans]
    if arguments.format == "table":
        _print_tables(rows, verbose=arguments.verbose)
        output.talk(*head["notes"])
    else:
        output.write_rows(rows, form=arguments.format, envelope=head)
    return exit_code_of([planned.problem for planned in plans])


def exit_code_of(problems: Sequence[ConsoleError | None]) -> int:
    """0 without a problem, that of the first one when there is no more than problems, and else 9."""
    real = [problem for problem in problems if problem is not None]
    if not real:
        return 0
    return real[0].exit_code if len(real) == len(problems) else PARTLY_DONE


def _notes(plans: list[Planned], *, asked: bool) -> list[str]:
    from providers.databento.key import VARIABLE

    able = [planned for planned in plans if planned.problem is None and planned.route is not None]
    notes = []
    if able and not any(len(planned.spans) for planned in able):
        notes.append("nothing is left to fetch")
    elif not asked and any(planned.route and planned.route.dataset for planned in able):
        notes.append(f"no price was asked for; --price asks, with a key in {VARIABLE}")
    elif not asked and able:
        notes.append("this history costs nothing")
    return notes


def _print_tables(rows: list[dict[str, Any]], *, verbose: bool) -> None:
    output.write_rows([{name: row[name] for name in _SHOWN} for row in rows], form="table", core=_SHOWN[:11])
    for row in rows if verbose else ():
        with output.writing():
            print()  # noqa: T201
        named = ("tier", "provider", "reason")
        considered = [{name: one[name] for name in named} for one in row["considered"]]
        output.write_object(
            {
                "symbol": row["symbol"],
                "route": f"{row['tier']}: {row['reason']}",
                "calendar": f"{row['calendar']}, known until {row['calendar_ends'] or 'for ever'}",
                "considered": considered,
                "left": [{"start": one["start"], "end": one["end"]} for one in row["spans"]],
                "days": row["days"],
            },
            form="table",
        )


def fetch(arguments: argparse.Namespace) -> int:
    """Fetch what is left, and print what became of it."""
    from functools import partial

    from console.backfill.books import books_to_write
    from console.backfill.command import STOPPED, context_of, fetched, limits_now, planned_from
    from console.backtests.progress import progress_of
    from console.batch.loops import run_quietly

    context = context_of(arguments)
    wish = wish_of(arguments, now_ns=context.now_ns)
    with books_to_write(context.target) as (books, shelf):
        plans = planned_from(context, wish, books)
        with progress_of(arguments.progress, "fetching") as progress:
            outcomes = run_quietly(partial(fetched, context, plans, books, shelf, progress), stopped=STOPPED)
        limits = limits_now(context, books)
    return print_outcomes(arguments, outcomes, store=context.target.place, limits=limits)


def print_outcomes(arguments: argparse.Namespace, outcomes: list[Outcome], *, store: str, limits: Limits) -> int:
    """Print what became of plans; the exit code is 9 when some failed or records were left out."""
    from console.backfill.document import outcome_row, plan_document

    head = plan_document([one.planned for one in outcomes], store=store, limits=limits, notes=(), kind="fetch")
    rows = [outcome_row(outcome) for outcome in outcomes]
    shown = [{name: row[name] for name in _RESULT} for row in rows] if arguments.format == "table" else rows
    output.write_rows(shown, form=arguments.format, envelope=head, core=_RESULT[:7])
    code = exit_code_of([outcome.problem for outcome in outcomes])
    return code or (PARTLY_DONE if any(row["rejected"] for row in rows) else 0)
