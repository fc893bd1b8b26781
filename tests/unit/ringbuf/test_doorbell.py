"""Readers that sleep: armed, rung, cleaned up after."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
import trio.testing

from core.model.records import TRADE
from ringbuf import layout
from ringbuf.reader import LOOK_AGAIN_S, RingReader
from ringbuf.writer import RingWriter
from tests.unit.ringbuf.test_ring import IDENTITY, trades


@pytest.fixture
def path() -> Path:
    """A ring's path in this test's own directory."""
    return layout.directory() / layout.ring_name("BTCUSD", "KRAKEN")


@pytest.fixture
def writer(path: Path) -> Iterator[RingWriter]:
    """A ring of 64 trades."""
    made = RingWriter(path, IDENTITY, capacity=64)
    yield made
    made.close()


@pytest.fixture
def reader(path: Path, writer: RingWriter) -> Iterator[RingReader]:
    """A reader of it with a slot."""
    made = RingReader(path, name="sleeper", dtype=TRADE)
    yield made
    made.close()


def rung(reader: RingReader) -> bool:
    """Whether the reader's bell is readable at this moment."""
    with os.fdopen(os.dup(reader.bell_fileno()), "rb", buffering=0) as file:
        return bool(file.read(1))


def test_an_armed_bell_rings_once(reader: RingReader, writer: RingWriter) -> None:
    """One byte for the first record after arming, none for the next; the producer forgets who was rung."""
    assert reader.arm()
    assert not rung(reader)
    for number in range(3):
        writer.push(trades(number, 1).tobytes())
    assert rung(reader)
    assert not rung(reader)
    assert writer._words[layout.DOORBELL] == 0
    assert len(reader.pop_batch()) == 3
    assert reader.arm()
    writer.push_batch(trades(3, 5))
    assert rung(reader)


def test_nothing_is_armed_when_there_is_something_to_read(reader: RingReader, writer: RingWriter) -> None:
    """Arming looks again, so that a record that came just before is not slept through; closed rings need no wait."""
    writer.push(trades(0, 1).tobytes())
    assert not reader.arm()
    assert len(reader.pop_batch()) == 1
    writer.push(trades(1, 1).tobytes())
    assert not rung(reader)
    reader.pop_batch()
    writer.close()
    assert not reader.arm()
    assert not reader.wait(60)
    assert not reader.spin(60)


def test_a_disarmed_bell_stays_silent(reader: RingReader, writer: RingWriter) -> None:
    """A reader that no longer waits is not rung; what was rung before it armed again does not wake it."""
    assert reader.arm()
    reader.disarm()
    writer.push(trades(0, 1).tobytes())
    assert not rung(reader)
    reader.pop_batch()
    assert reader.arm()
    writer.push(trades(1, 1).tobytes())
    reader.pop_batch()
    assert reader.arm()
    assert not rung(reader)


def test_all_sleepers_are_rung(path: Path, writer: RingWriter) -> None:
    """Whoever armed, in whatever order, is woken by one push; a reader without a name gets a slot for it."""
    readers = [RingReader(path, name="" if number % 2 else f"r{number}", dtype=TRADE) for number in range(5)]
    assert all(reader.arm() for reader in readers)
    writer.push(trades(0, 1).tobytes())
    assert all(rung(reader) for reader in readers)
    names = {state.name for state in readers[0].readers()}
    assert names == {"r0", "r2", "r4", f"process {os.getpid()}"}
    for reader in readers:
        reader.close()
    assert list(path.parent.glob("*.bell*")) == []


def test_wait_and_spin(reader: RingReader, writer: RingWriter) -> None:
    """Both return true when there is something and false when the time is over."""
    for ways in ((reader.wait, reader.spin), (reader.spin, reader.wait)):
        assert not any(way(0.001) for way in ways)
        thread = threading.Thread(target=writer.push, args=(trades(0, 1).tobytes(),))
        thread.start()
        assert ways[0](10)
        assert ways[1](10)
        assert len(reader.pop_batch()) == 1
        thread.join()


def test_wait_goes_on_over_false_alarms(reader: RingReader, writer: RingWriter) -> None:
    """A byte in the FIFO without a record does not end a wait, and a closing producer does."""
    assert reader.arm()
    os.write(reader.bell_fileno(), b"?")
    assert not reader.wait(0.01)
    thread = threading.Thread(target=writer.close)
    thread.start()
    assert not reader.wait(60)
    thread.join()


