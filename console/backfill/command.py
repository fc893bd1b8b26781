"""What every command that fetches does: plan by the store and the settings, price, buy within limits, store."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs
import trio

from config.paths import find_paths
from console.backfill.books import Books, Shelf
from console.backfill.document import Limits
from console.backfill.keeping import engines_budget, opened_keeper
from console.backfill.plan import (
    LEFT,
    PARTIAL,
    Decide,
    Planned,
    Wish,
    make_plan,
    narrowed,
    total_price,
    with_conditions,
    without_pending,
)
from console.backfill.run import Outcome, Run, Tools
from console.backfill.sources import Opening, Sources
from console.batch.backfill_options import kept_request
from console.batch.db_target import Target, find_target
from console.batch.output import talk
from console.batch.settings_options import settings_from
from console.routing import decide_for
from console.spending import budget_of, max_cost_of, strictest
from console.stores import catalogue_path, staging_directory
from core.clock import wall_ns
from core.errors import ConsoleError, NotFoundError, RefusedError, single_error
from core.model.instruments import InstrumentRegistry
from core.store.catalogue import Catalogue
from core.store.paths import make_folder
from core.store.spending import Budget, dollars
from providers.routing.assets import AssetType

if TYPE_CHECKING:
    from config.schema import Settings
    from console.backtests.progress import JsonProgress
    from console.batch.progress import ProgressLine

UNCONFIRMED: Final = "nothing is bought without a yes"
STOPPED: Final = "stopped; what came is stored, and backfill resume goes on"


@attrs.frozen(kw_only=True)
class Context:
    """A command line with the settings, the store and the limits that it means."""

    arguments: argparse.Namespace
    settings: Settings
    target: Target
    limits: Limits
    now_ns: int


def context_of(arguments: argparse.Namespace) -> Context:
    """The context of a command line. Raises `ConsoleError`."""
    settings = settings_from(arguments).settings
    target = find_target(arguments)
    limits = Limits(
        max_usd=max_cost_of(settings.backfill, getattr(arguments, "max_cost", None)),
        budget=strictest(budget_of(settings.backfill), engines_budget(target)),
    )
    return Context(arguments=arguments, settings=settings, target=target, limits=limits, now_ns=wall_ns())


def decide_of(context: Context) -> Decide:
    """The routing that the command line asks for."""
    asked = context.arguments
    return partial(
        decide_for,
        context.settings,
        exchange=asked.exchange,
        asset_type=AssetType(asked.asset_type) if asked.asset_type else None,
        provider=asked.provider,
        dataset=asked.dataset,
    )


def planned_from(context: Context, wish: Wish, books: Books) -> list[Planned]:
    """The plan of a wish, without asking anybody. Raises `ConsoleError` when no symbol has one."""
    plans = make_plan(wish, decide_of(context), books.facts, now_ns=context.now_ns)
    if all(planned.problem is not None for planned in plans) and plans[0].problem is not None:
        raise plans[0].problem
    return plans


def limits_now(context: Context, books: Books) -> Limits:
    """The limits with what of the budgets is spent. Raises `ConsoleError`."""
    if context.arguments.simulated:
        return attrs.evolve(context.limits, budget=Budget())  # practising is paid with nothing
    if books.shelf is None:
        return context.limits
    return attrs.evolve(context.limits, spent=books.shelf.ledger.spent(context.now_ns))


@asynccontextmanager
async def sources_to_price(context: Context) -> AsyncIterator[Sources]:
    """The sources of plans while the block lasts; nothing can be bought, and nothing is written down."""
    async with _sources(context, Opening(settings=context.settings, registry=InstrumentRegistry())) as sources:
        yield sources


@asynccontextmanager
async def sources_to_fetch(context: Context, shelf: Shelf) -> AsyncIterator[Sources]:
    """The sources of plans while the block lasts."""
    state = find_paths().state
    make_folder(state)
    with contextlib.closing(Catalogue(catalogue_path(state))) as numbers:
        registry = InstrumentRegistry(numbers.known(), numbers.remember)
        opening = Opening(
            settings=context.settings, registry=registry, budget=context.limits.budget, ledger=shelf.ledger
        )
        async with _sources(context, opening) as sources:
            yield sources


@asynccontextmanager
async def _sources(context: Context, opening: Opening) -> AsyncIterator[Sources]:
    asked = context.arguments
    opening = attrs.evolve(
        opening,
        staging=staging_directory(find_paths().data),
        simulated=asked.simulated,
        faults=asked.faults,
        seed=asked.seed,
    )
    with single_error():
        async with trio.open_nursery() as nursery:
            yield Sources(opening, nursery)
            nursery.cancel_scope.cancel()


async def priced(plans: Sequence[Planned], sources: Sources, books: Books) -> list[Planned]:
    """The plans within what the venue has, with what it says of each day, and with their price."""
    return [planned if planned.problem else await _priced(planned, sources, books) for planned in plans]


async def _priced(planned: Planned, sources: Sources, books: Books) -> Planned:
    try:
        source = await sources.open(planned)
        listed = await source.listed(planned)
        if listed is not None and (listed.start_ns > planned.start_ns or listed.end_ns < planned.end_ns):
            if listed.start_ns >= planned.end_ns or listed.end_ns <= planned.start_ns:
                raise NotFoundError("nothing of that time", f"{planned.symbol}: {listed.said}")
            planned = narrowed(planned, books.facts, start_ns=listed.start_ns, end_ns=listed.end_ns, why=listed.said)
        planned = without_pending(with_conditions(planned, await source.conditions(planned)))
        return attrs.evolve(planned, price=await source.price(planned))
    except ConsoleError as error:
        return attrs.evolve(planned, problem=error)


def check_limits(plans: Sequence[Planned], limits: Limits) -> None:
    """See that what is left may be bought. Raises `RefusedError`: it is over a limit."""
    price = total_price([planned for planned in plans if planned.problem is None])
    if price is None or not price.usd:
        return
    today, month = limits.left
    named = (
        (limits.max_usd, "this command may cost {}", "--max-cost says how much"),
        (today, "of the daily budget {} are left", "wait until 00:00 UTC, or raise backfill.daily_budget_usd"),
        (month, "of the monthly budget {} are left", "wait for the next month, or raise backfill.monthly_budget_usd"),
    )
    for most, words, hint in named:
        if most is not None and price.usd > most:
            raise RefusedError("over budget", f"{dollars(price.usd)}: {words.format(dollars(most))}", hint=hint)


def check_confirmed(plans: Sequence[Planned], arguments: argparse.Namespace) -> None:
    """See that what costs money is meant: said beforehand, or typed now where somebody sits.

    Raises:
        RefusedError: it is neither.
    """
    price = total_price([planned for planned in plans if planned.problem is None])
    if arguments.yes or price is None or not price.usd:
        return
    cost = f"this costs {dollars(price.usd)}"
    if not arguments.batch and sys.stdin.isatty() and sys.stderr.isatty():
        for planned in plans:
            talk(f"{planned.symbol}: {planned.count(PARTIAL, LEFT)} days of {planned.series}")
        talk(f"{cost}; type yes to buy it:")
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise RefusedError(UNCONFIRMED, cost, hint="--yes buys it, --max-cost says up to how much")


@contextmanager
def run_of(
    context: Context, books: Books, shelf: Shelf, sources: Sources, progress: ProgressLine | JsonProgress
) -> Iterator[Run]:
    """What carries out plans, with the store open. Raises `ConsoleError`."""

    def say(text: str) -> None:
        progress.label = f"fetching: {text}"

    with opened_keeper(context.target) as keeper:
        tools = Tools(
            target=context.target,
            shelf=shelf,
            ticks=books.reading.ticks,
            keeper=keeper,
            facts=books.facts,
            source_of=sources,
            max_usd=context.limits.max_usd,
        )
        request = kept_request(context.arguments, now_ns=context.now_ns)
        yield Run(tools, request, progress, say, job_id=getattr(context.arguments, "job_id", ""))


async def fetched(
    context: Context, plans: Sequence[Planned], books: Books, shelf: Shelf, progress: ProgressLine | JsonProgress
) -> list[Outcome]:
    """Price what the plans have left, see that it may be bought, fetch and store it.

    Raises:
        RefusedError: it is over a limit, or nobody said yes; nothing was bought.
        ConsoleError: nothing can be written down.
    """
    async with sources_to_fetch(context, shelf) as sources:
        plans = await priced(plans, sources, books)
        check_limits(plans, limits_now(context, books))
        check_confirmed(plans, context.arguments)
        with run_of(context, books, shelf, sources, progress) as run:
            return await run.fetch(plans)
