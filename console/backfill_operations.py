"""What the control channel can ask of coverage and of the fetching that goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio

from console.batch.db_target import EMBEDDED, POSTGRES, Target
from console.control_server import Operation
from console.spending import budget_of
from console.stores import catalogue_path, spill_directory, ticks_directory
from core.clock import DAY_NS, parse_rfc3339_ns, wall_ns
from core.errors import RefusedError, TransientError, UsageError
from core.model.records import Schema
from core.store.repository import SeriesKey

if TYPE_CHECKING:
    from console.backfill.books import Books
    from console.plan import EnginePlan
    from console.supervise import Engine

T = TypeVar("T")

ANSWER_S: Final = 8.0
DAYS: Final = 365
MOST_DAYS: Final = 3660


def target_of(plan: EnginePlan) -> Target:
    """The store that an engine writes."""
    return Target(
        kind=POSTGRES if plan.store.database_url else EMBEDDED,
        directory=ticks_directory(plan.data_directory),
        catalogue=catalogue_path(plan.state_directory),
        spill=spill_directory(plan.data_directory),
        url=plan.store.database_url,
    )


def backfill_operations(engine: Engine) -> dict[str, Operation]:
    """The operations by name; each refuses when the engine keeps nothing."""
    asking = trio.CapacityLimiter(2)

    async def look(work: Callable[[Books], T]) -> T:
        if engine.storage is None:
            raise RefusedError("nothing is stored", engine.plan.instance, hint="it was started without --persist")

        def looked() -> T:
            from console.backfill.books import books_to_read

            with books_to_read(target_of(engine.plan)) as books:
                return work(books)

        with trio.move_on_after(ANSWER_S):  # before whoever asks gives up
            return await trio.to_thread.run_sync(looked, abandon_on_cancel=True, limiter=asking)
        raise TransientError("looking into the store", "it does not answer")

    async def coverage(request: dict[str, Any]) -> dict[str, Any]:
        from console.backfill.looking import coverage_map

        now_ns, days = wall_ns(), _days(request)
        first = _day(request, "first_day") if "first_day" in request else now_ns // DAY_NS + 1 - days
        schema = _schema(request) if "schema" in request else None
        return await look(
            lambda books: coverage_map(
                books, lambda series: schema in {None, series.schema}, first_day=first, days=days, now_ns=now_ns
            )
        )

    async def coverage_day(request: dict[str, Any]) -> dict[str, Any]:
        from console.backfill.looking import day_seen

        names = request.get("venue"), request.get("symbol")
        if not all(isinstance(name, str) and name for name in names):
            raise UsageError("bad request", "venue and symbol are texts")
        series = SeriesKey(str(names[0]), str(names[1]), _schema(request))
        day = _day(request, "day")
        return await look(lambda books: day_seen(books, series, day, now_ns=wall_ns()))

    async def backfill(_request: dict[str, Any]) -> dict[str, Any]:
        from console.backfill.looking import work_seen

        return await look(lambda books: work_seen(books, budget_of(engine.plan.spending), now_ns=wall_ns()))

    return {"coverage": coverage, "coverage_day": coverage_day, "backfill": backfill}


def _days(request: dict[str, Any]) -> int:
    days = request.get("days", DAYS)
    if type(days) is not int or not 1 <= days <= MOST_DAYS:
        raise UsageError("bad request", f"days is a number from 1 to {MOST_DAYS}")
    return days


def _day(request: dict[str, Any], name: str) -> int:
    try:
        return parse_rfc3339_ns(f"{request.get(name)}T00:00:00Z") // DAY_NS
    except ValueError as error:
        raise UsageError("bad request", f"{name} is a day like 2026-01-31") from error


def _schema(request: dict[str, Any]) -> Schema:
    name = request.get("schema")
    if name not in set(Schema):
        raise UsageError("bad request", f"schema is one of {', '.join(Schema)}")
    return Schema(name)
