"""Playing recordings: byte for byte, complete, in order, with exact receipts, at the pace asked for."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import attrs
import pytest
import trio

from providers.simulated.recording import Recording
from providers.simulated.replay_book import ReplayBooks
from tests.unit.providers.simulated.raw_client import (
    RawClient,
    binance_subscribe,
    capture_lines,
    connected,
    kraken_subscribe,
    running,
)

_STREAMS = ("btcusdt@trade", "btcusdt@bookTicker", "btcusdt@depth@100ms")


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def _fetch(url: str) -> tuple[int, str]:
    return await trio.to_thread.run_sync(_get, url)


def _written(tmp_path: Path, count: int, *, gap_ns: int = 1, speed: float | None = None) -> Recording:
    path = tmp_path / "capture.txt"
    stream = ("btcusdt@trade", "btcusdt@bookTicker")
    path.write_text(
        "".join(
            f'{10**18 + number * gap_ns} {{"stream":"{stream[number % 2]}","data":{{"t":{number}}}}}\n'
            for number in range(count)
        )
    )
    return Recording.open([path], protocol="binance", speed=speed)


def _numbers(client: RawClient) -> list[int]:
    return [message["data"]["t"] for text in client.texts if "data" in (message := json.loads(text))]


@pytest.mark.trio
async def test_real_capture_at_full_speed(captures: Path) -> None:
    """The real capture arrives whole: every frame, identical, in order, each with its recorded receive time; the
    REST snapshot is the recorded one; the stream ends with a clean close."""
    path = captures / "binance/spot_btcusdt_20240808.txt.gz"
    lines = capture_lines(path)
    recording = Recording.open([path], protocol="binance", speed=None)
    async with running("binance", recording) as venue:
        assert (venue.venue, venue.symbols) == ("BINANCE", ("BTCUSDT",))
        snapshot = await _fetch(f"{venue.rest_url}/api/v3/depth?symbol=BTCUSDT&limit=5000")
        async with connected(venue) as client:
            await client.send(binance_subscribe(*_STREAMS))
            await client.drain()
        await venue.finished.wait()
    assert client.closed is not None
    assert (client.closed.code, client.closed.reason) == (1000, "end of recording")
    frames = [(stamp, text) for stamp, text in lines if text.startswith('{"stream"')]
    assert list(zip(client.stamps[1:], client.texts[1:], strict=True)) == frames
    counts = Counter(json.loads(text)["stream"] for text in client.texts[1:])
    assert [counts[stream] for stream in _STREAMS] == [9757, 28040, 3451]
    assert snapshot == (200, next(text for _, text in lines if text.startswith('{"lastUpdateId"')))


@pytest.mark.trio
async def test_kraken_capture(captures: Path) -> None:
    """A Kraken capture is passed through byte for byte, after an ack whose receipt is the playback's own time."""
    path = captures / "kraken_spot/v2_book_btcusd_d10_20230730_wire.jsonl"
    recording = Recording.open([path], protocol="kraken", speed=None)
    async with running("kraken", recording) as venue, connected(venue) as client:
        assert venue.venue == "KRAKEN"
        await client.send(kraken_subscribe("trade", "BTC/USD"))
        await client.send(kraken_subscribe("book", "BTC/USD", "ETH/USD", depth=10))
        await client.drain()
    session = [json.loads(text) for text in client.texts if '"type":"' not in text or '"status"' in text]
    assert session[0]["channel"] == "status"
    refused = [message for message in session if message.get("error")]
    assert [message["symbol"] for message in refused] == ["ETH/USD"]
    books = [text for text in client.texts if text.startswith('{"channel":"book"')]
    assert books == path.read_text().splitlines()
    assert client.stamps[0] == recording.frames[0].received_ns
    assert client.stamps[-len(books) :] == [frame.received_ns for frame in recording.frames]


@pytest.mark.trio
async def test_only_what_is_subscribed(tmp_path: Path) -> None:
    """Playback begins half a second after the last subscription when streams are missing, and leaves those out."""
    async with running("binance", _written(tmp_path, 6)) as venue, connected(venue) as client:
        await client.send(binance_subscribe("btcusdt@trade"))
        await client.drain()
    assert _numbers(client) == [0, 2, 4]
    assert [stamp - 10**18 for stamp in client.stamps] == [0, 0, 2, 4]


@pytest.mark.trio
async def test_two_clients_share_a_recording(tmp_path: Path) -> None:
    """Playback waits for every recorded stream; each client gets its own part, and both are told of the end."""
    async with (
        running("binance", _written(tmp_path, 200)) as venue,
        connected(venue) as first,
        connected(venue) as second,
        trio.open_nursery() as nursery,
    ):
        await first.send(binance_subscribe("btcusdt@trade"))
        await second.send(binance_subscribe("btcusdt@bookTicker"))
        nursery.start_soon(first.drain)
        nursery.start_soon(second.drain)
    assert _numbers(first) == list(range(0, 200, 2))
    assert _numbers(second) == list(range(1, 200, 2))


