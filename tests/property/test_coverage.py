"""What coverage says of any series: it tiles the time, and what it wants is enough and is wanted once."""

from __future__ import annotations

import itertools

import attrs
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.clock import DAY_NS, NS_PER_S
from core.model.records import Schema
from core.model.sessions import calendar_of
from core.model.spans import Spans, clip, spans_of, subtract, total_ns, union
from core.store.coverage import (
    DAYS,
    FUTURE,
    GRID,
    HOLES,
    MISSING,
    PARTIAL,
    SHUT,
    STORED,
    Kind,
    SeriesFacts,
    covered,
    day_coverage,
    day_grid,
    spans_touched,
    stretches,
    wanted_spans,
)
from core.store.coverage_live import live_extents
from core.store.fetched import BOUGHT, RECOVERED, Fetched
from core.store.repository import DAMAGED_FILE, MISSED, NOT_STORED, NOT_STREAMED, Gap, SeriesKey

UNIT_NS = 600 * NS_PER_S
D0 = 20_058  # 2024-12-01, a Sunday
T0 = D0 * DAY_NS
SPAN_DAYS = 24
UNITS = SPAN_DAYS * DAY_NS // UNIT_NS
SIGNS = {STORED: "#b", PARTIAL: "pg", MISSING: ".g", SHUT: "c", FUTURE: "-"}

INSTANTS = st.integers(0, UNITS).map(lambda unit: T0 + unit * UNIT_NS)
RANGES = st.tuples(INSTANTS, INSTANTS).map(lambda pair: (min(pair), max(pair)))


@st.composite
def gaps(draw: st.DrawFn, series: SeriesKey) -> Gap:
    """A gap of any cause, which perhaps has no beginning, no length or nothing missing any more."""
    start_ns, end_ns = draw(RANGES)
    return Gap(
        series=series,
        start_ns=draw(st.sampled_from([start_ns, start_ns, start_ns, 0])),
        end_ns=end_ns,
        rows=draw(st.integers(0, 3)),
        cause=draw(st.sampled_from([NOT_STREAMED, NOT_STORED, MISSED, DAMAGED_FILE, "disconnect", "maintenance"])),
        recovered=draw(st.integers(0, 1)),
    )


@attrs.frozen
class World:
    """A series with the instants of its records."""

    stamps: tuple[int, ...]
    facts: SeriesFacts

    def also(self, stamps: list[int], fetched: list[Fetched]) -> World:
        """The same with more records, and with more that was fetched."""
        return world(self.facts.series, (*self.stamps, *stamps), self.facts.gaps, (*self.facts.fetched, *fetched))


