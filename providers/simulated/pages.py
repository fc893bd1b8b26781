"""The REST pages of the simulated venue: what each path answers, in each venue's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from core.clock import wall_ns
from providers.simulated.documents import Metadata, binance_answer, kraken_answer
from providers.simulated.past_pages import (
    Past,
    binance_aggregates,
    binance_bars,
    binance_trades,
    kraken_bars,
    kraken_trades,
)
from providers.simulated.rest import Answer, Answering

NOT_FOUND = Answer('{"error":"no such page"}', 404)
_DEPTH_LIMIT = 100
_BAD_SYMBOL = Answer('{"code":-1121,"msg":"Invalid symbol."}', 400)
_NO_SYMBOL = Answer('{"code":-1102,"msg":"Mandatory parameter \'symbol\' was not sent."}', 400)
_BAD_PARAMETER = Answer('{"code":-1100,"msg":"Illegal characters found in a parameter."}', 400)
_NO_SNAPSHOT = Answer('{"code":-1000,"msg":"this recording has no depth snapshot"}', 400)
_UNKNOWN_PAIR = Answer('{"error":["EQuery:Unknown asset pair"]}')

Depth = Callable[[str, int], str | None]
"""The depth answer of (symbol, levels a side); None when there is none."""


class _Alternative(msgspec.Struct):
    altname: msgspec.Raw = msgspec.Raw()


_KRAKEN_PAST = {"/0/public/Trades": kraken_trades, "/0/public/OHLC": kraken_bars}
_BINANCE_PAST = {
    "/api/v3/trades": binance_trades,
    "/api/v3/historicalTrades": binance_trades,
    "/api/v3/aggTrades": binance_aggregates,
    "/api/v3/klines": binance_bars,
}


def kraken_pages(metadata: Mapping[str, Metadata], past: Past) -> Answering:
    """Kraken's pages; `metadata` describes the pairs by their names on the sockets."""
    aliases = {
        alias: name
        for name, entry in metadata.items()
        for alias in (name, name.replace("/", ""), entry.key, _alternative_name(entry))
    }
    names = {alias: metadata[name] for alias, name in aliases.items()}

    def answer(path: str, parameters: Mapping[str, str]) -> Answer:
        if (page := _KRAKEN_PAST.get(path)) is not None:
            asked = parameters.get("pair", "")
            # Asked for by its name on the sockets, a pair is answered under it, else under its key.
            key = asked if asked in metadata else names[asked].key if asked in names else ""
            return page(key, past(aliases[asked]), parameters) if key else _UNKNOWN_PAIR
        if path != "/0/public/AssetPairs":
            return NOT_FOUND
        if "pair" not in parameters:
            return Answer(kraken_answer(metadata.values()))
        wanted = [names.get(name) for name in parameters["pair"].split(",")]
        known = [entry for entry in wanted if entry is not None]
        return Answer(kraken_answer(known)) if len(known) == len(wanted) else _UNKNOWN_PAIR

    return answer


def _alternative_name(entry: Metadata) -> str:
    # A recording's own document may hold anything here: what is no name is never asked for.
    return str(msgspec.json.decode(entry.entry, type=_Alternative).altname, "utf-8").strip('"')


def binance_pages(metadata: Mapping[str, Metadata], depth: Depth, past: Past) -> Answering:
    """Binance's pages; `metadata` describes the symbols by name."""

    def exchange_info(parameters: Mapping[str, str]) -> Answer:
        try:
            names = _names(parameters, default=list(metadata))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return _BAD_PARAMETER
        if any(name not in metadata for name in names):
            return _BAD_SYMBOL
        return Answer(binance_answer([metadata[name] for name in names], now_ms=wall_ns() // 1_000_000))

    def book(symbol: str, parameters: Mapping[str, str]) -> Answer:
        limit = parameters.get("limit", str(_DEPTH_LIMIT))
        if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= 5000):
            return _BAD_PARAMETER
        text = depth(symbol, int(limit))
        return _NO_SNAPSHOT if text is None else Answer(text)

    def answer(path: str, parameters: Mapping[str, str]) -> Answer:
        if path == "/api/v3/exchangeInfo":
            return exchange_info(parameters)
        page = _BINANCE_PAST.get(path)
        if page is None and path != "/api/v3/depth":
            return NOT_FOUND
        symbol = parameters.get("symbol", "")
        if symbol not in metadata:
            return _BAD_SYMBOL if symbol else _NO_SYMBOL
        return page(past(symbol), parameters) if page else book(symbol, parameters)

    return answer


def _names(parameters: Mapping[str, str], *, default: list[str]) -> list[str]:
    if "symbols" in parameters:
        return msgspec.json.decode(parameters["symbols"], type=list[str])
    return [parameters["symbol"]] if "symbol" in parameters else default
