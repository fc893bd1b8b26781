"""Counts what the lines of a session's ledger say, in bounded memory, however long it trades. Pure.

The process that trades counts as it goes, and whoever reads the ledger afterwards comes to the same.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np

from core.model.orders import OPEN_STATES, OrderState
from core.sim.lines import EquityLine, FillLine, HoleLine, Line, OrderLine, SignalLine
from core.sim.positions import Key
from core.sim.state import SessionHead
from core.sim.thinning import thin

MOST_FILLS: Final = 200
MOST_POINTS: Final = 240
_HELD_POINTS: Final = 8 * MOST_POINTS
_NEWEST_NS: Final = 2**63 - 1
_MOST_E12: Final = 10**100
_REJECTED: Final = OrderState.REJECTED

Point = tuple[int, int]
"""An instant in ns and a worth at 1e-12."""


@attrs.define(kw_only=True)
class LaneCount:
    """What a lane did. An order counts once, whatever becomes of it; `last_signal_ns` is 0 before the first."""

    signals: int = 0
    orders: int = 0
    fills: int = 0
    rejected: int = 0
    last_signal_ns: int = 0


@attrs.define(kw_only=True)
class Holes:
    """How often trades of a symbol were not seen, and how many are known to have been."""

    holes: int = 0
    lost: int = 0


class Tally:
    """What became of the session that begins with `head`, as far as `add` was told. Of it `fills` are the newest
    `MOST_FILLS`, oldest first."""

    def __init__(self, head: SessionHead) -> None:
        self.fills: deque[FillLine] = deque(maxlen=MOST_FILLS)
        self._lanes: defaultdict[tuple[str, Key], LaneCount] = defaultdict(LaneCount)
        self._holes: defaultdict[Key, Holes] = defaultdict(Holes)
        self._curves: defaultdict[str, _Curve] = defaultdict(_Curve)
        self._highest_e12: dict[str, int] = {}
        self._open = {order.number for order in head.state.orders}
        self._next = 0

    def add(self, number: int, lines: Sequence[Line]) -> None:
        """Count committed lines, of which the first is line `number` of the ledger; none is counted twice."""
        for line in lines[max(self._next - number, 0) :]:
            self._count(line)
        self._next = max(self._next, number + len(lines))

    def lane(self, label: str, key: Key) -> LaneCount:
        """What a lane did."""
        return self._lanes.get((label, key)) or LaneCount()

    def holes(self, key: Key) -> Holes:
        """What was not seen of a symbol."""
        return self._holes.get(key) or Holes()

    def curve(self, account: str) -> list[Point]:
        """What an account was worth over time, at most `MOST_POINTS` points that keep its peaks."""
        curve = self._curves.get(account)
        return [] if curve is None else curve.points()

    def highest_e12(self, account: str, otherwise_e12: int) -> int:
        """The most that an account was worth when it was looked at, `otherwise_e12` before that was ever."""
        return self._highest_e12.get(account, otherwise_e12)

    def signals(self) -> int:
        """How many signals there were."""
        return sum(one.signals for one in self._lanes.values())

    def orders(self) -> int:
        """How many orders the strategies gave, or operators in their name."""
        return sum(one.orders for (label, _), one in self._lanes.items() if label)

    def filled(self) -> int:
        """How many fills there were, liquidations among them."""
        return sum(one.fills for one in self._lanes.values())

    def _count(self, line: Line) -> None:
        if isinstance(line, SignalLine):
            lane = self._lanes[line.lane, (line.venue, line.symbol)]
            lane.signals += 1
            lane.last_signal_ns = max(lane.last_signal_ns, line.ts_ns)
        elif isinstance(line, OrderLine):
            self._count_order(line)
        elif isinstance(line, FillLine):
            self._lanes[line.lane, (line.venue, line.symbol)].fills += 1
            self.fills.append(line)
        elif isinstance(line, EquityLine):
            self._curves[line.account].add(line.ts_ns, line.equity_e12)
            self._highest_e12[line.account] = max(line.equity_e12, self.highest_e12(line.account, line.equity_e12))
        elif isinstance(line, HoleLine):
            holes = self._holes[line.venue, line.symbol]
            holes.holes += 1
            holes.lost += line.rows

    def _count_order(self, line: OrderLine) -> None:
        lane = self._lanes[line.lane, (line.venue, line.symbol)]
        lane.orders += line.number not in self._open
        lane.rejected += line.state is _REJECTED
        if line.state in OPEN_STATES:
            self._open.add(line.number)
        else:
            self._open.discard(line.number)


class _Curve:
    def __init__(self) -> None:
        self._points: list[Point] = []
        self._shown: list[Point] | None = None  # it is asked for more often than it changes

    def add(self, ts_ns: int, equity_e12: int) -> None:
        before_ns = self._points[-1][0] if self._points else 0
        # Thinning needs time that ascends and numbers that fit, and a file may say anything.
        if before_ns < ts_ns <= _NEWEST_NS and abs(equity_e12) < _MOST_E12:
            self._points.append((ts_ns, equity_e12))
            self._shown = None
        if len(self._points) >= _HELD_POINTS:
            self._points = _thinned(self._points, _HELD_POINTS // 2)

    def points(self) -> list[Point]:
        if self._shown is None:
            self._shown = _thinned(self._points, MOST_POINTS)
        return list(self._shown)


def _thinned(points: list[Point], most: int) -> list[Point]:
    if len(points) <= most:
        return points
    ts_ns = np.array([ts_ns for ts_ns, _ in points], np.int64)
    worth = np.array([equity_e12 / 10**12 for _, equity_e12 in points])  # only to choose by
    return [points[number] for number in thin(ts_ns, worth, most=most).tolist()]
