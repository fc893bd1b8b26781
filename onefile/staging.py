"""Lays out the tree that is packed: distributions by their own lists of files, our packages, compiled beforehand."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections.abc import Mapping
from importlib.metadata import Distribution, PackagePath
from pathlib import Path, PurePosixPath
from typing import Final

from onefile.closure import BuildError
from onefile.project import Project

LEFT_DIRECTORIES: Final = frozenset({"__pycache__", "tests", "_tests", "include", "benchmarks"})
LEFT_SUFFIXES: Final = frozenset({
    ".pyi", ".pyx", ".pxd", ".pxi", ".pyc", ".h", ".hpp", ".c", ".cc", ".cpp", ".a", ".pth", ".cmake", ".orig",
})  # fmt: skip
LEFT_PLACES: Final = (
    "numpy/distutils/",
    "numpy/f2py/",
    "numpy/_pyinstaller/",
    "zstandard/_cffi.",
    "zstandard/backend_cffi.",
)
"""What is there to build other things, and what stands in where C cannot be loaded, which takes cffi."""
LEFT_FROM_METADATA: Final = frozenset({"RECORD", "REQUESTED", "direct_url.json", "INSTALLER"})


def stage(project: Project, found: Mapping[str, Distribution], site: Path) -> str:
    """Copy everything into `site`, which is made; the oldest glibc that what was copied runs with, or nothing.

    Raises:
        BuildError: an installed file is not what its distribution says, or two claim one place.
    """
    site.mkdir(parents=True)
    for name, distribution in found.items():
        _copy_distribution(name, distribution, site)
    _copy_own(project, site)
    return _oldest_glibc(site)


def is_needed(path: PurePosixPath) -> bool:
    """Whether a file of a distribution is looked at when programs run. Licences are kept: they must be."""
    if path.is_absolute() or ".." in path.parts or path.parts[0] == "bin":
        return False
    if path.parts[0].endswith((".dist-info", ".egg-info")):
        return path.name not in LEFT_FROM_METADATA
    if str(path).startswith(LEFT_PLACES):
        return False
    return LEFT_DIRECTORIES.isdisjoint(path.parts[:-1]) and path.suffix not in LEFT_SUFFIXES


def _copy_distribution(name: str, distribution: Distribution, site: Path) -> None:
    for entry in sorted(distribution.files or ()):
        if not is_needed(PurePosixPath(entry)):
            continue
        target = site / entry
        if target.exists():
            raise BuildError(f"two distributions bring {entry}", hint=f"one of them is {name}")
        source = Path(str(entry.locate()))
        try:
            content = source.read_bytes()
        except OSError as error:
            raise BuildError(f"{name} is damaged: {source}: {error.strerror}", hint="install it anew") from error
        _check(name, entry, content)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _check(name: str, entry: PackagePath, content: bytes) -> None:
    # What somebody has edited in place is not what its version says.
    if entry.hash is None or entry.hash.mode not in hashlib.algorithms_guaranteed:
        return
    found = base64.urlsafe_b64encode(hashlib.new(entry.hash.mode, content).digest()).rstrip(b"=").decode()
    if found != entry.hash.value:
        raise BuildError(f"{name} was changed after it was installed: {entry}", hint="install it anew")


def _copy_own(project: Project, site: Path) -> None:
    for package in project.packages:
        shutil.copytree(project.root / package, site / package, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    information = site / f"{project.name}-{project.version}.dist-info"
    information.mkdir()
    for name, text in project.metadata().items():
        (information / name).write_text(text, encoding="utf-8")


def _oldest_glibc(site: Path) -> str:
    # By the tags of the wheels: the newest of those they were built for. Of several tags of one the least counts.
    wanted = (0, 0)
    for path in site.glob("*.dist-info/WHEEL"):
        tags = re.findall(r"manylinux_(\d+)_(\d+)_|(manylinux2014)_", path.read_text(encoding="utf-8"))
        versions = [(2, 17) if old else (int(major), int(minor)) for major, minor, old in tags]
        wanted = max(wanted, min(versions, default=(0, 0)))
    return f"{wanted[0]}.{wanted[1]}" if wanted != (0, 0) else ""
