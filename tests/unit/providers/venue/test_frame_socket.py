"""Our own WebSocket where it does more than the library: codes, pongs, what comes early, who does not listen."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio_websocket import ConnectionClosed
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Pong, Request

from core.errors import TransientError
from providers.connection import ConnectionState
from providers.venue import ws_client
from providers.venue.frame_socket import MAX_PONGS, FrameSocket, open_frame_socket
from providers.venue.frames import FrameScanner
from providers.venue.transport import Address
from tests.servers.tcp import listening
from tests.unit.providers.venue.test_ws_client import DEADLINE_S, Rig, ScriptedFeed, shake_hands

LONGEST = 1000
ADDRESS = Address(secure=False, host="venue", port=80, authority="venue", target="/stream")
CLOSE = b"\x88\x02\x03\xe8"
Talk = Callable[[FrameSocket], Awaitable[None]]


async def converse(serve: Callable[[trio.SocketStream], Awaitable[None]], talk: Talk) -> None:
    """A server that does `serve` and a client that does `talk`, both to their end."""
    with trio.fail_after(DEADLINE_S):
        ended = trio.Event()

        async def handler(stream: trio.SocketStream) -> None:
            await serve(stream)
            ended.set()

        async with listening(handler) as port, trio.open_nursery() as nursery:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            async with stream:
                await talk(
                    await open_frame_socket(nursery, stream, ADDRESS, max_message_bytes=LONGEST, receive_bytes=65536)
                )
            await ended.wait()
            nursery.cancel_scope.cancel()


async def rest_of(opened: FrameSocket) -> list[str | bytes]:
    """Every message until the venue closes."""
    messages: list[str | bytes] = []
    while True:
        try:
            messages += await opened.receive()
        except ConnectionClosed:
            return messages


@pytest.mark.trio
@pytest.mark.parametrize(
    ("broken", "code"),
    [(b"\xf1\x01x", 1002), (b"\x81\x01\xff", 1007), (b"\x81\x7e" + struct.pack("!H", LONGEST + 1), 1009)],
)
async def test_the_venue_is_told_what_it_broke(broken: bytes, code: int) -> None:
    """Leaving after a violation sends its code; the reason is in the error, and nothing is waited for."""
    said: list[CloseConnection] = []

    async def serve(stream: trio.SocketStream) -> None:
        protocol = await shake_hands(stream)
        await stream.send_all(broken)
        while not said:
            protocol.receive_data(await stream.receive_some(65536))
            said.extend(event for event in protocol.events() if isinstance(event, CloseConnection))
        await stream.receive_some(65536)

    async def talk(opened: FrameSocket) -> None:
        assert await opened.receive() == []
        with pytest.raises(TransientError, match="broke the WebSocket protocol"):
            await opened.receive()
        await opened.aclose()

    await converse(serve, talk)
    assert said[0].code == code


class Reluctant(trio.abc.Stream):
    """A stream whose other side reads on only when it is `listening`."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.listening = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.listening.wait()
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.listening.wait()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


@pytest.mark.trio
async def test_a_venue_that_does_not_listen_is_still_heard() -> None:
    """Pongs that the venue does not read hold up no message; when it reads again, the newest ping is answered."""
    count = 1000
    pongs: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        protocol = await shake_hands(stream)
        for number in range(count):
            await stream.send_all(b"\x89\x04%04d\x81\x01x" % number)
        while pongs[-1:] != [b"%04d" % (count - 1)]:
            protocol.receive_data(await stream.receive_some(65536))
            pongs.extend(bytes(event.payload) for event in protocol.events() if isinstance(event, Pong))
        await stream.send_all(CLOSE)

    async def talk(opened: FrameSocket) -> None:
        opened._stream = wire = Reluctant(opened._stream)  # type: ignore[arg-type]
        seen = 0
        while seen < count:
            seen += len(await opened.receive())
            assert len(opened._scanner.pings) <= MAX_PONGS
        wire.listening.set()
        assert await rest_of(opened) == []

    await converse(serve, talk)
    assert len(pongs) < count


@pytest.mark.trio
@pytest.mark.parametrize("size", [1, 1 << 16])
async def test_frames_right_behind_the_upgrade_are_not_lost(size: int) -> None:
    """What the venue sends in the same breath as its agreement is delivered, line ends and all."""

    async def serve(stream: trio.SocketStream) -> None:
        protocol = WSConnection(ConnectionType.SERVER)
        protocol.receive_data(await stream.receive_some(65536))
        assert isinstance(next(iter(protocol.events())), Request)
        answer = protocol.send(AcceptConnection()) + b"\x81\x05a\r\n\r\n\x81\x01b\x81\x02c"
        for at in range(0, len(answer), size):
            await stream.send_all(answer[at : at + size])
        await stream.send_all(b"d" + CLOSE)
        await stream.receive_some(65536)

    async def talk(opened: FrameSocket) -> None:
        assert await rest_of(opened) == ["a\r\n\r\n", "b", "cd"]
        await opened.aclose()

    await converse(serve, talk)


