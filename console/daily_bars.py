"""Asks venues for their daily bars of what is stored. Nothing is bought."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, cast

import attrs
import numpy as np
import trio

from console.batch.loops import run_quietly
from console.plan import LIVE_PROVIDERS, FeedPlan
from console.venues import fetch_catalogue, find_endpoints
from console.wiring import make_provider, provider_infos
from core.bars.candles import NO_BARS
from core.bars.timeframes import Timeframe
from core.clock import DAY_NS, wall_ns
from core.errors import ConsoleError, NotFoundError, PermanentError, single_error
from core.model.publishers import SIMULATED_PREFIX
from core.model.spans import NO_SPANS, spans_of
from core.store.reconcile import ToldDays
from core.store.repository import SeriesKey

if TYPE_CHECKING:
    from config.schema import Settings
    from core.model.instruments import Instrument
    from providers.base import BarPage, Historical

Note = Callable[[str, float], None]
"""Is told what is being done, and which part of it is done, 0 to 1."""


@attrs.frozen(kw_only=True)
class Question:
    """A series to be compared: it has trades on `days` since the epoch, ascending, of which those in
    [`first_day`, `end_day`) are compared, with what lies between them."""

    series: SeriesKey
    days: tuple[int, ...]
    first_day: int
    end_day: int


@attrs.frozen(kw_only=True, eq=False)
class Told:
    """What a venue answered; `why` is what to say of days of which it tells nothing."""

    days: ToldDays
    why: str


Answers = Mapping[SeriesKey, Told | ConsoleError]


def ask_venues(asked: Sequence[Question], settings: Settings, *, simulated: bool, note: Note) -> Answers:
    """What the venues say of each series that has one: a venue that cannot be asked answers with its error for each
    series that is left. Datasets, whose answers cost money, are not among them. Blocks, for minutes where many are
    asked.

    Raises:
        KeyboardInterrupt: it was left.
    """
    venues: defaultdict[str, list[Question]] = defaultdict(list)
    for question in asked:
        venues[question.series.venue].append(question)
    answers: dict[SeriesKey, Told | ConsoleError] = {}
    plans = _plans(settings, simulated=simulated)
    known = {venue: each for venue, each in sorted(venues.items()) if venue in plans}
    total = sum(len(each) for each in known.values())
    for venue, each in known.items():

        def step(venue: str = venue) -> None:
            note(f"asking {venue}", len(answers) / total)

        try:
            run_quietly(partial(_ask, plans[venue], each, answers, step))
        except ConsoleError as error:
            answers.update({question.series: error for question in each if question.series not in answers})
    return answers


def _plans(settings: Settings, *, simulated: bool) -> dict[str, FeedPlan]:
    # How to reach each venue that tells its history, by its name.
    plans: dict[str, FeedPlan] = {}
    for provider, info in zip(LIVE_PROVIDERS, provider_infos(), strict=True):
        if not (info.venue and info.has_history):
            continue
        address = getattr(settings.venues, provider)
        plan = FeedPlan(provider=provider, simulated=simulated)
        if simulated:
            plans[SIMULATED_PREFIX + info.venue] = plan
            continue
        plans[info.venue] = attrs.evolve(plan, stream_url=address.stream_url, rest_url=address.rest_url)
        if info.demo_venue:
            plans[info.demo_venue] = attrs.evolve(plan, demo=True)
    return plans


async def _ask(
    plan: FeedPlan,
    asked: Sequence[Question],
    answers: dict[SeriesKey, Told | ConsoleError],
    step: Callable[[], None],
) -> None:
    # A series of which the venue wants to know nothing does not keep the others from being asked for; a venue that
    # does not answer is not asked again.
    catalogue = await fetch_catalogue(plan)
    with single_error():
        async with trio.open_nursery() as nursery:
            endpoints, _ = await find_endpoints(plan, nursery)
            history = make_provider(plan, endpoints).history()
            if history is None:
                raise NotFoundError("no history", plan.provider)
            for question in asked:
                step()
                try:
                    instrument = catalogue.resolve(question.series.symbol)
                    answers[question.series] = await _told(history, instrument, question)
                except NotFoundError as error:
                    answers[question.series] = Told(days=ToldDays(bars=NO_BARS, known=NO_SPANS), why=str(error))
                except PermanentError as error:
                    answers[question.series] = error
            nursery.cancel_scope.cancel()


async def _told(history: Historical, instrument: Instrument, question: Question) -> Told:
    start_ns, end_ns = question.first_day * DAY_NS, question.end_day * DAY_NS
    parts, rejected = [NO_BARS], 0
    asked = history.bars(instrument, Timeframe.DAY, start_ns=start_ns, end_ns=end_ns)
    async with aclosing(cast("AsyncGenerator[BarPage, None]", asked)) as pages:
        async for page in pages:
            parts.append(page.bars)
            rejected += page.rejected
    bars = np.concatenate(parts)
    if rejected:
        return Told(days=ToldDays(bars=bars, known=NO_SPANS), why=f"{rejected:,} of the venue's bars cannot be read")
    told = set((bars["ts_event"] // DAY_NS).tolist())
    # What there is to be asked for takes one question more: only where a day has no bar.
    if told.issuperset(range(question.first_day, question.end_day)):
        return Told(days=ToldDays(bars=bars, known=spans_of([(start_ns, end_ns)])), why="")
    most = (await history.availability(instrument)).bars_at_most
    # One of them is the day that is not over.
    oldest_ns = 0 if most is None else (wall_ns() // DAY_NS - most + 1) * DAY_NS
    known = spans_of([(max(start_ns, oldest_ns), end_ns)])
    return Told(days=ToldDays(bars=bars, known=known), why=f"the venue tells its newest {most} daily bars")
