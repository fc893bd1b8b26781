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


def test_a_trade_that_is_older_than_the_push_before_counts_in_its_open_bar() -> None:
    """However few trades come at a time, and also after a push of which nothing was kept."""
    bars = RealtimeBars(BarType(), BarDataMode.ON_EACH_TICK)
    answers = [bars.push(seconds((second, 10))) for second in (65, 70, 66, 3, 69, 71)]
    assert [event.ts_ns // NS_PER_S for answer in answers for event in events_of(answer)] == [65, 70, 70, 70, 71]
    assert bars.late == 1


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


def test_trades_from_another_age_are_refused_and_nothing_has_changed() -> None:
    """What came before stands, what is late in the refused push is not counted, and the right trades go on."""
    bars = closing()
    bars.push(seconds((5, 10), (61, 11)))
    for before in ((59, 99), (62, 99)):
        with pytest.raises(PermanentError, match="too many bars without a trade"):
            bars.push(seconds(before, (40 * 365 * 86_400, 12)))
    assert (bars.late, bars.closes_at_ns) == (0, 2 * MINUTE_NS)
    (closed,) = events_of(bars.push(seconds((120, 13))))
    assert (closed.open_e9, closed.close_e9, closed.tick_count) == (11, 11, 1)


def test_it_says_when_the_open_bar_is_over() -> None:
    """Not before the first trade; then the end of the bar by the time of trades, which the grace does not move."""
    bars = closing()
    bars.on_timer(10 * MINUTE_NS)
    assert bars.closes_at_ns is None
    for ticks, ends_ns in (
        (seconds((5, 10)), MINUTE_NS),
        (seconds((59, 11)), MINUTE_NS),
        (seconds((60, 12)), 2 * MINUTE_NS),
    ):
        bars.push(ticks)
        assert bars.closes_at_ns == ends_ns
    bars.on_timer(5 * MINUTE_NS + 2 * NS_PER_S)
    assert bars.closes_at_ns == 6 * MINUTE_NS


def test_bars_of_trades_are_never_over_by_time() -> None:
    """However many trades there were, no instant is named."""
    bars = RealtimeBars(BarType(ticks=2), BarDataMode.ON_CLOSE_BAR)
    bars.push(seconds((5, 10), (6, 11), (7, 12)))
    assert bars.closes_at_ns is None


@pytest.mark.parametrize("mode", list(BarDataMode))
def test_columns_of_a_single_trade_are_made_when_used(mode: BarDataMode) -> None:
    """None to count the events, one for one that is asked for, and nobody writes into it."""
    bars = RealtimeBars(BarType(ticks=2), mode)
    bars.push(seconds((5, 10)))
    events = bars.push(seconds((6, 11)))
    assert len(events) == 1
    assert not {"ts_ns", "high_e9"} & set(events.__dict__)
    assert events.high_e9 is events.high_e9
    with pytest.raises(ValueError, match="read-only"):
        events.high_e9[0] = 12
