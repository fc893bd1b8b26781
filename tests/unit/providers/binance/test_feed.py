"""The feed without a connection: real captures through it, and everything a venue may say wrong."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PermanentError, ResourceExhaustedError, TransientError
from core.model.fixedpoint import join_quantities, quantities_e8
from core.model.records import F_LAST, F_MAYBE_BAD_BOOK, F_SNAPSHOT, Records, Schema
from providers.base import BookState
from providers.binance.normalise import decode_snapshot
from tests.unit.providers.binance.support import Bench, depth, instrument, quote, recorded, trade

CAPTURE = "spot_btcusdt_20240808.txt.gz"


def played(captures: Path, count: int) -> tuple[Bench, list[tuple[int, dict[str, Any]]]]:
    """The bench after the first `count` lines of the capture, and the messages in them."""
    bench = Bench()
    messages: list[tuple[int, dict[str, Any]]] = []
    for received_ns, text in recorded(captures, CAPTURE, count):
        message = json.loads(text)
        if "lastUpdateId" in message:
            book = bench.asked[-1]
            snapshot = decode_snapshot(text)
            assert book.install(snapshot, generation=book.generation, ts_recv_ns=received_ns)
            continue
        bench.hand_over(text, received_ns)
        messages.append((received_ns, message["data"]))
    return bench, messages


def e9(text: str) -> int:
    """A decimal number at 1e-9, by another route than the code under test."""
    return int(Decimal(text) * 10**9)


def e8(text: str) -> int:
    """A decimal number at 1e-8, by another route than the code under test."""
    return int(Decimal(text) * 10**8)


def test_real_trades_come_out_exact(captures: Path) -> None:
    """Prices, quantities, sides, ids and times of real trades equal an independent decimal reading, byte for byte."""
    bench, messages = played(captures, 3000)
    expected = [(at, data) for at, data in messages if data.get("e") == "trade"]
    records = bench.kept(Schema.TRADES).array(Schema.TRADES)
    assert len(records) == len(expected) == bench.counters[0].trades > 300
    assert records["price"].tolist() == [e9(data["p"]) for _, data in expected]
    assert quantities_e8(records).tolist() == [e8(data["q"]) for _, data in expected]
    assert records["side"].tolist() == [b"A" if data["m"] else b"B" for _, data in expected]
    assert records["ts_event"].tolist() == [data["T"] * 1_000_000 for _, data in expected]
    assert records["ts_recv"].tolist() == [at for at, _ in expected]
    assert records["sequence"].tolist() == [data["t"] & 0xFFFF_FFFF for _, data in expected]
    assert bench.kept(Schema.TRADES).ids == [data["t"] for _, data in expected]
    assert set(records["instrument_id"].tolist()) == {4242}
    assert bench.counters[0].gaps == bench.counters[0].duplicates == bench.connection.malformed == 0
    assert bench.connection.venue_delay.summary().count == len(expected)


def test_real_quotes_come_out_exact(captures: Path) -> None:
    """Real quotes keep both sides exactly and take the time of receipt."""
    bench, messages = played(captures, 3000)
    expected = [(at, data) for at, data in messages if "B" in data]
    records = bench.kept(Schema.QUOTES).array(Schema.QUOTES)
    assert len(records) == len(expected) == bench.counters[0].quotes > 1000
    for field, key in (("bid_px_00", "b"), ("ask_px_00", "a")):
        assert records[field].tolist() == [e9(data[key]) for _, data in expected]
    for side, key in (("bid", "B"), ("ask", "A")):
        sizes = join_quantities(records[f"{side}_sz_00"].copy(), records[f"{side}_ct_00"].copy())
        assert sizes.tolist() == [e8(data[key]) for _, data in expected]
    assert records["ts_event"].tolist() == records["ts_recv"].tolist() == [at for at, _ in expected]
    assert bench.kept(Schema.QUOTES).ids == [data["u"] for _, data in expected]


def top(records: Records) -> list[tuple[int, int, int, int]]:
    """Best bid, its size, best ask, its size, of each book or quote."""
    if "levels" in (records.dtype.names or ()):
        level = records["levels"][:, 0]
        columns = [level[name] for name in ("bid_px", "bid_sz", "bid_ct", "ask_px", "ask_sz", "ask_ct")]
    else:
        columns = [records[f"{name}_00"] for name in ("bid_px", "bid_sz", "bid_ct", "ask_px", "ask_sz", "ask_ct")]
    bid, bid_low, bid_high, ask, ask_low, ask_high = (column.copy() for column in columns)
    bids, asks = join_quantities(bid_low, bid_high), join_quantities(ask_low, ask_high)
    return list(zip(bid.tolist(), bids.tolist(), ask.tolist(), asks.tolist(), strict=True))


def test_the_real_book_agrees_with_the_quotes(captures: Path) -> None:
    """Every record of the book has the best bid and ask of the latest quote not after it, sizes included."""
    bench, messages = played(captures, 3000)
    books, quotes = bench.kept(Schema.BOOK), bench.kept(Schema.QUOTES)
    array = books.array(Schema.BOOK)
    events = [data for _, data in messages if data.get("e") == "depthUpdate"]
    assert bench.counters[0].book_updates == len(events)
    assert bench.counters[0].book_state is BookState.LIVE
    assert array["flags"].tolist() == [F_LAST | F_SNAPSHOT] + [F_LAST] * (len(array) - 1)
    snapshot_id = books.ids[0]
    assert books.ids[1:] == [data["u"] for data in events if data["u"] > snapshot_id]
    assert all(earlier <= later for earlier, later in zip(books.ids, books.ids[1:], strict=False))
    assert np.all(np.diff(array["ts_recv"].astype(np.int64)) >= 0)
    book_tops, quote_tops = top(array), top(quotes.array(Schema.QUOTES))
    compared = wrong = 0
    for update_id, best in zip(books.ids, book_tops, strict=True):
        at = int(np.searchsorted(quotes.ids, update_id, side="right")) - 1
        if at >= 0:
            compared += 1
            wrong += best != quote_tops[at]
    assert compared > 200
    assert wrong == 0


def test_the_subscription_names_every_stream_in_few_messages() -> None:
    """A hundred symbols take four messages, lower case, three streams each, each with a number of its own."""
    bench = Bench(*(instrument(f"S{number}USDT", f"S{number}USD") for number in range(100)))
    asked = [json.loads(text) for text in bench.greeting]
    assert len(asked) == 4
    assert len({each["id"] for each in asked}) == 4
    names = [name for each in asked for name in each["params"]]
    assert names[:3] == ["s0usdt@trade", "s0usdt@bookTicker", "s0usdt@depth@100ms"]
    assert len(names) == len(set(names)) == 300
    assert all(len(text) < 4096 for text in bench.greeting)


def test_trade_ids_decide_what_is_published() -> None:
    """New and late trades are published, repeated ones only counted, and a gap is counted while it is open."""
    bench = Bench()
    counters = bench.counters[0]
    for trade_id in (10, 11, 11, 14):
        bench.say(trade(trade_id))
    assert (counters.trades, counters.duplicates, counters.gaps, counters.out_of_order) == (3, 1, 1, 0)
    bench.say(trade(12))
    bench.say(trade(13))
    bench.say(trade(9))
    assert bench.kept(Schema.TRADES).ids == [10, 11, 14, 12, 13]
    assert (counters.trades, counters.duplicates, counters.gaps, counters.out_of_order) == (5, 2, 0, 2)


def test_ids_go_on_over_a_reconnect() -> None:
    """Trades missed while the connection was down are a gap of the new one."""
    bench = Bench()
    bench.say(trade(10))
    bench.feed.closed()
    bench.feed.opened()
    bench.say(trade(15))
    assert bench.counters[0].gaps == 1


def test_a_broken_book_is_no_gap_of_trades() -> None:
    """Gaps of trades and breaks of the book are counted apart, and only the former can close."""
    bench = Bench()
    bench.say(trade(1))
    bench.say(trade(3))
    bench.say(depth(1, 2))
    bench.say(depth(5, 6))
    assert (bench.counters[0].gaps, bench.counters[0].book_breaks) == (1, 1)
    bench.say(trade(2))
    assert (bench.counters[0].gaps, bench.counters[0].book_breaks) == (0, 1)


def test_quotes_never_go_back() -> None:
    """A quote that came before, or is older, is counted and not shown; a fresh connection may begin anywhere."""
    bench = Bench()
    for update_id in (5, 5, 4, 6):
        bench.say(quote(update_id))
    counters = bench.counters[0]
    assert bench.kept(Schema.QUOTES).ids == [5, 6]
    assert (counters.quotes, counters.duplicates, counters.out_of_order) == (2, 1, 1)
    bench.feed.opened()
    bench.say(quote(1))
    assert counters.quotes == 3


@pytest.mark.parametrize("frame", [trade(1, p="1e-12"), quote(1, B="0.0000000001")])
def test_numbers_that_do_not_fit_are_dropped_and_said(frame: dict[str, Any]) -> None:
    """A record that would have to be rounded is dropped, counted and named; the next one comes through."""
    bench = Bench()
    bench.say(frame)
    assert bench.counters[0].rejected == 1
    assert "finer" in bench.counters[0].problem
    bench.say(trade(2))
    bench.say(quote(2))
    assert (bench.counters[0].trades, bench.counters[0].quotes) == (1, 1)


@pytest.mark.parametrize(("delay_s", "words"), [(600, "600 s behind"), (-600, "600 s ahead of"), (299, "")])
def test_a_clock_that_is_wrong_is_said_and_the_record_kept(delay_s: int, words: str) -> None:
    """Five minutes between the venue's clock and ours are counted and named; the record is published as it is."""
    bench = Bench()
    sent_ms = 1_700_000_000_000
    bench.say(trade(1, T=sent_ms), sent_ms * 1_000_000 + delay_s * 1_000_000_000)
    bench.say(depth(1, 2, E=sent_ms), sent_ms * 1_000_000 + delay_s * 1_000_000_000)
    assert bench.counters[0].trades == 1
    assert bench.counters[0].skewed == (2 if words else 0)
    assert words in bench.counters[0].problem


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "1", '"x"', "{}", "{", '{"stream":"btcusdt@trade"}', '{"stream":"btcusdt@trade","data":{}}',
        '{"stream":"btcusdt@trade","data":[]}', '{"stream":"btcusdt@kline_1m","data":{"e":"kline"}}',
        '{"stream":"@","data":{}}', '{"stream":"', '{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate"}}',
        '{"stream":' + "[" * 100_000, '{"result":' + "[" * 100_000, '{"e":"trade"}',
    ],
)  # fmt: skip
def test_what_is_not_understood_is_counted(text: str) -> None:
    """No frame, whatever its shape, does more than raise a count; the next good frame comes through."""
    bench = Bench()
    bench.hand_over(text, 1)
    assert bench.connection.malformed == 1
    bench.say(trade(1))
    assert bench.counters[0].trades == 1


