"""Bars of choice, and what a strategy answers to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.bars.history import bar_series
from core.bars.series import BarSeries
from core.bars.spec import BarDataMode, BarType
from core.clock import NS_PER_S
from core.strategy import Signal, Strategy
from tests.unit.core.bars.events import FRIDAY_NS, ticks_of

MINUTE_NS = 60 * NS_PER_S


def closes(prices: Sequence[float], volumes: Sequence[int] = (), *, start_ns: int = FRIDAY_NS) -> BarSeries:
    """Bars of a minute that close at these prices, one trade in each; a volume of 0 leaves the minute without one."""
    traded = [
        (at * MINUTE_NS, round(price * 1e9), volumes[at] if volumes else 10**8)
        for at, price in enumerate(prices)
        if not volumes or volumes[at]
    ]
    ticks = ticks_of(traded, start_ns=start_ns)
    return bar_series(ticks, BarType(), BarDataMode.ON_CLOSE_BAR, until_ns=start_ns + len(prices) * MINUTE_NS)


def each_trade(prices: Sequence[float]) -> BarSeries:
    """One event a trade."""
    rows = [(at * NS_PER_S, round(price * 1e9), 10**8) for at, price in enumerate(prices)]
    return bar_series(ticks_of(rows, start_ns=FRIDAY_NS), BarType(), BarDataMode.ON_EACH_TICK)


def one_by_one(strategy: Strategy, bars: BarSeries) -> list[int]:
    """The `Action` numbers of `on_bar_data` at every event."""
    strategy.reset()
    answers: list[int] = []
    for first, end, bar in bars.stretches():
        for at in range(end - first):
            bar.at = at
            answer = strategy.on_bar_data(bar)
            assert isinstance(answer, Signal)
            answers.append(answer.action)
    return answers


def answers(strategy: Strategy, bars: BarSeries) -> str:
    """One letter an event: `B` to buy, `S` to sell, `.` to hold. Fails where the array form says otherwise."""
    actions = one_by_one(strategy, bars)
    at_once = strategy.signals(bars)
    assert at_once is None or at_once.tolist() == actions
    return "".join(".BS"[action] for action in actions)


def given(kind: type[Strategy], **parameters: float) -> Strategy:
    """A strategy with these parameters."""
    strategy = kind()
    texts: Mapping[str, str] = {name: str(value) for name, value in parameters.items()}
    strategy.initialize(texts)
    return strategy
