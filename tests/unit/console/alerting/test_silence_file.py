"""Silences in their file."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from console.alerting.silence_file import SilenceFile
from core.errors import ConfigurationError, TransientError

NEVER = 2**62


@pytest.fixture
def file(tmp_path: Path) -> SilenceFile:
    """A file that is not there yet."""
    return SilenceFile(tmp_path)


def add(file: SilenceFile, rule: str = "*", *, until_ns: int = NEVER, now_ns: int = 0) -> int:
    """Add one; its number."""
    return file.add(rule, [("venue", "KRAKEN")], until_ns=until_ns, now_ns=now_ns, by="ada", comment="known").number


def test_a_silence_is_there_for_everybody(file: SilenceFile, tmp_path: Path) -> None:
    """What one adds another reads, and only its owner may."""
    empty = file.version()
    assert list(file.read()) == []
    assert (add(file), add(file, "stale*")) == (1, 2)
    first, second = SilenceFile(tmp_path).read()
    assert (first.rule, first.match, first.by, first.comment) == ("*", (("venue", "KRAKEN"),), "ada", "known")
    assert second.rule == "stale*"
    (path,) = (tmp_path / "alerts").glob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len({empty, file.version()}) == 2


def test_one_is_taken_back(file: SilenceFile) -> None:
    """Once; the others stay."""
    add(file)
    add(file)
    gone = file.remove(1, now_ns=0)
    assert gone is not None
    assert file.remove(1, now_ns=0) is None
    assert [one.number for one in file.read()] == [2]


def test_what_is_over_leaves_the_file(file: SilenceFile) -> None:
    """With the next change."""
    add(file, until_ns=5)
    assert add(file, now_ns=5) == 2  # no number is given twice, also of those that are over
    assert [one.until_ns for one in file.read()] == [NEVER]


def one_of(**odd: object) -> bytes:
    """A file of one silence with something odd in it."""
    silence = {"number": 1, "rule": "*", "match": {}, "until_ns": 1, "by": "", "comment": ""} | odd
    return json.dumps({"silences": [silence]}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b'{"silences": 1}', b'{"silences": [{}]}', b"\xff", b"[" * 100_000,
        one_of(number="1"), one_of(number=True), one_of(rule="\x1b"), one_of(match="x"), one_of(match={"a": 1}),
        b'{"silences": [], "next_number": 1e999}', b'{"silences": [], "next_number": -1}',
        b'{"silences": [], "next_number": true}', one_of(number=2**70), one_of(by=None), one_of(until_ns=1.5),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_and_kept(file: SilenceFile, tmp_path: Path, content: bytes) -> None:
    """Neither read nor overwritten."""
    add(file)
    (path,) = (tmp_path / "alerts").glob("*.json")
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="makes no sense"):
        file.read()
    with pytest.raises(ConfigurationError, match="makes no sense"):
        add(file)
    assert path.read_bytes() == content


def test_what_is_no_file_is_not_waited_for(file: SilenceFile, tmp_path: Path) -> None:
    """A pipe that nobody writes to, or a link to one, is refused at once."""
    add(file)
    (path,) = (tmp_path / "alerts").glob("*.json")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigurationError):
        file.read()
    path.rename(tmp_path / "pipe")
    path.symlink_to(tmp_path / "pipe")
    with pytest.raises(ConfigurationError):
        file.read()


def test_too_many_to_be_read_back_are_not_written(file: SilenceFile) -> None:
    """What is there stays."""
    add(file)
    with pytest.raises(ConfigurationError, match="too large"):
        file.add("*", [("venue", "x" * (4 << 20))], until_ns=NEVER, now_ns=0, by="", comment="")
    assert [one.number for one in file.read()] == [1]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """In words, with the path."""
    (tmp_path / "alerts").write_text("a file")
    with pytest.raises(ConfigurationError, match="writing the silences"):
        add(SilenceFile(tmp_path))


def test_two_writers_take_turns(file: SilenceFile, tmp_path: Path) -> None:
    """Whoever comes while another writes is told so, and nothing is lost of what was written."""
    numbers: list[int] = []

    def write() -> None:
        while len(numbers) < 40:
            try:
                numbers.append(add(SilenceFile(tmp_path)))
            except TransientError:
                os.sched_yield()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == [one.number for one in file.read()] == list(range(1, len(numbers) + 1))