def test_a_lost_wake_up_costs_a_bounded_time(
    reader: RingReader, writer: RingWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a bell that never rings the record is found all the same, when the reader looks again."""
    monkeypatch.setattr(writer._bells, "_strike", lambda _slot: None)
    assert reader.arm()
    writer.push(trades(0, 1).tobytes())
    reader.cursor += 1
    timer = threading.Timer(0.001, writer.push, args=(trades(1, 1).tobytes(),))
    timer.start()
    assert reader.wait(60)
    timer.join()
    assert LOOK_AGAIN_S <= 0.05


@pytest.mark.trio
async def test_a_trio_task_follows_a_ring(reader: RingReader, writer: RingWriter) -> None:
    """The six lines of the documentation: every record arrives, and other tasks run meanwhile."""

    async def next_batch(reader: RingReader) -> np.ndarray[Any, np.dtype[np.void]]:
        while not len(batch := reader.pop_batch()):
            if reader.arm():
                with trio.move_on_after(LOOK_AGAIN_S):
                    await trio.lowlevel.wait_readable(reader.bell_fileno())
            reader.disarm()
        return batch

    seen: list[int] = []

    async def follow() -> None:
        while len(seen) < 200:
            seen.extend((await next_batch(reader))["price"].tolist())

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            for number in range(200):
                writer.push(trades(number, 1).tobytes())
                while number % 7 == 0 and len(seen) <= number:
                    await trio.lowlevel.checkpoint()
                if number % 40 == 39:
                    await trio.testing.wait_all_tasks_blocked()
    assert seen == list(range(200))


def test_the_fifo_is_private_and_goes_with_its_reader(path: Path, reader: RingReader, writer: RingWriter) -> None:
    """Mode 0600 beside the ring while it is in use, and nothing left after."""
    reader.arm()
    bell = layout.bell_path(path, path.stat().st_ino, 0)
    found = bell.stat()
    assert (stat.S_ISFIFO(found.st_mode), stat.S_IMODE(found.st_mode)) == (True, 0o600)
    reader.close()
    assert not bell.exists()
    writer.push(trades(0, 1).tobytes())


def test_another_reader_in_the_slot_of_a_rung_one(path: Path, writer: RingWriter) -> None:
    """The producer keeps the FIFO open, and notices that it belongs to somebody else by now."""
    for number in range(3):
        reader = RingReader(path, name="again", dtype=TRADE)
        assert reader.arm()
        writer.push(trades(number, 1).tobytes())
        assert rung(reader)
        reader.close()
    assert list(path.parent.glob("*.bell*")) == []


def test_the_producer_survives_every_bell(path: Path, writer: RingWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gone, replaced by a file, without a reader, full, or no descriptor left: it pushes on."""
    reader = RingReader(path, name="odd", dtype=TRADE)
    bell = layout.bell_path(path, path.stat().st_ino, 0)

    def armed_push() -> None:
        reader.pop_batch()
        assert reader.arm()
        writer.push(trades(0, 1).tobytes())

    armed_push()
    while True:
        try:
            os.write(reader.bell_fileno(), bytes(4096))
        except BlockingIOError:
            break
    slot = reader._slot
    writer._words[slot + layout.SLOT_ARMED] = os.fstat(reader.bell_fileno()).st_ino
    writer._bells.ring()
    writer._bells._drop(0)
    bell.unlink()
    armed_push()
    bell.write_bytes(b"not a bell")
    armed_push()
    bell.unlink()
    os.mkfifo(bell)
    writer._words[slot + layout.SLOT_ARMED] = bell.stat().st_ino
    writer._bells.ring()
    writer._words[layout.DOORBELL] = 12345
    writer.push(trades(0, 1).tobytes())
    monkeypatch.setattr(os, "open", _no_descriptor)
    armed_push()
    reader.close()


def _no_descriptor(*_args: object) -> int:
    raise OSError(errno.EMFILE, "Too many open files")


def test_a_pipe_whose_reader_died_is_dropped(path: Path, writer: RingWriter) -> None:
    """EPIPE: the descriptor that the producer kept is closed, and nobody else is disturbed."""
    pid = os.fork()
    if pid == 0:
        dying = RingReader(path, name="dying", dtype=TRADE)
        dying.wait(60)
        dying.pop_batch()
        dying.arm()
        os._exit(9)
    deadline_s = time.monotonic() + 20
    while not writer._words[layout.DOORBELL]:
        assert time.monotonic() < deadline_s
    writer.push(trades(0, 1).tobytes())
    os.waitpid(pid, 0)
    writer._words[layout.READERS_OFFSET // 8 + layout.SLOT_ARMED] = (
        layout.bell_path(path, path.stat().st_ino, 0).stat().st_ino
    )
    writer.push(trades(1, 1).tobytes())
    writer._bells.ring()
    assert writer._bells._open == {}
    reader = RingReader(path, name="next", dtype=TRADE)
    assert not layout.bell_path(path, path.stat().st_ino, 0).exists()
    reader.close()


def test_a_bell_that_cannot_be_made(reader: RingReader) -> None:
    """A directory in its place is a clear error; the reader can still look at will."""
    layout.bell_path(reader.path, reader.path.stat().st_ino, 0).mkdir()
    with pytest.raises(layout.RingError, match="cannot make"):
        reader.arm()
    assert len(reader.pop_batch()) == 0
    layout.bell_path(reader.path, reader.path.stat().st_ino, 0).rmdir()
    assert reader.arm()
