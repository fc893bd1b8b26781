"""Events as a strategy sees them: each value, the trade behind it, and stretches."""

from __future__ import annotations

import pytest

from core.bars.history import bar_series
from core.bars.series import STRETCH
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Tick
from core.clock import NS_PER_S
from tests.unit.core.bars.events import events_of, ticks_of

ROWS = [(0, 5_500_000_000, 10**8), (NS_PER_S, 7 * 10**9, 5 * 10**7), (61 * NS_PER_S, 6 * 10**9, 1)]


def test_an_event_of_a_tick_shows_the_tick_and_its_bar() -> None:
    """Integers as they are, floats of the same names, and the trade that made it."""
    bar = bar_series(ticks_of(ROWS), BarType(), BarDataMode.ON_EACH_TICK).event(1)
    assert bar.current_tick == Tick(NS_PER_S, 7 * 10**9, 5 * 10**7, "B")
    assert (bar.ts_ns, bar.open_ns, bar.tick_count) == (NS_PER_S, 0, 2)
    assert (bar.open_e9, bar.high_e9, bar.low_e9, bar.close_e9) == (
        5_500_000_000,
        7 * 10**9,
        5_500_000_000,
        7 * 10**9,
    )
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (5.5, 7.0, 5.5, 7.0, 1.5)
    assert bar.volume_e8 == 150_000_000
    assert (bar.is_first_tick, bar.is_bar_closed, bar.is_synthetic) == (False, False, False)


def test_an_event_of_a_closed_bar_has_no_tick() -> None:
    """What closes is a bar; who made it up or traded in it is in the flags."""
    series = bar_series(ticks_of(ROWS), BarType(), BarDataMode.ON_CLOSE_BAR, until_ns=180 * NS_PER_S)
    traded, last, made_up = (series.event(number) for number in range(3))
    assert traded.current_tick is None
    assert (traded.ts_ns, traded.volume, traded.is_bar_closed, traded.is_synthetic) == (
        60 * NS_PER_S,
        1.5,
        True,
        False,
    )
    assert (last.tick_count, last.close) == (1, 6.0)
    assert (made_up.tick_count, made_up.close, made_up.volume, made_up.is_synthetic) == (0, 6.0, 0.0, True)


def test_price_moves_show_their_own_ticks() -> None:
    """An event that was left out does not shift the trades of those that follow."""
    rows = [(0, 5, 1), (1, 5, 2), (2, 6, 3)]
    series = bar_series(ticks_of(rows), BarType(), BarDataMode.ON_PRICE_MOVE)
    ticks = [series.event(number).current_tick for number in range(len(series))]
    assert ticks == [Tick(0, 5, 1, "B"), Tick(2, 6, 3, "B")]


def test_stretches_are_all_events_in_order() -> None:
    """More events than one stretch: each is seen once, through one view a stretch that is moved along."""
    rows = [(number, 1 + number % 7, number) for number in range(STRETCH + 10)]
    series = bar_series(ticks_of(rows), BarType(ticks=3), BarDataMode.ON_EACH_TICK)
    seen, bounds = [], []
    for first, end, bar in series.stretches():
        bounds.append((first, end))
        for bar.at in range(end - first):
            tick = bar.current_tick
            assert tick is not None
            seen.append((bar.ts_ns, bar.high_e9, bar.volume_e8, bar.is_bar_closed, tick.quantity_e8))
    assert bounds == [(0, STRETCH), (STRETCH, STRETCH + 10)]
    assert seen == [
        (event.ts_ns, event.high_e9, event.volume_e8, event.is_bar_closed, number)
        for number, event in enumerate(events_of(series))
    ]


@pytest.mark.parametrize("mode", list(BarDataMode))
def test_nobody_writes_into_the_market(mode: BarDataMode) -> None:
    """A strategy that changes a column in place gets an error, and the trades stay what they were."""
    trades = ticks_of(ROWS)
    prices = bar_series(trades, BarType(), mode).close_e9
    with pytest.raises(ValueError, match="read-only"):
        prices -= 1
    assert trades.price_e9.tolist() == [price for _, price, _ in ROWS]
