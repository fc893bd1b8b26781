"""The venues' REST documents: written for generated markets, read from captured answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final, NamedTuple

import msgspec

from providers.simulated.universe import UNIVERSE, Listing, eight_decimals

_OLD_ASSETS: Final[Mapping[str, str]] = {
    "BTC": "XXBT", "ETH": "XETH", "LTC": "XLTC", "XRP": "XXRP", "ETC": "XETC", "XLM": "XXLM", "XMR": "XXMR",
    "ZEC": "XZEC", "DOGE": "XXDG", "USD": "ZUSD", "EUR": "ZEUR",
}  # fmt: skip
_OLD_NAMES: Final[Mapping[str, str]] = {"BTC": "XBT", "DOGE": "XDG"}
_NEW_NAMES: Final[Mapping[str, str]] = {old: new for new, old in _OLD_NAMES.items()}


class Metadata(NamedTuple):
    """How the venue describes one market: the key of its entry, and the entry as JSON."""

    key: str
    entry: str


class _AssetPairs(msgspec.Struct):
    result: dict[str, msgspec.Raw]


class _AssetPair(msgspec.Struct):
    wsname: str


class _ExchangeInfo(msgspec.Struct):
    symbols: list[msgspec.Raw]


class _Instruments(msgspec.Struct):
    instruments: list[msgspec.Raw]


class _ListedProduct(msgspec.Struct):
    symbol: str


class _ExchangeSymbol(msgspec.Struct):
    symbol: str
    base: str = msgspec.field(name="baseAsset")


def asset_pairs(content: bytes) -> dict[str, Metadata] | None:
    """The pairs of a Kraken AssetPairs answer by their name on the sockets; None if it is something else."""
    try:
        pairs = msgspec.json.decode(content, type=_AssetPairs).result
        named = {key: entry for key, entry in pairs.items() if b'"wsname"' in bytes(entry)}
        return {
            _socket_name(msgspec.json.decode(entry, type=_AssetPair).wsname): Metadata(key, bytes(entry).decode())
            for key, entry in named.items()
        } or None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def exchange_info(content: bytes) -> dict[str, Metadata] | None:
    """The symbols of a Binance exchangeInfo answer by name; None if it is something else."""
    try:
        entries = msgspec.json.decode(content, type=_ExchangeInfo).symbols
        names = [msgspec.json.decode(entry, type=_ExchangeSymbol).symbol for entry in entries]
        return {
            name: Metadata(name, bytes(entry).decode()) for name, entry in zip(names, entries, strict=True)
        } or None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def futures_instruments(content: bytes) -> dict[str, Metadata] | None:
    """The products of a Kraken Futures instruments answer by id; None if it is something else."""
    try:
        entries = msgspec.json.decode(content, type=_Instruments).instruments
        names = [msgspec.json.decode(entry, type=_ListedProduct).symbol.upper() for entry in entries]
        return {
            name: Metadata(name, bytes(entry).decode()) for name, entry in zip(names, entries, strict=True)
        } or None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _socket_name(rest_name: str) -> str:
    return "/".join(_NEW_NAMES.get(asset, asset) for asset in rest_name.split("/"))


@cache
def known_metadata(protocol: str) -> Mapping[str, Metadata]:
    """Every market of the universe as the venue would describe it, by the venue's name on its sockets."""
    if protocol == "kraken":
        return {listing.kraken_name: _kraken_pair(listing) for listing in UNIVERSE}
    if protocol == "kraken_futures":
        return {name: _futures_product(listing, name) for listing in UNIVERSE for name in listing.futures_names}
    return {listing.binance_name: _binance_symbol(listing) for listing in UNIVERSE}


def kraken_answer(entries: Iterable[Metadata]) -> str:
    """An AssetPairs answer."""
    return '{"error":[],"result":{' + ",".join(f'"{key}":{entry}' for key, entry in entries) + "}}"


def binance_answer(entries: Iterable[Metadata], *, now_ms: int) -> str:
    """An exchangeInfo answer."""
    limits = '[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000}]'
    symbols = ",".join(entry for _, entry in entries)
    head = f'{{"timezone":"UTC","serverTime":{now_ms},"rateLimits":{limits},"exchangeFilters":[]'
    return f'{head},"symbols":[{symbols}]}}'


def _kraken_pair(listing: Listing) -> Metadata:
    base, quote = (_OLD_NAMES.get(asset, asset) for asset in (listing.base, listing.kraken_quote))
    old_base, old_quote = _OLD_ASSETS.get(listing.base), _OLD_ASSETS.get(listing.kraken_quote)
    # Kraken's old pairs keep the prefixed names of both assets as their key; Dogecoin came later.
    prefixed = bool(old_base and old_quote) and listing.base != "DOGE"
    pair = {
        "altname": f"{base}{quote}",
        "wsname": f"{base}/{quote}",
        "aclass_base": "currency",
        "base": old_base or listing.base,
        "aclass_quote": "currency",
        "quote": old_quote or listing.kraken_quote,
        "lot": "unit",
        "cost_decimals": 8,
        "pair_decimals": listing.price_decimals,
        "lot_decimals": listing.quantity_decimals,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": listing.quantity_text(max(1, listing.typical_units // 100)),
        "costmin": "0.5",
        "tick_size": listing.price_text(1),
        "status": "online",
    }
    key = f"{old_base}{old_quote}" if prefixed else f"{base}{quote}"
    return Metadata(key, msgspec.json.encode(pair).decode())


def _futures_product(listing: Listing, product_id: str) -> Metadata:
    inverse = product_id.startswith("PI_")
    product = {
        "symbol": product_id,
        "type": "futures_inverse" if inverse else "flexible_futures",
        "tickSize": msgspec.Raw(listing.price_text(1).encode()),
        "contractSize": 1,
        "tradeable": True,
        "contractValueTradePrecision": 0 if inverse else listing.quantity_decimals,
        "base": listing.base,
        "quote": listing.kraken_quote,
        "pair": f"{listing.base}:{listing.kraken_quote}",
        "postOnly": False,
        "isExpired": False,
        "tradfi": False,
    }
    return Metadata(product_id, msgspec.json.encode(product).decode())


def _binance_symbol(listing: Listing) -> Metadata:
    # Its prices have cents at least, also where Kraken's have none: recordings are described by this.
    tick = eight_decimals(1, decimals=max(listing.price_decimals, 2))
    step = eight_decimals(1, decimals=listing.quantity_decimals)
    name = listing.binance_name
    symbol = {
        "symbol": name,
        "status": "TRADING",
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.binance_quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "900000000.00000000", "stepSize": step},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000"},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }
    return Metadata(name, msgspec.json.encode(symbol).decode())
