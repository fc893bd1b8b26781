"""Timeframes: their names, where their bars begin, and that cuts between pages leave no trace."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bars.candles import time_bars
from core.bars.timeframes import Timeframe, bars_of_pages
from core.clock import DAY_NS, NS_PER_S
from core.errors import UsageError
from core.model.records import Records
from tests.conformance.ticks import T0, ticks

HOUR_NS = 3600 * NS_PER_S


def test_the_names_are_those_that_people_type() -> None:
    """There are eight, from a minute to a week, each with its length."""
    assert [str(frame) for frame in Timeframe] == ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"]
    minutes = [1, 5, 15, 30, 60, 240, 1440, 10_080]
    assert [frame.interval_ns for frame in Timeframe] == [minute * 60 * NS_PER_S for minute in minutes]
    assert [Timeframe.parse(str(frame)) for frame in Timeframe] == list(Timeframe)


@pytest.mark.parametrize("text", ["", "2m", "1M", "1 m", "60", "1m\x1b[2J", "w" * 1000])
def test_another_name_is_refused_with_the_list(text: str) -> None:
    """What is no timeframe is said, short and printable, together with all that are."""
    with pytest.raises(UsageError, match="1m 5m 15m 30m 1h 4h 1d 1w") as caught:
        Timeframe.parse(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 120


def test_weeks_begin_on_mondays() -> None:
    """A week's bar begins on a Monday at midnight UTC and ends before the next, from the first one on."""
    for instant in (T0, T0 + 3 * DAY_NS, 1, 4 * DAY_NS - 1, 4 * DAY_NS):
        start = int(Timeframe.WEEK.bars(ticks([1], stamps=[instant]))["ts_event"][0])
        assert 0 <= instant - start < 7 * DAY_NS
        begun = datetime.fromtimestamp(start / NS_PER_S, UTC)
        assert (begun.isoweekday(), begun.hour, begun.minute, begun.second) == (1, 0, 0, 0)
    monday = T0 - T0 % DAY_NS + 2 * DAY_NS  # T0 is a Saturday
    around = ticks([1, 2], stamps=[monday - 1, monday])
    assert Timeframe.WEEK.bars(around)["ts_event"].tolist() == [monday - 7 * DAY_NS, monday]


@pytest.mark.parametrize("frame", [frame for frame in Timeframe if frame is not Timeframe.WEEK])
def test_others_begin_at_multiples(frame: Timeframe) -> None:
    """Days begin at midnight UTC, shorter bars at multiples of their length from there."""
    instant = T0 + 13 * HOUR_NS + 37 * 60 * NS_PER_S + 5
    start = int(frame.bars(ticks([1], stamps=[instant]))["ts_event"][0])
    assert start == instant - (instant - T0) % frame.interval_ns


def test_no_pages_are_no_bars() -> None:
    """Neither no page nor an empty page makes a bar."""
    assert len(bars_of_pages([], Timeframe.HOUR)) == 0
    assert len(bars_of_pages([ticks([]), ticks([])], Timeframe.HOUR)) == 0


@given(
    st.lists(st.tuples(st.integers(0, 40 * 24), st.integers(1, 10**12)), min_size=1, max_size=60),
    st.lists(st.integers(0, 60), max_size=8),
    st.sampled_from(list(Timeframe)),
)
def test_any_cut_into_pages_makes_the_same_bars(
    rows: list[tuple[int, int]], cuts: list[int], frame: Timeframe
) -> None:
    """Bars of pages, even of empty ones, equal the bars of all trades at once."""
    rows = sorted(rows, key=lambda row: row[0])
    whole = ticks([price for _, price in rows], stamps=[T0 + hour * HOUR_NS for hour, _ in rows])
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    pages: list[Records] = [whole[begin:end] for begin, end in pairwise(edges)]
    expected = time_bars(whole, frame.interval_ns, offset_ns=frame.offset_ns)
    assert bars_of_pages(pages, frame).tolist() == expected.tolist()
