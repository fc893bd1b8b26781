"""Serves the control channel: one JSON object a line, over a Unix socket that only this user may use."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import trio

from core.errors import ConsoleError
from ringbuf import control

Operation = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Answers one request; raises `ConsoleError` to refuse it."""

MAX_REQUEST_BYTES: Final = 1 << 16
MAX_CONNECTIONS: Final = 64
MAX_ID: Final = 64
IDLE_S: Final = 3600.0

logger = logging.getLogger("ringside.control")


async def serve_control(
    path: Path,
    operations: Mapping[str, Operation],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer requests on the socket at `path` until cancelled, then remove it.

    A garbled line, one that is too long and an operation that does not exist get an error, never a hang; so does
    the connection after the last that is allowed.
    """
    listener = _listen(path)
    limit = trio.CapacityLimiter(MAX_CONNECTIONS)
    try:
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                connection, _ = await listener.accept()
                nursery.start_soon(_converse, connection, operations, limit)
    finally:
        listener.close()
        path.unlink(missing_ok=True)


def _listen(path: Path) -> trio.socket.SocketType:
    # The caller owns the instance's name, so a socket found here was left by an engine that died.
    path.unlink(missing_ok=True)
    plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        plain.bind(os.fspath(path))
    finally:
        os.umask(previous)
    plain.listen(16)
    return trio.socket.from_stdlib_socket(plain)


async def _converse(
    connection: trio.socket.SocketType, operations: Mapping[str, Operation], limit: trio.CapacityLimiter
) -> None:
    with connection:
        try:
            if control.peer_uid(connection) != os.getuid():
                return
            if limit.available_tokens < 1:
                await _send(connection, _failure(None, "refused", "too many control connections"))
                return
            async with limit:
                await _answer_lines(connection, operations)
        except OSError:
            return  # the other side left; there is nobody to tell


async def _answer_lines(connection: trio.socket.SocketType, operations: Mapping[str, Operation]) -> None:
    pending = b""
    while True:
        with trio.move_on_after(IDLE_S) as idle:
            chunk = await connection.recv(1 << 16)
        if idle.cancelled_caught or not chunk:
            return
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            await _send(connection, await answer(line, operations))
        if len(pending) > MAX_REQUEST_BYTES:
            await _send(connection, _failure(None, "usage", "request too long"))
            return


async def answer(line: bytes, operations: Mapping[str, Operation]) -> dict[str, Any]:
    """The answer to one request line, whatever it holds."""
    try:
        request = json.loads(line) if len(line) <= MAX_REQUEST_BYTES else None
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        return _failure(None, "usage", "not a JSON object")
    number = request.get("id")
    if not isinstance(number, int | str) or (isinstance(number, str) and len(number) > MAX_ID):
        number = None
    if request.get("v") != control.VERSION:
        return _failure(number, "usage", f"this engine speaks version {control.VERSION}")
    operation = operations.get(str(request.get("op")))
    if operation is None:
        return _failure(number, "usage", "no such operation", hint="there are " + ", ".join(sorted(operations)))
    try:
        return {"v": control.VERSION, "id": number, "ok": True, "result": await operation(request)}
    except ConsoleError as error:
        return _failure(number, error.category, f"{error.operation}: {error.subject}", hint=error.hint)
    except Exception as error:  # what somebody asks must not end what streams
        logger.exception("answering %s", str(request.get("op")))
        return _failure(number, "internal", f"a fault in the program: {type(error).__name__}", hint="the log has it")


def _failure(number: Any, category: str, message: str, *, hint: str = "") -> dict[str, Any]:
    error = {"category": category, "code": category, "message": message, "retryable": False, "hint": hint}
    return {"v": control.VERSION, "id": number, "ok": False, "error": error}


async def _send(connection: trio.socket.SocketType, message: dict[str, Any]) -> None:
    # Not `control.encode`: a status of fifty symbols is 100 KiB, which json takes 2 ms of the event loop for.
    rest = memoryview(msgspec.json.encode(message) + b"\n")
    while rest:
        rest = rest[await connection.send(rest) :]
