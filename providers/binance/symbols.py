"""Binance's catalogue as instruments. Pure: bytes in, a symbol map out.

A Tether price is no dollar price, but everybody calls the market `BTCUSD`: the symbol says USD, while quote and
settlement stay USDT. Where the venue itself lists the base against USD, that market owns the name.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable

import attrs
import msgspec

from core.errors import PermanentError
from core.flow.printable import printable
from core.model.fixedpoint import (
    PRICE_DECIMALS,
    QUANTITY_DECIMALS,
    FixedPointError,
    parse_price,
    parse_quantity,
)
from core.model.instruments import Instrument, Product
from core.model.symbology import SymbolMap

_log = logging.getLogger("ringside.binance")
_NAME = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,31}")
_FINEST = "0.00000001"  # what a filter that is switched off leaves: the eight decimals of every number here


class Filter(msgspec.Struct):
    """One trading rule; only the two increments matter here."""

    kind: str = msgspec.field(name="filterType")
    tick_size: str = msgspec.field(name="tickSize", default="")
    step_size: str = msgspec.field(name="stepSize", default="")


class Listing(msgspec.Struct):
    """One symbol of exchangeInfo."""

    symbol: str
    status: str
    base: str = msgspec.field(name="baseAsset")
    quote: str = msgspec.field(name="quoteAsset")
    filters: list[Filter] = []


class ExchangeInfo(msgspec.Struct):
    """The answer of `/api/v3/exchangeInfo`."""

    symbols: list[Listing]


_decode = msgspec.json.Decoder(ExchangeInfo).decode


@attrs.frozen
class Catalogue:
    """What the venue lists. `halted` holds the status of listed symbols that do not trade, by the venue's name."""

    symbols: SymbolMap
    halted: dict[str, str]


def read_catalogue(body: bytes, venue: str) -> Catalogue:
    """The instruments in an exchangeInfo answer; those we cannot hold are left out and counted in the log.

    Raises:
        msgspec.MsgspecError: the answer has another shape.
    """
    listings = _decode(body).symbols
    dollar_bases = {each.base for each in listings if each.quote == "USD"}
    instruments: list[Instrument] = []
    refused: dict[str, str] = {}
    first = ""
    for listing in listings:
        try:
            instruments.append(_instrument(listing, venue, dollar_bases))
        except (PermanentError, FixedPointError) as error:
            name = printable(listing.symbol, 40)
            refused[name] = error.operation if isinstance(error, PermanentError) else "cannot be read"
            first = first or f"{name}: {error}"
    if refused:
        _log.warning("%s: %d instruments left out, the first: %s", venue, len(refused), first)
    halted = {each.symbol: printable(each.status, 20) for each in listings if each.status != "TRADING"}
    not_trading = {name: f"not trading: {status}" for name, status in halted.items()}
    return Catalogue(SymbolMap(venue, _own_names(instruments), refused=not_trading | refused), halted)


def _own_names(instruments: Iterable[Instrument]) -> list[Instrument]:
    """The instruments, those whose symbol something else also claims under the venue's own name."""
    listed = list(instruments)
    claims = Counter(each.symbol for each in listed)
    claims.update(each.venue_symbol for each in listed if each.venue_symbol != each.symbol)
    return [each if claims[each.symbol] == 1 else attrs.evolve(each, symbol=each.venue_symbol) for each in listed]


def _instrument(listing: Listing, venue: str, dollar_bases: set[str]) -> Instrument:
    base, quote = listing.base.upper(), listing.quote.upper()
    typed = "USD" if quote == "USDT" and listing.base not in dollar_bases else quote
    # Names become file names: nothing but plain letters and digits gets in.
    if not _NAME.fullmatch(base + typed) or not _NAME.fullmatch(listing.symbol):
        raise PermanentError("symbol outside the grammar", printable(listing.symbol, 40))
    tick = _increment(listing.filters, "PRICE_FILTER")
    step = _increment(listing.filters, "LOT_SIZE")
    return Instrument(
        venue=venue,
        symbol=base + typed,
        venue_symbol=listing.symbol,
        canonical=base + typed,
        base=base,
        quote=quote,
        settle=quote,
        product=Product.SPOT,
        price_decimals=_decimals(parse_price(tick), PRICE_DECIMALS),
        quantity_decimals=_decimals(parse_quantity(step), QUANTITY_DECIMALS),
        price_increment_e9=parse_price(tick),
        quantity_increment_e8=parse_quantity(step),
    )


def _increment(filters: list[Filter], kind: str) -> str:
    for each in filters:
        if each.kind == kind:
            text = each.tick_size or each.step_size
            return text if text.strip("0.") else _FINEST
    return _FINEST


def _decimals(increment: int, scale: int) -> int:
    decimals = scale
    while decimals > 0 and increment % 10 == 0:
        increment //= 10
        decimals -= 1
    return decimals
