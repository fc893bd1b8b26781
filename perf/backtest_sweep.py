"""A sweep of two hundred parameter sets over a million trades, and what a thousand runs leave in memory.

Ours: worker processes forked from one that has the trades and their bars. Baseline in the same run: as many backtests
one after the other in one process, each making its own bars.
"""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from console.backtests.facts import DataFacts
from console.backtests.prepared import Prepared
from console.backtests.sweep import Runner, Stretch, run_grid
from console.backtests.sweep_grid import Axis, Grid
from console.backtests.sweep_log import SweepLog
from console.backtests.sweep_standing import Metric, Standing
from console.backtests.validation import Counts
from core.bars.history import bar_series
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.sim.engine import run_backtest
from perf._backtest_data import ticks as make_ticks
from perf.backtest_engine import request
from perf.figures import Figure
from strategies.catalogue import STRATEGIES, LoadedStrategy

RUNS: Final = 1000
GRID: Final = Grid(
    (
        Axis("short", tuple(str(value) for value in range(5, 25))),
        Axis("long", tuple(str(value) for value in range(30, 80, 5))),
    )
)
_MIB: Final = 2**20


def measure() -> Iterator[Figure]:
    """Seconds, the best of two runs on either side; less is better."""
    ticks = make_ticks()
    source = _prepared(ticks)
    cores = len(os.sched_getaffinity(0))
    work = f"sweep: {len(GRID)} sets, {len(ticks) // 10**6} M ticks, {cores} processes"
    ours, alone = (min(run(source) for _ in range(2)) for run in (_sweep, _one_by_one))
    yield Figure(work, ours, alone, "s", "as many runs in one process, nothing shared")
    before, after = _resident(source)
    yield Figure(f"memory after {RUNS:,} runs in one process", after, before, "MiB", "after the first ten")


def _prepared(ticks: Ticks) -> Prepared:
    kind = STRATEGIES["sma"]
    one = request(kind(), ticks, array_form=True)
    return Prepared(
        loaded=LoadedStrategy(kind(), None, "", kind),
        parameters={},
        instrument=one.instrument,
        ticks=ticks,
        closed=bar_series(ticks, BarType(), BarDataMode.ON_CLOSE_BAR),
        accounts=one.accounts,
        account="",
        execution=one.execution,
        sizing=one.sizing,
        bar_type=None,
        until_ns=None,
        books=None,
        array_form=True,
        data=DataFacts(
            source="", rows=len(ticks), first_ns=int(ticks.ts_ns[0]), last_ns=int(ticks.ts_ns[-1]), counts=Counts()
        ),
        data_sha256="",
        code_sha256="",
        config={},
    )


def _sweep(source: Prepared) -> float:
    standing = Standing(GRID, Metric("sharpe"))
    with tempfile.TemporaryDirectory() as directory, SweepLog(Path(directory), "sweep", fresh=True) as log:
        began_s = time.perf_counter()
        run_grid(
            Runner(source, [Stretch(source.ticks, None)]),
            standing,
            log,
            processes=len(os.sched_getaffinity(0)),
            place_of=lambda parameters: (0, parameters),
            told=lambda _count, _standing: None,
        )
        took_s = time.perf_counter() - began_s
    assert standing.done == len(GRID), standing.first_error
    return took_s


def _one_by_one(source: Prepared) -> float:
    began_s = time.perf_counter()
    for number in range(len(GRID)):
        run_backtest(source.request(GRID.parameters(number)))
    return time.perf_counter() - began_s


def _resident(source: Prepared) -> tuple[float, float]:
    # What the process holds in memory after ten runs, and after all.
    runner = Runner(source, [Stretch(source.ticks, None)])
    for number in range(10):
        runner.row(0, GRID.parameters(number))
    before = _resident_mib()
    for number in range(10, RUNS):
        runner.row(0, GRID.parameters(number % len(GRID)))
    return before, _resident_mib()


def _resident_mib() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB
