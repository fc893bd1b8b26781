"""Kraken spot's answers about the past: every real row, every truncation, pages that join, and what is hostile."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bars.timeframes import Timeframe
from core.clock import NS_PER_S
from core.errors import (
    AuthenticationError,
    ConsoleError,
    NotFoundError,
    RefusedError,
    ResourceExhaustedError,
    TransientError,
)
from core.model.fixedpoint import quantities_e8
from core.model.records import BUY, F_LAST, F_PUBLISHER_SPECIFIC, F_RECOVERED, SELL, TRADE_STRUCT, Schema
from providers.kraken.spot.answers import parse_bars, parse_trades, without_repeats
from providers.kraken.spot.history import KrakenHistory
from providers.kraken.spot.normalise import read_trades
from providers.kraken.spot.wire import TradeItem
from providers.venue.packing import pack_trades
from providers.venue.past import PastTrade, bar_records, candles, trade_page
from tests.unit.providers.kraken.support import instrument

NOW_NS = 1_800_000_000 * NS_PER_S


def _answer(rows: list[Any], last: object = "1700000000000000000", key: str = "XXBTZUSD") -> bytes:
    return json.dumps({"error": [], "result": {key: rows, "last": last}}).encode()


def _row(trade_id: int | None, time: str = "1700000000.1234567", *, price: str = "1.5", quantity: str = "2") -> str:
    tail = "" if trade_id is None else f",{trade_id}"
    return f'["{price}","{quantity}",{time},"b","l",""{tail}]'


def _rows(*rows: str, last: int = 1_700_000_001_000_000_000) -> bytes:
    return f'{{"error":[],"result":{{"X":[{",".join(rows)}],"last":"{last}"}}}}'.encode()


def _trades(body: bytes, since_ns: int = 0) -> tuple[PastTrade, ...]:
    answer = parse_trades(body, venue="KRAKEN", since_ns=since_ns, now_ns=NOW_NS)
    assert answer.rejected == 0
    return answer.trades


def test_every_real_trade_becomes_its_record(captures: Path) -> None:
    """Digits, side, id and time of all 500 rows, checked against the text by another route."""
    body = (captures / "kraken_spot/rest_trades_xbtusdt_first500.json").read_bytes()
    rows = json.loads(body, parse_float=Decimal)["result"]["XBTUSDT"]
    trades = _trades(body)
    page = trade_page(instrument(), trades, ts_recv_ns=NOW_NS)
    records = page.records
    assert len(records) == len(rows) == 500
    assert page.ids.tolist() == [row[6] for row in rows]
    assert (np.diff(page.ids) == 1).all()
    assert records["sequence"].tolist() == [row[6] & 0xFFFF_FFFF for row in rows]
    assert records["price"].tolist() == [int(Decimal(row[0]) * 10**9) for row in rows]
    assert quantities_e8(records).tolist() == [int(Decimal(row[1]) * 10**8) for row in rows]
    assert records["side"].tolist() == [BUY if row[3] == "b" else SELL for row in rows]
    assert records["ts_event"].tolist() == [int(row[2] * 10**9) for row in rows]
    assert (np.diff(records["ts_event"].astype(np.int64)) >= 0).all()
    assert (records["ts_recv"] == NOW_NS).all()
    assert (records["flags"] & ~np.uint8(F_PUBLISHER_SPECIFIC) == F_LAST | F_RECOVERED).all()


def test_a_recovered_trade_is_the_live_one_but_for_its_flags() -> None:
    """The same trade from the socket and from REST is the same 48 bytes, flags aside."""
    (past,) = _trades(_rows(_row(77, "1700000000.123456", price="42000.1", quantity="1234567.00000001")))
    page = trade_page(instrument(), [past], ts_recv_ns=NOW_NS)
    item = TradeItem(
        "BTC/USD", "buy", msgspec.Raw(b"42000.1"), msgspec.Raw(b"1234567.00000001"), 77, "2023-11-14T22:13:20.123456Z"
    )
    live = pack_trades(
        instrument(),
        read_trades([item], [NOW_NS]),
        [NOW_NS],
        flags=F_LAST | F_RECOVERED,
    )
    assert page.records.tobytes() == live
    assert len(live) == TRADE_STRUCT.size


def test_every_real_bar_but_the_growing_one(captures: Path) -> None:
    """All closed rows with trades, number for number; the newest row still grows and is left out."""
    body = (captures / "kraken_spot/rest_ohlc_xxbtzusd.json").read_bytes()
    content = json.loads(body)["result"]
    rows = [row for row in content["XXBTZUSD"] if row[0] <= content["last"] and row[7]]
    answer = parse_bars(body, venue="KRAKEN", now_ns=NOW_NS)
    assert answer.rejected == 0
    assert len(content["XXBTZUSD"]) == 720
    assert content["XXBTZUSD"][-1][0] > content["last"]
    bars = candles(answer.bars)
    assert bars["ts_event"].tolist() == [row[0] * NS_PER_S for row in rows]
    for at, name in enumerate(("open", "high", "low", "close"), start=1):
        assert bars[name].tolist() == [int(Decimal(row[at]) * 10**9) for row in rows]
    assert bars["volume"].tolist() == [int(Decimal(row[6]) * 10**8) for row in rows]
    assert bars["trades"].tolist() == [row[7] for row in rows]
    stored = bar_records(instrument(), bars, Schema.BARS_1M)
    assert (stored["rtype"] == Schema.BARS_1M.rtype).all()
    assert (stored["length"] == 14).all()
    assert stored["volume"].tolist() == bars["volume"].tolist()


def test_every_truncation_is_a_clear_error(captures: Path) -> None:
    """Both real answers cut at each byte: an error in words each time, and never a shorter answer."""
    trades = (captures / "kraken_spot/rest_trades_xbtusdt_first500.json").read_bytes().rstrip()
    bars = json.dumps(json.loads((captures / "kraken_spot/rest_ohlc_xxbtzusd.json").read_bytes())).encode()
    for end in range(len(trades)):
        with pytest.raises(TransientError, match="not understood"):
            parse_trades(trades[:end], venue="KRAKEN", since_ns=0, now_ns=NOW_NS)
    for end in range(len(bars)):
        with pytest.raises(TransientError, match="not understood"):
            parse_bars(bars[:end], venue="KRAKEN", now_ns=NOW_NS)


def test_the_last_trade_has_the_exact_nanosecond() -> None:
    """`last` is the newest row's instant; what a float put behind it, or before `since`, is put right."""
    body = _rows(
        _row(1, "1700000000.0000002"),
        _row(2, "1700000000.5000002"),
        _row(3, "1700000000.5"),
        last=1700000000500000077,
    )
    trades = _trades(body, since_ns=1_700_000_000_000_000_300)
    assert [trade.ts_event_ns for trade in trades] == [
        1_700_000_000_000_000_301,
        1_700_000_000_500_000_077,
        1_700_000_000_500_000_077,
    ]


