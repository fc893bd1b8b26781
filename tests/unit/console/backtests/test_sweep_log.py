"""The log of a sweep: what was written is found again, what was not finished is not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from console.backtests.sweep_log import KEPT_BYTES, KEPT_LOGS, SweepLog
from core.errors import ConfigurationError, RefusedError, ResourceExhaustedError

ROWS = [{"parameters": {"short": str(number)}, "metrics": {"sharpe": 1.5}, "error": None} for number in range(5)]


def written(directory: Path) -> Path:
    """A log with some rows."""
    with SweepLog(directory, "abc", fresh=False) as log:
        for row in ROWS:
            log.add(row)
        return log.path


def found(directory: Path, *, fresh: bool = False) -> list[object]:
    """What is in it."""
    with SweepLog(directory, "abc", fresh=fresh) as log:
        return [row for _place, row in log.rows()]


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    """Each row is found where its place says."""
    written(tmp_path)
    with SweepLog(tmp_path, "abc", fresh=False) as log:
        places = [place for place, _row in log.rows()]
        assert [log.row(place) for place in places] == ROWS
        place = log.add({"more": 1})
        assert log.text(place) == '{"more":1}'


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    """The file is private whatever the umask."""
    before = os.umask(0)
    try:
        path = written(tmp_path / "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, cut: int) -> None:
    """What a kill left of the last row is gone, and the next row begins a line of its own."""
    path = written(tmp_path)
    os.truncate(path, path.stat().st_size - cut)
    assert found(tmp_path) == ROWS[:4]
    with SweepLog(tmp_path, "abc", fresh=False) as log:
        list(log.rows())
        log.add(ROWS[4])
    assert found(tmp_path) == ROWS


@pytest.mark.parametrize(
    "line",
    [b"\xff\xfe\n", b"{\n", b"[1]\n", b'{"a":NaN}\n', b"\n", b"x" * 70_000 + b"\n", b"[" * 60_000 + b"\n"],
)
def test_damaged_lines_are_passed_over(tmp_path: Path, line: bytes) -> None:
    """The rows around them are still there."""
    path = written(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], line, *lines[2:]]))
    assert found(tmp_path) == ROWS


def test_fresh_begins_anew(tmp_path: Path) -> None:
    """Nothing of before is left."""
    written(tmp_path)
    assert found(tmp_path, fresh=True) == []


def test_two_processes_do_not_write_one_log(tmp_path: Path) -> None:
    """The second is told, and the first goes on."""
    with SweepLog(tmp_path, "abc", fresh=False) as log:
        with pytest.raises(RefusedError, match="the same sweep is running"):
            SweepLog(tmp_path, "abc", fresh=True)
        log.add(ROWS[0])
    assert found(tmp_path) == ROWS[:1]


def test_the_newest_logs_are_kept(tmp_path: Path) -> None:
    """Of many the oldest go, but none that is in use."""
    for number in range(KEPT_LOGS + 5):
        SweepLog(tmp_path, f"old{number:03}", fresh=False).close()
        os.utime(tmp_path / f"old{number:03}.ndjson", (number, number))
    used = SweepLog(tmp_path, "used", fresh=False)
    os.utime(used.path, (1, 1))
    SweepLog(tmp_path, "new", fresh=False).close()
    used.close()
    left = {path.stem for path in tmp_path.iterdir()}
    assert {"used", "new", f"old{KEPT_LOGS + 4:03}"} <= left
    assert "old000" not in left
    assert len(left) <= KEPT_LOGS + 1


def test_all_logs_together_are_bounded(tmp_path: Path) -> None:
    """The oldest go when the others leave them no room."""
    for number, size in enumerate((10, KEPT_BYTES // 2, KEPT_BYTES // 2, 10)):
        path = tmp_path / f"old{number}.ndjson"
        path.touch()
        os.truncate(path, size)  # takes no room on the disk
        os.utime(path, (number, number))
    SweepLog(tmp_path, "new", fresh=False).close()
    assert {path.stem for path in tmp_path.iterdir()} == {"old2", "old3", "new"}


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """Nobody can have another file written by it."""
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / "abc.ndjson").symlink_to(other)
    with pytest.raises(ConfigurationError):
        SweepLog(tmp_path, "abc", fresh=True)
    assert other.read_text() == "mine"


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """As an error for operators."""
    log = SweepLog(tmp_path, "abc", fresh=False)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._fd)
    os.close(full)
    with log, pytest.raises(ResourceExhaustedError):
        log.add(ROWS[0])
