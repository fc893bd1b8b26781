"""Records a second through the ring: inside one process, between two, and what eight readers cost the producer."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from perf import _ring_peers as peers
from perf.figures import Figure
from ringbuf.layout import DOORBELL
from ringbuf.reader import RingReader
from ringbuf.writer import RingWriter

ROUNDS = 7
SINGLES = 200_000
BATCH = 1000
BATCHES = 2000
SUSTAINED = 6_000_000
PEER_RECORDS = 300_000
DRAIN_EVERY_S = 0.001
READERS = 8
READ_EVERY_S = 0.005


def measure() -> list[Figure]:
    """Every row of it."""
    with peers.directory() as directory:
        return [*_in_one_process(directory), *_between_two(directory), *_readers_cost(directory)]


def _in_one_process(directory: Path) -> list[Figure]:
    writer = RingWriter(directory / "one", peers.IDENTITY)
    reader = RingReader(directory / "one", name="perf")
    record, batch = bytes(peers.RECORD_BYTES), np.zeros(BATCH, "V48")
    queue: deque[bytes] = deque(maxlen=writer.capacity)
    target = np.zeros((64, BATCH), "V48")

    def pop() -> float:
        elapsed_s = 0.0
        for _ in range(BATCHES):
            writer.push_batch(batch)
            started = time.perf_counter()
            reader.pop_batch()
            elapsed_s += time.perf_counter() - started
        return BATCHES * BATCH / elapsed_s

    def push() -> None:
        for _ in range(BATCHES):
            writer.push_batch(batch)

    def copies() -> None:
        for number in range(BATCHES):
            target[number & 63] = batch

    single = partial(_repeat, lambda: writer.push(record))
    append = partial(_repeat, lambda: queue.append(record))
    figures = [
        _compare("ring, push of one record", single, "deque.append", append),
        _compare("ring, push_batch of 1000", partial(_batches, push), "a numpy copy", partial(_batches, copies)),
        _compare("ring, pop_batch of 1000", pop, "a numpy copy", partial(_batches, copies)),
    ]
    reader.close()
    writer.close()
    return figures


def _repeat(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(SINGLES):
        call()
    return SINGLES / (time.perf_counter() - started)


def _batches(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return BATCHES * BATCH / (time.perf_counter() - started)


def _compare(work: str, ours: Callable[[], float], against: str, theirs: Callable[[], float]) -> Figure:
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        rates[0].append(ours() / 1e6)
        rates[1].append(theirs() / 1e6)
    return Figure(work, _median(rates[0]), _median(rates[1]), "M rec/s", against)


def _median(found: list[float]) -> float:
    return sorted(found)[len(found) // 2]


def _between_two(directory: Path) -> list[Figure]:
    ours: list[float] = []
    lapped = 0
    theirs: dict[str, list[float]] = {}
    for number in range(3):
        rate, lost = peers.result_of(partial(_sustained, directory / f"two-{number}"))
        ours.append(rate)
        lapped += lost
        if peers.installed("iceoryx2"):
            way: peers.Way = peers.Iceoryx(directory.with_name(f"{directory.name}-{number}"))
            theirs.setdefault("iceoryx2", []).append(peers.result_of(partial(_peer_rate, way)))
        if peers.installed("zmq"):
            theirs.setdefault("pyzmq PUSH/PULL", []).append(
                peers.result_of(partial(_peer_rate, peers.Zmq(directory)))
            )
    work = f"two processes, single pushes, {lapped} lapped"
    needed = Figure(work, _median(ours), 2.0, "M rec/s", "what is wanted")
    return [needed, *(Figure(work, _median(ours), _median(rate), "M rec/s", name) for name, rate in theirs.items())]


def _sustained(path: Path) -> tuple[float, int]:
    # The receiver drains what has come every millisecond, as a consumer of a busy feed does.
    def produce() -> None:
        writer = RingWriter(path, peers.IDENTITY)
        push, record = writer.push, bytes(peers.RECORD_BYTES)
        while not writer._words[DOORBELL]:
            time.sleep(0.001)
        for _ in range(SUSTAINED):
            push(record)
        writer.close(unlink=False)

    with peers.beside(produce):
        reader = peers.reader_of(path)
        while not reader.arm():
            time.sleep(0.001)
        while not len(reader.pop_batch()):
            pass
        reader.disarm()
        started, first = time.perf_counter(), reader.cursor
        while reader.cursor < SUSTAINED:
            reader.pop_batch()
            time.sleep(DRAIN_EVERY_S)
        elapsed_s = time.perf_counter() - started
    return (SUSTAINED - first) / elapsed_s / 1e6, reader.lapped


def _peer_rate(way: peers.Way) -> float:
    ready_read, ready_write = os.pipe()

    def produce() -> None:
        os.read(ready_read, 1)
        send = way.sender()
        for number in range(PEER_RECORDS):
            send(number)
        os.read(ready_read, 1)  # until all has arrived

    with peers.beside(produce):
        receive = way.receiver()
        os.write(ready_write, b"!")
        receive()
        started = time.perf_counter()
        for _ in range(PEER_RECORDS - 1):
            receive()
        elapsed_s = time.perf_counter() - started
        os.write(ready_write, b"!")
    return (PEER_RECORDS - 1) / elapsed_s / 1e6


def _readers_cost(directory: Path) -> list[Figure]:
    return [
        _cost_of(directory / f"readers-{wait}", bell=wait == "bell", work=f"producer with {READERS} readers {how}")
        for wait, how in (("timer", "every 5 ms"), ("bell", "on doorbells"))
    ]


def _cost_of(path: Path, *, bell: bool, work: str) -> Figure:
    writer = RingWriter(path, peers.IDENTITY)
    record = bytes(peers.RECORD_BYTES)
    *_, far, near = [*sorted(os.sched_getaffinity(0)) * 2]
    before = os.sched_getaffinity(0)
    with ExitStack() as stack:
        pids = [
            stack.enter_context(peers.beside(partial(_read_for_ever, path, bell=bell), core=far))
            for _ in range(READERS)
        ]
        stack.callback(_signal, pids, signal.SIGKILL)
        observer = RingReader(path)
        while len(observer.readers()) < READERS:
            time.sleep(0.001)
        os.sched_setaffinity(0, {near})
        rates: tuple[list[float], list[float]] = ([], [])
        for _ in range(2 * ROUNDS):
            for signal_number, into in ((signal.SIGCONT, rates[0]), (signal.SIGSTOP, rates[1])):
                _signal(pids, signal_number)
                into.append(_repeat(lambda: writer.push(record)) / 1e6)
        os.sched_setaffinity(0, before)
        observer.close()
    writer.close()
    return Figure(work, _median(rates[0]), _median(rates[1]), "M rec/s", "the same readers stopped")


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


def _read_for_ever(path: Path, *, bell: bool) -> None:
    reader = RingReader(path, name="perf")
    while True:
        if bell:
            reader.wait(1.0)
        else:
            time.sleep(READ_EVERY_S)
        reader.pop_batch()
