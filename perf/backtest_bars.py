"""Bars of a million trades from arrays in memory, beside what frames and databases need for the same bars.

Polars and pandas start from their frame and DuckDB from its table, made before the clock runs: their own arrays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from core.bars.history import bar_series
from core.bars.series import BarSeries
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Column, Ticks
from core.clock import DAY_NS, NS_PER_MS
from perf._backtest_data import START_MS
from perf._backtest_data import ticks as make_ticks
from perf._peers import run_on_ticks
from perf.figures import Figure

RUNS: Final = 15
DAYS: Final = 5
PEERS: Final = {
    "polars": "polars group_by_dynamic, from its frame",
    "pandas": "pandas resample, from its frame",
    "duckdb": "duckdb SQL, from its table, all cores",
}


def measure() -> Iterator[Figure]:
    """Milliseconds, the best of several runs on either side. A peer's bars must have the sums that ours have."""
    ticks = make_ticks(days=DAYS)
    until_ns = START_MS * NS_PER_MS + DAYS * DAY_NS

    def minutes() -> BarSeries:
        return bar_series(ticks, BarType(), BarDataMode.ON_CLOSE_BAR, until_ns=until_ns)

    ours_ms, wanted = _best_ms(lambda: _columns(minutes())), _sums(minutes())
    for peer, how in PEERS.items():
        peer_ms = _peer_ms(peer, ticks, wanted)
        if peer_ms is not None:
            yield Figure("Ticks to 1-minute bars, 1 M ticks", ours_ms, peer_ms, "ms", how)
    every_ms = _best_ms(lambda: _columns(bar_series(ticks, BarType(), BarDataMode.ON_EACH_TICK)))
    yield Figure("  the bar as it stands at each tick, 1 M ticks", every_ms, ours_ms, "ms", "closed bars, as above")


def _best_ms(work: Callable[[], object]) -> float:
    took_ms = []
    for _ in range(RUNS):
        began_s = time.perf_counter()
        work()
        took_ms.append((time.perf_counter() - began_s) * 1000)
    return min(took_ms)


def _columns(bars: BarSeries) -> tuple[Column, ...]:
    # All of them, though a strategy pays only for those that it looks at.
    return bars.open_e9, bars.high_e9, bars.low_e9, bars.close_e9, bars.volume_e8, bars.tick_count


def _sums(bars: BarSeries) -> list[int]:
    return [len(bars), *(int(column.sum()) for column in _columns(bars))]


def _peer_ms(peer: str, ticks: Ticks, wanted: list[int]) -> float | None:
    said = run_on_ticks("_bar_peer_program.py", peer, ticks=ticks, runs=RUNS)
    if said is None:
        return None
    assert [said["bars"], *said["sums"]] == wanted, f"{peer} made other bars"
    return float(said["best_ms"])
