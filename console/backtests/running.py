"""Runs one backtest, within its time, and keeps what a strategy does out of the program's own output."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from console.backtests.blame import blamed, parameters_of, wishes
from console.backtests.fingerprint import Fingerprint, fingerprint
from console.backtests.guard import LastResort, time_limit
from console.backtests.prepared import Prepared
from core.bars.series import BarSeries
from core.bars.spec import BarDataMode, BarType
from core.clock import NS_PER_S, monotonic_ns
from core.sim.engine import run_backtest
from core.sim.result import BacktestResult


@attrs.frozen(kw_only=True, eq=False)
class Finished:
    """A run that came to its end: what was run, on which events, and what it brought."""

    prepared: Prepared
    name: str
    parameters: Mapping[str, float | str]
    mode: BarDataMode
    bars: BarType
    events: BarSeries
    result: BacktestResult
    fingerprint: Fingerprint
    took_s: float


def run_once(
    prepared: Prepared,
    parameters: Mapping[str, str] | None = None,
    *,
    array_form: bool | None = None,
    progress: Callable[[float], None] = lambda _fraction: None,
    last_resort: LastResort | None = None,
) -> Finished:
    """Run it with these parameters beside those of the command line, within `prepared.timeout_s`.

    Raises:
        StrategyTimeoutError: it took longer.
        StrategyError: the strategy failed.
        UsageError: it does not take these parameters.
    """
    began_ns = monotonic_ns()
    # What a strategy prints is talk; stdout is for the result.
    with (
        contextlib.redirect_stdout(sys.stderr),
        time_limit(prepared.timeout_s, last_resort),
        blamed(prepared.loaded, doing="running"),
    ):
        request = prepared.request(parameters or {}, array_form=array_form)
        wanted = wishes(request.strategy)
        events = prepared.series(request)
        result = run_backtest(request, series=events, progress=progress)
        name, given = request.strategy.name, parameters_of(request.strategy)
    config: dict[str, Any] = {
        **prepared.config,
        "strategy": name,
        "parameters": given,
        "mode": wanted.mode.value,
        "bars": str(request.bars),
    }
    return Finished(
        prepared=prepared,
        name=name,
        parameters=given,
        mode=wanted.mode,
        bars=request.bars,
        events=events,
        result=result,
        fingerprint=fingerprint(
            data_sha256=prepared.data_sha256,
            code_sha256=prepared.code_sha256,
            config=config,
            seed=prepared.seed,
            result=result,
        ),
        took_s=(monotonic_ns() - began_ns) / NS_PER_S,
    )
