"""One writer, many readers, by example."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.model.records import TRADE, Records
from ringbuf import layout
from ringbuf.reader import RingReader
from ringbuf.writer import RingIdentity, RingWriter

IDENTITY = RingIdentity(
    schema="trades", record_bytes=48, symbol="BTCUSD", venue="KRAKEN", instrument_id=7, instance="test"
)


def trades(first: int, count: int) -> Records:
    """Trades whose price is their index."""
    made = np.zeros(count, TRADE)
    made["price"] = np.arange(first, first + count)
    return made


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


def test_every_reader_sees_everything(path: Path, writer: RingWriter) -> None:
    """Two readers get each record once and in order, by single pushes and by batches, across the wrap."""
    readers = [RingReader(path, name=name, dtype=TRADE) for name in ("a", "b")]
    seen: list[list[int]] = [[], []]
    pushed = 0
    for size in (1, 30, 1, 40, 64, 3):
        if size == 1:
            writer.push(trades(pushed, 1).tobytes(), newest_id=pushed)
        else:
            writer.push_batch(trades(pushed, size), newest_id=pushed + size - 1)
        pushed += size
        for reader, into in zip(readers, seen, strict=True):
            into.extend(reader.pop_batch()["price"].tolist())
    assert seen == [list(range(pushed))] * 2
    assert (readers[0].newest_id, readers[0].lag, readers[0].lapped) == (pushed - 1, 0, 0)
    for reader in readers:
        reader.close()


def test_bytes_of_many_records_may_cross_the_wrap(path: Path, writer: RingWriter) -> None:
    """A push of several packed records that does not fit before the end of the ring goes round it."""
    reader = RingReader(path, dtype=TRADE)
    for first in (0, 50):
        writer.push(trades(first, 50).tobytes())
        assert reader.pop_batch()["price"].tolist() == list(range(first, first + 50))
    reader.close()


def test_a_lapped_reader_jumps_forward_and_counts(path: Path, writer: RingWriter) -> None:
    """What was overwritten is counted, what is left is read, and the loss stands in the reader table."""
    reader = RingReader(path, name="slow", dtype=TRADE)
    for first in range(0, 200, 50):
        writer.push_batch(trades(first, 50))
    assert reader.pop_batch()["price"].tolist() == list(range(200 - 64, 200))
    assert reader.lapped == 136
    (state,) = reader.readers()
    assert (state.name, state.pid, state.lag, state.lapped) == ("slow", os.getpid(), 0, 136)
    reader.close()


def test_a_batch_longer_than_the_ring_leaves_its_newest(path: Path, writer: RingWriter) -> None:
    """Pushing more than the ring holds keeps the last lap and the true total."""
    reader = RingReader(path, dtype=TRADE)
    writer.push_batch(trades(0, 200))
    assert reader.pop_batch()["price"].tolist() == list(range(136, 200))
    assert (writer.committed, reader.committed, reader.lapped) == (200, 200, 136)
    reader.close()


def test_a_limit_leaves_the_rest_for_later(path: Path, writer: RingWriter) -> None:
    """A bounded read takes the oldest first and reports what is left as lag."""
    reader = RingReader(path, dtype=TRADE)
    writer.push_batch(trades(0, 10))
    assert reader.pop_batch(4)["price"].tolist() == [0, 1, 2, 3]
    assert reader.lag == 6
    assert len(reader.pop_batch()) == 6
    assert len(reader.pop_batch()) == 0
    reader.close()


def test_a_record_claimed_while_copying_is_not_believed(path: Path, writer: RingWriter) -> None:
    """When the producer claims slots that are being copied, those records are dropped and counted."""
    reader = RingReader(path, dtype=TRADE)
    writer.push_batch(trades(0, 64))
    writer._words[layout.CLAIM] = 74  # the producer is in the middle of writing ten more
    assert reader.pop_batch()["price"].tolist() == list(range(10, 64))
    assert reader.lapped == 10
    reader.close()


def test_readers_may_start_at_the_oldest(path: Path, writer: RingWriter) -> None:
    """A late reader gets what the ring still holds."""
    writer.push_batch(trades(0, 100))
    reader = RingReader(path, dtype=TRADE, from_oldest=True)
    assert reader.pop_batch()["price"].tolist() == list(range(36, 100))
    assert reader.lapped == 0
    reader.close()


def test_a_second_producer_is_refused(path: Path, writer: RingWriter) -> None:
    """A segment with a living owner cannot be taken, not even within one process."""
    with pytest.raises(layout.RingBusyError, match="live producer"):
        RingWriter(path, IDENTITY, capacity=64)


def test_a_dead_producers_ring_is_taken_over(path: Path) -> None:
    """After a crash in the middle of a write the next producer continues; the torn slots are never shown."""
    pid = os.fork()
    if pid == 0:
        crashing = RingWriter(path, IDENTITY, capacity=64)
        crashing.push_batch(trades(0, 70))
        crashing._words[layout.CLAIM] = 80
        os._exit(9)
    os.waitpid(pid, 0)
    reader = RingReader(path, dtype=TRADE, from_oldest=True)
    assert not reader.producer_alive
    following = RingWriter(path, IDENTITY, capacity=64)
    assert (reader.epoch, reader.producer_alive, following.committed) == (2, True, 70)
    following.push(trades(70, 1).tobytes())
    # Slots of 6..15 may be half overwritten by the dead producer's records 70..79.
    assert reader.pop_batch()["price"].tolist() == list(range(16, 71))
    assert reader.lapped == 10
    reader.close()
    following.close()


def test_the_newest_record_is_known_whoever_wrote_it(path: Path) -> None:
    """Also to the producer that takes a ring over, unless the dead one may have half overwritten it."""
    for torn_behind, expected in ((79, (70, trades(69, 1).tobytes())), (134, (0, b""))):
        pid = os.fork()
        if pid == 0:
            dying = RingWriter(path, IDENTITY, capacity=64)
            dying.push_batch(trades(0, 70), 69)
            dying._words[layout.CLAIM] = torn_behind
            dying._words[layout.NEWEST_ID] = 70  # of a record that it never committed
            os._exit(9)
        os.waitpid(pid, 0)
        following = RingWriter(path, IDENTITY, capacity=64)
        assert following.newest() == expected
        following.push(trades(70, 1).tobytes(), 71)
        following.close()


def test_a_ring_without_ids_has_no_newest_one(writer: RingWriter) -> None:
    """Neither has an empty one."""
    assert writer.newest() == (0, b"")
    writer.push(trades(0, 1).tobytes())
    assert writer.newest() == (0, b"")
    writer.push(trades(1, 1).tobytes(), 5)
    assert writer.newest() == (5, trades(1, 1).tobytes())


def test_a_closed_ring_says_so_and_is_gone(path: Path) -> None:
    """Closing removes the file; a reader that holds it can still read what is in it."""
    writer = RingWriter(path, IDENTITY, capacity=64)
    reader = RingReader(path, dtype=TRADE)
    writer.push_batch(trades(0, 3))
    writer.close()
    writer.close()
    assert not path.exists()
    assert reader.closed
    assert len(reader.pop_batch()) == 3
    reader.close()
    reader.close()


def test_segments_are_private_and_described(path: Path, writer: RingWriter) -> None:
    """Mode 0600 in a 0700 directory; the header names what the ring carries."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    reader = RingReader(path)
    assert (reader.schema, reader.symbol, reader.venue, reader.instance) == ("trades", "BTCUSD", "KRAKEN", "test")
    assert (reader.record_bytes, reader.capacity) == (48, 64)
    reader.close()


