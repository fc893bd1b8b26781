"""Compares what is stored with what venues say of it, series by series. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs
import numpy as np

from console.daily_bars import Note, Question, Told
from core.bars.candles import NO_BARS
from core.bars.timeframes import Timeframe
from core.clock import DAY_NS, utc_day
from core.errors import ConfigurationError, NotFoundError, PermanentError, UsageError
from core.model.publishers import SIMULATED_PREFIX
from core.model.records import Schema
from core.model.spans import spans_of
from core.store.coverage import SeriesFacts, covered
from core.store.reconcile import Reconciled, StoredDays, ToldDays, candles_of, reconcile
from core.store.repository import SeriesKey, TickReader
from core.store.verify import ERROR, INFO, Finding

FOREVER_NS: Final = 2**63 - 1
Facts = Callable[[SeriesKey], SeriesFacts]
"""What is known of what is stored of a series."""


@attrs.frozen(kw_only=True)
class Choice:
    """Which series, by venue and symbol in any case (empty: all), and which days: those that lie wholly in
    [`start_ns`, `end_ns`). With `simulated` those of simulated venues, else those of all others."""

    venue: str = ""
    symbol: str = ""
    start_ns: int = 0
    end_ns: int = FOREVER_NS
    simulated: bool = False


@attrs.frozen(kw_only=True)
class Chosen:
    """What is to be compared; of `unfinished` series no day of the time is over, and `other_kind` are those whose
    venues are simulated when others are asked, or the other way round. `damaged` is what cannot be."""

    questions: tuple[Question, ...]
    damaged: tuple[Finding, ...]
    unfinished: tuple[SeriesKey, ...]
    other_kind: tuple[SeriesKey, ...]


def choose(reader: TickReader, choice: Choice, *, now_ns: int) -> Chosen:
    """What is to be compared of what is stored.

    Raises:
        NotFoundError: no trades are stored of what is chosen.
        UsageError: the time has no whole day that is over, or a venue was named that is of the other kind.
        ConsoleError: the store cannot be read.
    """
    first_day, end_day = -(-choice.start_ns // DAY_NS), min(choice.end_ns, now_ns) // DAY_NS
    if first_day >= end_day:
        raise UsageError("nothing to compare", "no whole UTC day that is over lies in this time")
    stored = [series for series in reader.series() if series.schema is Schema.TRADES]
    chosen = [series for series in stored if _is_chosen(series, choice)]
    if not chosen:
        raise _not_stored(stored, choice)
    asked = [series for series in chosen if _is_simulated(series) == choice.simulated]
    if choice.venue and not asked:
        hint = "leave --simulated out" if choice.simulated else "add --simulated"
        raise UsageError("another kind of venue", chosen[0].venue, hint=hint)
    found = [_question(reader, series, first_day, end_day) for series in asked]
    questions = [each for each in found if isinstance(each, Question)]
    return Chosen(
        questions=tuple(each for each in questions if each.first_day < each.end_day),
        damaged=tuple(each for each in found if isinstance(each, Finding)),
        unfinished=tuple(each.series for each in questions if each.first_day >= each.end_day),
        other_kind=tuple(series for series in chosen if series not in asked),
    )


def _is_chosen(series: SeriesKey, choice: Choice) -> bool:
    return choice.venue.upper() in ("", series.venue.upper()) and choice.symbol.upper() in ("", series.symbol.upper())


def _is_simulated(series: SeriesKey) -> bool:
    return series.venue.startswith(SIMULATED_PREFIX)


def _not_stored(stored: Sequence[SeriesKey], choice: Choice) -> NotFoundError:
    if not stored:
        return NotFoundError(
            "nothing to compare", "no trades are stored", hint="stream with --persist, or fetch some"
        )
    wanted = f"{choice.symbol[:80] or 'any symbol'} on {choice.venue[:80] or 'any venue'}"
    venues = ", ".join(sorted({series.venue for series in stored})[:8])
    return NotFoundError(
        "nothing to compare", f"no trades of {wanted} are stored", hint=f"there are some of {venues}"
    )


def _question(reader: TickReader, series: SeriesKey, first_day: int, end_day: int) -> Question | Finding:
    try:
        days = reader.days(series)
    except PermanentError as error:
        return _damaged(series, error)
    if days:
        first_day, end_day = max(first_day, days[0]), min(end_day, days[-1] + 1)
    return Question(series=series, days=tuple(days), first_day=first_day, end_day=end_day if days else first_day)


def _damaged(series: SeriesKey, error: PermanentError) -> Finding:
    return Finding(severity=ERROR, series=series, day=None, code="damaged", message=str(error))


def compare(reader: TickReader, question: Question, told: Told | None, facts: Facts, *, note: Note) -> Reconciled:
    """The stored days of a series against what was told of them, or, when that is None, against its daily bars that
    are stored; the findings end with what could not be compared.

    Raises:
        ConsoleError: the store cannot be read; of a damaged file that is a finding (`damaged`).
    """
    series = question.series
    try:
        if told is None:
            told = _bought(reader, series, facts)
        result = reconcile(_stored(reader, question, facts, note), told.days)
    except ConfigurationError:  # that is no matter of one series
        raise
    except PermanentError as error:
        return Reconciled(findings=(_damaged(series, error),), days=0, agree=0, untold=())
    return attrs.evolve(result, findings=(*result.findings, *_untold(series, result.untold, told.why)))


def _bought(reader: TickReader, series: SeriesKey, facts: Facts) -> Told:
    # Of other days without a bar nothing is known: nobody may have fetched them.
    bars = attrs.evolve(series, schema=Schema.BARS_1D)
    known = spans_of((each.start_ns, each.end_ns) for each in facts(bars).fetched)
    why = f"no daily bars of that are stored; buy them with: fetch --schema {Schema.BARS_1D}"
    return Told(days=ToldDays(bars=candles_of(reader.read(bars, 0, FOREVER_NS)), known=known), why=why)


def _stored(reader: TickReader, question: Question, facts: Facts, note: Note) -> StoredDays:
    series, first_day, end_day = question.series, question.first_day, question.end_day
    days = [day for day in question.days if first_day <= day < end_day]
    parts = [NO_BARS]
    for number, day in enumerate(days):
        # A day at a time: all of them may be more than the memory holds.
        note(f"reading {series.symbol} on {series.venue}", number / len(days))
        parts.append(Timeframe.DAY.bars(reader.read(series, day * DAY_NS, (day + 1) * DAY_NS)))
    known = facts(series)
    return StoredDays(
        series=series,
        first_day=first_day,
        end_day=end_day,
        bars=np.concatenate(parts),
        covered=covered(known, first_day * DAY_NS, end_day * DAY_NS),
        gaps=known.gaps,
    )


def _untold(series: SeriesKey, days: Sequence[int], why: str) -> list[Finding]:
    if not days:
        return []
    first, last = utc_day(days[0] * DAY_NS), utc_day(days[-1] * DAY_NS)
    span = first if len(days) == 1 else f"{len(days):,} days from {first} to {last}"
    return [
        Finding(
            severity=INFO,
            series=series,
            day=days[0],
            code="venue_not_told",
            message=f"not compared: {span}: {why}",
            count=len(days),
        )
    ]
