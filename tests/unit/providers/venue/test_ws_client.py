"""The stream client against real servers on loopback, most of them ill-behaved."""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import attrs
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Message, Request, TextMessage

from core.errors import PermanentError, ResourceExhaustedError, TransientError
from core.model.instruments import Instrument, Product
from providers.base import Endpoints, FeedCounters
from providers.connection import ConnectionState, ConnectionStatus
from providers.venue import library_socket, ws_client
from providers.venue.ws_client import run_feed
from tests.servers.tcp import listening

DEADLINE_S = 20.0
pytestmark = pytest.mark.usefixtures("each_socket")


BTCUSD = Instrument(
    venue="BINANCE", symbol="BTCUSD", venue_symbol="BTCUSDT", canonical="BTCUSD", base="BTC", quote="USDT",
    settle="USDT", product=Product.SPOT, price_decimals=2, quantity_decimals=5,
    price_increment_e9=10**7, quantity_increment_e8=10**3,
)  # fmt: skip


@attrs.define
class ScriptedFeed:
    """Remembers what it saw; `on_text` may raise or answer."""

    outbox: list[str] = attrs.Factory(list)
    greeting: list[str] = attrs.Factory(list)
    seen: list[str] = attrs.Factory(list)
    stamps: list[int] = attrs.Factory(list)
    flushed: list[int] = attrs.Factory(list)
    openings: int = 0
    closings: int = 0
    on_text: Callable[[ScriptedFeed, str], None] = lambda _feed, _text: None
    arrived: trio.Event = attrs.Factory(trio.Event)

    def opened(self) -> list[str]:
        self.openings += 1
        return list(self.greeting)

    def handle(self, text: str, ts_recv_ns: int) -> None:
        self.seen.append(text)
        self.stamps.append(ts_recv_ns)
        self.on_text(self, text)
        self.arrived.set()
        self.arrived = trio.Event()

    def flush(self) -> None:
        self.flushed.append(len(self.seen))

    def closed(self) -> None:
        self.closings += 1

    def probe(self) -> str:
        return "are you there?"


@attrs.define
class Rig:
    """A feed, the state of its connection and one symbol's counters."""

    feed: ScriptedFeed = attrs.Factory(ScriptedFeed)
    connection: ConnectionState = attrs.Factory(lambda: ConnectionState("BINANCE"))
    counters: FeedCounters = attrs.Factory(lambda: FeedCounters(BTCUSD))

    async def run(self, port: int, *, silence_s: float = 10.0, answer_s: float = 10.0, ends: bool = False) -> None:
        """Run the feed against a port of this machine with no wait between attempts."""
        endpoints = Endpoints(
            stream_url=f"ws://127.0.0.1:{port}/stream",
            rest_url="",
            receipts=lambda _port: itertools.count(1000).__next__,
            ends_on_clean_close=ends,
        )
        await run_feed(
            self.feed, endpoints, self.connection,
            silence_s=silence_s, answer_s=answer_s, delays=itertools.repeat(0.0), counters=[self.counters],
        )  # fmt: skip

    async def until(self, condition: Callable[[], bool]) -> None:
        """Poll until `condition` holds; the test's deadline ends it otherwise."""
        while not condition():
            await trio.sleep(0.005)


@asynccontextmanager
async def websocket_server(handler: Callable[[WebSocketRequest], Awaitable[None]]) -> AsyncIterator[int]:
    """A WebSocket server; yields its port."""
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve_websocket, handler, "127.0.0.1", 0, None))
        yield server.port
        nursery.cancel_scope.cancel()


async def shake_hands(stream: trio.SocketStream) -> WSConnection:
    """Answer the client's upgrade on a raw stream."""
    protocol = WSConnection(ConnectionType.SERVER)
    while True:
        protocol.receive_data(await stream.receive_some(65536))
        for event in protocol.events():
            if isinstance(event, Request):
                await stream.send_all(protocol.send(AcceptConnection()))
                return protocol


