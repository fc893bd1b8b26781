"""A small HTTP/1.1 server on 127.0.0.1 for the simulated venue's REST answers: GET only, connections kept alive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import h11
import trio
from trio import TaskStatus

_IDLE_S = 60.0
_RECEIVE_BYTES = 16_384


class Answer(NamedTuple):
    """A body, JSON unless it begins like a page, its HTTP status, and headers beside the usual ones. With `cut` the
    connection is closed in the middle of the body."""

    body: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False


Answering = Callable[[str, Mapping[str, str]], Answer]
"""Answers a GET of (path, query parameters); never raises."""


async def serve_rest(answering: Answering, *, task_status: TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
    """Serve until cancelled; reports the base URL once it listens."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    task_status.started(f"http://127.0.0.1:{port}")
    await trio.serve_listeners(partial(_serve_client, answering), listeners)


async def _serve_client(answering: Answering, stream: trio.SocketStream) -> None:
    connection = h11.Connection(h11.SERVER)
    async with stream:
        try:
            while await _served_one(answering, connection, stream):
                connection.start_next_cycle()
        except h11.RemoteProtocolError:
            await _refuse(connection, stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return


async def _served_one(answering: Answering, connection: h11.Connection, stream: trio.SocketStream) -> bool:
    # Returns whether the connection may be used for another request.
    with trio.move_on_after(_IDLE_S) as waiting:
        request = await _next_request(connection, stream)
    if waiting.cancelled_caught or request is None:
        return False
    answer = _answered(answering, request)
    await _send(connection, stream, answer)
    return not answer.cut and (connection.our_state, connection.their_state) == (h11.DONE, h11.DONE)


async def _next_request(connection: h11.Connection, stream: trio.SocketStream) -> h11.Request | None:
    request: h11.Request | None = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some(_RECEIVE_BYTES))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.EndOfMessage):
            return request
        elif isinstance(event, h11.ConnectionClosed):
            return None


def _answered(answering: Answering, request: h11.Request) -> Answer:
    if request.method != b"GET":
        return Answer('{"error":"only GET is served"}', 405)
    try:
        parts = urlsplit(request.target.decode("ascii", "replace"))
    except ValueError:
        return Answer('{"error":"not a path"}', 400)
    return answering(parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()})


async def _send(connection: h11.Connection, stream: trio.SocketStream, answer: Answer) -> None:
    body = answer.body.encode()
    kind = "text/html" if answer.body.startswith("<") else "application/json;charset=UTF-8"
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), *answer.headers]
    events = (h11.Response(status_code=answer.status, headers=headers), h11.Data(data=body), h11.EndOfMessage())
    sent = b"".join([connection.send(event) or b"" for event in events])
    await stream.send_all(sent[: len(sent) - len(body) // 2 - 1] if answer.cut else sent)


async def _refuse(connection: h11.Connection, stream: trio.SocketStream) -> None:
    # The stream is closed by now unless the client's bytes were found wrong before anything was answered.
    if connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
        try:
            await _send(connection, stream, Answer('{"error":"not HTTP"}', 400))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
