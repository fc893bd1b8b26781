"""One client's connection to the simulated venue: what is sent to it, in which order, and what goes wrong on it.

Data frames are written straight to the stream as unfragmented WebSocket text frames, many at a time: a state
machine for each frame would cost more than everything else the server does. The library does the handshake,
reads the client and closes.
"""

from __future__ import annotations

import struct
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from socket import SO_LINGER, SOL_SOCKET

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from core.clock import WallClock, wall_ns
from providers.simulated.faults import Ending, FaultLine, FaultPlan, Frame


class Receipts:
    """The instants at which clients may say they received what was sent to them, by the client's local port."""

    def __init__(self) -> None:
        self._queues: defaultdict[int, deque[int]] = defaultdict(deque)

    def queue(self, port: int) -> deque[int]:
        """The queue of a fresh connection from `port`, empty even if an earlier connection used the port."""
        queue = self._queues[port]
        queue.clear()
        return queue

    def clock(self, port: int) -> WallClock:
        """The clock of the connection from `port`: the next recorded instant, else the wall clock's."""
        queue = self._queues[port]

        def receipt_ns() -> int:
            return queue.popleft() if queue else wall_ns()

        return receipt_ns


class Wire(trio.abc.Stream):
    """A TCP stream that can be silenced, or cut within what it is sending."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._lock = trio.Lock()
        self.silent = False
        self.gone = trio.Event()
        self.port: int = stream.socket.getpeername()[1]

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send whole frames; they are never mixed with another task's. A silent wire takes and forgets them."""
        async with self._lock:
            if not self.silent:
                await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Return when sending might succeed at once."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Bytes from the client; `gone` is set when no more will come."""
        try:
            received = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.gone.set()
            raise
        if not received:
            self.gone.set()
        return received

    async def aclose(self) -> None:
        """Close the TCP connection."""
        await self._stream.aclose()

    async def reset(self) -> None:
        """Close it with a TCP reset."""
        self._stream.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        await self._stream.aclose()


def text_frame(text: str) -> bytes:
    """`text` as one unmasked WebSocket text frame, as a server sends it."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 0x1_0000:
        return struct.pack(">BBH", 0x81, 126, size) + payload
    return struct.pack(">BBQ", 0x81, 127, size) + payload


class Connection:
    """One client. `open` becomes False when it is gone, or when a fault has ended it. `beside` says that another was
    connected when it came."""

    def __init__(
        self,
        websocket: WebSocketConnection,
        wire: Wire,
        *,
        receipts: deque[int] | None,
        faults: FaultPlan | None,
        beside: bool = False,
    ) -> None:
        self.open = True
        self._websocket = websocket
        self._wire = wire
        self._receipts = receipts
        self._line = FaultLine(faults, late=beside) if faults else None

    async def send_control(self, texts: Sequence[str], *, received_ns: int = 0) -> None:
        """Send what is not market data: no fault applies, but a silent connection swallows it."""
        await self._write([Frame(text, received_ns) for text in texts])

    async def send_data(self, frames: Sequence[Frame]) -> None:
        """Send market data, faults and all; waits for the client to take it. A checkpoint."""
        if self._line is None:
            await self._write(frames)
            return
        for frame in frames:
            outcome = self._line.apply(frame)
            if outcome.delay_s:
                await trio.sleep(outcome.delay_s)
            if outcome.ending is Ending.TRUNCATE:
                await self._truncate(outcome.frames)
            else:
                await self._write(outcome.frames)
                await self._end(outcome.ending)
            if not self.open:
                return

    async def close(self, *, code: int, reason: str) -> None:
        """Send what a fault still holds back and close in the protocol's own way."""
        if self._line is not None and self.open:
            await self._write(self._line.rest())
        await self._websocket.aclose(code, reason)

    async def receive(self) -> str | bytes | None:
        """The client's next message, None once it is gone."""
        try:
            message: str | bytes = await self._websocket.get_message()
        except ConnectionClosed:
            return None
        return message

    async def _write(self, frames: Sequence[Frame]) -> None:
        if not (self.open and frames):
            return
        # The stamps must be there before the client can ask for them.
        if self._receipts is not None:
            self._receipts.extend(frame.received_ns for frame in frames)
        try:
            await self._wire.send_all(b"".join([text_frame(frame.text) for frame in frames]))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.open = False

    async def _truncate(self, frames: Sequence[Frame]) -> None:
        whole = b"".join([text_frame(frame.text) for frame in frames])
        self.open = False
        try:
            await self._wire.send_all(whole[: len(whole) // 2])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        await self._wire.reset()

    async def _end(self, ending: Ending | None) -> None:
        if ending is None:
            return
        self.open = False
        if ending is Ending.HALF_OPEN:
            self._wire.silent = True
        else:
            await self._wire.aclose()


Ready = Callable[[], bool]
"""False while the consumers of a recording are behind, so that playback waits for them."""
