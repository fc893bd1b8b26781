"""Recordings of Kraken Futures: what is read of them, and what a client that comes back in their midst gets."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from providers.base import Endpoints
from providers.kraken.futures.provider import KrakenFutures
from providers.simulated.futures_replay import FuturesReplay
from providers.simulated.recording import RecordedFrame, Recording
from tests.unit.providers.kraken.futures_support import SESSION, recorded_session
from tests.unit.providers.simulated.raw_client import Json, connected, running

_TRADE = '{"feed":"trade","product_id":"PI_X","uid":"a","side":"buy","seq":5,"time":1700000000123,"qty":1,"price":2}'


def _session(captures: Path, *, speed: float | None = None) -> Recording:
    folder = captures / "kraken_futures"
    return Recording.open([folder / SESSION, folder / "rest_instruments_20210722.json"], protocol=None, speed=speed)


def _numbers(text: str) -> Json:
    document: Json = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return document


def test_the_real_session_is_read_whole(captures: Path) -> None:
    """Every message of data with its exact receipt time; greetings and answers are the session's own."""
    recording = _session(captures)
    wanted = [(at, text) for at, text in recorded_session(captures) if '"event"' not in text]
    assert [(frame.received_ns, frame.text) for frame in recording.frames] == wanted
    assert (recording.protocol, len(recording.symbols), len(recording.streams)) == ("kraken_futures", 5, 15)
    assert json.loads(recording.metadata["PI_ETHUSD"].entry)["tickSize"] == 0.05
    with pytest.raises(ConfigurationError, match=r"Kraken Futures.*instruments"):
        Recording.open([captures / "kraken_futures" / SESSION], protocol=None, speed=None)


def test_messages_without_a_receipt_time_have_their_own(tmp_path: Path) -> None:
    """A message a line is received when the venue sent it."""
    path = tmp_path / "capture"
    beat = '{"feed":"heartbeat","time":1}'
    names = '{"result":"success","instruments":[{"symbol":"pi_x"}]}'
    path.write_text(f'{beat}\n{{"event":"pong"}}\n{_TRADE}\n')
    (tmp_path / "names").write_text(names)
    recording = Recording.open([path, tmp_path / "names"], protocol="kraken_futures", speed=None)
    (frame,) = recording.frames
    assert (frame.received_ns, frame.stream, frame.text) == (1700000000123_000_000, "trade:PI_X", _TRADE)
    with pytest.raises(ConfigurationError, match="capture of Kraken Futures"):
        Recording.open([path, tmp_path / "names"], protocol="kraken", speed=None)


@pytest.mark.parametrize(
    "line",
    ['{"feed":"book"}', '{"feed":"book","product_id":5}', '{"feed":"trade","product_id":"X","time":1e40}',
     '{"feed":"book","product_id":"X","timestamp":-1}', '{"event":"systemStatus"}', '{"feed":"book","product_id":"X'],
)  # fmt: skip
def test_damaged_lines(tmp_path: Path, line: str) -> None:
    """A damaged line is named by file and number; nothing is played."""
    path = tmp_path / "capture"
    path.write_text(f"1633998512.5: {_TRADE}\n{line}\n")
    with pytest.raises(ConfigurationError, match="capture, line 2"):
        Recording.open([path], protocol=None, speed=None)


def test_a_book_in_the_midst_is_what_was_played_so_far(captures: Path) -> None:
    """At any position the snapshot is an independent reader's book, under the number of the last change."""
    frames = _session(captures).frames
    replay = FuturesReplay(frames)
    key = "book:PI_ETHUSD"
    sides: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}
    for position, frame in enumerate(frames):
        if frame.stream == key:
            message = _numbers(frame.text)
            if message["feed"] == "book_snapshot":
                sides = {name: {row["price"]: row["qty"] for row in message[name]} for name in sides}
            else:
                side = sides["bids" if message["side"] == "buy" else "asks"]
                side[message["price"]] = message["qty"]
                if not message["qty"]:
                    del side[message["price"]]
            if position % 97 == 0:
                (text,) = replay.opening(key, until=position + 1)
                found = _numbers(text)
                assert (found["seq"], found["timestamp"]) == (message["seq"], message["timestamp"])
                for name, best_first in (("bids", True), ("asks", False)):
                    rows = [(row["price"], row["qty"]) for row in found[name]]
                    assert rows == sorted(sides[name].items(), reverse=best_first)


def test_a_tape_in_the_midst_is_the_last_hundred(captures: Path) -> None:
    """Nothing before the recording's own snapshot; at the end the newest first, the live trade among them."""
    frames = _session(captures).frames
    replay = FuturesReplay(frames)
    assert replay.opening("trade:PI_ETHUSD", until=0) == replay.opening("book:PI_ETHUSD", until=0) == []
    (text,) = replay.opening("trade:PI_ETHUSD", until=len(frames))
    assert [trade["seq"] for trade in json.loads(text)["trades"]] == list(range(103_832, 103_732, -1))
    assert replay.opening("ticker:PI_ETHUSD", until=len(frames)) == []
    past = replay.past_trades("PI_ETHUSD", until=len(frames))
    assert (len(past), past[-1].price, past[-1].quantity) == (101, "2005.2", "40.0")


def test_what_cannot_be_rebuilt_is_left_out() -> None:
    """Frames of a capture that carry no book and no trade give an empty answer, never an exception."""
    bad = ('{"feed":"book","product_id":"X"}', '{"feed":"trade","product_id":"X"}')
    replay = FuturesReplay([RecordedFrame(1, "book:X", bad[0]), RecordedFrame(2, "trade:X", bad[1])])
    assert replay.opening("book:X", until=2) == replay.opening("trade:X", until=2) == []
    assert replay.past_trades("X", until=2) == []


@pytest.mark.trio
async def test_the_history_of_a_recording_is_what_was_played(captures: Path) -> None:
    """Nothing before it begins; at its end every trade, by the venue's own page; tickers it has none."""
    recording = _session(captures)
    async with running("kraken_futures", recording) as venue:
        provider = KrakenFutures(Endpoints(stream_url=venue.stream_url, rest_url=venue.rest_url))
        product = (await provider.catalogue()).resolve("PI_ETHUSD")
        history = provider.history()
        assert history is not None
        before = [page async for page in history.trades(product, start_ns=0, end_ns=2**62)]
        async with connected(venue) as client:
            await client.send({"event": "subscribe", "feed": "trade", "product_ids": ["PI_ETHUSD"]})
            await client.drain()
        (after,) = [page async for page in history.trades(product, start_ns=0, end_ns=2**62)]
        assert await provider.tickers() == {}
    assert (before, len(after.records), after.rejected) == ([], 101, 0)
    assert after.records["price"][-1] == 2_005_200_000_000


@pytest.mark.trio
async def test_the_session_is_played_byte_for_byte(captures: Path) -> None:
    """A client that asks for everything gets every text as it came, with its receipt time, and then the end."""
    recording = _session(captures)
    async with running("kraken_futures", recording) as venue, connected(venue) as client:
        for feed in ("book", "trade", "ticker_lite"):
            await client.send({"event": "subscribe", "feed": feed, "product_ids": list(recording.symbols)})
        await client.drain()
    data = [(at, text) for at, text in zip(client.stamps, client.texts, strict=True) if '"event"' not in text]
    assert data == [(frame.received_ns, frame.text) for frame in recording.frames]
    assert client.closed is not None
    assert client.closed.code == 1000
