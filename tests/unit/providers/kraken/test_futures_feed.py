"""Kraken Futures' feed: trades, tickers, events and everything a hostile venue may send."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from core.clock import NS_PER_S
from core.errors import NotFoundError, PermanentError
from core.model.fixedpoint import quantities_e8
from core.model.records import F_LAST, F_SNAPSHOT, Schema
from providers.kraken.futures.market import KNOWN_UIDS
from providers.kraken.futures.wire import Event, decode_frame
from providers.venue.frame_decoder import FrameError
from tests.unit.providers.kraken.futures_support import (
    NOW_NS,
    PRODUCT,
    FuturesRig,
    alert,
    book_snapshot,
    change,
    products,
    recorded_session,
    trade,
    trade_snapshot,
)

ETH = products()["PI_ETHUSD"]
LINEAR = products()["PF_XBTUSD"]


def _numbers(rig: FuturesRig) -> list[int]:
    found: list[int] = rig.records(Schema.TRADES)["sequence"].tolist()
    return found


def test_the_opening_asks_for_every_feed_once() -> None:
    """One request a feed for all products; the heartbeat also without any."""
    rig = FuturesRig(products()[PRODUCT], ETH)
    assert rig.sent[0] == {"event": "subscribe", "feed": "heartbeat"}
    assert [(each["feed"], each["product_ids"]) for each in rig.sent[1:]] == [
        ("trade", [PRODUCT, "PI_ETHUSD"]), ("book", [PRODUCT, "PI_ETHUSD"]), ("ticker", [PRODUCT, "PI_ETHUSD"]),
    ]  # fmt: skip
    rig.feed.unsubscribe(products()[PRODUCT].symbol)
    rig.feed.unsubscribe(ETH.symbol)
    assert [json.loads(text) for text in rig.feed.opened()] == [rig.sent[0]]


def test_a_trade_is_exact() -> None:
    """Price, quantity, taker's side, the venue's time and number; a linear product counts coins."""
    rig = FuturesRig(LINEAR)
    rig.handle(trade(7, product="PF_XBTUSD", price=34893.5, qty=0.0046, type="liquidation"))
    (record,) = rig.records(Schema.TRADES, "PF_XBTUSD")
    assert (record["price"], record["sequence"], record["side"]) == (34_893_500_000_000, 7, b"A")
    assert (record["ts_event"], record["ts_recv"], record["flags"]) == (NOW_NS, NOW_NS, F_LAST)
    assert quantities_e8(rig.records(Schema.TRADES, "PF_XBTUSD")).tolist() == [460_000]
    assert [newest for _, newest in rig.sink.channels["PF_XBTUSD", Schema.TRADES].pushes] == [7]


def test_a_snapshot_is_turned_round_and_known_trades_are_left_out() -> None:
    """A hundred newest first become a hundred oldest first; after a reconnect only what is newer is published."""
    rig = FuturesRig()
    rig.handle(trade_snapshot(100), trade(101))
    assert _numbers(rig) == list(range(1, 102))
    assert (rig.records(Schema.TRADES)["flags"] & F_SNAPSHOT != 0).tolist() == [True] * 100 + [False]
    rig.feed.closed()
    rig.feed.opened()
    rig.handle(trade_snapshot(130), trade(131))
    assert _numbers(rig) == list(range(1, 132))
    assert (rig.counters.duplicates, rig.counters.gaps) == (71, 0)


def test_more_than_a_snapshot_was_missed() -> None:
    """What lies between the last trade known and the oldest of a snapshot is a gap, counted."""
    rig = FuturesRig()
    rig.handle(trade_snapshot(100))
    rig.feed.opened()
    rig.handle(trade_snapshot(250))
    assert (rig.counters.gaps, rig.counters.trades) == (1, 200)


def test_a_missing_trade_is_asked_for_after_a_second() -> None:
    """Only a new subscription repeats trades: it fills the gap, late trades counted as out of order."""
    rig = FuturesRig()
    rig.handle(trade(1), trade(2), trade(5))
    assert (rig.counters.gaps, rig.requests()) == (1, [])
    rig.handle({"feed": "heartbeat", "time": 1}, at_ns=NOW_NS + NS_PER_S)
    assert rig.requests() == [("unsubscribe", "trade", [PRODUCT]), ("subscribe", "trade", [PRODUCT])]
    rig.handle(trade_snapshot(5, 5), at_ns=NOW_NS + NS_PER_S)
    assert _numbers(rig) == [1, 2, 5, 3, 4]
    assert (rig.counters.gaps, rig.counters.out_of_order, rig.counters.duplicates) == (0, 2, 3)
    rig.handle({"feed": "heartbeat", "time": 1}, at_ns=NOW_NS + 60 * NS_PER_S)
    assert [event for event, _, _ in rig.requests()] == ["ping"]


def test_a_trade_that_was_only_late_is_not_asked_for() -> None:
    """Disorder mends itself: what came within a second causes no request."""
    rig = FuturesRig()
    rig.handle(trade(1), trade(3), trade(2), {"feed": "heartbeat", "time": 1}, at_ns=NOW_NS)
    rig.handle({"feed": "heartbeat", "time": 1}, at_ns=NOW_NS + 2 * NS_PER_S)
    assert (_numbers(rig), rig.counters.gaps, rig.requests()) == ([1, 3, 2], 0, [])


def test_a_uid_is_published_once_whatever_its_number() -> None:
    """The same trade under another number is a duplicate; the memory for uids is bounded."""
    rig = FuturesRig()
    rig.handle(trade(1, uid="same"), trade(2, uid="same"))
    assert (_numbers(rig), rig.counters.duplicates) == ([1], 1)
    for seq in range(3, KNOWN_UIDS + 3):
        rig.handle(trade(seq))
    rig.handle(trade(KNOWN_UIDS + 3, uid="same"))
    assert rig.counters.duplicates == 1


def test_a_new_trade_under_an_old_number_is_told() -> None:
    """A venue that counts from the beginning again loses trades here: they are refused in words."""
    rig = FuturesRig()
    rig.handle(trade(500), trade(500, uid="another"))
    assert (rig.counters.rejected, rig.counters.duplicates, rig.counters.trades) == (1, 0, 1)
    assert rig.counters.problem == "a new trade under an old number: 500"
    rig.handle(trade(500, uid=""))
    assert rig.counters.duplicates == 1


def test_a_number_of_33_bits_is_rejected() -> None:
    """A record holds 32 bits of it: what exceeds them is counted and not published."""
    rig = FuturesRig()
    rig.handle(trade(2**32), trade(2**32 - 1))
    assert (rig.counters.rejected, _numbers(rig)) == (1, [2**32 - 1])


@pytest.mark.parametrize(
    "fields",
    [
        {"price": 1e-10}, {"price": -1}, {"price": 0}, {"price": "5"}, {"price": None}, {"price": 1e60},
        {"qty": 0}, {"qty": -1}, {"qty": 1e-9}, {"qty": [1]}, {"qty": 1e300}, {"price": {"a": 1}},
    ],
)  # fmt: skip
def test_a_trade_that_does_not_fit_is_rejected(fields: dict[str, Any]) -> None:
    """It is counted, and the next one is published."""
    rig = FuturesRig()
    rig.handle(trade(1, **fields), trade(2))
    assert (rig.counters.rejected, _numbers(rig), rig.connection.malformed) == (1, [2], 0)


@pytest.mark.parametrize(
    "fields",
    [{"seq": "1"}, {"seq": -1}, {"seq": 2**63}, {"time": "x"}, {"time": 10**17}, {"uid": 5}, {"uid": "x" * 65}],
)
def test_a_trade_of_another_shape_is_malformed(fields: dict[str, Any]) -> None:
    """What is no number where one belongs makes the frame malformed, and nothing else happens."""
    rig = FuturesRig()
    rig.handle({**trade(1), **fields}, trade(2))
    assert (rig.connection.malformed, _numbers(rig)) == (1, [2])


def test_an_unknown_side_is_no_side_and_a_missing_time_is_ours() -> None:
    """A trade counts all the same."""
    rig = FuturesRig()
    frame = trade(1, side="both")
    del frame["time"]
    rig.handle(frame, at_ns=77)
    (record,) = rig.records(Schema.TRADES)
    assert (record["side"], record["ts_event"]) == (b"N", 77)


def test_a_trade_of_another_product_in_a_snapshot_is_rejected() -> None:
    """A snapshot speaks of its own product alone."""
    rig = FuturesRig()
    snapshot = trade_snapshot(3, 3)
    snapshot["trades"][1]["product_id"] = "PI_ETHUSD"
    rig.handle(snapshot)
    assert (rig.counters.rejected, _numbers(rig)) == (1, [1, 3])


def test_the_client_speaks_every_45_seconds() -> None:
    """The venue hangs up after a minute's silence; a clock that is set back does not silence us."""
    rig = FuturesRig()
    beat = {"feed": "heartbeat", "time": 1}
    for second in range(91):
        rig.handle(beat, at_ns=NOW_NS + second * NS_PER_S)
    assert [event for event, _, _ in rig.requests()] == ["ping", "ping"]
    rig.handle(beat, at_ns=NOW_NS - 3600 * NS_PER_S)
    assert [event for event, _, _ in rig.requests()] == ["ping"]
    assert json.loads(rig.feed.probe()) == {"event": "ping"}


