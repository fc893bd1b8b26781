"""The REST pages of the simulated venue: what each path answers, in each venue's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from core.clock import wall_ns
from providers.simulated.documents import Metadata, binance_answer, kraken_answer
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


def kraken_pages(metadata: Mapping[str, Metadata]) -> Answering:
    """Kraken's pages; `metadata` describes the pairs by their names on the sockets."""
    names = {alias: entry for name, entry in metadata.items() for alias in (name, name.replace("/", ""), entry.key)}

    def answer(path: str, parameters: Mapping[str, str]) -> Answer:
        if path != "/0/public/AssetPairs":
            return NOT_FOUND
        if "pair" not in parameters:
            return Answer(kraken_answer(metadata.values()))
        wanted = [names.get(name) for name in parameters["pair"].split(",")]
        known = [entry for entry in wanted if entry is not None]
        return Answer(kraken_answer(known)) if len(known) == len(wanted) else _UNKNOWN_PAIR

    return answer


def binance_pages(metadata: Mapping[str, Metadata], depth: Depth) -> Answering:
    """Binance's pages; `metadata` describes the symbols by name."""

    def exchange_info(parameters: Mapping[str, str]) -> Answer:
        try:
            names = _names(parameters, default=list(metadata))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return _BAD_PARAMETER
        if any(name not in metadata for name in names):
            return _BAD_SYMBOL
        return Answer(binance_answer([metadata[name] for name in names], now_ms=wall_ns() // 1_000_000))

    def book(parameters: Mapping[str, str]) -> Answer:
        symbol, limit = parameters.get("symbol", ""), parameters.get("limit", str(_DEPTH_LIMIT))
        if not symbol:
            return _NO_SYMBOL
        if symbol not in metadata:
            return _BAD_SYMBOL
        if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= 5000):
            return _BAD_PARAMETER
        text = depth(symbol, int(limit))
        return _NO_SNAPSHOT if text is None else Answer(text)

    def answer(path: str, parameters: Mapping[str, str]) -> Answer:
        if path == "/api/v3/exchangeInfo":
            return exchange_info(parameters)
        return book(parameters) if path == "/api/v3/depth" else NOT_FOUND

    return answer


def _names(parameters: Mapping[str, str], *, default: list[str]) -> list[str]:
    if "symbols" in parameters:
        return msgspec.json.decode(parameters["symbols"], type=list[str])
    return [parameters["symbol"]] if "symbol" in parameters else default
