"""Kraken spot's feed: what is asked for, what is published, what is counted, what is refused."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from core.clock import NS_PER_S
from core.errors import NotFoundError, PermanentError
from core.model.records import BUY, F_LAST, F_SNAPSHOT, F_TOB, Schema
from providers.base import BookState
from tests.unit.providers.kraken.support import (
    NOW_NS,
    Rig,
    instrument,
    refusal,
    ticker,
    trade_item,
    trades,
)

ETH = instrument("ETH/USD", price_decimals=2)


def test_each_channel_is_asked_for_once_for_all_symbols() -> None:
    """One request a channel: trades with their snapshot, quotes on every change, books ten deep."""
    rig = Rig(instrument(), ETH)
    symbols = ["BTC/USD", "ETH/USD"]
    requests = [json.loads(text) for text in rig.sent]
    assert [(each["method"], each["params"]) for each in requests] == [
        ("subscribe", {"channel": "trade", "symbol": symbols, "snapshot": True}),
        ("subscribe", {"channel": "ticker", "symbol": symbols, "event_trigger": "bbo", "snapshot": True}),
        ("subscribe", {"channel": "book", "symbol": symbols, "depth": 10, "snapshot": True}),
    ]
    assert len({each["req_id"] for each in requests}) == 3


def test_the_probe_is_a_ping() -> None:
    """The venue answers a ping, and the answer is not data."""
    rig = Rig()
    assert json.loads(rig.feed.probe()) == {"method": "ping"}
    rig.handle({"method": "pong", "time_in": "x", "time_out": "y"})
    assert rig.connection.malformed == 0


def test_a_trade_is_published() -> None:
    """A trade carries the venue's time, ours, its id and the taker's side."""
    rig = Rig()
    rig.handle(trades(trade_item(5 + 2**32)), at_ns=NOW_NS + 5_000)
    [record] = rig.sink.records(Schema.TRADES)
    assert (record["ts_event"], record["ts_recv"]) == (NOW_NS, NOW_NS + 5_000)
    assert (record["price"], record["size"], record["side"]) == (29_430_200_000_000, 50_000_000, BUY)
    assert (record["flags"], record["sequence"], record["instrument_id"]) == (F_LAST, 5, 1)
    assert rig.sink.channels["BTC/USD", Schema.TRADES].pushes[0][1] == 5 + 2**32
    assert (rig.counters.trades, rig.counters.last_event_ns, rig.counters.last_recv_ns) == (1, NOW_NS, NOW_NS + 5_000)
    assert rig.connection.venue_delay.summary().max_ns == 5_000


def test_a_batch_is_one_push() -> None:
    """Trades of one frame are pushed together under the id of the last."""
    rig = Rig()
    rig.handle(trades(trade_item(5), trade_item(6), trade_item(7)))
    [(records, newest_id)] = rig.sink.channels["BTC/USD", Schema.TRADES].pushes
    assert (len(records), newest_id) == (3 * 48, 7)


def test_trades_go_to_their_own_symbols() -> None:
    """A frame may mix symbols."""
    rig = Rig(instrument(), ETH)
    rig.handle(trades(trade_item(5), trade_item(9, symbol="ETH/USD"), trade_item(6)))
    assert rig.sink.records(Schema.TRADES)["sequence"].tolist() == [5, 6]
    assert rig.sink.records(Schema.TRADES, "ETH/USD")["sequence"].tolist() == [9]


def test_a_reconnect_brings_back_what_was_missed() -> None:
    """The snapshot's trades that are known count as duplicates, those that are not are published and marked."""
    rig = Rig()
    rig.handle(trades(*(trade_item(n) for n in range(1, 11)), kind="snapshot"), trades(trade_item(11)))
    rig.feed.closed()
    rig.feed.opened()
    rig.handle(trades(*(trade_item(n) for n in range(14, 4, -1)), kind="snapshot"), trades(trade_item(15)))
    records = rig.sink.records(Schema.TRADES)
    assert records["sequence"].tolist() == list(range(1, 16))
    marked = F_LAST | F_SNAPSHOT
    assert records["flags"].tolist() == [marked] * 10 + [F_LAST] + [marked] * 3 + [F_LAST]
    assert (rig.counters.trades, rig.counters.duplicates, rig.counters.gaps) == (15, 7, 0)


