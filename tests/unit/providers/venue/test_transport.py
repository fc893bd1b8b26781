"""Configured addresses, and when the bytes of a stream were read."""

from __future__ import annotations

import itertools
from functools import partial

import pytest
import trio

from core.errors import ConfigurationError
from providers.venue import transport
from providers.venue.transport import StampedStream, open_stream, parse_address, tls_context

DEADLINE_S = 20.0
BAD = [
    "", "ws", "ws://", "http://h/", "ws:/h", "wss:///v2", "ws://:80/", "ws://h:99999/", "ws://h:0/", "ws://h:x/",
    "ws://[::1/", "ws://a..b/", "ws://" + "a" * 64 + "/", "ws://h/\x1b[2J", "ws://h/a b", "ws://h\n/", "ws://h\u00e9/",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_address_is_an_error_of_configuration(text: str) -> None:
    """Whatever is wrong with an address, the operator reads one line of ASCII that says which address it is."""
    with pytest.raises(ConfigurationError, match="bad stream address") as caught:
        parse_address(text)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "secure", "host", "port", "authority", "target"),
    [
        ("ws://h", False, "h", 80, "h", "/"),
        ("wss://ws.kraken.com/v2", True, "ws.kraken.com", 443, "ws.kraken.com", "/v2"),
        ("WSS://me:secret@H.example:9443/stream?a=b", True, "h.example", 9443, "H.example:9443", "/stream?a=b"),
        ("ws://[::1]:8080?x", False, "::1", 8080, "[::1]:8080", "/?x"),
        ("ws://my_host.:1/", False, "my_host.", 1, "my_host.:1", "/"),
    ],
)
def test_an_address_is_taken_apart(
    text: str, *, secure: bool, host: str, port: int, authority: str, target: str
) -> None:
    """The default port follows the scheme; user names stay out of the Host header."""
    address = parse_address(text)
    assert (address.secure, address.host, address.port) == (secure, host, port)
    assert (address.authority, address.target) == (authority, target)


@pytest.mark.trio
async def test_a_stream_knows_when_it_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each read renews both stamps, however little it brings."""
    monkeypatch.setattr(transport, "monotonic_ns", itertools.count(1).__next__)
    monkeypatch.setattr(transport, "wall_ns", itertools.count(101).__next__)

    async def handler(stream: trio.SocketStream) -> None:
        while received := await stream.receive_some(10):
            await stream.send_all(received)

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, handler, 0, host="127.0.0.1"))
            port = listeners[0].socket.getsockname()[1]
            stream, read = await open_stream(parse_address(f"ws://127.0.0.1:{port}"))
            assert isinstance(stream, StampedStream)
            assert stream is read
            assert (read.read_ns, read.read_wall_ns) == (1, 101)
            for number in (2, 3):
                await stream.send_all(b"x")
                assert await stream.receive_some(10) == b"x"
                assert (read.read_ns, read.read_wall_ns) == (number, 100 + number)
            await stream.aclose()
            nursery.cancel_scope.cancel()


def test_certificates_are_read_once() -> None:
    """Every encrypted connection, reconnects and REST included, shares one context that checks host names."""
    assert tls_context() is tls_context()
    assert tls_context().check_hostname
