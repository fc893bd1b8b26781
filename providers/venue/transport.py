"""From a configured address to a stream that knows when it was last read, encrypted if the address says so."""

from __future__ import annotations

import ssl
from functools import lru_cache
from urllib.parse import urlsplit

import attrs
import trio

from core.clock import monotonic_ns, wall_ns
from core.errors import ConfigurationError
from core.flow.printable import printable


@attrs.frozen(kw_only=True)
class Address:
    """What an address says. `authority` goes into a `Host` header, `target` is the path with its query."""

    secure: bool
    host: str
    port: int
    authority: str
    target: str


def parse_address(text: str, *, kind: str = "stream", schemes: tuple[str, str] = ("ws", "wss")) -> Address:
    """Take an address apart. `schemes` are the plain one and the encrypted one.

    Raises:
        ConfigurationError: it is no address of the `kind` asked for.
    """
    fault = ConfigurationError(
        f"bad {kind} address",
        printable(text, 80),
        hint=f"use {schemes[0]}:// or {schemes[1]}:// and HOST[:PORT]/PATH",
    )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise fault
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # resolving the name would refuse an empty or overlong label in the same way
    except ValueError:
        raise fault from None
    if parts.scheme not in schemes or not host or port == 0:
        raise fault
    secure = parts.scheme == schemes[1]
    return Address(
        secure=secure,
        host=host,
        port=port or (443 if secure else 80),
        authority=parts.netloc.rpartition("@")[2],
        target=f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/",
    )


class StampedStream(trio.abc.Stream):
    """A TCP stream that remembers when its newest bytes were read: `read_ns` monotonic, `read_wall_ns` wall time.

    The stamps change at least one turn of the event loop after the read began, so whoever was handed something
    before that read has run and still saw the stamps of the one before.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.read_ns = monotonic_ns()
        self.read_wall_ns = wall_ns()
        self.local_port = int(stream.socket.getsockname()[1])

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Bytes from the other side, stamped; none at the end."""
        data = await self._stream.receive_some(max_bytes)
        self.read_ns = monotonic_ns()
        self.read_wall_ns = wall_ns()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Return when sending might succeed at once."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the TCP connection."""
        await self._stream.aclose()


async def open_stream(address: Address) -> tuple[trio.abc.Stream, StampedStream]:
    """The stream to talk over, which the caller closes, and the TCP stream in it; they are one unless encrypted.

    Raises:
        OSError: no connection.
        trio.BrokenResourceError: no encrypted one.
    """
    transport = StampedStream(await trio.open_tcp_stream(address.host, address.port))
    if not address.secure:
        return transport, transport
    try:
        stream = trio.SSLStream(transport, tls_context(), server_hostname=address.host, https_compatible=True)
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(transport)
        raise
    return stream, transport


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """The one context of every encrypted connection: reading the machine's certificates takes tens of ms."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])  # as the HTTP library sets it too
    return context