@given(st.text(max_size=80), st.integers(0, 300))
def test_any_text_is_survived(noise: str, cut: int) -> None:
    """Noise within a good frame never raises anything."""
    bench = Bench()
    text = json.dumps(trade(1), separators=(",", ":"))
    bench.hand_over(text[:cut] + noise + text[cut:], 1)
    bench.hand_over(noise, 1)
    assert bench.connection.malformed + bench.counters[0].trades + bench.counters[0].rejected >= 1


def test_malformed_frames_are_logged_harmless_and_sparsely(caplog: pytest.LogCaptureFixture) -> None:
    """The log shows a cut and escaped excerpt, of the first, second, fourth ... frame only."""
    bench = Bench()
    with caplog.at_level(logging.WARNING, "ringside.binance"):
        for _ in range(100):
            bench.hand_over("\x1b[2J" + "x" * 10_000, 1)
    assert bench.connection.malformed == 100
    assert len(caplog.records) == 7
    assert all("\x1b" not in each.getMessage() and len(each.getMessage()) < 500 for each in caplog.records)


def test_a_symbol_that_was_not_asked_for_is_malformed() -> None:
    """Data of another symbol is not published under ours."""
    bench = Bench()
    for frame in (trade(1, s="ETHUSDT"), quote(1, s="ETHUSDT"), depth(1, 2, s="ETHUSDT"), depth(5, 2)):
        bench.say(frame)
    assert bench.connection.malformed == 4
    assert bench.counters[0].trades == bench.counters[0].quotes == bench.counters[0].book_updates == 0


