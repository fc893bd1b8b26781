"""The pages of the simulated venue that tell of the past: their shapes, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.clock import NS_PER_MS, NS_PER_S
from providers.simulated.documents import known_metadata
from providers.simulated.guard import FAULT_BAN_S, GuardedPages
from providers.simulated.ledger import Fill
from providers.simulated.pages import binance_pages, kraken_pages
from providers.simulated.rest import Answer, Answering
from providers.simulated.tape import Tape

BEGIN_NS = 1_699_999_980 * NS_PER_S  # a minute begins
FILLS = [
    Fill(11, BEGIN_NS, True, "100.5", "1.00000000"),
    Fill(12, BEGIN_NS, True, "100.5", "2.00000000"),
    Fill(13, BEGIN_NS + 7, True, "101.0", "1.00000000"),
    Fill(14, BEGIN_NS + 61 * NS_PER_S, False, "99.5", "4.00000000"),
    Fill(15, BEGIN_NS + 130 * NS_PER_S, False, "99.0", "0.50000000"),
]
BEGIN_MS = BEGIN_NS // NS_PER_MS


def _kraken() -> Answering:
    return kraken_pages(known_metadata("kraken"), lambda _name: Tape(FILLS))


def _binance() -> Answering:
    return binance_pages(known_metadata("binance"), lambda _symbol, _limit: None, lambda _symbol: Tape(FILLS))


def _result(**parameters: str) -> Any:
    return json.loads(_kraken()("/0/public/Trades", {"pair": "XBTUSD", **parameters}).body)["result"]


def _rows(path: str, **parameters: str) -> Any:
    answer = _binance()(f"/api/v3/{path}", {"symbol": "BTCUSDT", **parameters})
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def test_krakens_trades() -> None:
    """Rows after `since`, oldest first, times as floats; `last` is exact, and stays when nothing is new."""
    page = _result(since=str(BEGIN_NS - 1), count="3")
    assert [row[6] for row in page["XXBTZUSD"]] == [11, 12, 13]
    assert page["XXBTZUSD"][0] == ["100.5", "1.00000000", 1699999980.0, "b", "m", "", 11]
    assert page["last"] == str(BEGIN_NS + 7)
    assert [row[6] for row in _result(since=page["last"])["XXBTZUSD"]] == [14, 15]
    assert _result(since=str(2**62)) == {"XXBTZUSD": [], "last": str(2**62)}
    assert [row[6] for row in _result(count="2")["XXBTZUSD"]] == [14, 15]


def test_a_pair_is_answered_under_the_name_of_its_kind() -> None:
    """Asked for by its name on the sockets it keeps it; by any other it goes by its key."""
    assert set(_result(pair="BTC/USD")) == {"BTC/USD", "last"}
    assert set(_result(pair="XXBTZUSD")) == {"XXBTZUSD", "last"}


def test_krakens_bars() -> None:
    """Bars of what was traded, the newest still growing; `last` is the one before it."""
    body = _kraken()("/0/public/OHLC", {"pair": "BTC/USD", "interval": "1", "since": "0"}).body
    result = json.loads(body)["result"]
    begin_s = BEGIN_NS // NS_PER_S
    assert result["BTC/USD"][0] == [begin_s, "100.5", "101.0", "100.5", "101.0", "100.6", "4.00000000", 3]
    assert [row[0] for row in result["BTC/USD"]] == [begin_s, begin_s + 60, begin_s + 120]
    assert result["last"] == begin_s + 60


def test_binances_trades() -> None:
    """From an id on, or the newest."""
    assert [row["id"] for row in _rows("historicalTrades", fromId="12", limit="2")] == [12, 13]
    assert [row["id"] for row in _rows("trades", limit="2")] == [14, 15]
    assert _rows("trades", limit="1")[0] == {
        "id": 15, "price": "99.0", "qty": "0.50000000", "quoteQty": "49.50000000",
        "time": BEGIN_MS + 130_000, "isBuyerMaker": True, "isBestMatch": True,
    }  # fmt: skip


def test_binances_aggregates() -> None:
    """Trades of one instant, price and side are one; they are found by time and by number."""
    rows = _rows("aggTrades", startTime=str(BEGIN_MS))
    assert [(row["a"], row["f"], row["l"], row["q"]) for row in rows[:2]] == [
        (11, 11, 12, "3.00000000"),
        (13, 13, 13, "1.00000000"),
    ]
    assert [row["f"] for row in _rows("aggTrades", startTime=str(BEGIN_MS + 1), limit="1")] == [14]
    assert [row["f"] for row in _rows("aggTrades", fromId="12")] == [13, 14, 15]
    assert [row["f"] for row in _rows("aggTrades", limit="1")] == [15]


def test_binances_bars() -> None:
    """Klines by the first instant of each, with what takers bought."""
    rows = _rows("klines", interval="1m", startTime=str(BEGIN_MS), endTime=str(BEGIN_MS + 60_000))
    assert [row[0] for row in rows] == [BEGIN_MS, BEGIN_MS + 60_000]
    assert rows[0][1:5] == ["100.5", "101.0", "100.5", "101.0"]
    assert rows[0][5:] == [
        "4.00000000", BEGIN_MS + 59_999, "402.50000000", 3, "4.00000000", "402.50000000", "0",
    ]  # fmt: skip
    assert len(_rows("klines", interval="1w")) == 1


@pytest.mark.parametrize(
    "parameters", [{"since": "x"}, {"since": "-1"}, {"count": "0"}, {"count": "1001"}, {"since": "9" * 30}]
)
def test_kraken_refuses_arguments(parameters: dict[str, str]) -> None:
    """In Kraken's words, with HTTP 200."""
    for path in ("/0/public/Trades", "/0/public/OHLC"):
        if path.endswith("OHLC") and "count" in parameters:
            continue
        answer = _kraken()(path, {"pair": "BTC/USD", **parameters})
        assert (answer.status, json.loads(answer.body)) == (200, {"error": ["EGeneral:Invalid arguments"]})


