"""Packs the staged tree: an archive that Python starts, with the tree in parts that are archives themselves.

Python reads the directory of an archive whenever it starts one, so the outer one has only what help takes, and the
thousands of files of the tree stand in directories of their own. Sorted names and fixed times make the bytes one.
"""

from __future__ import annotations

import hashlib
import io
import os
import py_compile
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from onefile.bootstrap.unpack import PART
from onefile.project import Project

PARTS = 4
LEVEL = 6
SHEBANG = b"#!/usr/bin/env python3\n"
_TIME = (1980, 1, 1, 0, 0, 0)  # the first that an archive can say
_BLOCK_BYTES = 4096
_BOOTSTRAP = Path(__file__).with_name("bootstrap")


@dataclass(frozen=True)
class Built:
    """A single file: its `size_bytes` and `sha256`, and the room its tree takes on the disk."""

    size_bytes: int
    unpacked_bytes: int
    sha256: str


@dataclass(frozen=True)
class RunsWith:
    """The oldest Python and the oldest glibc that a file runs with; no glibc if it does not matter."""

    python: str
    glibc: str


def pack(tree: Path, output: Path, *, project: Project, light: Sequence[Path], runs_with: RunsWith) -> Built:
    """Write `output`, executable, whole or not at all. `light` are modules in the tree that print help."""
    files = sorted(
        (path for path in tree.rglob("*") if path.is_file()), key=lambda path: path.relative_to(tree).parts
    )
    unpacked_bytes = sum(-(-path.stat().st_size // _BLOCK_BYTES) * _BLOCK_BYTES for path in files)
    constants = {
        "KEY": f"{project.version}-{_fingerprint(tree, files)}",
        "VERSION": project.version,
        "PYTHON": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "SUFFIX": EXTENSION_SUFFIXES[0],
        "MACHINE": f"{sys.platform} {os.uname().machine}",
        "LEAST_PYTHON": runs_with.python,
        "GLIBC": runs_with.glibc,
        "UNPACKED_BYTES": unpacked_bytes,
    }
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        parts = list(threads.map(lambda some: _packed(tree, some), _shares(files)))
    entries = bootstrap_files(constants) | _light(tree / "site", light)
    content = SHEBANG + _outer(entries, {f"{PART}{at}.zip": part for at, part in enumerate(parts)})
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.chmod(0o755)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return Built(len(content), unpacked_bytes, hashlib.sha256(content).hexdigest())


def _fingerprint(tree: Path, files: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        found.update(f"{path.relative_to(tree)}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()[:16]


def _shares(files: Sequence[Path]) -> list[list[Path]]:
    # Of about the same size, the largest files dealt out first.
    shares: list[list[Path]] = [[] for _ in range(PARTS)]
    sizes = [0] * PARTS
    for path in sorted(files, key=lambda path: (-path.stat().st_size, path)):
        least = sizes.index(min(sizes))
        shares[least].append(path)
        sizes[least] += path.stat().st_size
    return [sorted(share) for share in shares]


def _packed(tree: Path, files: Iterable[Path]) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as part:
        for path in files:
            part.writestr(_entry(str(path.relative_to(tree))), path.read_bytes(), ZIP_DEFLATED, LEVEL)
    return buffer.getvalue()


def _outer(entries: Mapping[str, bytes], parts: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as outer:
        for name in sorted(entries):
            outer.writestr(_entry(name), entries[name], ZIP_DEFLATED, 9)
        for name, content in parts.items():
            outer.writestr(_entry(name), content, ZIP_STORED)
    return buffer.getvalue()


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, _TIME)
    entry.create_system = 3
    entry.external_attr = 0o100644 << 16
    return entry


def _light(site: Path, modules: Iterable[Path]) -> dict[str, bytes]:
    # In an archive a compiled module stands where its source would.
    found = {}
    for path in modules:
        name = path.parent.parent.relative_to(site) / f"{path.name.partition('.')[0]}.pyc"
        found[f"light/{name}"] = path.read_bytes()
    return found


def bootstrap_files(constants: Mapping[str, object]) -> dict[str, bytes]:
    """What runs first, as source, for any Python, and compiled, for the one it is made for."""
    about = '"""What this file was built from."""\n\n'
    built = about + "".join(f"{name} = {value!r}\n" for name, value in constants.items())
    sources = {
        "onefile/__init__.py": b"",
        "onefile/built.py": built.encode(),
        "onefile/bootstrap/__init__.py": b"",
        **{f"onefile/bootstrap/{path.name}": path.read_bytes() for path in sorted(_BOOTSTRAP.glob("[a-z]*.py"))},
    }
    compiled = {f"{name}c": _compiled(name, content) for name, content in sources.items()}
    return sources | compiled | {"__main__.py": (_BOOTSTRAP / "__main__.py").read_bytes()}


def _compiled(name: str, content: bytes) -> bytes:
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    with tempfile.TemporaryDirectory(prefix="ringside-build-") as directory:
        source, target = Path(directory) / "source.py", Path(directory) / "target.pyc"
        source.write_bytes(content)
        py_compile.compile(str(source), str(target), name, doraise=True, invalidation_mode=mode)
        return target.read_bytes()
