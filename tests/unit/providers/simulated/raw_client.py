"""What the tests of the simulated venue share: a plain WebSocket client that knows nothing of the providers."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from trio_websocket import CloseReason, ConnectionClosed, WebSocketConnection, wrap_client_stream

from core.clock import WallClock
from providers.simulated.capture_lines import Protocol
from providers.simulated.faults import FaultPlan
from providers.simulated.market import MarketSource
from providers.simulated.recording import Recording
from providers.simulated.venue import RunningVenue, always, serve_venue

Json = dict[str, Any]
DEADLINE_S = 30.0


@asynccontextmanager
async def running(
    protocol: Protocol,
    source: MarketSource | Recording,
    *,
    faults: str = "",
    ready: Callable[[], bool] = always,
) -> AsyncIterator[RunningVenue]:
    """A venue for the length of a block, which must end within a deadline."""
    plan = FaultPlan.parse(faults) if faults else None
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            venue: RunningVenue = await nursery.start(_serve, protocol, source, plan, ready)
            yield venue
            nursery.cancel_scope.cancel()


async def _serve(
    protocol: Protocol,
    source: MarketSource | Recording,
    plan: FaultPlan | None,
    ready: Callable[[], bool],
    *,
    task_status: trio.TaskStatus[RunningVenue],
) -> None:
    await serve_venue(protocol, source, faults=plan, ready=ready, task_status=task_status)


class RawClient:
    """One connection. `texts` is everything received, `stamps` what the venue's clock gave for each of them."""

    def __init__(self, websocket: WebSocketConnection, *, clock: WallClock) -> None:
        self._websocket = websocket
        self._clock = clock
        self.texts: list[str] = []
        self.stamps: list[int] = []
        self.closed: CloseReason | None = None

    async def send(self, message: object) -> None:
        """Send text as it is, anything else as JSON."""
        await self._websocket.send_message(message if isinstance(message, str) else json.dumps(message))

    async def next(self) -> str | None:
        """The next text, None once the connection is closed."""
        try:
            text = str(await self._websocket.get_message())
        except ConnectionClosed as closed:
            self.closed = closed.reason
            return None
        self.stamps.append(self._clock())
        self.texts.append(text)
        return text

    async def until(self, wanted: Callable[[Json], bool]) -> Json:
        """The next message that is `wanted`."""
        while (text := await self.next()) is not None:
            message: Json = json.loads(text)
            if wanted(message):
                return message
        raise AssertionError(f"closed before the message came: {self.closed}")

    async def drain(self) -> None:
        """Receive until the connection is closed."""
        while await self.next() is not None:
            pass


@asynccontextmanager
async def connected(venue: RunningVenue) -> AsyncIterator[RawClient]:
    """A client of `venue` for the length of a block."""
    host, _, rest = venue.stream_url.removeprefix("ws://").partition(":")
    port, _, path = rest.partition("/")
    stream = await trio.open_tcp_stream(host, int(port))
    # The library leaves the socket open when the server was the one to close.
    async with stream, trio.open_nursery() as nursery:
        websocket = await wrap_client_stream(nursery, stream, host, f"/{path}")
        yield RawClient(websocket, clock=venue.receipts(stream.socket.getsockname()[1]))
        with trio.move_on_after(0.2):
            await websocket.aclose()
        nursery.cancel_scope.cancel()


def kraken_subscribe(channel: str, *symbols: str, **parameters: object) -> Json:
    """A subscription of Kraken's."""
    return {"method": "subscribe", "params": {"channel": channel, "symbol": list(symbols), **parameters}, "req_id": 7}


def binance_subscribe(*streams: str) -> Json:
    """A subscription of Binance's."""
    return {"method": "SUBSCRIBE", "params": list(streams), "id": 1}


def capture_lines(path: Path) -> list[tuple[int, str]]:
    """The lines `<epoch ns> <json>` of a capture, read without the project's own reader."""
    with gzip.open(path, "rt") as lines:
        return [(int(line.split(" ", 1)[0]), line.split(" ", 1)[1].rstrip("\n")) for line in lines]
