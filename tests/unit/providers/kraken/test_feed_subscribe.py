"""Kraken spot's feed while symbols come and go: what is asked for, what is kept, what is not disturbed."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from core.clock import NS_PER_S
from core.errors import PermanentError
from core.model.records import F_LAST, F_MAYBE_BAD_BOOK, Schema
from providers.base import BookState, Channel
from tests.unit.providers.kraken.support import NOW_NS, Rig, instrument, refusal, ticker, trade_item, trades

ETH = instrument("ETH/USD", price_decimals=2)
ALL = ["trade", "ticker", "book"]
# The digits of the ask, 2.0 of 1.00000000, and then of the bid, 1.0 of 1.00000000.
CHECKSUM = zlib.crc32(b"20100000000" + b"10100000000")
LEVELS = {"bids": [{"price": 1.0, "qty": 1.0}], "asks": [{"price": 2.0, "qty": 1.0}], "checksum": CHECKSUM}


def book(kind: str = "snapshot", **fields: Any) -> dict[str, Any]:
    """A frame of BTC/USD's book with one level a side."""
    return {"channel": "book", "type": kind, "data": [{"symbol": "BTC/USD", **LEVELS, **fields}]}


def grant(channel: str, symbol: str = "BTC/USD") -> dict[str, Any]:
    """The venue's consent."""
    return {"method": "subscribe", "success": True, "result": {"channel": channel, "symbol": symbol}}


def asked(sent: list[str]) -> list[tuple[str, list[str]]]:
    """Channels and symbols of subscriptions."""
    return [(each["params"]["channel"], each["params"]["symbol"]) for each in map(json.loads, sent)]


def test_a_symbol_is_added_alone() -> None:
    """Only the new symbol is asked for; the other keeps its live book, and a reconnect asks for both."""
    rig = Rig()
    rig.handle(book())
    counters = rig.feed.subscribe(ETH)
    assert rig.requests() == [("subscribe", channel, ["ETH/USD"]) for channel in ALL]
    assert rig.feed.counters == rig.feed.active == [rig.counters, counters]
    assert [each.book_state for each in rig.feed.counters] == [BookState.LIVE, BookState.SYNCING]
    rig.handle(trades(trade_item(9, symbol="ETH/USD")))
    assert counters.trades == 1
    rig.feed.closed()
    assert asked(rig.feed.opened()) == [(channel, ["BTC/USD", "ETH/USD"]) for channel in ALL]


def test_what_is_streamed_is_not_asked_for_twice() -> None:
    """Subscribing again returns the same counters and sends nothing."""
    rig = Rig()
    assert rig.feed.subscribe(instrument()) is rig.counters
    assert rig.requests() == []


def test_a_removed_symbol_leaves_nothing_behind() -> None:
    """Its book is taken back once, its late frames are neither published nor malformed, no reconnect asks for it."""
    rig = Rig(instrument(), ETH)
    rig.handle(book(), trades(trade_item(5)))
    rig.feed.unsubscribe("BTCUSD")
    assert rig.requests() == [("unsubscribe", channel, ["BTC/USD"]) for channel in ALL]
    assert rig.sink.books()["flags"].tolist()[1:] == [F_LAST | F_MAYBE_BAD_BOOK]
    late = [trades(trade_item(6)), ticker(), book("update"), grant("book"), refusal("BTC/USD", "Nope", req_id=3)]
    rig.handle(*late)
    assert (len(rig.sink.books()), len(rig.sink.records(Schema.TRADES)), rig.connection.malformed) == (2, 1, 0)
    assert (rig.counters.trades, rig.counters.book_state, rig.counters.problem) == (1, BookState.NONE, "")
    assert (len(rig.feed.counters), len(rig.feed.active)) == (2, 1)
    rig.feed.closed()
    assert asked(rig.feed.opened()) == [(channel, ["ETH/USD"]) for channel in ALL]
    assert rig.counters.book_state is BookState.NONE


def test_removing_what_is_not_streamed_changes_nothing() -> None:
    """A name nobody knows, and one that is gone already, send nothing."""
    rig = Rig()
    rig.feed.unsubscribe("ETHUSD")
    assert rig.requests() == []
    rig.feed.unsubscribe("BTCUSD")
    rig.requests()
    rig.feed.unsubscribe("BTCUSD")
    assert rig.requests() == []


