"""Removes what engines that were killed left in shared memory. Rings that may yet be taken over are left alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ringbuf import layout
from ringbuf.reader import RingReader

FORGOTTEN_NS: Final = 600 * 1_000_000_000
"""A ring without a producer is kept this long for a restarted one, which goes on from it, as do its readers."""


def sweep(directory: Path, *, now_ns: int, instance: str) -> list[str]:
    """Remove sockets and locks of dead engines, their private rings, and rings nobody came back for.

    Nobody but `instance` can come back for its private ones. Returns the names of what was removed. What cannot be
    judged is left.
    """
    removed = []
    for path in sorted(directory.iterdir()):
        if _is_left_over(path, now_ns=now_ns, instance=instance):
            path.unlink(missing_ok=True)
            removed.append(path.name)
    # Bells bear the inode of their ring.
    rings = {str(path.stat().st_ino) for path in directory.iterdir() if path.is_file()}
    for path in sorted(directory.glob("*.bell*")):
        if path.name.partition(".")[0] not in rings:
            path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed


def left_over(directory: Path, *, now_ns: int) -> list[Path]:
    """What `sweep` would remove of all instances, and nothing is."""
    found = [path for path in sorted(directory.iterdir()) if _is_left_over(path, now_ns=now_ns, instance="")]
    rings = {str(path.stat().st_ino) for path in directory.iterdir() if path.is_file() and path not in found}
    return found + [path for path in sorted(directory.glob("*.bell*")) if path.name.partition(".")[0] not in rings]


def _is_left_over(path: Path, *, now_ns: int, instance: str) -> bool:
    if path.suffix == ".lock":
        return not _is_locked(path)
    if path.suffix == ".sock":
        return not _is_locked(path.with_suffix(".lock"))
    try:
        ring = RingReader(path)
    except (layout.RingError, OSError):
        return False
    try:
        if ring.producer_alive:
            return False
        another_s = path.name.startswith(".") and ring.instance != instance
        return another_s or ring.closed or now_ns - ring.heartbeat_ns > FORGOTTEN_NS
    finally:
        ring.close()


def _is_locked(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return layout.locked_elsewhere(fd, 0, 1)
    finally:
        os.close(fd)
