"""One consumer of a ring: its own cursor, whole batches, and an honest count of what it was too slow for.

Needs numpy only, so that any script can follow a ring.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ringbuf import layout
from ringbuf.doorbell import Bell, remove_bell

# A wake-up that is lost (a producer that could not open the FIFO, a FIFO removed by hand) costs this much at most.
LOOK_AGAIN_S = 0.05
SPINS_A_LOOK = 256


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
        self._fd = layout.open_file(path)
        try:
            # All of it is checked before it is mapped: a look beyond the end of a file is a SIGBUS.
            size = os.fstat(self._fd).st_size
            head_bytes = os.pread(self._fd, layout.HEADER_BYTES, 0)
            layout.check_head(head_bytes, size, path)
            layout.check_counts(head_bytes, path)
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
            self._bell: Bell | None = None
            self._fence = threading.Lock()
            self._slot = self._take_slot(name) if name else -1
        except layout.RingError:
            self.close()
            raise

    def _take_slot(self, name: str) -> int:
        for number in range(layout.READER_SLOTS):
            offset = layout.READERS_OFFSET + number * layout.READER_BYTES
            if layout.lock(self._fd, offset, 1):
                remove_bell(self.path, os.fstat(self._fd).st_ino, number)
                _describe(self._words, offset // 8, name, cursor=self.cursor, lapped=self.lapped)
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
    def heartbeat_ns(self) -> int:
        """When the producer last said that it is alive, by the wall clock."""
        return int(self._words[layout.HEARTBEAT])

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

    def arm(self) -> bool:
        """Ask to be woken: the FIFO `bell_fileno` becomes readable once after the next record.

        False, and nothing is asked, when there is something to read already or the ring is closed. Wait for at most
        `LOOK_AGAIN_S`, then call `disarm` and look again. A reader without a name takes a slot for it.

        Raises:
            RingError: no free slot, or the FIFO cannot be made.
        """
        bell = self._own_bell()
        words = self._words
        bell.silence()  # before the stores: what is rung after them must be heard
        words[self._slot + layout.SLOT_ARMED] = bell.inode
        words[layout.DOORBELL] = self._slot
        # The processor may still hold these two stores back while it loads `commit`. A lock's atomic instruction
        # makes them visible first. The producer has no such instruction between its store of `commit` and its look
        # at the bell, but its store is out within the time of a system call.
        with self._fence:
            os.getppid()
        if words[layout.COMMIT] <= self.cursor and not self.closed:
            return True
        words[self._slot + layout.SLOT_ARMED] = 0
        return False

    def disarm(self) -> None:
        """Take back what `arm` asked for. `bell_fileno` may stay readable until the next `arm`."""
        if self._slot >= 0:
            self._words[self._slot + layout.SLOT_ARMED] = 0

    def bell_fileno(self) -> int:
        """The descriptor to wait on between `arm` and `disarm`. It stays this reader's: do not close it."""
        return self._own_bell().fd

    def _own_bell(self) -> Bell:
        if self._bell is None:
            if self._slot < 0:
                self._slot = self._take_slot(f"process {os.getpid()}")
            number = (self._slot * 8 - layout.READERS_OFFSET) // layout.READER_BYTES
            self._bell = Bell(layout.bell_path(self.path, os.fstat(self._fd).st_ino, number))
        return self._bell

    def wait(self, timeout_s: float) -> bool:
        """Sleep until there is something to read; whether there is. False at once when the ring is closed."""
        words, cursor = self._words, self.cursor
        deadline_s = time.monotonic() + timeout_s
        while words[layout.COMMIT] <= cursor:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or self.closed:
                self.disarm()
                return False
            if self.arm():
                self._own_bell().sleep(min(left_s, LOOK_AGAIN_S))
        return True

    def spin(self, timeout_s: float) -> bool:
        """Look without pause until there is something to read; whether there is. Uses a whole core."""
        words, cursor, commit = self._words, self.cursor, layout.COMMIT
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        while True:
            for _ in range(SPINS_A_LOOK):
                if words[commit] > cursor:
                    return True
            if time.monotonic_ns() >= deadline_ns or self.closed:
                return words[commit] > cursor

    def readers(self, starts: dict[int, int] | None = None) -> list[ReaderState]:
        """The living readers of this ring that took a slot, this one included.

        `starts` remembers the start times of processes from one ring to the next, for who looks at many at once.
        """
        starts = {} if starts is None else starts
        words, states, commit = self._words, [], self.committed
        first, step = layout.READERS_OFFSET // 8, layout.READER_BYTES // 8
        for number, pid in enumerate(words[first : first + layout.READER_SLOTS * step : step].tolist()):
            if not pid:
                continue
            if pid not in starts:
                starts[pid] = layout.process_start(pid)
            offset = layout.READERS_OFFSET + number * layout.READER_BYTES
            _, start, cursor, heartbeat_ns, lapped, name = layout.SLOT.unpack_from(self._map, offset)
            if starts[pid] == start:
                states.append(ReaderState(layout.text(name), pid, max(commit - cursor, 0), lapped, heartbeat_ns))
        return states

    def close(self) -> None:
        """Give the slot back and let go of the ring. May be called twice."""
        if self._fd < 0:
            return
        if getattr(self, "_slot", -1) >= 0:
            self._words[self._slot + layout.SLOT_ARMED] = 0
            if self._bell is not None:
                self._bell.close()
            self._words[self._slot] = 0
        self._words.release()
        self._memory.release()
        self._slots = np.empty(0, "V1")  # a live view would keep the map from closing
        self._map.close()
        os.close(self._fd)
        self._fd = -1


def _describe(words: memoryview[int], slot: int, name: str, *, cursor: int, lapped: int) -> None:
    # The pid comes last: until then the slot counts as empty.
    raw = name.encode()[: layout.SLOT_NAME_BYTES].ljust(layout.SLOT_NAME_BYTES, b"\0")
    first = slot + (layout.SLOT.size - layout.SLOT_NAME_BYTES) // 8
    for number in range(layout.SLOT_NAME_BYTES // 8):
        words[first + number] = int.from_bytes(raw[number * 8 : number * 8 + 8], "little")
    pid = os.getpid()
    words[slot + layout.SLOT_ARMED] = 0
    words[slot + layout.SLOT_CURSOR] = cursor
    words[slot + layout.SLOT_HEARTBEAT] = time.time_ns()
    words[slot + layout.SLOT_LAPPED] = lapped
    words[slot + 1] = layout.process_start(pid)
    words[slot] = pid
