"""How soon a demonstration shows its first moving price: the whole command in a pseudo-terminal.

Baseline: an interpreter that imports what the screen and the engine cannot do without, and does nothing with it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time

from perf.figures import Figure

RUNS = 5
NEEDED_S = 5.0
DEADLINE_S = 30.0
# The board draws one of these beside the price of the last trade.
MOVED = ("▲".encode(), "▼".encode())
IMPORTS = "import textual.app, trio, trio_websocket, numpy, msgspec, httpx, sqlite3"


def measure() -> list[Figure]:
    """The median of some starts, against the imports and against what is promised."""
    first_s, imports_s = [], []
    for _ in range(RUNS):
        first_s.append(_first_price_s())
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", IMPORTS], check=True)
        imports_s.append(time.perf_counter() - started)
    ours, imports = (sorted(found)[RUNS // 2] for found in (first_s, imports_s))
    return [
        Figure("demo: command to first moving price", ours, imports, "s", "its imports alone"),
        Figure("demo: command to first moving price", ours, NEEDED_S, "s", "what is promised"),
    ]


def _first_price_s() -> float:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
    with tempfile.TemporaryDirectory(prefix="ringside-perf-", dir="/dev/shm") as shm:
        environment = os.environ | {"TERM": "xterm-256color", "RINGSIDE_SHM": shm}
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "console", "demo"], stdin=slave, stdout=slave, stderr=slave, env=environment
        )
        try:
            return _wait_for_move(master, started)
        finally:
            process.terminate()
            while process.poll() is None:
                if select.select([master], [], [], 0.05)[0]:
                    os.read(master, 1 << 16)
            os.close(master)
            os.close(slave)


def _wait_for_move(master: int, started: float) -> float:
    output = b""
    while time.perf_counter() - started < DEADLINE_S:
        if select.select([master], [], [], 0.05)[0]:
            output += os.read(master, 1 << 16)
            if any(mark in output for mark in MOVED):
                return time.perf_counter() - started
    raise TimeoutError("no price moved")
