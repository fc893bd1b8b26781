"""Binance's answers about the past: every real row, every truncation, what is hostile, and the asking for pages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from core.bars.timeframes import Timeframe
from core.clock import DAY_NS, NS_PER_MS
from core.errors import NotFoundError, PermanentError, TransientError
from core.model.fixedpoint import quantities_e8
from core.model.records import BUY, F_LAST, F_PUBLISHER_SPECIFIC, F_RECOVERED, SELL
from providers.base import Historical, HistoricalById, TradePage
from providers.binance.answers import parse_aggregates, parse_bars, parse_trades
from providers.binance.history import BinanceHistory
from providers.binance.normalise import Trade, read_trades
from providers.simulated.rest import Answer, serve_rest
from providers.venue.packing import pack_trades
from providers.venue.past import candles, trade_page
from tests.unit.providers.binance.support import instrument

NOW_NS = 1_800_000_000_000 * NS_PER_MS


def _answers(captures: Path, name: str, path: str) -> list[bytes]:
    lines = (captures / f"binance/{name}.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [json.dumps(each["body"]).encode() for each in found if each["path"] == path]


def _trade(number: int, **changes: object) -> dict[str, object]:
    return {"id": number, "price": "1.5", "qty": "2", "time": 1000 + number, "isBuyerMaker": True, **changes}


def _encoded(*rows: object) -> bytes:
    return json.dumps(rows).encode()


def test_every_real_trade_becomes_its_record(captures: Path) -> None:
    """Digits, side, id and time of each row, and its bytes as the live feed would have made them."""
    (body,) = _answers(captures, "rest_misc", "/api/v3/historicalTrades")
    rows = json.loads(body)
    answer = parse_trades(body, venue="BINANCE")
    page = trade_page(instrument(), answer.trades, ts_recv_ns=NOW_NS)
    assert (len(page.records), answer.rejected) == (len(rows), 0)
    assert page.ids.tolist() == [row["id"] for row in rows]
    assert page.records["price"].tolist() == [int(Decimal(row["price"]) * 10**9) for row in rows]
    assert quantities_e8(page.records).tolist() == [int(Decimal(row["qty"]) * 10**8) for row in rows]
    assert page.records["side"].tolist() == [SELL if row["isBuyerMaker"] else BUY for row in rows]
    assert page.records["ts_event"].tolist() == [row["time"] * NS_PER_MS for row in rows]
    assert (page.records["flags"] & ~np.uint8(F_PUBLISHER_SPECIFIC) == F_LAST | F_RECOVERED).all()
    plain = page.records.copy()
    plain["flags"] &= ~np.uint8(F_RECOVERED)
    live = read_trades(
        [
            Trade("trade", "BTCUSDT", row["id"], row["price"], row["qty"], row["time"], row["isBuyerMaker"])
            for row in rows
        ]
    )
    assert plain.tobytes() == pack_trades(instrument(), live, [NOW_NS] * len(rows))


def test_every_real_aggregate_is_read(captures: Path) -> None:
    """All rows of all pages, and each page asked for by id begins at that id or behind it."""
    bodies = _answers(captures, "rest_aggtrades_pages", "/api/v3/aggTrades")
    count = 0
    for body in bodies:
        rows = json.loads(body)
        found = parse_aggregates(body, venue="BINANCE")
        assert [(each.aggregate_id, each.first_id, each.last_id, each.traded_ms) for each in found] == [
            (row["a"], row["f"], row["l"], row["T"]) for row in rows
        ]
        count += len(rows)
    assert (len(bodies), count) == (23, 1051)


def test_every_real_bar(captures: Path) -> None:
    """All klines, number for number, each over when its last millisecond has passed."""
    (body,) = _answers(captures, "rest_klines_small", "/api/v3/klines")
    rows = json.loads(body)
    answer = parse_bars(body, venue="BINANCE", now_ns=NOW_NS)
    bars = candles(answer.bars)
    assert (len(bars), answer.rejected) == (24, 0)
    assert bars["ts_event"].tolist() == [row[0] * NS_PER_MS for row in rows]
    for at, name in enumerate(("open", "high", "low", "close"), start=1):
        assert bars[name].tolist() == [int(Decimal(row[at]) * 10**9) for row in rows]
    assert bars["volume"].tolist() == [int(Decimal(row[5]) * 10**8) for row in rows]
    assert bars["trades"].tolist() == [row[8] for row in rows]
    assert answer.next_ms == rows[-1][6] + 1
    growing = parse_bars(body, venue="BINANCE", now_ns=rows[-1][6] * NS_PER_MS)
    assert len(growing.bars) == 23
    assert growing.next_ms == answer.next_ms


def test_every_truncation_is_a_clear_error(captures: Path) -> None:
    """Real answers of each kind cut at each byte: an error in words each time, and never a shorter answer."""
    (trades,) = _answers(captures, "rest_misc", "/api/v3/historicalTrades")
    (bars,) = _answers(captures, "rest_klines_small", "/api/v3/klines")
    aggregates = max(_answers(captures, "rest_aggtrades_pages", "/api/v3/aggTrades"), key=len)
    parsers: list[tuple[bytes, Callable[[bytes], object]]] = [
        (trades, lambda body: parse_trades(body, venue="BINANCE")),
        (bars, lambda body: parse_bars(body, venue="BINANCE", now_ns=NOW_NS)),
        (aggregates[:20_000], lambda body: parse_aggregates(body, venue="BINANCE")),
    ]
    for body, parse in parsers:
        for end in range(len(body)):
            with pytest.raises(TransientError, match="not understood"):
                parse(body[:end])


@pytest.mark.parametrize(
    "row",
    [
        _trade(1, price="0"),
        _trade(1, qty="-1"),
        _trade(1, qty="0.000000001"),
        _trade(1, price="NaN"),
        _trade(1, price=1.5),
        _trade(1, time=-1),
        _trade(1, time=10**19),
        _trade(-1),
        _trade(2**63),
        _trade(1, isBuyerMaker=None),
        {},
        [],
        7,
        None,
    ],
)
def test_a_row_that_is_no_trade_is_counted(row: object) -> None:
    """One bad row costs itself alone; the others come in the order of their ids, once."""
    answer = parse_trades(_encoded(_trade(5), row, _trade(4), _trade(5)), venue="BINANCE")
    assert ([trade.trade_id for trade in answer.trades], answer.rejected) == ([4, 5], 1)


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b"null", b"[1,", b"\xff", b"[" * 100_000])
def test_anything_else_is_not_understood(body: bytes) -> None:
    """No answer of another shape gets through, and none raises anything but our own error."""
    for parse in (parse_trades, parse_aggregates):
        with pytest.raises(TransientError, match="not understood"):
            parse(body, venue="BINANCE")
    with pytest.raises(TransientError, match="not understood"):
        parse_bars(body, venue="BINANCE", now_ns=NOW_NS)


def test_an_aggregate_that_ends_before_it_begins_is_refused() -> None:
    """Its ids lead to trades: they must be a range."""
    with pytest.raises(TransientError, match="not understood"):
        parse_aggregates(_encoded({"a": 1, "f": 9, "l": 8, "T": 1}), venue="BINANCE")


@asynccontextmanager
async def _venue(answer: Callable[[str, Mapping[str, str]], object]) -> AsyncIterator[BinanceHistory]:
    """A history asked of a server whose pages are what `answer` returns."""

    def pages(path: str, parameters: Mapping[str, str]) -> Answer:
        found = answer(path, parameters)
        return found if isinstance(found, Answer) else Answer(json.dumps(found))

    async with trio.open_nursery() as nursery:
        url = await nursery.start(serve_rest, pages)
        yield BinanceHistory(url)
        nursery.cancel_scope.cancel()


async def _all(pages: AsyncIterator[TradePage]) -> tuple[list[int], int]:
    ids: list[int] = []
    rejected = 0
    async for page in pages:
        ids += page.ids.tolist()
        rejected += page.rejected
    return ids, rejected


def _from_id(parameters: Mapping[str, str], upto: int) -> list[Any]:
    first, limit = int(parameters["fromId"]), int(parameters["limit"])
    return [_trade(number) for number in range(first, upto)][:limit]


@pytest.mark.trio
async def test_a_range_of_ids_is_exactly_that() -> None:
    """First and last are included, over several pages, and nothing is asked for beyond the last."""
    asked: list[str] = []

    def answer(_path: str, parameters: Mapping[str, str]) -> object:
        asked.append(parameters["fromId"])
        return _from_id(parameters, upto=10_000)

    async with _venue(answer) as history:
        assert await _all(history.trades_from_id(instrument(), first_id=7, last_id=2500)) == (
            list(range(7, 2501)),
            0,
        )
    assert asked == ["7", "1007", "2007"]


@pytest.mark.trio
async def test_without_a_last_id_all_until_now_are_told() -> None:
    """Pages are asked for until one brings nothing new: a short one proves nothing."""

    def answer(_path: str, parameters: Mapping[str, str]) -> object:
        return _from_id(parameters, upto=50)[:7]

    async with _venue(answer) as history:
        assert await _all(history.trades_from_id(instrument(), first_id=0)) == (list(range(50)), 0)


@pytest.mark.trio
async def test_a_venue_that_repeats_itself_is_not_asked_for_ever() -> None:
    """Answers that never move on end the history; ids below the one asked for are not told again."""
    async with _venue(lambda _path, _parameters: [_trade(3), _trade(4)]) as history:
        assert await _all(history.trades_from_id(instrument(), first_id=4)) == ([4], 0)


@pytest.mark.trio
async def test_a_page_of_nothing_readable_is_an_error() -> None:
    """Going on would leave a hole that nobody knows of."""
    async with _venue(lambda _path, _parameters: [{}, {}]) as history:
        with pytest.raises(PermanentError, match="nothing readable from id 4"):
            await _all(history.trades_from_id(instrument(), first_id=4))


@pytest.mark.trio
async def test_an_unknown_symbol_is_not_found() -> None:
    """The venue's own code decides."""
    async with _venue(lambda *_: Answer('{"code":-1121,"msg":"Invalid symbol."}', 400)) as history:
        with pytest.raises(NotFoundError, match="-1121"):
            await history.availability(instrument())


@pytest.mark.trio
async def test_long_ranges_of_bars_are_asked_for_page_by_page() -> None:
    """Each page begins where the last one ended; a venue that does not move on is asked no more."""
    day_ms = DAY_NS // NS_PER_MS

    def answer(_path: str, parameters: Mapping[str, str]) -> object:
        begin, end = int(parameters["startTime"]), int(parameters["endTime"])
        days = range(-(-begin // day_ms), end // day_ms + 1)
        return [
            [day * day_ms, "1", "2", "1", "2", "3", (day + 1) * day_ms - 1, "6", 1, "1", "2", "0"] for day in days
        ][:1000]

    async with _venue(answer) as history:
        pages = history.bars(instrument(), Timeframe.DAY, start_ns=1, end_ns=2500 * DAY_NS)
        bars = [page.bars async for page in pages]
    assert [len(each) for each in bars] == [1000, 1000, 499]
    assert (np.concatenate(bars)["ts_event"] == np.arange(1, 2500) * DAY_NS).all()


def test_it_is_a_history() -> None:
    """It does what is asked of a history, by id too."""
    history: Historical = BinanceHistory()
    assert isinstance(history, HistoricalById)
