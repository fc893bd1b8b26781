"""What every way of reading frames keeps to: the protocol's demands, over real sockets, cut at any byte."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Awaitable, Callable, Sequence

import h11
import pytest
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, HandshakeError
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Pong, Request, TextMessage
from wsproto.utilities import ProtocolError

from core.errors import TransientError
from providers.venue.frame_socket import open_frame_socket
from providers.venue.library_socket import open_library_socket
from providers.venue.transport import parse_address
from providers.venue.ws_client import MessageSocket, OpenSocket

DEADLINE_S = 20.0
LONGEST = 200_000
LOST = (
    ConnectionClosed,
    HandshakeError,
    ProtocolError,
    TransientError,
    UnicodeDecodeError,
    h11.ProtocolError,
    trio.BrokenResourceError,
    trio.TooSlowError,
)
CLOSE = b"\x88\x02\x03\xe8"
Talk = Callable[[MessageSocket], Awaitable[None]]
Serve = Callable[[trio.SocketStream], Awaitable[None]]


@pytest.fixture(params=[open_frame_socket, open_library_socket], ids=["frames", "library"])
def open_socket(request: pytest.FixtureRequest) -> OpenSocket:
    """Each implementation."""
    found: OpenSocket = request.param
    return found


def frame(first: int, payload: bytes) -> bytes:
    """A frame as servers send it, beginning with the byte `first`."""
    length = len(payload)
    if length < 126:
        return bytes([first, length]) + payload
    if length < 65536:
        return bytes([first, 126]) + struct.pack("!H", length) + payload
    return bytes([first, 127]) + struct.pack("!Q", length) + payload


async def shake_hands(stream: trio.SocketStream) -> WSConnection:
    """Agree to the client's upgrade."""
    protocol = WSConnection(ConnectionType.SERVER)
    while True:
        protocol.receive_data(await stream.receive_some(65536))
        if any(isinstance(event, Request) for event in protocol.events()):
            await stream.send_all(protocol.send(AcceptConnection()))
            return protocol


