"""Who did what to a desk: a file of one JSON object a line, to which lines are added and never changed.

It outlives sessions. A line is written at once, before or after what it tells of; it survives the death of whoever
wrote it, and what a failing disk left of a line spoils no other.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from core.store.faults import storage_error

NAME: Final = "audit.ndjson"
MAX_TEXT: Final = 400
_MAX_LINE_BYTES: Final = 16_384
_BLOCK_BYTES: Final = 65_536
_DOING: Final = "keeping the audit log"


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What `by` wanted done to `target`, and what came of it: that it was done, or why not. `wall_ns` is by the clock
    of the machine."""

    wall_ns: int
    act: str
    target: str
    by: str
    outcome: str


_DECODER: Final = msgspec.json.Decoder(AuditEntry)


def append(folder: Path, entry: AuditEntry) -> None:
    """Add an entry to the log in `folder`, that of a desk, which is there. Texts lose their control characters, and
    what is beyond `MAX_TEXT` characters.

    Raises:
        ConsoleError: it cannot be written.
    """
    raw = msgspec.json.encode(_clean(entry)) + b"\n"
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    path = folder / NAME
    try:
        fd = os.open(path, flags, 0o600)
        try:
            size = os.fstat(fd).st_size
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            _write(fd, b"\n" + raw if torn else raw)
        finally:
            os.close(fd)
    except OSError as error:
        raise storage_error(_DOING, path, error) from error


def newest(folder: Path, count: int) -> list[AuditEntry]:
    """The newest `count` entries of the log in `folder`, the newest first; none when there is no log. Lines that are
    no entries, as one that was written in part, are left out.

    Reads from the end, and no more than what so many entries can take.

    Raises:
        ConsoleError: it cannot be read.
    """
    path = folder / NAME
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error(_DOING, path, error) from error
    try:
        return _from_end(fd, count)
    except OSError as error:
        raise storage_error(_DOING, path, error) from error
    finally:
        os.close(fd)


def _write(fd: int, raw: bytes) -> None:
    # One write is one line between those of others; a disk that is nearly full takes a part and then says so.
    written = os.write(fd, raw)
    if written < len(raw):
        os.write(fd, raw[written:])


def _from_end(fd: int, count: int) -> list[AuditEntry]:
    found: list[AuditEntry] = []
    at, rest = os.fstat(fd).st_size, b""
    stop = max(at - (count + 1) * _MAX_LINE_BYTES, 0)
    while at > stop and len(found) < count:
        size = min(_BLOCK_BYTES, at - stop)
        at -= size
        first, *lines = (os.pread(fd, size, at) + rest).split(b"\n")
        rest = first
        if at == 0:
            lines.insert(0, first)
        found += [entry for raw in reversed(lines) if (entry := _decoded(raw)) is not None]
    return found[:count]


def _decoded(raw: bytes) -> AuditEntry | None:
    try:
        return _clean(_DECODER.decode(raw))
    except (ValueError, RecursionError):  # msgspec's own are among the first
        return None


def _clean(entry: AuditEntry) -> AuditEntry:
    texts = {name: _printable(getattr(entry, name)) for name in ("act", "target", "by", "outcome")}
    return msgspec.structs.replace(entry, **texts)


def _printable(text: str) -> str:
    return "".join(character for character in text[:MAX_TEXT] if character.isprintable())