@pytest.mark.trio
async def test_pings_while_leaving_disturb_nothing() -> None:
    """After our close frame nothing is sent any more, whatever the venue asks."""
    heard = bytearray()

    async def serve(stream: trio.SocketStream) -> None:
        protocol = await shake_hands(stream)
        while not any(isinstance(event, CloseConnection) for event in protocol.events()):
            protocol.receive_data(await stream.receive_some(65536))
        await stream.send_all(b"\x89\x02hi\x81\x04late" + CLOSE)
        heard.extend(await stream.receive_some(65536))

    async def talk(opened: FrameSocket) -> None:
        await opened.aclose()

    await converse(serve, talk)
    assert heard == b""


@pytest.mark.trio
async def test_a_venue_that_floods_is_left_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that goes on sending instead of answering our close is cut off at the deadline for leaving."""
    monkeypatch.setattr(ws_client, "LEAVE_S", 0.05)

    async def flood(stream: trio.SocketStream) -> None:
        await shake_hands(stream)
        while True:
            await stream.send_all(b"\x81\x01x" * 1000)

    def give_up(_feed: ScriptedFeed, _text: str) -> None:
        raise TransientError("stream broken", "a gap")

    rig = Rig(feed=ScriptedFeed(on_text=give_up), connection=ConnectionState("BINANCE"))
    with trio.fail_after(DEADLINE_S):
        async with listening(flood) as port, trio.open_nursery() as nursery:
            nursery.start_soon(rig.run, port)
            await rig.until(lambda: rig.feed.openings >= 3)
            nursery.cancel_scope.cancel()
    assert len(rig.feed.seen) <= rig.feed.openings


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_come() -> None:
    """The header alone is enough: nothing is kept for a message that will not be taken."""
    for header in (
        b"\x81\x7e\x03\xe9",
        b"\x82\x7f\x7f" + b"\xff" * 7,
        b"\x01\x7e\x03\xe8" + b"x" * 1000 + b"\x80\x01",
    ):
        scanner = FrameScanner(max_message_bytes=LONGEST)
        assert scanner.scan(header) == []
        assert scanner.ending is not None
        assert scanner.ending.code == 1009
        assert scanner.scan(b"\x81\x01x") == []


def test_a_message_of_the_longest_length_is_taken_byte_by_byte() -> None:
    """The limit itself is no violation, in one frame or in many."""
    many = b"\x01\x01x" + b"\x00\x01x" * (LONGEST - 2) + b"\x80\x01x"
    for stream in (b"\x81\x7e" + struct.pack("!H", LONGEST) + b"x" * LONGEST, many):
        scanner = FrameScanner(max_message_bytes=LONGEST)
        messages = [scanner.scan(stream[at : at + 1]) for at in range(len(stream))]
        assert list(itertools.chain.from_iterable(messages)) == ["x" * LONGEST]
        assert scanner.ending is None


@pytest.mark.parametrize("first", [b"\x81", b"\x82"])
@pytest.mark.parametrize(
    ("length", "payload_bytes", "code"),
    [
        (b"\x7e\x00\x7d", 125, 1002),
        (b"\x7e\x00\x7e", 126, None),
        (b"\x7e\xff\xff", 65_535, None),
        (b"\x7f" + struct.pack("!Q", 65_535), 65_535, 1002),
        (b"\x7f" + struct.pack("!Q", 65_536), 65_536, None),
        (b"\x7f" + struct.pack("!Q", 1 << 63), 0, 1002),
        (b"\x7f" + struct.pack("!Q", (1 << 63) - 1), 0, 1009),
    ],
)
def test_lengths_take_the_fewest_bytes(first: bytes, length: bytes, payload_bytes: int, code: int | None) -> None:
    """Each way of saying a length is taken from its first length on, and refused below it."""
    scanner = FrameScanner(max_message_bytes=1 << 20)
    messages = scanner.scan(first + length + b"x" * payload_bytes)
    assert [len(message) for message in messages] == ([payload_bytes] if code is None else [])
    assert (scanner.ending.code if scanner.ending else None) == code


@pytest.mark.parametrize("cut", range(7))
def test_no_text_begins_within_another(cut: int) -> None:
    """A whole text between the fragments of a message is refused, wherever the read ended before it."""
    stream = b"\x01\x01x\x81\x01y\x80\x01z"
    scanner = FrameScanner(max_message_bytes=LONGEST)
    assert scanner.scan(stream[:cut]) + scanner.scan(stream[cut:]) == []
    assert scanner.ending is not None
    assert scanner.ending.violation
