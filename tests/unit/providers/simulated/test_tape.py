"""The pages of a market with a long past: to the letter what they would be if all of it had been kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import pytest

from core.clock import NS_PER_MS
from providers.simulated import futures_pages as futures_module
from providers.simulated import past_pages
from providers.simulated.binance_market import BinanceFloor
from providers.simulated.deep_past import BEGINS_MS, HOUR_MS
from providers.simulated.documents import known_metadata
from providers.simulated.futures_market import FuturesFloor, PastTrade, drawn_trade
from providers.simulated.futures_pages import futures_pages
from providers.simulated.kraken_market import KrakenFloor
from providers.simulated.ledger import Fill
from providers.simulated.market import MarketSource
from providers.simulated.pages import binance_pages, kraken_pages
from providers.simulated.rest import Answering
from providers.simulated.tape import Tape

MINUTE_MS = 60_000
END_MS = BEGINS_MS + 65 * MINUTE_MS + 7
EVERYTHING = 10**6
SOURCE = MarketSource(3, ("BTCUSD",), first_id=END_MS)


def _kept(quantity: str) -> list[Fill]:
    """What was traded since the long past, from a third of a minute on."""
    return [
        Fill(END_MS + at, (END_MS + 20_000 * at) * NS_PER_MS, at % 3 == 0, f"{64_000 + 7 * at}.5", quantity)
        for at in range(1, 12)
    ]


def _pages(kind: str) -> tuple[Answering, Answering]:
    """The pages of a market whose long past is drawn, and of one that kept it."""
    if kind == "kraken":
        tape = attrs.evolve(KrakenFloor(SOURCE).tape("BTC/USD"), fills=_kept("1.00000000"))
        kept = Tape(tape.drawn_from(0, EVERYTHING) + list(tape.fills))
        metadata = known_metadata("kraken")
        return kraken_pages(metadata, lambda _name: tape), kraken_pages(metadata, lambda _name: kept)
    tape = attrs.evolve(BinanceFloor(SOURCE).tape("BTCUSDT"), fills=_kept("1.00000000"))
    kept = Tape(tape.drawn_from(0, EVERYTHING) + list(tape.fills))
    metadata = known_metadata("binance")
    drawn, whole = (
        binance_pages(metadata, lambda _symbol, _limit: None, lambda _symbol, each=each: each)  # type: ignore[misc]
        for each in (tape, kept)
    )
    return drawn, whole


MIDDLE_MS = BEGINS_MS + 30 * MINUTE_MS
SPANS = [(BEGINS_MS, MIDDLE_MS), (MIDDLE_MS, MIDDLE_MS + HOUR_MS), (END_MS - 5000, END_MS + 70_000), (0, 1), (5, 4)]


@pytest.mark.parametrize(
    ("path", "parameters"),
    [("Trades", {"since": str(at_ms * NS_PER_MS)}) for at_ms in (0, BEGINS_MS, MIDDLE_MS, END_MS - 1, END_MS, 2**43)]
    + [("Trades", {"since": str(MIDDLE_MS * NS_PER_MS), "count": "3"}), ("Trades", {}), ("Trades", {"count": "4"})]
    + [("OHLC", {"interval": interval}) for interval in ("1", "5", "30", "60", "240", "1440", "10080", "21600")]
    + [("OHLC", {"since": str(at_ms // 1000)}) for at_ms in (BEGINS_MS, MIDDLE_MS, END_MS)],
)
def test_krakens_pages(path: str, parameters: dict[str, str]) -> None:
    """Trades from any instant on and bars of every length."""
    drawn, kept = (each(f"/0/public/{path}", {"pair": "XBTUSD", **parameters}) for each in _pages("kraken"))
    assert drawn == kept
    assert '"error":[]' in drawn.body


@pytest.mark.parametrize(
    ("path", "parameters"),
    [("trades", {}), ("trades", {"limit": "5"})]
    + [("historicalTrades", {"fromId": str(at)}) for at in (0, MIDDLE_MS, END_MS - 2, END_MS + 3, 2**43)]
    + [("historicalTrades", {"fromId": "1", "limit": "1"})]
    + [("aggTrades", {"startTime": str(begin), "endTime": str(end)}) for begin, end in SPANS]
    + [("aggTrades", {"fromId": str(MIDDLE_MS), "limit": "1000"}), ("aggTrades", {"limit": "20"})]
    + [("aggTrades", {"endTime": str(MIDDLE_MS), "limit": "20"}), ("aggTrades", {"startTime": "0", "limit": "1"})]
    + [
        ("klines", {"interval": interval, "startTime": "0"})
        for interval in ("1m", "3m", "1h", "6h", "1d", "3d", "1w")
    ]
    + [("klines", {"interval": "1m", "startTime": str(begin), "endTime": str(end)}) for begin, end in SPANS]
    + [("klines", {"interval": "1m", "limit": "5"}), ("klines", {"interval": "1d"})]
    + [("klines", {"interval": "5m", "endTime": str(MIDDLE_MS), "limit": "3"})]
    + [("klines", {"interval": "1m", "startTime": "0", "limit": str(limit)}) for limit in (65, 66, 67)],
)
def test_binances_pages(path: str, parameters: dict[str, str]) -> None:
    """Trades by number and by time, aggregates, klines of every length."""
    drawn, kept = (each(f"/api/v3/{path}", {"symbol": "BTCUSDT", **parameters}) for each in _pages("binance"))
    assert drawn == kept
    assert drawn.status == 200


def _futures(product_id: str) -> tuple[Answering, Answering]:
    floor = FuturesFloor(SOURCE)
    long_past = floor.long_past(product_id)
    quantity = "5.0" if product_id.startswith("PI_") else "0.00500000"
    newest = [
        PastTrade(f"uid {fill.trade_id}", fill.buy, fill.price, fill.quantity, fill.at_ns // NS_PER_MS, "")
        for fill in _kept(quantity)
    ]
    fills = Tape((), long_past).drawn_from(0, EVERYTHING)
    # No instant is in these uids: pages are found by searching, as those of what is kept are.
    older = [drawn_trade(fill, product_id)._replace(uid=f"uid {fill.trade_id}") for fill in fills]
    metadata = known_metadata("kraken_futures")
    drawn = futures_pages(metadata, tickers=tuple, past=lambda _name: newest, long_past=lambda _name: long_past)
    return drawn, futures_pages(metadata, tickers=tuple, past=lambda _name: older + newest)


@pytest.mark.parametrize("product_id", ["PI_XBTUSD", "PF_XBTUSD"])
@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("span_ms", [None, (MIDDLE_MS, END_MS + 70_000), (BEGINS_MS + 1, MIDDLE_MS)])
def test_executions_page_by_page(
    monkeypatch: pytest.MonkeyPatch, product_id: str, sort: str, span_ms: tuple[int, int] | None
) -> None:
    """Both ways through the long past and what is kept, none twice and none left out, quantities as it counts."""
    monkeypatch.setattr(futures_module, "PAGE", 137)
    limits = {"since": str(span_ms[0]), "before": str(span_ms[1])} if span_ms else {}
    drawn, kept = (
        list(_elements(each, f"/api/history/v3/market/{product_id}/executions", {"sort": sort, **limits}))
        for each in _futures(product_id)
    )
    assert len(drawn) > 400
    assert len({each["uid"] for each in drawn}) == len(drawn)
    assert [_without_uids(each) for each in drawn] == [_without_uids(each) for each in kept]


def _elements(pages: Answering, path: str, parameters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    token: dict[str, str] = {}
    while True:
        answer = pages(path, {**parameters, **token})
        assert answer.status == 200, answer.body
        page = json.loads(answer.body)
        yield from page["elements"]
        if "continuationToken" not in page:
            return
        token = {"continuationToken": page["continuationToken"]}


def _without_uids(element: dict[str, Any]) -> dict[str, Any]:
    execution = element["event"]["Execution"]["execution"]
    return {name: value for name, value in execution.items() if name != "uid"}


@pytest.mark.parametrize("product_id", ["PI_XBTUSD", "PF_XBTUSD"])
@pytest.mark.parametrize("resolution", ["1m", "5m", "1h", "12h", "1d", "1w"])
def test_candles(monkeypatch: pytest.MonkeyPatch, product_id: str, resolution: str) -> None:
    """Of every length and in pages, volumes in what the product counts."""
    for candles in (past_pages.CANDLES, 7):
        monkeypatch.setattr(past_pages, "CANDLES", candles)
        for limits in ({}, {"from": str(MIDDLE_MS // 1000), "to": str(END_MS // 1000 + 40)}):
            drawn, kept = (
                each(f"/api/charts/v1/trade/{product_id}/{resolution}", limits) for each in _futures(product_id)
            )
            assert drawn == kept
            assert drawn.status == 200


@pytest.mark.parametrize("token", ["", "x", "0" * 36, "é" * 36])
def test_no_token_breaks_a_page(token: str) -> None:
    """A token that is none of ours is refused in the venue's words, were it the product's with something added."""
    drawn, _ = _futures("PI_XBTUSD")
    path = "/api/history/v3/market/PI_XBTUSD/executions"
    first = json.loads(drawn(path, {"sort": "asc"}).body)["continuationToken"]
    for wrong in {token, first[:-12] + token.rjust(12), first + token, first[:-1] + "g", first[1:]} - {"", first}:
        answer = drawn(path, {"continuationToken": wrong})
        assert (answer.status, "continuationToken" in answer.body) == (400, True), wrong
