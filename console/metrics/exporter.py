"""Answers Prometheus over HTTP on loopback: `/metrics` and `/healthz`, and nothing else.

No request may disturb the engine: each is short, has little time and one answer, and there are few at once. A browser
on this machine that was lured to a name which leads here is turned away by the name it asks for.
"""

from __future__ import annotations

import errno
import logging
import math
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Final

import attrs
import h11
import trio

from console.metrics.text import CONTENT_TYPE, exposition
from core.errors import ConfigurationError
from core.telemetry.frame import Frame

MAX_REQUEST_BYTES: Final = 8192
MAX_CONNECTIONS: Final = 16
REQUEST_S: Final = 5.0
"""A request that takes longer to come is not waited for."""
ANSWER_S: Final = 10.0
"""Nor is somebody who takes longer to read the answer."""
FRESH_S: Final = 0.5
METRICS: Final = b"/metrics"
HEALTH: Final = b"/healthz"
_RECEIVE_BYTES: Final = 4096
_NO_SUCH_ADDRESS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})
_NAMES: Final = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})
_PLAIN: Final = "text/plain; charset=utf-8"

logger = logging.getLogger("ringside.metrics")


@attrs.frozen
class Answer:
    """A status and a body; `allow` says what else could have been asked."""

    status: int
    body: bytes
    content_type: str = _PLAIN
    allow: str = ""


class Pages:
    """The two pages. Each is made anew no more often than every `FRESH_S`, however many ask; `frame` gives all series
    and `problem` why the engine is not healthy, empty when it is."""

    def __init__(self, frame: Callable[[], Awaitable[Frame]], problem: Callable[[], str]) -> None:
        self._frame = frame
        self._problem = problem
        self._making = trio.Lock()
        self._kept: dict[bytes, tuple[float, Answer]] = {}

    async def __call__(self, path: bytes) -> Answer:
        """The page of a path; an answer that says so where it cannot be made."""
        async with self._making:
            until_s, answer = self._kept.get(path, (-math.inf, _UNMADE))
            if trio.current_time() >= until_s:
                try:
                    answer = await (self._metrics() if path == METRICS else self._health())
                except Exception:  # whoever only looks may not end what they look at
                    logger.exception("a page for Prometheus cannot be made")
                    answer = _UNMADE
                self._kept[path] = trio.current_time() + FRESH_S, answer
            return answer

    async def _metrics(self) -> Answer:
        pieces = []
        for piece in exposition(await self._frame()):
            pieces.append(piece)
            await trio.lowlevel.checkpoint()  # of hundreds of symbols all of it takes a while
        return Answer(200, b"".join(pieces), CONTENT_TYPE)

    async def _health(self) -> Answer:
        problem = self._problem()
        return _said(503, problem) if problem else _said(200, "ok")


async def serve_metrics(
    port: int, pages: Pages, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Answer until cancelled; reports the port, which is any free one for 0, once it listens.

    Raises:
        ConfigurationError: the port is taken or may not be used.
    """
    listeners = await _listen(port)
    bound = int(listeners[0].socket.getsockname()[1])
    logger.info("metrics are on http://127.0.0.1:%d/metrics", bound)
    task_status.started(bound)
    limit = trio.CapacityLimiter(MAX_CONNECTIONS)
    await trio.serve_listeners(partial(_serve_one, pages, limit), listeners)


async def _listen(port: int) -> list[trio.SocketListener]:
    address = f"127.0.0.1:{port}"
    try:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        bound = listeners[0].socket.getsockname()[1]
        address = f"[::1]:{bound}"
        try:
            listeners += await trio.open_tcp_listeners(bound, host="::1")
        except OSError as error:
            if not _has_no_such_address(error):
                for listener in listeners:
                    await listener.aclose()
                raise
    except OSError as error:
        hint = "choose another with --metrics-port, or [metrics] port in the settings"
        why = error.strerror or str(error)
        raise ConfigurationError("cannot answer Prometheus", f"{address}: {why}", hint=hint) from error
    return listeners


def _has_no_such_address(error: OSError) -> bool:
    # A machine without IPv6 has no ::1.
    return error.errno in _NO_SUCH_ADDRESS or isinstance(error, trio.socket.gaierror)


async def _serve_one(pages: Pages, limit: trio.CapacityLimiter, stream: trio.abc.Stream) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_REQUEST_BYTES)
    try:
        async with stream:
            try:
                limit.acquire_on_behalf_of_nowait(stream)
            except trio.WouldBlock:
                await _send(connection, stream, _said(503, "too many connections"))
                return
            try:
                await _converse(pages, connection, stream)
            finally:
                limit.release_on_behalf_of(stream)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return  # the other side left


async def _converse(pages: Pages, connection: h11.Connection, stream: trio.abc.Stream) -> None:
    try:
        with trio.move_on_after(REQUEST_S) as waiting:
            request = await _receive(connection, stream)
    except h11.RemoteProtocolError as error:
        await _send(connection, stream, _said(error.error_status_hint, "not a request that is understood"))
        return
    if waiting.cancelled_caught:
        await _send(connection, stream, _said(408, "the request took too long to come"))
    elif request is not None:
        await _send(connection, stream, await _answer(pages, request), head=request.method == b"HEAD")


async def _receive(connection: h11.Connection, stream: trio.abc.Stream) -> h11.Request | None:
    # What follows the head of a request is not waited for.
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        connection.receive_data(bytes(await stream.receive_some(_RECEIVE_BYTES)))


async def _answer(pages: Pages, request: h11.Request) -> Answer:
    if not _is_for_loopback(request):
        return _said(403, "this is answered under the names of this machine alone: localhost, 127.0.0.1 and [::1]")
    path = request.target.partition(b"?")[0]
    if path not in {METRICS, HEALTH}:
        return _said(404, "there are /metrics and /healthz")
    if request.method not in {b"GET", b"HEAD"}:
        return attrs.evolve(_said(405, "only GET is answered"), allow="GET, HEAD")
    return await pages(path)


def _is_for_loopback(request: h11.Request) -> bool:
    hosts = [value for name, value in request.headers if name == b"host"]
    if len(hosts) != 1:
        return False
    name, colon, port = hosts[0].lower().rpartition(b":")
    if not colon or port.endswith(b"]"):
        name, port = hosts[0].lower(), b"0"
    return name in _NAMES and port.isdigit()


def _said(status: int, text: str) -> Answer:
    return Answer(status, text.encode() + b"\n")


_UNMADE: Final = _said(500, "the figures cannot be told; the log says why")


async def _send(connection: h11.Connection, stream: trio.abc.Stream, answer: Answer, *, head: bool = False) -> None:
    if connection.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
        return
    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("Connection", "close"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        *([("Allow", answer.allow)] if answer.allow else []),
    ]
    reason = HTTPStatus(answer.status).phrase.encode()
    response = connection.send(h11.Response(status_code=answer.status, headers=headers, reason=reason))
    with trio.move_on_after(ANSWER_S):
        await stream.send_all((response or b"") + (b"" if head else answer.body))
