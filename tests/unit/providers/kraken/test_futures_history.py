"""Kraken Futures' answers about the past that no simulated venue gives: hostile, odd, pages that stand still."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from core.bars.timeframes import Timeframe
from core.clock import NS_PER_MS
from core.errors import PermanentError, TransientError
from core.model.fixedpoint import quantities_e8
from providers.kraken.futures.answers import CandlePage, parse_candles
from providers.kraken.futures.history import KrakenFuturesHistory
from providers.simulated.rest import Answer, serve_rest
from tests.unit.providers.kraken.futures_support import NOW_MS, NOW_NS, products

MINUTE_MS = 60_000
BEGIN_MS = NOW_MS - NOW_MS % MINUTE_MS - 10 * MINUTE_MS
INSTRUMENT = products()["PI_XBTUSD"]


def _fill(uid: str, at_ms: int, price: str = "2.5") -> dict[str, Any]:
    fill = {"uid": uid, "timestamp": at_ms, "price": price, "quantity": "1", "takerOrder": {"direction": "Buy"}}
    return {"event": {"Execution": {"execution": fill}}}


def _page(*elements: dict[str, Any], token: str | None = None) -> Answer:
    body: dict[str, Any] = {"elements": elements, "len": len(elements)}
    return Answer(json.dumps(body | ({"continuationToken": token} if token else {})))


@asynccontextmanager
async def _history(*answers: Answer) -> AsyncIterator[tuple[KrakenFuturesHistory, list[Mapping[str, str]]]]:
    # A venue that gives these answers one after the other, and what it was asked.
    left = list(answers)
    asked: list[Mapping[str, str]] = []

    def answer(path: str, parameters: Mapping[str, str]) -> Answer:
        asked.append({"path": path, **parameters})
        return left.pop(0)

    async with trio.open_nursery() as nursery:
        url: str = await nursery.start(serve_rest, answer)
        yield KrakenFuturesHistory(url), asked
        nursery.cancel_scope.cancel()


async def _prices(history: KrakenFuturesHistory, start_ns: int = 0, end_ns: int = 2**62) -> list[int]:
    pages = [page async for page in history.trades(INSTRUMENT, start_ns=start_ns, end_ns=end_ns)]
    return [int(price) // 10**9 for page in pages for price in page.records["price"]]


@pytest.mark.trio
async def test_a_trade_on_two_pages_is_told_once() -> None:
    """By its uid; trades without one are all told, for nothing tells them apart."""
    first = _page(_fill("a", 1, "1"), _fill("", 2, "2"), _fill("b", 2, "3"), token="more")
    second = _page(_fill("b", 2, "3"), _fill("", 2, "2"), _fill("c", 3, "4"), _fill("c", 3, "4"))
    async with _history(first, second) as (history, asked):
        assert await _prices(history) == [1, 2, 3, 2, 4]
    assert [each.get("continuationToken") for each in asked] == [None, "more"]
    assert all(each["sort"] == "asc" for each in asked)


@pytest.mark.trio
async def test_a_range_is_exact_though_the_venue_counts_whole_milliseconds() -> None:
    """What is asked for reaches around the range; what lies outside of it is left out, and pages may be reversed."""
    page = _page(*(_fill(str(at), at, str(at)) for at in (9, 8, 7, 6, 5)))
    async with _history(page) as (history, asked):
        assert await _prices(history, 6 * NS_PER_MS - 1, 8 * NS_PER_MS + 1) == [6, 7, 8]
    assert (asked[0]["since"], asked[0]["before"]) == ("5", "9")


@pytest.mark.trio
@pytest.mark.parametrize(
    "second",
    [
        _page(_fill("a", 5), token="other"),
        _page(_fill("b", 6), token="again"),
        _page(_fill("b", 4), token="other"),
        _page(token="other"),
    ],
)
async def test_pages_that_do_not_move_on_end_it(second: Answer) -> None:
    """The same page, the same token, one that goes back, an empty one with another behind it: no endless question."""
    async with _history(_page(_fill("a", 5), token="again"), second) as (history, _):
        with pytest.raises(PermanentError, match="do not move on"):
            await _prices(history)


@pytest.mark.trio
async def test_what_cannot_be_read_is_counted() -> None:
    """The trades around it are told."""
    async with _history(_page(_fill("a", 5), {"event": 3}, _fill("b", 6, "x"), _fill("c", 7))) as (history, _):
        (page,) = [page async for page in history.trades(INSTRUMENT, start_ns=0, end_ns=2**62)]
    assert (len(page.records), page.rejected) == (2, 2)
    assert quantities_e8(page.records).tolist() == [10**8, 10**8]


def _candle(at: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "time": BEGIN_MS + at * MINUTE_MS,
        "open": "2",
        "high": "4.5",
        "low": "1",
        "close": 3,
        "volume": "7",
        **fields,
    }


def _candles(*candles: dict[str, Any], more: bool = False) -> bytes:
    return json.dumps({"candles": candles, "more_candles": more}).encode()


def _parsed(body: bytes, timeframe: Timeframe = Timeframe.MINUTE, now_ns: int = NOW_NS) -> CandlePage:
    return parse_candles(body, timeframe, venue="KRAKEN_FUTURES", now_ns=now_ns)


def test_candles_are_exact() -> None:
    """Numbers in quotes or not; the one that grows, doubles and those without trades are left out, all in order."""
    now_ns = (BEGIN_MS + 3 * MINUTE_MS) * NS_PER_MS
    body = _candles(_candle(2), _candle(1, volume=0), _candle(0, volume="0.12345678"), _candle(2), _candle(3))
    page = _parsed(body, now_ns=now_ns)
    prices = (2 * 10**9, 4_500_000_000, 10**9, 3 * 10**9)
    assert [tuple(bar) for bar in page.bars] == [
        (BEGIN_MS * NS_PER_MS, *prices, 12_345_678, 0),
        ((BEGIN_MS + 2 * MINUTE_MS) * NS_PER_MS, *prices, 7 * 10**8, 0),
    ]
    assert (page.newest_ns, page.more, page.aligned, page.rejected) == (now_ns, False, True, 0)


@pytest.mark.parametrize(
    "fields",
    [{"open": "x"}, {"high": "1"}, {"low": "0"}, {"close": None}, {"volume": "-1"}, {"volume": "1e-9"}, {"time": "5"},
     {"time": -1}, {"open": [1]}, {"open": "1" * 40}],
)  # fmt: skip
def test_a_candle_that_does_not_fit_is_left_out_and_counted(fields: dict[str, Any]) -> None:
    """The others are kept."""
    page = _parsed(_candles(_candle(0), _candle(1, **fields), _candle(2)))
    assert (len(page.bars), page.rejected) == (2, 1)


def test_candles_that_begin_elsewhere_are_noticed() -> None:
    """A minute's candle on a half minute is not of ours."""
    assert not _parsed(_candles(_candle(0, time=BEGIN_MS + 30_000))).aligned


def test_half_an_answer_is_not_understood() -> None:
    """At every byte: a disturbance, never an exception of another kind."""
    body = _candles(_candle())
    for length in range(len(body)):
        with pytest.raises(TransientError, match="not understood"):
            _parsed(body[:length])


@pytest.mark.trio
@pytest.mark.parametrize("second", [[_candle(1)], [], [_candle(9)]])
async def test_candles_that_do_not_move_on_end_it(second: Sequence[dict[str, Any]]) -> None:
    """The same page again, an empty one, or one that begins at the range's end and says that there are more."""
    answers = [_candles(_candle(0), _candle(1), more=True), _candles(*second, more=True)]
    end_ns = (BEGIN_MS + 9 * MINUTE_MS + 1) * NS_PER_MS
    async with _history(*(Answer(each.decode()) for each in answers)) as (history, _):
        with pytest.raises(PermanentError, match="do not move on"):
            [page async for page in history.bars(INSTRUMENT, Timeframe.MINUTE, start_ns=0, end_ns=end_ns)]
