"""Checks of shared memory and of the disks behind the directories."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from console.doctor.finding import Finding, Notes, State
from console.doctor.place import Place, existing, short_bytes
from console.metrics.facts import space_of

LITTLE_BYTES: Final = 1 << 30
LITTLE_SHARE: Final = 0.05
ALMOST_NONE_BYTES: Final = 100 << 20
FEW_INODES: Final = 0.02
_PAGE_BYTES: Final = 4096
_MOUNTS: Final = Path("/proc/self/mounts")


def shared_memory(place: Place) -> Finding:
    """Whether the rings that the settings describe fit into shared memory."""
    notes, directory = Notes("shm"), place.shared_memory
    parent = existing(directory)
    if not parent.is_dir() or (parent == Path("/") and directory.parts[1:2] == ("dev",)):
        notes.add(State.ERROR, f"{directory.parent} is not there", "mount a tmpfs there, or set RINGSIDE_SHM")
        return notes.finding()
    if not directory.exists() and not os.access(parent, os.W_OK | os.X_OK):
        notes.add(State.ERROR, f"{directory} cannot be made", f"let this user write in {parent}, or set RINGSIDE_SHM")
    kind = filesystem_of(parent)
    if kind not in {"tmpfs", "ramfs", ""}:
        notes.add(
            State.WARNING,
            f"{directory} is on {kind}, not in memory",
            "use /dev/shm, or another tmpfs in RINGSIDE_SHM: rings would be written to a disk",
        )
    _judge_room(notes, place, parent, kind)
    return notes.finding()


def _judge_room(notes: Notes, place: Place, parent: Path, kind: str) -> None:
    space = space_of(parent)
    if space is None:
        notes.add(State.NOTE, f"how much room {parent} has is not told", "see df")
        return
    free = space.free_bytes
    needed, count = needed_bytes(place)
    said = f"{short_bytes(free)} free of {short_bytes(space.total_bytes)} {kind}".rstrip()
    rings = f"{count} rings of the settings take up to {short_bytes(needed)}"
    if free < needed:
        notes.add(
            State.ERROR,
            f"{said}; {rings}",
            "make it larger (mount -o remount,size=, or --shm-size of a container), stream fewer symbols, or lower"
            " ring.capacity",
        )
    elif free < 2 * needed:
        notes.add(State.WARNING, f"{said}; {rings}", "make it larger before symbols are added")
    else:
        notes.ok(f"{said}; {rings}")


def needed_bytes(place: Place) -> tuple[int, int]:
    """How large the rings of all symbols in the settings are at most, and how many there are."""
    from core.flow.publish import CAPACITY_DIVISOR, MIN_CAPACITY
    from core.model.records import STREAMED

    engine = place.settings.engine
    providers = [name for name in engine.provider.split(",") if name.strip()]
    instruments = max(len(engine.symbols), 1) * max(len(providers), 1)
    sizes = [
        _PAGE_BYTES
        + schema.dtype.itemsize * max(place.settings.ring.capacity // CAPACITY_DIVISOR[schema], MIN_CAPACITY)
        for schema in STREAMED
    ]
    return instruments * sum(sizes), instruments * len(sizes)


def filesystem_of(path: Path, mounts: Path = _MOUNTS) -> str:
    """The kind of filesystem that `path` is on, empty where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind, target = -1, "", str(path.resolve())
    for line in lines:
        fields = line.split()
        if len(fields) < 3:
            continue
        at = fields[1].replace("\\040", " ")
        inside = target == at or target.startswith(at.rstrip("/") + "/")
        if inside and len(at) >= best:  # of two mounts on one place the later hides the other
            best, kind = len(at), fields[2]
    return kind


def disk(place: Place) -> Finding:
    """Room for data, state and logs: bytes and inodes, and whether they can be written."""
    notes = Notes("disk")
    devices: dict[int, list[str]] = {}
    for name in ("data", "state", "logs"):
        directory = existing(place.directories[name])
        devices.setdefault(directory.stat().st_dev, []).append(name)
        if not os.access(directory, os.W_OK | os.X_OK):
            notes.add(State.ERROR, f"{name} cannot be written: {directory}", f"let this user write in {directory}")
        if os.statvfs(directory).f_flag & os.ST_RDONLY:
            notes.add(State.ERROR, f"{name} is on a disk mounted read-only: {directory}", "mount it for writing")
    for names in devices.values():
        _judge_disk(notes, ", ".join(names), existing(place.directories[names[0]]))
    return notes.finding()


def _judge_disk(notes: Notes, names: str, directory: Path) -> None:
    space = space_of(directory)
    if space is None:
        notes.add(State.NOTE, f"{names}: how much room {directory} has is not told", "see df")
        return
    free, whole = space.free_bytes, max(space.total_bytes, 1)
    said = f"{names}: {short_bytes(free)} free of {short_bytes(whole)} ({free / whole:.0%})"
    advice = "make room: db compress packs closed days, db prune removes old ones"
    if free < ALMOST_NONE_BYTES:
        notes.add(State.ERROR, said, advice)
    elif free < LITTLE_BYTES or free / whole < LITTLE_SHARE:
        notes.add(State.WARNING, said, advice)
    else:
        notes.ok(said)
    room = os.statvfs(directory)
    if room.f_files and room.f_favail / room.f_files < FEW_INODES:
        inodes = f"{names}: {room.f_favail} of {room.f_files} inodes left"
        state = State.ERROR if not room.f_favail else State.WARNING
        notes.add(state, inodes, "remove small files there: no new file can be made without one")