def text_frame(protocol: WSConnection, text: str) -> bytes:
    """One text frame."""
    message: Message[str] = TextMessage(data=text)
    return protocol.send(message)


def reset(stream: trio.SocketStream) -> None:
    """Make closing `stream` send RST instead of FIN."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.trio
async def test_a_clean_close_ends_a_recording_after_everything_was_handled() -> None:
    """With `ends_on_clean_close`, code 1000 returns once all that was sent before it is handled and stamped once."""

    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        for number in range(3000):
            await connection.send_message(str(number))
        await connection.aclose(1000)

    rig = Rig()
    with trio.fail_after(DEADLINE_S):
        async with websocket_server(handler) as port:
            await rig.run(port, ends=True)
    assert rig.feed.seen == [str(number) for number in range(3000)]
    assert rig.feed.stamps == list(range(1000, 4000))
    assert rig.connection.messages == 3000
    assert rig.connection.reconnects == rig.counters.reconnects == 0
    assert rig.connection.status is ConnectionStatus.DISCONNECTED
    assert rig.connection.publish_delay.summary().count == 3000
    assert (rig.feed.openings, rig.feed.closings) == (1, 1)


@pytest.mark.trio
async def test_a_clean_close_of_a_live_venue_is_a_loss() -> None:
    """Without `ends_on_clean_close`, code 1000 reconnects like any other."""

    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.aclose(1000, "bye\x1b[2J")

    rig = Rig()
    reasons: list[str] = []
    with trio.fail_after(DEADLINE_S):
        async with websocket_server(handler) as port, trio.open_nursery() as nursery:
            nursery.start_soon(rig.run, port)
            await rig.until(lambda: rig.feed.openings >= 3 and rig.connection.reason != "")
            reasons.append(rig.connection.reason)
            nursery.cancel_scope.cancel()
    assert rig.connection.reconnects >= 2
    assert rig.counters.reconnects == rig.connection.reconnects
    assert "1000" in reasons[0]
    assert "\x1b" not in reasons[0]


@pytest.mark.trio
async def test_an_abrupt_close_reconnects_and_keeps_what_came_before() -> None:
    """End of file without a close frame: what came before is handled, then a new connection follows."""

    async def handler(stream: trio.SocketStream) -> None:
        protocol = await shake_hands(stream)
        await stream.send_all(text_frame(protocol, "one") + text_frame(protocol, "two"))

    rig = Rig()
    with trio.fail_after(DEADLINE_S):
        async with listening(handler) as port, trio.open_nursery() as nursery:
            nursery.start_soon(rig.run, port)
            await rig.until(lambda: rig.connection.reconnects >= 2)
            nursery.cancel_scope.cancel()
    assert rig.feed.seen[:4] == ["one", "two", "one", "two"]
    assert rig.feed.closings == rig.feed.openings


@pytest.mark.trio
async def test_a_silent_venue_is_asked_and_then_left() -> None:
    """Silence is answered with the feed's probe; no frame after that ends the connection with that reason."""
    asked: list[str | bytes] = []

    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        try:
            while True:
                asked.append(await connection.get_message())
        except ConnectionClosed:
            return

    rig = Rig()
    with trio.fail_after(DEADLINE_S):
        async with websocket_server(handler) as port, trio.open_nursery() as nursery:
            nursery.start_soon(partial(rig.run, port, silence_s=0.02, answer_s=0.1))
            await rig.until(lambda: rig.connection.reconnects >= 1)
            nursery.cancel_scope.cancel()
    assert asked[0] == "are you there?"


@pytest.mark.trio
async def test_a_quiet_venue_that_answers_is_kept() -> None:
    """A venue that says nothing of itself but answers every probe is not left."""

    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        try:
            while True:
                await connection.send_message(f"yes: {await connection.get_message()!s}")
        except ConnectionClosed:
            return

    rig = Rig()
    with trio.fail_after(DEADLINE_S):
        async with websocket_server(handler) as port, trio.open_nursery() as nursery:
            nursery.start_soon(partial(rig.run, port, silence_s=0.02))
            await rig.until(lambda: len(rig.feed.seen) >= 5)
            nursery.cancel_scope.cancel()
    assert set(rig.feed.seen) == {"yes: are you there?"}
    assert rig.connection.reconnects == 0


