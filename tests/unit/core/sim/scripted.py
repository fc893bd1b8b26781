"""A strategy that answers what a test tells it to, and backtests of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from core.bars.series import BarData
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.clock import NS_PER_S
from core.model.fixedpoint import parse_price, parse_quantity
from core.model.instruments import Product
from core.sim.accounts import AccountsConfig
from core.sim.engine import BacktestRequest
from core.sim.fees import FeeSchedule
from core.sim.models import Execution
from core.sim.trader import Sizing
from core.strategy import HOLD, Signal, Strategy
from tests.unit.core.sim.examples import START_NS, instrument

Answer = Signal | Sequence[Signal]
NO_FEES = FeeSchedule(0, 0, "none")


class Scripted(Strategy):
    """Answers event number n with `answers[n]`, and holds at all others. `seen` is the price of each event."""

    def __init__(
        self, answers: Mapping[int, Answer] | None = None, mode: BarDataMode = BarDataMode.ON_EACH_TICK
    ) -> None:
        super().__init__()
        self.answers = answers or {}
        self.mode = mode
        self.seen: list[int] = []

    @property
    def name(self) -> str:
        """What it is called."""
        return "scripted"

    def bar_data_mode(self) -> BarDataMode:
        """As the test wants it."""
        return self.mode

    def preferred_bar_type(self) -> BarType:
        """Minutes."""
        return BarType()

    def reset(self) -> None:
        """Begin again."""
        self.seen = []

    def on_bar_data(self, bar: BarData) -> Answer:
        """The answer for this event."""
        self.seen.append(bar.close_e9)
        return self.answers.get(len(self.seen) - 1, HOLD)


def ticks(*prices: str, quantity: str = "10", step_s: int = 1) -> Ticks:
    """Trades at these prices, one every `step_s` seconds."""
    count = len(prices)
    return Ticks(
        START_NS + np.arange(count, dtype=np.int64) * step_s * NS_PER_S,
        np.array([parse_price(price) for price in prices], np.int64),
        np.full(count, parse_quantity(quantity), np.int64),
        np.full(count, ord("N"), np.uint8),
    )


def request(
    strategy: Strategy,
    trades: Ticks,
    *,
    product: Product = Product.SPOT,
    balance: str = "1000",
    quantity: str = "1",
    shorts: bool = False,
    leverage: int = 1,
    execution: Execution | None = None,
    array_form: bool = True,
) -> BacktestRequest:
    """A backtest of BTC in USD without fees."""
    traded = instrument(product)
    accounts = AccountsConfig.with_default("other", "USD", "5").add_simulation_account(
        "main", traded.settle, balance, ("scripted", "sma"), leverage=leverage
    )
    return BacktestRequest(
        strategy=strategy,
        instrument=traded,
        ticks=trades,
        accounts=accounts,
        execution=Execution(NO_FEES) if execution is None else execution,
        sizing=Sizing(quantity_e8=parse_quantity(quantity), shorts=shorts),
        array_form=array_form,
    )
