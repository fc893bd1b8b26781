"""Tells a second desk what a first one was told, the way a backtest goes: bars of all trades at once, strategies
asked for everything at once where they can be, exchanges that look ahead along arrays. Pure.

Of a session nothing but its tape and what operators did is taken. That a strategy was stopped is taken too: one that
ran out of time would not do so again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Final, NamedTuple

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
from core.sim.tape import ACT, CLOCK, CONTEXT, MISSED, TRADE, Rows, Step, Steps, python_numbers, ticks_of
from core.strategy import Strategy

_NO_TIME: Final = -(2**63)
_TOLD_EVERY: Final = 4096
_EXCHANGED: Final = frozenset({MISSED, TRADE})


Progress = Callable[[float], None]
"""Hears the part that is done, 0 to 1."""

LaneLimit = Callable[[str], AbstractContextManager[object]]
"""Makes a block for the lane of that label, which ends with a `ConsoleError` when its strategy takes too long."""


class Replayed(NamedTuple):
    """A step, and the lines that it brings this time."""

    number: int
    step: Step
    lines: list[Line]


class Replay:
    """A session again: its `state` at the beginning, its tape as `rows` and `steps`, its `lines`, and fresh
    `strategies` by (label, key). `desk` is the desk that goes through it. `limit` surrounds all questions to
    the strategy of a lane.

    Raises `ConsoleError` when a strategy or the state makes no sense, `PermanentError` when the tape does not fit.
    """

    def __init__(
        self,
        state: DeskState,
        rows: Rows,
        steps: Steps,
        lines: Sequence[Line],
        strategies: Mapping[tuple[str, Key], Strategy],
        *,
        limit: LaneLimit = nullcontext,
    ) -> None:
        self._steps, self._lines, self._limit = steps, lines, limit
        if (steps.market >= len(state.markets)).any():
            raise PermanentError("the tape does not fit", "it names a symbol that the session has not")
        seen = [_Seen(rows, steps, number) for number in range(len(state.markets))]
        keys = [one.instrument.key for one in state.markets]
        ticks = {key: one.exchanged for key, one in zip(keys, seen, strict=True)}
        self.desk = Desk(state, strategies, ticks=ticks, limit=partial(limit, "a strategy"))
        self._seen = seen
        self._last_ns, self._last_e9 = rows["ts_ns"][steps.end - 1], rows["price_e9"][steps.end - 1]
        self._markets = list(self.desk.markets.values())
        self._exchanged = [0] * len(self._markets)
        self._stops = _stops(steps, lines)

    def run(self, progress: Progress = lambda _fraction: None) -> Iterator[Replayed]:
        """Ask the strategies, which is half of the `progress`, then go through all steps. Raises `StrategyError`, and
        what `limit` raises."""
        wanted = self._all_wanted(partial(_advance, progress, 0, 2))
        written = 0
        lasts = zip(python_numbers(self._last_ns), python_numbers(self._last_e9), strict=True)
        for number, (step, last) in enumerate(zip(self._steps, lasts, strict=True)):
            if step.kind == ACT:
                lines = self.desk.act(self._act(number, self._lines[written : step.lines]))
            elif step.kind == CLOCK and last[0] == 0:
                lines = []  # nobody was told anything: it stands for lines that belong to no step
            else:
                lines = self._step(step, wanted.pop(number, []), last)
            yield Replayed(number, step, lines)
            written = step.lines
            if number % _TOLD_EVERY == 0:
                _advance(progress, 1, 2, number / len(self._steps))
        progress(1)

    def _step(self, step: Step, wanted: list[tuple[Wanted, int]], last: tuple[int, int]) -> list[Line]:
        # `last` are the instant and the price in its last row; a clock mark has no price.
        if step.kind in _EXCHANGED:
            self._exchanged[step.market] += step.end - step.first
        # As they came live: by trade, then by time, then by lane.
        wanted.sort(key=lambda one: (one[0].next_tick, one[0].at_ns, one[1]))
        return self.desk.step(
            self._markets[step.market],
            [one for one, _ in wanted],
            kind=step.kind,
            end=self._exchanged[step.market],
            ts_ns=last[0],
            mark_e9=last[1],
        )

    def _act(self, number: int, recorded: Sequence[Line]) -> ActLine:
        acts = [line for line in recorded if isinstance(line, ActLine)]
        if len(acts) != 1:
            raise PermanentError("the tape does not fit", f"step {number + 1} is an act, the ledger has {len(acts)}")
        return acts[0]

    def _all_wanted(self, progress: Progress) -> dict[int, list[tuple[Wanted, int]]]:
        # By the number of the step in which it was known, with the place of the lane in its market.
        wanted: defaultdict[int, list[tuple[Wanted, int]]] = defaultdict(list)
        asked = [
            (market, seen, place)
            for market, seen in zip(self._markets, self._seen, strict=True)
            for place, lane in enumerate(market.lanes)
            if lane.asks and len(seen.ticks)
        ]
        for number, (market, seen, place) in enumerate(asked):
            lane, part = market.lanes[place], partial(_advance, progress, number, len(asked))
            with self._limit(lane.spec.label):
                for at, one in self._answers(lane, market, seen, part):
                    wanted[at].append((one, place))
            part(1)
        return wanted

    def _answers(self, lane: Lane, market: Market, seen: _Seen, progress: Progress) -> Iterator[tuple[int, Wanted]]:
        # What a lane wants, each with the number of the step in which that was known.
        stop = self._stops.get((lane.spec.label, market.instrument.key))
        events = _events(lane, seen, None if stop is None else stop.step)
        known = seen.known_in(events, by_time=_by_time(lane))
        count = len(events) if stop is None else min(max(stop.line.event, 0), len(events))
        for event, one in _asked(lane, events, count, progress):
            yield int(known[event]), one._replace(next_tick=max(one.next_tick - seen.context, 0))
        if stop is None:
            return
        lane.event = stop.line.event
        failed = count < len(events) and int(known[count]) == stop.step
        next_tick = events.next_tick.item(count) - seen.context if failed else 0
        yield stop.step, Wanted(lane, next_tick, stop.line.ts_ns, 0, (), _StoppedError(stop.line.reason))


def _advance(progress: Progress, number: int, count: int, part: float) -> None:
    # Tell how far all is when a part of number `number`, one of `count`, is.
    progress((number + part) / count)


class _Stop(NamedTuple):
    # That a lane was stopped, and in which step.
    line: LaneLine
    step: int


def _stops(steps: Steps, lines: Sequence[Line]) -> dict[tuple[str, Key], _Stop]:
    return {
        (line.lane, (line.venue, line.symbol)): _Stop(line, steps.committed(number))
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

    def __init__(self, rows: Rows, steps: Steps, market: int) -> None:
        self._numbers = np.flatnonzero((steps.market == market) & (steps.kind != ACT))
        kinds, firsts = steps.kind[self._numbers], steps.first[self._numbers]
        sizes = steps.end[self._numbers] - firsts
        self._counts = np.cumsum(np.where(kinds == CLOCK, 0, sizes))
        self._passed_ns = np.maximum.accumulate(np.where(kinds == CLOCK, rows["ts_ns"][firsts], _NO_TIME))
        self.ticks = ticks_of(rows, market)
        self.context = int(sizes[kinds == CONTEXT].sum())
        self.exchanged = self.ticks.part(self.context, len(self.ticks))

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

    def passed_by(self, number: int | None) -> int | None:
        """The instant that the clock had passed after a step, after all of them for None; None for no such mark."""
        at = len(self._numbers) if number is None else int(np.searchsorted(self._numbers, number, side="right"))
        return int(self._passed_ns[at - 1]) if at and self._passed_ns[at - 1] > _NO_TIME else None


class _StoppedError(ConsoleError):
    # Says what it was told, and nothing else.

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "")

    def __str__(self) -> str:
        return self.operation


def _asked(lane: Lane, events: BarSeries, count: int, progress: Progress) -> Iterator[tuple[int, Wanted]]:
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
                if one.failure is not None:
                    return
        progress(end / len(events))