def test_a_symbol_that_returns_goes_on_counting() -> None:
    """What was missed meanwhile is no gap, what was published comes no second time, later losses are gaps."""
    rig = Rig()
    rig.handle(trades(trade_item(5), trade_item(8)))
    rig.feed.unsubscribe("BTCUSD")
    assert rig.feed.subscribe(instrument()) is rig.counters
    rig.handle(trades(trade_item(9)), grant("trade"))
    rig.handle(trades(trade_item(7), trade_item(9), kind="snapshot"), trades(trade_item(20)))
    counters = rig.counters
    assert rig.sink.records(Schema.TRADES)["sequence"].tolist() == [5, 8, 9, 20]
    assert (counters.trades, counters.duplicates, counters.gaps) == (4, 2, 1)
    rig.handle(trades(trade_item(22)))
    assert counters.gaps == 2


def test_a_symbol_that_returns_gets_a_fresh_book() -> None:
    """Changes sent for the last subscription do not enter the book that waits for its snapshot."""
    rig = Rig()
    rig.handle(book())
    rig.feed.unsubscribe("BTCUSD")
    rig.feed.subscribe(instrument())
    rig.handle(book("update", bids=[{"price": 1.5, "qty": 9}], checksum=1))
    assert (rig.counters.book_state, rig.counters.checksum_bad) == (BookState.SYNCING, 0)
    rig.handle(book())
    assert rig.counters.book_state is BookState.LIVE
    assert rig.counters.gaps == 0


def test_a_symbol_that_returns_gets_the_channels_that_are_valid_now() -> None:
    """The sink is asked anew: the channels of the first time may be closed since."""
    rig = Rig()
    rig.feed.unsubscribe("BTCUSD")
    old: Channel = rig.sink.channels.pop(("BTC/USD", Schema.TRADES))
    rig.feed.subscribe(instrument())
    rig.handle(trades(trade_item(5)))
    assert rig.sink.channels["BTC/USD", Schema.TRADES] is not old
    assert len(rig.sink.records(Schema.TRADES)) == 1


def test_an_empty_feed_asks_for_nothing_and_waits() -> None:
    """Without symbols a connection sends no request, and the first symbol comes like any other."""
    rig = Rig()
    rig.feed.unsubscribe("BTCUSD")
    rig.requests()
    rig.feed.closed()
    assert rig.feed.opened() == []
    rig.handle({"method": "pong"}, {"channel": "heartbeat"})
    rig.feed.subscribe(ETH)
    assert rig.requests() == [("subscribe", channel, ["ETH/USD"]) for channel in ALL]


def test_a_refused_addition_is_its_own_problem() -> None:
    """Even as the only symbol it ends nothing: another may be asked for."""
    rig = Rig()
    rig.feed.unsubscribe("BTCUSD")
    counters = rig.feed.subscribe(instrument("XBT/USD"))
    rig.handle(refusal("XBT/USD", "Currency pair not supported XBT/USD"))
    assert counters.problem == "Currency pair not supported XBT/USD"
    with pytest.raises(PermanentError):
        Rig().handle(refusal("BTC/USD"))


def test_a_refusal_that_names_nothing_is_found_by_its_number() -> None:
    """Over the message rate only the request that was refused is sent again, not everybody's."""
    rig = Rig()
    rig.handle(book())
    rig.feed.subscribe(ETH)
    number = json.loads(rig.feed.outbox[-1])["req_id"]
    rig.requests()
    frame = refusal("", "Exceeded msg rate", req_id=number)
    del frame["symbol"]
    rig.handle(frame)
    rig.handle({"channel": "heartbeat"}, at_ns=NOW_NS + 11 * NS_PER_S)
    assert rig.requests() == [("unsubscribe", "book", ["ETH/USD"]), ("subscribe", "book", ["ETH/USD"])]
    assert rig.counters.book_state is BookState.LIVE


def test_nothing_is_asked_again_for_a_symbol_that_left() -> None:
    """A broken book that waits for its turn is forgotten with its symbol."""
    rig = Rig()
    rig.handle(book(), book("update", checksum=1), {"channel": "heartbeat"})
    rig.feed.unsubscribe("BTCUSD")
    rig.requests()
    rig.handle({"channel": "heartbeat"}, at_ns=NOW_NS + 60 * NS_PER_S)
    assert rig.requests() == []
