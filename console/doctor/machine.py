"""Checks of Python, the processor, limits of the operating system, and versions of what is installed."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import sys
from pathlib import Path
from typing import Final

from console.doctor.finding import Finding, Notes, State
from console.doctor.place import Place, short_bytes

OLDEST_PYTHON: Final = (3, 11)
FEW_FILES: Final = 1024
LITTLE_MEMORY_BYTES: Final = 512 << 20
_CGROUPS: Final = Path("/sys/fs/cgroup")
_UNLIMITED_BYTES: Final = 1 << 60
_NAME_END: Final = " ;<>=!~[("


def python(_place: Place) -> Finding:
    """The interpreter and the processor: rings are proven on Linux on x86-64 only."""
    notes = Notes("python")
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        notes.add(State.ERROR, f"Python {version} is too old", "use Python 3.11 or newer")
    else:
        notes.ok(f"Python {version}")
    processor = platform.machine()
    if processor.lower() not in {"x86_64", "amd64"}:
        notes.add(State.ERROR, f"the processor is {processor}", "run it on x86-64: rings are refused elsewhere")
    else:
        notes.ok(processor)
    if sys.platform != "linux":
        notes.add(State.ERROR, f"the system is {sys.platform}", "run it on Linux")
    else:
        notes.ok(f"Linux {platform.release()}")
    notes.ok(f"{len(os.sched_getaffinity(0))} processors")
    return notes.finding()


def limits(_place: Place) -> Finding:
    """How many files may be open and how much memory may be used."""
    notes = Notes("limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FEW_FILES:
        notes.add(
            State.WARNING,
            f"at most {hard} open files",
            f"raise the hard limit (ulimit -Hn, LimitNOFILE=) to {FEW_FILES} or more: each ring takes two",
        )
    else:
        notes.ok(f"open files {_limit(soft)}, raised to {_limit(hard)} by engines")
    most, used = memory_of_group()
    if most is None:
        notes.ok("memory is not limited by a control group")
    elif most - used < LITTLE_MEMORY_BYTES:
        notes.add(
            State.WARNING,
            f"{short_bytes(most - used)} of memory left of {short_bytes(most)} in this control group",
            "raise its memory limit: rings in shared memory count too, and what is over it is killed",
        )
    else:
        notes.ok(f"memory {short_bytes(used)} of {short_bytes(most)} in this control group")
    return notes.finding()


def _limit(count: int) -> str:
    return "any number" if count == resource.RLIM_INFINITY else str(count)


def memory_of_group(root: Path = _CGROUPS, own: Path = Path("/proc/self/cgroup")) -> tuple[int | None, int]:
    """How much memory this process's control group may use, None where that is not limited, and how much it does."""
    folders = [root, root / "memory"]
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        _number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers == "" or "memory" in controllers.split(","):
            folders.insert(0, root / controllers.replace("name=", "") / group.lstrip("/"))
    for folder in folders:
        most = _number_in(folder / "memory.max") or _number_in(folder / "memory.limit_in_bytes")
        if most is not None and most < _UNLIMITED_BYTES:
            used = _number_in(folder / "memory.current") or _number_in(folder / "memory.usage_in_bytes") or 0
            return most, used
    return None, 0


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # there is none, or it says "max"
        return None


def versions(_place: Place) -> Finding:
    """What is installed of what Ringside needs."""
    notes = Notes("versions")
    for name, version in package_versions().items():
        if version:
            notes.ok(f"{name} {version}")
        else:
            notes.add(State.ERROR, f"{name} is not installed", "install Ringside again")
    return notes.finding()


def package_versions() -> dict[str, str]:
    """The version of Ringside and of each package that it needs, empty where there is none."""
    try:
        needed = importlib.metadata.requires("ringside") or []
    except importlib.metadata.PackageNotFoundError:
        needed = []
    names = ["ringside", *(_name(line) for line in needed if "extra ==" not in line)]
    return {name: _version(name) for name in names}


def _name(requirement: str) -> str:
    end = next((at for at, letter in enumerate(requirement) if letter in _NAME_END), len(requirement))
    return requirement[:end]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
