"""How much a signal is about."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
import pytest

from core.errors import UsageError
from core.model.instruments import Product
from core.sim.engine import run_backtest
from core.sim.guarding import LIQUIDATION
from core.sim.trader import Sizing
from core.strategy import BUY, CANCEL, SELL, Action, Signal, buy, sell
from tests.unit.core.sim.scripted import Scripted, request, ticks

PRICES = ("100", "100", "120", "120", "120", "120")


@pytest.mark.parametrize(
    ("product", "balance", "bought_e8"),
    [
        (Product.SPOT, "1000", 950_000_000),
        (Product.LINEAR_PERPETUAL, "1000", 950_000_000),
        (Product.INVERSE_PERPETUAL, "2", 19_000_000_000),
    ],
)
def test_a_fraction_is_of_what_the_account_is_worth(product: Product, balance: str, bought_e8: int) -> None:
    """95 % of 1000 USD at 100 is 9.5 BTC; 95 % of 2 BTC at 100 is 190 contracts of a dollar."""
    asked = request(Scripted({0: BUY}), ticks(*PRICES, quantity="1000"), product=product, balance=balance)
    result = run_backtest(attrs.evolve(asked, sizing=Sizing()))
    assert [fill.quantity_e8 for fill in result.fills] == [bought_e8]


def test_a_size_is_cut_to_the_step_of_the_instrument() -> None:
    """With a smallest step of 0.4 BTC, 95 % of the account is 9.2 BTC."""
    asked = request(Scripted({0: BUY}), ticks(*PRICES))
    stepped = attrs.evolve(asked.instrument, quantity_increment_e8=40_000_000)
    result = run_backtest(attrs.evolve(asked, instrument=stepped, sizing=Sizing()))
    assert [fill.quantity_e8 for fill in result.fills] == [920_000_000]


def test_an_account_too_small_for_the_smallest_step_is_told_so() -> None:
    """Nothing is bought, and the order stands there with its reason."""
    asked = request(Scripted({0: BUY}), ticks(*PRICES), balance="1")
    stepped = attrs.evolve(asked.instrument, quantity_increment_e8=10**8)
    result = run_backtest(attrs.evolve(asked, instrument=stepped, sizing=Sizing()))
    assert not result.fills
    assert "quantity" in result.orders[0].reason


def test_signals_with_a_quantity_come_on_top() -> None:
    """Two buys of 1 and 2 and a sell of 0.5 leave 2.5; a plain SELL then sells all of it."""
    asked = request(Scripted({0: buy(1), 1: buy("2"), 2: sell("0.5"), 3: SELL}), ticks(*PRICES))
    result = run_backtest(asked)
    assert [fill.quantity_e8 for fill in result.fills] == [10**8, 2 * 10**8, 5 * 10**7, 25 * 10**7]


def test_waiting_orders_can_be_taken_back() -> None:
    """A limit far below is taken back by CANCEL, and what it locked is free again."""
    result = run_backtest(request(Scripted({0: buy(9, limit=50), 1: CANCEL, 2: buy(8)}), ticks(*PRICES)))
    assert result.orders[0].reason == "taken back"
    assert [fill.quantity_e8 for fill in result.fills] == [8 * 10**8]


@pytest.mark.parametrize(
    "wrong",
    [lambda: Sizing(quantity_e8=-1), lambda: Sizing(fraction_ppm=0), lambda: Sizing(fraction_ppm=10**9)],
)
def test_a_size_that_makes_no_sense_is_refused(wrong: Callable[[], Sizing]) -> None:
    """Below zero, nothing, or more than a hundred times the account."""
    with pytest.raises(UsageError, match="bad"):
        wrong()


def test_a_price_between_two_steps_is_moved_away_from_the_market() -> None:
    """Limits and stops are given in the steps of the instrument, so that they are reached later and not sooner."""
    signals = [buy(1, limit="94.999"), sell(1, limit="120.001"), buy(1, stop="130.001"), sell(1, stop="80.009")]
    result = run_backtest(
        request(Scripted({0: BUY, 2: signals}), ticks(*PRICES, step_s=1), product=Product.LINEAR_PERPETUAL)
    )
    prices = [(order.limit_e9, order.stop_e9) for order in result.orders[1:]]
    assert prices == [(94_990_000_000, 0), (120_010_000_000, 0), (0, 130_010_000_000), (0, 80_000_000_000)]


def test_orders_that_wait_are_bounded() -> None:
    """The one beyond the two hundredth is rejected and says why."""
    result = run_backtest(request(Scripted({0: [buy("0.01", limit=50)] * 201}), ticks(*PRICES)))
    assert result.orders[199].reason == "the data ended"
    assert "200" in result.orders[200].reason


def test_numbers_of_numpy_are_exact_too() -> None:
    """A quantity or a price out of an array is as good as a plain one, and money worked out with it does not wrap."""
    signals = [
        Signal(Action(1), np.int64(8 * 10**8)),
        Signal(Action.BUY, np.int64(10**8), limit_e9=np.int64(50 * 10**9)),
    ]
    result = run_backtest(request(Scripted({0: signals}), ticks(*PRICES)))
    assert [(type(order.quantity_e8), type(order.limit_e9)) for order in result.orders] == [(int, int)] * 2
    assert result.metrics.turnover_e12 == 800 * 10**12


def test_a_number_that_is_not_whole_is_no_signal() -> None:
    """Floats are for `buy` and `sell`; money is never worked out in them."""
    with pytest.raises(TypeError, match="integer"):
        Signal(Action.BUY, 1e8)  # type: ignore[arg-type]


def test_a_price_of_nothing_has_no_size() -> None:
    """Where the price is zero or below a share of the account is no quantity: the order is rejected."""
    asked = request(Scripted({0: BUY, 1: BUY}), ticks("0", "-5", "100", "100"), product=Product.LINEAR_PERPETUAL)
    result = run_backtest(attrs.evolve(asked, sizing=Sizing()))
    assert not result.fills
    assert all("quantity" in order.reason for order in result.orders)


def test_a_liquidation_cannot_be_taken_back() -> None:
    """Not even by a strategy that is called as the exchange calls its own orders."""
    script = _Namesake({0: buy(10), 2: CANCEL, 3: CANCEL})
    trades = ticks("100", "100", "92", "91", "90", quantity="4")
    asked = request(script, trades, product=Product.LINEAR_PERPETUAL, balance="101", leverage=10)
    result = run_backtest(attrs.evolve(asked, account="main"))
    assert [(order.strategy, order.left_e8) for order in result.orders] == [(LIQUIDATION, 0)] * 2


class _Namesake(Scripted):
    @property
    def name(self) -> str:
        return LIQUIDATION


def test_too_little_money_to_turn_still_closes() -> None:
    """Short 4 at 100 with 420, at 120 there is no money for a long position of 4: the short one is closed all the
    same."""
    rising = ticks("100", "100", "120", "120", "120", "120")
    result = run_backtest(
        request(
            Scripted({0: SELL, 2: BUY}), rising,
            product=Product.LINEAR_PERPETUAL, balance="420", quantity="4", shorts=True,
        )
    )  # fmt: skip
    assert [order.state.value for order in result.orders] == ["filled", "rejected", "filled"]
    assert [fill.quantity_e8 for fill in result.fills] == [4 * 10**8, 4 * 10**8]
    assert result.metrics.final_e12 == 340 * 10**12
