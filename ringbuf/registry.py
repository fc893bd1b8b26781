"""The file of the service registry: its bytes, its slots and who holds them.

    0      magic 8s · version u32 · slots u32 · slot bytes u32
    4096   64 slots of 4096 bytes: crc32 u32 · text bytes u32 · pid u64 · start time u64 · started ns u64
           · heartbeat ns u64 · heartbeat on the monotonic clock ns u64 · JSON text

A slot is written by one `pwrite` and read by one `pread`, and its checksum tells a reader that it met a writer half
way; nothing is mapped, so that no damage to the file can be a SIGBUS. Its owner holds an open-file-description lock
on the slot's first byte, which the kernel releases however the owner ends.
"""

from __future__ import annotations

import json
import os
import select
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ringbuf import layout
from ringbuf.layout import RingBusyError, RingError

MAGIC: Final = b"RINGREGY"
VERSION: Final = 1
SLOTS: Final = 64
SLOT_BYTES: Final = 4096
FIRST_SLOT: Final = 4096

_HEAD = struct.Struct("<8sIII")
_SLOT = struct.Struct("<IIQQQQQ")
MAX_TEXT_BYTES: Final = SLOT_BYTES - _SLOT.size
FILE_BYTES: Final = FIRST_SLOT + SLOTS * SLOT_BYTES
_READ_TRIES = 50
_LOCK_TRIES = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What a slot says: who wrote it, when, and the JSON object `content`, whose fields have been checked."""

    pid: int
    start: int
    started_ns: int
    heartbeat_ns: int
    monotonic_ns: int
    content: dict[str, Any]

    def abandoned(self, *, held: bool) -> bool:
        """Whether its process is gone; `held` says whether somebody holds the slot."""
        # A dead owner's lock may live on in a child that it forked. A process of another boot is gone.
        return not held or self.content["boot"] != boot_id() or layout.process_start(self.pid) != self.start


def path() -> Path:
    """Where the registry of this user stands."""
    return layout.directory() / "registry"


def pack(text: bytes, *, pid: int, start: int, started_ns: int, heartbeat_ns: int, monotonic_ns: int) -> bytes:
    """A slot as bytes; `text` is JSON of at most `MAX_TEXT_BYTES`."""
    body = _SLOT.pack(0, len(text), pid, start, started_ns, heartbeat_ns, monotonic_ns)[4:] + text
    return zlib.crc32(body).to_bytes(4, "little") + body


def write(fd: int, offset: int, slot: bytes) -> None:
    """Put a packed slot in its place. The caller holds it."""
    os.pwrite(fd, slot, offset)


def clear(fd: int, offset: int) -> None:
    """Make a slot empty."""
    os.pwrite(fd, bytes(_SLOT.size), offset)


def entries() -> list[tuple[Entry, bool]]:
    """What every slot says that is taken and can be read, and whether somebody holds it.

    Raises:
        RingError: the registry is of another version, damaged, or cannot be opened.
    """
    if not path().exists():
        return []
    fd = layout.open_file(path())
    try:
        if not any(os.pread(fd, len(MAGIC), 0)):
            return []  # somebody is making it, or died while doing so
        _check(fd)
        found = [(read(fd, offset), layout.locked_elsewhere(fd, offset, 1)) for offset in _offsets()]
    finally:
        os.close(fd)
    return [(entry, held) for entry, held in found if entry is not None]


def _offsets() -> range:
    return range(FIRST_SLOT, FILE_BYTES, SLOT_BYTES)


def read(fd: int, offset: int) -> Entry | None:
    """What a slot says; None when it is empty, or is not what an instance writes."""
    for _ in range(_READ_TRIES):
        raw = os.pread(fd, SLOT_BYTES, offset)
        if len(raw) < _SLOT.size:
            return None
        checksum, text_bytes, pid, start, started_ns, heartbeat_ns, monotonic_ns = _SLOT.unpack_from(raw)
        end = _SLOT.size + text_bytes
        if pid == 0 or end > SLOT_BYTES:
            return None
        if zlib.crc32(raw[4:end]) == checksum:
            content = _content(raw[_SLOT.size : end])
            if content is None:
                return None
            return Entry(
                pid=pid,
                start=start,
                started_ns=started_ns,
                heartbeat_ns=heartbeat_ns,
                monotonic_ns=monotonic_ns,
                content=content,
            )
    return None


def _content(raw: bytes) -> dict[str, Any] | None:
    # The checksum says that it is what somebody wrote, not that it was one of us.
    try:
        content = json.loads(raw)
        layout.check_instance(content["instance"])
        names = [content["prefix"], content["control"], content["boot"], *content["providers"], *content["symbols"]]
        names += [name for listed in content["symbols"].values() for name in listed]
        sound = all(isinstance(name, str) and name.isprintable() for name in names)
        sound = sound and isinstance(content["complete"], bool) and "/" not in content["prefix"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, RingError):
        return None
    return content if sound else None


def boot_id() -> str:
    """Which boot of the machine this is; empty where it does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def take_slot(instance: str, slot: bytes) -> tuple[int, int]:
    """Put `slot` into a free place of the registry, made when there is none; clear what dead instances left.

    Returns the descriptor that holds the place, and its offset; the caller closes the descriptor to give it up.

    Raises:
        RingBusyError: a living instance of that name is there.
        RingError: the registry is full, of another version in use, or cannot be used.
    """
    fd = _open_locked()
    try:
        taken = -1
        for offset in _offsets():
            entry = read(fd, offset)
            held = layout.locked_elsewhere(fd, offset, 1)
            if entry is not None and not entry.abandoned(held=held):
                if entry.content["instance"] == instance:
                    raise RingBusyError(f"an instance called {instance} is already running (process {entry.pid})")
                continue
            clear(fd, offset)
            if taken < 0 and layout.lock(fd, offset, 1):
                taken = offset
        if taken < 0:
            raise RingError(f"the registry is full: {SLOTS} instances are running")
        write(fd, taken, slot)
        # Only now, so that two instances of one name cannot both find it free.
        layout.unlock(fd, 0, 1)
    except BaseException:
        os.close(fd)
        raise
    return fd, taken


