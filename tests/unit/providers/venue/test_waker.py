"""Texts put into the outbox from outside are sent at once, not when the sender next looks."""

from __future__ import annotations

import itertools
from functools import partial

import attrs
import pytest
import trio
from trio_websocket import WebSocketRequest, serve_websocket

from providers.base import Endpoints
from providers.connection import ConnectionState, ConnectionStatus
from providers.venue import ws_client
from providers.venue.ws_client import Waker, run_feed

DEADLINE_S = 20.0
pytestmark = pytest.mark.usefixtures("each_socket")


@attrs.define
class QuietFeed:
    """Says nothing by itself."""

    outbox: list[str] = attrs.Factory(list)

    def opened(self) -> list[str]:
        return []

    def handle(self, text: str, ts_recv_ns: int) -> None:
        raise AssertionError("the server says nothing")

    def flush(self) -> None:
        raise AssertionError("the server says nothing")

    def closed(self) -> None:
        pass

    def probe(self) -> str:
        return ""


@pytest.mark.trio
async def test_the_sender_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sender that never looks by itself, each waking sends what is in the outbox by then."""
    monkeypatch.setattr(ws_client, "IDLE_SEND_S", 2 * DEADLINE_S)
    heard: list[str] = []

    async def listen(request: WebSocketRequest) -> None:
        connection = await request.accept()
        while True:
            heard.append(str(await connection.get_message()))

    feed, waker, connection = QuietFeed(), Waker(), ConnectionState("BINANCE")
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve_websocket, listen, "127.0.0.1", 0, None))
            endpoints = Endpoints(stream_url=f"ws://127.0.0.1:{server.port}/", rest_url="")
            nursery.start_soon(
                partial(
                    run_feed, feed, endpoints, connection,
                    silence_s=60, answer_s=60, delays=itertools.repeat(0.0), counters=[], waker=waker,
                )
            )  # fmt: skip
            while connection.status is not ConnectionStatus.CONNECTED:
                await trio.sleep(0.005)
            for text in ("one", "two"):
                feed.outbox.append(text)
                waker.wake()
                while heard[-1:] != [text]:
                    await trio.sleep(0.005)
            nursery.cancel_scope.cancel()
    assert heard == ["one", "two"]
