"""What fetching comes to before anything is fetched: who serves a symbol, what of it is stored, what is left. No
network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

import attrs
import numpy as np

from core.clock import DAY_NS, NS_PER_S, iso_ns, utc_day
from core.errors import ConsoleError, NotFoundError, UsageError
from core.model.publishers import PUBLISHERS, SIMULATED_PREFIX
from core.model.records import Schema
from core.model.sessions import Calendar, calendar_of
from core.model.spans import NO_SPANS, Spans, intersect, measured_ns, spans_of, subtract
from core.store.coverage import covered, wanted_spans
from core.store.repository import SeriesKey

if TYPE_CHECKING:
    from core.store.coverage import SeriesFacts
    from providers.routing.router import Decision, Route

STORED: Final = "stored"
PARTIAL: Final = "partial"
LEFT: Final = "left"
CLOSED: Final = "closed"
PENDING: Final = "pending"
UNSETTLED_NS: Final = 60 * NS_PER_S
"""What happened since may not be told by everybody yet."""
MOST_DAYS: Final = 36_525
"""So long a range may be."""


class Decide(Protocol):
    """Tells the routing decision for a symbol. Raises `ConfigurationError`."""

    def __call__(self, *, symbol: str) -> Decision: ...


Facts = Callable[[SeriesKey], "SeriesFacts"]
"""What is known of what is stored of a series."""


@attrs.frozen(kw_only=True)
class Wish:
    """What somebody asks for: `symbols` in `schema` from `start_ns` to `end_ns`, exclusive, `simulated` or not.

    Raises:
        UsageError: the range ends before it begins, or is too long.
    """

    symbols: tuple[str, ...]
    schema: Schema
    start_ns: int
    end_ns: int
    simulated: bool = False

    def __attrs_post_init__(self) -> None:
        if self.end_ns <= self.start_ns:
            said = f"{iso_ns(self.start_ns)[:19]}Z to {iso_ns(self.end_ns)[:19]}Z"
            raise UsageError("the range ends before it begins", said, hint="--end is the first instant not wanted")
        if self.end_ns - self.start_ns > MOST_DAYS * DAY_NS:
            raise UsageError("the range is too long", f"{(self.end_ns - self.start_ns) // DAY_NS} days")


@attrs.frozen(kw_only=True)
class PlannedDay:
    """A UTC day of a plan: `state` is STORED, PARTIAL, LEFT or CLOSED; `condition` is the venue's word, if it was
    asked."""

    day: int
    state: str
    condition: str | None = None


@attrs.frozen(kw_only=True)
class Price:
    """What is left comes to so many records and bytes, and costs so much; None for what nobody said. With `bought`
    all of it was paid for already."""

    usd: Decimal
    records: int | None = None
    size_bytes: int | None = None
    bought: bool = False


@attrs.frozen(kw_only=True)
class Planned:
    """What is to be fetched of one symbol: `spans` of [`start_ns`, `end_ns`), none longer than `longest_ns`, none in
    what is `left_out`. `clamped` says why that is less than was asked for, `problem` why there is no plan; then
    there is no `series` either, perhaps no `route`."""

    symbol: str
    decision: Decision
    schema: Schema
    start_ns: int
    end_ns: int
    series: SeriesKey | None = None
    calendar: Calendar | None = None
    spans: Spans = attrs.field(default=NO_SPANS, eq=False)
    days: tuple[PlannedDay, ...] = ()
    clamped: tuple[str, ...] = ()
    left_out: Spans = attrs.field(default=NO_SPANS, eq=False)
    longest_ns: int = MOST_DAYS * DAY_NS
    price: Price | None = None
    problem: ConsoleError | None = None

    @property
    def route(self) -> Route | None:
        """Who serves it."""
        return self.decision.route

    def count(self, *states: str) -> int:
        """How many of its days are in one of these states."""
        return sum(day.state in states for day in self.days)


def make_plan(wish: Wish, decide: Decide, facts: Facts, *, now_ns: int) -> list[Planned]:
    """The plan of each symbol, in their order; what is wrong with one of them is its `problem`.

    Raises:
        UsageError: the range lies in the future.
        ConsoleError: the store cannot be read.
    """
    if wish.start_ns >= now_ns:
        raise UsageError(
            "the range lies in the future", f"from {iso_ns(wish.start_ns)[:19]}Z", hint="nothing is there yet"
        )
    return [_plan_of(wish, decide(symbol=symbol), symbol, facts, now_ns=now_ns) for symbol in wish.symbols]


def _plan_of(wish: Wish, decision: Decision, symbol: str, facts: Facts, *, now_ns: int) -> Planned:
    # What is not over would count as fetched, and be missing for ever: trades that are told late, a bar that grows.
    end_ns = min(wish.end_ns, now_ns - UNSETTLED_NS)
    end_ns -= end_ns % (wish.schema.interval_ns or 1)
    blank = Planned(
        symbol=symbol,
        decision=decision,
        schema=wish.schema,
        start_ns=wish.start_ns,
        end_ns=end_ns,
        clamped=("what is not over yet is left out",) if wish.end_ns > end_ns else (),
    )
    try:
        if end_ns <= wish.start_ns:
            since = f"{symbol} from {iso_ns(wish.start_ns)[:19]}Z"
            raise NotFoundError("nothing is over yet", since, hint="wait a while")
        return _of_route(blank, decision.chosen(), facts, simulated=wish.simulated)
    except ConsoleError as error:
        return attrs.evolve(blank, problem=error)


def _of_route(blank: Planned, route: Route, facts: Facts, *, simulated: bool) -> Planned:
    if not (blank.schema is Schema.TRADES or blank.schema.is_bars) and route.venue in PUBLISHERS:
        hint = "fetch trades or bars; quotes and books can only be streamed"
        raise UsageError(f"{route.venue} tells no {blank.schema} afterwards", blank.symbol, hint=hint)
    if blank.schema is Schema.BARS_1S and route.venue in PUBLISHERS:
        raise UsageError(
            f"{route.venue} tells no {blank.schema}", blank.symbol, hint="bars of 1m, 1h and 1d are told"
        )
    venue = route.venue if not simulated else f"{SIMULATED_PREFIX}{route.venue.removeprefix(SIMULATED_PREFIX)}"
    if simulated and venue not in PUBLISHERS:
        venue = f"{SIMULATED_PREFIX}DATABENTO"
    planned = attrs.evolve(blank, series=SeriesKey(venue, route.symbol, blank.schema), calendar=calendar_of(venue))
    return narrowed(planned, facts, start_ns=planned.start_ns, end_ns=planned.end_ns)


def narrowed(planned: Planned, facts: Facts, *, start_ns: int, end_ns: int, why: str = "") -> Planned:
    """The plan for less of the range, after a look at what is stored now."""
    assert planned.series is not None
    assert planned.calendar is not None
    start_ns, end_ns = max(planned.start_ns, start_ns), min(planned.end_ns, end_ns)
    known = facts(planned.series)
    left = wanted_spans(known, planned.calendar, start_ns, end_ns)
    return attrs.evolve(
        planned,
        start_ns=start_ns,
        end_ns=end_ns,
        clamped=(*planned.clamped, why) if why else planned.clamped,
        spans=subtract(left[left[:, 1] - left[:, 0] <= planned.longest_ns], planned.left_out),
        days=_days(planned.calendar, covered(known, start_ns, end_ns), left, start_ns=start_ns, end_ns=end_ns),
    )


def _days(calendar: Calendar, there: Spans, left: Spans, *, start_ns: int, end_ns: int) -> tuple[PlannedDay, ...]:
    first, end = start_ns // DAY_NS, -(-end_ns // DAY_NS)
    bounds = np.clip(np.arange(first, end + 1) * DAY_NS, start_ns, end_ns)
    spans = (calendar.open_spans(start_ns, end_ns), left, there)
    is_open, is_wanted, is_there = (measured_ns(each, bounds) > 0 for each in spans)
    states = np.select([~is_open, ~is_wanted, is_there], [CLOSED, STORED, PARTIAL], LEFT)
    return tuple(PlannedDay(day=day, state=state) for day, state in enumerate(states.tolist(), start=first))


def with_conditions(planned: Planned, conditions: Mapping[str, str]) -> Planned:
    """The plan with what the venue says of each day, by its date."""
    days = [attrs.evolve(day, condition=conditions.get(utc_day(day.day * DAY_NS))) for day in planned.days]
    return attrs.evolve(planned, days=tuple(days))


def without_pending(planned: Planned) -> Planned:
    """The plan without the days that the venue has not finished yet: what came of them later would be missed."""
    pending = spans_of(
        [(day.day * DAY_NS, (day.day + 1) * DAY_NS) for day in planned.days if day.condition == PENDING]
    )
    if not len(intersect(planned.spans, pending)):
        return planned
    why = (*planned.clamped, "days that the venue has not finished are left out")
    return attrs.evolve(planned, spans=subtract(planned.spans, pending), left_out=pending, clamped=why)


def without_longer(planned: Planned, longest_ns: int) -> Planned:
    """The plan without pieces that are longer, now and when it is looked at again."""
    spans = planned.spans[planned.spans[:, 1] - planned.spans[:, 0] <= longest_ns]
    return attrs.evolve(planned, spans=spans, longest_ns=longest_ns)


def total_price(plans: Sequence[Planned]) -> Price | None:
    """All of it together; None unless everything has a price."""
    prices = [planned.price for planned in plans if planned.problem is None]
    known = [price for price in prices if price is not None]
    if len(known) < len(prices) or not known:
        return None
    return Price(
        usd=sum((price.usd for price in known), Decimal(0)),
        records=_sum([price.records for price in known]),
        size_bytes=_sum([price.size_bytes for price in known]),
        bought=all(price.bought for price in known),
    )


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
