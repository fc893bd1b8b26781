"""The bytes of a ring: where each field stands, and the checks that a segment is one of ours.

    0      header (64-byte lines)
           0 magic · 8 version u32 · 12 record size u32 · 16 capacity u64 · 24 epoch u64 · 32 producer pid u64
           40 producer start time u64 · 48 heartbeat ns u64 · 56 state u64
           64 schema 16s · 80 instance 48s · 128 symbol 32s · 160 venue 24s · 184 instrument id u64
    192    claim u64      one past the last record that may be half written; stored before the payload
    256    commit u64     records below it are whole; stored after the payload
    320    doorbell u64   set by a reader that is about to sleep to the word where its slot begins, cleared by the
                          producer when it rings
    384    newest id u64  the full venue id of the newest record, whose `sequence` holds only 32 bits
    1024   reader table   24 slots of 128 bytes: pid, start time, cursor, heartbeat ns, lapped u64, name 48s,
                          armed u64 (inode of the FIFO to ring, 0 when awake)
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
SLOT_NAME_BYTES: Final = 48
SLOT_ARMED: Final = 88 // 8

DEFAULT_CAPACITY: Final = 65_536
MAX_COUNT: Final = 1 << 62
MAX_NAME_BYTES: Final = 200
_FLOCK = struct.Struct("hhqqi4x")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")


class RingError(Exception):
    """A ring cannot be made or used; the text says why."""


class RingBusyError(RingError):
    """Another live producer holds the segment."""


class RingSpaceError(RingError):
    """Shared memory has no room for the segment."""


def place() -> Path:
    """Where this user's segments live: `/dev/shm/ringside-UID`, or `RINGSIDE_SHM` when set. Nothing is made."""
    return Path(os.environ.get("RINGSIDE_SHM") or f"/dev/shm/ringside-{os.getuid()}")  # noqa: S108 - see directory


def directory() -> Path:
    """The `place` of this user's segments, created with mode 0700 where it is missing.

    Raises:
        RingError: it belongs to somebody else or others may enter it.
    """
    path = place()
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
        RingError: a part has characters that a file name should not have.
    """
    suffix = "" if schema == "trades" else f".{schema}"
    name = f"{ring_prefix(instance)}{symbol}_{venue}{suffix}".replace("/", "-")
    if not name.isprintable() or len(name.encode()) > MAX_NAME_BYTES:
        raise RingError(f"bad ring name {ascii(name)[:80]}")
    return name


def ring_prefix(instance: str = "") -> str:
    """What the names of an instance's rings begin with; without one, what public rings begin with.

    Raises:
        RingError: the instance has characters that a file name should not have.
    """
    if instance:
        check_instance(instance)
    return f"{instance}__" if instance else "ringside_"


def bell_path(beside: Path, inode: int, slot: int) -> Path:
    """The FIFO of the reader that holds a slot of the reader table of the ring with this inode.

    By its inode, because a ring may stand under two names and its readers came by either. It lies in the directory of
    `beside`, one of those names.
    """
    return beside.with_name(f"{inode}.bell{slot}")


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


def check_counts(head: bytes, path: Path) -> None:
    """Raise `RingError` unless the counters in `head` can be a producer's: no count beyond any real one."""
    commit, claim = (int.from_bytes(head[word * 8 : word * 8 + 8], "little") for word in (COMMIT, CLAIM))
    if commit >= MAX_COUNT or claim >= MAX_COUNT:
        raise RingError(f"{path.name} has damaged counters")


def text(raw: bytes) -> str:
    """A NUL-padded field as printable text."""
    found = raw.rstrip(b"\0").decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in found)


def open_file(path: Path, *, create: bool = False) -> int:
    """A descriptor of a regular file of this user, open for reading and writing, never through a symlink.

    The caller closes it.

    Raises:
        RingError: there is none, or it is something else.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_CREAT if create else 0)
    try:
        fd = os.open(path, flags, 0o600)
    except FileNotFoundError:
        raise RingError(f"no ring {path.name}") from None
    except OSError as error:
        raise RingError(f"cannot open {path.name}: {error.strerror}") from error
    found = os.fstat(fd)
    if found.st_uid != os.getuid() or not stat.S_ISREG(found.st_mode):
        os.close(fd)
        whose = "belongs to another user" if stat.S_ISREG(found.st_mode) else "is not a regular file"
        raise RingError(f"{path.name} {whose}")
    return fd


def same_file(fd: int, path: Path) -> bool:
    """Whether the open file is still the one that bears the name."""
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    held = os.fstat(fd)
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)


def lock(fd: int, start: int, length: int) -> bool:
    """Take an open-file-description lock on a byte range, without waiting; False when another holds it.

    The kernel drops it when the description is closed, also by SIGKILL, and reused pids cannot confuse it.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


def unlock(fd: int, start: int, length: int) -> None:
    """Give up the lock that this open file description has on a byte range."""
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, start, length, 0))


def locked_elsewhere(fd: int, start: int, length: int) -> bool:
    """Whether another open description holds a lock on the byte range."""
    query = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, query)
    kind: int = struct.unpack_from("h", answer)[0]
    return kind != fcntl.F_UNLCK


def process_start(pid: int) -> int:
    """The start time of a process in clock ticks since boot, which tells a reused pid; 0 if there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0