def test_a_last_that_is_not_the_newest_rows_changes_nothing() -> None:
    """Beyond the error of a float the row's own digits are believed."""
    (trade,) = _trades(_rows(_row(1, "1700000000.25"), last=1_700_000_009_000_000_000))
    assert trade.ts_event_ns == 1_700_000_000_250_000_000


@pytest.mark.parametrize("time", ["1700000000", "1700000000.0", "1.7e9", "17000000000E-1"])
def test_times_in_any_notation(time: str) -> None:
    """A whole second may come without decimals or with an exponent."""
    (trade,) = _trades(_rows(_row(1, time), last=1_800_000_000_000_000_000))
    assert trade.ts_event_ns == 1_700_000_000_000_000_000


def test_rows_of_before_there_were_ids() -> None:
    """Six fields are a trade without an id."""
    page = trade_page(instrument(), _trades(_rows(_row(None), _row(None))), ts_recv_ns=NOW_NS)
    assert page.ids.tolist() == page.records["sequence"].tolist() == [0, 0]


def test_rows_come_in_the_order_of_their_ids_and_once() -> None:
    """Equal times are common: the id decides, and a row that comes twice counts once."""
    trades = _trades(_rows(_row(9), _row(7), _row(8), _row(7)))
    assert [trade.trade_id for trade in trades] == [7, 8, 9]


@pytest.mark.parametrize(
    "row",
    [
        _row(1, price="0"),
        _row(1, price="-1"),
        _row(1, quantity="0"),
        _row(1, quantity="0.000000001"),
        _row(1, price="NaN"),
        _row(1, price="9" * 30),
        _row(1, '"1700000000"'),
        _row(1, "-5"),
        _row(1, "1e30"),
        _row(1, "99999999999999"),
        _row(0),
        _row(-1),
        _row(2**63),
        "[]",
        "{}",
        "7",
        "null",
        "[" * 50 + "]" * 50,
        '["1","1",1700000000.1,"b","l","",1,2]',
    ],
)
def test_a_row_that_is_no_trade_is_counted(row: str) -> None:
    """One bad row costs itself alone."""
    body = _rows(_row(1), row, _row(2))
    answer = parse_trades(body, venue="KRAKEN", since_ns=0, now_ns=NOW_NS)
    assert ([trade.trade_id for trade in answer.trades], answer.rejected) == ([1, 2], 1)


