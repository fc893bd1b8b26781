"""What of a series is there and what is not, and why: from what is stored, what was fetched, which gaps are recorded
and when the market is open. Pure.

What was fetched is there, whether anything happened in it or not, and so is what was followed live, but for its open
gaps. `docs/coverage.md` says what follows from that.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.clock import DAY_NS
from core.model.records import Records
from core.model.sessions import ALWAYS, Calendar, calendar_of
from core.model.spans import NO_SPANS, Spans, clip, intersect, measured_ns, spans_of, subtract, union
from core.store.coverage_live import Instants, followed, overlaps
from core.store.fetched import BEGUN, BOUGHT, Fetched
from core.store.repository import DAMAGED_FILE, MISSED, NOT_STORED, NOT_STREAMED, Gap, SeriesKey

DAYS: Final = np.dtype([("day", "<i8"), ("rows", "<i8"), ("first_ns", "<i8"), ("last_ns", "<i8")])
"""What lies in one UTC day of a series, its number since the epoch; the lowest and the highest `ts_event`."""
NO_DAYS: Final[Records] = np.empty(0, DAYS)


class Kind(enum.StrEnum):
    """What is known of a stretch: how it came here, or why it did not."""

    LIVE = "live"
    BOUGHT = "bought"
    RECOVERED = "recovered"
    CLOSED = "market closed"
    NEVER = "never subscribed"
    DISCONNECT = "disconnect"
    MAINTENANCE = "venue maintenance"
    LOST = "lost"


HOLES: Final = frozenset({Kind.NEVER, Kind.DISCONNECT, Kind.MAINTENANCE, Kind.LOST})
_OF_CAUSES: Final = {NOT_STREAMED: Kind.NEVER, NOT_STORED: Kind.LOST, DAMAGED_FILE: Kind.LOST, MISSED: Kind.LOST}

STORED: Final = "stored"
PARTIAL: Final = "partial"
MISSING: Final = "missing"
SHUT: Final = "closed"
FUTURE: Final = "future"

NOT_LIVE: Final = "not followed live, and not in what was fetched"
LATEST_NS: Final = 2**62
QUIET_DAYS: Final = 7
"""So many days without a record weekends and holidays make up."""

GRID: Final = "-.p#cbg"
"""A sign a code of `day_grid`: outside or in the future, missing, partial, stored, closed, fetched in full, lost."""
OUTSIDE, GRID_MISSING, GRID_PARTIAL, GRID_STORED, GRID_CLOSED, GRID_FETCHED, GRID_LOST = range(len(GRID))
_STATES: Final = (FUTURE, MISSING, PARTIAL, STORED, SHUT)


@attrs.frozen(kw_only=True)
class SeriesFacts:
    """What is known of a series: `days` with records, as `DAYS`, ascending; where records lie that were not fetched,
    as `live_extents` says; the gaps recorded, and what was fetched."""

    series: SeriesKey
    days: Records = attrs.field(default=NO_DAYS, eq=False)
    live: Spans = attrs.field(default=NO_SPANS, eq=False)
    gaps: tuple[Gap, ...] = ()
    fetched: tuple[Fetched, ...] = ()


@attrs.frozen(kw_only=True)
class Stretch:
    """[`start_ns`, `end_ns`) of a series. `missing` records are known not to be there, None when nobody knows how
    many."""

    start_ns: int
    end_ns: int
    kind: Kind
    missing: int | None = 0
    detail: str = ""


@attrs.frozen(kw_only=True)
class DayCoverage:
    """A UTC day of a series, whose `state` is STORED, PARTIAL, MISSING, SHUT or FUTURE."""

    day: int
    rows: int
    first_ns: int
    last_ns: int
    state: str
    stretches: tuple[Stretch, ...]


def covered(facts: SeriesFacts, start_ns: int, end_ns: int) -> Spans:
    """What of a range is there: fetched, or followed live without a gap."""
    return clip(union(spans_fetched(facts.fetched), _live(facts)), start_ns, end_ns)


def not_live(facts: SeriesFacts) -> list[Gap]:
    """Whenever a series was not followed live, as gaps: ids that are missing there were not in what was fetched, or
    were never asked for."""
    left = subtract(spans_of([(1, LATEST_NS)]), _live(facts))
    return [
        Gap(series=facts.series, start_ns=start_ns - 1, end_ns=end_ns, rows=0, cause=NOT_LIVE)
        for start_ns, end_ns in left.tolist()
    ]


def wanted_spans(facts: SeriesFacts, calendar: Calendar, start_ns: int, end_ns: int) -> Spans:
    """What of a range is left to fetch: all that is not covered, but for pieces in which the market was closed
    throughout."""
    left = subtract(spans_of([(start_ns, end_ns)]), covered(facts, start_ns, end_ns))
    return left[overlaps(left, calendar.open_spans(start_ns, end_ns))]


def stretches(facts: SeriesFacts, calendar: Calendar, start_ns: int, end_ns: int, *, now_ns: int) -> list[Stretch]:
    """The range, as far as it is over, in stretches that follow one another, no two neighbours alike."""
    end_ns = min(end_ns, now_ns)
    if end_ns <= start_ns:
        return []
    told = spans_fetched(facts.fetched)
    layers = _layers(facts, calendar, told, spans_of([(start_ns, end_ns)]), now_ns)
    bounds = np.clip(np.concatenate([spans for spans, _ in layers]), start_ns, end_ns)
    edges = np.unique(np.append(bounds.reshape(-1), [start_ns, end_ns]))
    places = np.searchsorted(edges, bounds).tolist()
    numbers = np.repeat(np.arange(len(layers)), [len(spans) for spans, _ in layers]).tolist()
    which = np.full(len(edges) - 1, -1)
    for (begin, over), number in zip(places, numbers, strict=True):
        which[begin:over] = number
    # Of a gap that was fetched in part, or that begins before the range, nobody knows how much is missing here.
    unsure = {
        number
        for number, (spans, _) in enumerate(layers)
        if len(spans) == 1 and (spans[0, 0] < start_ns or len(intersect(spans, told)))
    }
    return _joined(edges.tolist(), which.tolist(), [named for _, named in layers], unsure)


_Named = tuple[Kind, int | None, str]
_Layer = tuple[Spans, _Named]


def _joined(edges: list[int], which: list[int], named: list[_Named], unsure: set[int]) -> list[Stretch]:
    found: list[Stretch] = []
    before: int | None = None
    for begin, over, number in zip(edges[:-1], edges[1:], which, strict=True):
        kind, missing, detail = named[number] if number >= 0 else (Kind.NEVER, None, "")
        if number in unsure and missing:
            missing = None
        last = found[-1] if found else None
        if last is not None and number == before:
            found[-1] = attrs.evolve(last, end_ns=over)
        elif last is not None and (last.kind, last.detail) == (kind, detail):
            both = None if last.missing is None or missing is None else last.missing + missing
            found[-1] = attrs.evolve(last, end_ns=over, missing=both)
        else:
            found.append(Stretch(start_ns=begin, end_ns=over, kind=kind, missing=missing, detail=detail))
        unsure.add(number)  # what is missing of a gap is counted where it begins
        before = number
    return found


def _layers(facts: SeriesFacts, calendar: Calendar, told: Spans, whole: Spans, now_ns: int) -> list[_Layer]:
    # Each hides those before it where it lies.
    start_ns, end_ns = int(whole[0, 0]), int(whole[0, 1])
    gaps = [(spans_of([_bounds(gap)]), gap) for gap in facts.gaps]
    gaps = [(spans, gap) for spans, gap in gaps if spans[0, 0] < end_ns and spans[0, 1] > start_ns]
    layers: list[_Layer] = [
        (spans, (_kind_of(gap), gap.rows or None, gap.explanation)) for spans, gap in gaps if not gap.whole
    ]
    layers.append((subtract(whole, calendar.open_spans(start_ns, end_ns)), (Kind.CLOSED, 0, calendar.title)))
    live = _live(facts, now_ns=now_ns)
    layers.append((clip(live, start_ns, end_ns), (Kind.LIVE, 0, "")))
    layers += [(intersect(spans, live), (Kind.RECOVERED, 0, gap.explanation)) for spans, gap in gaps if gap.whole]
    bought = spans_fetched([one for one in facts.fetched if one.source == BOUGHT])
    layers.append((clip(told, start_ns, end_ns), (Kind.RECOVERED, 0, "")))
    layers.append((clip(bought, start_ns, end_ns), (Kind.BOUGHT, 0, "")))
    return layers


def day_coverage(
    facts: SeriesFacts, calendar: Calendar, first_day: int, end_day: int, *, now_ns: int
) -> list[DayCoverage]:
    """Each UTC day from `first_day` to `end_day`, exclusive."""
    if end_day <= first_day:
        return []
    told = stretches(facts, calendar, first_day * DAY_NS, end_day * DAY_NS, now_ns=now_ns)
    over = _day_bounds(first_day, end_day, now_ns)
    is_open = calendar.open_spans(int(over[0]), int(over[-1]))
    codes = _codes(facts, is_open, measured_ns(is_open, over), over, now_ns=now_ns)
    rows = {int(row["day"]): row for row in facts.days}
    found, at = [], 0
    for day in range(first_day, end_day):
        while at < len(told) and told[at].end_ns <= day * DAY_NS:
            at += 1
        row = rows.get(day)
        found.append(
            DayCoverage(
                day=day,
                rows=0 if row is None else int(row["rows"]),
                first_ns=0 if row is None else int(row["first_ns"]),
                last_ns=0 if row is None else int(row["last_ns"]),
                state=_STATES[codes[day - first_day]],
                stretches=_within_day(told, at, day),
            )
        )
    return found


def _within_day(told: Sequence[Stretch], at: int, day: int) -> tuple[Stretch, ...]:
    # Those from number `at` on, as far as they lie in the day. How much is missing of a part of one is not known.
    parts = []
    begin_ns, over_ns = day * DAY_NS, (day + 1) * DAY_NS
    while at < len(told) and told[at].start_ns < over_ns:
        one = told[at]
        start_ns, end_ns = max(one.start_ns, begin_ns), min(one.end_ns, over_ns)
        if (start_ns, end_ns) != (one.start_ns, one.end_ns):
            one = attrs.evolve(one, start_ns=start_ns, end_ns=end_ns, missing=None if one.missing else one.missing)
        parts.append(one)
        at += 1
    return tuple(parts)


def day_grid(facts: Sequence[SeriesFacts], first_day: int, end_day: int, *, now_ns: int) -> NDArray[np.uint8]:
    """The codes of `GRID` for each series and day from `first_day` to `end_day`, exclusive: shape (series, days)."""
    grid = np.zeros((len(facts), max(end_day - first_day, 0)), np.uint8)
    if not grid.size:
        return grid
    over = _day_bounds(first_day, end_day, now_ns)
    opened: dict[str, tuple[Spans, Instants]] = {}
    for number, one in enumerate(facts):
        calendar = calendar_of(one.series.venue)
        if calendar.name not in opened:
            spans = calendar.open_spans(int(over[0]), int(over[-1]))
            opened[calendar.name] = spans, measured_ns(spans, over)
        is_open, open_ns = opened[calendar.name]
        codes = _codes(one, is_open, open_ns, over, now_ns=now_ns)
        grid[number] = _with_causes(codes, one, is_open, open_ns, over)
    return grid


def _day_bounds(first_day: int, end_day: int, now_ns: int) -> Instants:
    # Where days begin and end, as far as they are over.
    return np.minimum(np.arange(first_day, end_day + 1, dtype=np.int64) * DAY_NS, now_ns)


def _codes(
    facts: SeriesFacts, is_open: Spans, open_ns: Instants, over: Instants, *, now_ns: int
) -> NDArray[np.uint8]:
    # The state of each day, as its place in `_STATES`: how much of the time in which the market was open is there.
    there = union(spans_fetched(facts.fetched), _live(facts, now_ns=now_ns))
    left_ns = open_ns - measured_ns(intersect(is_open, there), over)
    filled = np.zeros(len(open_ns), np.bool_)
    day = facts.days["day"] - int(over[0] // DAY_NS)
    filled[day[(day >= 0) & (day < len(filled))]] = True
    codes = np.full(len(open_ns), GRID_PARTIAL, np.uint8)
    codes[(left_ns == open_ns) & ~filled] = GRID_MISSING
    codes[left_ns == 0] = GRID_STORED
    codes[(open_ns == 0) & ~filled] = GRID_CLOSED
    codes[over[:-1] >= now_ns] = OUTSIDE
    return codes


def _with_causes(
    codes: NDArray[np.uint8], facts: SeriesFacts, is_open: Spans, open_ns: Instants, over: Instants
) -> NDArray[np.uint8]:
    # Which days were fetched in full, and in which of the others a loss is known.
    told = spans_fetched(facts.fetched)
    if len(told):
        told_ns = measured_ns(intersect(is_open, told), over)
        codes[(codes == GRID_STORED) & (open_ns > 0) & (told_ns == open_ns)] = GRID_FETCHED
    lost = spans_of(_bounds_of([gap for gap in facts.gaps if _is_loss(gap)]))
    if len(lost):
        lost_ns = measured_ns(subtract(intersect(is_open, lost), told), over)
        codes[((codes == GRID_PARTIAL) | (codes == GRID_MISSING)) & (lost_ns > 0)] = GRID_LOST
    return codes


def _live(facts: SeriesFacts, *, now_ns: int | None = None) -> Spans:
    told = spans_touched(facts.fetched)
    gaps = _bounds_of(facts.gaps)
    whole = [gap.whole for gap in facts.gaps]
    # Where trading never stops a day without a record is one that nobody can vouch for.
    quiet_days = 0 if calendar_of(facts.series.venue) is ALWAYS else QUIET_DAYS
    found = followed(facts.series.schema, facts.live, told=told, gaps=gaps, quiet_days=quiet_days, now_ns=now_ns)
    return subtract(found, spans_of(gaps[~np.array(whole, np.bool_)]))


def _bounds_of(gaps: Sequence[Gap]) -> Spans:
    return np.array([_bounds(gap) for gap in gaps], np.int64).reshape(-1, 2)


def _bounds(gap: Gap) -> tuple[int, int]:
    # Of one instant there may be many trades, and so some may be missing of those at the end of a gap too; of a file
    # that was damaged the end lies behind them. Of one that has no beginning its end is known alone.
    start_ns = gap.start_ns or gap.end_ns
    return start_ns, max(gap.end_ns + (gap.cause != DAMAGED_FILE), start_ns + 1)


def _kind_of(gap: Gap) -> Kind:
    known = _OF_CAUSES.get(gap.cause)
    if known is not None:
        return known
    return Kind.MAINTENANCE if "maintenance" in gap.explanation.lower() else Kind.DISCONNECT


def _is_loss(gap: Gap) -> bool:
    # Whether it is known that something came and is not there, and not only that nobody was there.
    kind = _kind_of(gap)
    return not gap.whole and (kind is Kind.LOST or (kind is not Kind.NEVER and gap.rows > 0))


def spans_fetched(fetched: Sequence[Fetched]) -> Spans:
    """The time that was fetched to the end."""
    return spans_of([(one.start_ns, one.end_ns) for one in fetched if one.source != BEGUN])


def spans_touched(fetched: Sequence[Fetched]) -> Spans:
    """The same with what was begun: records in it prove nothing of what was followed live."""
    return spans_of([(one.start_ns, one.end_ns) for one in fetched])
