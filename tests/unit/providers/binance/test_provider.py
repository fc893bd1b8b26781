"""The provider against a stand-in for the venue on loopback: real sockets, REST and stream."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from core.errors import ConfigurationError, NotFoundError, PermanentError
from core.model.records import F_LAST, F_MAYBE_BAD_BOOK, F_SNAPSHOT, Schema
from providers.base import BookState, Endpoints, FeedCounters
from providers.binance import provider as binance
from providers.binance.provider import BinanceSpot
from providers.connection import ConnectionStatus
from tests.unit.providers.binance.support import KeepingSink, depth, instrument, quote, recorded, trade

DEADLINE_S = 20.0
SNAPSHOT = b'{"lastUpdateId":5,"bids":[["100.0","1.0"]],"asks":[["101.0","1.0"]]}'
INFO = json.dumps(
    {
        "symbols": [
            {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": []},
            {"symbol": "OLDUSDT", "status": "BREAK", "baseAsset": "OLD", "quoteAsset": "USDT", "filters": []},
        ]
    }
).encode()
Script = Callable[[WebSocketConnection], Awaitable[None]]


@attrs.define
class StandIn:
    """What the venue answers. `snapshots` are used up one by one, the last for ever; `gate` holds them back."""

    script: Script
    snapshots: list[tuple[str, bytes]] = attrs.Factory(lambda: [("200 OK", SNAPSHOT)])
    info: tuple[str, bytes] = ("200 OK", INFO)
    gate: trio.Event | None = None
    requests: list[str] = attrs.Factory(list)
    paths: list[str] = attrs.Factory(list)

    async def rest(self, stream: trio.SocketStream) -> None:
        """Answer one request and close."""
        async with stream:
            target = bytes(await stream.receive_some(65536)).split(b" ")[1].decode()
            self.requests.append(target)
            if target.startswith("/api/v3/depth"):
                if self.gate is not None:
                    await self.gate.wait()
                status, body = self.snapshots[0] if len(self.snapshots) == 1 else self.snapshots.pop(0)
            else:
                status, body = self.info
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nRetry-After: 0\r\nConnection: close\r\n\r\n"
            await stream.send_all(head.encode() + body)

    async def talk(self, request: WebSocketRequest) -> None:
        """Run the script on one connection."""
        self.paths.append(request.path)
        connection = await request.accept()
        try:
            await self.script(connection)
        except ConnectionClosed:
            return


@asynccontextmanager
async def standing_in(venue: StandIn, *, ends: bool = False) -> AsyncIterator[BinanceSpot]:
    """A provider connected to `venue`."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, venue.rest, 0, host="127.0.0.1"))
        server = await nursery.start(partial(serve_websocket, venue.talk, "127.0.0.1", 0, None))
        with trio.fail_after(DEADLINE_S):
            yield BinanceSpot(
                Endpoints(
                    stream_url=f"ws://127.0.0.1:{server.port}",
                    rest_url=f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}",
                    ends_on_clean_close=ends,
                )
            )
        nursery.cancel_scope.cancel()


def wire(message: object) -> str:
    """A message as the venue writes it."""
    return json.dumps(message, separators=(",", ":"))


async def agree(connection: WebSocketConnection) -> None:
    """Accept one subscription."""
    asked = json.loads(await connection.get_message())
    await connection.send_message(wire({"result": None, "id": asked["id"]}))


async def until(condition: Callable[[], bool]) -> None:
    """Poll until `condition` holds; the deadline of the stand-in ends it otherwise."""
    while not condition():
        await trio.sleep(0.005)


