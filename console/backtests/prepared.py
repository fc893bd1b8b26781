"""A backtest with everything loaded: what single runs, sweeps and walk-forward runs are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from console.backtests.facts import DataFacts
from core.bars.series import BarSeries
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.model.instruments import Instrument
from core.sim.accounts import AccountsConfig
from core.sim.depth import Books
from core.sim.engine import BacktestRequest
from core.sim.models import Execution
from core.sim.trader import Sizing
from core.strategy import Strategy
from strategies.catalogue import LoadedStrategy


@attrs.frozen(kw_only=True, eq=False)
class Prepared:
    """Everything that a run needs and that does not differ from one parameter set to the next.

    `parameters` are those the command line gave, as text. `data_sha256` and `code_sha256` say what is run on what;
    `config` is everything else that decides a result but the parameters, fit for JSON. `timeout_s` is how long one
    run may take. `closed` are the bars that close, of those that the strategy of the command line is shown. `command`
    is the command line, and `warnings` is what to know of the data and of what is assumed.
    """

    loaded: LoadedStrategy
    parameters: Mapping[str, str]
    instrument: Instrument
    ticks: Ticks
    closed: BarSeries
    accounts: AccountsConfig
    account: str
    execution: Execution
    sizing: Sizing
    bar_type: BarType | None
    until_ns: int | None
    books: Books | None
    array_form: bool
    data: DataFacts
    data_sha256: str
    code_sha256: str
    config: Mapping[str, Any]
    assumed: bool = False
    seed: int = 0
    timeout_s: float = 300.0
    command: str = ""
    warnings: tuple[str, ...] = ()

    def strategy(self, parameters: Mapping[str, str]) -> Strategy:
        """A new strategy with these parameters in place of, or beside, those of the command line.

        Raises:
            UsageError: it does not take them.
        """
        return self.loaded.fresh({**self.parameters, **parameters})

    def request(self, parameters: Mapping[str, str], *, array_form: bool | None = None) -> BacktestRequest:
        """What to run with these parameters, as `strategy` takes them; `array_form` overrides the command line's."""
        return BacktestRequest(
            strategy=self.strategy(parameters),
            instrument=self.instrument,
            ticks=self.ticks,
            accounts=self.accounts,
            execution=self.execution,
            sizing=self.sizing,
            account=self.account,
            bar_type=self.bar_type,
            until_ns=self.until_ns,
            books=self.books,
            array_form=self.array_form if array_form is None else array_form,
        )

    def series(self, request: BacktestRequest) -> BarSeries:
        """The events of a request, made anew only where they are not there already."""
        strategy, bars = self.loaded.strategy, request.bars
        same = bars == (self.bar_type or strategy.preferred_bar_type())
        if same and request.strategy.bar_data_mode() is BarDataMode.ON_CLOSE_BAR:
            return self.closed
        return request.series()
