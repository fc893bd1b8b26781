"""Events of bars from whole arrays: where bars begin and end, what is made up, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from core.bars.history import BarBuilder, bar_series
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.clock import DAY_NS, NS_PER_S
from core.errors import PermanentError
from core.model.fixedpoint import MAX_QUANTITY_E8
from tests.unit.core.bars.events import FRIDAY_NS, Event, events_of, ticks_of

CLOSE, EACH, MOVE = BarDataMode.ON_CLOSE_BAR, BarDataMode.ON_EACH_TICK, BarDataMode.ON_PRICE_MOVE
MINUTE_NS = 60 * NS_PER_S


def seconds(*rows: tuple[int, int, int]) -> Ticks:
    """Trades from (second, price, quantity)."""
    return ticks_of([(second * NS_PER_S, price, quantity) for second, price, quantity in rows])


def test_a_closed_bar_is_an_event_at_its_end() -> None:
    """It has first, highest, lowest, last, sum and count; the trade at its end is of the next, which stays open."""
    ticks = seconds((61, 10, 1), (70, 14, 2), (70, 8, 3), (119, 11, 4), (120, 9, 5))
    (event,) = events_of(bar_series(ticks, BarType(), CLOSE))
    assert event == Event(120 * NS_PER_S, 4, 60 * NS_PER_S, 10, 14, 8, 11, 10, 4, False, True, False)


def test_minutes_without_trades_are_made_up() -> None:
    """Each has the last price before it, nothing traded, and is flagged; there are none before the first trade."""
    events = events_of(bar_series(seconds((130, 10, 1), (131, 7, 1), (300, 8, 1)), BarType(), CLOSE))
    assert [event.open_ns // MINUTE_NS for event in events] == [2, 3, 4]
    made_up = Event(240 * NS_PER_S, 2, 180 * NS_PER_S, 7, 7, 7, 7, 0, 0, False, True, True)
    assert events[1:] == [made_up, made_up._replace(ts_ns=300 * NS_PER_S, open_ns=240 * NS_PER_S)]


def test_time_that_has_passed_closes_bars() -> None:
    """A bar closes when `until_ns` is at its end and not a nanosecond before; the made-up ones up to then follow."""
    ticks = seconds((0, 5, 1))
    assert events_of(bar_series(ticks, BarType(), CLOSE, until_ns=MINUTE_NS - 1)) == []
    assert len(bar_series(ticks, BarType(), CLOSE, until_ns=MINUTE_NS)) == 1
    events = events_of(bar_series(ticks, BarType(), CLOSE, until_ns=3 * MINUTE_NS + 5))
    assert [(event.ts_ns // MINUTE_NS, event.next_tick, event.is_synthetic) for event in events] == [
        (1, 1, False), (2, 1, True), (3, 1, True),
    ]  # fmt: skip


@pytest.mark.parametrize("mode", list(BarDataMode))
@pytest.mark.parametrize("bars", ["1m", "3t"])
def test_no_trades_make_no_events(mode: BarDataMode, bars: str) -> None:
    """Nothing comes of nothing, however late it is."""
    series = bar_series(Ticks.none(), BarType.parse(bars), mode, until_ns=FRIDAY_NS)
    assert events_of(series) == []
    assert list(series.stretches()) == []


def test_one_trade_is_one_event_and_no_closed_bar() -> None:
    """It is the first of its bar, moves the price, and closes only a bar of one trade."""
    ticks = seconds((61, 5, 7))
    expected = Event(61 * NS_PER_S, 1, 60 * NS_PER_S, 5, 5, 5, 5, 7, 1, True, False, False)
    assert events_of(bar_series(ticks, BarType(), EACH)) == [expected]
    assert events_of(bar_series(ticks, BarType(), MOVE)) == [expected]
    assert events_of(bar_series(ticks, BarType(), CLOSE)) == []
    (closed,) = events_of(bar_series(ticks, BarType(ticks=1), CLOSE))
    assert closed == expected._replace(open_ns=61 * NS_PER_S, is_first_tick=False, is_bar_closed=True)


def test_the_bar_grows_with_each_tick() -> None:
    """Highest, lowest, volume and count run; they begin anew with the next bar, and nothing says that one closed."""
    events = events_of(bar_series(seconds((0, 5, 1), (1, 9, 2), (2, 3, 4), (60, 4, 8)), BarType(), EACH))
    assert [event[3:9] for event in events] == [
        (5, 5, 5, 5, 1, 1), (5, 9, 5, 9, 3, 2), (5, 9, 3, 3, 7, 3), (4, 4, 4, 4, 8, 1),
    ]  # fmt: skip
    assert [event.is_first_tick for event in events] == [True, False, False, True]
    assert not any(event.is_bar_closed or event.is_synthetic for event in events)


def test_price_moves_are_the_same_events_without_those_of_an_equal_price() -> None:
    """The price before counts across bars and pieces; the first trade of all always is an event."""
    ticks = seconds((0, 5, 1), (1, 5, 2), (2, 6, 4), (60, 6, 8), (61, 5, 1))
    every, moves = (events_of(bar_series(ticks, BarType(), mode)) for mode in (EACH, MOVE))
    assert moves == [every[0], every[2], every[4]]
    builder = BarBuilder(BarType(), MOVE)
    assert [len(builder.push(ticks.part(at, at + 1))) for at in range(5)] == [1, 0, 1, 0, 1]


def test_equal_prices_move_once() -> None:
    """A market that stands still has one move, and bars without a range."""
    ticks = seconds(*((second, 5, 1) for second in range(0, 200, 10)))
    assert len(bar_series(ticks, BarType(), MOVE)) == 1
    events = events_of(bar_series(ticks, BarType(), CLOSE))
    assert [event[3:9] for event in events] == [(5, 5, 5, 5, 6, 6)] * 3


def test_bars_of_trades_close_at_the_last_of_them() -> None:
    """The event has the instant of the third trade, the bar began with the first; there is nothing to make up."""
    ticks = seconds((5, 1, 1), (6, 3, 1), (500_000, 2, 1), (500_000, 8, 1), (500_001, 9, 1))
    (closed,) = events_of(bar_series(ticks, BarType(ticks=3), CLOSE, until_ns=10**18))
    assert closed == Event(500_000 * NS_PER_S, 3, 5 * NS_PER_S, 1, 3, 1, 2, 3, 3, False, True, False)
    events = events_of(bar_series(ticks, BarType(ticks=3), EACH))
    assert [event.is_bar_closed for event in events] == [False, False, True, False, False]
    assert [event.is_first_tick for event in events] == [True, False, False, True, False]


@pytest.mark.parametrize(
    ("bars", "begins"),
    [("1m", "2024-03-31T00:59"), ("1h", "2024-03-31T00:00"), ("4h", "2024-03-31T00:00"), ("1d", "2024-03-31T00:00"),
     ("1w", "2024-03-25T00:00")],
)  # fmt: skip
def test_bars_begin_in_utc_on_the_night_clocks_are_changed(bars: str, begins: str) -> None:
    """Days begin at midnight UTC and weeks on Mondays, all of one length, also when Europe changes its clocks."""
    bar_type = BarType.parse(bars)
    last_ns = int(datetime(2024, 3, 31, 0, 59, 59, tzinfo=UTC).timestamp()) * NS_PER_S
    interval_ns = bar_type.timeframe.interval_ns
    ticks = ticks_of([(last_ns, 5, 1), (last_ns + 2 * interval_ns, 6, 1)])
    first, second = events_of(bar_series(ticks, bar_type, CLOSE))
    assert first.open_ns == int(datetime.fromisoformat(f"{begins}:00+00:00").timestamp()) * NS_PER_S
    assert first.ts_ns == second.open_ns == first.open_ns + interval_ns
    assert (first.is_synthetic, second.is_synthetic) == (False, True)


def test_a_weekend_is_made_up_minute_by_minute() -> None:
    """From Friday's last trade to Monday's first every minute has a bar, and one event says when trading goes on."""
    ticks = ticks_of([(22 * 3600 * NS_PER_S, 5, 1), (3 * DAY_NS, 6, 1)], start_ns=FRIDAY_NS)
    series = bar_series(ticks, BarType(), CLOSE)
    assert len(series) == 2 * 60 + 2 * 1440
    assert int(series.is_synthetic.sum()) == len(series) - 1
    assert set(series.next_tick.tolist()) == {1}
    assert set(series.close_e9.tolist()) == {5}


def test_a_volume_beyond_64_bits_is_the_most_there_is() -> None:
    """Sums stop at the most that fits, running and closed, also of a bar that came in pieces; the next is exact."""
    half = 2**62
    ticks = seconds((0, 5, half), (1, 5, half), (2, 5, 1), (60, 5, 7), (120, 5, 1))
    running = bar_series(ticks, BarType(), EACH).volume_e8.tolist()
    assert running == [half, MAX_QUANTITY_E8, MAX_QUANTITY_E8, 7, 1]
    assert bar_series(ticks, BarType(), CLOSE).volume_e8.tolist() == [MAX_QUANTITY_E8, 7]
    for mode, expected in ((EACH, running[2:]), (CLOSE, [MAX_QUANTITY_E8, 7])):
        builder = BarBuilder(BarType(), mode)
        builder.push(ticks.part(0, 2))
        assert builder.push(ticks.part(2, 5)).volume_e8.tolist() == expected


@pytest.mark.parametrize("mode", list(BarDataMode))
@pytest.mark.parametrize("bars", ["1m", "2t"])
def test_disorder_is_refused(mode: BarDataMode, bars: str) -> None:
    """Within a push and from one to the next; what was refused has changed nothing."""
    builder = BarBuilder(BarType.parse(bars), mode)
    with pytest.raises(PermanentError, match=r"not in order of time.*1970-01-01T00:00:09.0+Z comes after .*10\.0"):
        builder.push(seconds((5, 5, 1), (10, 5, 1), (9, 5, 1)))
    builder.push(seconds((1, 5, 1)))
    with pytest.raises(PermanentError, match="not in order of time"):
        builder.push(seconds((0, 5, 1)))
    with pytest.raises(PermanentError, match="not in order of time"):
        bar_series(seconds((-1, 5, 1)), BarType.parse(bars), mode)


def test_a_trade_of_a_bar_that_time_closed_is_refused() -> None:
    """After `until_ns` has closed a bar nothing can be added to it, and the next may begin."""
    builder = BarBuilder(BarType(), CLOSE)
    builder.push(seconds((1, 5, 1)), until_ns=MINUTE_NS)
    with pytest.raises(PermanentError, match="not in order of time"):
        builder.push(seconds((59, 5, 1)))
    assert len(builder.push(seconds((60, 5, 1), (120, 5, 1)))) == 1


@pytest.mark.parametrize("bars", ["1m", "3t"])
def test_a_builder_goes_on_where_another_was(bars: str) -> None:
    """With its open bar and its newest instant it makes the same events and refuses the same trades."""
    first = BarBuilder(BarType.parse(bars), CLOSE)
    assert first.open_bar is None
    first.push(seconds((1, 5, 1), (10, 9, 2)))
    second = BarBuilder(BarType.parse(bars), CLOSE, begun=first.open_bar, newest_ns=first.newest_ns)
    for builder in (first, second):
        with pytest.raises(PermanentError, match="not in order of time"):
            builder.push(seconds((9, 5, 1)))
    rest = seconds((11, 7, 4), (60, 8, 8))
    (closed,) = events_of(first.push(rest))
    assert events_of(second.push(rest)) == [closed]
    assert (closed.high_e9, closed.volume_e8, closed.tick_count) == (9, 7, 3)
    assert second.open_bar == first.open_bar


def test_a_time_that_cannot_be_true_does_not_fill_the_memory() -> None:
    """Forty years of made-up minutes are refused before they are made, in few words; a day's bars are not."""
    ticks = seconds((0, 5, 1), (40 * 365 * 86_400, 5, 1))
    with pytest.raises(PermanentError, match="too many bars without a trade") as caught:
        bar_series(ticks, BarType(), CLOSE)
    assert "1m" in str(caught.value)
    assert caught.value.hint
    assert len(bar_series(ticks, BarType.parse("1d"), CLOSE)) == 40 * 365


def test_columns_of_a_growing_bar_are_made_when_used() -> None:
    """Only what is asked for is made, once; what is a column of the ticks is that column."""
    ticks = seconds((0, 5, 1), (1, 6, 1))
    series = bar_series(ticks, BarType(), EACH)
    assert np.shares_memory(series.close_e9, ticks.price_e9)
    assert len(series) == 2
    assert "high_e9" not in series.__dict__
    assert series.high_e9 is series.high_e9
