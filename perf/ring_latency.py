"""Microseconds from the send of a record to its receipt in another process, at 1000 records a second."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from perf import _ring_peers as peers
from perf.figures import Figure
from ringbuf.reader import LOOK_AGAIN_S, RingReader

ROUNDS = 3
WARM_UP = 200
RECORDS = 1200
PAUSE_S = 0.001


def measure() -> list[Figure]:
    """p50 and p99 of each way of waiting on the ring, against each peer."""
    found: dict[str, list[float]] = {}
    zmq, iceoryx2 = peers.installed("zmq"), peers.installed("iceoryx2")
    for _ in range(ROUNDS):
        with peers.directory() as directory:
            ways: list[peers.Way] = [peers.Ring(directory, "spin"), peers.Ring(directory, "wait"), peers.Pipe()]
            ways += [peers.Zmq(directory)] if zmq else []
            ways += [peers.Iceoryx(directory)] if iceoryx2 else []
            for way in ways:
                found.setdefault(way.name, []).extend(peers.result_of(partial(_blocking, way)))
            found.setdefault("ring, trio", []).extend(peers.result_of(partial(_in_trio, directory / "ring-trio")))
    ours = {name: times for name, times in found.items() if name.startswith("ring")}
    theirs = {name: times for name, times in found.items() if name not in ours}
    return [
        Figure(f"{name}, one way, p{share}", _share(times, share), _share(peer, share), "us", against)
        for share in (50, 99)
        for name, times in ours.items()
        for against, peer in theirs.items()
    ]


def _share(times: list[float], percent: int) -> float:
    return sorted(times)[len(times) * percent // 100]


def _blocking(way: peers.Way) -> list[float]:
    ready, done = os.pipe(), os.pipe()
    with peers.beside(partial(_send, way.sender, ready[0], done[0])):
        if isinstance(way, peers.Ring):
            os.write(ready[1], b"!")
            receive = way.receiver()
        else:
            receive = way.receiver()
            os.write(ready[1], b"!")
        times = [(-receive() + time.monotonic_ns()) / 1e3 for _ in range(WARM_UP + RECORDS)]
        os.write(done[1], b"!")
    return times[WARM_UP:]


def _send(open_sender: Callable[[], peers.Send], ready: int, done: int) -> None:
    os.read(ready, 1)
    send = open_sender()
    for _ in range(WARM_UP + RECORDS):
        time.sleep(PAUSE_S)
        send(time.monotonic_ns())
    os.read(done, 1)  # until all has arrived


def _in_trio(path: Path) -> list[float]:
    ready, done = os.pipe(), os.pipe()
    ring = peers.Ring(path.parent, "trio")
    with peers.beside(partial(_send, ring.sender, ready[0], done[0])):
        os.write(ready[1], b"!")
        times: list[float] = trio.run(_follow, ring.reader())
        os.write(done[1], b"!")
    return times[WARM_UP:]


async def _follow(reader: RingReader) -> list[float]:
    times: list[float] = []
    while len(times) < WARM_UP + RECORDS:
        if reader.arm():
            with trio.move_on_after(LOOK_AGAIN_S):
                await trio.lowlevel.wait_readable(reader.bell_fileno())
        reader.disarm()
        sent = reader.pop_batch().view("<u8").reshape(-1, peers.RECORD_BYTES // 8)[:, 0]
        times += [(time.monotonic_ns() - sent_ns) / 1e3 for sent_ns in sent.tolist()]
    return times
