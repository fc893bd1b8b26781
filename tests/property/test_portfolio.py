"""Round trips and the curve of worth say to the unit, and to a float's last bits, what the ledger says."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.instruments import Product
from core.model.orders import Fill, Order, OrderKind, RefusedOrderError, Side
from core.sim.accounts import AccountSpec
from core.sim.ledger import Ledger
from core.sim.portfolio import equity_curve, round_trips
from tests.unit.core.sim.examples import instrument

INITIAL_E12 = 10**26
QUANTITIES = st.one_of(st.integers(1, 20), st.integers(1, 10**9))
PRICES = st.one_of(st.integers(1, 10**6), st.integers(10**9, 10**14))
TRADES = st.lists(st.tuples(st.sampled_from(Side), QUANTITIES, PRICES, st.integers(-100, 5000)), max_size=30)


def settled(ledger: Ledger, product: Product, trades: list[tuple[Side, int, int, int]]) -> list[Fill]:
    """The fills of those trades, as far as the ledger takes them."""
    fills = []
    for number, (side, quantity_e8, price_e9, fee_ppm) in enumerate(trades, 1):
        order = Order(
            number=number, account="", strategy="test", side=side, kind=OrderKind.MARKET, quantity_e8=quantity_e8
        )
        with suppress(RefusedOrderError):
            fill = ledger.settle(
                order,
                instrument(product),
                quantity_e8=quantity_e8,
                price_e9=price_e9,
                fee_ppm=fee_ppm,
                ts_ns=number,
                maker=False,
            )
            fills.append(fill)
    return fills


@pytest.mark.parametrize("product", [Product.SPOT, Product.LINEAR_PERPETUAL, Product.INVERSE_FUTURE])
@given(trades=TRADES, last_e9=PRICES)
def test_profits_of_round_trips_add_up_to_the_ledger(
    product: Product, trades: list[tuple[Side, int, int, int]], last_e9: int
) -> None:
    """Whatever was traded, partly closed and turned: the profits of all trips are realised + unrealised - fees to the
    unit, their fees are all fees, only the last may be open, and the worth at the mark is what the ledger says."""
    traded = instrument(product)
    ledger = Ledger([AccountSpec("main", traded.settle, INITIAL_E12, leverage=1000)], "main")
    fills = settled(ledger, product, trades)
    marks = {(traded.venue, traded.symbol): last_e9}
    trips = round_trips(fills, instrument=traded, last_ns=1000, last_e9=last_e9)

    realised_e12, fees_e12 = sum(fill.realised_e12 for fill in fills), sum(fill.fee_e12 for fill in fills)
    unrealised_e12 = ledger.unrealised_e12("main", marks)
    assert sum(trip.profit_e12 for trip in trips) == realised_e12 + unrealised_e12 - fees_e12
    assert sum(trip.fees_e12 for trip in trips) == fees_e12
    assert [trip.open for trip in trips[:-1]] == [False] * len(trips[:-1])
    held_e8 = ledger.position_e8("main", traded)
    assert (bool(trips) and trips[-1].open) == (held_e8 != 0)

    curve = equity_curve(
        fills,
        instrument=traded,
        initial_e12=INITIAL_E12,
        ts_ns=np.array([1000]),
        price_e9=np.array([last_e9]),
    )
    largest = max([abs(float(curve.exposure[0])), INITIAL_E12 / 10**12])
    assert curve.equity[0] == pytest.approx(ledger.equity_e12("main", marks) / 10**12, abs=1e-14 * largest)
