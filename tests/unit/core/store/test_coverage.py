"""What is told of a series, from facts made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

from core.clock import DAY_NS, NS_PER_S
from core.model.records import STREAMED, Schema
from core.model.sessions import ALWAYS, Calendar, calendar_of
from core.store.coverage import (
    DAYS,
    FUTURE,
    GRID,
    HOLES,
    MISSING,
    PARTIAL,
    QUIET_DAYS,
    SHUT,
    STORED,
    Kind,
    SeriesFacts,
    Stretch,
    covered,
    day_coverage,
    day_grid,
    spans_touched,
    stretches,
    wanted_spans,
)
from core.store.coverage_live import STREAMED_NS, live_extents
from core.store.fetched import BOUGHT, RECOVERED, Fetched
from core.store.repository import DAMAGED_FILE, MISSED, NOT_STORED, NOT_STREAMED, Gap, SeriesKey

TRADES = SeriesKey("KRAKEN", "BTCUSD", Schema.TRADES)
FUTURES = SeriesKey("GLBX.MDP3", "ESH5", Schema.TRADES)
HOUR_NS = 3600 * NS_PER_S
D0 = 20_058  # 2024-12-01, a Sunday
T0 = D0 * DAY_NS
LATER = T0 + 400 * DAY_NS


def facts(
    *stamps: int, gaps: Sequence[Gap] = (), fetched: Sequence[Fetched] = (), series: SeriesKey = TRADES
) -> SeriesFacts:
    """Those of a series with records at these instants."""
    known = np.sort(np.array(stamps, np.int64))
    numbers, begins, counts = np.unique(known // DAY_NS, return_index=True, return_counts=True)
    days = np.zeros(len(numbers), DAYS)
    days["day"], days["rows"] = numbers, counts
    days["first_ns"], days["last_ns"] = known[begins], known[begins + counts - 1]

    def between(start_ns: int, end_ns: int) -> NDArray[np.int64]:
        return known[(known >= start_ns) & (known < end_ns)]

    return SeriesFacts(
        series=series,
        days=days,
        live=live_extents(days, spans_touched(fetched), between),
        gaps=tuple(gaps),
        fetched=tuple(fetched),
    )


def gap(
    start_ns: int, end_ns: int, cause: str = NOT_STREAMED, *, rows: int = 0, recovered: int = 0, reason: str = ""
) -> Gap:
    """A gap in the trades."""
    return Gap(
        series=TRADES, start_ns=start_ns, end_ns=end_ns, rows=rows, cause=cause, recovered=recovered, reason=reason
    )


def bought(start_ns: int, end_ns: int, source: str = BOUGHT) -> Fetched:
    """A stretch that was fetched."""
    return Fetched(series=TRADES, start_ns=start_ns, end_ns=end_ns, rows=1, source=source)


def told(found: Sequence[Stretch], base_ns: int = T0) -> list[tuple[float, float, str]]:
    """From which hour to which, and what it is."""
    return [
        ((one.start_ns - base_ns) / HOUR_NS, (one.end_ns - base_ns) / HOUR_NS, one.kind.name.lower()) for one in found
    ]


def of_range(known: SeriesFacts, hours: float, calendar: Calendar = ALWAYS, now_ns: int = LATER) -> list[Stretch]:
    """The stretches of the first hours."""
    return stretches(known, calendar, T0, T0 + round(hours * HOUR_NS), now_ns=now_ns)


def hour(number: float) -> int:
    """The instant so many hours behind `T0`."""
    return T0 + round(number * HOUR_NS)


def test_of_nothing_nothing_is_there() -> None:
    """All of the range was never followed, and all of it is wanted."""
    known = facts()
    assert of_range(known, 5) == [Stretch(start_ns=T0, end_ns=hour(5), kind=Kind.NEVER, missing=None)]
    assert covered(known, T0, hour(5)).tolist() == []
    assert wanted_spans(known, ALWAYS, T0, hour(5)).tolist() == [[T0, hour(5)]]
    assert of_range(known, 0) == []
    assert wanted_spans(known, ALWAYS, T0, T0).tolist() == []


def test_live_is_from_the_first_record_to_the_last() -> None:
    """Over midnight too, the last one included; before and behind nobody followed."""
    known = facts(hour(2), hour(23), hour(25), hour(30))
    assert told(of_range(known, 40)) == [
        (0, 2, "never"), (2, 30 + 1 / HOUR_NS, "live"), (30 + 1 / HOUR_NS, 40, "never"),
    ]  # fmt: skip
    assert covered(known, hour(3), hour(4)).tolist() == [[hour(3), hour(4)]]


@pytest.mark.parametrize("schema", STREAMED)
def test_where_trading_never_stops_a_day_without_a_record_was_not_followed(schema: Schema) -> None:
    """Nothing is there between the last record before it and the first behind it: nobody can vouch for it."""
    last = hour(5) + 2 * DAY_NS
    known = facts(hour(1), hour(2), last, last + HOUR_NS, series=attrs.evolve(TRADES, schema=schema))
    assert covered(known, T0, LATER).tolist() == [[hour(1), hour(2) + 1], [last, last + HOUR_NS + 1]]


def test_weekends_and_holidays_may_be_without_records() -> None:
    """Where the market closes some days were followed all the same, and more of them were not."""
    future = attrs.evolve(TRADES, venue="GLBX.MDP3")
    for days, times in ((QUIET_DAYS + 1, 1), (QUIET_DAYS + 2, 2)):
        last = hour(1) + days * DAY_NS
        known = facts(hour(0), hour(1), last, last + HOUR_NS, series=future)
        assert len(covered(known, T0, LATER)) == times


def test_a_night_without_any_record_was_followed() -> None:
    """From one day to the next nothing is missing."""
    known = facts(hour(1), hour(2), hour(46), hour(47))
    assert covered(known, T0, LATER).tolist() == [[hour(1), hour(47) + 1]]


def test_one_record_alone_tells_of_no_time() -> None:
    """Nobody knows how long the series was followed."""
    known = facts(hour(3))
    assert covered(known, T0, LATER).tolist() == []
    assert [one.kind for one in of_range(known, 5)] == [Kind.NEVER]


def test_bars_cover_their_days_and_their_last_interval() -> None:
    """Between the first bar and the end of the last one, on days that have any."""
    known = facts(hour(1), hour(2), hour(50), series=attrs.evolve(TRADES, schema=Schema.BARS_1H))
    assert covered(known, T0, LATER).tolist() == [[hour(1), T0 + DAY_NS], [T0 + 2 * DAY_NS, hour(51)]]
    day = facts(T0, series=attrs.evolve(TRADES, schema=Schema.BARS_1D))
    assert covered(day, T0, LATER).tolist() == [[T0, T0 + DAY_NS]]


def test_between_history_and_live_nobody_followed() -> None:
    """What was fetched of last year and what is live this week are one series, and do not make a whole of it."""
    known = facts(hour(1), hour(2), hour(60), hour(70), fetched=[bought(T0, hour(24))])
    assert told(of_range(known, 70)) == [(0, 24, "bought"), (24, 60, "never"), (60, 70, "live")]


def test_a_day_that_was_fetched_in_part_is_looked_into() -> None:
    """Live begins with its own first record, not where the fetched part ends."""
    known = facts(hour(1), hour(9), hour(14), hour(20), fetched=[bought(T0, hour(10))])
    assert told(of_range(known, 20)) == [(0, 10, "bought"), (10, 14, "never"), (14, 20, "live")]
    before = facts(hour(2), hour(4), hour(12), fetched=[bought(hour(10), hour(24))])
    last = 4 + 1 / HOUR_NS
    assert told(of_range(before, 24)) == [
        (0, 2, "never"), (2, last, "live"), (last, 10, "never"), (10, 24, "bought"),
    ]  # fmt: skip


def test_live_is_not_joined_across_what_was_fetched() -> None:
    """Of two days of live data with a fetched one in between the nights are still missing."""
    known = facts(hour(10), hour(12), hour(30), hour(60), hour(62), fetched=[bought(hour(24), hour(48))])
    assert [one for one in told(of_range(known, 62)) if one[2] == "never"] == [
        (0, 10, "never"), (12 + 1 / HOUR_NS, 24, "never"), (48, 60, "never"),
    ]  # fmt: skip


def test_records_just_before_what_was_fetched_are_no_live_ones() -> None:
    """What is asked for by the time of receipt may have happened a little before."""
    known = facts(hour(10) - NS_PER_S // 2, hour(11), fetched=[bought(hour(10), hour(12))])
    assert told(of_range(known, 12)) == [(0, 10, "never"), (10, 12, "bought")]
    live = facts(hour(-20), hour(-10), hour(10) - NS_PER_S // 2, hour(11), fetched=[bought(hour(10), hour(12))])
    assert told(of_range(live, 12)) == [(0, 10, "never"), (10, 12, "bought")]


@pytest.mark.parametrize(
    ("cause", "reason", "kind"),
    [
        (NOT_STREAMED, "", Kind.NEVER),
        (NOT_STORED, "", Kind.LOST),
        (DAMAGED_FILE, "", Kind.LOST),
        (MISSED, "", Kind.LOST),
        ("disconnect", "", Kind.DISCONNECT),
        ("restart", "", Kind.DISCONNECT),
        ("Maintenance", "", Kind.MAINTENANCE),
        ("disconnect", "the venue is in maintenance", Kind.MAINTENANCE),
    ],
)
def test_a_gap_is_a_hole_with_a_cause(cause: str, reason: str, kind: Kind) -> None:
    """It takes its time out of what was live, says how much is missing and why, and is wanted again."""
    known = facts(hour(1), hour(20), gaps=[gap(hour(5), hour(6), cause, rows=7, reason=reason)])
    hole = of_range(known, 20)[2]
    assert (hole.start_ns, hole.kind, hole.missing) == (hour(5), kind, 7)
    assert hole.detail.startswith(cause)
    assert reason in hole.detail
    assert hole.kind in HOLES
    assert hole.end_ns == hour(6) + (cause != DAMAGED_FILE)  # trades of the same instant may be missing too
    assert wanted_spans(known, ALWAYS, hour(1), hour(20)).tolist() == [[hole.start_ns, hole.end_ns]]


def test_a_gap_within_one_instant_is_wanted() -> None:
    """Of many trades of one instant some may be missing."""
    known = facts(hour(1), hour(20), gaps=[gap(hour(5), hour(5), MISSED, rows=2)])
    assert wanted_spans(known, ALWAYS, hour(1), hour(20)).tolist() == [[hour(5), hour(5) + 1]]


def test_of_a_gap_without_a_beginning_only_the_end_is_known() -> None:
    """Nothing had been stored before: there nobody followed, and nothing is lost."""
    known = facts(hour(6), hour(20), gaps=[gap(0, hour(6), NOT_STORED, rows=3)])
    assert [(start, kind) for start, _, kind in told(of_range(known, 20))] == [
        (0, "never"), (6, "lost"), (6 + 1 / HOUR_NS, "live"),
    ]  # fmt: skip
    assert of_range(known, 20)[1].missing == 3


def test_a_gap_that_was_recovered_is_there() -> None:
    """In full: it is no hole, says what became of it, and is not wanted; in part it still is one."""
    whole = facts(hour(1), hour(20), gaps=[gap(hour(5), hour(6), "disconnect", recovered=3)])
    assert [one.kind for one in of_range(whole, 20)] == [Kind.NEVER, Kind.LIVE, Kind.RECOVERED, Kind.LIVE]
    assert of_range(whole, 20)[2].detail == "disconnect (3 others were recovered)"
    assert wanted_spans(whole, ALWAYS, hour(1), hour(20)).tolist() == []
    part = facts(hour(1), hour(20), gaps=[gap(hour(5), hour(6), "disconnect", recovered=3, rows=2)])
    assert (of_range(part, 20)[2].kind, of_range(part, 20)[2].missing) == (Kind.DISCONNECT, 2)


@pytest.mark.parametrize(("source", "kind"), [(BOUGHT, Kind.BOUGHT), (RECOVERED, Kind.RECOVERED)])
def test_what_was_fetched_fills_a_gap(source: str, kind: Kind) -> None:
    """Whatever the books say of that time, and though the records at its ends count as fetched then."""
    hole = gap(hour(5), hour(8), "disconnect", rows=9)
    stored = [hour(number) for number in (1, 4, 5, 8, 9, 20)]
    full = facts(*stored, gaps=[hole], fetched=[bought(hour(5), hour(8) + 1, source)])
    assert [one.kind for one in of_range(full, 20)] == [Kind.NEVER, Kind.LIVE, kind, Kind.LIVE]
    assert wanted_spans(full, ALWAYS, hour(1), hour(20)).tolist() == []


def test_what_was_fetched_of_a_gap_leaves_the_rest() -> None:
    """Nobody knows how many records are missing of that; the same where no record lies at the ends of the gap."""
    hole = gap(hour(5), hour(8), "disconnect", rows=9)
    known = facts(hour(1), hour(4), hour(9), hour(20), gaps=[hole], fetched=[bought(hour(6), hour(7))])
    assert told(of_range(known, 20)) == [
        (0, 1, "never"), (1, 5, "live"), (5, 6, "disconnect"), (6, 7, "bought"), (7, 8 + 1 / HOUR_NS, "disconnect"),
        (8 + 1 / HOUR_NS, 20, "live"),
    ]  # fmt: skip
    assert {one.missing for one in of_range(known, 20) if one.kind is Kind.DISCONNECT} == {None}


def test_what_is_missing_is_counted_once() -> None:
    """A gap that is cut by the weekend says how many at its first piece; one that begins earlier does not say."""
    friday = T0 + 5 * DAY_NS
    hole = gap(friday + 20 * HOUR_NS, friday + 2 * DAY_NS + 23 * HOUR_NS, "disconnect", rows=50)
    known = facts(*range(T0, T0 + 30 * DAY_NS, DAY_NS), gaps=[hole], series=FUTURES)
    calendar = calendar_of("GLBX.MDP3")
    found = stretches(known, calendar, friday, friday + 3 * DAY_NS, now_ns=LATER)
    holes = [one for one in found if one.kind in HOLES]
    assert [one.missing for one in holes][:2] == [50, None]
    assert [one.kind for one in found if one.kind is Kind.CLOSED] == [Kind.CLOSED]
    monday = stretches(known, calendar, friday + 2 * DAY_NS, friday + 3 * DAY_NS, now_ns=LATER)
    assert {one.missing for one in monday if one.kind in HOLES} == {None}


def test_neighbours_that_are_alike_are_one() -> None:
    """Two gaps of one cause that touch are told as one, with both their records."""
    known = facts(
        hour(1), hour(20), gaps=[gap(hour(5), hour(6) - 1, MISSED, rows=2), gap(hour(6), hour(7), MISSED, rows=3)]
    )
    (hole,) = [one for one in of_range(known, 20) if one.kind is Kind.LOST]
    assert (hole.start_ns, hole.end_ns, hole.missing) == (hour(5), hour(7) + 1, 5)


def test_closed_time_is_no_hole_and_is_not_wanted_alone() -> None:
    """A weekend is closed; what is wanted before and behind it is asked for in one piece."""
    calendar = calendar_of("GLBX.MDP3")
    known = facts(series=FUTURES)
    saturday = T0 + 6 * DAY_NS
    found = stretches(known, calendar, saturday, saturday + DAY_NS, now_ns=LATER)
    assert [(one.kind, one.missing, one.detail) for one in found] == [(Kind.CLOSED, 0, calendar.title)]
    assert wanted_spans(known, calendar, saturday, saturday + DAY_NS).tolist() == []
    week = wanted_spans(known, calendar, saturday - DAY_NS, saturday + 2 * DAY_NS)
    assert week.tolist() == [[saturday - DAY_NS, saturday + 2 * DAY_NS]]


def test_what_is_being_streamed_has_no_hole_at_its_end() -> None:
    """While its newest record is young it is live up to now; then nobody follows it. What is wanted is not touched by
    that."""
    known = facts(hour(1), hour(5))
    young = of_range(known, 24, now_ns=hour(5) + STREAMED_NS)
    assert told(young) == [(0, 1, "never"), (1, (hour(5) + STREAMED_NS - T0) / HOUR_NS, "live")]
    old = of_range(known, 24, now_ns=hour(5) + STREAMED_NS + 2)
    assert [one.kind for one in old] == [Kind.NEVER, Kind.LIVE, Kind.NEVER]
    assert old[-1].end_ns == hour(5) + STREAMED_NS + 2
    assert wanted_spans(known, ALWAYS, hour(5), hour(6)).tolist() == [[hour(5) + 1, hour(6)]]


def test_nothing_in_the_future_is_told() -> None:
    """The range ends now, and a range that has not begun is empty."""
    assert told(of_range(facts(), 24, now_ns=hour(3))) == [(0, 3, "never")]
    assert of_range(facts(), 24, now_ns=T0) == []


def test_days_have_states() -> None:
    """Stored, partial, missing, and not over; each with its rows and its own stretches."""
    known = facts(hour(0), hour(30), gaps=[gap(hour(26), hour(27), "disconnect")])
    found = day_coverage(known, ALWAYS, D0, D0 + 5, now_ns=hour(80))
    assert [(day.day - D0, day.rows, day.state) for day in found] == [
        (0, 1, STORED), (1, 1, PARTIAL), (2, 0, MISSING), (3, 0, MISSING), (4, 0, FUTURE),
    ]  # fmt: skip
    assert [one.kind for one in found[1].stretches] == [Kind.LIVE, Kind.DISCONNECT, Kind.LIVE, Kind.NEVER]
    assert found[3].stretches[-1].end_ns == hour(80)
    assert found[4].stretches == ()
    assert (found[1].first_ns, found[1].last_ns) == (hour(30), hour(30))
    assert day_coverage(known, ALWAYS, D0, D0, now_ns=LATER) == []


def test_a_day_is_whole_when_its_session_is() -> None:
    """A Sunday of futures is the hour that it has; a Saturday is closed, also where it was bought with the rest, and
    stored where it holds records all the same."""
    calendar = calendar_of("GLBX.MDP3")
    known = facts(fetched=[bought(T0 + 23 * HOUR_NS, T0 + 10 * DAY_NS)], series=FUTURES)
    states = [day.state for day in day_coverage(known, calendar, D0, D0 + 8, now_ns=LATER)]
    assert states == [STORED] * 6 + [SHUT, STORED]
    odd = facts(T0 + 6 * DAY_NS + HOUR_NS, series=FUTURES)
    assert day_coverage(odd, calendar, D0 + 6, D0 + 7, now_ns=LATER)[0].state == STORED


def test_a_gap_over_midnight_does_not_say_how_much_is_missing_a_day() -> None:
    """Its records lie in either day."""
    known = facts(T0, hour(90), gaps=[gap(hour(20), hour(30), "disconnect", rows=5)])
    days = day_coverage(known, ALWAYS, D0, D0 + 2, now_ns=LATER)
    assert [one.missing for day in days for one in day.stretches if one.kind in HOLES][:2] == [None, None]


def test_the_grid_has_a_sign_a_day() -> None:
    """The same states as day by day, and which were fetched in full or have a known loss."""
    live = facts(
        T0,
        T0 + 4 * DAY_NS,
        gaps=[gap(hour(30), hour(31), "disconnect", rows=3), gap(hour(50), hour(51), NOT_STREAMED)],
    )
    past = facts(fetched=[bought(T0 + DAY_NS, T0 + 3 * DAY_NS, RECOVERED)])
    closed = facts(series=FUTURES)
    lost = facts(T0, gaps=[gap(T0, T0 + DAY_NS, DAMAGED_FILE)])
    grid = day_grid([live, past, closed, lost], D0, D0 + 8, now_ns=T0 + 7 * DAY_NS)
    signs = ["".join(GRID[code] for code in row) for row in grid.tolist()]
    assert signs == ["#gp.p..-", ".bb....-", "......c-", "g......-"]
    assert day_grid([], D0, D0 + 8, now_ns=LATER).shape == (0, 8)
    assert day_grid([live], D0, D0, now_ns=LATER).shape == (1, 0)
    assert day_grid([live], D0 + 500, D0 + 502, now_ns=LATER).tolist() == [[0, 0]]


def test_a_loss_that_was_fetched_is_none() -> None:
    """A day with a loss is as good as others once that time was fetched."""
    hole = gap(hour(5), hour(6), MISSED, rows=3)
    known = facts(T0, hour(5), hour(6), hour(30), gaps=[hole], fetched=[bought(hour(5), hour(6) + 1)])
    assert GRID[day_grid([known], D0, D0 + 1, now_ns=LATER)[0, 0]] == "#"
