"""Compares the days of trades that a store holds with their venue's own daily bars, and says where they differ. Pure.

What is missing is an error unless something is recorded that excuses it; what the venue does not have always is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import attrs
import numpy as np

from core.bars.candles import CANDLE
from core.clock import DAY_NS, iso_ns
from core.model.fixedpoint import MAX_QUANTITY_E8, OWN_PUBLISHERS, PRICE_DECIMALS, QUANTITY_DECIMALS, QUANTITY_SCALE
from core.model.records import Records
from core.model.spans import Spans, clip, intersect, spans_of, subtract, total_ns, union
from core.store.columns import exact
from core.store.repository import Gap, SeriesKey
from core.store.verify import ERROR, WARNING, Finding, Severity

_PRICES: Final = ("open", "high", "low", "close")
_MOST_NAMED: Final = 3


@attrs.frozen(kw_only=True, eq=False)
class StoredDays:
    """The trades of `series` on the days since the epoch [`first_day`, `end_day`): their daily bars, as `CANDLE`.

    What is `covered` was stored or fetched in full, whatever else is recorded. `gaps` are those recorded of it.
    """

    series: SeriesKey
    first_day: int
    end_day: int
    bars: Records
    covered: Spans
    gaps: tuple[Gap, ...] = ()


@attrs.frozen(kw_only=True, eq=False)
class ToldDays:
    """The venue's daily bars, as `CANDLE`; `trades` is 0 where it does not count them. A day without one had no
    trades if it lies in `known`; of other days nothing is known."""

    bars: Records
    known: Spans


@attrs.frozen(kw_only=True)
class Reconciled:
    """What came of it: so many `days` were compared, `agree` of them are equal; `untold` days are stored, and the
    venue says nothing of them."""

    findings: tuple[Finding, ...]
    days: int
    agree: int
    untold: tuple[int, ...]


class _Bar(NamedTuple):
    # The order of `CANDLE`.
    ts_event: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int


def reconcile(stored: StoredDays, told: ToldDays) -> Reconciled:
    """Compare day by day; the findings are in the order of their days.

    Codes: `venue_count`, `venue_volume`, `venue_price`, `venue_missing_day` (only the venue has the day) and
    `venue_no_bar` (only the store has it). A volume that is at the end of its range is not compared. Prices are
    compared where the same trades were counted, or nothing else could be.
    """
    ours, theirs = _by_day(stored.bars), _by_day(told.bars)
    excuses = _Excuses(stored)
    findings: list[Finding] = []
    untold: list[int] = []
    days = agree = 0
    for day in range(stored.first_day, stored.end_day):
        mine, its = ours.get(day), theirs.get(day)
        if its is None and not _lies_in(day, told.known):
            untold += [day] if mine is not None else []
            continue
        if mine is None and its is None:
            continue
        found = list(_compared(_Day(stored.series, day, excuses), mine, its))
        findings += found
        days += 1
        agree += not found
    return Reconciled(findings=tuple(findings), days=days, agree=agree, untold=tuple(untold))


def candles_of(bars: Records) -> Records:
    """`OHLCV` records as `CANDLE` records, whose trades nobody counted: their number is 0."""
    made = np.zeros(len(bars), CANDLE)
    for name in ("ts_event", *_PRICES):
        made[name] = bars[name]
    # Others' publishers count whole units. A volume beyond our range is at its end.
    scale = np.where(bars["publisher_id"] >= OWN_PUBLISHERS, 1, QUANTITY_SCALE).astype(np.uint64)
    most = np.uint64(MAX_QUANTITY_E8)
    made["volume"] = np.where(bars["volume"] > most // scale, most, np.minimum(bars["volume"], most // scale) * scale)
    return made


def _by_day(bars: Records) -> dict[int, _Bar]:
    return {bar.ts_event // DAY_NS: bar for bar in map(_Bar._make, bars.tolist())}


def _lies_in(day: int, spans: Spans) -> bool:
    return total_ns(clip(spans, day * DAY_NS, (day + 1) * DAY_NS)) == DAY_NS


class _Excuses:
    # What is recorded that makes it no surprise when trades of a day are missing.

    def __init__(self, stored: StoredDays) -> None:
        self._gaps = [gap for gap in stored.gaps if not gap.whole]
        self._open = subtract(spans_of([(stored.first_day * DAY_NS, stored.end_day * DAY_NS)]), stored.covered)

    def of(self, day: int, *, missing: int) -> list[str]:
        """What there is, in words, of a day that lacks so many trades; 0 when nobody knows how many."""
        lacking = clip(self._open, day * DAY_NS, (day + 1) * DAY_NS)
        if not len(lacking):
            return []
        spans = [spans_of([(gap.start_ns, gap.end_ns + 1)]) for gap in self._gaps]
        near = [at for at, span in enumerate(spans) if len(intersect(span, lacking))]
        said = _said_of([self._gaps[at] for at in near], missing)
        left = subtract(lacking, union(*(spans[at] for at in near)))
        if total_ns(left) == DAY_NS:
            return [*said, "nothing was stored or fetched"]
        times = [f"{_time(start_ns)} to {_time(end_ns)}" for start_ns, end_ns in (left - day * DAY_NS).tolist()]
        if times:
            more = f" and {len(times) - _MOST_NAMED:,} times more" if len(times) > _MOST_NAMED else ""
            said.append(f"nothing was stored or fetched from {', '.join(times[:_MOST_NAMED])} UTC{more}")
        return said


def _time(of_day_ns: int) -> str:
    return iso_ns(of_day_ns)[11:19] if of_day_ns < DAY_NS else "24:00:00"


def _said_of(gaps: list[Gap], missing: int) -> list[str]:
    if not gaps:
        return []
    causes = sorted({gap.cause for gap in gaps})
    named = ", ".join(causes) if len(causes) <= _MOST_NAMED else f"{len(causes)} causes"
    holes = "a hole is recorded" if len(gaps) == 1 else f"{len(gaps):,} holes are recorded"
    if not all(gap.rows for gap in gaps):
        return [f"{holes} ({named}), of a size that nobody knows"]
    known = sum(gap.rows for gap in gaps)
    told = f"{holes} ({named}) of {_trades(known)}"
    if not missing:
        return [told]
    left = f"does not explain {missing - known:,} of them" if known < missing else "explains it"
    return [f"{told}, which {left}"]


@attrs.frozen
class _Day:
    series: SeriesKey
    day: int
    excuses: _Excuses

    def finding(self, code: str, message: str, *, severity: Severity = ERROR, count: int = 1) -> Finding:
        return Finding(
            severity=severity, series=self.series, day=self.day, code=code, message=message, count=max(count, 1)
        )

    def lacking(self, code: str, message: str, *, missing: int = 0) -> Finding:
        # Trades are missing, 0 for nobody knows how many.
        said = self.excuses.of(self.day, missing=missing)
        text = "; ".join((message, *said))
        return self.finding(code, text, severity=WARNING if said else ERROR, count=missing)


def _compared(day: _Day, mine: _Bar | None, its: _Bar | None) -> Iterator[Finding]:
    if mine is None or its is None:
        yield _alone(day, mine, its)
        return
    counted = its.trades > 0
    if counted and its.trades != mine.trades:
        yield _count(day, mine.trades, its.trades)
        return  # what else differs follows from it
    measured = max(mine.volume, its.volume) < MAX_QUANTITY_E8
    if measured and mine.volume != its.volume:
        yield _volume(day, mine.volume, its.volume, excused=not counted)
        if not counted:
            return
    yield from _prices(day, mine, its, excused=not (counted or measured))


def _alone(day: _Day, mine: _Bar | None, its: _Bar | None) -> Finding:
    if mine is not None:
        message = f"{_trades(mine.trades)} here, the venue has no bar of the day"
        return day.finding("venue_no_bar", message, count=mine.trades)
    assert its is not None
    traded = _trades(its.trades) if its.trades else f"a volume of {exact(its.volume, QUANTITY_DECIMALS)}"
    return day.lacking("venue_missing_day", f"no trades here, {traded} at the venue", missing=its.trades)


def _count(day: _Day, mine: int, its: int) -> Finding:
    verb = "is" if abs(its - mine) == 1 else "are"
    message = f"{_trades(mine)} here, {its:,} at the venue: {abs(its - mine):,} {verb}"
    if mine > its:
        return day.finding("venue_count", f"{message} too many", count=mine - its)
    return day.lacking("venue_count", f"{message} missing", missing=its - mine)


def _volume(day: _Day, mine: int, its: int, *, excused: bool) -> Finding:
    texts = [exact(volume, QUANTITY_DECIMALS) for volume in (mine, its, abs(its - mine))]
    message = f"a volume of {texts[0]} here, {texts[1]} at the venue: {texts[2]}"
    if mine < its and excused:
        return day.lacking("venue_volume", f"{message} is missing")
    return day.finding("venue_volume", f"{message} is {'too much' if mine > its else 'missing'}")


def _prices(day: _Day, mine: _Bar, its: _Bar, *, excused: bool) -> Iterator[Finding]:
    differ = [
        (name, one, other) for name, one, other in zip(_PRICES, mine[1:5], its[1:5], strict=True) if one != other
    ]
    if not differ:
        return
    texts = [
        f"{name} {exact(one, PRICE_DECIMALS)} here, {exact(other, PRICE_DECIMALS)} at the venue: "
        f"{exact(abs(one - other), PRICE_DECIMALS)} {'more' if one > other else 'less'}"
        for name, one, other in differ
    ]
    message = "; ".join(texts)
    yield day.lacking("venue_price", message) if excused else day.finding("venue_price", message, count=len(differ))


def _trades(count: int) -> str:
    return f"{count:,} trade{'' if count == 1 else 's'}"