def _open_locked() -> int:
    pause = select.poll()
    for _ in range(_LOCK_TRIES):
        fd = layout.open_file(path(), create=True)
        try:
            if layout.lock(fd, 0, 1):
                if layout.same_file(fd, path()):
                    _prepare(fd)
                    return fd
            else:
                pause.poll(5)
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
    raise RingError("the registry is held by a process that does not let go of it")


def _prepare(fd: int) -> None:
    # Makes a registry of an empty file or of one that nobody uses; the caller holds byte 0.
    try:
        _check(fd)
    except RingError:
        if layout.locked_elsewhere(fd, 1, FILE_BYTES):
            raise
        os.ftruncate(fd, 0)
    try:
        os.posix_fallocate(fd, 0, FILE_BYTES)
    except OSError as error:
        raise RingError(f"cannot allocate the registry: {error.strerror}") from error
    os.pwrite(fd, _HEAD.pack(MAGIC, VERSION, SLOTS, SLOT_BYTES), 0)


def _check(fd: int) -> None:
    raw = os.pread(fd, _HEAD.size, 0)
    if len(raw) < _HEAD.size or raw[:8] != MAGIC:
        raise RingError("the registry is not one of ours")
    _, version, slots, slot_bytes = _HEAD.unpack(raw)
    if version != VERSION:
        raise RingError(f"the registry has version {version}; this program reads {VERSION}")
    if (slots, slot_bytes) != (SLOTS, SLOT_BYTES) or os.fstat(fd).st_size != FILE_BYTES:
        raise RingError("the registry is damaged")
