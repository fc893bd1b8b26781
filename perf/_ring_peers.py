"""The ring and what else carries 48-byte records between two processes, behind one face for the benchmarks.

A way is opened once in the sending process and once in the receiving one; each end is made there, after the fork.
Peers that are not installed are left out with a word on stderr: `pip install iceoryx2 pyzmq` adds them.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import pickle
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from ringbuf import layout
from ringbuf.reader import RingReader
from ringbuf.writer import RingIdentity, RingWriter

RECORD_BYTES = 48
RECORD = struct.Struct("<QQQQQQ")
IDENTITY = RingIdentity(
    schema="trades", record_bytes=RECORD_BYTES, symbol="PERF", venue="PERF", instrument_id=1, instance="perf"
)

Send = Callable[[int], None]
"""Send one record whose first word is the argument."""


class Way(Protocol):
    """A way between two processes."""

    name: str

    def sender(self) -> Send:
        """Open the sending end."""
        ...

    def receiver(self) -> Callable[[], int]:
        """Open the receiving end: a call that waits for a record and returns its first word."""
        ...


class Pipe:
    """An anonymous pipe, a write and a blocking read a record."""

    name = "os.pipe"

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def sender(self) -> Send:
        """Writes the record."""
        fd = self._write
        return lambda number: _none(os.write(fd, RECORD.pack(number, 0, 0, 0, 0, 0)))

    def receiver(self) -> Callable[[], int]:
        """Blocks in read."""
        fd = self._read
        return lambda: int(RECORD.unpack(os.read(fd, RECORD_BYTES))[0])


class Zmq:
    """pyzmq PUSH/PULL over a Unix socket, without a high-water mark."""

    name = "pyzmq ipc"

    def __init__(self, directory: Path) -> None:
        self._address = f"ipc://{directory}/zmq"

    def _socket(self, *, push: bool) -> Any:
        zmq = importlib.import_module("zmq")
        socket = zmq.Context().socket(zmq.PUSH if push else zmq.PULL)
        socket.set_hwm(0)
        if push:
            socket.connect(self._address)
        else:
            socket.bind(self._address)
        return socket

    def sender(self) -> Send:
        """Sends a copy of the record."""
        send = self._socket(push=True).send
        return lambda number: _none(send(RECORD.pack(number, 0, 0, 0, 0, 0)))

    def receiver(self) -> Callable[[], int]:
        """Blocks in recv."""
        receive = self._socket(push=False).recv
        return lambda: int(RECORD.unpack(receive())[0])


class IceoryxRecord(ctypes.Structure):
    """48 bytes."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("number", "b", "c", "d", "e", "f")]


class Iceoryx:
    """iceoryx2's Python binding, publish and subscribe; the receiver spins, a full subscriber holds the sender up."""

    name = "iceoryx2"

    def __init__(self, directory: Path) -> None:
        self._service = directory.name

    def _open(self) -> Any:
        iceoryx2 = importlib.import_module("iceoryx2")
        iceoryx2.set_log_level(iceoryx2.LogLevel.Error)
        node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)
        builder = node.service_builder(iceoryx2.ServiceName.new(self._service)).publish_subscribe(IceoryxRecord)
        service = builder.subscriber_max_buffer_size(4096).enable_safe_overflow(False).open_or_create()
        return iceoryx2, node, service

    def sender(self) -> Send:
        """Copies one structure that is used again and again."""
        iceoryx2, node, service = self._open()
        strategy = iceoryx2.BackpressureStrategy.RetryUntilDelivered
        publisher = service.publisher_builder().backpressure_strategy(strategy).create()
        record = IceoryxRecord()

        def send(number: int, _keep: object = (node, service)) -> None:
            record.number = number
            publisher.send_copy(record)

        return send

    def receiver(self) -> Callable[[], int]:
        """Spins."""
        _, node, service = self._open()
        subscriber = service.subscriber_builder().create()

        def receive(_keep: object = (node, service)) -> int:
            while True:
                sample = subscriber.receive()
                if sample is not None:
                    number = int(sample.payload().contents.number)
                    sample.delete()
                    return number

        return receive


class Ring:
    """Our ring; `wait` is how the receiver waits: "spin" or "wait" on the doorbell."""

    def __init__(self, directory: Path, wait: str) -> None:
        self.name = f"ring, {wait}"
        self.path = directory / f"ring-{wait}"
        self._wait = wait

    def sender(self) -> Send:
        """Pushes one record."""
        writer = RingWriter(self.path, IDENTITY)
        return lambda number: writer.push(RECORD.pack(number, 0, 0, 0, 0, 0))

    def receiver(self) -> Callable[[], int]:
        """Pops one record."""
        reader = self.reader()
        wait = reader.spin if self._wait == "spin" else reader.wait

        def receive() -> int:
            while not wait(1.0):
                pass
            return int(RECORD.unpack(reader.pop_batch(1).tobytes())[0])

        return receive

    def reader(self) -> RingReader:
        """A reader, once the sender has opened its end."""
        return reader_of(self.path)


def reader_of(path: Path) -> RingReader:
    """A reader of the ring at `path`, once its producer has opened it."""
    while True:
        try:
            reader = RingReader(path, name="perf", from_oldest=True)
        except layout.RingError:
            continue
        if not reader.closed:
            return reader
        reader.close()


def _none(_value: object) -> None:
    return None


@contextmanager
def directory() -> Iterator[Path]:
    """A directory in shared memory for one measurement; the rings of `layout.directory` are there too."""
    with tempfile.TemporaryDirectory(prefix="ringside-perf-", dir="/dev/shm") as made:
        before = os.environ.get("RINGSIDE_SHM")
        os.environ["RINGSIDE_SHM"] = made
        try:
            yield Path(made)
        finally:
            if before is None:
                del os.environ["RINGSIDE_SHM"]
            else:
                os.environ["RINGSIDE_SHM"] = before


def installed(*names: str) -> bool:
    """Whether peers can be imported; says on stderr which cannot."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        print(f"left out, not installed: {', '.join(missing)}", file=sys.stderr)
    return not missing


@contextmanager
def beside(work: Callable[[], object], *, core: int | None = None) -> Iterator[int]:
    """Runs `work` in a forked process, on one core when it is given; gives its id and waits for its end."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if core is not None:
                os.sched_setaffinity(0, {core})
            work()
            status = 0
        except KeyboardInterrupt:
            status = 2
        finally:
            os._exit(status)
    try:
        yield pid
    finally:
        os.waitpid(pid, 0)


def result_of(work: Callable[[], Any]) -> Any:
    """What `work` returns, done in a forked process, so that nothing of it stays in this one."""
    read, write = os.pipe()

    def report() -> None:
        with os.fdopen(write, "wb") as file:
            pickle.dump(work(), file)

    with beside(report):
        os.close(write)
        with os.fdopen(read, "rb") as file:
            return pickle.load(file)
