"""The REST pages of the simulated Kraken Futures: products, tickers, past trades, candles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from core.clock import NS_PER_MS, iso_ns, wall_ns
from providers.simulated.documents import Metadata
from providers.simulated.futures_market import PastTrade, drawn_at_ms, drawn_trade, executions
from providers.simulated.ledger import Fill
from providers.simulated.pages import NOT_FOUND
from providers.simulated.past_pages import futures_candles
from providers.simulated.rest import Answer, Answering
from providers.simulated.tape import LongPast, Tape

PAGE: Final = 1000
HISTORY: Final = "/api/history/v3/market/"
"""What paths begin with that ask for executions."""
_EXECUTIONS: Final = "/executions"
_CHARTS: Final = "/api/charts/v1/trade/"
_NO_SUCH: Final = Answer('{"result":"error","error":"notFound"}', 404)

PastTrades = Callable[[str], Iterable[PastTrade]]
"""The trades of a product id that are kept, oldest first."""
LongPasts = Callable[[str], LongPast | None]
"""What was traded of a product id before those."""
Tickers = Callable[[], Iterable[str]]
"""The rows of the tickers answer."""


def no_long_past(_product_id: str) -> LongPast | None:
    """None: there is what is kept, and nothing else."""
    return None


def futures_pages(
    metadata: Mapping[str, Metadata], *, tickers: Tickers, past: PastTrades, long_past: LongPasts = no_long_past
) -> Answering:
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
        if product_id not in metadata:
            return _NO_SUCH
        return _past(list(past(product_id)), Tape((), long_past(product_id)), product_id, parameters)

    def charted(product_id: str, resolution: str, parameters: Mapping[str, str]) -> Answer:
        if product_id not in metadata:
            return _NO_SUCH
        fills = [Fill(0, each.time_ms * NS_PER_MS, each.buy, each.price, each.quantity) for each in past(product_id)]
        return futures_candles(Tape(fills, long_past(product_id)), resolution, parameters)

    return answer


def _listed(name: str, rows: Iterable[str]) -> Answer:
    now = iso_ns(wall_ns() // NS_PER_MS * NS_PER_MS)[:-7] + "Z"
    return Answer(f'{{"result":"success","{name}":[{",".join(rows)}],"serverTime":"{now}"}}')


def _past(kept: list[PastTrade], drawn: Tape, product_id: str, parameters: Mapping[str, str]) -> Answer:
    numbers = {name: parameters.get(name, default) for name, default in _DEFAULTS.items()}
    for name, text in numbers.items():
        if not (text.isascii() and text.isdigit() and len(text) < 17):
            return _bad_argument(name)
    since_ms, before_ms = (int(numbers[name]) for name in _DEFAULTS)
    chosen = _chosen(kept, drawn, product_id, (since_ms, before_ms), parameters)
    begin = 0
    token = parameters.get("continuationToken", "")
    if token and drawn_at_ms(token, product_id) is None:
        # The last trade of the page before: what was traded since, or is kept no longer, moves no page.
        found = next((at for at, trade in enumerate(chosen) if trade.uid == token), None)
        if found is None:
            return _bad_argument("continuationToken")
        begin = found + 1
    page = chosen[begin : begin + PAGE]
    more = f',"continuationToken":"{page[-1].uid}"' if begin + PAGE < len(chosen) else ""
    return Answer(f'{{"elements":[{",".join(executions(page, product_id))}],"len":{len(page)}{more}}}')


def _chosen(
    kept: Sequence[PastTrade], drawn: Tape, product_id: str, span_ms: tuple[int, int], parameters: Mapping[str, str]
) -> list[PastTrade]:
    # More than a page of a range, in the order that was asked for; where the page before ended in the long past, what
    # is behind it.
    since_ms, before_ms = span_ms
    ascending = parameters.get("sort", "desc") == "asc"
    ended_ms = drawn_at_ms(parameters.get("continuationToken", ""), product_id)
    if ended_ms is not None and ascending:
        since_ms = max(since_ms, ended_ms + 1)
    elif ended_ms is not None:
        before_ms = min(before_ms, ended_ms - 1)
    fills = drawn.drawn_from(since_ms, PAGE + 1) if ascending else drawn.drawn_before(before_ms + 1, PAGE + 1)
    trades = [*(drawn_trade(fill, product_id) for fill in fills), *kept]
    chosen = [trade for trade in trades if since_ms <= trade.time_ms <= before_ms]
    return chosen if ascending else chosen[::-1]


_DEFAULTS: Final = {"since": "0", "before": "9" * 16}


def _bad_argument(name: str) -> Answer:
    fault = {"code": 11, "message": f"Argument invalid: {name}"}
    body = {"status": "BAD_REQUEST", "result": "error", "errors": [fault]}
    return Answer(msgspec.json.encode(body).decode(), 400)
