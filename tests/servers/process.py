"""One server process of the tests: begun as somebody who is not root, stopped, killed, frozen, never left over."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import attrs

from tests.servers import guard

START_S: Final = 30.0
STOP_S: Final = 20.0
POLL_S: Final = 0.005


class NoServerError(Exception):
    """No server of this kind can be had on this machine; the text says what was tried."""


class StartError(Exception):
    """A server is there and does not start; the text ends with what it said."""


@attrs.frozen
class Account:
    """Whom a server runs as: `nobody` when the tests run as root, which PostgreSQL refuses, else whoever we are."""

    user: int | None
    group: int | None

    @classmethod
    def of_servers(cls) -> Account:
        """The account for this run."""
        if os.geteuid() != 0:
            return cls(None, None)
        entry = pwd.getpwnam("nobody")
        return cls(entry.pw_uid, entry.pw_gid)

    def own(self, path: Path) -> None:
        """Give a path to the account."""
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)

    def run(self, arguments: Sequence[str | Path], *, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a program to its end as this account. Raises `OSError` when it cannot be begun."""
        return subprocess.run(
            arguments, capture_output=True, text=True, timeout=timeout_s, check=False, cwd="/", user=self.user,
            group=self.group, extra_groups=None if self.user is None else [], env=environment(),
        )  # fmt: skip

    def can_run(self, program: Path) -> bool:
        """Whether the program runs as this account: it is there, reachable and finds its libraries."""
        try:
            return self.run([program, "--version"]).returncode == 0
        except (OSError, subprocess.SubprocessError):
            return False


def environment() -> dict[str, str]:
    """What servers see: nothing of the settings, the language and the time zone of whoever runs the tests."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def usable(program: Path, account: Account, spare: Path) -> Path | None:
    """The program where `account` can run it: its place, else a copy under `spare` of the wheel that it came in.

    A wheel lies where its installer's umask and home allow nobody else to look. None when it does not run at all.
    """
    if account.can_run(program):
        return program
    package = next((parent for parent in program.parents if parent.parent.name == "site-packages"), None)
    if package is None:
        return None
    for part in package.parent.glob(f"{package.name}*"):
        if part.name == package.name or part.name.endswith(".libs"):
            shutil.copytree(part, spare / part.name, symlinks=True, dirs_exist_ok=True)
    for path in [spare, *spare.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    copied = spare / program.relative_to(package.parent)
    return copied if account.can_run(copied) else None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """A directory of its own under /tmp, with a guard that clears it up, and at most one server that runs in it.

    `begin` names the program and its arguments; `ready` says whether it answers.
    """

    def __init__(self, name: str) -> None:
        self.account = Account.of_servers()
        # Short: the path of a Unix socket ends at 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix=f"ringside-{name}-", dir="/tmp"))
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, self.directory],
            stdin=subprocess.PIPE, cwd="/", start_new_session=True,
        )  # fmt: skip
        self.account.own(self.directory)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the server runs, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """The last lines the server wrote."""
        try:
            return "\n".join(
                (self.directory / "log").read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
            )
        except OSError:
            return ""

    @property
    def pid(self) -> int:
        """The number of the server's process, which must have been begun."""
        assert self._process is not None
        return self._process.pid

    def begin(self, arguments: Sequence[str | Path], ready: Callable[[], bool]) -> None:
        """Start the server and wait until it is `ready`. Raises `StartError` when that takes more than `START_S`."""
        noted = 'echo $$ > "$0" && exec "$@"'
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", noted, str(self.directory / "server.pid"), *map(str, arguments)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, env=environment(),
                user=self.account.user, group=self.account.group,
                extra_groups=None if self.account.user is None else [], start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise StartError(f"{arguments[0]} does not start:\n{self.log}")
            time.sleep(POLL_S)

    def end(self, number: int) -> None:
        """Ask the server to stop by a signal, wake it for that, and wait; it is killed when it takes too long."""
        if self._process is None:
            return
        self.resume()
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._forget()

    def kill(self) -> None:
        """End the server and its children by SIGKILL, as a crash would."""
        if self._process is None:
            return
        pids = guard.family(self._process.pid)
        guard.signal_all(pids, signal.SIGKILL)
        self._process.wait(STOP_S)
        assert guard.wait_gone(pids, STOP_S), "a killed server does not end"
        self._forget()

    def _forget(self) -> None:
        self._process = None
        with contextlib.suppress(OSError):
            (self.directory / "server.pid").unlink()

    def pause(self) -> None:
        """Freeze the server and its children: connections stay open and nothing answers."""
        assert self._process is not None
        # The server first, so that it begins no children meanwhile.
        guard.signal_all([self._process.pid], signal.SIGSTOP)
        guard.signal_all(guard.family(self._process.pid), signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on; nothing happens to one that was not."""
        if self._process is not None:
            guard.signal_all(guard.family(self._process.pid)[::-1], signal.SIGCONT)

    def close(self) -> None:
        """End the server at once and remove its directory. May be called twice."""
        if self._guard.stdin is not None and not self._guard.stdin.closed:
            self._guard.stdin.close()
        while self._guard.poll() is None:
            if self._process is not None:
                self._process.poll()  # a dead child that nobody waits for is still there for the guard
            time.sleep(POLL_S)
        if self._process is not None:
            self._process.wait(STOP_S)
            self._process = None


class RunningServer:
    """What both servers are to a test: started and ended by whoever builds upon it, and disturbed here."""

    _server: ServerProcess

    @property
    def running(self) -> bool:
        """Whether the server runs, frozen or not."""
        return self._server.running

    @property
    def log(self) -> str:
        """The last lines the server wrote."""
        return self._server.log

    def kill(self) -> None:
        """End it by SIGKILL, as a crash would."""
        self._server.kill()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self._server.pause()

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._server.resume()

    def close(self) -> None:
        """End it and remove its directory with all its data. May be called twice."""
        self._server.close()