@pytest.mark.trio
async def test_a_recording_is_delivered_whole_although_its_snapshot_comes_last(captures: Path) -> None:
    """Everything received before the clean close is published, the book too, whose snapshot arrives afterwards."""
    lines = [text for _, text in recorded(captures, "spot_btcusdt_20240808.txt.gz", 400)]
    snapshot = next(text for text in lines if "lastUpdateId" in text)
    frames = [text for text in lines if "lastUpdateId" not in text]
    gate = trio.Event()

    async def script(connection: WebSocketConnection) -> None:
        await agree(connection)
        for text in frames:
            await connection.send_message(text)
        await connection.aclose(1000)

    venue = StandIn(script, snapshots=[("200 OK", snapshot.encode())], gate=gate)
    sink = KeepingSink()
    async with standing_in(venue, ends=True) as provider, trio.open_nursery() as nursery:
        (counters,) = await nursery.start(partial(provider.stream, [instrument()], sink))
        await until(lambda: provider.connection.status is ConnectionStatus.DISCONNECTED)
        gate.set()
    kinds = [sum(f"@{kind}" in text for text in frames) for kind in ("trade", "bookTicker", "depth")]
    assert [counters.trades, counters.quotes, counters.book_updates] == kinds
    books = sink.channels["BTCUSDT", Schema.BOOK].array(Schema.BOOK)
    flags = [int(each) for each in books["flags"]]
    assert flags[0] == F_LAST | F_SNAPSHOT
    assert flags[-1] == F_LAST | F_MAYBE_BAD_BOOK
    assert flags[1:-1] == [F_LAST] * (len(flags) - 2)
    assert len(flags) > 10
    assert counters.gaps == counters.reconnects == provider.connection.malformed == 0
    assert provider.connection.messages == len(frames) + 1


@pytest.mark.trio
async def test_failing_snapshots_disturb_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """While REST fails, trades and quotes go on; the book comes live with the first good snapshot."""
    monkeypatch.setattr(binance, "backoff_delays", lambda: itertools.repeat(0.0))
    failing = [("503 Down", b"<html>"), ("429 Slow", b"{}"), ("200 OK", b"{"), ("200 OK", SNAPSHOT)]

    async def script(connection: WebSocketConnection) -> None:
        await agree(connection)
        for number in range(10):
            await connection.send_message(wire(trade(number)))
            await connection.send_message(wire(quote(number)))
        await trio.sleep_forever()

    venue = StandIn(script, snapshots=failing, gate=trio.Event())
    async with standing_in(venue) as provider, trio.open_nursery() as nursery:
        (counters,) = await nursery.start(partial(provider.stream, [instrument()], KeepingSink()))
        await until(lambda: counters.quotes == 10)
        assert counters.book_state is BookState.SYNCING
        assert venue.gate is not None
        venue.gate.set()
        await until(lambda: counters.book_state is not BookState.SYNCING)
        nursery.cancel_scope.cancel()
    assert (counters.trades, counters.problem) == (10, "")
    assert venue.requests[1:] == ["/api/v3/depth?symbol=BTCUSDT&limit=1000"] * 4
    assert venue.paths == ["/stream"]


@pytest.mark.trio
async def test_after_an_abrupt_close_the_book_is_built_anew() -> None:
    """A lost connection withholds the book; the next one subscribes, asks for a snapshot and is live again."""

    async def script(connection: WebSocketConnection) -> None:
        await agree(connection)
        await connection.send_message(wire(depth(4, 6)))
        await lost.wait()

    lost = trio.Event()
    sink = KeepingSink()
    venue = StandIn(script)
    async with standing_in(venue) as provider, trio.open_nursery() as nursery:
        (counters,) = await nursery.start(partial(provider.stream, [instrument()], sink))
        books = sink.channel(instrument(), Schema.BOOK)
        await until(lambda: len(books.records) == 2)
        lost.set()
        lost = trio.Event()
        await until(lambda: len(books.records) == 5)
        nursery.cancel_scope.cancel()
    live = [F_LAST | F_SNAPSHOT, F_LAST]
    assert [int(each) for each in books.array(Schema.BOOK)["flags"]][:5] == [*live, F_LAST | F_MAYBE_BAD_BOOK, *live]
    assert counters.reconnects == provider.connection.reconnects == 1
    assert counters.gaps == 0