@pytest.mark.parametrize(
    "row",
    [
        '[60,"1","2","3","1","1","1",1]',  # the low above the open
        '[60,"1","1","1","1","1","-1",1]',
        '[60,"0","1","0","1","1","1",1]',
        '[-60,"1","1","1","1","1","1",1]',
        '[60,"1","1","1","1","1","1",-1]',
        '[60.5,"1","1","1","1","1","1",1]',
        '[60,"1","1","1","1","1"]',
        "{}",
    ],
)
def test_a_row_that_is_no_bar_is_counted(row: str) -> None:
    """One bad row costs itself alone, and a bar without trades is none of ours."""
    good, empty = '[120,"1","2","0.5","1.5","1","3",4]', '[180,"1","1","1","1","0","0",0]'
    body = f'{{"error":[],"result":{{"X":[{row},{good},{empty}],"last":240}}}}'.encode()
    answer = parse_bars(body, venue="KRAKEN", now_ns=NOW_NS)
    assert ([bar.ts_event_ns for bar in answer.bars], answer.rejected) == ([120 * NS_PER_S], 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>520</html>",
        b"[]",
        b"{}",
        b'{"error":[],"result":null}',
        b'{"error":[],"result":{}}',
        b'{"error":[],"result":{"last":"1"}}',
        b'{"error":[],"result":{"A":[],"B":[],"last":"1"}}',
        b'{"error":[],"result":{"A":[]}}',
        b'{"error":[],"result":{"A":[],"last":"-1"}}',
        b'{"error":[],"result":{"A":[],"last":"' + b"9" * 19 + b'"}}',
        b'{"error":[],"result":{"A":[],"last":' + b"[" * 5000,
        b'{"error":[],"result":{"A":{},"last":"1"}}',
        b'\xff{"error":[]}',
        b'{"error":7}',
    ],
)
def test_anything_else_is_not_understood(body: bytes) -> None:
    """No answer of another shape gets through, and none raises anything but our own error."""
    with pytest.raises(TransientError, match="not understood"):
        parse_trades(body, venue="KRAKEN", since_ns=0, now_ns=NOW_NS)
    with pytest.raises(TransientError, match="not understood"):
        parse_bars(body, venue="KRAKEN", now_ns=NOW_NS)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EQuery:Unknown asset pair", NotFoundError),
        ("EAPI:Rate limit exceeded", ResourceExhaustedError),
        ("EService:Unavailable", TransientError),
        ("EAPI:Invalid key", AuthenticationError),
        ("EAPI:Invalid signature", AuthenticationError),
        ("EAPI:Invalid nonce", AuthenticationError),
        ("EGeneral:Permission denied", AuthenticationError),
    ],
)
def test_errors_in_an_answer_keep_their_class(text: str, kind: type[ConsoleError]) -> None:
    """HTTP 200 with an error in it is that error."""
    body = json.dumps({"error": [text]}).encode()
    with pytest.raises(kind) as caught:
        parse_trades(body, venue="KRAKEN", since_ns=0, now_ns=NOW_NS)
    assert type(caught.value) is kind


@given(
    steps=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 2)), max_size=30),
    size=st.integers(5, 13),  # no more trades have one instant than a page holds
    numbered=st.booleans(),
)
def test_pages_that_overlap_join_whole(steps: list[tuple[int, int]], size: int, *, numbered: bool) -> None:
    """Pages that begin again with the instant at which the last one ended make up all trades, alike ones included."""
    trades: list[PastTrade] = []
    for number, (count, quantity) in enumerate(steps, start=1):
        trades += [
            PastTrade(len(trades) + 1 + at if numbered else 0, number * 10**6, 5, quantity, BUY)
            for at in range(count)
        ]
    joined: list[PastTrade] = []
    earlier: list[PastTrade] = []
    since_ns = 0
    while True:
        page = [trade for trade in trades if trade.ts_event_ns > since_ns][:size]
        fresh = without_repeats(page, earlier)
        joined += fresh
        if not fresh:
            break
        since_ns, earlier = page[-1].ts_event_ns - 1, page
    assert joined == trades


@pytest.mark.trio
async def test_weeks_are_refused() -> None:
    """Kraken's weeks begin on Thursdays and ours on Mondays: they are no bars of ours."""
    history = KrakenHistory("http://127.0.0.1:1")
    with pytest.raises(RefusedError, match="Thursdays"):
        await anext(history.bars(instrument(), Timeframe.WEEK, start_ns=0, end_ns=NOW_NS))
