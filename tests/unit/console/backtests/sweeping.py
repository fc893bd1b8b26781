"""What tests of sweeps share: trades, a prepared backtest of any strategy, and a sweep of it run to its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from console.backtests.facts import DataFacts
from console.backtests.prepared import Prepared
from console.backtests.sweep import Runner, Stretch, fingerprint, resume, run_grid
from console.backtests.sweep_grid import Grid, parse_grid
from console.backtests.sweep_log import SweepLog
from console.backtests.sweep_standing import Metric, Standing
from console.backtests.validation import Counts
from core.bars.history import bar_series
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.clock import NS_PER_S
from core.model.instruments import Instrument, Product
from core.sim.accounts import AccountsConfig
from core.sim.fees import FeeSchedule
from core.sim.models import Execution
from core.sim.trader import Sizing
from core.strategy import Strategy
from strategies.catalogue import LoadedStrategy
from strategies.sma_cross import SmaCross

START_NS = 1_704_067_200 * NS_PER_S
BITCOIN = Instrument(
    venue="SIM.KRAKEN", symbol="BTCUSD", venue_symbol="BTC/USD", canonical="BTCUSD", base="BTC", quote="USD",
    settle="USD", product=Product.SPOT, price_decimals=2, quantity_decimals=5, price_increment_e9=10**7,
    quantity_increment_e8=1000, instrument_id=1,
)  # fmt: skip


def walk(count: int, *, seed: int = 1, every_s: int = 20) -> Ticks:
    """A random walk of prices, one trade every so many seconds."""
    random = np.random.default_rng(seed)
    return Ticks(
        ts_ns=START_NS + np.arange(count) * every_s * NS_PER_S,
        price_e9=(4_200_000 + np.cumsum(random.integers(-300, 301, count))) * 10**7,
        quantity_e8=np.full(count, 10**8),
        side=np.full(count, ord("B"), np.uint8),
    )


def prepared(
    ticks: Ticks,
    kind: type[Strategy] = SmaCross,
    *,
    parameters: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
    data_sha256: str = "d",
) -> Prepared:
    """A backtest of `kind` on `ticks` with everything loaded."""
    return Prepared(
        loaded=LoadedStrategy(kind(), None, "0" * 64, kind),
        parameters=parameters or {},
        instrument=BITCOIN,
        ticks=ticks,
        accounts=AccountsConfig.with_default("main", "USD", "100000"),
        account="main",
        execution=Execution(FeeSchedule(1000, 1000, "a test")),
        sizing=Sizing(),
        bar_type=None,
        until_ns=None,
        books=None,
        array_form=True,
        data=DataFacts(
            source="a test",
            rows=len(ticks),
            first_ns=int(ticks.ts_ns[0]),
            last_ns=int(ticks.ts_ns[-1]),
            counts=Counts(),
        ),
        closed=bar_series(ticks, BarType(), BarDataMode.ON_CLOSE_BAR),
        data_sha256=data_sha256,
        code_sha256="c",
        config={},
        timeout_s=timeout_s,
        command="ringside --batch backtest",
    )


def grid_of(source: Prepared, *ranges: str) -> Grid:
    """What `--sweep` with these says."""
    kind = source.loaded.kind
    return parse_grid(ranges, kind.PARAMETERS, strategy=source.loaded.strategy.name, fixed=source.parameters)


def sweep(
    source: Prepared, directory: Path, *ranges: str, metric: str = "total_return", jobs: int = 2, fresh: bool = False
) -> tuple[Standing, dict[int, dict[str, object]], int, int]:
    """Run a sweep: what is known at the end, the rows by number, how many were taken over and how many run."""
    grid = grid_of(source, *ranges)
    standing = Standing(grid, Metric.named(metric))
    runner = Runner(source, [Stretch(source.ticks, source.until_ns)])
    ran = 0

    def told(count: int, _standing: Standing) -> None:
        nonlocal ran
        ran = count

    with SweepLog(directory, fingerprint(source, grid, {}), fresh=fresh) as log:
        resumed = resume(standing, log)
        run_grid(runner, standing, log, processes=jobs, place_of=lambda parameters: (0, parameters), told=told)
        rows = {number: log.row(standing.place(number)) for number in standing.ranked()}
    return standing, rows, resumed, ran
