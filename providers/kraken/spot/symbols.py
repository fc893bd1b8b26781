"""Kraken spot's catalogue: REST AssetPairs as instruments.

REST still writes XBT and XDG, which the v2 sockets refuse: the venue symbol kept here is the sockets' name. Base
and quote come from `wsname`; REST's own ids (`XXBTZUSD`) cannot be cut apart.
"""

from __future__ import annotations

import logging
import re

import msgspec

from core.errors import PermanentError, TransientError
from core.flow.printable import printable
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS, FixedPointError, parse_price
from core.model.instruments import Instrument, Product
from core.model.symbology import canonical_asset
from providers.kraken.spot.errors import venue_error

_DARK_SUFFIX = ".d"
_CURRENCY = "currency"
_ASSET = re.compile(r"[A-Z0-9._-]{1,15}")
_log = logging.getLogger("ringside.kraken")


class _Answer(msgspec.Struct, gc=False):
    error: list[str] = []
    result: dict[str, msgspec.Raw] | None = None


class _Pair(msgspec.Struct, gc=False):
    pair_decimals: int
    lot_decimals: int
    wsname: str = ""
    aclass_base: str = _CURRENCY
    tick_size: msgspec.Raw = msgspec.Raw()


def parse_asset_pairs(
    body: bytes, *, venue: str, now_ns: int = 0, refused: dict[str, str] | None = None
) -> list[Instrument]:
    """The instruments in an AssetPairs answer, in its order, without dark pairs and tokenised assets.

    A pair that cannot be held exactly or read at all is left out and logged; into `refused` goes why, by its name.
    `now_ns` reads an answer that says until when to wait.

    Raises:
        ConsoleError: the venue answered with an error, or with something else.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TransientError("catalogue not understood", venue, hint=printable(str(error))) from None
    if answer.error:
        raise venue_error("; ".join(answer.error), operation=f"catalogue of {venue}", now_ns=now_ns)
    if answer.result is None:
        raise TransientError("catalogue not understood", venue, hint="an answer without a result")
    reasons = {} if refused is None else refused
    found = (_read_pair(name, raw, venue=venue, refused=reasons) for name, raw in answer.result.items())
    return [instrument for instrument in found if instrument is not None]


def _read_pair(name: str, raw: msgspec.Raw, *, venue: str, refused: dict[str, str]) -> Instrument | None:
    try:
        pair = msgspec.json.decode(raw, type=_Pair)
        if name.endswith(_DARK_SUFFIX) or not pair.wsname or pair.aclass_base != _CURRENCY:
            return None
        return _instrument(pair, venue=venue)
    except (PermanentError, ValueError, RecursionError) as error:
        refused[printable(name)] = error.operation if isinstance(error, PermanentError) else "cannot be read"
        _log.warning("%s left out: %s: %s", venue, printable(name), printable(str(error)))
        return None


def _instrument(pair: _Pair, *, venue: str) -> Instrument:
    base, _, quote = (canonical_asset(asset) for asset in pair.wsname.partition("/"))
    if not _ASSET.fullmatch(base) or not _ASSET.fullmatch(quote):
        raise ValueError(f"not a pair of assets: {pair.wsname!r}")
    if not 0 <= pair.pair_decimals <= PRICE_DECIMALS:
        raise PermanentError("price increment finer than 1e-9", f"{pair.pair_decimals} decimals")
    if not 0 <= pair.lot_decimals <= QUANTITY_DECIMALS:
        raise PermanentError("quantity increment finer than 1e-8", f"{pair.lot_decimals} decimals")
    return Instrument(
        venue=venue,
        symbol=base + quote,
        venue_symbol=f"{base}/{quote}",
        canonical=base + quote,
        base=base,
        quote=quote,
        settle=quote,
        product=Product.SPOT,
        price_decimals=pair.pair_decimals,
        quantity_decimals=pair.lot_decimals,
        price_increment_e9=_tick_e9(pair),
        quantity_increment_e8=10 ** (QUANTITY_DECIMALS - pair.lot_decimals),
    )


def _tick_e9(pair: _Pair) -> int:
    step_e9: int = 10 ** (PRICE_DECIMALS - pair.pair_decimals)
    # Increments have come as numbers, as text and, in 2021, not at all.
    text = str(pair.tick_size, "ascii", "replace").strip('"')
    if text in {"", "null"}:
        return step_e9
    tick_e9 = parse_price(text)
    if tick_e9 <= 0:
        raise FixedPointError("a price increment of 0")
    return tick_e9