@pytest.mark.trio
async def test_no_answer_to_the_upgrade_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and never answers HTTP is left at the deadline, and no reconnect is counted."""
    monkeypatch.setattr(ws_client, "CONNECT_S", 0.05)
    attempts = 0

    async def handler(_stream: trio.SocketStream) -> None:
        nonlocal attempts
        attempts += 1
        await trio.sleep_forever()

    rig = Rig()
    with trio.fail_after(DEADLINE_S):
        async with listening(handler) as port, trio.open_nursery() as nursery:
            nursery.start_soon(rig.run, port)
            await rig.until(lambda: attempts >= 3)
            assert rig.connection.status is ConnectionStatus.RECONNECTING
            assert rig.connection.reason == "no answer within 0.05 s"
            nursery.cancel_scope.cancel()
    assert rig.feed.openings == rig.connection.reconnects == 0


@pytest.mark.trio
async def test_a_closed_port_is_tried_again() -> None:
    """A refused connection is a loss like another, with the machine's own words as the reason."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    rig = Rig()
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.run, port)
            await rig.until(lambda: rig.connection.status is ConnectionStatus.RECONNECTING)
            assert rig.connection.reason
            nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_reset_while_the_queue_is_full_does_not_hang() -> None:
    """RST with more received than was taken, while the feed gives the connection up: a new one follows."""
    assert library_socket.MESSAGE_QUEUE_SIZE == 0

    async def handler(stream: trio.SocketStream) -> None:
        protocol = await shake_hands(stream)
        await stream.send_all(b"".join(text_frame(protocol, "x" * 200) for _ in range(500)))
        reset(stream)

    def give_up(_feed: ScriptedFeed, _text: str) -> None:
        raise TransientError("stream broken", "a gap")

    rig = Rig(feed=ScriptedFeed(on_text=give_up))
    with trio.fail_after(DEADLINE_S):
        async with listening(handler) as port, trio.open_nursery() as nursery:
            nursery.start_soon(rig.run, port)
            await rig.until(lambda: rig.feed.openings >= 2)
            nursery.cancel_scope.cancel()
    assert rig.connection.reconnects >= 1


@pytest.mark.trio
async def test_a_frame_with_reserved_bits_reconnects() -> None:
    """A frame that breaks the protocol ends the connection instead of hanging it."""

    async def handler(stream: trio.SocketStream) -> None:
        protocol = await shake_hands(stream)
        await stream.send_all(text_frame(protocol, "good") + b"\xf1\x03bad")
        await trio.sleep_forever()

    rig = Rig()
    with trio.fail_after(DEADLINE_S):
        async with listening(handler) as port, trio.open_nursery() as nursery:
            nursery.start_soon(rig.run, port)
            await rig.until(lambda: rig.connection.reconnects >= 1)
            nursery.cancel_scope.cancel()
    assert rig.feed.seen[0] == "good"


