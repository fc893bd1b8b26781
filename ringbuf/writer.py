"""The one producer of a ring: claim, copy, commit. It never waits for a reader."""

from __future__ import annotations

import errno
import mmap
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ringbuf import layout
from ringbuf.doorbell import BellRinger, remove_stale_bells
from ringbuf.layout import CLAIM, COMMIT, DOORBELL, HEADER_BYTES, NEWEST_ID


@dataclass(frozen=True, kw_only=True, slots=True)
class RingIdentity:
    """What a ring carries: stored in its header, shown to whoever opens it."""

    schema: str
    record_bytes: int
    symbol: str
    venue: str
    instrument_id: int
    instance: str


class RingWriter:
    """Creates or takes over the segment at `path` and owns it until `close`.

    `capacity` is a count of records and must be a power of two. A segment left by a dead producer of the same
    shape is taken over under the next epoch, its readers go on; one of another shape is replaced.

    Raises:
        RingBusyError: a live producer owns the segment.
        RingSpaceError: shared memory is full.
        RingError: anything else that keeps it from being used.
    """

    def __init__(self, path: Path, identity: RingIdentity, *, capacity: int = layout.DEFAULT_CAPACITY) -> None:
        layout.require_ordered_stores()
        if capacity <= 0 or capacity & (capacity - 1):
            raise layout.RingError(f"ring capacity must be a power of two, not {capacity}")
        self.path = path
        self.identity = identity
        self.capacity = capacity
        self._mask = capacity - 1
        self._record_bytes = identity.record_bytes
        self._size = layout.HEADER_BYTES + identity.record_bytes * capacity
        self._fd = _acquire(path, self._size)
        try:
            self._map = mmap.mmap(self._fd, self._size)
        except OSError as error:
            os.close(self._fd)
            raise layout.RingError(f"cannot map {path.name}: {error.strerror}") from error
        self._bytes = memoryview(self._map)
        self._words = self._bytes[: layout.HEADER_BYTES].cast("Q")
        self._payload = np.frombuffer(self._map, np.uint8, offset=layout.HEADER_BYTES)
        self._next, self._claim_floor = self._start_epoch()
        self._bells = BellRinger(path, os.fstat(self._fd).st_ino, self._words)
        remove_stale_bells(path, self._fd)

    def _start_epoch(self) -> tuple[int, int]:
        # Returns the next index and the highest index a dead producer may have half written: `claim` must not
        # fall below it, or its torn slots would look intact to a reader of the previous lap.
        words, identity = self._words, self.identity
        epoch, commit, claim = words[layout.EPOCH], words[layout.COMMIT], words[layout.CLAIM]
        pid = os.getpid()
        head = layout.HEAD.pack(
            layout.MAGIC, layout.VERSION, identity.record_bytes, self.capacity, epoch, pid,
            layout.process_start(pid), time.time_ns(), layout.OPEN, identity.schema.encode(),
            identity.instance.encode(), identity.symbol.encode(), identity.venue.encode(), identity.instrument_id,
        )  # fmt: skip
        # Readers of the last epoch look on: nothing that stays the same may be seen as something else meanwhile.
        # `pack_into` would zero the fields first.
        self._bytes[8 : len(head)] = head[8:]
        words[0] = int.from_bytes(layout.MAGIC, "little")
        words[layout.EPOCH] = epoch + 1
        return commit, max(claim, commit)

    @property
    def committed(self) -> int:
        """Records written since the ring was made, by every epoch."""
        return self._next

    def newest(self) -> tuple[int, bytes]:
        """The newest record, whichever epoch wrote it, and the venue's full id of it or of one a little newer.

        The latter when a producer died between storing the id and the commit. 0 and nothing where no record has an
        id, or where the dead producer may have half overwritten it.
        """
        newest_id: int = self._words[NEWEST_ID]
        if not (newest_id and self._next) or self._claim_floor >= self._next + self.capacity:
            return 0, b""
        start = HEADER_BYTES + ((self._next - 1) & self._mask) * self._record_bytes
        return newest_id, bytes(self._bytes[start : start + self._record_bytes])

    def push(self, records: bytes, newest_id: int = 0) -> None:
        """Append one or more whole records given as bytes; `newest_id` is the venue's full id of the last."""
        size = self._record_bytes
        if len(records) != size:
            self.push_batch(np.frombuffer(records, f"V{size}"), newest_id)
            return
        index = self._next
        self._next = end = index + 1
        start = HEADER_BYTES + (index & self._mask) * size
        words = self._words
        words[CLAIM] = end if end > self._claim_floor else self._claim_floor
        self._bytes[start : start + size] = records
        words[NEWEST_ID] = newest_id
        words[COMMIT] = end
        if words[DOORBELL]:
            self._bells.ring()

    def push_batch(self, records: NDArray[np.void], newest_id: int = 0) -> None:
        """Append an array of records of this ring's size, contiguous in memory.

        A batch longer than the ring is written in pieces, so that readers keep their chance of following.
        """
        flat = np.ascontiguousarray(records).view(np.uint8)
        piece = self.capacity * self._record_bytes
        for begin in range(0, len(flat), piece):
            self._write(flat[begin : begin + piece], newest_id)

    def _write(self, flat: NDArray[np.uint8], newest_id: int) -> None:
        end = self._next + len(flat) // self._record_bytes
        start = (self._next & self._mask) * self._record_bytes
        until_wrap = min(len(flat), len(self._payload) - start)
        words = self._words
        words[CLAIM] = max(end, self._claim_floor)
        self._payload[start : start + until_wrap] = flat[:until_wrap]
        if until_wrap < len(flat):
            self._payload[: len(flat) - until_wrap] = flat[until_wrap:]
        words[NEWEST_ID] = newest_id
        words[COMMIT] = self._next = end
        if words[DOORBELL]:
            self._bells.ring()

    def beat(self, now_ns: int) -> None:
        """Note that the producer is alive."""
        self._words[layout.HEARTBEAT] = now_ns

    def close(self, *, unlink: bool = True) -> None:
        """Mark the ring closed, release it and, unless told otherwise, remove its file. May be called twice."""
        if self._fd < 0:
            return
        self._words[layout.STATE] = layout.CLOSED
        self._bells.ring()
        self._bells.close()
        if unlink:
            remove_stale_bells(self.path, self._fd)
            self.path.unlink(missing_ok=True)
        self._words.release()
        self._bytes.release()
        self._payload = np.empty(0, np.uint8)
        self._map.close()
        os.close(self._fd)
        self._fd = -1


