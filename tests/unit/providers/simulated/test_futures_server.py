"""Kraken Futures' side of the simulated venue, against an independent reading of the protocol."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import trio

from core.clock import NS_PER_S
from providers.simulated.faults import FaultLine, FaultPlan, Frame
from providers.simulated.futures_market import SNAPSHOT_TRADES, FuturesFloor
from providers.simulated.futures_server import FuturesDialogue
from providers.simulated.market import MarketSource
from providers.simulated.universe import UNIVERSE
from tests.unit.providers.simulated.raw_client import Json, connected, running

PRODUCTS = ("PI_XBTUSD", "PF_XBTUSD", "PI_SHIBUSD", "PF_DOGEUSD")


def _exact(text: str) -> Json:
    document: Json = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return document


def _subscribe(feed: str, *products: str, event: str = "subscribe") -> Json:
    return {"event": event, "feed": feed, "product_ids": list(products)}


class _Book:
    """A client's book, kept as the venue's documentation says."""

    def __init__(self, snapshot: Json) -> None:
        self.seq = snapshot["seq"]
        self.sides = {name: {row["price"]: row["qty"] for row in snapshot[name]} for name in ("bids", "asks")}

    def take(self, message: Json) -> None:
        """Apply one change."""
        assert message["seq"] == self.seq + 1
        self.seq = message["seq"]
        side = self.sides["bids" if message["side"] == "buy" else "asks"]
        if message["qty"]:
            side[message["price"]] = message["qty"]
        else:
            del side[message["price"]]
        assert max(self.sides["bids"]) < min(self.sides["asks"])


@pytest.mark.parametrize("product", PRODUCTS)
def test_changes_follow_the_snapshot(product: str) -> None:
    """Over thousands of changes: numbers without a gap, no deletion of an unknown level, never crossed."""
    source = MarketSource(21, rate=50.0)
    floor = FuturesFloor(source)
    book = _Book(_exact(floor.opening(f"book:{product}")[0]))
    changes = 0
    for step in source.advance(10 * NS_PER_S):
        for _, text in floor.frames(step, {f"book:{product}"}, step.at_ns):
            book.take(_exact(text))
            changes += 1
    assert changes > 1000
    assert _exact(floor.opening(f"book:{product}")[0])["seq"] == book.seq
    assert _Book(_exact(floor.opening(f"book:{product}")[0])).sides == book.sides


def test_trades_follow_the_snapshot() -> None:
    """The newest first in a snapshot, then one number after the other; each product has its own uids."""
    source = MarketSource(3, first_id=1_795_355_000_000, rate=20.0)
    floor = FuturesFloor(source)
    keys = {"trade:PI_XBTUSD", "trade:PF_XBTUSD"}
    heard: dict[str, list[Json]] = {}
    for key in sorted(keys):
        heard[key] = list(reversed(_exact(floor.opening(key)[0])["trades"]))
        assert len(heard[key]) >= 50
    for step in source.advance(20 * NS_PER_S):
        for key, text in floor.frames(step, keys, step.at_ns):
            heard[key].append(_exact(text))
    for key, trades in heard.items():
        assert {trade["product_id"] for trade in trades} == {key.partition(":")[2]}
        assert all(later["seq"] == earlier["seq"] + 1 for earlier, later in pairwise(trades))
        assert trades[-1]["seq"] < 2**32
        again = _exact(floor.opening(key)[0])["trades"]
        assert [trade["seq"] for trade in again] == [trade["seq"] for trade in reversed(trades)][:SNAPSHOT_TRADES]
    assert not {trade["uid"] for trade in heard["trade:PI_XBTUSD"]} & {
        trade["uid"] for trade in heard["trade:PF_XBTUSD"]
    }
    for contracts, coins in zip(heard["trade:PI_XBTUSD"], heard["trade:PF_XBTUSD"], strict=True):
        assert contracts["qty"] == contracts["qty"].to_integral_value() >= 1
        assert abs(contracts["qty"] - coins["qty"] * coins["price"]) <= 1


def test_only_dollar_markets_have_products() -> None:
    """Two each, the inverse one first, under the venue's old name for Bitcoin."""
    names = {listing.symbol: listing.futures_names for listing in UNIVERSE}
    assert (names["BTCUSD"], names["BTCEUR"]) == (("PI_XBTUSD", "PF_XBTUSD"), ())
    assert names["DOGEUSD"] == ("PI_DOGEUSD", "PF_DOGEUSD")


