"""Keep one WebSocket connection to a venue alive: connect, stamp, hand over, watch, reconnect.

It knows no venue's protocol: what to say and what an answer means is the feed's business. Frames are the business of
a `MessageSocket`, which may hang or leave its stream open: the stream, its nursery and every deadline are our own,
one for connecting and one for leaving.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol

import attrs
import h11
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, HandshakeError
from wsproto.utilities import ProtocolError

from core.clock import NS_PER_S, WallClock, monotonic_ns, wall_ns
from core.errors import PermanentError, ResourceExhaustedError, TransientError
from core.flow.printable import printable
from providers.base import Endpoints, FeedCounters
from providers.connection import ConnectionState, ConnectionStatus
from providers.venue.attempts import budget_of, delays_at, is_stand_in, take_turn
from providers.venue.backoff import SETTLED_S, Reconnecting, retry_after_s
from providers.venue.frame_socket import open_frame_socket
from providers.venue.transport import Address, StampedStream, open_stream, parse_address

CONNECT_S = 10.0
LEAVE_S = 0.5
IDLE_SEND_S = 1.0
"""How often texts that a task put into the outbox are looked for while no frame arrives."""
MAX_MESSAGE_BYTES = 16 * 1024 * 1024  # exchange-wide snapshots exceed the library's 1 MiB
RECEIVE_BYTES = 64 * 1024

_log = logging.getLogger("ringside.stream")


class Feed(Protocol):
    """The half of a live feed that does no input or output: text in, records out.

    `outbox` holds texts to send; they are taken from its front, after each frame, when the feed's `Waker` says so,
    and at least once a second.
    """

    outbox: list[str]

    def opened(self) -> list[str]:
        """A fresh connection: forget what belonged to the last one, and return the texts to send first."""

    def handle(self, text: str, ts_recv_ns: int) -> None:
        """Take one frame received at `ts_recv_ns`.

        Raises:
            PermanentError: the stream is over for good.
            TransientError: this connection is of no more use; another may be.
        """

    def flush(self) -> None:
        """Publish what the frames since the last time brought. Called after all frames that one read of the socket
        completed, also when one of them raised: work that is done once for many is done here."""

    def closed(self) -> None:
        """The connection is lost: withhold what depended on it."""

    def probe(self) -> str:
        """A question that the venue answers whenever it is alive."""


class MessageSocket(Protocol):
    """An open WebSocket. `ConnectionClosed`, `ProtocolError`, `TransientError` and a stream's own errors end it."""

    async def receive(self) -> list[str | bytes]:
        """Messages whose last bytes the stream's newest read brought, in order; maybe none. Raises at the end."""

    async def send_message(self, text: str) -> None:
        """Send one text. Raises `ConnectionClosed` or `trio.BrokenResourceError` when that is no more possible."""

    async def aclose(self) -> None:
        """Say goodbye. Takes as long as the venue likes."""


class OpenSocket(Protocol):
    """Makes a `MessageSocket` of a stream."""

    async def __call__(
        self,
        nursery: trio.Nursery,
        stream: trio.abc.Stream,
        address: Address,
        *,
        max_message_bytes: int,
        receive_bytes: int,
    ) -> MessageSocket:
        """Shake hands over `stream`, reading at most `receive_bytes` at once, then and later. What runs in `nursery`
        runs until that is cancelled."""


class Waker:
    """Makes the sender of a running feed look into the outbox at once, for whoever fills it outside `handle`."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def wake(self) -> None:
        """There is something to send. Costs nothing when nobody waits."""
        self._event.set()

    async def wait(self) -> None:
        """Return when `wake` was called since the last return. One task at a time."""
        await self._event.wait()
        self._event = trio.Event()


@attrs.frozen(kw_only=True)
class _Loss:
    """Why a connection ended. `clean` is the venue's close with code 1000."""

    reason: str
    clean: bool = False
    opened: bool = False
    retry_after_s: float = 0.0
    permanent: PermanentError | None = None


