"""The files read back: across rotations, in both forms, and while they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.logbook.entry import Entry, json_line, text_line
from console.logbook.file import LogFile
from console.logbook.reading import Follower, read_entries
from core.errors import ConfigurationError

T0_NS = 1_790_000_000_000_000_000


def entry(number: int, **fields: object) -> Entry:
    """The entry of that number, a second after the one before."""
    return Entry(**{
        "ts_ns": T0_NS + number * 1_000_000_000, "level": "info", "logger": "ringside.feed", "text": f"line {number}",
        "pid": 7, "instance": "alpha", **fields,
    })  # type: ignore[arg-type]  # fmt: skip


def _log(directory: Path, *, max_bytes: int = 4096, files: int = 1000) -> LogFile:
    return LogFile(directory, max_bytes=max_bytes, files=files, told=pytest.fail)


def test_entries_come_back_across_rotations(tmp_path: Path) -> None:
    """Text and JSON in one log of many files: all entries, once, in order, tracebacks with them."""
    log = _log(tmp_path)
    for number in range(500):
        one = entry(number, trace="Traceback\n  at" if number % 50 == 0 else "")
        log.write(json_line(one) if number % 3 else text_line(one))
    log.close()
    found = list(read_entries(tmp_path))
    assert [one.text for one in found] == [f"line {number}" for number in range(500)]
    assert [one.text for one in found if one.trace == "Traceback\n  at"] == [f"line {n}" for n in range(0, 500, 50)]


def test_what_is_no_entry_is_passed_over(tmp_path: Path) -> None:
    """Half lines, garbage and other programs' lines do not hide the rest."""
    garbage = b'\xff\xfe\x00\nhalf {"ts_ns"\n\n' + b"x" * 600_000 + b"\n"
    (tmp_path / "ringside.log").write_bytes(garbage + text_line(entry(1)).encode() + b"\n" + garbage[:20])
    (tmp_path / "ringside.log.x").write_text("no number")
    assert [one.text for one in read_entries(tmp_path)] == ["line 1"]
    assert list(read_entries(tmp_path / "nowhere")) == []


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """A link in its place is no log of ours."""
    (tmp_path / "ringside.log").symlink_to("/etc/passwd")
    with pytest.raises(ConfigurationError, match="log file cannot be read"):
        list(read_entries(tmp_path))


def test_a_follower_reads_on_through_rotations(tmp_path: Path) -> None:
    """It begins at the end, misses nothing while files are moved on, and takes up a file that was not there yet."""
    follower = Follower(tmp_path)
    log = _log(tmp_path)
    assert follower.read() == []
    found: list[str] = []
    for number in range(300):
        log.write(text_line(entry(number, trace="a\nb" if number % 10 == 0 else "")))
        found += [one.text for one in follower.read()]
    assert found == [f"line {number}" for number in range(300)]
    later = Follower(tmp_path)
    log.write(text_line(entry(300)))
    assert [one.text for one in later.read()] == ["line 300"]
    for number in range(400, 700):  # several files at once
        log.write(text_line(entry(number)))
    assert [one.text for one in later.read()] == [f"line {number}" for number in range(400, 700)]
    (tmp_path / "ringside.log").unlink()
    assert later.read() == []
    log.write(text_line(entry(301)))
    assert [one.text for one in later.read()] == ["line 301"]
    for one in (follower, later):
        one.close()
    log.close()
