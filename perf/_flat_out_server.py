"""A WebSocket server that only sends: frames encoded beforehand, to a client at a time, as fast as it takes them.

It stands in for a venue in benchmarks, in a process of its own, so that what is measured is the client alone.
"""

from __future__ import annotations

import base64
import hashlib
import multiprocessing
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def encode_frames(texts: Sequence[bytes]) -> bytes:
    """Unmasked text frames, and a close frame with code 1000 behind them."""
    parts = []
    for text in texts:
        if len(text) < 126:
            parts.append(struct.pack("!BB", 0x81, len(text)))
        else:
            parts.append(struct.pack("!BBH", 0x81, 126, len(text)))
        parts.append(text)
    parts.append(struct.pack("!BBH", 0x88, 2, 1000))
    return b"".join(parts)


@contextmanager
def flat_out_server(frames: bytes) -> Iterator[str]:
    """Serve `frames` to each client, one after another; gives the server's `ws://` address."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_serve, args=(listener, frames), daemon=True)
    process.start()
    listener.close()
    try:
        yield f"ws://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.join()


def _serve(listener: socket.socket, frames: bytes) -> None:
    while True:
        client, _address = listener.accept()
        # One that has seen enough may leave in the middle.
        with client, suppress(OSError):
            _serve_one(client, frames)


def _serve_one(client: socket.socket, frames: bytes) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        part = client.recv(4096)
        if not part:
            return
        request += part
    key = next(
        line.split(b":", 1)[1].strip()
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    client.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    client.sendall(frames)
    while client.recv(4096):
        pass
