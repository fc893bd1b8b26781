"""The log of what operators did to a desk."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from console.paper import audit
from console.paper.audit import AuditEntry, append, newest
from core.errors import ConfigurationError


def entry(number: int = 1, *, target: str = "sma", outcome: str = "done") -> AuditEntry:
    """Something that was done at second `number`."""
    return AuditEntry(wall_ns=number * 10**9, act="pause", target=target, by="somebody over a test", outcome=outcome)


def test_the_newest_come_first(tmp_path: Path) -> None:
    """Entries are read back as they were written, the newest first, and no more than were asked for."""
    entries = [entry(number) for number in range(1, 8)]
    for one in entries:
        append(tmp_path, one)
    assert newest(tmp_path, 100) == entries[::-1]
    assert newest(tmp_path, 2) == [entries[6], entries[5]]
    assert newest(tmp_path, 0) == []


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    """Where nothing was ever done there is nothing to read."""
    assert newest(tmp_path, 10) == []
    assert newest(tmp_path / "nowhere", 10) == []


def test_only_this_user_may_read_it(tmp_path: Path) -> None:
    """The file is private."""
    append(tmp_path, entry())
    assert (tmp_path / audit.NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("torn", [b'{"wall_ns":5,"act":"pa', b"\xff\xfe\x00", b"{}", b"[" * 5000])
def test_a_torn_line_spoils_no_other(tmp_path: Path, torn: bytes) -> None:
    """What a killed process left of a line is passed over, and the next entry stands on a line of its own."""
    append(tmp_path, entry(1))
    with (tmp_path / audit.NAME).open("ab") as file:
        file.write(torn)
    assert newest(tmp_path, 10) == [entry(1)]
    append(tmp_path, entry(2))
    append(tmp_path, entry(3))
    assert newest(tmp_path, 10) == [entry(3), entry(2), entry(1)]


def test_texts_cannot_move_a_cursor_or_begin_a_line(tmp_path: Path) -> None:
    """Control characters are left out when an entry is written, and again when somebody else wrote it; a long text is
    cut."""
    append(tmp_path, entry(target="a\x1b[2Jb\nc\u202e", outcome="x" * 5000))
    found = newest(tmp_path, 1)[0]
    assert found.target == "a[2Jbc"
    assert found.outcome == "x" * audit.MAX_TEXT
    with (tmp_path / audit.NAME).open("a") as file:
        file.write('{"wall_ns":1,"act":"kill\\u001b]0;x\\u0007","target":"","by":"","outcome":""}\n')
    assert newest(tmp_path, 1)[0].act == "kill]0;x"


def test_a_long_log_is_read_from_its_end(tmp_path: Path) -> None:
    """The newest of a log that is larger than the memory of the process are found."""
    append(tmp_path, entry(1))
    path = tmp_path / audit.NAME
    with path.open("r+b") as file:
        file.truncate(8 * 2**30)  # a hole, which takes no room on the disk
    for number in (2, 3):
        append(tmp_path, entry(number))
    code = (
        "import sys; from pathlib import Path; from console.paper.audit import newest; "
        "print([one.wall_ns for one in newest(Path(sys.argv[1]), 20)])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30)),
    )
    assert found.stdout.strip() == str([3 * 10**9, 2 * 10**9])


def test_entries_across_blocks_are_whole(tmp_path: Path) -> None:
    """Entries that begin in one block of what is read and end in another are found like all others."""
    entries = [entry(number, outcome="é" * (number % 400)) for number in range(1, 1200)]
    for one in entries:
        append(tmp_path, one)
    assert (tmp_path / audit.NAME).stat().st_size > 4 * audit._BLOCK_BYTES
    assert newest(tmp_path, 2000) == entries[::-1]


def test_a_log_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    """A symbolic link in place of the log is neither written through nor read."""
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / audit.NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError):
        append(tmp_path, entry())
    with pytest.raises(ConfigurationError):
        newest(tmp_path, 1)
    assert (tmp_path / "elsewhere").read_text() == ""