def test_the_order_of_the_keys_does_not_matter() -> None:
    """A frame whose data comes before its stream is understood as well."""
    bench = Bench()
    for frame in (trade(1), quote(1), depth(1, 2)):
        bench.say(dict(reversed(frame.items())))
    counters = bench.counters[0]
    assert (counters.trades, counters.quotes, counters.book_updates) == (1, 1, 1)
    assert bench.connection.malformed == 0


def test_an_accepted_subscription_asks_for_the_snapshot() -> None:
    """A market too quiet to send anything gets its book as soon as the venue accepts the subscription."""
    bench = Bench()
    assert bench.asked == []
    bench.say({"result": None, "id": json.loads(bench.greeting[0])["id"]})
    assert len(bench.asked) == 1
    bench.say(depth(1, 2))
    assert len(bench.asked) == 1


@pytest.mark.parametrize("shape", ["flat", "nested"])
def test_a_refused_subscription_stops_only_its_symbols(shape: str) -> None:
    """A refused message is asked again symbol by symbol; the one refused alone says why, the other goes on."""
    bench = Bench(instrument(), instrument("BADUSDT", "BADUSD"))
    error = {"code": 2, "msg": "Invalid request: \x1b bad name"}
    first = json.loads(bench.greeting[0])["id"]
    bench.say({**error, "id": first} if shape == "flat" else {"error": error, "id": first})
    alone = [json.loads(text) for text in bench.feed.outbox]
    assert [each["params"][0] for each in alone] == ["btcusdt@trade", "badusdt@trade"]
    bench.say({"result": None, "id": alone[0]["id"]})
    bench.say({**error, "id": alone[1]["id"]})
    assert bench.counters[0].problem == ""
    assert "Invalid request" in bench.counters[1].problem
    assert "\x1b" not in bench.counters[1].problem
    assert "badusdt" not in "".join(bench.feed.opened())