def test_a_ticker_tells_what_a_book_does_not() -> None:
    """Mark price, index, open interest and funding exactly as written; a suspension is the operator's business."""
    rig = FuturesRig()
    ticker = {
        "feed": "ticker", "product_id": PRODUCT, "time": 1, "bid": 1.0, "bid_size": 2.0, "suspended": True,
        "openInterest": 149655580.0, "funding_rate": None, "relative_funding_rate": 2.5e-05, "post_only": False,
    }  # fmt: skip
    rig.handle(json.dumps(ticker)[:-1] + ',"markPrice":90771.11752545156,"index":null}')
    state = rig.feed.state("BTCUSD")
    assert state is not None
    assert (str(state.mark_price), state.index_price, str(state.open_interest)) == (
        "90771.11752545156", None, "149655580.0",
    )  # fmt: skip
    assert str(state.funding_rate) == "0.000025"
    assert rig.counters.problem == "the venue has suspended trading"
    rig.handle({**ticker, "suspended": False})
    assert rig.counters.problem == ""
    rig.handle({**ticker, "openInterest": "many"})
    assert (rig.counters.rejected, rig.feed.state("NOPE")) == (1, None)


def test_an_alert_that_names_a_product_refuses_it_alone() -> None:
    """Nothing but the text tells which product an alert is about; the other one streams on."""
    rig = FuturesRig(products()[PRODUCT], ETH)
    rig.handle(alert("Couldn't subscribe to invalid product `pi_ethusd`"), trade(1), book_snapshot())
    first, second = rig.feed.counters
    assert (first.trades, first.problem) == (1, "")
    assert second.problem == "Couldn't subscribe to invalid product `pi_ethusd`"
    assert second.book_state == "none"


