"""The console in a pseudo-terminal of its own, for tests of what only a real terminal shows."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DEADLINE_S = 45.0
_PROGRAM = """
import sys
from pathlib import Path
from console.tui.app import run_console
sys.exit(run_console(Path(sys.argv[1]), inline=False))
"""


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class TerminalSession:
    """Starts the console on a control socket, or any `command`.

    `output` is everything it has written. With `controlling` the terminal is its own: closing it is then a SIGHUP.
    Use it as a context.
    """

    def __init__(
        self,
        control_path: Path,
        *,
        size: tuple[int, int] = (100, 30),
        environment: dict[str, str],
        command: Sequence[str] = (),
        controlling: bool = False,
    ) -> None:
        self.output = b""
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.attributes_before = self.attributes()
        # What runs the tests may have told them a size of its own, which programs believe before the terminal's.
        inherited = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
        whole = {**inherited, "TERM": "xterm-256color", "PYTHONPATH": str(Path(__file__).parents[2]), **environment}
        self.child = subprocess.Popen(
            command or [sys.executable, "-c", _PROGRAM, str(control_path)],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env=whole,
            start_new_session=True,
            preexec_fn=_take_terminal if controlling else None,  # noqa: PLW1509 - it only calls ioctl
        )

    def __enter__(self) -> TerminalSession:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.child.kill()
        self.child.wait()
        for fd in (self._master, self._slave):
            if fd >= 0:
                os.close(fd)

    def attributes(self) -> list[Any]:
        """The terminal's settings now."""
        return termios.tcgetattr(self._slave)

    def send(self, data: bytes) -> None:
        """Type something."""
        os.write(self._master, data)

    def hang_up(self) -> None:
        """Close both ends of the terminal here."""
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def read_until(self, text: str) -> None:
        """Read until the console has written `text` since the last call."""
        begin, until_s = len(self.output), time.monotonic() + DEADLINE_S
        while text.encode() not in self.output[max(begin - 200, 0) :]:
            assert time.monotonic() < until_s, f"no {text!r} in {self.output[-2000:]!r}"
            assert self.child.poll() is None, f"ended before {text!r}: {self.output[-2000:]!r}"
            self._read(0.1)

    def stall(self) -> None:
        """Have the console write more than the terminal takes, until it is stuck: it uses no time any more."""
        until_s, before = time.monotonic() + 2 * DEADLINE_S, -1
        while (used := self._ticks()) != before:
            before = used
            assert time.monotonic() < until_s, "the console never got stuck"
            for _ in range(40):
                self.send(b"t")
                self._exited_within(0.03)
            self._exited_within(0.5)

    def _ticks(self) -> int:
        # Of the main thread alone: the others go on waking up.
        fields = (
            Path(f"/proc/{self.child.pid}/task/{self.child.pid}/stat")
            .read_text(encoding="ascii")
            .rpartition(")")[2]
            .split()
        )
        return int(fields[11]) + int(fields[12])

    def _exited_within(self, timeout_s: float) -> bool:
        try:
            self.child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait(self, *, reading: bool = True) -> int:
        """The exit code; everything written until then is in `output` if `reading`."""
        until_s = time.monotonic() + DEADLINE_S
        while self.child.poll() is None:
            assert time.monotonic() < until_s, "the console did not end"
            if reading:
                self._read(0.05)
            else:
                self._exited_within(0.05)
        while reading and self._read(0):
            pass
        return self.child.wait()

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._master], [], [], timeout_s)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self.output += data
        return bool(data)
