"""The control channel: one JSON object a line over a Unix socket beside the rings; here its framing and a client.

A request is `{"v": 1, "id": N, "op": "status", ...}`; the answer `{"v": 1, "id": N, "ok": true, "result": {...}}`
or `{"v": 1, "id": N, "ok": false, "error": {"category", "code", "message", "retryable", "hint"}}`.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from pathlib import Path
from typing import Any, Final, Protocol

from ringbuf import layout

VERSION: Final = 1
MAX_LINE_BYTES: Final = 4 << 20


class ControlError(Exception):
    """The engine did not answer, or refused; `category` is one of the error categories of the answer."""

    def __init__(self, message: str, *, category: str = "unreachable", hint: str = "") -> None:
        super().__init__(message)
        self.category = category
        self.hint = hint


def socket_path(instance: str) -> Path:
    """Where the engine called `instance` listens."""
    layout.check_instance(instance)
    return layout.directory() / f"{instance}.sock"


def encode(message: dict[str, Any]) -> bytes:
    """One message as a line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


class PeerSocket(Protocol):
    """A Unix socket, the standard library's or another."""

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
        """As of a socket."""


def peer_uid(connection: PeerSocket) -> int:
    """The user id of the process at the other end of a Unix socket."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", raw)[1]
    return uid


class ControlClient:
    """A blocking client. Connects on the first request and again after a lost connection.

    `timeout_s` bounds each request. Not for use by two threads at once.
    """

    def __init__(self, path: Path, *, timeout_s: float = 2.0) -> None:
        self.path = path
        self._timeout_s = timeout_s
        self._connection: socket.socket | None = None
        self._pending = b""
        self._last_id = 0

    def request(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """The `result` of one operation.

        Raises:
            ControlError: nobody answers in time, the answer is garbled, or the engine refused.
        """
        self._last_id += 1
        message = {"v": VERSION, "id": self._last_id, "op": operation, **arguments}
        try:
            answer = self._exchange(encode(message))
        except (OSError, ValueError) as error:
            self.close()
            cause = (isinstance(error, OSError) and error.strerror) or error
            raise ControlError(f"the engine at {self.path.name} does not answer: {cause}") from error
        if answer.get("id") != self._last_id:
            self.close()
            raise ControlError(f"the engine at {self.path.name} answered something else")
        if not answer.get("ok"):
            error_object = answer.get("error")
            if not isinstance(error_object, dict):
                error_object = {}
            raise ControlError(
                str(error_object.get("message", "refused")),
                category=str(error_object.get("category", "internal")),
                hint=str(error_object.get("hint", "")),
            )
        result = answer.get("result")
        if not isinstance(result, dict):
            self.close()
            raise ControlError(f"the engine at {self.path.name} answered without a result")
        return result

    def _exchange(self, line: bytes) -> dict[str, Any]:
        connection = self._connect()
        connection.sendall(line)
        while b"\n" not in self._pending:
            chunk = connection.recv(1 << 16)
            if not chunk:
                raise ConnectionError("connection closed")
            self._pending += chunk
            if len(self._pending) > MAX_LINE_BYTES:
                raise ValueError("answer too long")
        answer, _, self._pending = self._pending.partition(b"\n")
        try:
            decoded = json.loads(answer)
        except RecursionError as error:
            raise ValueError("answer nested too deeply") from error
        if not isinstance(decoded, dict) or decoded.get("v") != VERSION:
            raise ValueError("answer of another protocol version")
        return decoded

    def _connect(self) -> socket.socket:
        if self._connection is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self._timeout_s)
            try:
                connection.connect(os.fspath(self.path))
                if peer_uid(connection) != os.getuid():
                    raise ConnectionError("it belongs to another user")
            except BaseException:
                connection.close()
                raise
            self._connection, self._pending = connection, b""
        return self._connection

    def close(self) -> None:
        """Drop the connection; the next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