@pytest.mark.trio
async def test_names_are_checked_against_the_catalogue() -> None:
    """A name that is not listed is not subscribed and says so; a halted one is, and says that."""
    heard: list[str] = []

    async def script(connection: WebSocketConnection) -> None:
        heard.append(str(await connection.get_message()))
        await trio.sleep_forever()

    asked = [instrument(), instrument("OLDUSDT", "OLDUSD"), instrument("NOSUCHUSDT", "NOSUCHUSD")]
    async with standing_in(StandIn(script)) as provider, trio.open_nursery() as nursery:
        counters: Sequence[FeedCounters] = await nursery.start(partial(provider.stream, asked, KeepingSink()))
        await until(lambda: bool(heard))
        nursery.cancel_scope.cancel()
    assert [each.problem for each in counters[:2]] == ["", "not trading: BREAK"]
    assert "no such instrument" in counters[2].problem
    assert "oldusdt@trade" in heard[0]
    assert "nosuch" not in heard[0]


@pytest.mark.trio
async def test_no_listed_name_is_an_error() -> None:
    """When the venue lists none of the symbols, the stream ends with that, before any connection."""
    async with standing_in(StandIn(agree)) as provider:
        with pytest.raises(NotFoundError, match="none of 1"):
            await provider.stream([instrument("NOSUCHUSDT", "NOSUCHUSD")], KeepingSink())


@pytest.mark.trio
async def test_a_catalogue_that_fails_does_not_stop_the_stream() -> None:
    """Without the catalogue the names cannot be checked, and the stream is opened all the same."""

    async def script(connection: WebSocketConnection) -> None:
        await agree(connection)
        await connection.send_message(wire(trade(1)))
        await trio.sleep_forever()

    venue = StandIn(script, info=("503 Down", b""))
    async with standing_in(venue) as provider, trio.open_nursery() as nursery:
        (counters,) = await nursery.start(partial(provider.stream, [instrument()], KeepingSink()))
        await until(lambda: counters.trades == 1)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_when_everything_is_refused_the_error_comes_out_bare() -> None:
    """A venue that refuses the only symbol ends the stream with `PermanentError`, not with a group."""

    async def script(connection: WebSocketConnection) -> None:
        asked = json.loads(await connection.get_message())
        await connection.send_message(wire({"code": 2, "msg": "Invalid request", "id": asked["id"]}))
        await trio.sleep_forever()

    async with standing_in(StandIn(script)) as provider:
        with pytest.raises(PermanentError, match="every symbol refused"):
            await provider.stream([instrument()], KeepingSink())
        assert provider.connection.status is ConnectionStatus.ERROR


@pytest.mark.trio
async def test_a_snapshot_that_is_refused_for_good_is_said() -> None:
    """A permanent refusal of the snapshot withholds the book with the reason, and the trades go on."""

    async def script(connection: WebSocketConnection) -> None:
        await agree(connection)
        await refused.wait()
        await connection.send_message(wire(trade(1)))
        await trio.sleep_forever()

    refused = trio.Event()
    venue = StandIn(script, snapshots=[("400 Bad Request", b'{"code":-1121,"msg":"Invalid symbol."}')])
    async with standing_in(venue) as provider, trio.open_nursery() as nursery:
        (counters,) = await nursery.start(partial(provider.stream, [instrument()], KeepingSink()))
        await until(lambda: counters.book_state is BookState.WITHHELD)
        assert "Invalid symbol" in counters.problem
        refused.set()
        await until(lambda: counters.trades == 1)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_the_catalogue_is_the_venues() -> None:
    """The catalogue holds what REST lists, under the venue name given."""
    async with standing_in(StandIn(agree)) as provider:
        symbols = await provider.catalogue()
    assert symbols.to_venue("BTCUSD") == "BTCUSDT"
    assert symbols.resolve("OLDUSD").venue == "BINANCE"


@pytest.mark.trio
async def test_more_symbols_than_a_connection_carries_are_refused() -> None:
    """The venue's limit of streams is said before anything is opened."""
    many = [instrument(f"S{number}USDT", f"S{number}USD") for number in range(342)]
    with pytest.raises(PermanentError, match="too many symbols"):
        await BinanceSpot().stream(many, KeepingSink())


@pytest.mark.parametrize("url", ["", "ws://[::1/", "ws://h:99999/", "wss:///v2"])
def test_a_bad_address_is_configuration(url: str) -> None:
    """A stream address that is none is said at once, as an error that the operator can read."""
    with pytest.raises(ConfigurationError, match="bad stream address"):
        BinanceSpot(Endpoints(stream_url=url, rest_url=""))