def test_a_flood_of_refusals_is_a_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    """Refusals of what nobody asked are logged the first, second, fourth ... time; one of a symbol always once."""
    bench = Bench(instrument(), instrument("ETHUSDT", "ETHUSD"))
    with caplog.at_level(logging.WARNING, "ringside.binance"):
        for _ in range(100):
            bench.say({"code": 2, "msg": "Invalid request", "id": 999})
        bench.say({"code": 2, "msg": "Invalid request", "id": json.loads(bench.greeting[0])["id"]})
        for text in list(bench.feed.outbox)[:1]:
            bench.say({"code": 2, "msg": "bad name", "id": json.loads(text)["id"]})
    assert len(caplog.records) == 7 + 1
    assert "bad name" in caplog.records[-1].getMessage()


def test_when_every_symbol_is_refused_the_stream_is_over() -> None:
    """A refusal without a number is the only open question's; with no symbol left it is permanent."""
    bench = Bench()
    with pytest.raises(PermanentError, match="every symbol refused"):
        bench.say({"code": 3, "msg": "Invalid JSON", "id": None})


def test_too_many_requests_is_a_limit() -> None:
    """The venue's own limit codes make the connection wait."""
    bench = Bench()
    with pytest.raises(ResourceExhaustedError):
        bench.say({"code": -1003, "msg": "Too many requests", "id": 1})


@pytest.mark.parametrize(
    "frame",
    [{"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}}, {"e": "serverShutdown", "E": 1}],
)
def test_an_announced_shutdown_reconnects_at_once(frame: dict[str, Any]) -> None:
    """The announcement ends the connection, which makes the client open another."""
    with pytest.raises(TransientError, match="shutdown"):
        Bench().say(frame)


def test_the_probe_is_a_question_with_an_answer() -> None:
    """LIST_SUBSCRIPTIONS is answered by any venue that lives, and its answer is no malformed frame."""
    bench = Bench()
    asked = json.loads(bench.feed.probe())
    assert asked["method"] == "LIST_SUBSCRIPTIONS"
    bench.say({"result": ["btcusdt@trade"], "id": asked["id"]})
    assert bench.connection.malformed == 0


def test_a_lost_connection_withholds_only_live_books() -> None:
    """Closing publishes one bad-book record for the book that stood and none for the one that did not."""
    bench = Bench(instrument(), instrument("ETHUSDT", "ETHUSD"))
    bench.say(depth(1, 2))
    bench.asked[0].install(
        decode_snapshot('{"lastUpdateId":1,"bids":[["1","1"]],"asks":[["2","1"]]}'), generation=1, ts_recv_ns=1
    )
    bench.feed.closed()
    flags = [int(each) for each in bench.kept(Schema.BOOK).array(Schema.BOOK)["flags"]]
    assert flags == [F_LAST | F_SNAPSHOT, F_LAST, F_LAST | F_MAYBE_BAD_BOOK]
    assert bench.kept(Schema.BOOK, "ETHUSDT").records == []
    assert [each.book_state for each in bench.counters] == [BookState.WITHHELD, BookState.SYNCING]