@attrs.define(kw_only=True)
class _Session:
    """One open connection. `doomed` is the watchdog's reason for giving it up."""

    feed: Feed
    state: ConnectionState
    socket: MessageSocket
    transport: StampedStream
    outbound: list[str]
    waker: Waker
    doomed: str = ""
    answered: trio.Event | None = None
    last_frame_ns: int = attrs.Factory(monotonic_ns)

    async def receive(self, clock: WallClock) -> None:
        """Hand every message to the feed. Ends only by an exception."""
        receive, transport, outbox = self.socket.receive, self.transport, self.feed.outbox
        stamped_by_read = clock is wall_ns
        while True:
            messages = await receive()
            if not messages:
                continue
            if self.answered is not None:
                self.answered.set()
                self.answered = None
            self._hand_over(messages, None if stamped_by_read else clock, transport)
            if outbox:
                self.waker.wake()

    def _hand_over(self, messages: list[str | bytes], clock: WallClock | None, transport: StampedStream) -> None:
        state, handle = self.state, self.feed.handle
        ts_recv_ns = transport.read_wall_ns
        state.recent.keep(messages, ts_recv_ns)  # first: the message that breaks a feed is the one to look at
        taken = 0
        try:
            for message in messages:
                taken += 1
                if clock is not None:
                    ts_recv_ns = clock()
                if isinstance(message, str):
                    handle(message, ts_recv_ns)
                else:
                    state.malformed += 1
        finally:
            state.messages += taken
            self.feed.flush()
            state.publish_delay.record(monotonic_ns() - transport.read_ns, taken)
        self.last_frame_ns = monotonic_ns()

    async def send(self, interval_s: float) -> None:
        """Send what is due, one text each `interval_s`, apart from receiving, which must never wait for it."""
        outbound, outbox = self.outbound, self.feed.outbox
        while True:
            outbound += outbox
            outbox.clear()
            if not outbound:
                with trio.move_on_after(IDLE_SEND_S):
                    await self.waker.wait()
                continue
            try:
                await self.socket.send_message(outbound.pop(0))
            except (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
                return  # the receiving side learns of it with everything that came before
            await trio.sleep(interval_s)

    async def watch(self, scope: trio.CancelScope, *, silence_s: float, answer_s: float) -> None:
        """Ask a venue that is silent for `silence_s`; give up `scope` when nothing comes for `answer_s` more."""
        while True:
            idle_s = (monotonic_ns() - self.last_frame_ns) / NS_PER_S
            if idle_s < silence_s:
                await trio.sleep(silence_s - idle_s)
                continue
            self.answered = answered = trio.Event()
            self.outbound.append(self.feed.probe())
            self.waker.wake()
            with trio.move_on_after(answer_s):
                await answered.wait()
            if not answered.is_set():
                self.doomed = f"silent for {silence_s + answer_s:g} s"
                scope.cancel()
                return


async def run_feed(
    feed: Feed,
    endpoints: Endpoints,
    connection: ConnectionState,
    *,
    silence_s: float,
    answer_s: float,
    send_interval_s: float = 0.0,
    reconnecting: Reconnecting | None = None,
    delays: Iterator[float] | None = None,
    counters: Sequence[FeedCounters],
    waker: Waker | None = None,
    open_socket: OpenSocket = open_frame_socket,
) -> None:
    """Run `feed` over connections to `endpoints.stream_url` until cancelled, reconnecting whenever one is lost.

    A message is stamped once: with the time at which its last bytes were read, or by the clock `endpoints.receipts`
    gives for the connection's local port when that is not the wall clock. Returns only when the venue closed cleanly
    and `endpoints.ends_on_clean_close`. `reconnecting` are the venue's figures, `delays` replaces the waits between
    attempts. `counters` are those of the feed's symbols, read anew each time: each counts the reconnects. `waker` is
    for whoever fills the feed's outbox from outside. `open_socket` is who reads and writes frames. However it is
    left, `connection` then says where it stands.

    Raises:
        PermanentError: the feed or the venue's handshake said that it will never work, or the address is none.
        ExceptionGroup: a programming error in the feed.
    """
    address = parse_address(endpoints.stream_url)
    figures = reconnecting or Reconnecting()
    budget = None if is_stand_in(address) else budget_of(address, figures)
    waits = delays if delays is not None else delays_at(address, figures)
    connect = partial(
        _connect_once,
        feed,
        address,
        endpoints,
        connection,
        silence_s=silence_s,
        answer_s=answer_s,
        send_interval_s=send_interval_s,
        waker=waker or Waker(),
        open_socket=open_socket,
    )
    with connection.attempting():
        while True:
            if budget is not None:
                await take_turn(budget, connection)
            began_s = trio.current_time()
            loss = await connect()
            if loss.permanent is not None:
                connection.enter(ConnectionStatus.ERROR, loss.reason)
                raise loss.permanent
            if loss.clean and endpoints.ends_on_clean_close:
                connection.enter(ConnectionStatus.DISCONNECTED, loss.reason)
                return
            if loss.opened:
                _count_reconnect(connection, counters)
            connection.enter(ConnectionStatus.RECONNECTING, loss.reason)
            _log.warning("%s: connection lost: %s", connection.venue, loss.reason)
            if delays is None and loss.opened and trio.current_time() - began_s >= SETTLED_S:
                waits = delays_at(address, figures)
            await trio.sleep(max(next(waits, 0.0), loss.retry_after_s))


async def _connect_once(
    feed: Feed,
    address: Address,
    endpoints: Endpoints,
    connection: ConnectionState,
    *,
    silence_s: float,
    answer_s: float,
    send_interval_s: float,
    waker: Waker,
    open_socket: OpenSocket,
) -> _Loss:
    session: _Session | None = None
    loss: _Loss | None = None
    stream: trio.abc.Stream | None = None
    connecting = trio.CancelScope(deadline=trio.current_time() + CONNECT_S)
    try:
        async with trio.open_nursery() as nursery:
            with connecting:
                stream, transport = await open_stream(address)
                socket = await open_socket(
                    nursery, stream, address, max_message_bytes=MAX_MESSAGE_BYTES, receive_bytes=RECEIVE_BYTES
                )
                feed.outbox.clear()
                session = _Session(
                    feed=feed,
                    state=connection,
                    socket=socket,
                    transport=transport,
                    outbound=feed.opened(),
                    waker=waker,
                )
            if session is not None:
                connection.enter(ConnectionStatus.CONNECTED)
                nursery.start_soon(session.send, send_interval_s)
                with trio.CancelScope() as scope:
                    nursery.start_soon(partial(session.watch, scope, silence_s=silence_s, answer_s=answer_s))
                    try:
                        await session.receive(endpoints.receipts(transport.local_port))
                    except _EXPECTED as error:
                        loss = _classify(error)
                with trio.move_on_after(LEAVE_S):
                    await session.socket.aclose()
            nursery.cancel_scope.cancel()
    except* _EXPECTED as group:
        loss = loss or _classify(_first(group))
    finally:
        if session is not None:
            feed.closed()
        # trio-websocket leaves it open after a close by the venue and after a failed handshake, too.
        if stream is not None:
            await trio.aclose_forcefully(stream)
    if loss is None:
        loss = _Loss(reason=f"no answer within {CONNECT_S:g} s" if session is None else session.doomed)
    return attrs.evolve(loss, opened=session is not None)


_EXPECTED = (
    HandshakeError,
    ConnectionClosed,
    ProtocolError,
    h11.ProtocolError,  # trio-websocket fails at refusing an answer that is no HTTP, and
    UnicodeDecodeError,  # at reading one with letters that are none
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    TransientError,
    ResourceExhaustedError,
    PermanentError,
)


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """The first plain exception in a group of groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error


def _classify(error: Exception) -> _Loss:
    match error:
        case PermanentError():
            return _Loss(reason=str(error), permanent=error)
        case ResourceExhaustedError():
            return _Loss(reason=str(error), retry_after_s=error.retry_after_s)
        case ConnectionRejected():
            return _rejected(error)
        case ConnectionClosed():
            if error.reason is None:
                return _Loss(reason="cut after a frame that breaks the protocol")
            said = f": {printable(error.reason.reason)}" if error.reason.reason else ""
            return _Loss(reason=f"closed with code {error.reason.code}{said}", clean=error.reason.code == 1000)
        case _ if error.__cause__ is not None:
            return _Loss(reason=printable(str(error.__cause__)) or type(error.__cause__).__name__)
        case _:
            return _Loss(reason=printable(str(error)) or type(error).__name__)


def _rejected(error: ConnectionRejected) -> _Loss:
    status = error.status_code
    reason = f"the venue answered HTTP {status}"
    if status in {418, 429}:
        header = next((value for name, value in error.headers if name.lower() == b"retry-after"), b"")
        wait_s = retry_after_s(header.decode("ascii", "replace"), now_s=wall_ns() / NS_PER_S)
        return _Loss(reason=f"{reason}: asked to wait {wait_s:g} s", retry_after_s=wait_s)
    if status == 451:
        refusal = PermanentError("stream refused", reason, hint="the venue does not serve this place")
        return _Loss(reason=reason, permanent=refusal)
    return _Loss(reason=reason)


def _count_reconnect(connection: ConnectionState, counters: Sequence[FeedCounters]) -> None:
    connection.reconnects += 1
    for each in counters:
        each.reconnects += 1
