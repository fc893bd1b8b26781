"""A stand-in for Kraken in a process of its own: trades at a steady rate, each stamped when it is sent.

It keeps its time whatever the client does, so that the delay of a record is the client's alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from perf._flat_out_server import GUID

SYMBOLS = tuple(f"S{number:02d}" for number in range(40))


@contextmanager
def paced_venue(*, messages_per_s: int) -> Iterator[tuple[str, str]]:
    """Serve any number of clients; gives the addresses of the stream and of the catalogue."""
    stream, rest = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    process = multiprocessing.get_context("fork").Process(
        target=_serve, args=(stream, rest, messages_per_s), daemon=True
    )
    process.start()
    addresses = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in (stream, rest)]
    stream.close()
    rest.close()
    try:
        yield f"ws://{addresses[0]}/v2", f"http://{addresses[1]}"
    finally:
        process.terminate()
        process.join()


def _serve(stream: socket.socket, rest: socket.socket, messages_per_s: int) -> None:
    threading.Thread(target=_serve_catalogue, args=(rest,), daemon=True).start()
    while True:
        client, _ = stream.accept()
        threading.Thread(target=_send_trades, args=(client, messages_per_s), daemon=True).start()


def _serve_catalogue(listener: socket.socket) -> None:
    pairs = {
        f"{name}USD": {
            "altname": f"{name}USD", "wsname": f"{name}/USD", "base": name, "quote": "ZUSD", "pair_decimals": 2,
            "lot_decimals": 8, "tick_size": "0.01", "status": "online",
        }
        for name in SYMBOLS
    }  # fmt: skip
    body = json.dumps({"error": [], "result": pairs}).encode()
    while True:
        client, _ = listener.accept()
        with client:
            client.recv(65_536)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
            client.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)


def _send_trades(client: socket.socket, messages_per_s: int) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b""
    while b"\r\n\r\n" not in request:
        request += client.recv(4096)
    key = next(
        line.split(b":", 1)[1].strip() for line in request.split(b"\r\n") if b"sec-websocket-key" in line.lower()
    )
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    client.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    threading.Thread(target=_read_away, args=(client,), daemon=True).start()
    interval_s = 1 / messages_per_s
    due_s, number = time.monotonic(), 0
    while True:
        due_s += interval_s
        time.sleep(max(due_s - time.monotonic(), 0))
        number += 1
        try:
            client.sendall(_trade(number))
        except OSError:
            return


def _read_away(client: socket.socket) -> None:
    try:
        while client.recv(65_536):
            pass
    except OSError:
        return


def _trade(number: int) -> bytes:
    micros = time.time_ns() // 1000
    seconds, fraction = divmod(micros, 1_000_000)
    instant = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    name = SYMBOLS[number % len(SYMBOLS)]
    text = (
        f'{{"channel":"trade","type":"update","data":[{{"symbol":"{name}/USD","side":"buy",'
        f'"price":{100 + number % 977 / 100:.2f},"qty":0.{number % 10**8:08d},"ord_type":"limit",'
        f'"trade_id":{number // len(SYMBOLS) + 1},"timestamp":"{instant}.{fraction:06d}Z"}}]}}'
    ).encode()
    return struct.pack("!BBH", 0x81, 126, len(text)) + text
