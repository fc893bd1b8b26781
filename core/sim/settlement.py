"""What a trade moves, in integers at 1e-12 of the settlement currency, for the three ways in which products settle.

All three are one rule. A fill has a *flow*, what it brings the account: below 0 for what was bought, above 0 for what
was sold. For inverse products, whose contracts are worth one unit of the quote and are settled in the base, it is the
other way about. What a position *cost* is the flow of its opening with the sign turned, and what it gains is the flow
of its closing less that cost. Spot pays flows as they come, margin products only what is gained.

A flow is rounded down and a fee up, so each is less than 1e-12 worse for the account than the exact figure; from then
on amounts are added, subtracted and split, which loses nothing.
"""

from __future__ import annotations

import enum
from typing import Final

from core.model.fixedpoint import MAX_PRICE_E9, PRICE_DECIMALS, QUANTITY_DECIMALS
from core.model.instruments import Product
from core.sim.fees import MILLION

_MONEY: Final = 12
_LINEAR_SCALE: Final[int] = 10 ** (PRICE_DECIMALS + QUANTITY_DECIMALS - _MONEY)
_LINEAR_FEE_SCALE: Final[int] = _LINEAR_SCALE * MILLION
_INVERSE_SCALE: Final[int] = 10 ** (_MONEY + PRICE_DECIMALS - QUANTITY_DECIMALS)
BASE: Final[int] = 10 ** (_MONEY - QUANTITY_DECIMALS)
"""How many 1e-12 of a base currency a quantity of 1e-8 is."""


class Settlement(enum.Enum):
    """How a product settles: all at once in money and goods; by what it gains in the quote currency; by what it gains
    in the base currency."""

    SPOT = enum.auto()
    LINEAR = enum.auto()
    INVERSE = enum.auto()


SPOT: Final = Settlement.SPOT
"""Looking up a member of an enum costs 0.1 us each time, which the ledger would notice."""
LINEAR: Final = Settlement.LINEAR
INVERSE: Final = Settlement.INVERSE

_SETTLEMENTS = {
    Product.SPOT: SPOT,
    Product.EQUITY: SPOT,
    Product.LINEAR_PERPETUAL: LINEAR,
    Product.LINEAR_FUTURE: LINEAR,
    Product.INVERSE_PERPETUAL: INVERSE,
    Product.INVERSE_FUTURE: INVERSE,
}


def settlement_of(product: Product) -> Settlement:
    """How a product settles."""
    return _SETTLEMENTS[product]


def flow_e12(settlement: Settlement, *, sign: int, quantity_e8: int, price_e9: int) -> int:
    """What buying (`sign` 1) or selling (-1) brings the account, rounded down. An inverse price is above 0."""
    if settlement is INVERSE:
        return sign * quantity_e8 * _INVERSE_SCALE // price_e9
    return -sign * quantity_e8 * price_e9 // _LINEAR_SCALE


def fee_e12(settlement: Settlement, *, quantity_e8: int, price_e9: int, fee_ppm: int) -> int:
    """The fee on what was traded, rounded up; below 0 for a rebate."""
    if settlement is INVERSE:
        return -(-quantity_e8 * _INVERSE_SCALE * fee_ppm // (price_e9 * MILLION))
    return -(-quantity_e8 * abs(price_e9) * fee_ppm // _LINEAR_FEE_SCALE)


def cost_share_e12(cost_e12: int, *, closing_e8: int, held_e8: int) -> int:
    """The part of a position's cost that belongs to the part of it that is closed, rounded up. At average cost."""
    return -(-cost_e12 * closing_e8 // held_e8)


def margin_e12(cost_e12: int, leverage: int) -> int:
    """The initial margin of a position that cost so much, rounded up."""
    return -(-abs(cost_e12) // leverage)


def average_e9(settlement: Settlement, *, cost_e12: int, quantity_e8: int) -> int:
    """The average entry price of a position, `quantity_e8` below 0 when it is short; 0 when there is none."""
    if not quantity_e8 or not cost_e12:
        return 0
    if settlement is INVERSE:
        return -quantity_e8 * _INVERSE_SCALE // cost_e12
    return cost_e12 * _LINEAR_SCALE // quantity_e8


def breaking_price_e9(settlement: Settlement, *, quantity_e8: int, bearable_e12: int) -> int | None:
    """The price at which, on the way of its loss, closing a position first brings no more than `bearable_e12`.

    For what loses when prices fall that is the highest such price, for what loses when they rise the lowest. None
    when no price is so bad; 1 or the highest price there is when every price is.
    """
    size, long = abs(quantity_e8), quantity_e8 > 0
    if settlement is INVERSE:
        worth, divisor = size * _INVERSE_SCALE, -bearable_e12 - 1 if long else bearable_e12 + 1
        if divisor <= 0:
            return MAX_PRICE_E9 if long else None
        price_e9 = (worth - 1) // divisor if long else worth // divisor + 1
    elif long:
        price_e9 = ((bearable_e12 + 1) * _LINEAR_SCALE - 1) // size
    else:
        price_e9 = (-bearable_e12 - 1) * _LINEAR_SCALE // size + 1
    if long:
        return min(price_e9, MAX_PRICE_E9) if price_e9 > 0 else None
    return max(price_e9, 1) if price_e9 <= MAX_PRICE_E9 else None