async def converse(open_socket: OpenSocket, serve: Serve, talk: Talk, *, connect_s: float = DEADLINE_S) -> None:
    """Connect to a server that does `serve`, and `talk` to it; both must come to their end."""
    async with trio.open_nursery() as nursery:
        served = trio.Event()

        async def handler(stream: trio.SocketStream) -> None:
            async with stream:
                await serve(stream)
            served.set()

        listeners = await nursery.start(trio.serve_tcp, handler, 0)
        address = parse_address(f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/stream")
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as connection:
                stream = await trio.open_tcp_stream(address.host, address.port)
                async with stream:
                    with trio.fail_after(connect_s):
                        socket = await open_socket(
                            connection, stream, address, max_message_bytes=LONGEST, receive_bytes=65536
                        )
                    await talk(socket)
                connection.cancel_scope.cancel()
            await served.wait()
        nursery.cancel_scope.cancel()


async def listen(socket: MessageSocket) -> tuple[list[str | bytes], Exception]:
    """Everything that comes, and what ended it."""
    messages: list[str | bytes] = []
    while True:
        try:
            messages += await socket.receive()
        except LOST as error:
            return messages, error


def sender(data: bytes, *, sizes: Sequence[int]) -> Serve:
    """A server that sends `data` in pieces of `sizes`, over and over, and waits for the client to leave."""

    async def serve(stream: trio.SocketStream) -> None:
        await shake_hands(stream)
        stream.setsockopt(6, 1, 1)  # TCP_NODELAY: each piece may come alone
        try:
            at = 0
            for size in itertools.cycle(sizes):
                if at >= len(data):
                    break
                await stream.send_all(data[at : at + size])
                at += size
            while await stream.receive_some(65536):
                pass
        except trio.BrokenResourceError:
            return

    return serve


async def receive_all(
    open_socket: OpenSocket, data: bytes, *, sizes: Sequence[int] = (1 << 20,)
) -> tuple[list[str | bytes], Exception]:
    """What a client makes of `data`."""
    outcome: list[tuple[list[str | bytes], Exception]] = []

    async def talk(socket: MessageSocket) -> None:
        outcome.append(await listen(socket))
        with trio.move_on_after(0.5):
            await socket.aclose()

    await converse(open_socket, sender(data, sizes=sizes), talk)
    return outcome[0]


@pytest.mark.trio
@pytest.mark.parametrize("sizes", [(1 << 20,), (1,), (2, 3), (7, 130), (4096,)])
async def test_messages_of_every_kind_arrive_in_order(open_socket: OpenSocket, sizes: Sequence[int]) -> None:
    """Short, empty, long and binary ones, in fragments with control frames between, cut anywhere; then the close."""
    large = "é" * (100 if sizes == (1,) else 40_000)
    data = b"".join(
        [
            frame(0x81, b"first"),
            frame(0x81, b""),
            frame(0x82, b"\x00\xff"),
            frame(0x01, "€".encode()[:2]) + frame(0x89, b"now?") + frame(0x80, "€".encode()[2:]),
            frame(0x02, b"a") + frame(0x00, b"") + frame(0x8A, b"unasked") + frame(0x80, b"b"),
            frame(0x81, b"x" * 125) + frame(0x81, b"y" * 126),
            frame(0x81, large.encode()),
            frame(0x81, b"last"),
            frame(0x88, struct.pack("!H", 1001) + "goodbye é".encode()),
        ]
    )
    messages, ended = await receive_all(open_socket, data, sizes=sizes)
    assert messages == ["first", "", b"\x00\xff", "€", b"ab", "x" * 125, "y" * 126, large, "last"]
    assert isinstance(ended, ConnectionClosed)
    assert ended.reason is not None
    assert (ended.reason.code, ended.reason.reason) == (1001, "goodbye é")


BROKEN = {
    "a reserved bit": b"\xc1\x01x",
    "an unknown opcode": b"\x83\x01x",
    "an unknown control opcode": b"\x8b\x00",
    "a masked frame": b"\x81\x81\x00\x00\x00\x00x",
    "a control frame in fragments": b"\x09\x00",
    "a control frame of 126 bytes": b"\x89\x7e\x00\x7e" + b"p" * 126,
    "a length in two bytes too many": b"\x81\x7e\x00\x7d" + b"x" * 125,
    "a length in eight bytes too many": b"\x81\x7f" + struct.pack("!Q", 65535) + b"x" * 65535,
    "a length of 64 bits": b"\x81\x7f\xff" + b"\x00" * 7 + b"x",
    "a fragment of nothing": b"\x80\x01x",
    "a text within a message": b"\x01\x01x\x81\x01y",
    "a text that is not UTF-8": b"\x81\x02\xc3\x28",
    "a text that ends within a letter": b"\x81\x01\xc3",
    "a fragmented text that is not UTF-8": b"\x01\x01\xc3\x80\x01\x28",
    "a surrogate": b"\x81\x03\xed\xa0\x80",
    "a close frame of one byte": b"\x88\x01\x03",
    "a close code that means no code": b"\x88\x02\x03\xed",
    "a close code below all": b"\x88\x02\x03\xe7",
    "a close code of nobody": b"\x88\x02\x07\xd0",
    "a close reason that is not UTF-8": b"\x88\x04\x03\xe8\xc3\x28",
    "a message too long": frame(0x81, b"x" * (LONGEST + 1)),
    "a message too long in fragments": frame(0x01, b"x" * LONGEST) + frame(0x80, b"y"),
}  # fmt: skip


@pytest.mark.trio
@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("sizes", [(1 << 20,), (3, 1000)])
async def test_what_breaks_the_protocol_ends_the_connection(
    open_socket: OpenSocket, fault: str, sizes: Sequence[int]
) -> None:
    """What came before is delivered, what breaks the protocol is not, and nothing after it; no code is believed."""
    data = frame(0x81, b"good") + BROKEN[fault] + frame(0x81, b"after")
    messages, ended = await receive_all(open_socket, data, sizes=sizes)
    assert messages == ["good"]
    if isinstance(ended, ConnectionClosed):
        assert ended.reason is not None
        assert ended.reason.code in {1002, 1007, 1009}


@pytest.mark.trio
async def test_a_cut_connection_gives_what_came_before(open_socket: OpenSocket) -> None:
    """Without a close frame the end is abnormal; half a message is none."""

    async def serve(stream: trio.SocketStream) -> None:
        await shake_hands(stream)
        await stream.send_all(frame(0x81, b"whole") + frame(0x81, b"half")[:-2])

    outcome: list[tuple[list[str | bytes], Exception]] = []

    async def talk(socket: MessageSocket) -> None:
        outcome.append(await listen(socket))

    await converse(open_socket, serve, talk)
    messages, ended = outcome[0]
    assert messages == ["whole"]
    assert isinstance(ended, ConnectionClosed)
    assert ended.reason is not None
    assert ended.reason.code == 1006


@pytest.mark.trio
async def test_pings_are_answered_with_what_they_bring(open_socket: OpenSocket) -> None:
    """Every ping of a patient venue comes back as a pong, masked, those between fragments too; then the texts."""
    pongs: list[bytes] = []
    heard: list[str] = []

    async def serve(stream: trio.SocketStream) -> None:
        protocol = await shake_hands(stream)
        asked = [b"", b"one", b"\x00\xff" * 62]
        for payload in asked:
            await stream.send_all(frame(0x01, b"a") + protocol.send(Ping(payload)) + frame(0x80, b"b"))
        while len(pongs) < len(asked) or len(heard) < 2:
            protocol.receive_data(await stream.receive_some(65536))
            for event in protocol.events():
                if isinstance(event, Pong):
                    pongs.append(bytes(event.payload))
                elif isinstance(event, TextMessage):
                    heard.append(event.data)
        assert pongs == asked
        await stream.send_all(CLOSE)
        await stream.receive_some(65536)

    async def talk(socket: MessageSocket) -> None:
        await socket.send_message("hello")
        await socket.send_message("é" * 100)
        messages, _ = await listen(socket)
        assert messages == ["ab"] * 3

    await converse(open_socket, serve, talk)
    assert heard == ["hello", "é" * 100]


@pytest.mark.trio
@pytest.mark.parametrize("payload", [b"", struct.pack("!H", 1000), struct.pack("!H", 4321) + b"away"])
async def test_a_close_is_answered_with_its_code(open_socket: OpenSocket, payload: bytes) -> None:
    """The venue's close frame comes back to it, with its code if it had one."""
    answers: list[CloseConnection] = []

    async def serve(stream: trio.SocketStream) -> None:
        protocol = await shake_hands(stream)
        await stream.send_all(frame(0x88, payload))
        while not answers:
            protocol.receive_data(await stream.receive_some(65536))
            answers.extend(event for event in protocol.events() if isinstance(event, CloseConnection))

    async def talk(socket: MessageSocket) -> None:
        await listen(socket)
        with trio.move_on_after(0.5):
            await socket.aclose()

    await converse(open_socket, serve, talk)
    assert answers[0].code == (int.from_bytes(payload[:2], "big") if payload else 1005)


@pytest.mark.trio
async def test_who_leaves_says_so_and_sends_no_more(open_socket: OpenSocket) -> None:
    """Leaving sends code 1000 and waits for the answer; what still comes meanwhile is dropped."""
    said: list[CloseConnection] = []

    async def serve(stream: trio.SocketStream) -> None:
        protocol = await shake_hands(stream)
        while not said:
            protocol.receive_data(await stream.receive_some(65536))
            said.extend(event for event in protocol.events() if isinstance(event, CloseConnection))
        await stream.send_all(frame(0x81, b"too late") + CLOSE)

    async def talk(socket: MessageSocket) -> None:
        await socket.aclose()
        with pytest.raises(LOST):
            await socket.send_message("more")

    await converse(open_socket, serve, talk)
    assert said[0].code == 1000


UPGRADE = b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
ANSWERS = {
    "nothing": b"",
    "half an answer": b"HTTP/1.1 101 Switching",
    "no HTTP": b"\x00\x01\x02\r\n\r\n",
    "a wrong key": UPGRADE + b"Sec-WebSocket-Accept: x\r\n\r\n",
    "letters of no alphabet": UPGRADE + b"Sec-WebSocket-Protocol: \xff\r\n\r\n",
    "no upgrade": b"HTTP/1.1 101 Yes\r\n\r\n",
    "endless headers": b"HTTP/1.1 101 Yes\r\n" + b"X-Filler: y\r\n" * 20_000,
}


@pytest.mark.trio
@pytest.mark.parametrize("answer", ANSWERS)
async def test_no_other_answer_is_an_upgrade(open_socket: OpenSocket, answer: str) -> None:
    """Nothing, nonsense and half an answer are refused; the connection is given up."""

    async def serve(stream: trio.SocketStream) -> None:
        try:
            await stream.receive_some(65536)
            await stream.send_all(ANSWERS[answer])
            await stream.send_eof()
            await stream.receive_some(65536)
        except trio.BrokenResourceError:
            return

    async def talk(_socket: MessageSocket) -> None:
        raise AssertionError("there is no connection")

    error = await _refused(open_socket, serve, talk)
    if open_socket is open_frame_socket:
        # The library leaves some of this to the caller's deadline.
        assert isinstance(error, TransientError)


@pytest.mark.trio
async def test_a_refusal_brings_its_headers(open_socket: OpenSocket) -> None:
    """Any HTTP answer but the upgrade is told with its number and headers."""

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno")

    async def talk(_socket: MessageSocket) -> None:
        raise AssertionError("there is no connection")

    error = await _refused(open_socket, serve, talk)
    assert isinstance(error, ConnectionRejected)
    assert error.status_code == 429
    assert (b"retry-after", b"7") in error.headers


async def _refused(open_socket: OpenSocket, serve: Serve, talk: Talk) -> Exception:
    found: list[Exception] = []
    try:
        await converse(open_socket, serve, talk, connect_s=0.2)
    except* LOST as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        assert isinstance(error, Exception)
        found.append(error)
    return found[0]
