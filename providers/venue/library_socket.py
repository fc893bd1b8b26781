"""trio-websocket behind the seam of `ws_client`: the checked alternative to `frame_socket`.

It hangs in several places (no HTTP answer, a reset while its queue is full, a frame with reserved bits) and leaves
sockets open in others, so that stream, nursery and every deadline are the caller's.
"""

from __future__ import annotations

import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from providers.venue.transport import Address

MESSAGE_QUEUE_SIZE = 0
"""None: the library reads on only when the feed has taken everything it read, so that the newest read is always the
one a message came with, and a backlog waits in the machine's buffers, where the venue notices it."""


class LibrarySocket:
    """One message at a time; the library reads, sends and answers pings in a task of its own."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self._connection = connection
        self.send_message = connection.send_message
        self.aclose = connection.aclose

    async def receive(self) -> list[str | bytes]:
        """The next message. Raises `ConnectionClosed` once there is none."""
        return [await self._connection.get_message()]


async def open_library_socket(
    nursery: trio.Nursery, stream: trio.abc.Stream, address: Address, *, max_message_bytes: int, receive_bytes: int
) -> LibrarySocket:
    """Shake hands over `stream`; the library's task runs in `nursery`, until it is cancelled.

    Raises:
        HandshakeError: the venue did not agree.
    """
    return LibrarySocket(
        await wrap_client_stream(
            nursery,
            stream,  # type: ignore[arg-type]  # any stream will do, as for the library's server
            address.authority,
            address.target,
            message_queue_size=MESSAGE_QUEUE_SIZE,
            max_message_size=max_message_bytes,
            receive_buffer_size=receive_bytes,
        )
    )
