"""The hash of a strategy's source."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import strategies.sma_cross
from core.errors import NotFoundError, PermanentError
from strategies.fingerprint import MAX_SOURCE_BYTES, sha256_of, sha256_of_module


def test_it_is_what_other_programs_say(tmp_path: Path) -> None:
    """`sha256sum` gives the same for any bytes, text or not."""
    path = tmp_path / "strategy.py"
    path.write_bytes(bytes(range(256)) * 3)
    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    program = shutil.which("sha256sum")
    if program:
        assert subprocess.run([program, path], capture_output=True, text=True, check=True).stdout[:64] == sha256_of(
            path
        )


def test_a_module_of_ours_has_the_hash_of_its_file() -> None:
    """What the catalogue says of a strategy can be checked with `hash-strategy` on the file."""
    assert sha256_of_module("strategies.sma_cross") == sha256_of(Path(strategies.sma_cross.__file__))


def test_a_module_without_source_has_a_hash_of_its_own() -> None:
    """Those built into Python have none; name and version stand for it."""
    found = {sha256_of_module(name) for name in ("sys", "builtins")}
    assert len(found) == 2
    assert {len(one) for one in found} == {64}


def test_what_is_no_file_is_an_error_and_never_waited_for(tmp_path: Path) -> None:
    """A folder, a pipe nobody writes into, a name with a null, a missing and a huge file each say what they are."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "huge").write_bytes(b"#" * (MAX_SOURCE_BYTES + 1))
    for name, reason in [("pipe", "not a file"), ("", "not a file"), ("huge", "larger"), ("nu\0ll", "null")]:
        with pytest.raises(PermanentError, match=reason):
            sha256_of(tmp_path / name)
    with pytest.raises(NotFoundError, match="no such strategy file"):
        sha256_of(tmp_path / "missing.py")


def test_nothing_stays_open(tmp_path: Path) -> None:
    """Files that were read and files that were refused leave no descriptor behind."""
    (tmp_path / "good").write_bytes(b"#")
    sha256_of(tmp_path / "good")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("good", ""):
        try:
            sha256_of(tmp_path / name)
        except PermanentError:
            continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before