def world(series: SeriesKey, stamps: tuple[int, ...], gaps: tuple[Gap, ...], fetched: tuple[Fetched, ...]) -> World:
    """What a store would tell of these records."""
    known = np.sort(np.array(stamps, np.int64))
    numbers, begins, counts = np.unique(known // DAY_NS, return_index=True, return_counts=True)
    days = np.zeros(len(numbers), DAYS)
    days["day"], days["rows"] = numbers, counts
    if len(numbers):
        days["first_ns"], days["last_ns"] = known[begins], known[begins + counts - 1]

    def between(start_ns: int, end_ns: int) -> NDArray[np.int64]:
        return known[(known >= start_ns) & (known < end_ns)]

    live = live_extents(days, spans_touched(fetched), between)
    return World(stamps, SeriesFacts(series=series, days=days, live=live, gaps=gaps, fetched=fetched))


def bought(series: SeriesKey, start_ns: int, end_ns: int, source: str = BOUGHT) -> Fetched:
    """A stretch that was fetched."""
    return Fetched(series=series, start_ns=start_ns, end_ns=end_ns, rows=0, source=source)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any series, of a market that closes or not, of trades, books or bars."""
    schema = draw(st.sampled_from([Schema.TRADES, Schema.BOOK, Schema.BARS_1M, Schema.BARS_1D]))
    series = SeriesKey(draw(st.sampled_from(["KRAKEN", "GLBX.MDP3", "XNAS.ITCH"])), "ONE", schema)
    told = [
        bought(series, start_ns, end_ns, source)
        for (start_ns, end_ns), source in draw(
            st.lists(st.tuples(RANGES, st.sampled_from([BOUGHT, RECOVERED])), max_size=3)
        )
        if start_ns < end_ns
    ]
    stamps = draw(st.lists(INSTANTS, max_size=12))
    found = draw(st.lists(gaps(series), max_size=0 if schema.is_bars else 4))  # of bars none is ever recorded
    return world(series, tuple(stamps), tuple(found), tuple(told))


@given(worlds(), RANGES, INSTANTS)
def test_stretches_tile_the_time_that_is_over(one: World, asked: tuple[int, int], now_ns: int) -> None:
    """They follow one another from the start to the end or to now, no two neighbours alike; what is there is no hole,
    and what is a hole is not there."""
    calendar = calendar_of(one.facts.series.venue)
    found = stretches(one.facts, calendar, *asked, now_ns=now_ns)
    edges = [stretch.start_ns for stretch in found] + [stretch.end_ns for stretch in found[-1:]]
    assert edges == sorted(set(edges))
    assert [stretch.end_ns for stretch in found[:-1]] == [stretch.start_ns for stretch in found[1:]]
    end_ns = min(asked[1], now_ns)
    assert (edges[0], edges[-1]) == (asked[0], end_ns) if found else end_ns <= asked[0]
    assert all((a.kind, a.detail) != (b.kind, b.detail) for a, b in itertools.pairwise(found))
    there = covered(one.facts, asked[0], max(end_ns, asked[0]))
    holes = spans_of((stretch.start_ns, stretch.end_ns) for stretch in found if stretch.kind in HOLES)
    assert total_ns(subtract(holes, there)) == total_ns(holes)
    assert all(stretch.missing == 0 for stretch in found if stretch.kind not in HOLES)


@given(worlds(), RANGES)
def test_covered_wanted_and_closed_make_the_whole(one: World, asked: tuple[int, int]) -> None:
    """Nothing is covered and wanted, and what is neither was closed all the time."""
    calendar = calendar_of(one.facts.series.venue)
    whole = spans_of([asked])
    there, wanted = covered(one.facts, *asked), wanted_spans(one.facts, calendar, *asked)
    assert subtract(wanted, there).tolist() == wanted.tolist()
    rest = subtract(whole, union(there, wanted))
    assert total_ns(clip(calendar.open_spans(*asked), *asked)) == total_ns(
        subtract(calendar.open_spans(*asked), rest)
    )
    assert union(there, wanted, rest).tolist() == whole.tolist()


@given(worlds(), RANGES, st.lists(INSTANTS, max_size=10), st.randoms(use_true_random=False))
def test_what_was_wanted_and_fetched_is_not_wanted_again(
    one: World, asked: tuple[int, int], arrived: list[int], order: object
) -> None:
    """Whatever it brought, and in whatever order it was written down; and nothing that was there is lost by that."""
    calendar = calendar_of(one.facts.series.venue)
    wanted = wanted_spans(one.facts, calendar, *asked)
    told = [bought(one.facts.series, *span) for span in wanted.tolist()]
    order.shuffle(told)  # type: ignore[attr-defined]
    inside = [stamp for stamp in arrived if holds(wanted, stamp)]
    after = one.also(inside, told)
    assert wanted_spans(after.facts, calendar, *asked).tolist() == []
    assert subtract(covered(one.facts, *asked), covered(after.facts, *asked)).tolist() == []
    whole = (T0 - DAY_NS, T0 + (SPAN_DAYS + 1) * DAY_NS)
    grown = subtract(covered(after.facts, *whole), union(covered(one.facts, *whole), wanted))
    assert grown.tolist() == []


@given(worlds(), INSTANTS)
def test_days_say_the_same_as_the_grid(one: World, now_ns: int) -> None:
    """A day has the sign of its state, and its stretches are those of the whole, cut at midnight."""
    calendar = calendar_of(one.facts.series.venue)
    days = day_coverage(one.facts, calendar, D0, D0 + SPAN_DAYS, now_ns=now_ns)
    codes = day_grid([one.facts], D0, D0 + SPAN_DAYS, now_ns=now_ns)[0].tolist()
    for day, code in zip(days, codes, strict=True):
        assert GRID[code] in SIGNS[day.state]
        kinds = {stretch.kind for stretch in day.stretches}
        if day.state in {STORED, SHUT}:
            assert not kinds & HOLES
        if day.state == MISSING:
            assert kinds <= HOLES | {Kind.CLOSED, Kind.LIVE, Kind.BOUGHT, Kind.RECOVERED}
            assert day.rows == 0
    cut = [(stretch.start_ns, stretch.end_ns) for day in days for stretch in day.stretches]
    assert spans_of(cut).tolist() == spans_of([(T0, min(now_ns, T0 + SPAN_DAYS * DAY_NS))]).tolist()
    assert sum(day.rows for day in days) == len([stamp for stamp in one.stamps if stamp < T0 + SPAN_DAYS * DAY_NS])


def holds(spans: Spans, instant_ns: int) -> bool:
    """Whether an instant lies in any of them."""
    return bool(((spans[:, 0] <= instant_ns) & (instant_ns < spans[:, 1])).any())
