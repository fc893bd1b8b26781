"""Every kind of frame of every venue, spoilt in every way: no exception, no wrong record, no loss uncounted.

What is published of a spoilt frame is what the whole one says, or less; afterwards the same feed understands the
whole one as if nothing had been.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from core.errors import ConsoleError
from core.model.instruments import Instrument
from core.model.records import F_MAYBE_BAD_BOOK, MBP10_LEVELS, NO_SIDE, UNDEF_PRICE, Schema
from providers.base import FeedCounters
from providers.binance.depth import DepthBook
from providers.binance.feed import BinanceFeed
from providers.binance.normalise import decode_snapshot
from providers.connection import ConnectionState
from providers.kraken.futures.feed import FuturesFeed
from providers.kraken.spot.feed import SpotFeed
from tests.property.hostile import Attack, Token, attacks, written
from tests.unit.providers.binance.support import instrument as binance_instrument
from tests.unit.providers.binance.support import recorded
from tests.unit.providers.kraken.futures_support import products, recorded_session
from tests.unit.providers.kraken.support import instrument as spot_instrument

pytestmark = pytest.mark.usefixtures("few_lines")

RECEIVED_NS = 1_700_000_000_500_000_000
Pushed = dict[Schema, bytes]


class Memory:
    """A sink that keeps the bytes of each schema."""

    def __init__(self) -> None:
        self.pushed: dict[Schema, Keeper] = {}

    def channel(self, _instrument: Instrument, schema: Schema) -> Keeper:
        """The channel of a schema: there is one symbol."""
        return self.pushed.setdefault(schema, Keeper())

    def drained(self) -> Pushed:
        """What was pushed since the last call."""
        found = {schema: b"".join(keeper.records) for schema, keeper in self.pushed.items()}
        for keeper in self.pushed.values():
            keeper.records.clear()
        return found


class Keeper:
    """A channel that keeps its records."""

    def __init__(self) -> None:
        self.records: list[bytes] = []

    def push(self, records: bytes, newest_id: int = 0) -> None:
        """Keep them."""
        assert newest_id >= 0
        self.records.append(records)


class Stage:
    """One feed of one symbol, open, and all it writes to."""

    def __init__(self, venue: str, rest_book: str) -> None:
        self._rest_book = rest_book
        self.sink = Memory()
        self.connection = ConnectionState(venue)
        self._asked: list[DepthBook] = []
        self.feed: Any = _FEEDS[venue](self.sink, self.connection, self._asked)
        self.feed.opened()

    def play(self, *texts: str) -> None:
        """Hand texts over; a book that Binance's feed asks for is answered at once."""
        for text in texts:
            try:
                self.feed.handle(text, RECEIVED_NS)
            finally:
                self.feed.flush()
            while self._asked:
                book = self._asked.pop()
                book.install(decode_snapshot(self._rest_book), generation=book.generation, ts_recv_ns=RECEIVED_NS)

    def reopen(self) -> None:
        """The connection is lost and comes back."""
        self.feed.closed()
        self.feed.outbox.clear()
        self.feed.opened()

    def said(self) -> tuple[int, str, str]:
        """How much was counted that should not be, and the two texts that an operator reads."""
        counters: FeedCounters = self.feed.counters[0]
        names = ("rejected", "checksum_bad", "gaps", "book_breaks", "duplicates", "out_of_order")
        count = self.connection.malformed + sum(getattr(counters, name) for name in names)
        return count, counters.problem, self.connection.reason


def _spot(sink: Memory, connection: ConnectionState, _asked: list[DepthBook]) -> SpotFeed:
    return SpotFeed((spot_instrument(),), sink, connection)


def _futures(sink: Memory, connection: ConnectionState, _asked: list[DepthBook]) -> FuturesFeed:
    return FuturesFeed((products()["PI_XBTUSD"],), sink, connection)


def _binance(sink: Memory, connection: ConnectionState, asked: list[DepthBook]) -> BinanceFeed:
    return BinanceFeed((binance_instrument(),), sink, connection=connection, request_snapshot=asked.append)


