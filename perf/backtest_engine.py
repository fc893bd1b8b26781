"""A backtest of a million trades from arrays in memory to all its figures, beside other programs on the same trades.

Bars: one-minute bars, averages of 5 and 20 of them. Ticks: exponential averages of 1/500 and 1/2000 on every trade. A
position of 1.0, a fee of 0.1 %, every order filled at the next trade by the exchange that paper trading uses.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import attrs

from core.bars.ticks import Ticks
from core.model.instruments import Instrument, Product
from core.sim.accounts import AccountsConfig
from core.sim.engine import BacktestRequest, run_backtest
from core.sim.fees import FeeSchedule
from core.sim.models import Execution
from core.sim.result import BacktestResult
from core.sim.trader import Sizing
from core.strategy import Strategy
from perf._backtest_data import ticks as make_ticks
from perf._peers import run_on_ticks
from perf.figures import Figure
from strategies.catalogue import STRATEGIES

RUNS: Final = 7
BITCOIN: Final = Instrument(
    venue="BINANCE", symbol="BTCUSD", venue_symbol="BTCUSDT", canonical="BTCUSD", base="BTC", quote="USDT",
    settle="USDT", product=Product.SPOT, price_decimals=2, quantity_decimals=5, price_increment_e9=10**7,
    quantity_increment_e8=1000, instrument_id=1,
)  # fmt: skip


def request(strategy: Strategy, ticks: Ticks, *, array_form: bool) -> BacktestRequest:
    """One backtest of the workload."""
    return BacktestRequest(
        strategy=strategy,
        instrument=BITCOIN,
        ticks=ticks,
        accounts=AccountsConfig.with_default("A", "USDT", "1000000"),
        execution=Execution(FeeSchedule(1000, 1000, "0.1 %")),
        sizing=Sizing(quantity_e8=10**8),
        array_form=array_form,
    )


def measure() -> Iterator[Figure]:
    """From the arrays to the figures: the best of several runs on either side, ours before and after the peer's."""
    ticks = make_ticks()
    for peer, runs in (("vectorbt rust", RUNS), ("vectorbt numba", RUNS), ("nautilus_trader", 1)):
        yield from _beside("1 M ticks, 1m bars, SMA(5,20)", _Ours("sma", ticks), peer, "bars", runs=runs)
    for peer in ("vectorbt rust", "hftbacktest"):
        yield from _beside("1 M ticks, EMA on each, array form", _Ours("ema", ticks), peer, "ticks", runs=RUNS)
    each = _Ours("ema", ticks, array_form=False)
    yield from _beside("1 M ticks, EMA, Python called for each", each, "nautilus_trader", "ticks", runs=1)
    yield Figure(
        "Python called for each tick: ticks a second",
        len(ticks) / each.run().ms * 1000,
        len(ticks) / _bare_ms(ticks) * 1000,
        "1/s",
        "the averages alone, in a loop that calls a method",
    )


@attrs.frozen
class _Best:
    ms: float
    result: BacktestResult


@attrs.frozen
class _Ours:
    name: str
    ticks: Ticks
    array_form: bool = True

    def run(self) -> _Best:
        """The best of several runs."""
        took_ms = []
        for _ in range(RUNS):
            strategy = STRATEGIES[self.name]()
            strategy.initialize({})
            began_s = time.perf_counter()
            result = run_backtest(request(strategy, self.ticks, array_form=self.array_form))
            took_ms.append((time.perf_counter() - began_s) * 1000)
        return _Best(min(took_ms), result)


def _beside(work: str, ours: _Ours, peer: str, kind: str, *, runs: int) -> Iterator[Figure]:
    before = ours.run()
    said = run_on_ticks("_backtest_peer_program.py", peer, kind, ticks=ours.ticks, runs=runs)
    if said is None:
        return
    yield Figure(work, min(before.ms, ours.run().ms), said["best_ms"], "ms", peer)
    metrics = before.result.metrics
    against = f"{peer}; fills {metrics.fills} and {said['fills']}"
    yield Figure("  its final equity", metrics.final_e12 / 1e12, said["equity"], "USDT", against, digits=8)


class _Averages:
    """The same averages as they would be written by hand."""

    def __init__(self) -> None:
        self.fast = self.slow = 0.0
        self.above = False
        self.crossings = 0

    def take(self, price: float) -> None:
        self.fast = self.fast + (price - self.fast) / 500 if self.fast else price
        self.slow = self.slow + (price - self.slow) / 2000 if self.slow else price
        if (self.fast > self.slow) is not self.above:
            self.above = not self.above
            self.crossings += 1


def _bare_ms(ticks: Ticks) -> float:
    took_ms = []
    for _ in range(RUNS):
        prices, take = ticks.price_e9.tolist(), _Averages().take
        began_s = time.perf_counter()
        for price in prices:
            take(price)
        took_ms.append((time.perf_counter() - began_s) * 1000)
    return min(took_ms)