@pytest.mark.trio
async def test_too_many_connections_waits_as_told(autojump_clock: trio.testing.MockClock) -> None:
    """HTTP 429 with Retry-After makes the next attempt no sooner than it says."""
    attempts: list[float] = []
    enough = trio.Event()

    async def rejecting(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        attempts.append(trio.current_time())
        if len(attempts) == 3:
            enough.set()
        await stream.send_all(b"HTTP/1.1 429 Too Many\r\nRetry-After: 37\r\nContent-Length: 2\r\n\r\nno")

    rig = Rig()
    async with listening(rejecting) as port, trio.open_nursery() as nursery:
        autojump_clock.autojump_threshold = 0.1
        nursery.start_soon(rig.run, port)
        with trio.fail_after(1000):
            await enough.wait()
        assert rig.connection.reason == "the venue answered HTTP 429: asked to wait 37 s"
        nursery.cancel_scope.cancel()
    assert attempts[1] - attempts[0] >= 37
    assert attempts[2] - attempts[1] >= 37


@pytest.mark.trio
async def test_a_place_that_is_not_served_is_permanent() -> None:
    """HTTP 451 stops the stream with an error for the operator."""

    async def handler(request: WebSocketRequest) -> None:
        await request.reject(451)

    rig = Rig()
    with trio.fail_after(DEADLINE_S):
        async with websocket_server(handler) as port:
            with pytest.raises(PermanentError, match="451"):
                await rig.run(port)
    assert rig.connection.status is ConnectionStatus.ERROR


@pytest.mark.trio
@pytest.mark.parametrize("status", [404, 500, 503])
async def test_other_refusals_of_the_upgrade_are_retried(status: int) -> None:
    """Any other HTTP answer is retried with its number as the reason."""

    async def handler(request: WebSocketRequest) -> None:
        await request.reject(status, body=b"<html>\x1b[31m")

    rig = Rig()
    with trio.fail_after(DEADLINE_S):
        async with websocket_server(handler) as port, trio.open_nursery() as nursery:
            nursery.start_soon(rig.run, port)
            await rig.until(lambda: rig.connection.reason == f"the venue answered HTTP {status}")
            nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_the_feed_says_decides() -> None:
    """PermanentError from the feed leaves bare; a resource limit waits and reconnects."""

    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message("text")
        await trio.sleep_forever()

    def refuse(feed: ScriptedFeed, _text: str) -> None:
        if feed.openings == 1:
            raise ResourceExhaustedError("too fast", "venue", retry_after_s=0.01)
        raise PermanentError("all refused", "venue")

    rig = Rig(feed=ScriptedFeed(on_text=refuse))
    with trio.fail_after(DEADLINE_S):
        async with websocket_server(handler) as port:
            with pytest.raises(PermanentError, match="all refused"):
                await rig.run(port)
    assert rig.feed.openings == rig.feed.closings == 2
    assert rig.feed.flushed == [1, 2]  # what came before the text that raised is published all the same
    assert rig.connection.reconnects == 1


@pytest.mark.trio
async def test_greeting_and_outbox_are_sent_in_order() -> None:
    """The texts of `opened` go first, then what `handle` and tasks put into the outbox."""
    heard: list[str | bytes] = []

    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        try:
            while True:
                heard.append(await connection.get_message())
                await connection.send_message(f"ack {len(heard)}")
        except ConnectionClosed:
            return

    def answer(feed: ScriptedFeed, text: str) -> None:
        if text == "ack 2":
            feed.outbox.append("third")

    rig = Rig(feed=ScriptedFeed(greeting=["first", "second"], on_text=answer))
    with trio.fail_after(DEADLINE_S):
        async with websocket_server(handler) as port, trio.open_nursery() as nursery:
            nursery.start_soon(rig.run, port)
            await rig.until(lambda: len(heard) == 3)
            rig.feed.outbox.append("from a task")
            await rig.until(lambda: len(heard) == 4)
            nursery.cancel_scope.cancel()
    assert heard == ["first", "second", "third", "from a task"]


@pytest.mark.trio
async def test_binary_frames_are_counted_malformed() -> None:
    """A binary frame is counted and not handed over; the next text is."""

    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message(b"\x00\x01")
        await connection.send_message("text")
        await connection.aclose(1000)

    rig = Rig()
    with trio.fail_after(DEADLINE_S):
        async with websocket_server(handler) as port:
            await rig.run(port, ends=True)
    assert rig.feed.seen == ["text"]
    assert (rig.connection.messages, rig.connection.malformed) == (2, 1)


@pytest.mark.trio
async def test_a_message_of_several_mebibytes_arrives() -> None:
    """A message above the library's default limit is delivered whole."""
    large = "y" * (3 * 1024 * 1024)

    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message(large)
        await connection.aclose(1000)

    rig = Rig()
    with trio.fail_after(DEADLINE_S):
        async with websocket_server(handler) as port:
            await rig.run(port, ends=True)
    assert rig.feed.seen == [large]