_FEEDS: dict[str, Callable[..., Any]] = {"kraken": _spot, "futures": _futures, "binance": _binance}


BINANCE_BOOK = (
    '{"lastUpdateId":100,"bids":[["61837.62000000","1.50000000"],["61837.00000000","0.00004000"]],'
    '"asks":[["61837.63000000","2.00000000"],["61838.00000000","74198.19125726"]]}'
)


@attrs.frozen(repr=False)
class Case:
    """A good frame and what has to come before it. A `control` frame may refuse the stream, and publishes nothing."""

    venue: str
    kind: str
    text: str
    before: tuple[str, ...] = ()
    control: bool = False
    rest_book: str = BINANCE_BOOK

    def __str__(self) -> str:
        return f"{self.venue} {self.kind}"

    def played(self) -> tuple[Pushed, Pushed]:
        """What is published before the frame, and of it."""
        stage = self.opened()
        before = stage.sink.drained()
        stage.play(self.text)
        return before, stage.sink.drained()

    def opened(self) -> Stage:
        """A feed that waits for the frame."""
        stage = Stage(self.venue, self.rest_book)
        stage.play(*self.before)
        return stage


def _spot_frame(channel: str, kind: str, data: str) -> str:
    return f'{{"channel":"{channel}","type":"{kind}","data":[{data}]}}'


def _spot_trade(number: int) -> str:
    return (
        f'{{"symbol":"BTC/USD","side":"sell","price":4171.{number},"qty":0.12345678,"ord_type":"market",'
        f'"trade_id":{number},"timestamp":"2023-11-14T22:13:19.{number}00000Z"}}'
    )


def _spot_book(kind: str, *, bids: str, asks: str, digits: str) -> str:
    item = f'"symbol":"BTC/USD","bids":[{bids}],"asks":[{asks}],"checksum":{zlib.crc32(digits.encode())}'
    return _spot_frame("book", kind, f'{{{item},"timestamp":"2023-11-14T22:13:20.123456Z"}}')


_SPOT_SNAPSHOT = _spot_book(
    "snapshot",
    bids='{"price":45283.5,"qty":0.10000000},{"price":45283.4,"qty":1.54582015}',
    asks='{"price":45285.2,"qty":0.00100000},{"price":45286.4,"qty":1.54571953}',
    digits="45285210000045286415457195345283510000000452834154582015",
)
_SPOT_UPDATE = _spot_book(
    "update",
    bids='{"price":45283.5,"qty":0.00000000}',
    asks='{"price":45285.9,"qty":2.5e-1}',
    digits="45285210000045285925000000452864154571953452834154582015",
)
_SPOT_TICKER = (
    '{"symbol":"BTC/USD","bid":45283.5,"bid_qty":0.10000000,"ask":45285.2,"ask_qty":0.00100000,"last":45284.0,'
    '"volume":12.5,"vwap":45000.1,"low":1.0,"high":2.0,"change":-0.1,"change_pct":-0.1,'
    '"timestamp":"2023-11-14T22:13:20.123456Z"}'
)
_TIMES = '"time_in":"2023-11-14T22:13:20.123456Z","time_out":"2023-11-14T22:13:20.123456Z"'
_STATUS = '{"version":"2.0.10","system":"online","api_version":"v2","connection_id":18446744073709551615}'

