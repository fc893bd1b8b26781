"""The lock of a desk: one process trades on it, everybody may know which."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from console.paper.desks import Holder, desk_folder, desk_place, holder
from core.errors import ConfigurationError, RefusedError, ResourceExhaustedError, UsageError
from tests.unit.core.store.test_faults import largest_file

HOLD = """
import sys, pathlib
from console.paper.desks import desk_folder
with desk_folder(pathlib.Path(sys.argv[1]), "default", instance="main"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_desk_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """The second is told who has it, and gets it when the first is done."""
    with desk_folder(tmp_path, "default") as folder:
        assert folder == tmp_path / "paper" / "default" == desk_place(tmp_path, "default")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / ".lock").stat().st_mode) == 0o600
        taken = pytest.raises(RefusedError, match=f"process {os.getpid()}, instance paper-default")
        with taken, desk_folder(tmp_path, "default"):
            raise AssertionError
        with desk_folder(tmp_path, "other"):
            pass
    with desk_folder(tmp_path, "default"):
        pass


def test_who_holds_a_desk_can_be_asked_without_holding_it(tmp_path: Path) -> None:
    """Nobody before and after; asking takes nothing from anybody."""
    assert holder(tmp_path, "default") is None
    with desk_folder(tmp_path, "default", instance="main"):
        assert holder(tmp_path, "default") == Holder(instance="main", pid=os.getpid())
        assert holder(tmp_path, "default") == Holder(instance="main", pid=os.getpid())
    assert holder(tmp_path, "default") is None


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    """While it lives it is named to others; its lock dies with it."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        assert child.stdout.readline() == b"held\n"
        assert holder(tmp_path, "default") == Holder(instance="main", pid=child.pid)
        taken = pytest.raises(RefusedError, match=f"process {child.pid}, instance main")
        with taken, desk_folder(tmp_path, "default"):
            raise AssertionError
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()
    assert holder(tmp_path, "default") is None
    with desk_folder(tmp_path, "default"):
        pass


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b'{"instance": "\\u001b[2J", "pid": 1}', b"[" * 5000, b"7"])
def test_a_lock_with_nonsense_in_it_still_locks(tmp_path: Path, content: bytes) -> None:
    """Then nobody knows who has it, and nothing of it is printed."""
    with desk_folder(tmp_path, "default") as folder:
        (folder / ".lock").write_bytes(content)
        assert holder(tmp_path, "default") == Holder()
        with pytest.raises(RefusedError, match="by another process"), desk_folder(tmp_path, "default"):
            raise AssertionError


@pytest.mark.parametrize("desk", ["", "..", "a/b", "a__b", "\x1b[2J", ".hidden", "x" * 43])
def test_a_desk_has_a_name_that_a_file_and_an_instance_may_have(tmp_path: Path, desk: str) -> None:
    """Anything else is refused before anything is made."""
    with pytest.raises(UsageError, match="bad name for a desk"):
        holder(tmp_path, desk)
    with pytest.raises(UsageError, match="bad name for a desk"), desk_folder(tmp_path, desk):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """In words, of whoever asks."""
    (tmp_path / "paper").touch()
    with pytest.raises(ConfigurationError, match="opening the desk"), desk_folder(tmp_path, "default"):
        raise AssertionError
    with pytest.raises(ConfigurationError, match="opening the desk"):
        holder(tmp_path, "default")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """And the desk is nobody's."""
    full = pytest.raises(ResourceExhaustedError, match="opening the desk")
    with largest_file(0), full, desk_folder(tmp_path, "default"):
        raise AssertionError
    assert holder(tmp_path, "default") is None


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Nothing is written to where it leads."""
    folder = desk_place(tmp_path, "default")
    folder.mkdir(parents=True)
    (tmp_path / "target").write_text("precious")
    (folder / ".lock").symlink_to(tmp_path / "target")
    with pytest.raises(ConfigurationError, match="opening the desk"), desk_folder(tmp_path, "default"):
        raise AssertionError
    assert (tmp_path / "target").read_text() == "precious"
