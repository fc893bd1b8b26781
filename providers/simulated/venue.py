"""The simulated venue: one venue's sockets and REST on 127.0.0.1, from a generator or from a recording."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

import attrs
import trio
from trio import TaskStatus
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    WebSocketRequest,
    wrap_server_stream,
)

from core.clock import wall_ns
from core.errors import UsageError
from core.model.publishers import SIMULATED_PREFIX
from providers.base import ReceiptClocks, wall_receipts
from providers.simulated import capture_lines
from providers.simulated.binance_market import BinanceFloor
from providers.simulated.binance_server import STREAM_PATH as BINANCE_PATH
from providers.simulated.binance_server import BinanceDialogue
from providers.simulated.connection import Connection, Ready, Receipts, Wire
from providers.simulated.dialogue import Dialogue, Floor, Opening
from providers.simulated.documents import Metadata, known_metadata
from providers.simulated.faults import FaultPlan
from providers.simulated.futures_market import FuturesFloor, PastTrade
from providers.simulated.futures_pages import futures_pages
from providers.simulated.futures_server import STREAM_PATH as FUTURES_PATH
from providers.simulated.futures_server import FuturesDialogue
from providers.simulated.guard import GuardedPages
from providers.simulated.kraken_market import KrakenFloor
from providers.simulated.kraken_server import KrakenDialogue, generated_key, recorded_key
from providers.simulated.ledger import RecordedLedger
from providers.simulated.live import LiveStage
from providers.simulated.market import MarketSource
from providers.simulated.pages import binance_pages, kraken_pages
from providers.simulated.playback import PlaybackStage
from providers.simulated.recording import Recording
from providers.simulated.rest import Answering, serve_rest
from providers.simulated.tape import Tape
from providers.simulated.universe import Listing

KRAKEN_PATH = "/v2"
_PATHS: Mapping[capture_lines.Protocol, str] = {
    "kraken": KRAKEN_PATH,
    "binance": BINANCE_PATH,
    "kraken_futures": FUTURES_PATH,
}
_HANDSHAKE_S = 10.0
_LEAVING_S = 1.0
_LARGEST_REQUEST_BYTES = 1 << 20

_log = logging.getLogger("ringside.simulated")


class _Stage(Protocol):
    async def run(self) -> None: ...

    async def attend(self, connection: Connection, target: str) -> None: ...


@attrs.frozen(kw_only=True)
class RunningVenue:
    """Where the simulated venue is found. `finished` is set when a recording was played to its end; `symbols` are
    the canonical names of what it offers."""

    venue: str
    stream_url: str
    rest_url: str
    receipts: ReceiptClocks
    finished: trio.Event
    symbols: tuple[str, ...]


@attrs.frozen(kw_only=True)
class _Scene:
    """Everything that differs between a generator and a recording."""

    stage: _Stage
    metadata: Mapping[str, Metadata]
    pages: Answering
    receipts: Receipts | None
    finished: trio.Event
    venue: str
    ports: set[int] = attrs.Factory(set)
    """The ports of the clients that are connected now."""


def always() -> bool:
    """Consumers are never behind."""
    return True


async def serve_venue(
    protocol: capture_lines.Protocol,
    source: MarketSource | Recording,
    *,
    faults: FaultPlan | None = None,
    ready: Ready = always,
    task_status: TaskStatus[RunningVenue] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `source` in `protocol` until cancelled; reports where once it listens.

    `ready` holds a recording back while it returns False.

    Raises:
        UsageError: the faults do not apply to the source.
    """
    if isinstance(source, Recording):
        assert source.protocol == protocol, "the caller opens the recording for this protocol"
        if faults and ("skew" in faults.every or "skew" in faults.every_s):
            raise UsageError("this fault does not apply to a recording", "skew", hint="use it with generated markets")
        scene = _recorded(source, ready=ready, faults=faults)
    else:
        scene = _generated(protocol, source)
    path = _PATHS[protocol]
    async with trio.open_nursery() as nursery:
        guarded = GuardedPages(protocol, scene.pages, faults.every if faults else {}, wall=wall_ns)
        rest_url = await nursery.start(serve_rest, guarded.answer)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, partial(_serve_client, scene, path, faults), listeners)
        nursery.start_soon(scene.stage.run)
        port = listeners[0].socket.getsockname()[1]
        task_status.started(
            RunningVenue(
                venue=scene.venue,
                stream_url=f"ws://127.0.0.1:{port}{path}",
                rest_url=rest_url,
                receipts=scene.receipts.clock if scene.receipts else wall_receipts,
                finished=scene.finished,
                symbols=tuple(name.replace("/", "") for name in scene.metadata),
            )
        )


