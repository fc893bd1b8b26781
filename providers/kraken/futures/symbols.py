"""Kraken Futures' catalogue: the REST instruments answer as instruments.

A product id is never cut apart: base and quote come from the answer, and an answer without them (2021) lists the
product under its own id alone. Of the products of one pair the inverse perpetual owns the canonical symbol; every
other keeps its id as symbol and wears the canonical one as a label.
"""

from __future__ import annotations

import logging
import re

import msgspec

from core.errors import PermanentError, TransientError
from core.flow.printable import printable
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS, QUANTITY_SCALE, parse_price
from core.model.instruments import Instrument, Product
from core.model.symbology import canonical_asset
from providers.kraken.futures.errors import read_refusal

VENUE = "KRAKEN_FUTURES"

_PRODUCTS = {  # (with no end, with one)
    "futures_inverse": (Product.INVERSE_PERPETUAL, Product.INVERSE_FUTURE),
    "flexible_futures": (Product.LINEAR_PERPETUAL, Product.LINEAR_FUTURE),
    "futures_vanilla": (Product.LINEAR_PERPETUAL, Product.LINEAR_FUTURE),
}
_PRODUCT_ID = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,31}")
_DATED = re.compile(r".*_[0-9]{6}")
_ASSET = re.compile(r"[A-Z0-9._-]{1,15}")
_COARSEST_PRECISION = -9
_log = logging.getLogger("ringside.kraken_futures")


class _Answer(msgspec.Struct, gc=False):
    result: str = ""
    instruments: list[msgspec.Raw] = []


class _Listed(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    type: str
    tick_size: msgspec.Raw = msgspec.Raw()
    last_trading_time: str | None = None
    contract_value_trade_precision: int | None = None
    base: str | None = None
    quote: str | None = None


def parse_instruments(body: bytes, *, venue: str = VENUE, refused: dict[str, str] | None = None) -> list[Instrument]:
    """The futures in an instruments answer, in its order, without indices and options.

    One that cannot be held exactly or read at all is left out and logged; into `refused` goes why, by its name.

    Raises:
        ConsoleError: the venue answered with an error, or with something else.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TransientError("catalogue not understood", venue, hint=printable(str(error))) from None
    if answer.result != "success":
        operation = f"catalogue of {venue}"
        raise read_refusal(operation, body) or TransientError(operation, "not understood")
    reasons = {} if refused is None else refused
    found = (_read_listed(raw, venue=venue, refused=reasons) for raw in answer.instruments)
    return [instrument for instrument in found if instrument is not None]


def _read_listed(raw: msgspec.Raw, *, venue: str, refused: dict[str, str]) -> Instrument | None:
    name = "?"
    try:
        listed = msgspec.json.decode(raw, type=_Listed)
        name = listed.symbol
        if listed.type not in _PRODUCTS:
            return None
        return _instrument(listed, venue=venue)
    except (PermanentError, ValueError, RecursionError) as error:
        refused[printable(name)] = error.operation if isinstance(error, PermanentError) else "cannot be read"
        _log.warning("%s left out: %s: %s", venue, printable(name), printable(str(error)))
        return None


def _instrument(listed: _Listed, *, venue: str) -> Instrument:
    product_id = listed.symbol.upper()  # the listing of 2021 was in lower case, the sockets never were
    if not _PRODUCT_ID.fullmatch(product_id):
        raise ValueError("not a product id")
    dated = bool(listed.last_trading_time) or _DATED.fullmatch(product_id) is not None
    product = _PRODUCTS[listed.type][dated]
    base, quote = _assets(listed)
    canonical = base + quote or product_id
    tick_e9 = _tick_e9(listed)
    decimals, step_e8 = _quantity_step(listed.contract_value_trade_precision)
    return Instrument(
        venue=venue,
        symbol=canonical if product is Product.INVERSE_PERPETUAL else product_id,
        venue_symbol=product_id,
        canonical=canonical,
        base=base,
        quote=quote,
        settle=base if product in {Product.INVERSE_PERPETUAL, Product.INVERSE_FUTURE} else quote,
        product=product,
        price_decimals=_decimals(tick_e9),
        quantity_decimals=decimals,
        price_increment_e9=tick_e9,
        quantity_increment_e8=step_e8,
    )


def _assets(listed: _Listed) -> tuple[str, str]:
    if not listed.base or not listed.quote:
        return "", ""
    base, quote = canonical_asset(listed.base), canonical_asset(listed.quote)
    if not _ASSET.fullmatch(base) or not _ASSET.fullmatch(quote):
        raise ValueError("not a pair of assets")
    return base, quote


def _tick_e9(listed: _Listed) -> int:
    tick_e9 = parse_price(str(listed.tick_size, "ascii", "replace").strip('"'))
    if tick_e9 <= 0:
        raise ValueError("a price increment of 0")
    return tick_e9


def _decimals(tick_e9: int) -> int:
    digits = f"{tick_e9 % 10**PRICE_DECIMALS:0{PRICE_DECIMALS}d}"
    return len(digits.rstrip("0"))


def _quantity_step(precision: int | None) -> tuple[int, int]:
    # Contracts are whole where the answer says nothing; a negative precision means tens, hundreds, thousands.
    places = precision or 0
    if places > QUANTITY_DECIMALS:
        raise PermanentError("quantity increment finer than 1e-8", f"{places} decimals")
    if places < _COARSEST_PRECISION:
        raise ValueError(f"no quantity precision: {places}")
    return max(places, 0), QUANTITY_SCALE // 10**places if places >= 0 else QUANTITY_SCALE * 10**-places
