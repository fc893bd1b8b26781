"""Databento's definitions as instruments: what is traded, in which steps, in which money."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from core.flow.printable import printable
from core.model.fixedpoint import QUANTITY_SCALE
from core.model.instruments import Instrument, Product
from core.model.records import UNDEF_PRICE, Records

PRODUCTS: Final = {
    b"F": Product.LINEAR_FUTURE,
    b"S": Product.LINEAR_FUTURE,  # a spread of futures is quoted and settled as they are
    b"K": Product.EQUITY,
    b"X": Product.SPOT,
    b"Y": Product.SPOT,
}
"""Product by the vendor's instrument class. Options and mixed spreads are left out."""
UNSTATED_DECIMALS: Final = 4


def read_definitions(pages: Iterable[Records], venue: str) -> list[Instrument]:
    """The instruments of definition records, each once, as the newest record describes it."""
    found: dict[str, Instrument] = {}
    for page in pages:
        for record in page:
            instrument = _instrument(record, venue)
            if instrument is not None:
                found[instrument.symbol] = instrument
    return list(found.values())


def _instrument(record: Any, venue: str) -> Instrument | None:
    product = PRODUCTS.get(bytes(record["instrument_class"]))
    symbol = _text(record["raw_symbol"])
    if product is None or not symbol:
        return None
    increment_e9 = int(record["min_price_increment"])
    stated = 0 < increment_e9 < UNDEF_PRICE
    currency = _text(record["currency"])
    return Instrument(
        venue=venue,
        symbol=symbol,
        venue_symbol=symbol,
        canonical=symbol,
        base=_text(record["asset"]) or symbol,
        quote=currency,
        settle=_text(record["settl_currency"]) or currency,
        product=product,
        price_decimals=_decimals(increment_e9) if stated else UNSTATED_DECIMALS,
        quantity_decimals=0,
        price_increment_e9=increment_e9 if stated else 1,
        quantity_increment_e8=QUANTITY_SCALE,
    )


def _decimals(increment_e9: int) -> int:
    return len(f"{increment_e9 % 10**9:09d}".rstrip("0"))


def _text(field: Any) -> str:
    return printable(bytes(field).decode("ascii", "replace").strip("\0 "), 40)