SPOT = (
    Case("kraken", "trade", _spot_frame("trade", "update", _spot_trade(5)),
         before=(_spot_frame("trade", "update", _spot_trade(4)),)),
    Case("kraken", "trades", _spot_frame("trade", "update", f"{_spot_trade(5)},{_spot_trade(6)}"),
         before=(_spot_frame("trade", "update", _spot_trade(4)),)),
    Case("kraken", "trade snapshot", _spot_frame("trade", "snapshot", f"{_spot_trade(6)},{_spot_trade(5)}"),
         before=(_spot_frame("trade", "update", _spot_trade(4)),)),
    Case("kraken", "ticker", _spot_frame("ticker", "update", _SPOT_TICKER)),
    Case("kraken", "book snapshot", _SPOT_SNAPSHOT),
    Case("kraken", "book", _SPOT_UPDATE, before=(_SPOT_SNAPSHOT,)),
    Case("kraken", "status", _spot_frame("status", "update", _STATUS), control=True),
    Case("kraken", "heartbeat", '{"channel":"heartbeat"}', control=True),
    Case("kraken", "grant", '{"method":"subscribe","result":{"channel":"book","depth":10,"snapshot":true,'
         f'"symbol":"BTC/USD","warnings":["slow"]}},"success":true,"req_id":1,{_TIMES}}}', control=True),
    Case("kraken", "refusal", '{"error":"Currency pair not supported BTC/USD","method":"subscribe","success":false,'
         f'"symbol":"BTC/USD","req_id":1,{_TIMES}}}', control=True),
    Case("kraken", "pong", f'{{"method":"pong","req_id":7,{_TIMES}}}', control=True),
)  # fmt: skip


def _futures_trade(seq: int) -> str:
    return (
        f'{{"feed":"trade","product_id":"PI_XBTUSD","uid":"uid-{seq}","side":"sell","type":"fill","seq":{seq},'
        f'"time":1700000000{seq:03},"qty":5000.0,"price":3489{seq}.5}}'
    )


_FUTURES_SNAPSHOT = (
    '{"feed":"book_snapshot","product_id":"PI_XBTUSD","timestamp":1700000000100,"seq":100,"tickSize":null,'
    '"bids":[{"price":34892.5,"qty":6385.0},{"price":34892.0,"qty":10924}],'
    '"asks":[{"price":34911.5,"qty":20598.0},{"price":34912.0,"qty":2.3e3}]}'
)
_FUTURES_TICKER = (
    '{"time":1700000000123,"product_id":"PI_XBTUSD","funding_rate":2.747066666667e-6,"relative_funding_rate":-1e-9,'
    '"feed":"ticker","bid":34832.5,"ask":34847.5,"bid_size":42864,"ask_size":2300,"volume":262306237,"dtm":0,'
    '"leverage":"50x","index":34803.45,"premium":0.1,"last":34852,"change":2.9956,"suspended":false,'
    '"tag":"perpetual","pair":"XBT:USD","openInterest":107706940,"markPrice":34844.25,"maturityTime":0,'
    '"post_only":false}'
)
FUTURES = (
    Case("futures", "trade", _futures_trade(5), before=(_futures_trade(4),)),
    Case("futures", "trade snapshot", '{"feed":"trade_snapshot","product_id":"PI_XBTUSD","trades":['
         f"{_futures_trade(6)},{_futures_trade(5)}]}}", before=(_futures_trade(4),)),
    Case("futures", "book snapshot", _FUTURES_SNAPSHOT),
    Case("futures", "book", '{"feed":"book","product_id":"PI_XBTUSD","side":"sell","seq":101,"price":34905.5,'
         '"qty":0.25,"timestamp":1700000000200}', before=(_FUTURES_SNAPSHOT,)),
    Case("futures", "ticker", _FUTURES_TICKER, control=True),
    Case("futures", "heartbeat", '{"feed":"heartbeat","time":1700000000123}', control=True),
    Case("futures", "info", '{"event":"info","version":1}', control=True),
    Case("futures", "grant", '{"event":"subscribed","feed":"trade","product_ids":["PI_XBTUSD"]}', control=True),
    Case("futures", "refusal", '{"event":"subscribed_failed","feed":"trade","product_ids":["PI_XBTUSD"]}',
         control=True),
    Case("futures", "alert", '{"event":"alert","message":"Couldn\'t subscribe to invalid product `PI_XBTUSD`"}',
         control=True),
)  # fmt: skip


def _binance_frame(stream: str, data: str) -> str:
    return f'{{"stream":"btcusdt@{stream}","data":{{{data}}}}}'


