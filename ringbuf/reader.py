"""One consumer of a ring: its own cursor, whole batches, and an honest count of what it was too slow for.

Needs numpy only, so that any script can follow a ring.
"""

from __future__ import annotations

import mmap
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ringbuf import layout


@dataclass(frozen=True, slots=True)
class ReaderState:
    """One row of a ring's reader table: `lag` and `lapped` count records."""

    name: str
    pid: int
    lag: int
    lapped: int
    heartbeat_ns: int


class RingReader:
    """Follows the ring at `path` from now on, or from the oldest record it still holds (`from_oldest`).

    With a `name` it takes a slot in the reader table, where its lag and losses are visible to all. `dtype` is the
    dtype of the arrays it returns; without one they are raw records of the ring's size. `lapped` counts records
    that were overwritten before they were read.

    Raises:
        RingError: no ring there, a damaged or foreign one, or no free slot.
    """

    def __init__(
        self, path: Path, *, name: str = "", dtype: np.dtype[np.void] | None = None, from_oldest: bool = False
    ) -> None:
        layout.require_ordered_stores()
        self.path = path
        self._fd = _open(path)
        try:
            size = os.fstat(self._fd).st_size
            layout.check_head(os.pread(self._fd, layout.HEADER_BYTES, 0), size, path)
            self._map = mmap.mmap(self._fd, size)
        except (OSError, layout.RingError):
            os.close(self._fd)
            raise
        head = layout.HEAD.unpack_from(self._map)
        self.record_bytes: int = head[2]
        self.capacity: int = head[3]
        self.schema, self.instance, self.symbol, self.venue = (layout.text(raw) for raw in head[9:13])
        self.dtype = np.dtype(f"V{self.record_bytes}") if dtype is None else dtype
        self._memory = memoryview(self._map)
        self._words = self._memory[: layout.HEADER_BYTES].cast("Q")
        try:
            if self.dtype.itemsize != self.record_bytes:
                raise layout.RingError(
                    f"{path.name} holds records of {self.record_bytes} bytes, not {self.dtype.itemsize}"
                )
            self._nothing = np.empty(0, self.dtype)
            # As plain bytes of the record's size: numpy copies structured records field by field, 20 times slower.
            self._slots = np.frombuffer(self._map, f"V{self.record_bytes}", offset=layout.HEADER_BYTES)
            commit = self._words[layout.COMMIT]
            self.cursor: int = max(commit - self.capacity, 0) if from_oldest else commit
            self.lapped = 0
            self._slot = self._take_slot(name) if name else -1
        except layout.RingError:
            self.close()
            raise

    def _take_slot(self, name: str) -> int:
        for number in range(layout.READER_SLOTS):
            offset = layout.READERS_OFFSET + number * layout.READER_BYTES
            if layout.lock(self._fd, offset, 1):
                pid = os.getpid()
                layout.SLOT.pack_into(
                    self._map,
                    offset,
                    pid,
                    layout.process_start(pid),
                    self.cursor,
                    time.time_ns(),
                    0,
                    name.encode()[:48],
                )
                return offset // 8
        raise layout.RingError(f"{self.path.name} already has {layout.READER_SLOTS} readers")

    @property
    def committed(self) -> int:
        """Records written to the ring so far."""
        return int(self._words[layout.COMMIT])

    @property
    def lag(self) -> int:
        """Records written and not yet read."""
        return int(self._words[layout.COMMIT]) - self.cursor

    @property
    def newest_id(self) -> int:
        """The venue's full id of the newest record."""
        return int(self._words[layout.NEWEST_ID])

    @property
    def epoch(self) -> int:
        """How many producers have owned the ring; it grows when a restarted one takes over."""
        return int(self._words[layout.EPOCH])

    @property
    def closed(self) -> bool:
        """Whether the producer closed the ring; what is in it can still be read."""
        return int(self._words[layout.STATE]) == layout.CLOSED

    @property
    def producer_alive(self) -> bool:
        """Whether a producer holds the ring at this moment."""
        return layout.locked_elsewhere(self._fd, 0, 1)

    def pop_batch(self, limit: int = 65_536) -> NDArray[np.void]:
        """The next records in order, at most `limit`, as a copy; empty when there is nothing new."""
        words, capacity = self._words, self.capacity
        commit = words[layout.COMMIT]
        first = self.cursor
        if commit <= first:
            return self._nothing
        if commit - first > capacity:
            first = commit - capacity
        last = min(commit, first + limit)
        batch = self._copy(first, last)
        # Only now is it known whether the producer came round while we copied.
        oldest_intact = words[layout.CLAIM] - capacity
        if oldest_intact > first:
            overtaken = min(oldest_intact, last)
            batch = batch[overtaken - first :]
            first = overtaken
        self._advance(last, lapped=first - self.cursor)
        return batch

    def _copy(self, first: int, last: int) -> NDArray[np.void]:
        begin = first & (self.capacity - 1)
        end = begin + last - first
        if end <= self.capacity:
            return self._slots[begin:end].copy().view(self.dtype)
        return np.concatenate((self._slots[begin:], self._slots[: end - self.capacity])).view(self.dtype)

    def _advance(self, cursor: int, *, lapped: int) -> None:
        self.cursor = cursor
        self.lapped += lapped
        if self._slot >= 0:
            words, slot = self._words, self._slot
            words[slot + layout.SLOT_CURSOR] = cursor
            words[slot + layout.SLOT_LAPPED] = self.lapped
            words[slot + layout.SLOT_HEARTBEAT] = time.time_ns()

    def readers(self) -> list[ReaderState]:
        """The living readers of this ring that took a slot, this one included."""
        states = []
        commit = self.committed
        for number in range(layout.READER_SLOTS):
            offset = layout.READERS_OFFSET + number * layout.READER_BYTES
            pid, start, cursor, heartbeat_ns, lapped, name = layout.SLOT.unpack_from(self._map, offset)
            if pid and layout.process_start(pid) == start:
                states.append(ReaderState(layout.text(name), pid, max(commit - cursor, 0), lapped, heartbeat_ns))
        return states

    def close(self) -> None:
        """Give the slot back and let go of the ring. May be called twice."""
        if self._fd < 0:
            return
        if getattr(self, "_slot", -1) >= 0:
            self._words[self._slot] = 0
        self._words.release()
        self._memory.release()
        self._slots = np.empty(0, "V1")  # a live view would keep the map from closing
        self._map.close()
        os.close(self._fd)
        self._fd = -1


def _open(path: Path) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise layout.RingError(f"no ring {path.name}") from None
    except OSError as error:
        raise layout.RingError(f"cannot open {path.name}: {error.strerror}") from error
    if os.fstat(fd).st_uid != os.getuid():
        os.close(fd)
        raise layout.RingError(f"{path.name} belongs to another user")
    return fd
