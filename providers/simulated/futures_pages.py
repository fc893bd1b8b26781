"""The REST pages of the simulated Kraken Futures: products, tickers, past trades."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from core.clock import NS_PER_MS, iso_ns, wall_ns
from providers.simulated.documents import Metadata
from providers.simulated.futures_market import PastTrade, executions
from providers.simulated.pages import NOT_FOUND
from providers.simulated.rest import Answer, Answering

PAGE: Final = 1000
_HISTORY: Final = "/api/history/v3/market/"
_EXECUTIONS: Final = "/executions"
_NO_SUCH: Final = Answer('{"result":"error","error":"notFound"}', 404)

PastTrades = Callable[[str], Iterable[PastTrade]]
"""The trades of a product id so far, oldest first."""
Tickers = Callable[[], Iterable[str]]
"""The rows of the tickers answer."""


def futures_pages(metadata: Mapping[str, Metadata], *, tickers: Tickers, past: PastTrades) -> Answering:
    """Kraken Futures' pages; `metadata` describes the products by id."""

    def answer(path: str, parameters: Mapping[str, str]) -> Answer:
        if path == "/derivatives/api/v3/instruments":
            return _listed("instruments", [entry for _, entry in metadata.values()])
        if path == "/derivatives/api/v3/tickers":
            return _listed("tickers", tickers())
        if not (path.startswith(_HISTORY) and path.endswith(_EXECUTIONS)):
            return NOT_FOUND
        product_id = path[len(_HISTORY) : -len(_EXECUTIONS)].upper()
        return _past(past(product_id), product_id, parameters) if product_id in metadata else _NO_SUCH

    return answer


def _listed(name: str, rows: Iterable[str]) -> Answer:
    now = iso_ns(wall_ns() // NS_PER_MS * NS_PER_MS)[:-7] + "Z"
    return Answer(f'{{"result":"success","{name}":[{",".join(rows)}],"serverTime":"{now}"}}')


def _past(trades: Iterable[PastTrade], product_id: str, parameters: Mapping[str, str]) -> Answer:
    numbers = {name: parameters.get(name, default) for name, default in _DEFAULTS.items()}
    for name, text in numbers.items():
        if not (text.isascii() and text.isdigit() and len(text) < 17):
            return _bad_argument(name)
    since_ms, before_ms, begin = (int(numbers[name]) for name in _DEFAULTS)
    chosen = [trade for trade in trades if since_ms <= trade.time_ms <= before_ms]
    if parameters.get("sort", "desc") != "asc":
        chosen.reverse()
    page = chosen[begin : begin + PAGE]
    more = begin + PAGE < len(chosen)
    token = f',"continuationToken":"{begin + PAGE}"' if more else ""
    return Answer(f'{{"elements":[{",".join(executions(page, product_id))}],"len":{len(page)}{token}}}')


_DEFAULTS: Final = {"since": "0", "before": "9" * 16, "continuationToken": "0"}


def _bad_argument(name: str) -> Answer:
    fault = {"code": 11, "message": f"Argument invalid: {name}"}
    body = {"status": "BAD_REQUEST", "result": "error", "errors": [fault]}
    return Answer(msgspec.json.encode(body).decode(), 400)