def _acquire(path: Path, size: int) -> int:
    # Open, lock, then compare inodes: between open and lock another process may have replaced the file, and two
    # would then each own "the" segment.
    while True:
        fd = layout.open_file(path, create=True)
        try:
            if not layout.lock(fd, 0, 1):
                raise layout.RingBusyError(f"{path.name} already has a live producer")
            if not layout.same_file(fd, path):
                os.close(fd)
                continue
            if _is_foreign(fd, path, size):
                path.unlink(missing_ok=True)
                os.close(fd)
                continue
            _allocate(fd, path, size)
        except BaseException:
            os.close(fd)
            raise
        return fd


def _is_foreign(fd: int, path: Path, size: int) -> bool:
    # A segment of a dead producer that cannot be continued: other version, other shape, cleanly closed.
    found = os.fstat(fd)
    if found.st_size == 0:
        return False
    head = os.pread(fd, layout.HEADER_BYTES, 0)
    try:
        layout.check_head(head, found.st_size, path)
        layout.check_counts(head, path)
    except layout.RingError:
        return True
    state = int.from_bytes(head[layout.STATE * 8 : layout.STATE * 8 + 8], "little")
    return found.st_size != size or state != layout.OPEN


def _allocate(fd: int, path: Path, size: int) -> None:
    # posix_fallocate makes a full /dev/shm an error here and not a SIGBUS at some later store.
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        if os.fstat(fd).st_size == 0 or error.errno == errno.ENOSPC:
            path.unlink(missing_ok=True)
        if error.errno != errno.ENOSPC:
            raise layout.RingError(f"cannot allocate {path.name}: {error.strerror}") from error
        free = os.statvfs(path.parent)
        raise layout.RingSpaceError(
            f"no room in {path.parent} for {path.name}: it needs {size / 2**20:.1f} MiB,"
            f" {free.f_bavail * free.f_frsize / 2**20:.1f} MiB are free"
        ) from error