@pytest.mark.parametrize("pair", ["", "NOPE", "\x00"])
def test_kraken_knows_no_other_pair(pair: str) -> None:
    """An unknown pair is one in Kraken's words."""
    assert "EQuery:Unknown asset pair" in _kraken()("/0/public/OHLC", {"pair": pair}).body


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        ("klines", {"interval": "7m"}, -1120),
        ("klines", {}, -1120),
        ("klines", {"interval": "1m", "limit": "1001"}, -1100),
        ("klines", {"interval": "1m", "startTime": "x"}, -1100),
        ("aggTrades", {"fromId": "-1"}, -1100),
        ("aggTrades", {"limit": "0"}, -1100),
        ("aggTrades", {"startTime": "0", "endTime": "3600001"}, -1127),
        ("historicalTrades", {"fromId": "9" * 5000}, -1100),
        ("historicalTrades", {"symbol": "NOPE"}, -1121),
        ("trades", {"symbol": ""}, -1102),
    ],
)
def test_binance_refuses_arguments(path: str, parameters: dict[str, str], code: int) -> None:
    """In Binance's words, with HTTP 400."""
    answer = _binance()(f"/api/v3/{path}", {"symbol": "BTCUSDT", **parameters})
    assert (answer.status, json.loads(answer.body)["code"]) == (400, code)


def test_faults_strike_every_so_many_requests() -> None:
    """Refusals, pages and cut answers come as often as asked for, in the venue's words; the rest is untouched."""
    now_ns = [BEGIN_NS]
    every = {"rate-limit": 2, "maintenance": 3, "half-answer": 5}
    guarded = GuardedPages("binance", lambda _path, _parameters: Answer("{}"), every, wall=lambda: now_ns[0])
    seen = [guarded.answer("/api/v3/klines", {}) for _ in range(6)]
    assert [answer.status for answer in seen] == [200, 429, 520, 429, 200, 429]
    assert [answer.cut for answer in seen] == [False, False, False, False, True, False]
    assert seen[0].headers == (("X-MBX-USED-WEIGHT-1M", "2"),)
    assert seen[2].body.startswith("<html>")


def test_a_ban_ends() -> None:
    """Whoever asks meanwhile is refused with what is left of it."""
    now_ns = [BEGIN_NS]
    for protocol, word in (("kraken", "EService:Throttled:"), ("binance", "-1003"), ("kraken_futures", "-1003")):
        pages = GuardedPages(protocol, lambda _path, _parameters: Answer("{}"), {"ban": 2}, wall=lambda: now_ns[0])  # type: ignore[arg-type]
        assert pages.answer("/", {}).status == 200
        assert word in pages.answer("/", {}).body
        assert word in pages.answer("/", {}).body
        now_ns[0] += FAULT_BAN_S * NS_PER_S
        assert word in pages.answer("/", {}).body, "the next one strikes"
        now_ns[0] += FAULT_BAN_S * NS_PER_S
        assert pages.answer("/", {}).body == "{}"


def test_a_pair_goes_by_its_alternative_name() -> None:
    """`XBTUSD` is what Kraken's users have always typed."""
    assert [row[6] for row in _result(pair="XBTUSD", since="0")["XXBTZUSD"]] == [11, 12, 13, 14, 15]
