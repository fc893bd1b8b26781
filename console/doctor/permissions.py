"""Checks who may read what Ringside writes: directories 0700, files 0600, all of this user. Mends modes when told."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from console.doctor.finding import Finding, Notes, State
from console.doctor.place import OK_MODE_OF_DIRECTORY, Place

MOST_LOOKED_AT: Final = 50_000
_NAMED: Final = 3
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@attrs.frozen(kw_only=True)
class WrongMode:
    """A file or directory that others may enter, read or write."""

    path: Path
    mode: int
    right: int


def permissions(place: Place) -> Finding:
    """Modes and owners of everything in the directories of Ringside."""
    notes = Notes("permissions")
    wrong, foreign, seen = survey(place)
    if foreign:
        notes.add(
            State.ERROR,
            f"not this user's: {_named(foreign)}",
            "give them to this user (chown), or run as their owner",
        )
    settings = [one for one in wrong if one.path == place.configuration_file]
    if settings:
        notes.add(
            State.WARNING,
            f"others may read {place.configuration_file} (mode {settings[0].mode:04o})",
            "chmod 600 it, or doctor --fix: it is refused once it holds a password",
        )
    others = [one.path for one in wrong if one not in settings]
    if others:
        notes.add(State.WARNING, f"open to others: {_named(others)}", "doctor --fix takes the rights away")
    for other in _segments_of_others(place):
        notes.add(State.NOTE, other)
    notes.ok(f"{seen} files and directories are this user's alone")
    if seen >= MOST_LOOKED_AT:
        notes.add(State.NOTE, f"only the first {MOST_LOOKED_AT} were looked at")
    return notes.finding()


def survey(place: Place) -> tuple[list[WrongMode], list[Path], int]:
    """What is open to others, what belongs to somebody else, and how many were looked at."""
    wrong: list[WrongMode] = []
    foreign: list[Path] = []
    seen = 0
    for path in _all_paths(place):
        try:
            found = path.lstat()
        except OSError:
            continue  # it went while we looked
        seen += 1
        if stat.S_ISLNK(found.st_mode):
            continue
        if found.st_uid != os.getuid():
            foreign.append(path)
        elif found.st_mode & _OTHERS:
            # What the owner may do stays: a program that alerts start must go on to be one.
            right = stat.S_IMODE(found.st_mode) & OK_MODE_OF_DIRECTORY
            wrong.append(WrongMode(path=path, mode=stat.S_IMODE(found.st_mode), right=right))
        if seen >= MOST_LOOKED_AT:
            break
    return wrong, foreign, seen


def _all_paths(place: Place) -> Iterator[Path]:
    yielded: set[Path] = set()
    for directory in place.directories.values():
        if directory.is_dir() and directory not in yielded:
            yield directory
            for parent, folders, files in os.walk(directory):
                for name in (*folders, *files):
                    path = Path(parent, name)
                    if path not in yielded:
                        yielded.add(path)
                        yield path
        yielded.add(directory)
    if place.configuration_file.is_file() and place.configuration_file not in yielded:
        yield place.configuration_file


def _named(paths: list[Path]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(str(path) for path in paths[:_NAMED]) + more


def _segments_of_others(place: Place) -> list[str]:
    parent = place.shared_memory.parent
    try:
        found = sorted(path for path in parent.glob("ringside-*") if path.stat().st_uid != os.getuid())
    except OSError:
        return []
    return [f"another user has rings in {path}, which are not touched" for path in found[:_NAMED]]


def mend_modes(wrong: list[WrongMode]) -> Iterator[str]:
    """Take the rights of others away from each; says what was done, one sentence each."""
    for one in wrong:
        try:
            # Not by name: between the look and this somebody may have put another file there.
            fd = os.open(one.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            yield f"left {one.path}: {error.strerror}"
            continue
        try:
            if os.fstat(fd).st_uid == os.getuid():
                os.fchmod(fd, one.right)
                yield f"{one.path}: mode {one.mode:04o} is now {one.right:04o}"
        except OSError as error:
            yield f"left {one.path}: {error.strerror}"
        finally:
            os.close(fd)
