"""The archive appears whole or not at all, for its owner alone, within its size, with safe names."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest

from console.incident.archive import Archive, new_archive, safe_name
from console.incident.parts import MOST_PART_BYTES, Part, put
from console.incident.redaction import Redaction
from console.incident.scene import AbsentError
from core.errors import ConfigurationError, RefusedError, ResourceExhaustedError


def begin_and_raise(path: Path, error: Exception) -> None:
    """Begin an archive, and fail."""
    with new_archive(path) as archive:
        archive.add("x.txt", b"hello", "a word")
        raise error


def test_it_is_there_at_the_end_alone(tmp_path: Path) -> None:
    """Until the block ends nothing bears the name; then it has the files and a manifest, mode 0600."""
    path = tmp_path / "a.zip"
    with new_archive(path) as archive:
        archive.add("x.txt", b"hello", "a word")
        assert not path.exists()
        archive.finish({"made": "now"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as packed:
        assert packed.read("x.txt") == b"hello"
        manifest = json.loads(packed.read("manifest.json"))
    assert manifest["files"][0]["bytes"] == 5
    assert [one.name for one in tmp_path.iterdir()] == ["a.zip"]


def test_nothing_is_left_of_one_that_failed(tmp_path: Path) -> None:
    """Neither the archive nor its half, whatever is raised."""
    with pytest.raises(KeyError):
        begin_and_raise(tmp_path / "a.zip", KeyError())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    """No room, at the first byte or in the middle, is an error in words."""
    with pytest.raises(ResourceExhaustedError):
        begin_and_raise(tmp_path / "a.zip", OSError(28, "No space left on device"))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Not what is there, not what comes meanwhile, not what a link leads to."""
    path = tmp_path / "a.zip"
    path.write_text("mine")
    with pytest.raises(RefusedError), new_archive(path):
        raise AssertionError
    other = tmp_path / "b.zip"
    with pytest.raises(RefusedError), new_archive(other):
        other.write_text("mine")
    assert other.read_text() == "mine"
    with pytest.raises(ConfigurationError), new_archive(tmp_path / "no" / "a.zip"):
        raise AssertionError
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_what_is_too_large_is_left_out_and_listed(tmp_path: Path) -> None:
    """What fits after it is still put in."""
    with new_archive(tmp_path / "a.zip") as archive:
        archive.most_bytes = 10
        archive.add("large.txt", b"x" * 11, "much")
        archive.add("small.txt", b"x" * 10, "little")
    assert [("missing" in row) for row in archive.listed] == [True, False]


def test_names_lead_nowhere() -> None:
    """No part of a name goes upwards, begins with a dot or holds a control character; two of one name are two."""
    assert safe_name("../../etc/passwd") == "_/_/etc/passwd"
    assert safe_name("/log/a\x1b[2J.log") == "log/a__2J.log"
    assert safe_name("") == "_"


def test_a_part_that_fails_costs_itself_alone(tmp_path: Path) -> None:
    """Whatever it raises stands in the manifest, without secrets."""

    def broken() -> bytes:
        raise ZeroDivisionError("password=MARK")

    def absent() -> bytes:
        raise AbsentError("it is away")

    with new_archive(tmp_path / "a.zip") as archive:
        for part in (
            Part("a.txt", "", broken),
            Part("b.txt", "", absent),
            Part("c.txt", "", lambda: b"password=MARK"),
        ):
            put(part, archive, Redaction())
        for _ in range(2):
            put(Part("d.json", "", lambda: {"token": "MARK"}), archive, Redaction())
    names = [row["name"] for row in archive.listed]
    assert names == ["a.txt", "b.txt", "c.txt", "d.json", "d-2.json"]
    assert "MARK" not in str(archive.listed)
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert all(b"MARK" not in packed.read(name) for name in packed.namelist())
    assert isinstance(archive, Archive)


def test_no_part_takes_the_room_of_all_others(tmp_path: Path) -> None:
    """One that is larger than a file may be is left out, and what comes after it is there."""
    with new_archive(tmp_path / "a.zip") as archive:
        put(Part("large.txt", "", lambda: b" " * (MOST_PART_BYTES + 1)), archive, Redaction())
        put(Part("full.bin", "", lambda: b" " * MOST_PART_BYTES), archive, Redaction())
    assert [(row["name"], "missing" in row) for row in archive.listed] == [("large.txt", True), ("full.bin", False)]
    assert str(MOST_PART_BYTES) in archive.listed[0]["missing"]