def test_missing_and_late_trades_are_counted() -> None:
    """A hole in the ids is a gap until its trades come late."""
    rig = Rig()
    rig.handle(trades(trade_item(5)), trades(trade_item(8)))
    assert rig.counters.gaps == 1
    rig.handle(trades(trade_item(6), trade_item(7), trade_item(7)))
    assert (rig.counters.gaps, rig.counters.out_of_order, rig.counters.duplicates) == (0, 2, 1)
    assert rig.sink.records(Schema.TRADES)["sequence"].tolist() == [5, 8, 6, 7]


def test_a_trade_that_does_not_fit_is_dropped_alone() -> None:
    """The rest of its frame is published, the operator reads why one is missing, and it may still come right."""
    rig = Rig()
    rig.handle(trades(trade_item(5), trade_item(6, price=1e-10), trade_item(7)))
    assert rig.sink.records(Schema.TRADES)["sequence"].tolist() == [5, 7]
    assert (rig.counters.rejected, rig.counters.gaps) == (1, 1)
    assert "finer than 1e-9" in rig.counters.problem
    rig.handle(trades(trade_item(6)))
    assert rig.sink.records(Schema.TRADES)["sequence"].tolist() == [5, 7, 6]
    assert rig.counters.gaps == 0


def test_a_clock_far_off_is_told_and_taken_back() -> None:
    """Records minutes away from our clock are kept, counted and explained, until they are near again."""
    rig = Rig()
    rig.handle(trades(trade_item(5)), at_ns=NOW_NS - 600 * NS_PER_S)
    assert rig.counters.problem == "the venue's clock is 600 s ahead of this machine"
    rig.handle(ticker(timestamp="2023-07-30T15:30:00.000000Z"), at_ns=NOW_NS + 301 * NS_PER_S)
    assert rig.counters.problem == "the venue's clock is 301 s behind this machine"
    assert (rig.counters.skewed, rig.counters.trades, rig.counters.quotes) == (2, 1, 1)
    rig.handle(trades(trade_item(6)))
    assert (rig.counters.skewed, rig.counters.problem) == (2, "")


def test_old_trades_of_a_snapshot_are_no_wrong_clock() -> None:
    """What a snapshot repeats may be hours old."""
    rig = Rig()
    rig.handle(trades(trade_item(5), kind="snapshot"), at_ns=NOW_NS + 7200 * NS_PER_S)
    assert (rig.counters.skewed, rig.connection.venue_delay.summary().count) == (0, 0)


def test_a_ticker_is_a_quote() -> None:
    """Best bid and ask with their quantities; without a time of the venue the quote has ours."""
    rig = Rig()
    rig.handle(ticker(kind="snapshot"), ticker(ask_qty=3, timestamp="1970-01-01T00:00:00Z"), at_ns=77)
    first, second = rig.sink.records(Schema.QUOTES)
    assert (first["bid_px_00"], first["ask_px_00"]) == (29_430_200_000_000, 29_430_300_000_000)
    assert (first["bid_sz_00"], first["ask_sz_00"]) == (150_000_000, 250_000_000)
    assert (first["ts_event"], second["ts_event"], first["sequence"]) == (77, 77, 0)
    assert (first["flags"], second["flags"]) == (F_LAST | F_TOB | F_SNAPSHOT, F_LAST | F_TOB)
    assert [newest for _, newest in rig.sink.channels["BTC/USD", Schema.QUOTES].pushes] == [0, 0]