def _binance_trade(number: int) -> str:
    return _binance_frame(
        "trade",
        f'"e":"trade","E":1700000000{number:03},"s":"BTCUSDT","t":{number},"p":"61837.6{number}000000",'
        f'"q":"0.02000000","T":1700000000{number:03},"m":true,"M":true',
    )


def _binance_depth(first: int, last: int, levels: str) -> str:
    return _binance_frame(
        "depth@100ms", f'"e":"depthUpdate","E":1700000000{last:03},"s":"BTCUSDT","U":{first},"u":{last},{levels}'
    )


_BRIDGE = _binance_depth(99, 101, '"b":[["61836.00000000","3.00000000"]],"a":[]')
BINANCE = (
    Case("binance", "trade", _binance_trade(5), before=(_binance_trade(4),)),
    Case("binance", "quote", _binance_frame("bookTicker", '"u":400900217,"s":"BTCUSDT","b":"61837.62000000",'
         '"B":"31.21000000","a":"61837.63000000","A":"0.00000000"')),
    Case("binance", "depth", _binance_depth(102, 103, '"b":[["61837.62000000","0.00000000"],'
         '["61837.50000000","0.10000000"]],"a":[["61837.63000000","9.99000000"]]'), before=(_BRIDGE,)),
    Case("binance", "grant", '{"result":null,"id":1}', control=True),
    Case("binance", "list", '{"result":["btcusdt@trade"],"id":3}', control=True),
    Case("binance", "refusal", '{"code":2,"msg":"Invalid request: unknown variant","id":1}', control=True),
    Case("binance", "old refusal", '{"error":{"code":3,"msg":"Invalid JSON: expected value"},"id":1}', control=True),
    Case("binance", "shutdown", '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1700000000123}}',
         control=True),
)  # fmt: skip
CASES = (*SPOT, *FUTURES, *BINANCE)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_spoilt_frame_costs_nothing_but_itself(case: Case) -> None:
    """Cut, extended, reordered, each value and key of it replaced, doubled and left out."""
    _withstand_all(case)


