"""Bars while trades come: when a timer closes them, and what becomes of trades that are late."""

from __future__ import annotations

import pytest

from core.bars.live import RealtimeBars
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.clock import NS_PER_S
from core.errors import PermanentError
from tests.unit.core.bars.events import events_of, ticks_of

MINUTE_NS = 60 * NS_PER_S


def seconds(*rows: tuple[int, int]) -> Ticks:
    """Trades of one unit from (second, price)."""
    return ticks_of([(second * NS_PER_S, price, 1) for second, price in rows])


def closing(*, grace_s: int = 2) -> RealtimeBars:
    """Minutes, told when they are over."""
    return RealtimeBars(BarType(), BarDataMode.ON_CLOSE_BAR, grace_ns=grace_s * NS_PER_S)


def test_a_timer_closes_a_bar_when_the_grace_is_over() -> None:
    """Until then it waits for trades that are under way, which still count."""
    bars = closing()
    assert len(bars.push(seconds((5, 10)))) == 0
    assert len(bars.on_timer(MINUTE_NS + 2 * NS_PER_S - 1)) == 0
    assert len(bars.push(seconds((59, 12)))) == 0
    (closed,) = events_of(bars.on_timer(MINUTE_NS + 2 * NS_PER_S))
    assert (closed.ts_ns, closed.high_e9, closed.tick_count, closed.next_tick) == (MINUTE_NS, 12, 2, 0)
    assert bars.late == 0


def test_a_quiet_minute_is_made_up_by_the_timer() -> None:
    """Nothing is told before the first trade; then every minute, and none twice."""
    bars = closing()
    assert len(bars.on_timer(10 * MINUTE_NS)) == 0
    bars.push(seconds((630, 10)))
    told = [events_of(bars.on_timer(second * NS_PER_S)) for second in range(631, 900)]
    ends = [(event.ts_ns // MINUTE_NS, event.is_synthetic) for events in told for event in events]
    assert ends == [(11, False), (12, True), (13, True), (14, True)]
    assert len(bars.on_timer(0)) == 0


def test_a_trade_of_a_closed_bar_is_late() -> None:
    """It is counted, left out of what follows, and not among the ticks of the answer."""
    bars = closing()
    bars.push(seconds((5, 10)))
    bars.on_timer(MINUTE_NS + 2 * NS_PER_S)
    answer = bars.push(seconds((59, 99), (61, 11), (58, 98), (120, 12)))
    assert bars.late == 2
    assert answer.ticks.price_e9.tolist() == [11, 12]
    (closed,) = events_of(answer)
    assert (closed.next_tick, closed.high_e9, closed.tick_count) == (1, 11, 1)


def test_a_later_trade_closes_a_bar_without_waiting() -> None:
    """The grace is for the timer: what comes for the bar after the next one's first trade is late."""
    bars = closing(grace_s=30)
    assert len(bars.push(seconds((5, 10), (61, 11)))) == 1
    bars.push(seconds((59, 12)))
    assert bars.late == 1


def test_a_trade_out_of_order_counts_in_its_open_bar() -> None:
    """Its instant is that of the trade before it, so that time never goes back for who listens."""
    bars = RealtimeBars(BarType(), BarDataMode.ON_EACH_TICK)
    bars.push(seconds((65, 10)))
    events = events_of(bars.push(seconds((62, 12), (66, 9))))
    assert [event.ts_ns // NS_PER_S for event in events] == [65, 66]
    assert (events[-1].high_e9, events[-1].tick_count, bars.late) == (12, 3, 0)


def test_bars_of_trades_know_no_lateness() -> None:
    """They have no end in time: every trade counts, and the timer closes nothing."""
    bars = RealtimeBars(BarType(ticks=2), BarDataMode.ON_CLOSE_BAR)
    bars.push(seconds((65, 10)))
    assert len(bars.on_timer(10**18)) == 0
    (closed,) = events_of(bars.push(seconds((5, 12))))
    assert (closed.ts_ns, closed.high_e9, bars.late) == (65 * NS_PER_S, 12, 0)


def test_a_clock_that_is_forty_years_ahead_is_refused() -> None:
    """Nothing has changed then, and the right time goes on."""
    bars = closing()
    bars.push(seconds((5, 10)))
    with pytest.raises(PermanentError, match="too many bars without a trade"):
        bars.on_timer(40 * 365 * 86_400 * NS_PER_S)
    assert len(bars.on_timer(2 * MINUTE_NS)) == 1
