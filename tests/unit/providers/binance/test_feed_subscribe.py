"""Binance's feed while symbols come and go: what is asked for, what is kept, what is not disturbed."""

from __future__ import annotations

import json

import pytest

from core.errors import PermanentError
from core.model.records import F_LAST, F_MAYBE_BAD_BOOK, F_SNAPSHOT, Schema
from providers.base import BookState, FeedCounters
from providers.binance.feed import MAX_SYMBOLS, BinanceFeed
from providers.binance.normalise import decode_snapshot
from tests.unit.providers.binance.support import Bench, depth, instrument, quote, trade

ETH = instrument("ETHUSDT", "ETHUSD")
SNAPSHOT = decode_snapshot('{"lastUpdateId":1,"bids":[["1","1"]],"asks":[["2","1"]]}')
REFUSED = {"code": 2, "msg": "Invalid request"}


def requests(bench: Bench) -> list[tuple[str, list[str]]]:
    """Methods and streams of what the feed wants to send; forgets it."""
    sent = [json.loads(text) for text in bench.feed.outbox]
    bench.feed.outbox.clear()
    return [(each["method"], each["params"]) for each in sent]


def streams(name: str) -> list[str]:
    """The streams of one symbol."""
    return [f"{name}@trade", f"{name}@bookTicker", f"{name}@depth@100ms"]


def newest_id(bench: Bench) -> int:
    """The number of the last message the feed wants to send."""
    return int(json.loads(bench.feed.outbox[-1])["id"])


def bring_live(bench: Bench) -> None:
    """Give the last book that asked for it a snapshot."""
    book = bench.asked[-1]
    assert book.install(SNAPSHOT, generation=book.generation, ts_recv_ns=1)


def live() -> Bench:
    """A feed of one symbol whose book stands."""
    bench = Bench()
    bench.say({"result": None, "id": 1})
    bring_live(bench)
    return bench


def test_a_symbol_is_added_alone() -> None:
    """Only the new symbol is asked for; the other keeps its live book, and a reconnect asks for both."""
    bench = live()
    counters = bench.feed.subscribe(ETH)
    number = newest_id(bench)
    assert requests(bench) == [("SUBSCRIBE", streams("ethusdt"))]
    assert bench.feed.counters == bench.feed.active == [bench.counters[0], counters]
    assert [each.book_state for each in bench.counters] == [BookState.LIVE, BookState.SYNCING]
    bench.say({"result": None, "id": number})
    assert [each.instrument for each in bench.asked] == [instrument(), ETH]
    bench.say(trade(9, s="ETHUSDT"))
    assert counters.trades == 1
    bench.feed.closed()
    (again,) = bench.feed.opened()
    assert json.loads(again)["params"] == [*streams("btcusdt"), *streams("ethusdt")]


def test_what_is_streamed_is_not_asked_for_twice() -> None:
    """Subscribing again returns the same counters and sends nothing."""
    bench = Bench()
    assert bench.feed.subscribe(instrument()) is bench.counters[0]
    assert requests(bench) == []


def test_a_removed_symbol_leaves_nothing_behind() -> None:
    """Its book is taken back once, its late frames are neither published nor malformed, no reconnect asks for it."""
    bench = live()
    bench.say(trade(5))
    bench.feed.unsubscribe("BTCUSD")
    assert requests(bench) == [("UNSUBSCRIBE", streams("btcusdt"))]
    for late in (trade(6), quote(9), depth(2, 3), {"result": None, "id": 2}):
        bench.say(late)
    flags = [int(each) for each in bench.kept(Schema.BOOK).array(Schema.BOOK)["flags"]]
    assert flags == [F_LAST | F_SNAPSHOT, F_LAST | F_MAYBE_BAD_BOOK]
    counters = bench.counters[0]
    assert bench.kept(Schema.TRADES).ids == [5]
    assert bench.kept(Schema.QUOTES).ids == []
    assert (counters.trades, counters.book_state, bench.connection.malformed) == (1, BookState.NONE, 0)
    assert (len(bench.feed.counters), len(bench.feed.active)) == (1, 0)
    bench.feed.closed()
    assert bench.feed.opened() == []
    assert counters.book_state is BookState.NONE


def test_removing_what_is_not_streamed_changes_nothing() -> None:
    """A name nobody knows, and one that is gone already, send nothing."""
    bench = Bench()
    bench.feed.unsubscribe("ETHUSD")
    assert requests(bench) == []
    bench.feed.unsubscribe("BTCUSD")
    requests(bench)
    bench.feed.unsubscribe("BTCUSD")
    assert requests(bench) == []


def test_a_snapshot_on_its_way_is_void_when_its_symbol_leaves() -> None:
    """The answer to a question of the last subscription builds no book, neither now nor after a return."""
    bench = Bench()
    bench.say({"result": None, "id": 1})
    book = bench.asked[0]
    generation = book.generation
    bench.feed.unsubscribe("BTCUSD")
    assert book.install(SNAPSHOT, generation=generation, ts_recv_ns=1)
    bench.feed.subscribe(instrument())
    assert book.install(SNAPSHOT, generation=generation, ts_recv_ns=1)
    assert bench.kept(Schema.BOOK).records == []
    assert bench.counters[0].book_state is BookState.SYNCING