def test_a_venue_that_refuses_every_product_ends_the_stream() -> None:
    """The operator gets the venue's own words, as something that does not exist there."""
    rig = FuturesRig(products()[PRODUCT], ETH)
    rig.handle(alert("Couldn't subscribe to invalid product `PI_ETHUSD`"))
    with pytest.raises(NotFoundError, match="invalid product `PI_XBTUSD`"):
        rig.handle(alert("Couldn't subscribe to invalid product `PI_XBTUSD`"))


def test_an_alert_that_names_nothing_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """It becomes the connection's reason until something is granted, is logged without a flood, and stops nothing."""
    rig = FuturesRig()
    with caplog.at_level(logging.INFO, "ringside.kraken_futures"):
        rig.handle(*[alert("\x1b[2JCouldn't subscribe to invalid feed", "error")] * 100, trade(1))
        assert rig.connection.reason == "\\x1b[2JCouldn't subscribe to invalid feed"
        assert len(caplog.records) == 7
        assert "\x1b" not in caplog.text
        rig.handle({"event": "subscribed", "feed": "trade", "product_ids": [PRODUCT]})
        rig.handle(*[alert("Already subscribed to feed, re-requesting", "error")] * 3)
    assert (rig.connection.reason, rig.counters.problem, rig.counters.trades) == ("", "", 1)


