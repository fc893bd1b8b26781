"""What killed engines left in shared memory: rings, sockets, locks and entries of the registry. Removes it when told,
and never anything whose owner lives: owners hold locks that die with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from console.doctor.asked import announced
from console.doctor.finding import Finding, Notes, State
from console.doctor.place import Place, short_bytes
from core.clock import NS_PER_S, wall_ns

_NAMED: Final = 3


@attrs.frozen(kw_only=True)
class LeftOver:
    """One thing whose owner is gone. `path` is None for an entry of the registry; `age_s` is since it was last
    touched."""

    name: str
    path: Path | None
    size_bytes: int
    age_s: float

    def __str__(self) -> str:
        size = f"{short_bytes(self.size_bytes)}, " if self.size_bytes else ""
        return f"{self.name} ({size}{_age(self.age_s)} old)"


def leftovers(place: Place) -> Finding:
    """What nobody will come back for."""
    notes, found = Notes("leftovers"), find_leftovers(place)
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        size = sum(one.size_bytes for one in found)
        notes.add(
            State.WARNING,
            f"{len(found)} left by engines that were killed, {short_bytes(size)}: "
            + ", ".join(map(str, found[:_NAMED]))
            + more,
            "doctor --fix removes them; so does the next engine that starts",
        )
    else:
        notes.ok("nothing was left by killed engines")
    return notes.finding()


def find_leftovers(place: Place) -> list[LeftOver]:
    """Everything whose owner is gone, by name. Rings that a restarted engine may yet take over are left out."""
    if not place.shared_memory.is_dir():
        return []
    from core.flow.sweep import left_over

    now_ns = wall_ns()
    found = []
    for path in left_over(place.shared_memory, now_ns=now_ns):
        try:
            facts = path.stat()
        except OSError:
            continue
        age_s = max(now_ns - facts.st_mtime_ns, 0) / NS_PER_S
        found.append(LeftOver(name=path.name, path=path, size_bytes=facts.st_size, age_s=age_s))
    dead = [
        LeftOver(name=f"registry entry {one.instance}", path=None, size_bytes=0, age_s=one.heartbeat_age_s)
        for one in announced(place)
        if one.health == "dead"
    ]
    return found + dead


def remove(place: Place, found: list[LeftOver]) -> Iterator[str]:
    """Remove each, unless somebody owns it by now; says what was done, one sentence each."""
    from core.flow.sweep import left_over
    from ringbuf.discovery import Announcement
    from ringbuf.layout import RingError

    still = set(left_over(place.shared_memory, now_ns=wall_ns()))
    for one in found:
        if one.path is None:
            continue
        if one.path not in still:
            yield f"left {one.name}: somebody uses it now"
            continue
        try:
            removed = _remove_lock(one.path) if one.path.suffix == ".lock" else _remove(one.path)
        except OSError as error:
            yield f"left {one.name}: {error.strerror}"
        else:
            yield f"removed {one}" if removed else f"left {one.name}: somebody uses it now"
    if any(one.path is None for one in found):
        try:
            # Whoever announces itself clears what dead instances left; nobody else may write into their slots.
            Announcement("doctor", providers=(), symbols={}).close()
            yield "removed the registry entries of dead engines"
        except RingError as error:
            yield f"left the registry as it is: {error}"


def _remove(path: Path) -> bool:
    path.unlink(missing_ok=True)
    return True


def _remove_lock(path: Path) -> bool:
    # Only who holds a lock may remove its file: an engine may have begun since we looked.
    from ringbuf import layout

    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        if not layout.lock(fd, 0, 1) or not layout.same_file(fd, path):
            return False
        return _remove(path)
    finally:
        os.close(fd)


def _age(age_s: float) -> str:
    for unit, seconds in (("d", 86_400), ("h", 3600), ("min", 60)):
        if age_s >= seconds:
            return f"{age_s / seconds:.0f} {unit}"
    return f"{age_s:.0f} s"
