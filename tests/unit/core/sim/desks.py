"""A desk whose session is kept in memory: what it was told and the lines that this brought."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from console.paper.merging import opened
from core.bars.ticks import Ticks
from core.model.instruments import Instrument
from core.sim.accounts import AccountSpec, Limits
from core.sim.lines import ActLine, Line
from core.sim.market import Limit
from core.sim.models import Execution
from core.sim.paper import Desk
from core.sim.positions import Key
from core.sim.replay import Replay, Replayed
from core.sim.state import DeskState, LaneSpec, LaneStart, MarketStart
from core.sim.tape import ACT, CLOCK, CONTEXT, TAPE, TRADE, Rows, Steps, row_of, rows_of, steps_of
from core.strategy import Strategy

Strategies = Mapping[tuple[str, Key], Strategy]


def desk_state(
    instruments: Iterable[Instrument],
    lanes: Iterable[LaneSpec],
    accounts: Iterable[AccountSpec],
    execution: Execution,
    limits: Mapping[str, Limits] | None = None,
) -> DeskState:
    """A desk on which nothing has happened yet."""
    return DeskState(
        markets=[MarketStart(instrument=one, execution=execution) for one in instruments],
        lanes=[LaneStart(spec=spec) for spec in lanes],
        accounts=[opened(spec) for spec in accounts],
        limits=dict(limits or {}),
    )


class Recorded:
    """A desk that goes on from `state`, and its session so far."""

    def __init__(self, state: DeskState, strategies: Strategies, limit: Limit | None = None) -> None:
        self.state = state
        self.desk = Desk(state, strategies) if limit is None else Desk(state, strategies, limit=limit)
        self.lines: list[Line] = []
        self._rows: list[Rows] = []

    @property
    def rows(self) -> Rows:
        """The tape."""
        return np.concatenate(self._rows) if self._rows else np.empty(0, TAPE)

    @property
    def steps(self) -> Steps:
        """The steps of the tape."""
        return steps_of(self.rows)

    def context(self, key: Key, ticks: Ticks) -> None:
        """Trades of before."""
        self._note(self.desk.context(key, ticks), lambda lines: self._trades(key, ticks, CONTEXT, lines))

    def trades(self, key: Key, ticks: Ticks, kind: int = TRADE) -> None:
        """Trades."""
        self._note(self.desk.trades(key, ticks, kind=kind), lambda lines: self._trades(key, ticks, kind, lines))

    def clock(self, key: Key, passed_ns: int) -> None:
        """An instant that has passed."""
        lines = self.desk.clock(key, passed_ns)
        if lines is not None:
            market = self.desk.markets[key].number
            self._note(lines, lambda count: row_of(kind=CLOCK, market=market, ts_ns=passed_ns, lines=count))

    def act(self, line: ActLine) -> None:
        """Something that an operator did."""
        self._note(self.desk.act(line), lambda count: row_of(kind=ACT, lines=count))

    def _trades(self, key: Key, ticks: Ticks, kind: int, lines: int) -> Rows:
        return rows_of(ticks, kind=kind, market=self.desk.markets[key].number, cursor=0, lines=lines)

    def _note(self, lines: list[Line], rows: Callable[[int], Rows]) -> None:
        self.lines += lines
        self._rows.append(rows(len(self.lines)))

    def replayed(self, strategies: Strategies) -> list[Replayed]:
        """The same session again, by the way of a backtest."""
        return list(Replay(self.state, self.rows, self.steps, self.lines, strategies).run())


def lines_of(replayed: Sequence[Replayed]) -> list[Line]:
    """All lines of it."""
    return [line for step in replayed for line in step.lines]