def test_a_quote_that_says_nothing_new_is_not_published() -> None:
    """Tickers also come when only trades changed; after a reconnect the same quote is news again."""
    rig = Rig()
    rig.handle(ticker(), ticker(last=1.0), ticker(bid=0, bid_qty=0), ticker(volume=2.0))
    assert rig.counters.quotes == 1
    rig.feed.closed()
    rig.feed.opened()
    rig.handle(ticker(kind="snapshot"))
    assert rig.counters.quotes == 2


@pytest.mark.parametrize("bad", [{"bid": 1e-10}, {"ask": -1}, {"bid_qty": 1e-9}, {"ask_qty": None}])
def test_a_quote_that_does_not_fit_is_dropped(bad: dict[str, Any]) -> None:
    """It is counted, and the next one is published."""
    rig = Rig()
    rig.handle(ticker(**bad), ticker())
    assert (rig.counters.rejected, rig.counters.quotes) == (1, 1)


def test_what_is_no_frame_is_counted_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    """Garbage is counted and logged without its control characters, and not once a frame for ever."""
    rig = Rig()
    with caplog.at_level(logging.WARNING, "ringside.kraken"):
        rig.handle(*["\x1b[2J not json"] * 100, trades(trade_item(5)))
    assert (rig.connection.malformed, rig.counters.trades) == (100, 1)
    assert len(caplog.records) == 7
    assert "\x1b" not in caplog.text


def test_refusals_and_notices_are_not_a_line_a_frame(caplog: pytest.LogCaptureFixture) -> None:
    """Of each kind the first, second, fourth ... is logged; a symbol's own refusal is a kind of its own."""
    rig = Rig(instrument(), ETH)
    status = {"channel": "status", "type": "update", "data": [{"system": "maintenance"}]}
    with caplog.at_level(logging.INFO, "ringside.kraken"):
        rig.handle(*[refusal("SOL/USD", "Nope")] * 100)
        rig.handle(refusal("BTC/USD", "Nope", req_id=1))
        assert len(caplog.records) == 8
        rig.handle(*[status] * 100, *[refusal("BTC/USD", "Already subscribed")] * 100)
    assert len(caplog.records) == 8 + 7 + 7


def test_a_symbol_nobody_asked_for_is_malformed() -> None:
    """Data of other symbols goes nowhere."""
    rig = Rig()
    rig.handle(trades(trade_item(5, symbol="SOL/USD")), ticker(symbol="SOL/USD"))
    assert rig.connection.malformed == 2
    assert rig.counters.trades == 0


def test_status_tells_why_a_market_is_still() -> None:
    """Maintenance is the connection's reason until the venue is online again; heartbeats change nothing."""
    rig = Rig()
    status: dict[str, Any] = {"channel": "status", "type": "update"}
    rig.handle({**status, "data": [{"system": "maintenance", "connection_id": 13834774380200032777}]})
    rig.handle({"channel": "heartbeat"})
    assert rig.connection.reason == "the venue says: maintenance"
    rig.handle({**status, "data": [{"system": "online", "upcoming_maintenance": []}]})
    assert rig.connection.reason == ""
    rig.connection.reason = "something else"
    rig.handle({**status, "data": [{"system": "online"}]})
    assert rig.connection.reason == "something else"


def test_a_refused_symbol_says_so_and_the_others_go_on() -> None:
    """The refusal is that symbol's problem alone."""
    rig = Rig(instrument("XBT/USD"), instrument())
    text = "Currency pair not supported XBT/USD"
    rig.handle(*(refusal("XBT/USD", text, req_id=n) for n in (1, 2, 3)), trades(trade_item(5)))
    refused, granted = rig.feed.counters
    assert (refused.problem, refused.book_state) == (text, BookState.NONE)
    assert (granted.problem, granted.book_state, granted.trades) == ("", BookState.SYNCING, 1)
    assert rig.requests() == []
    rig.feed.closed()
    assert refused.book_state is BookState.NONE


