"""Generated markets and the clients that hear them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
import trio.testing
from trio_websocket import WebSocketConnection

from providers.simulated import live
from providers.simulated.connection import Connection
from providers.simulated.dialogue import Reply
from providers.simulated.faults import Frame
from providers.simulated.market import MarketSource
from tests.unit.providers.simulated.raw_client import binance_subscribe, connected, running


class _Stuck(Connection):
    """A connection whose client takes nothing until told to."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.released = trio.Event()

    async def send_data(self, frames: Sequence[Frame]) -> None:
        await self.released.wait()
        self.taken += [frame.text for frame in frames]


@pytest.mark.trio
async def test_slow_client_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that falls too far behind is cut off; nothing grows without bound, and others do not wait for it."""
    monkeypatch.setattr(live, "_MOST_QUEUED", 10)
    connection = _Stuck()
    client = live._Client(connection, None)  # type: ignore[arg-type]
    for number in range(10):
        client.post(Reply(str(number), data=True))
    assert not client.cut.is_set()
    client.post(Reply("10", data=True))
    assert client.cut.is_set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send_queued)
        connection.released.set()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert connection.taken == [str(number) for number in range(10)]


@pytest.mark.trio
async def test_market_goes_on_without_listeners() -> None:
    """While a client is away the market goes on: it comes back to later trade ids, not to the same ones."""
    async with running("binance", MarketSource(1, rate=50.0)) as venue:
        newest = []
        for _ in range(2):
            async with connected(venue) as client:
                await client.send(binance_subscribe("btcusdt@trade"))
                newest.append((await client.until(lambda message: "data" in message))["data"]["t"])
            async with connected(venue) as client:
                await client.send(binance_subscribe("btcusdt@bookTicker"))
                for _ in range(10):
                    await client.until(lambda message: "data" in message)
    assert newest[1] > newest[0]


@pytest.mark.trio
async def test_binary_messages_are_ignored() -> None:
    """A binary message is no request: it is ignored and the session goes on."""
    async with running("binance", MarketSource(1)) as venue, connected(venue) as client:
        websocket: WebSocketConnection = client._websocket
        await websocket.send_message(b"\x00\x01")
        await client.send({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        assert await client.until(lambda _: True) == {"result": [], "id": 1}
