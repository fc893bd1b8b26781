"""The log file: written and rotated by several processes at once, through full disks and removed directories."""

from __future__ import annotations

import fcntl
import os
import resource
import subprocess
import sys
from pathlib import Path

from console.logbook.file import LogFile, log_files

WRITER = """
import sys
from pathlib import Path
from console.logbook.file import LogFile
name, directory, count = sys.argv[1:]
sys.stdin.readline()
log = LogFile(Path(directory), max_bytes=4096, files=1000, told=print)
for number in range(int(count)):
    log.write(f"{name} {number} " + "x" * (number % 90))
log.close()
"""


def _lines(directory: Path) -> list[str]:
    return [line for path in log_files(directory) for line in path.read_text(encoding="utf-8").splitlines()]


def test_processes_write_and_rotate_without_losing_a_line(tmp_path: Path) -> None:
    """Three processes fill many files together: every line is there once, and whole."""
    count = 3000
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, name, str(tmp_path), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b", "c")
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert said == ["", "", ""]
    found = _lines(tmp_path)
    for name in ("a", "b", "c"):
        numbers = sorted(int(line.split()[1]) for line in found if line.startswith(f"{name} "))
        assert numbers == list(range(count))
    assert len(found) == 3 * count
    assert len(log_files(tmp_path)) > 10
    assert all(len(line) == len(" ".join(line.split()[:2])) + 1 + int(line.split()[1]) % 90 for line in found)


def test_files_are_private_and_so_many(tmp_path: Path) -> None:
    """All are for the user alone, the directory too; fewer are kept when fewer are asked for."""
    directory = tmp_path / "deep" / "logs"
    log = LogFile(directory, max_bytes=4096, files=5, told=print)
    for number in range(600):
        log.write(f"{number:060}")
    log.close()
    assert len(log_files(directory)) == 6
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700
    fewer = LogFile(directory, max_bytes=4096, files=2, told=print)
    for number in range(120):
        fewer.write(f"{number:060}")
    fewer.close()
    assert [path.name for path in log_files(directory)] == ["ringside.log.2", "ringside.log.1", "ringside.log"]


def test_a_removed_directory_is_made_again(tmp_path: Path) -> None:
    """What is logged after somebody removed the files, or the directory, is in new ones."""
    told: list[str] = []
    log = LogFile(tmp_path / "logs", max_bytes=4096, files=2, told=told.append)
    log.write("before")
    for path in (tmp_path / "logs").iterdir():
        path.unlink()
    (tmp_path / "logs").rmdir()
    log.write("after")
    log.close()
    assert _lines(tmp_path / "logs") == ["after"]
    assert told == []


def test_a_place_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    """A file stands where the directory should be: one sentence, nothing raised; mended, it goes on."""
    told: list[str] = []
    (tmp_path / "logs").write_text("in the way")
    log = LogFile(tmp_path / "logs", max_bytes=4096, files=2, told=told.append)
    for _ in range(3):
        log.write("lost")
    assert len(told) == 1
    assert "the engine goes on" in told[0]
    (tmp_path / "logs").unlink()
    log.write("found")
    assert told[1:] == ["the log file is written again; 3 lines stand nowhere"]
    assert _lines(tmp_path / "logs") == ["found"]
    log.close()


def test_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    """Where a file may grow no further in the middle of a line, that is said once, and the next line begins anew."""
    program = """
import resource, signal, sys
from pathlib import Path
from console.logbook.file import LogFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = LogFile(Path(sys.argv[1]), max_bytes=1 << 20, files=2, told=lambda text: print(text, flush=True))
log.write("first " + "x" * 90)
resource.setrlimit(resource.RLIMIT_FSIZE, (150, resource.RLIM_INFINITY))
for _ in range(5):
    log.write("second " + "y" * 90)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.write("third")
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    found = _lines(tmp_path)
    assert found[0].startswith("first")
    assert found[-1] == "third"
    assert not any(line.startswith("first") and "second" in line for line in found)


def test_one_who_holds_the_lock_for_ever_stops_nobody(tmp_path: Path) -> None:
    """While another process was stopped in the middle of rotating, lines go on into the file that there is."""
    log = LogFile(tmp_path, max_bytes=4096, files=2, told=print)
    log.write("x")
    lock = os.open(tmp_path / ".ringside.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    for _ in range(200):
        log.write("y" * 60)
    assert len(_lines(tmp_path)) == 201
    os.close(lock)
    log.write("z")
    assert len(log_files(tmp_path)) == 2
    log.close()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A file elsewhere is not written to because somebody put a link to it in the directory."""
    told: list[str] = []
    target = tmp_path / "precious"
    target.write_text("mine")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "ringside.log").symlink_to(target)
    LogFile(tmp_path / "logs", max_bytes=4096, files=2, told=told.append).write("x")
    assert target.read_text() == "mine"
    assert len(told) == 1
