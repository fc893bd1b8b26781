"""What is traded: what the store knows of an instrument, and what is assumed of one that it does not know. Pure."""

from __future__ import annotations

import re
from typing import Final

import attrs
import numpy as np

from core.bars.ticks import Column, Ticks
from core.errors import NotFoundError
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS
from core.model.instruments import Instrument, Product
from core.model.publishers import PUBLISHERS
from core.model.symbology import canonical_asset

QUOTES: Final = (
    "FDUSD", "USDT", "USDC", "USD", "EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "TRY", "BRL",
    "BTC", "XBT", "ETH", "BNB",
)  # fmt: skip
"""Currencies in which something is quoted, the longer of two that end alike first. TUSD and BUSD are left out: DOTUSD
and BNBUSD are quoted in dollars."""

_FUTURES: Final = ("GLBX.", "IFEU.", "IFUS.", "IFLL.", "NDEX.", "XEEE.", "XCBF.")
_EURO_FUTURES: Final = ("XEUR.",)
_EQUITIES: Final = (
    "XNAS.", "XNYS.", "XBOS.", "XPSX.", "XCIS.", "XASE.", "XCHI.", "ARCX.", "BATS.", "BATY.", "EDGA.", "EDGX.",
    "IEXG.", "LTSE.", "MEMX.", "EPRL.", "ASPN.", "DBEQ.", "EQUS.",
)  # fmt: skip
_KRAKEN_FUTURE: Final = re.compile(r"([PF])([IF])_([A-Z0-9]+?)(?:_[0-9]+)?")
_SEPARATORS: Final = "-/_."


@attrs.frozen
class _Guess:
    base: str
    quote: str
    settle: str
    product: Product


def whole_instrument(
    described: Instrument | None, *, venue: str, symbol: str, ticks: Ticks
) -> tuple[Instrument, bool]:
    """What is traded, and whether anything of it is assumed: all when nobody described it, its currencies when the
    description names none, as some of Kraken Futures. Raises as `assumed_instrument`."""
    if described is None:
        return assumed_instrument(venue=venue, symbol=symbol, ticks=ticks), True
    if described.quote:
        return described, False
    guess = _guess(venue, described.venue_symbol)
    return attrs.evolve(described, base=guess.base, quote=guess.quote, settle=guess.settle), True


def assumed_instrument(*, venue: str, symbol: str, ticks: Ticks) -> Instrument:
    """An instrument that nobody described: what it is from its venue and its name, its steps from what was traded.

    Raises:
        NotFoundError: neither tells what it is.
    """
    guess = _guess(venue, symbol)
    price_decimals = _decimals(ticks.price_e9, PRICE_DECIMALS)
    own = venue in PUBLISHERS
    quantity_decimals = _decimals(ticks.quantity_e8, QUANTITY_DECIMALS) if own else 0
    return Instrument(
        venue=venue,
        symbol=symbol,
        venue_symbol=symbol,
        canonical=symbol,
        base=guess.base,
        quote=guess.quote,
        settle=guess.settle,
        product=guess.product,
        price_decimals=price_decimals,
        quantity_decimals=quantity_decimals,
        price_increment_e9=10 ** (PRICE_DECIMALS - price_decimals),
        quantity_increment_e8=10 ** (QUANTITY_DECIMALS - quantity_decimals),
    )


def words(product: Product) -> str:
    """What people call it."""
    return product.value.replace("_", " ")


def _guess(venue: str, symbol: str) -> _Guess:
    if venue.startswith(_EQUITIES):
        return _Guess(symbol, "USD", "USD", Product.EQUITY)
    if venue.startswith(_FUTURES + _EURO_FUTURES):
        currency = "EUR" if venue.startswith(_EURO_FUTURES) else "USD"
        return _Guess(symbol, currency, currency, Product.LINEAR_FUTURE)
    contract = _KRAKEN_FUTURE.fullmatch(symbol)
    pair = contract[3] if contract else symbol
    quote = next((one for one in QUOTES if pair.endswith(one) and pair.strip(_SEPARATORS) != one), "")
    if not quote:
        raise NotFoundError(
            "unknown instrument", f"{symbol} on {venue}", hint="nobody described it: stream it once with --persist"
        )
    base = canonical_asset(pair.removesuffix(quote).rstrip(_SEPARATORS))
    quote = canonical_asset(quote)
    if contract is None:
        return _Guess(base, quote, quote, Product.SPOT)
    inverse, perpetual = contract[2] == "I", contract[1] == "P"
    kinds = {
        (True, True): Product.INVERSE_PERPETUAL,
        (True, False): Product.INVERSE_FUTURE,
        (False, True): Product.LINEAR_PERPETUAL,
        (False, False): Product.LINEAR_FUTURE,
    }
    return _Guess(base, quote, base if inverse else quote, kinds[inverse, perpetual])


def _decimals(values: Column, most: int) -> int:
    # So many places are needed for all of them.
    places = 0
    while places < most and bool((values % np.int64(10 ** (most - places))).any()):
        places += 1
    return places
