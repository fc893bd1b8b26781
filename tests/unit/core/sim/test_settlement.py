"""What trades move: the three ways of settling, against fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.fixedpoint import MAX_PRICE_E9
from core.model.instruments import Product
from core.sim.settlement import (
    INVERSE,
    LINEAR,
    SPOT,
    Settlement,
    average_e9,
    breaking_price_e9,
    cost_share_e12,
    fee_e12,
    flow_e12,
    margin_e12,
    settlement_of,
)

E8, E9, E12 = 10**8, 10**9, 10**12
SIGNS = st.sampled_from([1, -1])
QUANTITIES = st.integers(1, 10**13)
PRICES = st.integers(1, 10**15)


def exact_flow(settlement: Settlement, sign: int, quantity_e8: int, price_e9: int) -> Fraction:
    """What `flow_e12` rounds."""
    quantity, price = Fraction(quantity_e8, E8), Fraction(price_e9, E9)
    return E12 * sign * (quantity / price if settlement is INVERSE else -quantity * price)


def test_every_product_settles_in_one_of_three_ways() -> None:
    """Shares are paid like spot; futures settle as the perpetuals of their kind."""
    ways = {product: settlement_of(product) for product in Product}
    assert ways[Product.EQUITY] is ways[Product.SPOT] is SPOT
    assert ways[Product.LINEAR_FUTURE] is ways[Product.LINEAR_PERPETUAL] is LINEAR
    assert ways[Product.INVERSE_FUTURE] is ways[Product.INVERSE_PERPETUAL] is INVERSE
    assert len(ways) == 6


def test_flows_of_plain_numbers() -> None:
    """Two at 50 cost 100; a hundred contracts at 50 000 are two thousandths of a coin, the other way about."""
    assert flow_e12(SPOT, sign=1, quantity_e8=2 * E8, price_e9=50 * E9) == -100 * E12
    assert flow_e12(LINEAR, sign=-1, quantity_e8=2 * E8, price_e9=50 * E9) == 100 * E12
    assert flow_e12(INVERSE, sign=1, quantity_e8=100 * E8, price_e9=50_000 * E9) == E12 // 500
    assert flow_e12(LINEAR, sign=1, quantity_e8=E8, price_e9=-37 * E9) == 37 * E12


@given(st.sampled_from(Settlement), SIGNS, QUANTITIES, PRICES)
def test_a_flow_is_rounded_down_by_less_than_a_unit(
    settlement: Settlement, sign: int, quantity_e8: int, price_e9: int
) -> None:
    """The account never gets more than the exact figure, nor a whole 1e-12 less."""
    found = flow_e12(settlement, sign=sign, quantity_e8=quantity_e8, price_e9=price_e9)
    assert 0 <= exact_flow(settlement, sign, quantity_e8, price_e9) - found < 1


@given(st.sampled_from(Settlement), QUANTITIES, PRICES, st.integers(-500, 10**6))
def test_a_fee_is_rounded_up_by_less_than_a_unit(
    settlement: Settlement, quantity_e8: int, price_e9: int, fee_ppm: int
) -> None:
    """The account never pays less than the exact fee, nor gets more than the exact rebate."""
    found = fee_e12(settlement, quantity_e8=quantity_e8, price_e9=price_e9, fee_ppm=fee_ppm)
    exact = abs(exact_flow(settlement, 1, quantity_e8, price_e9)) * fee_ppm / 10**6
    assert 0 <= found - exact < 1


def test_a_fee_on_a_price_below_zero_is_paid_all_the_same() -> None:
    """Futures can cost less than nothing; the fee is on how much that is."""
    assert fee_e12(LINEAR, quantity_e8=E8, price_e9=-40 * E9, fee_ppm=1000) == 4 * E12 // 100


@given(st.integers(-(10**24), 10**24), st.integers(1, 10**12), st.integers(1, 10**12))
def test_a_share_of_a_cost_is_rounded_up(cost_e12: int, closing_e8: int, more_e8: int) -> None:
    """The closed part bears what does not divide, and everything when everything is closed."""
    held_e8 = closing_e8 + more_e8
    share_e12 = cost_share_e12(cost_e12, closing_e8=closing_e8, held_e8=held_e8)
    assert 0 <= share_e12 - Fraction(cost_e12 * closing_e8, held_e8) < 1
    assert cost_share_e12(cost_e12, closing_e8=held_e8, held_e8=held_e8) == cost_e12


def test_margins_are_rounded_up() -> None:
    """A third of ten units is four of them, whichever way the position points."""
    assert (margin_e12(10, 3), margin_e12(-10, 3), margin_e12(9, 3)) == (4, 4, 3)


@given(st.sampled_from(Settlement), SIGNS, st.integers(10**6, 10**13), st.integers(10**9, 10**14))
def test_the_average_of_one_entry_is_its_price(
    settlement: Settlement, sign: int, quantity_e8: int, price_e9: int
) -> None:
    """What was entered at one price has that price as its average, to a hundred-millionth of it."""
    cost_e12 = -flow_e12(settlement, sign=sign, quantity_e8=quantity_e8, price_e9=price_e9)
    found = average_e9(settlement, cost_e12=cost_e12, quantity_e8=sign * quantity_e8)
    slack = 2 + (2 * abs(found) // abs(cost_e12))  # a unit more or less in the cost
    assert abs(found - price_e9) <= slack


def test_nothing_has_no_average() -> None:
    """A flat position has the average 0."""
    assert average_e9(LINEAR, cost_e12=0, quantity_e8=0) == 0


@given(
    st.sampled_from([LINEAR, INVERSE]),
    SIGNS,
    st.integers(1, 10**12),
    st.one_of(st.integers(-(10**6), 10**6), st.integers(-(10**25), 10**25)),
)
def test_the_breaking_price_is_the_first_on_the_way_of_the_loss(
    settlement: Settlement, sign: int, quantity_e8: int, bearable_e12: int
) -> None:
    """At that price closing brings no more than what is bearable and at the price before it more; without one, no
    price that there is brings so little."""

    def brings(price_e9: int) -> int:
        return flow_e12(settlement, sign=-sign, quantity_e8=quantity_e8, price_e9=price_e9)

    found = breaking_price_e9(settlement, quantity_e8=sign * quantity_e8, bearable_e12=bearable_e12)
    if found is None:
        assert brings(1 if sign > 0 else MAX_PRICE_E9) > bearable_e12
        return
    assert 1 <= found <= MAX_PRICE_E9
    assert brings(found) <= bearable_e12
    better = found + sign
    if 1 <= better <= MAX_PRICE_E9:
        assert brings(better) > bearable_e12


@pytest.mark.parametrize(("sign", "worst"), [(1, MAX_PRICE_E9), (-1, 1)])
@pytest.mark.parametrize("settlement", [LINEAR, INVERSE])
def test_what_cannot_be_borne_anywhere_breaks_at_once(settlement: Settlement, sign: int, worst: int) -> None:
    """An account that is beyond saving is closed at whatever price comes first."""
    assert breaking_price_e9(settlement, quantity_e8=sign * E8, bearable_e12=10**40) == worst
