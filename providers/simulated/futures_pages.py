"""The REST pages of the simulated Kraken Futures: products, tickers, past trades, candles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from core.clock import NS_PER_MS, iso_ns, wall_ns
from providers.simulated.documents import Metadata
from providers.simulated.futures_market import PastTrade, executions
from providers.simulated.ledger import Fill
from providers.simulated.pages import NOT_FOUND
from providers.simulated.past_pages import futures_candles
from providers.simulated.rest import Answer, Answering

PAGE: Final = 1000
HISTORY: Final = "/api/history/v3/market/"
"""What paths begin with that ask for executions."""
_EXECUTIONS: Final = "/executions"
_CHARTS: Final = "/api/charts/v1/trade/"
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
        if path.startswith(_CHARTS):
            name, _, resolution = path[len(_CHARTS) :].partition("/")
            return charted(name.upper(), resolution, parameters)
        if not (path.startswith(HISTORY) and path.endswith(_EXECUTIONS)):
            return NOT_FOUND
        product_id = path[len(HISTORY) : -len(_EXECUTIONS)].upper()
        return _past(past(product_id), product_id, parameters) if product_id in metadata else _NO_SUCH

    def charted(product_id: str, resolution: str, parameters: Mapping[str, str]) -> Answer:
        if product_id not in metadata:
            return _NO_SUCH
        fills = [Fill(0, each.time_ms * NS_PER_MS, each.buy, each.price, each.quantity) for each in past(product_id)]
        return futures_candles(fills, resolution, parameters)

    return answer


def _listed(name: str, rows: Iterable[str]) -> Answer:
    now = iso_ns(wall_ns() // NS_PER_MS * NS_PER_MS)[:-7] + "Z"
    return Answer(f'{{"result":"success","{name}":[{",".join(rows)}],"serverTime":"{now}"}}')


def _past(trades: Iterable[PastTrade], product_id: str, parameters: Mapping[str, str]) -> Answer:
    numbers = {name: parameters.get(name, default) for name, default in _DEFAULTS.items()}
    for name, text in numbers.items():
        if not (text.isascii() and text.isdigit() and len(text) < 17):
            return _bad_argument(name)
    since_ms, before_ms = (int(numbers[name]) for name in _DEFAULTS)
    chosen = [trade for trade in trades if since_ms <= trade.time_ms <= before_ms]
    if parameters.get("sort", "desc") != "asc":
        chosen.reverse()
    begin = 0
    if token := parameters.get("continuationToken", ""):
        # The last trade of the page before: what was traded since, or is kept no longer, moves no page.
        found = next((at for at, trade in enumerate(chosen) if trade.uid == token), None)
        if found is None:
            return _bad_argument("continuationToken")
        begin = found + 1
    page = chosen[begin : begin + PAGE]
    more = f',"continuationToken":"{page[-1].uid}"' if begin + PAGE < len(chosen) else ""
    return Answer(f'{{"elements":[{",".join(executions(page, product_id))}],"len":{len(page)}{more}}}')


_DEFAULTS: Final = {"since": "0", "before": "9" * 16}


def _bad_argument(name: str) -> Answer:
    fault = {"code": 11, "message": f"Argument invalid: {name}"}
    body = {"status": "BAD_REQUEST", "result": "error", "errors": [fault]}
    return Answer(msgspec.json.encode(body).decode(), 400)
