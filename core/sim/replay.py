"""Tells a second desk what a first one was told, the way a backtest goes: bars of all trades at once, strategies
asked for everything at once where they can be, exchanges that look ahead along arrays. Pure.

Of a session nothing but its tape and what operators did is taken. That a strategy was stopped is taken too: one that
ran out of time would not do so again.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np

from core.bars.history import bar_series
from core.bars.series import BarSeries
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Column
from core.errors import ConsoleError, PermanentError
from core.sim.asking import all_at_once, of_array
from core.sim.lines import ActLine, LaneLine, Line
from core.sim.market import Lane, Market, Wanted, ask
from core.sim.paper import Desk
from core.sim.positions import Key
from core.sim.state import DeskState
from core.sim.tape import ACT, CLOCK, CONTEXT, MISSED, TRADE, Rows, Step, ticks_of
from core.strategy import Strategy

_NO_TIME = -(2**63)


class Replayed(NamedTuple):
    """A step, and the lines that it brings this time."""

    number: int
    step: Step
    lines: list[Line]


class Replay:
    """A session again: its `state` at the beginning, its tape as `rows` and `steps`, its `lines`, and fresh
    `strategies` by (label, key). `desk` is the desk that goes through it.

    Raises `ConsoleError` when a strategy or the state makes no sense, `PermanentError` when the tape does not fit.
    """

    def __init__(
        self,
        state: DeskState,
        rows: Rows,
        steps: Sequence[Step],
        lines: Sequence[Line],
        strategies: Mapping[tuple[str, Key], Strategy],
    ) -> None:
        self._steps, self._lines = steps, lines
        if any(step.market >= len(state.markets) for step in steps):
            raise PermanentError("the tape does not fit", "it names a symbol that the session has not")
        seen = [_Seen(rows, steps, number) for number in range(len(state.markets))]
        keys = [one.instrument.key for one in state.markets]
        ticks = {key: one.exchanged for key, one in zip(keys, seen, strict=True)}
        self.desk = Desk(state, strategies, ticks=ticks)
        self._seen = seen
        self._markets = list(self.desk.markets.values())
        self._stops = _stops(steps, lines)

    def run(self, progress: Callable[[float], None] = lambda _fraction: None) -> Iterator[Replayed]:
        """Go through all steps. `progress` hears the part done, 0 to 1. Raises `StrategyError`."""
        wanted: defaultdict[int, list[tuple[Wanted, int]]] = defaultdict(list)
        for market, seen in zip(self._markets, self._seen, strict=True):
            for place, lane in enumerate(market.lanes):
                if lane.asks and len(seen.ticks):
                    for at, one in self._answers(lane, market, seen):
                        wanted[at].append((one, place))
        written = 0
        for number, step in enumerate(self._steps):
            recorded = self._lines[written : step.lines]
            yield Replayed(number, step, self._again(number, step, wanted.pop(number, []), recorded))
            written = step.lines
            if number % 4096 == 0:
                progress(number / len(self._steps))

    def _again(
        self, number: int, step: Step, wanted: list[tuple[Wanted, int]], recorded: Sequence[Line]
    ) -> list[Line]:
        if step.kind == ACT:
            acts = [line for line in recorded if isinstance(line, ActLine)]
            if len(acts) != 1:
                raise PermanentError("the tape does not fit", f"step {number} is an act, the ledger has {len(acts)}")
            return self.desk.act(acts[0])
        # As they came live: by trade, then by time, then by lane.
        wanted.sort(key=lambda one: (one[0].next_tick, one[0].at_ns, one[1]))
        market, seen = self._markets[step.market], self._seen[step.market]
        last = seen.last_of(step)
        return self.desk.step(
            market,
            [one for one, _ in wanted],
            kind=step.kind,
            end=seen.exchanged_by(number),
            ts_ns=last[0],
            mark_e9=last[1],
        )

    def _answers(self, lane: Lane, market: Market, seen: _Seen) -> Iterator[tuple[int, Wanted]]:
        # What a lane wants, each with the number of the step in which that was known.
        stop = self._stops.get((lane.spec.label, market.instrument.key))
        events = _events(lane, seen, None if stop is None else stop.step)
        known = seen.known_in(events, by_time=_by_time(lane))
        count = len(events) if stop is None else min(max(stop.line.event, 0), len(events))
        for event, one in _asked(lane, events, count):
            yield int(known[event]), one._replace(next_tick=max(one.next_tick - seen.context, 0))
        if stop is None:
            return
        lane.event = stop.line.event
        failed = count < len(events) and int(known[count]) == stop.step
        next_tick = events.next_tick.item(count) - seen.context if failed else 0
        yield stop.step, Wanted(lane, next_tick, stop.line.ts_ns, 0, (), _StoppedError(stop.line.reason))


class _Stop(NamedTuple):
    # That a lane was stopped, and in which step.
    line: LaneLine
    step: int


def _stops(steps: Sequence[Step], lines: Sequence[Line]) -> dict[tuple[str, Key], _Stop]:
    ends = [step.lines for step in steps]
    return {
        (line.lane, (line.venue, line.symbol)): _Stop(line, bisect.bisect_right(ends, number))
        for number, line in enumerate(lines)
        if isinstance(line, LaneLine) and line.state == "stopped"
    }


def _by_time(lane: Lane) -> bool:
    return lane.spec.mode is BarDataMode.ON_CLOSE_BAR and not BarType.parse(lane.spec.bars).ticks


def _events(lane: Lane, seen: _Seen, stopped_in: int | None) -> BarSeries:
    # Of a lane that was stopped those up to then. It may have been stopped because there were too many.
    bar_type, mode = BarType.parse(lane.spec.bars), lane.spec.mode
    if stopped_in is None:
        return bar_series(seen.ticks, bar_type, mode, until_ns=seen.passed_by(None))
    try:
        ticks, passed_ns = seen.ticks.part(0, seen.told_by(stopped_in)), seen.passed_by(stopped_in)
        return bar_series(ticks, bar_type, mode, until_ns=passed_ns)
    except PermanentError:
        ticks, passed_ns = seen.ticks.part(0, seen.told_by(stopped_in - 1)), seen.passed_by(stopped_in - 1)
        return bar_series(ticks, bar_type, mode, until_ns=passed_ns)


class _Seen:
    # What one symbol's strategies and exchange were told: trades, how many after each of its steps, and clock marks.

    def __init__(self, rows: Rows, steps: Sequence[Step], market: int) -> None:
        own = [(number, step) for number, step in enumerate(steps) if step.market == market and step.kind != ACT]
        self._numbers = np.array([number for number, _ in own], np.int64)
        kinds = np.array([step.kind for _, step in own], np.int64)
        traded = (kinds == CONTEXT) | (kinds == MISSED) | (kinds == TRADE)
        sizes = np.array([step.end - step.first for _, step in own], np.int64)
        self._counts = np.cumsum(np.where(traded, sizes, 0))
        firsts = np.array([step.first for _, step in own], np.int64)
        marks = np.where(kinds == CLOCK, rows["ts_ns"][firsts] if own else 0, _NO_TIME)
        self._passed_ns = np.maximum.accumulate(marks) if own else marks
        self.ticks = ticks_of(
            _rows_of([step for (_, step), yes in zip(own, traded.tolist(), strict=True) if yes], rows)
        )
        self.context = int(sizes[kinds == CONTEXT].sum())
        self.exchanged = self.ticks.part(self.context, len(self.ticks))
        self._rows = rows

    def known_in(self, events: BarSeries, *, by_time: bool) -> Column:
        """The number of the step in which each event was known."""
        if not by_time:
            at = np.searchsorted(self._counts, events.next_tick, side="left")
        else:
            # A bar of time is over when the next trade comes, or when the clock says so.
            traded = np.searchsorted(self._counts, events.next_tick, side="right")
            at = np.minimum(traded, np.searchsorted(self._passed_ns, events.ts_ns, side="left"))
        found: Column = self._numbers[at]
        return found

    def told_by(self, number: int) -> int:
        """How many trades the strategies had been told after a step, which need not be one of this symbol."""
        at = int(np.searchsorted(self._numbers, number, side="right"))
        return int(self._counts[at - 1]) if at else 0

    def exchanged_by(self, number: int) -> int:
        """How many trades the exchange had been told after a step."""
        return max(self.told_by(number) - self.context, 0)

    def passed_by(self, number: int | None) -> int | None:
        """The instant that the clock had passed after a step, after all of them for None; None for no such mark."""
        at = len(self._numbers) if number is None else int(np.searchsorted(self._numbers, number, side="right"))
        return int(self._passed_ns[at - 1]) if at and self._passed_ns[at - 1] > _NO_TIME else None

    def last_of(self, step: Step) -> tuple[int, int]:
        """The instant and the price in the last row of a step; a clock mark has no price."""
        row = self._rows[step.end - 1]
        return int(row["ts_ns"]), int(row["price_e9"])


def _rows_of(steps: Sequence[Step], rows: Rows) -> Rows:
    if not steps:
        return rows[:0]
    edges = np.zeros(len(rows) + 1, np.int64)
    np.add.at(edges, [step.first for step in steps], 1)
    np.add.at(edges, [step.end for step in steps], -1)
    return rows[np.cumsum(edges[:-1]) > 0]


class _StoppedError(ConsoleError):
    # Says what it was told, and nothing else.

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "")

    def __str__(self) -> str:
        return self.operation


def _asked(lane: Lane, events: BarSeries, count: int) -> Iterator[tuple[int, Wanted]]:
    assert lane.strategy is not None, "one that is gone is not asked"
    answers = all_at_once(lane.strategy, events)
    if answers is not None:
        for event, signal in of_array(answers[:count]):
            next_tick, at_ns = events.next_tick.item(event), events.ts_ns.item(event)
            yield event, Wanted(lane, next_tick, at_ns, events.close_e9.item(event), (signal,))
        return
    next_ticks, times_ns = events.next_tick, events.ts_ns
    for first, end, bar in events.stretches():
        for event in range(first, min(end, count)):
            bar.at = event - first
            one = ask(lane, bar, next_tick=next_ticks.item(event), at_ns=times_ns.item(event), limit=nullcontext)
            if one is not None:
                yield event, one
