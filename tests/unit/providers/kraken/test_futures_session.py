"""Kraken Futures' real session of 2021: every message, against an independent reading of it."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.model.fixedpoint import quantities_e8
from core.model.records import F_MAYBE_BAD_BOOK, F_SNAPSHOT, UNDEF_PRICE, Schema
from providers.base import BookState
from tests.unit.providers.kraken.futures_support import FuturesRig, recorded_session, session_rig

NAMES = ("FI_BCHUSD_210730", "FI_ETHUSD_211231", "FI_XBTUSD_210730", "FI_XRPUSD_210924", "PI_ETHUSD")
Sides = dict[str, dict[Decimal, Decimal]]


def _exact(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return document


def _apply(books: dict[str, Sides], message: dict[str, Any]) -> Sides:
    """Plain dicts of Decimal, as the venue's documentation says."""
    sides = books[message["product_id"]]
    if message["feed"] == "book_snapshot":
        for name in ("bids", "asks"):
            sides[name] = {level["price"]: level["qty"] for level in message[name]}
        return sides
    side = sides["bids" if message["side"] == "buy" else "asks"]
    side[message["price"]] = message["qty"]
    if not message["qty"]:
        del side[message["price"]]
    return sides


def _ladder(sides: Sides, name: str, count: int) -> list[tuple[int, int]]:
    best = sorted(sides[name], reverse=name == "bids")[:count]
    rows = [(int(price * 10**9), int(sides[name][price] * 10**8)) for price in best]
    return rows + [(UNDEF_PRICE, 0)] * (count - len(rows))


def _levels(record: Any, side: str) -> list[tuple[int, int]]:
    levels = record["levels"]
    sizes = levels[f"{side}_sz"].astype(object) + levels[f"{side}_ct"].astype(object) * 2**32
    return list(zip(levels[f"{side}_px"].tolist(), sizes.tolist(), strict=True))


@pytest.fixture
def played(captures: Path) -> FuturesRig:
    """A feed that took the whole session but for `ticker_lite`, which it does not ask for."""
    rig = session_rig(captures, NAMES)
    for received_ns, text in recorded_session(captures):
        if '"ticker_lite"' not in text:
            rig.handle(text, at_ns=received_ns)
    return rig


def test_every_message_is_understood(played: FuturesRig) -> None:
    """4700 changes without a gap, five books alive, nothing refused, nothing asked for anew."""
    assert played.connection.malformed == 0
    assert sum(counters.book_updates for counters in played.feed.counters) == 4705
    for counters in played.feed.counters:
        assert counters.book_state is BookState.LIVE
        assert counters.problem == ""
        assert (counters.gaps, counters.rejected, counters.duplicates, counters.skewed) == (0, 0, 0, 0)
    assert played.requests() == []


def test_books_and_quotes_are_an_independent_reader_s(played: FuturesRig, captures: Path) -> None:
    """Each record is the book as it stood at its number, and every change of the best ten levels has a record."""
    books: dict[str, Sides] = defaultdict(dict)
    shown: dict[str, list[Any]] = {name: list(played.books(name)) for name in NAMES}
    quotes: dict[str, list[Any]] = {name: list(played.records(Schema.QUOTES, name)) for name in NAMES}
    last: dict[str, Any] = {}
    top: dict[str, Any] = {}
    for received_ns, text in recorded_session(captures):
        message = _exact(text)
        if message.get("feed") not in {"book", "book_snapshot"} or "product_id" not in message:
            continue
        name = message["product_id"]
        sides = _apply(books, message)
        bids, asks = _ladder(sides, "bids", 10), _ladder(sides, "asks", 10)
        assert bids[0][0] < asks[0][0]
        if shown[name] and shown[name][0]["sequence"] == int(message["seq"]):
            record = shown[name].pop(0)
            assert (_levels(record, "bid"), _levels(record, "ask")) == (bids, asks)
            assert (record["ts_event"], record["ts_recv"]) == (int(message["timestamp"]) * 10**6, received_ns)
            assert bool(record["flags"] & F_SNAPSHOT) is (message["feed"] == "book_snapshot")
        else:
            assert last[name] == (bids, asks), "a change of the best ten levels without a record"
        last[name] = bids, asks
        if top.get(name) != (bids[0], asks[0]):
            top[name] = bids[0], asks[0]
            quote = quotes[name].pop(0)
            assert (quote["bid_px_00"], quote["ask_px_00"]) == (bids[0][0], asks[0][0])
            assert quote["sequence"] == int(message["seq"])
    assert not any(shown.values())
    assert not any(quotes.values())


def test_the_top_of_the_book_is_what_ticker_lite_says(captures: Path) -> None:
    """At each of the 61 tickers of the session the newest quote has its bid and its ask."""
    rig = session_rig(captures, NAMES)
    compared = 0
    for received_ns, text in recorded_session(captures):
        message = _exact(text)
        if message.get("feed") != "ticker_lite":
            rig.handle(text, at_ns=received_ns)
        elif "product_id" in message:
            quote = rig.records(Schema.QUOTES, message["product_id"])[-1]
            wanted = int(message["bid"] * 10**9), int(message["ask"] * 10**9)
            assert (quote["bid_px_00"], quote["ask_px_00"]) == wanted
            compared += 1
    assert compared == 61


