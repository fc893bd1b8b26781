"""Binance's side of the simulated venue, against an independent reading of the protocol."""

from __future__ import annotations

import json
import urllib.request
from itertools import pairwise

import pytest
import trio

from core.clock import NS_PER_S
from providers.simulated.binance_market import BinanceFloor
from providers.simulated.binance_server import BinanceDialogue
from providers.simulated.market import MarketSource
from tests.unit.providers.simulated.raw_client import Json, binance_subscribe, connected, running

_Levels = dict[str, dict[str, str]]


def _get(url: str) -> Json:
    with urllib.request.urlopen(url, timeout=10) as answer:
        parsed: Json = json.load(answer)
        return parsed


def _apply(book: _Levels, event: Json) -> None:
    for side, name in (("bids", "b"), ("asks", "a")):
        for price, quantity in event[name]:
            assert len(price.partition(".")[2]) == len(quantity.partition(".")[2]) == 8
            if float(quantity):
                book[side][price] = quantity
            else:
                book[side].pop(price, None)


@pytest.mark.trio
async def test_depth_sync_over_the_wire() -> None:
    """The depth stream is contiguous, the REST snapshot straddles it, and the book built by Binance's own recipe
    agrees with the book ticker; trade ids are consecutive."""
    streams = ("btcusdt@depth@100ms", "btcusdt@bookTicker", "btcusdt@trade")
    async with running("binance", MarketSource(8, rate=10.0)) as venue, connected(venue) as client:
        assert venue.venue == "SIM.BINANCE"
        await client.send(binance_subscribe(*streams))
        depths = 0
        while depths < 5:
            await client.until(lambda message: message.get("stream") == streams[0])
            depths += 1
        url = f"{venue.rest_url}/api/v3/depth?symbol=BTCUSDT&limit=5000"
        snapshot = await trio.to_thread.run_sync(_get, url)
        while depths < 20:
            await client.until(lambda message: message.get("stream") == streams[0])
            depths += 1
    messages = [json.loads(text) for text in client.texts]
    assert messages[0] == {"result": None, "id": 1}
    by_stream = {name: [each["data"] for each in messages if each.get("stream") == name] for name in streams}
    trades = by_stream[streams[2]]
    assert all(after["t"] == before["t"] + 1 for before, after in pairwise(trades))
    assert all(after["u"] > before["u"] for before, after in pairwise(by_stream[streams[1]]))
    assert all(after["U"] == before["u"] + 1 for before, after in pairwise(by_stream[streams[0]]))
    _check_straddled(snapshot, by_stream[streams[0]], by_stream[streams[1]])


def _check_straddled(snapshot: Json, depths: list[Json], tickers: list[Json]) -> None:
    assert depths[0]["U"] <= snapshot["lastUpdateId"], "the snapshot is not older than the stream"
    book: _Levels = {side: dict(snapshot[side]) for side in ("bids", "asks")}
    events = [event for event in depths if event["u"] > snapshot["lastUpdateId"]]
    assert events[0]["U"] <= snapshot["lastUpdateId"] + 1 <= events[0]["u"]
    compared = 0
    for event in events:
        _apply(book, event)
        best = {"bids": max(book["bids"], key=float), "asks": min(book["asks"], key=float)}
        assert float(best["bids"]) < float(best["asks"])
        quotes = [quote for quote in tickers if quote["u"] <= event["u"]]
        if quotes:
            quote = quotes[-1]
            assert (quote["b"], quote["B"]) == (best["bids"], book["bids"][best["bids"]])
            assert (quote["a"], quote["A"]) == (best["asks"], book["asks"][best["asks"]])
            compared += 1
    assert compared >= 5


def test_depth_streams_number_themselves() -> None:
    """Both depth speeds are contiguous for a client that listens to both, the slow one with a tenth of the
    messages."""
    source = MarketSource(8)
    floor = BinanceFloor(source)
    wanted = {"btcusdt@depth", "btcusdt@depth@100ms"}
    for key in wanted:
        floor.opening(key)
    sent: dict[str, list[Json]] = {key: [] for key in wanted}
    for tenth in range(1, 201):
        for step in source.advance(tenth * NS_PER_S // 10):
            floor.frames(step, wanted, step.at_ns)
        for key, text in floor.flush(wanted, tenth * NS_PER_S // 10):
            sent[key].append(json.loads(text)["data"])
    for events in sent.values():
        assert all(after["U"] == before["u"] + 1 for before, after in pairwise(events))
    assert 15 <= len(sent["btcusdt@depth"]) <= 20
    assert len(sent["btcusdt@depth@100ms"]) > 100


def _answers(dialogue: BinanceDialogue, request: object) -> list[Json]:
    text = request if isinstance(request, str) else json.dumps(request)
    return [json.loads(reply.text) for reply in dialogue.handle(text)]


def _dialogue(target: str = "/stream") -> BinanceDialogue:
    return BinanceDialogue(target, opening=BinanceFloor(MarketSource(1)).opening)


def test_subscriptions() -> None:
    """Streams named in the path and in messages are listed and can be left; unknown ones are silently accepted."""
    dialogue = _dialogue("/stream?streams=btcusdt@trade/ethusdt@trade")
    assert _answers(dialogue, binance_subscribe("nosuchthing@trade", "BTCUSDT@trade")) == [{"result": None, "id": 1}]
    assert _answers(dialogue, {"method": "UNSUBSCRIBE", "params": ["ethusdt@trade"], "id": "x"}) == [
        {"result": None, "id": "x"}
    ]
    assert _answers(dialogue, {"method": "LIST_SUBSCRIPTIONS", "id": 3}) == [
        {"result": ["BTCUSDT@trade", "btcusdt@trade", "nosuchthing@trade"], "id": 3}
    ]


@pytest.mark.parametrize(
    ("request_text", "code"),
    [
        ("{", 3),
        ("[" * 20_000, 3),
        ('{"method":{},"id":4}', 2),
        ("[]", 2),
        ('{"method":"DANCE","id":4}', 2),
        ('{"method":"SUBSCRIBE","params":"btcusdt@trade","id":4}', 2),
        ('{"method":"SUBSCRIBE","params":[1],"id":4}', 2),
        (binance_subscribe(*(f"s{number}@trade" for number in range(1025))), 2),
    ],
)
def test_bad_requests(request_text: object, code: int) -> None:
    """A request that makes no sense gets Binance's error code, bad JSON among them."""
    (answer,) = _answers(_dialogue(), request_text)
    assert answer["code"] == code
    assert answer["msg"].startswith("Invalid")
