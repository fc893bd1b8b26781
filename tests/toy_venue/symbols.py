"""The toy venue's list of markets as instruments. Pure.

Names and steps come from the list alone: base and quote are what it says, never what a name seems to say.
"""

from __future__ import annotations

import msgspec

from core.errors import PermanentError
from core.flow.printable import printable
from core.model.fixedpoint import FixedPointError, parse_price, parse_quantity
from core.model.instruments import Instrument, Product
from core.model.symbology import canonical_asset


class _Row(msgspec.Struct):
    market: str
    base: str
    quote: str
    price_step: str
    size_step: str


def parse_markets(body: bytes, *, venue: str, refused: dict[str, str]) -> list[Instrument]:
    """The instruments in a list of markets. One that cannot be held exactly is left out; into `refused` goes why.

    Raises:
        msgspec.MsgspecError: it is no list of markets.
    """
    found = []
    for row in msgspec.json.decode(body, type=list[_Row]):
        try:
            found.append(_instrument(row, venue))
        except (PermanentError, FixedPointError) as error:
            refused[printable(row.market)] = printable(str(error))
    return found


def _instrument(row: _Row, venue: str) -> Instrument:
    base, quote = canonical_asset(row.base), canonical_asset(row.quote)
    return Instrument(
        venue=venue,
        symbol=base + quote,
        venue_symbol=row.market,
        canonical=base + quote,
        base=base,
        quote=quote,
        settle=quote,
        product=Product.SPOT,
        price_decimals=_decimals(row.price_step),
        quantity_decimals=_decimals(row.size_step),
        price_increment_e9=parse_price(row.price_step),
        quantity_increment_e8=parse_quantity(row.size_step),
    )


def _decimals(step: str) -> int:
    return len(step.partition(".")[2])
