"""What ends a stream for good: an address that is none, a mistake of our own."""

from __future__ import annotations

import pytest
import trio
from trio_websocket import WebSocketRequest

from core.errors import ConfigurationError
from providers.base import Endpoints
from providers.venue.ws_client import run_feed
from tests.unit.providers.venue.test_ws_client import DEADLINE_S, Rig, ScriptedFeed, websocket_server


@pytest.mark.trio
@pytest.mark.parametrize("url", ["http://x", "ws://h:99999/", "ws://[::1/", "wss:///v2", "ws://a..b/"])
async def test_a_bad_address_is_refused(url: str) -> None:
    """A stream address that is no WebSocket's is an error of configuration, said at once."""
    rig = Rig()
    with pytest.raises(ConfigurationError, match="stream address"):
        await run_feed(
            rig.feed, Endpoints(stream_url=url, rest_url=""), rig.connection,
            silence_s=1, answer_s=1, counters=[],
        )  # fmt: skip


@pytest.mark.trio
async def test_a_mistake_in_the_feed_is_not_hidden() -> None:
    """A programming error in the feed comes out, and is not taken for a lost connection."""

    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message("text")
        await trio.sleep_forever()

    def blunder(_feed: ScriptedFeed, _text: str) -> None:
        raise KeyError("mistake")

    rig = Rig(feed=ScriptedFeed(on_text=blunder))
    with trio.fail_after(DEADLINE_S):
        async with websocket_server(handler) as port:
            with pytest.raises(ExceptionGroup) as caught:
                await rig.run(port)
    assert caught.group_contains(KeyError, match="mistake")
