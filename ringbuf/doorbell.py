"""The doorbell: a reader sleeps on a FIFO of its own until the producer has something.

A reader arms its bell by two plain stores: the FIFO's inode into its slot, then its slot into the header's doorbell
word. The producer looks at that word after each commit, which is all it pays while nobody sleeps; when it is set it
clears it, clears the armed slots and writes a byte into the FIFO of each. No word is changed by reading it and
writing it back, so nothing needs an atomic instruction, and whatever goes wrong costs a reader no more than the
longest time it may sleep before it looks by itself.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import threading
from pathlib import Path

from ringbuf import layout


class Bell:
    """The FIFO of one reader, made at `path` with mode 0600 and removed by `close`.

    The reader holds its slot, so whatever stands at `path` is of a dead reader and is replaced.

    Raises:
        RingError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.unlink(missing_ok=True)
            os.mkfifo(path, 0o600)
            # Open for writing too: without a writer it would be readable for ever, at its end.
            self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise layout.RingError(f"cannot make {path.name}: {error.strerror}") from error
        self.inode = os.fstat(self.fd).st_ino
        self._poller = select.poll()
        self._poller.register(self.fd, select.POLLIN)

    def sleep(self, timeout_s: float) -> None:
        """Block until it is rung, or the time is over."""
        self._poller.poll(timeout_s * 1e3)

    def silence(self) -> None:
        """Take out what was rung."""
        try:
            os.read(self.fd, 4096)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Remove the FIFO."""
        self._path.unlink(missing_ok=True)
        os.close(self.fd)


class BellRinger:
    """The producer's side: rings the bells of armed slots. `inode` is that of `ring`, `words` its header."""

    def __init__(self, ring: Path, inode: int, words: memoryview[int]) -> None:
        self._ring = ring
        self._inode = inode
        self._words = words
        first = layout.READERS_OFFSET // 8
        step = layout.READER_BYTES // 8
        self._armed = words[first + layout.SLOT_ARMED : first + layout.READER_SLOTS * step : step]
        self._open: dict[int, tuple[int, int]] = {}
        self._fence = threading.Lock()

    def ring(self) -> None:
        """Wake every reader that asked for it. Never blocks and never fails: a reader may be gone at any moment."""
        words = self._words
        newest = words[layout.DOORBELL] * 8 - layout.READERS_OFFSET
        words[layout.DOORBELL] = 0
        # The reader that armed last, nearly always the only one, is woken before the others are looked for.
        slot, within = divmod(newest, layout.READER_BYTES)
        if not within and 0 <= slot < layout.READER_SLOTS:
            self._strike(slot)
        with (
            self._fence
        ):  # its atomic instruction: the 0 is out before the slots are read, so no later arming is lost
            armed = self._armed.tolist()
        for slot, inode in enumerate(armed):
            if inode:
                self._strike(slot)

    def _strike(self, slot: int) -> None:
        inode = self._armed[slot]
        if not inode:
            return
        # Cleared before the byte is written: a reader that arms in between is rung once too often, not never.
        self._armed[slot] = 0
        for _ in range(2):
            fd = self._bell(slot, inode)
            if fd < 0:
                return
            try:
                os.write(fd, b"!")
            except BlockingIOError:
                return  # full, hence readable
            except OSError:
                self._drop(slot)  # its reader is gone; another may have the slot, and a FIFO of the same inode
            else:
                return

    def _bell(self, slot: int, inode: int) -> int:
        known = self._open.get(slot)
        if known is not None and known[0] == inode:
            return known[1]
        self._drop(slot)
        try:
            fd = os.open(
                layout.bell_path(self._ring, self._inode, slot),
                os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW,
            )
        except OSError:
            return -1  # gone again, or no descriptor left: the reader looks by itself
        found = os.fstat(fd)
        if not stat.S_ISFIFO(found.st_mode) or found.st_ino != inode:
            os.close(fd)
            return -1
        self._open[slot] = (inode, fd)
        return fd

    def _drop(self, slot: int) -> None:
        known = self._open.pop(slot, None)
        if known is not None:
            os.close(known[1])

    def close(self) -> None:
        """Let go of the FIFOs and of `words`."""
        for slot in list(self._open):
            self._drop(slot)
        self._armed.release()


def remove_stale_bells(ring: Path, fd: int) -> None:
    """Remove the FIFOs that dead readers left beside a ring. `fd` is the caller's own open descriptor of it."""
    inode = os.fstat(fd).st_ino
    for slot in range(layout.READER_SLOTS):
        start = layout.READERS_OFFSET + slot * layout.READER_BYTES
        # Under the slot's lock, or the FIFO of a reader that takes the slot just now would be removed.
        if layout.lock(fd, start, 1):
            remove_bell(ring, inode, slot)
            layout.unlock(fd, start, 1)


def remove_bell(ring: Path, inode: int, slot: int) -> None:
    """Remove what a slot's last reader left. The caller holds the slot."""
    with contextlib.suppress(OSError):  # what cannot be removed is noticed when a bell is needed
        layout.bell_path(ring, inode, slot).unlink(missing_ok=True)
