"""Kraken spot's frames as records: digits, times, sides, and everything that is no frame."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from core.model.fixedpoint import PRICE_SCALE, FixedPointError, parse_price, parse_quantity, quantities_e8
from core.model.records import BUY, NO_SIDE, SELL, TRADE
from providers.kraken.spot.normalise import BookChecksum, apply_levels, event_time_ns, quote_of, read_trades
from providers.kraken.spot.wire import (
    BookFrame,
    BookItem,
    HeartbeatFrame,
    Reply,
    StatusFrame,
    TickerFrame,
    TradeFrame,
    decode_frame,
)
from providers.venue.book import Book
from providers.venue.frame_decoder import FrameError
from providers.venue.packing import pack_trades
from tests.unit.providers.kraken.support import NOW, NOW_NS, instrument, ticker, trade_item, trades


def _record(text: str) -> np.void:
    frame = decode_frame(text)
    assert isinstance(frame, TradeFrame)
    packed = pack_trades(instrument(), read_trades(frame.data, [2]), [2])
    record: np.void = np.frombuffer(packed, TRADE)[0]
    return record


def _trade_text(price: str, quantity: str, side: str = "buy") -> str:
    text = json.dumps(trades(trade_item(5, price="P", qty="Q", side=side)))
    return text.replace('"P"', price).replace('"Q"', quantity)


@pytest.mark.parametrize(
    ("price", "quantity", "price_e9", "quantity_e8"),
    [
        ("29430.2", "0.00100000", 29_430_200_000_000, 100_000),
        ("5.32E-6", "74198.19125726", 5_320, 7_419_819_125_726),
        ("1e5", "1E-8", 100_000_000_000_000, 1),
    ],
)
def test_numbers_keep_the_wire_digits(price: str, quantity: str, price_e9: int, quantity_e8: int) -> None:
    """Prices and quantities become integers from their text, exponents included."""
    record = _record(_trade_text(price, quantity))
    assert record["price"] == price_e9
    assert quantities_e8(np.array([record], TRADE)).tolist() == [quantity_e8]


@pytest.mark.parametrize(
    ("price", "quantity"),
    [
        ("0.0000000001", "1"), ("1", "0.000000001"), ("1e30", "1"), ("1", "1e30"), ("0", "1"), ("-1", "1"),
        ("1", "0"), ("1", "-1"), ("null", "1"), ('"abc"', "1"), ('"\u00e9"', "1"), ("[1]", "1"),
        ("9" * 5000, "1"), ("1", "0." + "0" * 5000 + "1"),
    ],
)  # fmt: skip
def test_numbers_that_do_not_fit_are_refused(price: str, quantity: str) -> None:
    """Too fine, too large, not positive or not a number at all: never rounded, never wrapped."""
    with pytest.raises(FixedPointError):
        _record(_trade_text(price, quantity))


@pytest.mark.parametrize(("side", "expected"), [("buy", BUY), ("sell", SELL), ("rebate", NO_SIDE)])
def test_side_is_the_takers(side: str, expected: bytes) -> None:
    """The venue names the taker; a word it does not have becomes no side."""
    assert _record(_trade_text("1.5", "1", side))["side"] == expected


@pytest.mark.parametrize(
    "timestamp", [None, "", "1970-01-01T00:00:00.000000Z", "0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "soon"]
)
def test_no_time_is_the_time_of_receipt(timestamp: str | None) -> None:
    """Absent, zero, impossible and unreadable instants are no time."""
    assert event_time_ns(timestamp, 77) == 77


def test_time_is_exact() -> None:
    """Microseconds arrive as nanoseconds without rounding."""
    assert event_time_ns("2023-07-30T15:29:58.343415Z", 77) == 1_690_730_998_343_415_000
    assert event_time_ns(NOW, 77) == NOW_NS


@pytest.mark.parametrize(("bid", "ask"), [(0, 0), (0, 1.5), (1.5, 0), (0.0, 0.0)])
def test_a_price_of_zero_is_no_quote(bid: float, ask: float) -> None:
    """Empty and halted symbols send zeros."""
    frame = decode_frame(json.dumps(ticker(bid=bid, ask=ask)))
    assert isinstance(frame, TickerFrame)
    assert quote_of(frame.data[0]) is None


def test_the_published_checksum_vector() -> None:
    """Kraken's own example of its checksum comes out."""
    asks = "45285.2 0.00100000 45286.4 1.54571953 45286.6 1.54571109 45289.6 1.54560911 45290.2 0.15890660"
    asks += " 45291.8 1.54553491 45294.7 0.04454749 45296.1 0.35380000 45297.5 0.09945542 45299.5 0.18772827"
    bids = "45283.5 0.10000000 45283.4 1.54582015 45282.1 0.10000000 45281.0 0.10000000 45280.3 1.54592586"
    bids += " 45279.0 0.07990000 45277.6 0.03310103 45277.5 0.30000000 45277.3 1.54602737 45276.6 0.15445238"
    book = Book()
    for side, text in ((book.asks, asks), (book.bids, bids)):
        numbers = text.split()
        for price, quantity in zip(numbers[::2], numbers[1::2], strict=True):
            side.apply(parse_price(price), parse_quantity(quantity))
    checksum = BookChecksum(price_decimals=1, quantity_decimals=8)
    assert checksum.of(book) == 3310070434


