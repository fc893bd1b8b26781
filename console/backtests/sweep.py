"""Runs the parameter sets of a grid in worker processes that share the data, and keeps what each of them brought."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, Final

import attrs
from numpy.typing import NDArray

from console.backtests.blame import wishes
from console.backtests.document import metrics_facts
from console.backtests.fingerprint import hash_of
from console.backtests.pool import Done, run_jobs
from console.backtests.prepared import Prepared
from console.backtests.sweep_grid import Grid
from console.backtests.sweep_log import SweepLog
from console.backtests.sweep_standing import Standing, metric_names
from core.bars.history import bar_series
from core.bars.series import BarSeries
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.errors import UsageError
from core.flow.printable import printable
from core.sim.engine import BacktestRequest, run_backtest

EVENTS_KEPT: Final = 8_000_000
"""A process keeps bars of no more events than this, beside those it is at: about 300 MB."""

_FORMAT: Final = 1
_REASON: Final = 300

Parameters = Mapping[str, str]
Row = dict[str, Any]


@attrs.frozen(eq=False)
class Stretch:
    """A part of the data: the trades of it, and the instant at which it ends."""

    ticks: Ticks
    until_ns: int | None


class Runner:
    """Runs one parameter set at a time on one of `stretches`; the bars of each are made once."""

    def __init__(self, prepared: Prepared, stretches: Sequence[Stretch]) -> None:
        self.prepared = prepared
        self.stretches = stretches
        self._series: dict[tuple[int, BarType, BarDataMode], BarSeries] = {}
        self._events = 0

    def request(self, stretch: int, parameters: Parameters) -> BacktestRequest:
        """What is run. Raises `UsageError` when the strategy does not take these parameters."""
        request = self.prepared.request(parameters)
        part = self.stretches[stretch]
        return attrs.evolve(request, ticks=part.ticks, until_ns=part.until_ns)

    def series(self, stretch: int, request: BacktestRequest) -> BarSeries:
        """The events for it, of which the newest are kept; they cannot be written to. Raises `StrategyError`."""
        asked = wishes(request.strategy)
        key = (stretch, self.prepared.bar_type or asked.bars, asked.mode)
        found = self._series.get(key)
        return self._keep(key, request.series()) if found is None else found

    def _keep(self, key: tuple[int, BarType, BarDataMode], series: BarSeries) -> BarSeries:
        self._series[key] = _protected(series)
        self._events += len(series) + 1
        while self._events > EVENTS_KEPT and len(self._series) > 1:
            self._events -= len(self._series.pop(next(iter(self._series)))) + 1
        return series

    def make_bars(self) -> None:
        """Make the bars of all stretches, or as many as are kept, that the strategy of the command line is shown, so
        that processes forked after this share them. Runs nothing of a strategy that did not run before."""
        with contextlib.redirect_stdout(sys.stderr):
            asked = wishes(self.prepared.loaded.strategy)
        bars = self.prepared.bar_type or asked.bars
        for number, part in enumerate(self.stretches):
            made = bar_series(part.ticks, bars, asked.mode, until_ns=part.until_ns)
            self._keep((number, bars, asked.mode), made)
            if self._events > EVENTS_KEPT // 2:
                break

    def row(self, stretch: int, parameters: Parameters) -> Row:
        """A row of the result: what the run brought, or that the strategy refuses these parameters."""
        try:
            request = self.request(stretch, parameters)
        except UsageError as error:
            return {"parameters": dict(parameters), "refused": printable(str(error), _REASON)}
        result = run_backtest(request, series=self.series(stretch, request))
        return {"parameters": dict(parameters), "metrics": metrics_facts(result.metrics), "error": None}


def _protected(series: BarSeries) -> BarSeries:
    # The next run gets the same arrays, so that no strategy may write to them.
    ticks = series.ticks
    shared: list[NDArray[Any]] = [ticks.ts_ns, ticks.price_e9, ticks.quantity_e8, ticks.side]
    shared += [series.ts_ns, series.next_tick, series.open_ns, series.close_e9]
    if series.mode is BarDataMode.ON_CLOSE_BAR:
        shared += [series.open_e9, series.high_e9, series.low_e9, series.volume_e8, series.tick_count]
        shared += [series.is_first_tick, series.is_bar_closed, series.is_synthetic]
    for column in shared:
        column.flags.writeable = False
    return series


def fingerprint(prepared: Prepared, grid: Grid, extra: Mapping[str, Any]) -> str:
    """What names a sweep: a hash over the data, the code, the settings and the ranges, and `extra`."""
    decisive = {
        "format": _FORMAT,
        "data": prepared.data_sha256,
        "code": prepared.code_sha256,
        "config": prepared.config,
        "bars": str(prepared.bar_type),
        "array_form": prepared.array_form,
        "parameters": dict(prepared.parameters),
        "ranges": [[axis.name, list(axis.values)] for axis in grid.axes],
        **extra,
    }
    return hash_of(decisive)


def resume(standing: Standing, log: SweepLog) -> int:
    """Take what the log has of this grid; how many combinations need not be run again. Those that failed are: they
    may have had a passing cause."""
    for place, row in log.rows():
        if _is_kept(row):
            number = standing.grid.number(row["parameters"])
            if number is not None:
                standing.take(number, row, place)
    return standing.done + standing.refused


def _is_kept(row: Row) -> bool:
    # Whoever wrote to the file, what is taken from it is what a run would have brought, in kind.
    parameters, metrics = row.get("parameters"), row.get("metrics")
    if not isinstance(parameters, dict) or not all(isinstance(value, str) for value in parameters.values()):
        return False
    if isinstance(row.get("refused"), str):
        return True
    if row.get("error", "") is not None or not isinstance(metrics, dict) or list(metrics) != metric_names():
        return False
    plain = all(isinstance(value, (str, int, float, NoneType)) for value in metrics.values())
    return plain and isinstance(metrics["total_return"], (int, float))


def run_grid(
    runner: Runner,
    standing: Standing,
    log: SweepLog,
    *,
    processes: int,
    place_of: Callable[[Parameters], tuple[int, Parameters]],
    told: Callable[[int, Standing], None],
) -> None:
    """Run what is pending and write every row to the log as it comes. `place_of` tells on which stretch a combination
    is run and with which parameters; `told` hears how many were run after each.

    Whatever is raised, Ctrl-C included, no process is left and what was finished is in the log.
    """
    grid = standing.grid
    pending = standing.pending()
    if not pending:
        return
    runner.make_bars()

    def work(number: int) -> Row:
        stretch, parameters = place_of(grid.parameters(number))
        return runner.row(stretch, parameters)

    answers = run_jobs(pending, work, processes=processes, timeout_s=runner.prepared.timeout_s)
    with contextlib.closing(answers):
        for count, done in enumerate(answers, 1):
            row = _finished_row(grid, done)
            standing.take(done.job, row, log.add(row))
            told(count, standing)


def _finished_row(grid: Grid, done: Done[int, Row]) -> Row:
    parameters = grid.parameters(done.job)
    if done.answer is None:
        return {"parameters": parameters, "metrics": {}, "error": printable(done.error or "no reason given", _REASON)}
    return {**done.answer, "parameters": parameters}