@pytest.mark.trio
async def test_ready_holds_playback(tmp_path: Path) -> None:
    """While the consumers are behind no further frames are sent than those of the turn begun; none is lost."""
    asked = 0
    allowed = 1

    def ready() -> bool:
        nonlocal asked
        asked += 1
        return asked % 50 == 0 and allowed * 64 > len(client.texts) - 1

    async with running("binance", _written(tmp_path, 300), ready=ready) as venue, connected(venue) as client:
        await client.send(binance_subscribe("btcusdt@trade", "btcusdt@bookTicker"))
        while await client.next() is not None:
            assert len(client.texts) - 1 <= allowed * 64
            if len(client.texts) - 1 == allowed * 64:
                allowed += 1
    assert _numbers(client) == list(range(300))
    assert asked >= 250


@pytest.mark.trio
async def test_pace(tmp_path: Path) -> None:
    """At a given speed a frame is never sent before its recorded spacing divided by the speed has passed."""
    recording = _written(tmp_path, 5, gap_ns=1_000_000_000, speed=20.0)
    async with running("binance", recording) as venue, connected(venue) as client:
        asked_s = trio.current_time()
        await client.send(binance_subscribe("btcusdt@trade", "btcusdt@bookTicker"))
        await client.until(lambda message: message.get("data") == {"t": 4})
        assert trio.current_time() - asked_s >= 4 / 20.0
        await client.drain()
    assert _numbers(client) == [0, 1, 2, 3, 4]


@pytest.mark.trio
async def test_lost_client_resumes(tmp_path: Path) -> None:
    """With nobody listening playback stands still; whoever comes next goes on where it stopped, and a client that
    comes after the end is told so at once."""
    recording = _written(tmp_path, 6, gap_ns=50_000_000, speed=1.0)
    subscription = binance_subscribe("btcusdt@trade", "btcusdt@bookTicker")
    async with running("binance", recording) as venue:
        async with connected(venue) as first:
            await first.send(subscription)
            await first.until(lambda message: message.get("data") == {"t": 1})
        async with connected(venue) as second:
            await second.send(subscription)
            await second.drain()
        # What was on its way to the first client is lost with it; nothing comes twice.
        assert _numbers(second) == list(range(6))[6 - min(4, len(_numbers(second))) :]
        await venue.finished.wait()
        async with connected(venue) as third:
            await third.send(subscription)
            await third.drain()
        assert third.closed is not None
        assert third.closed.reason == "end of recording"


@pytest.mark.trio
async def test_no_snapshot(tmp_path: Path) -> None:
    """A capture without a depth snapshot says so instead of inventing one."""
    async with running("binance", _written(tmp_path, 2)) as venue:
        status, body = await _fetch(f"{venue.rest_url}/api/v3/depth?symbol=BTCUSDT")
    assert (status, body) == (400, '{"code":-1000,"msg":"this recording has no depth snapshot"}')


def test_books_in_the_midst(captures: Path) -> None:
    """A Kraken book asked for again is what a client of the capture holds there, under the recorded checksum."""
    path = captures / "kraken_spot/v2_book_btcusd_d10_20230730_wire.jsonl"
    recording = Recording.open([path], protocol="kraken", speed=None)
    books = ReplayBooks(recording)
    assert books.opening("book:BTC/USD", until=0) == []
    assert books.opening("trade:BTC/USD", until=9) == []
    held: dict[str, dict[float, tuple[str, str]]] = {"bids": {}, "asks": {}}
    for index, frame in enumerate(recording.frames):
        (data,) = json.loads(frame.text, parse_float=str)["data"]
        for name in ("bids", "asks"):
            levels = held[name] | {float(row["price"]): (row["price"], row["qty"]) for row in data[name]}
            best = [price for price in sorted(levels, reverse=name == "bids") if float(levels[price][1])]
            held[name] = {price: levels[price] for price in best[:10]}
        if index % 50 == 7:
            (text,) = books.opening("book:BTC/USD", until=index + 1)
            (snapshot,) = json.loads(text, parse_float=str)["data"]
            assert snapshot["checksum"] == data["checksum"]
            for name in ("bids", "asks"):
                assert [(row["price"], row["qty"]) for row in snapshot[name]] == list(held[name].values())


def test_depth_in_the_midst(captures: Path) -> None:
    """Binance's depth is the recorded answer first, later the book as it stands, which straddles what follows."""
    path = captures / "binance/spot_btcusdt_20240808.txt.gz"
    whole = Recording.open([path], protocol="binance", speed=None)
    recording = attrs.evolve(whole, frames=whole.frames[:6000])
    books = ReplayBooks(recording)
    assert books.depth("BTCUSDT", until=3000, limit=5000) == recording.snapshots["BTCUSDT"]
    depths = [json.loads(frame.text)["data"] for frame in recording.frames[:5000] if "@depth" in frame.stream]
    text = books.depth("BTCUSDT", until=5000, limit=5)
    assert text is not None
    answer = json.loads(text)
    assert answer["lastUpdateId"] == depths[-1]["u"]
    ticker = [json.loads(frame.text)["data"] for frame in recording.frames[:5000] if "bookTicker" in frame.stream]
    quote = next(each for each in reversed(ticker) if each["u"] <= answer["lastUpdateId"])
    assert [answer["bids"][0], answer["asks"][0]] == [[quote["b"], quote["B"]], [quote["a"], quote["A"]]]
    assert len(answer["bids"]) == len(answer["asks"]) == 5
    assert books.depth("ETHUSDT", until=1, limit=5) is None