@pytest.mark.trio
async def test_a_session() -> None:
    """Greeting, answers one a product in upper case, snapshots behind them, heartbeats, tickers each second, ping."""
    async with running("kraken_futures", MarketSource(1)) as venue, connected(venue) as client:
        assert json.loads(await client.next() or "") == {"event": "info", "version": 1}
        await client.send({"event": "subscribe", "feed": "heartbeat"})
        await client.until(lambda message: message == {"event": "subscribed", "feed": "heartbeat"})
        await client.send(_subscribe("book", "pi_xbtusd", "PF_XBTUSD"))
        for product in ("PI_XBTUSD", "PF_XBTUSD"):
            granted = await client.until(lambda message: message.get("event") == "subscribed")
            assert granted == _subscribe("book", product, event="subscribed")
            snapshot = await client.until(lambda message: message.get("feed") == "book_snapshot")
            assert (snapshot["product_id"], snapshot["tickSize"]) == (product, None)
        await client.send(_subscribe("ticker", "PI_XBTUSD"))
        for _ in range(2):
            ticker = await client.until(lambda message: message.get("feed") == "ticker" and "bid" in message)
            assert ticker["bid"] < ticker["ask"]
            assert (ticker["pair"], ticker["tag"], ticker["suspended"]) == ("XBT:USD", "perpetual", False)
        beat = await client.until(lambda message: message.get("feed") == "heartbeat" and "time" in message)
        assert set(beat) == {"feed", "time"}
        await client.send({"event": "ping"})
        await client.until(lambda message: message == {"event": "pong"})
        await client.send(_subscribe("book", "PI_XBTUSD", event="unsubscribe"))
        await client.until(lambda message: message.get("event") == "unsubscribed")
        await client.send(_subscribe("trade", "PF_XBTUSD"))
        await client.until(lambda message: message.get("feed") == "trade_snapshot")


_INVALID_PRODUCT = "Couldn't subscribe to invalid product"


@pytest.mark.parametrize(
    ("request_text", "answer"),
    [
        ("{", {"event": "error", "message": "Json Error"}),
        ("[" * 20_000, {"event": "error", "message": "Json Error"}),
        ("[]", {"event": "error", "message": "Invalid event"}),
        ({"event": "challenge"}, {"event": "error", "message": "Invalid event"}),
        (_subscribe("nope", "PI_XBTUSD"), {"event": "alert", "message": "Couldn't subscribe to invalid feed"}),
        (_subscribe("fills"), {"event": "alert", "message": "Failed to subscribe to authenticated feed"}),
        (
            {"event": "subscribe", "feed": ["book"]},
            {"event": "alert", "message": "Couldn't subscribe to invalid feed"},
        ),
        ({"event": "subscribe", "feed": "book"}, {"event": "alert", "message": _INVALID_PRODUCT}),
        ({"event": "subscribe", "feed": "book", "product_ids": [5]}, {"event": "alert", "message": _INVALID_PRODUCT}),
        (_subscribe("book", "nope"), {"event": "alert", "message": f"{_INVALID_PRODUCT} `NOPE`"}),
        (
            _subscribe("book", "PI_XBTUSD", event="unsubscribe"),
            {"event": "alert", "message": "Not subscribed to feed"},
        ),
    ],
)
def test_bad_requests(request_text: Any, answer: Json) -> None:
    """Each is refused in the venue's own words, which carry no number and often no feed."""
    dialogue = FuturesDialogue({"PI_XBTUSD"}, opening=lambda _key: [])
    text = request_text if isinstance(request_text, str) else json.dumps(request_text)
    (reply,) = dialogue.handle(text)
    assert (json.loads(reply.text), reply.data, dialogue.keys) == (answer, False, set())


def test_subscribing_again_brings_the_snapshot_again() -> None:
    """The venue complains and sends it all the same."""
    dialogue = FuturesDialogue({"PI_XBTUSD"}, opening=lambda key: [key])
    text = json.dumps(_subscribe("book", "PI_XBTUSD"))
    assert [reply.text for reply in dialogue.handle(text)][1:] == ["book:PI_XBTUSD"]
    complaint, snapshot = dialogue.handle(text)
    assert json.loads(complaint.text)["event"] == "error"
    assert (snapshot.text, snapshot.data) == ("book:PI_XBTUSD", True)


def test_skew_moves_the_times_of_this_venue() -> None:
    """Ten minutes ahead, in books, trades and snapshots; nothing else changes."""
    floor = FuturesFloor(MarketSource(1))
    for key, name in (("book:PI_XBTUSD", "timestamp"), ("trade:PI_XBTUSD", "time")):
        (text,) = floor.opening(key)
        (frame,) = FaultLine(FaultPlan.parse("skew=1")).apply(Frame(text)).frames
        before, after = json.loads(text), json.loads(frame.text)
        if "trades" in before:
            for early, late in zip(before["trades"], after["trades"], strict=True):
                assert late.pop(name) - early.pop(name) == 600_000
        else:
            assert after.pop(name) - before.pop(name) == 600_000
        assert after == before


@pytest.mark.trio
async def test_a_gap_is_a_missing_number() -> None:
    """A dropped frame shows in the numbers, and a new subscription starts afresh."""
    async with (
        running("kraken_futures", MarketSource(1, rate=20.0), faults="gap=10") as venue,
        connected(venue) as client,
    ):
        await client.send(_subscribe("book", "PI_XBTUSD"))
        numbers = []
        for _ in range(25):
            message = await client.until(lambda each: each.get("feed") in {"book", "book_snapshot"} and "seq" in each)
            numbers.append(message["seq"])
        assert [later - earlier for earlier, later in pairwise(numbers)].count(2) >= 2
        await client.send(_subscribe("book", "PI_XBTUSD", event="unsubscribe"))
        await client.send(_subscribe("book", "PI_XBTUSD"))
        with trio.move_on_after(5):
            await client.until(lambda each: each.get("feed") == "book_snapshot")
