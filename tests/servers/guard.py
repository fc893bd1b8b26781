"""Runs beside a test server: when its standard input ends, it clears the server and its directory away.

So nothing is left behind, however the tests end. It uses the standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

QUICK_STOP_S = 5.0
_POLL_S = 0.01
_PARENT_S = 0.5


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not reaped does not."""
    return _stat(pid)[0] not in {"", "Z", "X"}


def family(pid: int) -> list[int]:
    """A process and its children, itself first; empty when it does not run."""
    if not alive(pid):
        return []
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid, *(child for child in pids if _stat(child)[1] == str(pid))]


def _stat(pid: int) -> tuple[str, str]:
    # The state of a process and its parent's number.
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, parent


def signal_all(pids: list[int], number: int) -> None:
    """Send a signal to each process that still is."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_gone(pids: list[int], timeout_s: float) -> bool:
    """Wait until none of the processes runs. Returns whether that came true in time."""
    deadline = time.monotonic() + timeout_s
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def number_in(path: Path) -> int:
    """The process number written in a file; 0 when there is none."""
    try:
        return int(path.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def clear(directory: Path) -> None:
    """End the server that runs in `directory` and remove it all."""
    if pid := number_in(directory / "server.pid"):
        pids = family(pid)
        # SIGQUIT is PostgreSQL's immediate shutdown, which gives its shared memory back; frozen processes wake first.
        signal_all(pids, signal.SIGCONT)
        signal_all(pids[:1], signal.SIGQUIT)
        if not wait_gone(pids[:1], QUICK_STOP_S):
            signal_all(pids, signal.SIGKILL)
        if not wait_gone(pids, QUICK_STOP_S):
            signal_all(pids, signal.SIGKILL)
    _free_shared_memory(directory / "data" / "postmaster.pid")
    shutil.rmtree(directory, ignore_errors=True)


def _free_shared_memory(lock_file: Path) -> None:
    # A killed PostgreSQL leaves a System V segment; its number stands in the seventh line.
    with contextlib.suppress(OSError, ValueError, IndexError):
        number = int(lock_file.read_text(encoding="ascii").splitlines()[6].split()[1])
        ctypes.CDLL(None).shmctl(number, 0, None)


def main() -> None:
    """Wait for the end of whoever started this, then clear the directory that is the argument."""
    parent = os.getppid()
    while os.getppid() == parent:
        if select.select([0], [], [], _PARENT_S)[0]:
            break
    clear(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
