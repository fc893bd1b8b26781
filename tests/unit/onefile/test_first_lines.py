"""The first lines of the single file, with another Python than the one it is for. The file has nothing else here."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from onefile.archive import SHEBANG, bootstrap_files

MINE = f"{sys.version_info[0]}.{sys.version_info[1]}"


CONSTANTS = {
    "KEY": "k",
    "VERSION": "0.1.0",
    "PYTHON": "3.99",
    "LEAST_PYTHON": "3.99.0",
    "SUFFIX": ".cpython-399.so",
    "MACHINE": "linux s390x",
    "GLIBC": "",
    "UNPACKED_BYTES": 1,
}


def file_of(path: Path, constants: Mapping[str, object]) -> Path:
    """A file that was built with these constants."""
    with path.open("wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in bootstrap_files(constants).items():
                archive.writestr(name, content)
    return path


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A file for a Python that is not this one."""
    return file_of(tmp_path / "ringside.pyz", CONSTANTS)


def test_an_early_release_of_the_right_python_is_told_too(tmp_path: Path) -> None:
    """Its libraries can be loaded, but something that only early releases need was not packed."""
    nearly = {"PYTHON": MINE, "LEAST_PYTHON": f"{MINE}.99", "SUFFIX": EXTENSION_SUFFIXES[0]}
    path = file_of(tmp_path / "ringside.pyz", {**CONSTANTS, **nearly})
    ended = subprocess.run([sys.executable, path, "--version"], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert f"this file is for CPython {MINE}, {MINE}.99 or newer" in ended.stderr


def test_another_python_is_told_what_is_needed(foreign: Path) -> None:
    """Which one the file is for, which one this is, what to do; no traceback."""
    ended = subprocess.run([sys.executable, foreign, "--version"], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "this file is for CPython 3.99, 3.99.0 or newer, on linux s390x" in ended.stderr
    assert f"this is cpython {MINE}" in ended.stderr
    assert "zipapp.py" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_right_python_is_found_in_the_path(foreign: Path, tmp_path: Path) -> None:
    """Where `python3` is another but the right one is installed too, it goes on with that, with all arguments."""
    right = tmp_path / "bin" / "python3.99"
    right.parent.mkdir()
    right.write_text('#!/bin/sh\necho "right: $@"\n')
    right.chmod(0o755)
    environment = os.environ | {"PATH": f"/nonexistent::{right.parent}:{os.environ['PATH']}"}
    ended = subprocess.run(
        [sys.executable, foreign, "--batch", "a b"], capture_output=True, text=True, check=True, env=environment
    )
    assert ended.stdout == f"right: {foreign} --batch a b\n"


def test_one_that_only_bears_the_name_ends_it(foreign: Path, tmp_path: Path) -> None:
    """A python3.99 that is something else is tried once, not for ever."""
    wrong = tmp_path / "bin" / "python3.99"
    wrong.parent.mkdir()
    wrong.symlink_to(sys.executable)
    environment = os.environ | {"PATH": f"{wrong.parent}:{os.environ['PATH']}"}
    ended = subprocess.run(
        [sys.executable, foreign], capture_output=True, text=True, check=False, env=environment, timeout=30
    )
    assert ended.returncode == 1
    assert "this file is for CPython 3.99" in ended.stderr


def test_an_old_python_can_read_them() -> None:
    """What is read before the version is known has nothing that Python 3.6 does not know."""
    files = bootstrap_files({"KEY": "k", "UNPACKED_BYTES": 1})
    for name in ("__main__.py", "onefile/__init__.py", "onefile/built.py", "onefile/bootstrap/__init__.py"):
        assert b"from __future__ import annotations" not in files[name], name
        ast.parse(files[name], feature_version=(3, 6))
