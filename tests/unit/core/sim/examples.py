"""Instruments and fills that tests of portfolios share."""

from __future__ import annotations

from core.model.fixedpoint import parse_fixed, parse_price, parse_quantity
from core.model.instruments import Instrument, Product
from core.model.orders import Fill, Side

START_NS = 1_704_067_200 * 10**9
"""2024-01-01, a Monday."""


def instrument(product: Product = Product.SPOT) -> Instrument:
    """BTC in USD, settled as products of that kind are."""
    inverse = product in {Product.INVERSE_PERPETUAL, Product.INVERSE_FUTURE}
    return Instrument(
        venue="SIM.EXCHANGE",
        symbol="BTCUSD",
        venue_symbol="BTC/USD",
        canonical="BTCUSD",
        base="BTC",
        quote="USD",
        settle="BTC" if inverse else "USD",
        product=product,
        price_decimals=2,
        quantity_decimals=8,
        price_increment_e9=10**7,
        quantity_increment_e8=1,
    )


def fill(
    side: Side, quantity: str, price: str, *, at_ns: int = START_NS, fee: str = "0", realised: str = "0"
) -> Fill:
    """A part of an order that was carried out; amounts as text."""
    return Fill(
        order=1,
        account="main",
        strategy="test",
        side=side,
        ts_ns=at_ns,
        price_e9=parse_price(price),
        quantity_e8=parse_quantity(quantity),
        fee_e12=parse_fixed(fee, 12),
        realised_e12=parse_fixed(realised, 12),
        currency="USD",
        maker=False,
    )