def test_a_spoilt_frame_of_a_real_session_costs_no_more(captures: Path) -> None:
    """The first frame of each kind that the venues really sent, and the second of those that come twice."""
    for case in _real_cases(captures):
        _withstand_all(case, step=1 + len(case.text) // 200)


def _real_cases(captures: Path) -> Iterator[Case]:
    lines = (captures / "kraken_spot" / "v2_book_btcusd_d10_20230730_wire.jsonl").read_text().splitlines()
    yield Case("kraken", "book snapshot", lines[0])
    yield Case("kraken", "book", lines[1], before=(lines[0],))
    kinds: dict[str, list[str]] = defaultdict(list)
    for _, text in recorded_session(captures):
        message = json.loads(text)
        if message.get("product_id") == "PI_ETHUSD":
            kinds[message["feed"]].append(_shortened(text.replace("PI_ETHUSD", "PI_XBTUSD")))
    for kind in ("trade", "book_snapshot"):
        yield Case("futures", kind, kinds[kind][0])
    oldest = json.loads(kinds["trade_snapshot"][0])["trades"][-1]
    older = {**oldest, "seq": oldest["seq"] - 1, "uid": "older"}
    yield Case("futures", "trade snapshot", kinds["trade_snapshot"][0], before=(json.dumps(older),))
    yield Case("futures", "book", kinds["book"][0], before=(kinds["book_snapshot"][0],))
    streams: dict[str, str] = {}
    for _, text in recorded(captures, "spot_btcusdt_20240808.txt.gz", 50):
        streams.setdefault(text[text.find("@") : text.find("@") + 3], text)
    yield Case("binance", "trade", streams["@tr"])
    yield Case("binance", "quote", streams["@bo"])
    first_id = json.loads(streams["@de"])["data"]["U"]
    empty = f'{{"lastUpdateId":{first_id - 1},"bids":[],"asks":[]}}'
    yield Case("binance", "depth", streams["@de"], rest_book=empty)


def _shortened(text: str) -> str:
    """A frame with a few of its hundreds of trades or levels: all are alike."""
    document = json.loads(text, parse_float=Token, parse_int=Token)
    return written({key: value[:5] if isinstance(value, list) else value for key, value in document.items()})


def _withstand_all(case: Case, *, step: int = 1) -> None:
    before, expected = case.played() if not case.control else ({}, {})
    assert case.control or any(expected.values()), f"{case} proves nothing"
    for attack in attacks(case.text, step=step):
        _withstand(case, attack, before, expected)


def _withstand(case: Case, attack: Attack, before: Pushed, expected: Pushed) -> None:
    stage = case.opened()
    stage.sink.drained()
    count, *_ = stage.said()
    with contextlib.suppress(*([ConsoleError] if case.control else [])):
        stage.play(attack.text)
    found = stage.sink.drained()
    counted, problem, reason = stage.said()
    assert (problem + reason).isprintable(), attack
    if case.control:
        assert not found.get(Schema.TRADES), attack
        assert not found.get(Schema.QUOTES), attack
        return
    if attack.harmless:
        assert found == expected, attack
    less = False
    for schema, records in expected.items():
        less |= _told_less(schema, found.get(schema, b""), records, before.get(schema, b""), attack)
    assert counted > count or problem or reason or not less, f"a loss that is not counted: {attack}"
    _recovered(stage, case, found, expected, attack)


def _told_less(schema: Schema, found: bytes, expected: bytes, before: bytes, attack: Attack) -> bool:
    """Whether something is missing in `found`; all that is there is in `expected`, but for what was spoilt in it."""
    if schema is Schema.BOOK:
        levels = set(_levels(expected + before))
        assert levels.issuperset(_levels(found)), attack
    else:
        told = [_essence(record) for record in _array(schema, expected)]
        rows = [each for each in _array(schema, found) if not each["flags"] & F_MAYBE_BAD_BOOK]
        for record in rows:
            assert _essence(record) in told, attack
            original = _array(schema, expected)[told.index(_essence(record))]
            assert record["side"] in {original["side"], NO_SIDE}, attack
            assert record["ts_event"] in {original["ts_event"], RECEIVED_NS}, attack
    return len(found) < len(expected) or (schema is Schema.BOOK and _levels(found) != _levels(expected))


def _recovered(stage: Stage, case: Case, found: Pushed, expected: Pushed, attack: Attack) -> None:
    stage.reopen()
    stage.play(*case.before, case.text)
    again = stage.sink.drained()
    trades = _array(Schema.TRADES, found.get(Schema.TRADES, b"") + again.get(Schema.TRADES, b""))
    wanted = _array(Schema.TRADES, expected.get(Schema.TRADES, b""))
    assert sorted(map(_essence, trades)) == sorted(map(_essence, wanted)), attack
    for schema in (Schema.QUOTES, Schema.BOOK):
        size = schema.dtype.itemsize
        if expected.get(schema):
            assert again[schema][-size:] == expected[schema][-size:], attack


def _array(schema: Schema, records: bytes) -> Any:
    return np.frombuffer(records, schema.dtype)


def _essence(record: Any) -> tuple[int, ...]:
    """What of a record no attack may change: all but times, side and flags."""
    names = [name for name in record.dtype.names if name not in {"ts_event", "side", "flags"}]
    return tuple(
        int(record[name].view(np.uint8) if record[name].dtype.kind == "S" else record[name]) for name in names
    )


def _levels(records: bytes) -> list[tuple[int, ...]]:
    rows = []
    for book in np.frombuffer(records, MBP10_LEVELS)["levels"]:
        for level in book.tolist():
            bid_px, ask_px, bid_sz, ask_sz, bid_ct, ask_ct = level
            rows += [(0, bid_px, bid_sz, bid_ct), (1, ask_px, ask_sz, ask_ct)]
    return [row for row in rows if row[1] != UNDEF_PRICE]