def test_slots_are_given_back(path: Path, writer: RingWriter) -> None:
    """All slots can be taken, one more reader is refused, and a closed reader frees its slot."""
    readers = [RingReader(path, name=f"r{number}") for number in range(layout.READER_SLOTS)]
    with pytest.raises(layout.RingError, match="already has"):
        RingReader(path, name="one too many")
    readers.pop().close()
    readers.append(RingReader(path, name="welcome"))
    assert len(readers[0].readers()) == layout.READER_SLOTS
    for reader in readers:
        reader.close()


def _damaged(path: Path, *, offset: int, value: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(value)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (0, b"GARBAGE!", "not a ring"),
        (8, b"\x63\0\0\0", "version 99"),
        (12, b"\0\0\0\0", "damaged"),
        (16, b"\x03\0\0\0\0\0\0\0", "damaged"),
        (16, b"\x80\0\0\0\0\0\0\0", "another length"),
    ],
)
def test_damaged_segments_are_refused_by_readers(path: Path, offset: int, value: bytes, message: str) -> None:
    """Wrong magic, version, sizes: a clear refusal. The next producer replaces such a file."""
    RingWriter(path, IDENTITY, capacity=64).close(unlink=False)
    _damaged(path, offset=offset, value=value)
    with pytest.raises(layout.RingError, match=message):
        RingReader(path)
    writer = RingWriter(path, IDENTITY, capacity=64)
    RingReader(path).close()
    writer.close()


def test_other_refusals(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ring, a record size that does not fit, a capacity that is no power of two, an unproven processor."""
    with pytest.raises(layout.RingError, match="no ring"):
        RingReader(path)
    with pytest.raises(layout.RingError, match="power of two"):
        RingWriter(path, IDENTITY, capacity=100)
    writer = RingWriter(path, IDENTITY, capacity=64)
    with pytest.raises(layout.RingError, match="48 bytes"):
        RingReader(path, dtype=np.dtype("V80"))
    writer.close()
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(layout.RingError, match="x86-64 only"):
        RingWriter(path, IDENTITY, capacity=64)


def test_names() -> None:
    """Ring names carry symbol and venue, an instance before, a schema behind; bad instances are refused."""
    assert layout.ring_name("BTCUSD", "KRAKEN") == "ringside_BTCUSD_KRAKEN"
    assert layout.ring_name("BTCUSD", "KRAKEN", schema="mbp-10", instance="a") == "a__BTCUSD_KRAKEN.mbp-10"
    for bad in ("a/b", "", "x" * 49, "a__b", "é"):
        with pytest.raises(layout.RingError):
            layout.check_instance(bad)


def test_a_directory_that_others_may_enter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rings are not put where other users could read or replace them."""
    tmp_path.chmod(0o755)
    monkeypatch.setenv("RINGSIDE_SHM", str(tmp_path))
    with pytest.raises(layout.RingError, match="this user alone"):
        layout.directory()


def test_a_full_shared_memory_is_an_error_at_creation(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room gives the sizes in words and leaves no file behind."""

    def no_room(_fd: int, _offset: int, _length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    with pytest.raises(layout.RingSpaceError, match=r"it needs 3\.0 MiB"):
        RingWriter(path, IDENTITY)
    assert not path.exists()