def test_all_symbols_refused_ends_the_stream() -> None:
    """Unknown pairs are not found; anything else that is final is permanent."""
    rig = Rig(instrument("XBT/USD"), instrument("XDG/USD"))
    rig.handle(refusal("XBT/USD"))
    with pytest.raises(NotFoundError, match=r"KRAKEN refuses every symbol: XBT/USD, XDG/USD"):
        rig.handle(refusal("XDG/USD"))
    with pytest.raises(PermanentError, match="unavailable on this endpoint"):
        Rig().handle(refusal("BTC/USD", "Private data and trading are unavailable on this endpoint."))


def test_one_channel_refused_for_all_leaves_the_others() -> None:
    """A refusal names its request, and a request one channel."""
    rig = Rig()
    rig.handle(refusal("BTC/USD", "Subscription depth not supported", req_id=3), trades(trade_item(5)), ticker())
    assert (rig.counters.trades, rig.counters.quotes, rig.counters.book_state) == (1, 1, BookState.NONE)
    assert rig.counters.problem == "Subscription depth not supported"


def test_a_grant_takes_the_refusal_back() -> None:
    """After a reconnect the venue may think better of it."""
    rig = Rig()
    rig.handle(refusal("BTC/USD", "Nope", req_id=1))
    rig.feed.closed()
    rig.feed.opened()
    assert rig.counters.problem == "Nope"
    granted = {"channel": "trade", "symbol": "BTC/USD", "warnings": ["old\x1bname"]}
    rig.handle({"method": "subscribe", "success": True, "result": granted, "req_id": 1})
    assert rig.counters.problem == ""


def test_a_refusal_for_now_is_asked_again() -> None:
    """Over the message rate or in trouble: the same request is sent later, driven by the heartbeats."""
    rig = Rig()
    rig.handle(refusal("BTC/USD", "Exceeded msg rate", req_id=1), refusal("BTC/USD", "EService:Busy", req_id=3))
    rig.handle({"channel": "heartbeat"}, at_ns=NOW_NS + 4 * NS_PER_S)
    assert rig.requests() == []
    rig.handle({"channel": "heartbeat"}, at_ns=NOW_NS + 6 * NS_PER_S)
    assert rig.requests() == [("unsubscribe", "book", ["BTC/USD"]), ("subscribe", "book", ["BTC/USD"])]
    rig.handle({"channel": "heartbeat"}, at_ns=NOW_NS + 11 * NS_PER_S)
    assert rig.requests() == [("subscribe", "trade", ["BTC/USD"])]
    assert rig.counters.problem == ""


def test_harmless_refusals_change_nothing() -> None:
    """Being subscribed already, or refused an unsubscription, is not a problem."""
    rig = Rig()
    rig.handle(refusal("BTC/USD", "Already subscribed"), {**refusal("BTC/USD", "Nope"), "method": "unsubscribe"})
    assert (rig.counters.problem, rig.requests()) == ("", [])


def test_a_refusal_of_a_whole_request_is_the_connections_reason() -> None:
    """Without a symbol it is the connection's matter, and its channel's symbols are asked for again."""
    rig = Rig(instrument(), ETH)
    frame = refusal("", "Exceeded msg rate\n", req_id=2)
    del frame["symbol"]
    rig.handle(frame)
    assert rig.connection.reason == "Exceeded msg rate\\n"
    rig.handle({"channel": "heartbeat"}, at_ns=NOW_NS + 11 * NS_PER_S)
    assert rig.requests() == [("subscribe", "ticker", ["BTC/USD"]), ("subscribe", "ticker", ["ETH/USD"])]
    granted = {"channel": "ticker", "symbol": "BTC/USD"}
    rig.handle({"method": "subscribe", "success": True, "result": granted})
    assert rig.connection.reason == ""