def test_trades_are_in_the_order_of_their_numbers(played: FuturesRig, captures: Path) -> None:
    """A hundred of each snapshot, oldest first, then the live ones; whole, and the taker's side kept."""
    expected: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for _, text in recorded_session(captures):
        message = _exact(text)
        if message.get("feed") == "trade_snapshot":
            expected[message["product_id"]] += sorted(message["trades"], key=lambda each: each["seq"])
        elif message.get("feed") == "trade" and "seq" in message:
            expected[message["product_id"]].append(message)
    assert sum(map(len, expected.values())) == 502
    for name in NAMES:
        found, wanted = played.records(Schema.TRADES, name), expected[name]
        assert found["sequence"].tolist() == [int(each["seq"]) for each in wanted]
        assert (np.diff(found["sequence"].astype(np.int64)) == 1).all()
        assert found["price"].tolist() == [int(each["price"] * 10**9) for each in wanted]
        assert quantities_e8(found).tolist() == [int(each["qty"] * 10**8) for each in wanted]
        assert found["ts_event"].tolist() == [int(each["time"]) * 10**6 for each in wanted]
        assert found["side"].tolist() == [b"B" if each["side"] == "buy" else b"A" for each in wanted]
        live = found["flags"] & F_SNAPSHOT == 0
        assert live.sum() == len(wanted) - 100


def test_a_repeated_session_publishes_no_trade_twice(played: FuturesRig, captures: Path) -> None:
    """A reconnect replays the last hundred trades: all of them are known."""
    before = [counters.trades for counters in played.feed.counters]
    played.feed.closed()
    played.feed.opened()
    for received_ns, text in recorded_session(captures):
        if '"ticker_lite"' not in text:
            played.handle(text, at_ns=received_ns)
    assert [counters.trades for counters in played.feed.counters] == before
    assert sum(counters.duplicates for counters in played.feed.counters) == sum(before)
    assert {counters.book_state for counters in played.feed.counters} == {BookState.LIVE}
    assert {counters.problem for counters in played.feed.counters} == {""}


def _first_of_each_kind(captures: Path) -> dict[str, str]:
    kinds: dict[str, str] = {}
    for _, text in recorded_session(captures):
        message = json.loads(text)
        kinds.setdefault(message.get("event") or message["feed"], text)
    return kinds


def test_messages_cut_at_every_byte_never_raise(captures: Path) -> None:
    """Each kind of message at each length: a cut one is malformed, counted, and changes nothing."""
    for kind, text in _first_of_each_kind(captures).items():
        rig = session_rig(captures, NAMES)
        shortened = text if len(text) < 2000 else text[:2000]
        for length in range(len(shortened)):
            rig.handle(text[:length])
        assert rig.connection.malformed == len(shortened), kind
        assert not any(channel.pushes for channel in rig.sink.channels.values()), kind


def test_unknown_fields_change_nothing(captures: Path) -> None:
    """The whole session with fields nobody knows, in another order: the same records, byte for byte."""
    plain, strange = session_rig(captures, NAMES), session_rig(captures, NAMES)
    for received_ns, text in recorded_session(captures):
        if '"ticker_lite"' in text:
            continue
        plain.handle(text, at_ns=received_ns)
        message = json.loads(text, parse_float=_Digits, parse_int=_Digits)
        turned = {"new": {"feed": ["x"], "seq": None}} | dict(reversed(message.items())) | {"zzz": 1e300}
        strange.handle(_written(turned), at_ns=received_ns)
    assert strange.connection.malformed == 0
    for key, channel in plain.sink.channels.items():
        assert strange.sink.channels[key].pushes == channel.pushes


class _Digits(str):
    """A number of JSON as its text."""

    __slots__ = ()


def _written(value: Any) -> str:
    if isinstance(value, _Digits):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value)


def test_numbers_as_strings_are_counted_rejections(captures: Path) -> None:
    """With every number in quotes nothing is published, nothing raises, and each frame of data is counted."""
    rig = session_rig(captures, NAMES)
    frames = 0
    for received_ns, text in recorded_session(captures):
        message = json.loads(text, parse_float=str, parse_int=str)
        if "feed" in message and "event" not in message:
            frames += 1
            rig.handle(message, at_ns=received_ns)
    assert rig.connection.malformed == frames
    assert not any(channel.pushes for channel in rig.sink.channels.values())
    prices = session_rig(captures, NAMES)
    counted = 0
    for received_ns, text in recorded_session(captures):
        message = json.loads(text)
        if message.get("feed") in {"trade", "book_snapshot"} and "event" not in message:
            for level in [message] if "price" in message else message["bids"]:
                level["price"] = str(level["price"])
            counted += 1
            prices.handle(message, at_ns=received_ns)
    assert sum(counters.rejected for counters in prices.feed.counters) == counted == 7
    assert prices.connection.malformed == 0
    for (_, schema), channel in prices.sink.channels.items():
        assert not channel.pushes, schema


def test_withheld_books_of_the_session_are_marked(played: FuturesRig) -> None:
    """When the connection is lost each product's book and quote are taken back, once."""
    played.feed.closed()
    played.feed.closed()
    for name in NAMES:
        for records in (played.books(name), played.records(Schema.QUOTES, name)):
            assert records["flags"][-1] & F_MAYBE_BAD_BOOK
            assert records["ts_event"][-1] >= records["ts_event"][:-1].max(), "time went back"
        assert (played.books(name)["flags"] & F_MAYBE_BAD_BOOK != 0).sum() == 1
