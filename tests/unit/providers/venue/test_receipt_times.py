"""When a message counts as received: with the read that brought its last bytes, whatever waits in between."""

from __future__ import annotations

import itertools
import random
from bisect import bisect_left
from collections.abc import Awaitable, Callable

import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request

from providers.base import Endpoints
from providers.connection import ConnectionState
from providers.venue import transport, ws_client
from providers.venue.ws_client import run_feed
from tests.servers.tcp import listening
from tests.unit.providers.venue.test_ws_client import DEADLINE_S, Rig, ScriptedFeed

CLOSE = b"\x88\x02\x03\xe8"
pytestmark = pytest.mark.usefixtures("each_socket")
MS_NS = 1_000_000
Send = Callable[[trio.SocketStream], Awaitable[None]]


class ByHand:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def __call__(self) -> int:
        """The time."""
        return self.now_ns


def frame(text: str) -> bytes:
    """One short text frame as a server sends it."""
    return bytes((0x81, len(text))) + text.encode()


async def listen_to(send: Send, *, feed: ScriptedFeed) -> tuple[ConnectionState, int]:
    """Run `feed` as on a live venue until `send` closed; the state, and how many bytes came before its own."""
    greeting_bytes = 0

    async def handler(stream: trio.SocketStream) -> None:
        nonlocal greeting_bytes
        protocol = WSConnection(ConnectionType.SERVER)
        protocol.receive_data(await stream.receive_some(65536))
        assert isinstance(next(iter(protocol.events())), Request)
        greeting = protocol.send(AcceptConnection())
        greeting_bytes = len(greeting)
        await stream.send_all(greeting)
        await send(stream)
        while await stream.receive_some(65536):
            pass

    rig = Rig(feed=feed)
    with trio.fail_after(DEADLINE_S):
        async with listening(handler) as port:
            endpoints = Endpoints(stream_url=f"ws://127.0.0.1:{port}/", rest_url="", ends_on_clean_close=True)
            await run_feed(rig.feed, endpoints, rig.connection, silence_s=60, answer_s=60, counters=[])
    return rig.connection, greeting_bytes


@pytest.mark.trio
async def test_a_backlog_shows_in_the_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100 frames that one read brings to a feed that takes 1 ms each, the last is published after 100 ms, and none
    of those handed over together before all are handled."""
    clock = ByHand()
    for module in (transport, ws_client):
        monkeypatch.setattr(module, "monotonic_ns", clock)

    def work(_feed: ScriptedFeed, _text: str) -> None:
        clock.now_ns += MS_NS

    async def send(stream: trio.SocketStream) -> None:
        await stream.send_all(b"".join(frame(f"{number:04}") for number in range(100)) + CLOSE)

    feed = ScriptedFeed(on_text=work)
    connection, _ = await listen_to(send, feed=feed)
    delays = connection.publish_delay.summary()
    assert (delays.count, delays.max_ns) == (100, 100 * MS_NS)
    assert delays.p50_ns >= 50 * MS_NS
    assert feed.flushed in ([100], list(range(1, 101)))  # our frames, and the library, which gives them one by one


@pytest.mark.trio
@pytest.mark.parametrize("seed", range(5))
async def test_every_message_is_stamped_by_its_own_read(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames cut anywhere, sent faster than they are read, carry the time of the read that completed them."""
    random_ = random.Random(seed)
    ends_bytes: list[int] = []
    monkeypatch.setattr(transport, "wall_ns", itertools.count().__next__)  # the first read is number 1
    receive_some = trio.SocketStream.receive_some

    async def watched(self: trio.SocketStream, max_bytes: int | None = None) -> bytes | bytearray:
        data = await receive_some(self, max_bytes)
        if max_bytes == ws_client.RECEIVE_BYTES:
            ends_bytes.append((ends_bytes[-1] if ends_bytes else 0) + len(data))
        return data

    async def send(stream: trio.SocketStream) -> None:
        rest = b"".join(frame(f"{number:06}") for number in range(2000)) + CLOSE
        while rest:
            size = random_.choice((1, 3, 8, 50, 400))
            await stream.send_all(rest[:size])
            rest = rest[size:]

    monkeypatch.setattr(ws_client, "RECEIVE_BYTES", random_.choice((16, 100, 4097)))
    monkeypatch.setattr(trio.SocketStream, "receive_some", watched)
    feed = ScriptedFeed()
    _, greeting_bytes = await listen_to(send, feed=feed)
    complete_bytes = [greeting_bytes + 8 * (number + 1) for number in range(2000)]
    assert feed.stamps == [bisect_left(ends_bytes, each) + 1 for each in complete_bytes]
    assert len(set(feed.stamps)) > 10
