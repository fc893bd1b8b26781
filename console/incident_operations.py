"""What the control channel can tell for an incident bundle: the newest messages of venues as they came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from console.control_server import Operation
from console.feedhost import FeedHost
from core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from console.supervise import Engine

MOST_BYTES: Final = 2 << 20
"""An answer has so much text at most, which as JSON stays below what a line of the channel may have."""


def incident_operations(engine: Engine) -> dict[str, Operation]:
    """`messages`: without a connection which there are, with one its newest messages. Changes nothing, and so a
    read-only engine answers as well. An engine in several processes has them in the processes of its feeds."""

    async def messages(request: dict[str, Any]) -> dict[str, Any]:
        kept = {
            name: recent
            for host in engine.hosts
            if isinstance(host, FeedHost)
            for name, recent in host.recent().items()
        }
        wanted = request.get("connection")
        if wanted is None:
            return {"connections": list(kept)}
        if not isinstance(wanted, str):
            raise UsageError("bad request", "connection is a text")
        if wanted not in kept:
            raise NotFoundError("no such connection", ascii(wanted)[:60], hint=f"there are {', '.join(kept)}")
        return {"connection": wanted, "messages": _newest(kept[wanted].messages())}

    return {"messages": messages}


def _newest(messages: list[Any]) -> list[dict[str, Any]]:
    # The newest that fit, the oldest of them first. What is no text is given as hexadecimal digits.
    rows: list[dict[str, Any]] = []
    size = 0
    for message in reversed(messages):
        binary = isinstance(message.content, bytes)
        text = message.content.hex() if binary else message.content
        # Quotes are doubled and what is no ASCII takes up to four bytes; control characters, six, no venue sends.
        size += 64 + len(text) + text.count('"') + (0 if text.isascii() else 3 * len(text))
        if size > MOST_BYTES:
            break
        rows.append({"ts_recv_ns": message.ts_recv_ns, "binary": binary, "text": text})
    return rows[::-1]
