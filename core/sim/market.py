"""One symbol of a desk: its exchange, and the strategies that trade on it, each on a lane of its own. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

import attrs

from core.bars.live import RealtimeBars
from core.bars.series import STRETCH, BarData, BarSeries
from core.bars.spec import BarType
from core.bars.ticks import Ticks
from core.clock import iso_ns
from core.errors import ConsoleError
from core.model.instruments import Instrument
from core.model.orders import Order
from core.sim.asking import checked, failure
from core.sim.exchange import Exchange
from core.sim.lines import LaneState
from core.sim.state import LaneSpec, LaneStart
from core.sim.trader import Trader
from core.strategy import HOLD, Signal, Strategy

Limit = Callable[[], AbstractContextManager[object]]
"""Makes a block that ends with a `ConsoleError` when a strategy takes too long in it."""

Standing = tuple[object, ...]
"""What of an order may change."""

_NOTHING: Final[Sequence[Signal]] = ()


class Lane:
    """One strategy on one symbol. `strategy` is None for one that is gone; `event` counts what it was asked."""

    def __init__(self, start: LaneStart, strategy: Strategy | None, trader: Trader) -> None:
        self.spec: LaneSpec = start.spec
        self.trader = trader
        self.state: LaneState = start.state
        self.reason = start.reason
        self.event = 0
        self.strategy = strategy
        # Trades are in order by the time they come here, so that nothing has to be waited for.
        self.bars = RealtimeBars(BarType.parse(self.spec.bars), self.spec.mode, grace_ns=0)

    @property
    def asks(self) -> bool:
        """Whether the strategy is still asked."""
        return self.strategy is not None and self.state != "stopped"


class Wanted(NamedTuple):
    """What a strategy wants at an event before trade number `next_tick` of its exchange, or how it failed there."""

    lane: Lane
    next_tick: int
    at_ns: int
    last_e9: int
    signals: Sequence[Signal]
    failure: ConsoleError | None = None


@attrs.define(eq=False)
class Market:
    """An instrument on a desk. `number` is its place in the state at the head of the session; `open` holds the orders
    that are not done, by number, as they were written down last."""

    number: int
    instrument: Instrument
    exchange: Exchange
    mark_e9: int
    newest_ns: int
    lanes: list[Lane] = attrs.field(factory=list)
    open: dict[int, tuple[Order, Standing]] = attrs.field(factory=dict)

    def push(self, ticks: Ticks, limit: Limit) -> Iterator[Wanted]:
        """What the strategies want at the events of `ticks`, asked as it is iterated: by time, then by lane."""
        return self._wanted(lambda bars: bars.push(ticks), limit)

    def closes_by(self, passed_ns: int) -> bool:
        """Whether a bar of any lane is over by then."""
        for lane in self.lanes:
            closes_at_ns = lane.bars.closes_at_ns
            if closes_at_ns is not None and closes_at_ns <= passed_ns and lane.asks:
                return True
        return False

    def pass_time(self, passed_ns: int, limit: Limit) -> Iterator[Wanted]:
        """What the strategies want at the bars that are over by `passed_ns`, asked as it is iterated."""
        for wanted in self._wanted(lambda bars: bars.on_timer(passed_ns), limit):
            yield wanted._replace(next_tick=self.exchange.at)

    def _wanted(self, make: Callable[[RealtimeBars], BarSeries], limit: Limit) -> Iterator[Wanted]:
        pushed = []
        for lane in self.lanes:
            if lane.asks:
                try:
                    events = make(lane.bars)
                except ConsoleError as error:
                    yield Wanted(lane, 0, self.newest_ns, self.mark_e9, _NOTHING, error)
                    continue
                if len(events):
                    pushed.append((lane, events))
        if pushed:
            yield from _asked(pushed, limit)


def _asked(pushed: list[tuple[Lane, BarSeries]], limit: Limit) -> Iterator[Wanted]:
    asked = (_of_lane(number, events) for number, (_, events) in enumerate(pushed))
    bars = [[bar for _, _, bar in events.stretches()] for _, events in pushed]
    for next_tick, at_ns, lane_number, event in heapq.merge(*asked):
        lane = pushed[lane_number][0]
        if not lane.asks:
            continue
        bar = bars[lane_number][event // STRETCH]
        bar.at = event % STRETCH
        wanted = ask(lane, bar, next_tick=next_tick, at_ns=at_ns, limit=limit)
        if wanted is not None:
            yield wanted


def _of_lane(number: int, events: BarSeries) -> Iterator[tuple[int, int, int, int]]:
    count = len(events)
    next_ticks, times_ns = (events.values(name, 0, count) for name in ("next_tick", "ts_ns"))
    return zip(next_ticks, times_ns, [number] * count, range(count), strict=True)


def ask(lane: Lane, bar: BarData, *, next_tick: int, at_ns: int, limit: Limit) -> Wanted | None:
    """What the strategy of `lane` wants at `bar`, whatever it does instead of answering; None for nothing."""
    strategy = lane.strategy
    assert strategy is not None, "one that is gone is not asked"
    try:
        with limit():
            answer: object = strategy.on_bar_data(bar)
        if answer is HOLD:
            lane.event += 1
            return None
        signals = checked(strategy, answer, at_ns)
    except KeyboardInterrupt:
        raise
    except ConsoleError as error:
        return Wanted(lane, next_tick, at_ns, bar.close_e9, _NOTHING, error)
    except BaseException as error:  # noqa: BLE001 - sys.exit() of a strategy ends its lane, and not the program
        # It may hold all the memory there is, as may the frames in which it failed: they go before anything is made.
        error.__traceback__ = error.__context__ = lane.strategy = strategy = None
        found = failure(lane.spec.label, f"at {iso_ns(at_ns)}", error)
        return Wanted(lane, next_tick, at_ns, bar.close_e9, _NOTHING, found)
    lane.event += 1
    return Wanted(lane, next_tick, at_ns, bar.close_e9, signals)