def _generated(protocol: capture_lines.Protocol, source: MarketSource) -> _Scene:
    known = known_metadata(protocol)
    metadata = {name: known[name] for each in source.listings for name in _names(protocol, each)}
    floor: Floor
    if protocol == "kraken":
        floor = kraken = KrakenFloor(source)
        pages = kraken_pages(metadata, kraken.tape)
    elif protocol == "binance":
        floor = binance = BinanceFloor(source)
        pages = binance_pages(metadata, binance.snapshot, binance.tape)
    else:
        floor = futures = FuturesFloor(source)
        pages = futures_pages(
            metadata, tickers=futures.rest_tickers, past=futures.past_trades, long_past=futures.long_past
        )
    return _Scene(
        stage=LiveStage(source, floor, partial(_dialogue, protocol, metadata, recorded=False)),
        metadata=metadata,
        pages=pages,
        receipts=None,
        finished=trio.Event(),
        venue=SIMULATED_PREFIX + protocol.upper(),
    )


def _names(protocol: capture_lines.Protocol, listing: Listing) -> tuple[str, ...]:
    if protocol == "kraken_futures":
        return listing.futures_names
    return (listing.kraken_name if protocol == "kraken" else listing.binance_name,)


def _recorded(recording: Recording, *, ready: Ready, faults: FaultPlan | None) -> _Scene:
    dialogue_of = partial(_dialogue, recording.protocol, recording.metadata, recorded=True)
    stage = PlaybackStage(recording, dialogue_of, ready=ready, one_by_one=faults is not None)
    return _Scene(
        stage=stage,
        metadata=recording.metadata,
        pages=_recorded_pages(recording, stage),
        receipts=Receipts(),
        finished=stage.finished,
        venue=recording.protocol.upper(),
    )


def _recorded_pages(recording: Recording, stage: PlaybackStage) -> Answering:
    def depth(symbol: str, limit: int) -> str | None:
        return stage.books.depth(symbol, until=stage.cursor, limit=limit)

    ledger = RecordedLedger(recording)

    def tape(symbol: str) -> Tape:
        return Tape(ledger.fills(symbol, until=stage.cursor))

    def past(product_id: str) -> Sequence[PastTrade]:
        return stage.books.futures.past_trades(product_id, until=stage.cursor)

    if recording.protocol == "kraken":
        return kraken_pages(recording.metadata, tape)
    if recording.protocol == "binance":
        return binance_pages(recording.metadata, depth, tape)
    return futures_pages(recording.metadata, tickers=tuple, past=past)


def _dialogue(
    protocol: capture_lines.Protocol,
    symbols: Mapping[str, Metadata],
    target: str,
    opening: Opening,
    *,
    recorded: bool,
) -> Dialogue:
    if protocol == "binance":
        return BinanceDialogue(target, opening=opening)
    if protocol == "kraken_futures":
        return FuturesDialogue(symbols, opening=opening)
    return KrakenDialogue(symbols, key_of=recorded_key if recorded else generated_key, opening=opening)


async def _serve_client(scene: _Scene, path: str, faults: FaultPlan | None, stream: trio.SocketStream) -> None:
    wire = Wire(stream)
    async with trio.open_nursery() as nursery:
        try:
            with trio.move_on_after(_HANDSHAKE_S) as handshake:
                nursery.start_soon(_cancel_when_gone, wire, handshake)
                request = await wrap_server_stream(nursery, wire, max_message_size=_LARGEST_REQUEST_BYTES)
                websocket = await _accepted(request, path)
            if handshake.cancelled_caught or websocket is None:
                return
            receipts = scene.receipts.queue(wire.port) if scene.receipts else None
            connection = Connection(websocket, wire, receipts=receipts, faults=faults, beside=bool(scene.ports))
            scene.ports.add(wire.port)
            await scene.stage.attend(connection, request.path)
        except (ConnectionClosed, HandshakeError):
            _log.debug("a client left while it connected")
        finally:
            scene.ports.discard(wire.port)
            with trio.move_on_after(_LEAVING_S, shield=True):
                await wire.aclose()
            nursery.cancel_scope.cancel()


async def _cancel_when_gone(wire: Wire, handshake: trio.CancelScope) -> None:
    # The library waits for a request for ever when the client leaves, or sends what is none.
    await wire.gone.wait()
    handshake.cancel()


async def _accepted(request: WebSocketRequest, path: str) -> WebSocketConnection | None:
    if request.path.partition("?")[0] != path:
        await request.reject(404, body=b"no stream here")
        return None
    return await request.accept()