def test_a_remembered_checksum_is_that_of_the_book_as_it_stands() -> None:
    """Whatever happens to either side, the digits remembered of it are those it has now."""
    book, checksum = Book(), BookChecksum(price_decimals=1, quantity_decimals=8)
    steps: list[Callable[[], None]] = [
        *(partial(book.apply, BUY, price * PRICE_SCALE, price) for price in range(1, 13)),
        *(partial(book.apply, SELL, price * PRICE_SCALE, price) for price in range(20, 32)),
        partial(book.apply, BUY, 12 * PRICE_SCALE, 99),
        partial(book.apply, SELL, 20 * PRICE_SCALE, 0),
        partial(book.truncate, 10),
        partial(book.truncate, 4),
        partial(book.apply, BUY, PRICE_SCALE, 7),
        book.asks.clear,
        book.clear,
    ]
    for step in steps:
        step()
        assert checksum.of(book) == BookChecksum(price_decimals=1, quantity_decimals=8).of(book)


def _v1_messages(path: Path) -> Iterator[tuple[str, dict[str, Any], list[Any]]]:
    for line in path.read_text().splitlines():
        _, _, text = line.partition(": ")
        if text.startswith("["):
            message = json.loads(text)
            merged = {key: value for part in message[1:-2] for key, value in part.items()}
            yield message[-1], merged, message


def test_checksums_of_the_old_protocol_at_depth_1000(captures: Path) -> None:
    """Every checksum of a real capture agrees, at every price precision in it."""
    books: dict[str, Book] = {}
    decimals: dict[str, tuple[int, int]] = {}
    agreed = 0
    for pair, message, _ in _v1_messages(captures / "kraken_spot" / "v1_book1000_20210417.txt"):
        if "as" in message:
            books[pair] = Book()
            price, quantity, *_ = message["as"][0]
            decimals[pair] = len(price.partition(".")[2]), len(quantity.partition(".")[2])
        book = books[pair]
        for side, keys in ((book.asks, ("as", "a")), (book.bids, ("bs", "b"))):
            for key in keys:
                for price, quantity, *_ in message.get(key, ()):
                    side.apply(parse_price(price), parse_quantity(quantity))
        book.truncate(1000)
        if "c" in message:
            places = decimals[pair]
            checksum = BookChecksum(price_decimals=places[0], quantity_decimals=places[1])
            assert checksum.of(book) == int(message["c"]), pair
            agreed += 1
    assert agreed == 2460
    assert len({places for places, _ in decimals.values()}) >= 3


def test_a_book_is_cut_to_its_depth() -> None:
    """The venue never deletes what falls out of the depth: the book does."""
    book = Book()
    levels = [{"price": 100 - n, "qty": 1} for n in range(12)]
    apply_levels(book, _book_item({"bids": levels}), depth=10)
    assert len(book.bids) == 10
    assert book.bids.best_price_e9() == 100 * 10**9


@pytest.mark.parametrize("level", [{"price": 0, "qty": 1}, {"price": -1, "qty": 1}, {"price": 1, "qty": -1}])
def test_a_book_refuses_impossible_levels(level: dict[str, int]) -> None:
    """Prices below or at zero and negative quantities stand in no book."""
    with pytest.raises(FixedPointError):
        apply_levels(Book(), _book_item({"asks": [level]}), depth=10)


def _book_item(fields: dict[str, Any]) -> BookItem:
    return msgspec.json.decode(json.dumps({"symbol": "BTC/USD", "checksum": 1, **fields}), type=BookItem)


_FRAMES: list[tuple[dict[str, Any], type]] = [
    (trades(trade_item(5)), TradeFrame),
    (ticker(timestamp=NOW), TickerFrame),
    (
        {"channel": "book", "type": "update", "data": [{"symbol": "BTC/USD", "bids": [], "asks": [], "checksum": 1}]},
        BookFrame,
    ),
    (
        {"channel": "status", "type": "update", "data": [{"system": "online", "connection_id": 2**64 - 1}]},
        StatusFrame,
    ),
    ({"channel": "heartbeat"}, HeartbeatFrame),
    ({"method": "pong", "req_id": 3, "time_in": NOW, "time_out": NOW}, Reply),
    (
        {"method": "subscribe", "success": True, "req_id": 1, "result": {"channel": "book", "symbol": "BTC/USD"}},
        Reply,
    ),
]


@pytest.mark.parametrize(("frame", "kind"), _FRAMES)
def test_unknown_fields_are_skipped(frame: dict[str, Any], kind: type) -> None:
    """What the venue adds one day changes nothing, wherever it stands in the frame."""
    extra = {"new_field": {"deep": [1, "x", None]}}
    assert type(decode_frame(json.dumps({**extra, **frame}))) is kind
    widened = {**frame, **extra}
    if "data" in frame:
        widened["data"] = [{**extra, **item} for item in frame["data"]]
    assert type(decode_frame(json.dumps(widened))) is kind


@pytest.mark.parametrize(("frame", "kind"), _FRAMES)
def test_a_frame_cut_anywhere_is_refused(frame: dict[str, Any], kind: type) -> None:
    """Every proper prefix of a frame is a FrameError and nothing else."""
    text = json.dumps(frame)
    assert type(decode_frame(text)) is kind
    for length in range(len(text)):
        with pytest.raises(FrameError):
            decode_frame(text[:length])


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "[1,2]", '"trade"', "{}", '{"channel":"ohlc"}', '{"channel":3}', '{"channel":"trade"}',
        '{"channel":"trade","type":"update","data":{}}', '{"channel":"trade","type":"update","data":[{}]}',
        '{"method":7}', "\ud800", '{"channel":"trade","x":' + "[" * 100_000, '{"method":"x","y":' + "[" * 100_000,
        json.dumps(trades(trade_item(-1))), json.dumps(trades(trade_item(2**63))),
    ],
)  # fmt: skip
def test_other_texts_are_refused(text: str) -> None:
    """Anything else is a FrameError: no other exception leaves the decoder."""
    with pytest.raises(FrameError):
        decode_frame(text)
