"""The bytes of a ring: where each field stands, and the checks that a segment is one of ours.

    0      header (64-byte lines)
           0 magic · 8 version u32 · 12 record size u32 · 16 capacity u64 · 24 epoch u64 · 32 producer pid u64
           40 producer start time u64 · 48 heartbeat ns u64 · 56 state u64
           64 schema 16s · 80 instance 48s · 128 symbol 32s · 160 venue 24s · 184 instrument id u64
    192    claim u64      one past the last record that may be half written; stored before the payload
    256    commit u64     records below it are whole; stored after the payload
    320    doorbell u64   set by a reader that sleeps
    384    newest id u64  the full venue id of the newest record, whose `sequence` holds only 32 bits
    1024   reader table   24 slots of 128 bytes: pid, start time, cursor, heartbeat ns, lapped u64, name 48s
    4096   records        capacity x record size

Record `i` lies in slot `i % capacity` and is intact while `claim <= i + capacity`. All words are 8-byte aligned and
written by single 8-byte stores. Only x86-64 keeps those stores in order without a barrier, which pure Python
cannot issue, so other architectures are refused.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import stat
import struct
from pathlib import Path
from typing import Final

MAGIC: Final = b"RINGSIDE"
VERSION: Final = 1
HEADER_BYTES: Final = 4096

HEAD: Final = struct.Struct("<8sIIQQQQQQ16s48s32s24sQ")

# Word offsets: index into the header seen as an array of u64.
CAPACITY: Final = 16 // 8
EPOCH: Final = 24 // 8
PRODUCER_PID: Final = 32 // 8
HEARTBEAT: Final = 48 // 8
STATE: Final = 56 // 8
CLAIM: Final = 192 // 8
COMMIT: Final = 256 // 8
DOORBELL: Final = 320 // 8
NEWEST_ID: Final = 384 // 8

OPEN: Final = 1
CLOSED: Final = 2

READERS_OFFSET: Final = 1024
READER_SLOTS: Final = 24
READER_BYTES: Final = 128
SLOT: Final = struct.Struct("<QQQQQ48s")
SLOT_CURSOR: Final = 2
SLOT_HEARTBEAT: Final = 3
SLOT_LAPPED: Final = 4

DEFAULT_CAPACITY: Final = 65_536
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")


class RingError(Exception):
    """A ring cannot be made or used; the text says why."""


class RingBusyError(RingError):
    """Another live producer holds the segment."""


class RingSpaceError(RingError):
    """Shared memory has no room for the segment."""


def directory() -> Path:
    """Where this user's segments live: `/dev/shm/ringside-UID`, or `RINGSIDE_SHM` when set.

    Created with mode 0700.

    Raises:
        RingError: it belongs to somebody else or others may enter it.
    """
    path = Path(os.environ.get("RINGSIDE_SHM") or f"/dev/shm/ringside-{os.getuid()}")  # noqa: S108 - checked below
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise RingError(f"cannot use {path}: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise RingError(f"{path} is not a directory of this user alone (mode {stat.filemode(found.st_mode)})")
    return path


def ring_name(symbol: str, venue: str, *, schema: str = "trades", instance: str = "") -> str:
    """The file name of a ring: `ringside_BTCUSD_KRAKEN`, with `instance__` before and `.schema` behind.

    Raises:
        RingError: the instance has characters that a file name should not have.
    """
    if instance:
        check_instance(instance)
    prefix = f"{instance}__" if instance else "ringside_"
    suffix = "" if schema == "trades" else f".{schema}"
    safe = symbol.replace("/", "-")
    return f"{prefix}{safe}_{venue}{suffix}"


def check_instance(instance: str) -> None:
    """Raise `RingError` unless `instance` is a plain name of at most 48 letters, digits, dots, dashes."""
    if not _NAME.fullmatch(instance) or "__" in instance:
        raise RingError(f"bad instance name {ascii(instance)[:60]}: letters, digits, '.', '_', '-', at most 48")


def require_ordered_stores() -> None:
    """Raise `RingError` on processors where plain stores may be seen out of order."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        raise RingError(f"rings are proven on x86-64 only; this machine is {platform.machine()}")


def check_head(head: bytes, size: int, path: Path) -> None:
    """Raise `RingError` unless `head` begins a segment of this version whose file is `size` bytes long."""
    if len(head) < HEADER_BYTES or head[:8] != MAGIC:
        raise RingError(f"{path.name} is not a ring")
    version, record_bytes, capacity = struct.unpack_from("<IIQ", head, 8)
    if version != VERSION:
        raise RingError(f"{path.name} has layout version {version}; this program reads {VERSION}")
    if not 0 < record_bytes <= 4096 or capacity & (capacity - 1) or not 0 < capacity <= 1 << 32:
        raise RingError(f"{path.name} has a damaged header")
    if size != HEADER_BYTES + record_bytes * capacity:
        raise RingError(f"{path.name} is {size} bytes long, its header promises another length")


def text(raw: bytes) -> str:
    """A NUL-padded field as printable text."""
    return raw.rstrip(b"\0").decode("ascii", "replace")


def lock(fd: int, start: int, length: int) -> bool:
    """Take an open-file-description lock on a byte range, without waiting; False when another holds it.

    The kernel drops it when the description is closed, also by SIGKILL, and reused pids cannot confuse it.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


def locked_elsewhere(fd: int, start: int, length: int) -> bool:
    """Whether another open description holds a lock on the byte range."""
    query = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, query)
    kind: int = struct.unpack_from("h", answer)[0]
    return kind != fcntl.F_UNLCK


def process_start(pid: int) -> int:
    """The start time of a process in clock ticks since boot, which tells a reused pid; 0 if there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0