@pytest.mark.parametrize(
    ("message", "due_s"),
    [("apiLimitExceeded for product `PI_XBTUSD`", 10), ("Service unavailable for product `PI_XBTUSD`", 5)],
)
def test_what_will_pass_is_asked_for_again(message: str, due_s: int) -> None:
    """A limit or a disturbance ends nothing: the feed asks again after a while."""
    rig = FuturesRig()
    rig.handle(alert(message))
    rig.handle({"feed": "heartbeat"}, at_ns=NOW_NS + due_s * NS_PER_S - 1)
    assert rig.requests() == []
    rig.handle({"feed": "heartbeat"}, at_ns=NOW_NS + due_s * NS_PER_S)
    assert [(event, feed) for event, feed, _ in rig.requests()] == [
        (event, feed) for feed in ("trade", "book", "ticker") for event in ("unsubscribe", "subscribe")
    ]


def test_one_refused_feed_leaves_the_others() -> None:
    """Without a book there are still trades; granted later, the problem is gone."""
    rig = FuturesRig()
    rig.handle({"event": "subscribed_failed", "feed": "book", "product_ids": [PRODUCT]}, trade(1))
    assert (rig.counters.problem, rig.counters.book_state, rig.counters.trades) == ("no reason given", "none", 1)
    rig.handle({"event": "subscribed", "feed": "book", "product_ids": [PRODUCT]})
    assert rig.counters.problem == ""
    with pytest.raises(PermanentError, match="refuses every symbol"):
        rig.handle({"event": "subscribed_failed", "product_ids": [PRODUCT], "message": "no"})


def test_a_product_nobody_asked_for_is_malformed() -> None:
    """Data of other products goes nowhere; of one that just left it is expected."""
    rig = FuturesRig(products()[PRODUCT], ETH)
    for frame in (trade(1, product="X"), trade_snapshot(3, product="X"), book_snapshot(product="X")):
        rig.handle(frame)
    rig.handle(change(1, product_id="X"), {"feed": "ticker", "product_id": "X"})
    assert rig.connection.malformed == 5
    rig.feed.unsubscribe(ETH.symbol)
    rig.handle(trade(1, product="PI_ETHUSD"))
    assert rig.connection.malformed == 5


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "5", '"x"', "{}", '{"feed":5}', '{"feed":"trade"}', '{"feed":"nope"}', '{"event":7}',
     '{"event":"subscribed","product_ids":[5]}', "[" * 20_000, '{"feed":"book_snapshot","product_id":"PI_XBTUSD"}',
     '{"feed":"trade_snapshot","product_id":"PI_XBTUSD","trades":[[]]}', "\x00\x1b[2J"],
)  # fmt: skip
def test_what_is_no_frame_is_counted_and_survived(text: str) -> None:
    """Garbage of any kind is one more malformed frame."""
    rig = FuturesRig()
    rig.handle(text, trade(1))
    assert (rig.connection.malformed, rig.counters.trades) == (1, 1)


def test_every_message_of_the_session_cut_at_every_byte(captures: Path) -> None:
    """No prefix of any real message is taken for a message; long ones are cut at 500 places."""
    for _, text in recorded_session(captures):
        step = max(len(text) // 500, 1) if len(text) > 1000 else 1
        for length in range(0, len(text), step):
            with pytest.raises(FrameError):
                decode_frame(text[:length])


def test_the_greeting_is_an_event() -> None:
    """It says nothing that matters here."""
    assert decode_frame('{"event":"info","version":1}') == Event(event="info")
