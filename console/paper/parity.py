"""Compares a paper session with what the backtest makes of its tape: line by line, counted order by order."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec
import numpy as np

from console.paper.past import Past
from core.errors import ConfigurationError
from core.model.orders import OPEN_STATES
from core.sim.lines import AccountLine, ActLine, FillLine, HoleLine, Line, OrderLine, RingLine, SignalLine
from core.sim.positions import Key
from core.sim.replay import LaneLimit, Progress, Replay, Replayed
from core.sim.restoring import restored
from core.sim.state import LaneSpec
from core.sim.tape import ACT, MISSED, TRADE
from core.strategy import Strategy
from strategies.catalogue import make_strategy

_OUTSIDE: Final = (HoleLine, RingLine)
"""What is written down of the rings, which a backtest knows nothing of."""
_LAST_NS: Final = 2**63 - 1

_LaneName = tuple[str, str, str]


@attrs.frozen(kw_only=True)
class Divergence:
    """The first step that came out differently, counted from 1: what stands in the ledger and what the backtest says,
    from the first line that differs, and the accounts on both sides after that step."""

    step: int
    ts_ns: int
    recorded: Sequence[Line]
    replayed: Sequence[Line]
    recorded_accounts: Sequence[AccountLine]
    replayed_accounts: Sequence[AccountLine]


@attrs.frozen(kw_only=True)
class Compared:
    """How many there are in the ledger or in the replay, and how many of them are the same in both."""

    count: int
    same: int


@attrs.frozen(kw_only=True)
class Parity:
    """What came out. `trades` are those that orders were carried out against; `lanes` has the orders of each (label,
    venue, symbol). An order is the same when all that became of it is, its fills included."""

    steps: int
    trades: int
    orders: Compared
    fills: Compared
    signals: Compared
    lines: Compared
    lanes: dict[tuple[str, str, str], Compared]
    divergence: Divergence | None

    @property
    def proven(self) -> bool:
        """Whether everything is the same."""
        return self.divergence is None


def load_strategies(past: Past, approved: Path) -> dict[tuple[str, Key], Strategy]:
    """Fresh strategies of a session, of the code that traded in it.

    Raises:
        ConfigurationError: the code of one has changed since, so that nothing can be compared.
        ConsoleError: one cannot be loaded.
    """
    found = {}
    for lane in past.head.state.lanes:
        spec = lane.spec
        if spec.strategy:
            found[spec.label, spec.key] = _loaded(spec, approved)
    return found


def _loaded(spec: LaneSpec, approved: Path) -> Strategy:
    loaded = make_strategy(spec.strategy, spec.parameters, approved)
    if loaded.sha256 != spec.sha256:
        raise ConfigurationError(
            "another strategy",
            f"{spec.strategy} was {spec.sha256[:12]} in the session and is {loaded.sha256[:12]} now",
            hint="compare with the code that traded",
        )
    return loaded.strategy


def compare(
    past: Past,
    strategies: dict[tuple[str, Key], Strategy],
    progress: Progress = lambda _fraction: None,
    *,
    limit: LaneLimit = nullcontext,
) -> Parity:
    """Replay a session and compare; `limit` surrounds all questions to the strategy of the lane with that label.

    Raises `ConsoleError` when it cannot be replayed, and what `limit` raises.
    """
    state = past.head.state
    restored(past.head, (), marks={})  # what it began with adds up, and names nothing that is not there
    replay = Replay(state, past.rows, past.steps, past.lines, strategies, limit=limit)
    alike = _Alike(state.accounts)
    sides: tuple[_Side, _Side] | None = None
    divergence: Divergence | None = None
    written = 0
    for again in replay.run(progress):
        lines = [line for line in past.lines[written : again.step.lines] if not isinstance(line, _OUTSIDE)]
        written = again.step.lines
        at = _first_difference(lines, again.lines)
        if sides is None and at is None:
            alike.add(lines)
            continue
        sides = sides or (_Side(alike), _Side(alike))
        sides[0].add(lines)
        sides[1].add(again.lines)
        alike.lines += sum(map(operator.eq, lines, again.lines))
        if divergence is None and at is not None:
            divergence = _divergence(past, again, lines, at, sides)
    return _parity(past, alike, sides or (_Side(alike), _Side(alike)), divergence)


class _Alike:
    # Counts what both sides have, as long as that is the same, and lines also afterwards. Of orders it holds those
    # that are not done.

    def __init__(self, accounts: Iterable[AccountLine]) -> None:
        self.done: defaultdict[_LaneName, int] = defaultdict(int)
        self.open: dict[int, OrderLine] = {}
        self.fills = self.signals = self.lines = 0
        self.accounts = {one.id: one for one in accounts}

    def add(self, lines: Sequence[Line]) -> None:
        self.lines += len(lines)
        for line in lines:
            if isinstance(line, OrderLine):
                if line.state in OPEN_STATES:
                    self.open[line.number] = line
                else:
                    self.open.pop(line.number, None)
                    self.done[line.lane, line.venue, line.symbol] += 1
            elif isinstance(line, FillLine):
                self.fills += 1
            elif isinstance(line, SignalLine):
                self.signals += 1
            elif isinstance(line, AccountLine):
                self.accounts[line.id] = line


class _Side:
    # What one side says from the first difference on: orders with all that became of them, fills, signals, accounts.

    def __init__(self, alike: _Alike) -> None:
        self.fills: dict[tuple[int, int], FillLine] = {}
        self.signals: dict[tuple[_LaneName, int], SignalLine] = {}
        self.accounts = dict(alike.accounts)
        self.lines = alike.lines
        self._filled: defaultdict[int, list[FillLine]] = defaultdict(list)
        self._asked: defaultdict[_LaneName, int] = defaultdict(int)
        self.orders = {number: (line, self._filled[number]) for number, line in alike.open.items()}

    def add(self, lines: Sequence[Line]) -> None:
        self.lines += len(lines)
        for line in lines:
            if isinstance(line, FillLine):
                filled = self._filled[line.order]
                self.fills[line.order, len(filled)] = line
                filled.append(line)
            elif isinstance(line, OrderLine):
                self.orders[line.number] = (line, self._filled[line.number])
            elif isinstance(line, SignalLine):
                lane = (line.lane, line.venue, line.symbol)
                self.signals[lane, self._asked[lane]] = line
                self._asked[lane] += 1
            elif isinstance(line, AccountLine):
                self.accounts[line.id] = line


def _first_difference(lines: Sequence[Line], others: Sequence[Line]) -> int | None:
    for at, (one, other) in enumerate(zip(lines, others, strict=False)):
        if one != other:
            return at
    return None if len(lines) == len(others) else min(len(lines), len(others))


def _divergence(
    past: Past, again: Replayed, lines: Sequence[Line], at: int, sides: tuple[_Side, _Side]
) -> Divergence:
    recorded, replayed = sides
    return Divergence(
        step=again.number + 1,
        ts_ns=_instant(past, again, lines or again.lines),
        recorded=lines[at:],
        replayed=again.lines[at:],
        recorded_accounts=list(recorded.accounts.values()),
        replayed_accounts=list(replayed.accounts.values()),
    )


def _instant(past: Past, again: Replayed, lines: Sequence[Line]) -> int:
    if again.step.kind == ACT:  # an act has no row with a time: its first line says when it was
        wall_ns = next((line.wall_ns for line in lines if isinstance(line, ActLine)), 0)
        return min(max(wall_ns, 0), _LAST_NS)
    return int(past.rows["ts_ns"][again.step.end - 1])


def _parity(past: Past, alike: _Alike, sides: tuple[_Side, _Side], divergence: Divergence | None) -> Parity:
    recorded, replayed = sides
    lanes = _by_lane(alike, sides)
    return Parity(
        steps=len(past.steps),
        trades=int((past.steps.end - past.steps.first)[np.isin(past.steps.kind, (MISSED, TRADE))].sum()),
        orders=Compared(count=sum(one.count for one in lanes.values()), same=sum(one.same for one in lanes.values())),
        fills=_compared(recorded.fills, replayed.fills, alike.fills),
        signals=_compared(recorded.signals, replayed.signals, alike.signals),
        lines=Compared(count=max(recorded.lines, replayed.lines), same=alike.lines),
        lanes=lanes,
        divergence=divergence,
    )


def _compared(one: Mapping[Any, Any], other: Mapping[Any, Any], alike: int) -> Compared:
    same = sum(other.get(key) == it for key, it in one.items())
    return Compared(count=alike + len(one.keys() | other.keys()), same=alike + same)


def _by_lane(alike: _Alike, sides: tuple[_Side, _Side]) -> dict[_LaneName, Compared]:
    one, other = (_orders_by_lane(side) for side in sides)
    lanes = sorted(alike.done.keys() | one.keys() | other.keys())
    return {lane: _compared(one[lane], other[lane], alike.done[lane]) for lane in lanes}


def _orders_by_lane(side: _Side) -> defaultdict[_LaneName, dict[int, Any]]:
    found: defaultdict[_LaneName, dict[int, Any]] = defaultdict(dict)
    for number, (order, fills) in side.orders.items():
        found[order.lane, order.venue, order.symbol][number] = (order, fills)
    return found


def parity_document(past: Past, parity: Parity) -> dict[str, Any]:
    """What came out, fit for JSON; integers as in the ledger, and `percent` exact only where it is 100."""
    first = parity.divergence
    return {
        "schema_version": 1,
        "desk": past.head.desk,
        "session": past.head.session,
        "same": parity.proven,
        "percent": _percent(parity),
        "steps": parity.steps,
        "trades": parity.trades,
        **{name: attrs.asdict(getattr(parity, name)) for name in ("orders", "fills", "signals", "lines")},
        "strategies": [
            {"label": label or "liquidation", "venue": venue, "symbol": symbol, **attrs.asdict(orders)}
            for (label, venue, symbol), orders in parity.lanes.items()
        ],
        "first_divergence": None if first is None else msgspec.to_builtins(first),
        "notes": [*past.notes, *_of_nothing(parity)],
    }


def _percent(parity: Parity) -> float:
    if parity.proven:
        return 100.0
    whole = parity.orders.count or parity.lines.count
    same = parity.orders.same if parity.orders.count else parity.lines.same
    return min(round(100 * same / whole, 2), 99.99) if whole else 0.0


def _of_nothing(parity: Parity) -> list[str]:
    if not parity.trades:
        return ["it saw no trades, so there was nothing to trade on and nothing can differ"]
    if not parity.orders.count:
        return ["it gave no order, and neither does the backtest"]
    return []
