"""Every REST answer of every venue, spoilt in every way: an error of ours, or rows counted as rejected, or the truth.

What is read of a spoilt answer is what the whole one says, or less; and nothing is kept from one answer to the next.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from core.bars.timeframes import Timeframe
from core.errors import ConsoleError
from core.model.fixedpoint import FixedPointError
from core.model.records import NO_SIDE
from providers.binance import answers as binance_answers
from providers.binance.errors import read_refusal as read_binance_refusal
from providers.binance.normalise import apply_levels, decode_snapshot
from providers.binance.symbols import read_catalogue
from providers.kraken.futures import answers as futures_answers
from providers.kraken.futures.errors import read_refusal as read_futures_refusal
from providers.kraken.futures.symbols import parse_instruments
from providers.kraken.futures.tickers import parse_tickers
from providers.kraken.spot import answers as spot_answers
from providers.kraken.spot.symbols import parse_asset_pairs
from providers.venue.book import Book
from tests.property.hostile import Attack, attacks

pytestmark = pytest.mark.usefixtures("few_lines")

NOW_NS = 1_800_000_000_000_000_000
Read = tuple[list[Any], int]
"""The rows of an answer, comparable, and how many were rejected."""


@attrs.frozen(repr=False)
class Case:
    """A good answer and what reads it. What `may_raise` is translated by whoever asked, the rest never comes out.

    `uncounted` rows may vanish without a count: an answer that says nothing of them says that they are not meant.
    """

    name: str
    read: Callable[[bytes], Read]
    text: str
    may_raise: tuple[type[Exception], ...] = (ConsoleError,)
    uncounted: bool = False

    def __str__(self) -> str:
        return self.name


def _spot_trades(body: bytes, *, numbered: bool = True) -> Read:
    # A row that lost its number is one of the venue's old ones.
    found = spot_answers.parse_trades(body, venue="KRAKEN", since_ns=0, now_ns=NOW_NS)
    rows = [each._replace(side=NO_SIDE) for each in found.trades if bool(each.trade_id) is numbered]
    return rows, found.rejected + len(found.trades) - len(rows)


def _spot_bars(body: bytes) -> Read:
    bars = spot_answers.parse_bars(body, venue="KRAKEN", now_ns=NOW_NS)
    return list(bars.bars), bars.rejected


def _spot_pairs(body: bytes) -> Read:
    refused: dict[str, str] = {}
    return list(parse_asset_pairs(body, venue="KRAKEN", refused=refused)), _printed(refused)


def _futures_instruments(body: bytes) -> Read:
    refused: dict[str, str] = {}
    # Without base and quote, or without a precision, a product is listed under its id, in whole contracts.
    found = parse_instruments(body, refused=refused)
    names = {"PI_XBTUSD", "PI_ETHUSD"}
    return [(each.venue_symbol, each.price_increment_e9) for each in found if each.venue_symbol in names], _printed(
        refused
    )


def _futures_tickers(body: bytes) -> Read:
    found = parse_tickers(body, venue="KRAKEN_FUTURES")
    for state in found.values():
        numbers = (state.mark_price, state.index_price, state.open_interest)
        assert all(number is None or number.is_finite() for number in numbers)
    return [name for name in found if name == "PI_XBTUSD"], 0


def _executions(body: bytes) -> Read:
    found = futures_answers.parse_executions(body, venue="KRAKEN_FUTURES")
    return [attrs.evolve(each, side=NO_SIDE, uid="") for each in found.executions], found.rejected


def _candles(body: bytes) -> Read:
    found = futures_answers.parse_candles(body, Timeframe.HOUR, venue="KRAKEN_FUTURES", now_ns=NOW_NS)
    return list(found.bars), found.rejected


def _binance_trades(body: bytes) -> Read:
    found = binance_answers.parse_trades(body, venue="BINANCE")
    return list(found.trades), found.rejected


def _aggregates(body: bytes) -> Read:
    return list(binance_answers.parse_aggregates(body, venue="BINANCE")), 0


def _binance_bars(body: bytes) -> Read:
    found = binance_answers.parse_bars(body, venue="BINANCE", now_ns=NOW_NS)
    return list(found.bars), found.rejected


def _catalogue(body: bytes) -> Read:
    found = read_catalogue(body, "BINANCE")
    # A rule that is missing is switched off, and any name that could be one may be one.
    return [each.venue_symbol for each in found.symbols.instruments() if each.venue_symbol.isalpha()], 0


def _snapshot(body: bytes) -> Read:
    snapshot, book = decode_snapshot(body), Book()
    try:
        apply_levels(book, bids=snapshot.bids, asks=snapshot.asks)
    except FixedPointError:
        return [], 1
    return [*zip(*book.bids.top(9), strict=True), *zip(*book.asks.top(9), strict=True)], 0


def _refusal(read: Callable[[str, bytes], ConsoleError | None]) -> Callable[[bytes], Read]:
    def said(body: bytes) -> Read:
        error = read("asked", body)
        assert error is None or str(error).isprintable()
        return [], 0

    return said


def _printed(refused: Any) -> int:
    assert "".join([*refused, *refused.values()]).isprintable()
    return len(refused)


_SPOT_ROWS = (
    '["42000.10000","0.02000000",1700000000.1234567,"b","l","",71],'
    '["42000.20000","74198.19125726",1700000001.5,"s","m","",72]'
)
_OLD_ROWS = '["42000.10000","0.02000000",1700000000.1234,"b","l",""],["42000.2","7",1700000001.5,"s","m",""]'
_SPOT_BAR = '[{},"42000.1","42001.0","41999.9","42000.5","42000.3","12.34567890",17]'
_PAIR = (
    '{{"altname":"XBTUSD","wsname":"{}","aclass_base":"currency","base":"XXBT","quote":"ZUSD","pair_decimals":1,'
    '"lot_decimals":8,"cost_decimals":5,"ordermin":"0.0001","tick_size":"0.1","status":"online"}}'
)
_CONTRACT = (
    '{{"symbol":"{}","type":"futures_inverse","tickSize":0.5,"contractSize":1,"tradeable":true,"base":"BTC",'
    '"quote":"USD","contractValueTradePrecision":0,"postOnly":false}}'
)
_TICKER = (
    '{"tag":"perpetual","symbol":"pi_xbtusd","markPrice":34844.25,"indexPrice":34803.45,"openInterest":1.5e3,'
    '"suspended":false,"postOnly":false,"bid":1,"ask":2}'
)
_EXECUTION = (
    '{{"uid":"outer-{0}","timestamp":17000000000{0},"event":{{"Execution":{{"execution":{{"uid":"uid-{0}",'
    '"timestamp":17000000000{0},"quantity":"0.5","price":"420{0}.5","markPrice":"1","usdValue":"1",'
    '"makerOrder":{{"direction":"Sell"}},"takerOrder":{{"direction":"Buy","tradeable":"PI_XBTUSD"}}}}}}}}}}'
)
_CANDLE = '{{"time":{},"open":"42000.5","high":"42001.5","low":"41999.5","close":"42000","volume":1234.5}}'
_BINANCE_TRADE = (
    '{{"id":{0},"price":"61837.{0}0000000","qty":"0.02000000","quoteQty":"1.0","time":17000000000{0},'
    '"isBuyerMaker":true,"isBestMatch":true}}'
)
_AGGREGATE = '{{"a":{0},"p":"61837.6","q":"0.02","f":1{0},"l":2{0},"T":17000000000{0},"m":true,"M":true}}'
_KLINE = '[{},"42000.1","42001.0","41999.9","42000.5","12.34567890",{},"518000.0",17,"6.1","256000.0","0"]'
_LISTING = (
    '{{"symbol":"{0}USDT","status":"TRADING","baseAsset":"{0}","baseAssetPrecision":8,"quoteAsset":"USDT",'
    '"filters":[{{"filterType":"PRICE_FILTER","minPrice":"0.01000000","tickSize":"0.01000000"}},'
    '{{"filterType":"LOT_SIZE","minQty":"0.00001000","stepSize":"0.00001000"}}],"permissionSets":[["SPOT"]]}}'
)
_ASKED_BY_CALLER = (ConsoleError, msgspec.MsgspecError, ValueError, RecursionError)

CASES = (
    Case("kraken trades", _spot_trades,
         f'{{"error":[],"result":{{"XXBTZUSD":[{_SPOT_ROWS}],"last":"1700000001500000000"}}}}'),
    Case("kraken old trades", partial(_spot_trades, numbered=False),
         f'{{"error":[],"result":{{"XXBTZUSD":[{_OLD_ROWS}],"last":"1700000001500000000"}}}}'),
    Case("kraken bars", _spot_bars, '{"error":[],"result":{"XXBTZUSD":['
         f'{_SPOT_BAR.format(1700000000)},{_SPOT_BAR.format(1700000060)}],"last":1700000060}}}}'),
    Case("kraken pairs", _spot_pairs, f'{{"error":[],"result":{{"XXBTZUSD":{_PAIR.format("XBT/USD")},'
         f'"XETHZUSD":{_PAIR.format("ETH/USD")}}}}}', uncounted=True),
    Case("futures instruments", _futures_instruments, '{"result":"success","instruments":['
         f'{_CONTRACT.format("PI_XBTUSD")},{_CONTRACT.format("PI_ETHUSD")}],"serverTime":"2023"}}', uncounted=True),
    Case("futures tickers", _futures_tickers, f'{{"result":"success","tickers":[{_TICKER}]}}', uncounted=True),
    Case("futures executions", _executions,
         f'{{"elements":[{_EXECUTION.format(41)},{_EXECUTION.format(42)}],"len":2,"continuationToken":"abc="}}'),
    Case("futures candles", _candles, '{"candles":['
         f'{_CANDLE.format(1699999200000)},{_CANDLE.format(1700002800000)}],"more_candles":true}}'),
    Case("binance trades", _binance_trades, f"[{_BINANCE_TRADE.format(41)},{_BINANCE_TRADE.format(42)}]"),
    Case("binance aggregates", _aggregates, f"[{_AGGREGATE.format(41)},{_AGGREGATE.format(42)}]"),
    Case("binance bars", _binance_bars,
         f"[{_KLINE.format(1700000000000, 1700000059999)},{_KLINE.format(1700000060000, 1700000119999)}]"),
    Case("binance catalogue", _catalogue, '{"timezone":"UTC","rateLimits":[],"symbols":['
         f'{_LISTING.format("BTC")},{_LISTING.format("ETH")}]}}', may_raise=_ASKED_BY_CALLER, uncounted=True),
    Case("binance depth", _snapshot, '{"lastUpdateId":100,"bids":[["61837.62000000","1.5"],["61837.0","0.00004"]],'
         '"asks":[["61837.63","2.0"],["61838.00","74198.19125726"]]}', may_raise=_ASKED_BY_CALLER),
    Case("binance refusal", _refusal(read_binance_refusal), '{"code":-1121,"msg":"Invalid symbol."}'),
    Case("futures refusal", _refusal(read_futures_refusal),
         '{"status":"BAD_REQUEST","result":"error","errors":[{"code":11,"message":"Argument invalid: symbol"}]}'),
    Case("futures old refusal", _refusal(read_futures_refusal),
         '{"result":"error","error":"apiLimitExceeded","serverTime":"2023-11-14T22:13:20.000Z"}'),
    Case("kraken refusal", _spot_trades, '{"error":["EAPI:Rate limit exceeded"]}'),
    Case("kraken throttled", _spot_pairs, '{"error":["EService:Throttled: 1700000000"],"result":null}'),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_spoilt_answer_is_an_error_or_a_count(case: Case) -> None:
    """Cut, extended, reordered, each value and key of it replaced, doubled and left out, each byte no text."""
    _withstand_all(case)


def test_a_spoilt_answer_of_a_real_venue_is_no_more(captures: Path) -> None:
    """The same with what the venues really answered."""
    for case in _real_cases(captures):
        assert _outcome(case, case.text.encode())[0], f"{case} proves nothing"
        _withstand_all(case, step=1 + len(case.text) // 50)


def _real_cases(captures: Path) -> Iterator[Case]:
    spot, futures, binance = (captures / name for name in ("kraken_spot", "kraken_futures", "binance"))
    yield Case("kraken trades", _spot_trades, _shortened((spot / "rest_trades_xbtusdt_first500.json").read_text()))
    yield Case("kraken bars", _spot_bars, _shortened((spot / "rest_ohlc_xxbtzusd.json").read_text()))
    pairs = gzip.decompress((spot / "rest_assetpairs_full_20210417.json.gz").read_bytes())
    yield Case("kraken pairs", _spot_pairs, _shortened(pairs.decode()), uncounted=True)
    listed = (futures / "rest_instruments_20210722.json").read_text()
    yield Case("futures instruments", _futures_instruments, _shortened(listed), uncounted=True)
    yield Case("futures executions", _executions, (futures / "rest_public_executions.json").read_text())
    catalogue = gzip.decompress((binance / "binance_exchangeinfo_20211012.json.gz").read_bytes())
    yield Case(
        "binance catalogue", _catalogue, _shortened(catalogue.decode()), may_raise=_ASKED_BY_CALLER, uncounted=True
    )
    answers = {name: _bodies(binance / f"{name}.jsonl") for name in _PAGES}
    yield Case("binance trades", _binance_trades, answers["rest_misc"]["/api/v3/historicalTrades"])
    yield Case("binance aggregates", _aggregates, answers["rest_aggtrades_pages"]["/api/v3/aggTrades"])
    yield Case("binance bars", _binance_bars, answers["rest_klines_small"]["/api/v3/klines"])


_PAGES = ("rest_misc", "rest_aggtrades_pages", "rest_klines_small")


def _bodies(path: Path) -> dict[str, str]:
    answers = [json.loads(line) for line in path.read_text().splitlines()]
    return {each["path"]: _shortened(json.dumps(each["body"])) for each in answers}


def _shortened(text: str) -> str:
    """A long answer with the first three of every list and the last, and of every long object: all are alike."""
    return json.dumps(_few(json.loads(text)))


def _few(value: Any) -> Any:
    if isinstance(value, dict):
        kept = list(value.items()) if len(value) < 40 else [*value.items()][:3]
        return {name: _few(each) for name, each in kept}
    if isinstance(value, list):
        return [_few(each) for each in (value if len(value) < 13 else [*value[:3], value[-1]])]
    return value


def _withstand_all(case: Case, *, step: int = 1) -> None:
    whole = case.text.encode()
    expected = _outcome(case, whole)
    for attack in attacks(case.text, step=step):
        found = _outcome(case, attack.text.encode(errors="surrogatepass"))
        if attack.harmless:
            assert sorted(found[0], key=repr) == sorted(expected[0], key=repr), attack
        _checked(case, found, expected, attack)
    for at in range(0, len(whole), step):
        for byte in (b"\xff", b"\x00", b"\xed\xa0\x80"):
            spoilt = whole[:at] + byte + whole[at + 1 :]
            _checked(case, _outcome(case, spoilt), expected, spoilt)
    assert _outcome(case, whole) == expected


def _outcome(case: Case, body: bytes) -> Read:
    # An error counts as a rejection of everything.
    try:
        return case.read(body)
    except case.may_raise as error:
        if isinstance(error, ConsoleError) and not str(error).isprintable():
            raise
        return [], 1


def _checked(case: Case, found: Read, expected: Read, attack: Attack | bytes) -> None:
    rows, rejected = found
    for row in rows:
        assert row in expected[0], attack
    assert case.uncounted or rejected or len(rows) == len(expected[0]), f"a loss that is not counted: {attack!r}"
