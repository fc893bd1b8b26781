"""A WebSocket for market data: reads many frames at a time and hands their messages over as one batch.

A library that runs its state machine for each frame takes most of what a message costs (measured: 26 of 35 µs). Here
`FrameScanner` reads the venue's frames; wsproto shakes hands and makes what is sent: subscriptions, pongs, closes.
"""

from __future__ import annotations

import trio
from trio_websocket import CloseReason, ConnectionClosed, ConnectionRejected
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, CloseConnection, Event, Pong, RejectConnection, Request, TextMessage
from wsproto.frame_protocol import CloseReason as Code
from wsproto.utilities import ProtocolError

from core.errors import TransientError
from providers.venue.frames import NO_STATUS, Ending, FrameScanner
from providers.venue.transport import Address

MAX_PONGS = 32
"""How many pings wait for their answer at most; the protocol wants the newest answered, not each."""
_ABNORMAL = 1006


class FrameSocket:
    """An open connection over `stream`, which the caller closes. One task receives; any may send."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        protocol: WSConnection,
        *,
        early: bytes,
        max_message_bytes: int,
        receive_bytes: int,
    ) -> None:
        self._stream = stream
        self._protocol = protocol
        self._early = early
        self._receive_bytes = receive_bytes
        self._scanner = FrameScanner(max_message_bytes=max_message_bytes)
        self._pinged = trio.Event()
        self._sending = trio.Lock()

    async def receive(self) -> list[str | bytes]:
        """The messages that one read completes, in order; often none. What came before the end is given first.

        Raises:
            ConnectionClosed: the venue closed or cut the connection.
            TransientError: the venue broke the protocol.
            trio.BrokenResourceError: the connection is lost.
        """
        scanner = self._scanner
        if scanner.ending is not None:
            raise _loss(scanner.ending)
        if self._early:
            data: bytes | bytearray = self._early
            self._early = b""
            await trio.lowlevel.checkpoint()
        else:
            data = await self._stream.receive_some(self._receive_bytes)
            if not data:
                raise ConnectionClosed(CloseReason(_ABNORMAL, None))
        messages = scanner.scan(data)
        if scanner.pings:
            del scanner.pings[:-MAX_PONGS]
            self._pinged.set()
        return messages

    async def send_message(self, text: str) -> None:
        """Send one text. Raises `ConnectionClosed` or `trio.BrokenResourceError` when that is no more possible."""
        await self._send(TextMessage(data=text))

    async def aclose(self) -> None:
        """Say goodbye, or answer the venue's, and wait for the end. Takes as long as the venue likes."""
        scanner = self._scanner
        ending = scanner.ending or Ending(code=Code.NORMAL_CLOSURE, reason="", violation=False)
        try:
            code = Code.NO_STATUS_RCVD if ending.code == NO_STATUS else ending.code
            await self._send(CloseConnection(code=code, reason=ending.reason if ending.violation else None))
            while scanner.ending is None:
                await self.receive()
        except (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def answer_pings(self) -> None:
        """Answer every ping until cancelled or cut off, apart from receiving, which must never wait for it."""
        while True:
            await self._pinged.wait()
            self._pinged = trio.Event()
            pings, self._scanner.pings = self._scanner.pings, []
            try:
                await self._send(*map(Pong, pings))
            except (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def _send(self, *events: Event) -> None:
        async with self._sending:
            if self._protocol.state is not ConnectionState.OPEN:
                raise ConnectionClosed(CloseReason(_ABNORMAL, None))
            await self._stream.send_all(b"".join(map(self._protocol.send, events)))


async def open_frame_socket(
    nursery: trio.Nursery, stream: trio.abc.Stream, address: Address, *, max_message_bytes: int, receive_bytes: int
) -> FrameSocket:
    """Shake hands over `stream`; pings are answered in `nursery`, until it is cancelled.

    Raises:
        ConnectionRejected: the venue answered something else than an upgrade.
        TransientError: it broke off, or its answer is not understood.
        trio.BrokenResourceError: the connection is lost.
    """
    protocol = WSConnection(ConnectionType.CLIENT)
    await stream.send_all(protocol.send(Request(host=address.authority, target=address.target)))
    while True:
        data = bytes(await stream.receive_some(receive_bytes))
        if not data:
            raise TransientError("no WebSocket", "cut before the upgrade was answered")
        # The answer ends at the end of a line; what follows are frames, and the library would keep them.
        lines = data.splitlines(keepends=True)
        for number, line in enumerate(lines):
            if _is_accepted(protocol, line):
                socket = FrameSocket(
                    stream,
                    protocol,
                    early=b"".join(lines[number + 1 :]),
                    max_message_bytes=max_message_bytes,
                    receive_bytes=receive_bytes,
                )
                nursery.start_soon(socket.answer_pings)
                return socket


def _is_accepted(protocol: WSConnection, data: bytes) -> bool:
    # Whether the venue has agreed, after these bytes of its answer.
    try:
        protocol.receive_data(data)
        for event in protocol.events():
            if isinstance(event, RejectConnection):
                raise ConnectionRejected(event.status_code, tuple(event.headers), None)
            if isinstance(event, AcceptConnection):
                return True
    except (ProtocolError, UnicodeError) as error:
        raise TransientError("no WebSocket", "the answer to the upgrade is not understood") from error
    return False


def _loss(ending: Ending) -> Exception:
    if ending.violation:
        return TransientError("the venue broke the WebSocket protocol", ending.reason)
    return ConnectionClosed(CloseReason(ending.code, ending.reason or None))
