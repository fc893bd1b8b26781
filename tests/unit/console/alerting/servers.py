"""Servers on loopback that handlers talk to, mostly ill-behaved ones."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from tests.servers.tcp import listening


@attrs.frozen
class Asked:
    """A request that a server got."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body, decoded."""
        return json.loads(self.body)


@attrs.define
class WebServer:
    """Answers with `answers` in turn, the last of them for ever; `url` is where it is, `asked` what it got."""

    url: str
    answers: list[bytes]
    asked: list[Asked] = attrs.Factory(list)
    was_asked: trio.Event = attrs.Factory(trio.Event)


def answer(status: str = "200 OK", body: bytes = b"ok", *headers: str) -> bytes:
    """An HTTP/1.1 answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


HANGS = b""
CLOSES = b"\0"
HUGE = b"\1"
ENDLESS_HEADERS = b"\2"
HALF = b"\3"


@asynccontextmanager
async def web_server(*answers: bytes) -> AsyncIterator[WebServer]:
    """An HTTP server of which each connection gets one answer."""
    server = WebServer("", list(answers))

    async def handle(stream: trio.SocketStream) -> None:
        server.asked.append(await _request(stream))
        server.was_asked.set()
        reply = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        if reply == HANGS:
            await trio.sleep_forever()
        elif reply == HUGE:
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
            while True:
                await stream.send_all(b"x" * 65536)
        elif reply == ENDLESS_HEADERS:
            await stream.send_all(b"HTTP/1.1 200 OK\r\n")
            while True:
                await stream.send_all(b"X-More: " + b"x" * 4096 + b"\r\n")
        elif reply == HALF:
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok")
            await trio.sleep_forever()
        elif reply != CLOSES:
            await stream.send_all(reply)

    async with listening(handle) as port:
        server.url = f"http://127.0.0.1:{port}"
        yield server


async def _request(stream: trio.SocketStream) -> Asked:
    data = bytearray()
    while b"\r\n\r\n" not in data:
        data += await _some(stream)
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    line, *rest = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)}
    while len(body) < int(headers.get("content-length", "0")):
        body += await _some(stream)
    return Asked(line, headers, body)


async def _some(stream: trio.abc.Stream) -> bytes:
    data = await stream.receive_some()
    if not data:
        raise trio.BrokenResourceError
    return bytes(data)


@attrs.define
class MailBox:
    """A mail server and what came: `commands` as they were sent, `mails` with envelope. `says` are other answers
    than the usual ones by the beginning of a command, b"" to hang there; `offers` what it is able to. With a
    `context` it speaks TLS, from the beginning or after STARTTLS when it offers that."""

    port: int = 0
    says: dict[str, bytes] = attrs.Factory(dict)
    offers: tuple[str, ...] = ()
    context: ssl.SSLContext | None = None
    commands: list[str] = attrs.Factory(list)
    mails: list[bytes] = attrs.Factory(list)


@asynccontextmanager
async def mail_server(box: MailBox) -> AsyncIterator[MailBox]:
    """A mail server on loopback."""

    async def handle(bare: trio.SocketStream) -> None:
        stream: trio.abc.Stream = bare
        if box.context is not None and "STARTTLS" not in box.offers:
            stream = trio.SSLStream(bare, box.context, server_side=True)
        await _say(stream, box.says.get("", b"220 here"))
        data = bytearray()
        while True:
            line = await _line(stream, data)
            box.commands.append(line)
            if line == "STARTTLS" and box.context is not None:
                await _say(stream, b"220 go on")
                stream = trio.SSLStream(bare, box.context, server_side=True)
            elif not await _obey(stream, data, line, box):
                return

    async with listening(handle) as port:
        box.port = port
        yield box


async def _obey(stream: trio.abc.Stream, data: bytearray, line: str, box: MailBox) -> bool:
    other = next((said for start, said in box.says.items() if start and line.upper().startswith(start)), None)
    if other is not None:
        await _say(stream, other)
    elif line.upper().startswith("EHLO"):
        await _say(stream, b"\r\n".join([b"250-here", *(f"250-{one}".encode() for one in box.offers), b"250 OK"]))
    elif line.upper().startswith("AUTH"):
        await _say(stream, b"235 welcome")
    elif line.upper() == "DATA":
        await _say(stream, b"354 go on")
        lines = []
        while (one := await _line(stream, data)) != ".":
            lines.append(one.encode("latin-1"))
        box.mails.append(b"\n".join(lines))
        await _say(stream, box.says.get("BODY", b"250 kept"))
    elif line.upper() == "QUIT":
        await _say(stream, b"221 bye")
        return False
    else:
        await _say(stream, b"250 OK")
    return True


async def _say(stream: trio.abc.Stream, said: bytes) -> None:
    if not said:
        await trio.sleep_forever()
    if said == CLOSES:
        raise trio.BrokenResourceError
    await stream.send_all(said + b"\r\n")


async def _line(stream: trio.abc.Stream, data: bytearray) -> str:
    while b"\r\n" not in data:
        data += await _some(stream)
    line, _, rest = bytes(data).partition(b"\r\n")
    data[:] = rest
    return line.decode("latin-1")