def test_a_symbol_that_returns_goes_on_counting() -> None:
    """What was missed meanwhile is no gap, what was published comes no second time, later losses are gaps."""
    bench = Bench()
    for trade_id in (5, 8):
        bench.say(trade(trade_id))
    bench.feed.unsubscribe("BTCUSD")
    assert bench.feed.subscribe(instrument()) is bench.counters[0]
    bench.say(trade(9))
    bench.say({"result": None, "id": newest_id(bench)})
    for trade_id in (7, 9, 20):
        bench.say(trade(trade_id))
    counters = bench.counters[0]
    assert bench.kept(Schema.TRADES).ids == [5, 8, 9, 20]
    assert (counters.trades, counters.duplicates, counters.gaps) == (4, 2, 1)
    bench.say(trade(22))
    assert counters.gaps == 2


def test_a_symbol_that_returns_gets_a_fresh_book() -> None:
    """Changes sent for the last subscription are not for it; the snapshot is asked for with the venue's answer."""
    bench = live()
    bench.feed.unsubscribe("BTCUSD")
    bench.feed.subscribe(instrument())
    bench.say(depth(2, 3))
    assert len(bench.asked) == 1
    bench.say({"result": None, "id": newest_id(bench)})
    bench.say(depth(10, 12))
    assert len(bench.asked) == 2
    book = bench.asked[-1]
    snapshot = decode_snapshot('{"lastUpdateId":10,"bids":[["1","1"]],"asks":[["2","1"]]}')
    assert book.install(snapshot, generation=book.generation, ts_recv_ns=1)
    assert (bench.counters[0].book_state, bench.counters[0].gaps) == (BookState.LIVE, 0)


def test_a_reconnect_ends_the_wait_for_late_frames() -> None:
    """On a fresh connection nothing late can come, so every change counts."""
    bench = live()
    bench.feed.unsubscribe("BTCUSD")
    bench.feed.subscribe(instrument())
    bench.feed.closed()
    bench.feed.opened()
    bench.say(depth(10, 12))
    assert bench.counters[0].book_updates == 1


def test_coming_and_going_in_one_breath_is_answered_in_order() -> None:
    """The answer to a subscription that was taken back starts nothing; the one that stands does."""
    bench = Bench()
    bench.feed.unsubscribe("BTCUSD")
    bench.feed.subscribe(instrument())
    last = newest_id(bench)
    bench.say({"result": None, "id": 1})
    assert bench.asked == []
    bench.say({"result": None, "id": last})
    assert len(bench.asked) == 1


def test_an_empty_feed_asks_for_nothing_and_waits() -> None:
    """Without symbols the probe is all that is sent, and the first symbol comes like any other."""
    bench = Bench()
    feed = BinanceFeed([], bench.sink, connection=bench.connection, request_snapshot=bench.asked.append)
    assert feed.opened() == []
    feed.handle(json.dumps({"result": [], "id": json.loads(feed.probe())["id"]}), 1)
    counters = feed.subscribe(ETH)
    assert [json.loads(text)["params"] for text in feed.outbox] == [streams("ethusdt")]
    assert counters.book_state is BookState.SYNCING
    assert bench.connection.malformed == 0


def test_a_refused_addition_is_its_own_problem() -> None:
    """Even as the only symbol it ends nothing, and it may be asked for again after it was removed."""
    bench = Bench()
    bench.feed.unsubscribe("BTCUSD")
    counters = bench.feed.subscribe(ETH)
    bench.say({**REFUSED, "id": newest_id(bench)})
    assert "Invalid request" in counters.problem
    assert bench.feed.opened() == []
    bench.feed.unsubscribe("ETHUSD")
    assert counters.problem == ""
    bench.feed.subscribe(ETH)
    assert requests(bench)[-1] == ("SUBSCRIBE", streams("ethusdt"))
    (again,) = bench.feed.opened()
    assert json.loads(again)["params"] == streams("ethusdt")


def test_a_name_that_is_not_listed_is_not_asked_for() -> None:
    """It has counters that may say why, but no channels and no subscription, and is looked up again each time."""
    bench = Bench()
    listed: list[str] = []

    def is_listed(counters: FeedCounters) -> bool:
        return counters.instrument.symbol in listed

    feed = BinanceFeed(
        [], bench.sink, connection=bench.connection, request_snapshot=bench.asked.append, is_listed=is_listed
    )
    counters = feed.subscribe(ETH)
    assert (feed.outbox, feed.active, feed.counters) == ([], [], [counters])
    assert ("ETHUSDT", Schema.TRADES) not in bench.sink.channels
    listed.append("ETHUSD")
    assert feed.subscribe(ETH) is counters
    assert (len(feed.outbox), feed.active, feed.counters) == (1, [counters], [counters])


def test_more_symbols_than_a_connection_carries_are_refused() -> None:
    """The venue's limit of streams is said; one less makes room again."""
    bench = Bench(*(instrument(f"S{number}USDT", f"S{number}USD") for number in range(MAX_SYMBOLS)))
    with pytest.raises(PermanentError, match="too many symbols"):
        bench.feed.subscribe(ETH)
    assert requests(bench) == []
    bench.feed.unsubscribe("S7USD")
    bench.feed.subscribe(ETH)
    assert [method for method, _ in requests(bench)] == ["UNSUBSCRIBE", "SUBSCRIBE"]
