"""A way to a PostgreSQL server that loses an answer when it is told to, as a network does."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict


class LossyWay:
    """Listens on a socket of its own and passes everything on to the server at `url`, and back.

    After `lose_answer_to` the first answer to something that contains those bytes is thrown away, when it has come,
    and the connection with it.
    """

    def __init__(self, url: str) -> None:
        given = conninfo_to_dict(url)
        self._server = f"{given['host']}/.s.PGSQL.{given['port']}"
        self._directory = Path(tempfile.mkdtemp(prefix="lossy-"))
        self._lost: bytes | None = None
        self.losses = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._directory / ".s.PGSQL.5432"))
        self._listener.listen()
        self.url = f"postgresql://{given['user']}@/{given['dbname']}?host={quote(str(self._directory), safe='')}"
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_answer_to(self, content: bytes) -> None:
        """Lose the answer to the next thing the client sends that contains this."""
        self._lost = content

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                doomed = threading.Event()
                for work in (self._pass_on, self._pass_back):
                    threading.Thread(target=work, args=(client, server, doomed), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while content := client.recv(1 << 16):
                if self._lost is not None and self._lost in content:
                    self._lost = None
                    doomed.set()
                server.sendall(content)
        _end(client, server)

    def _pass_back(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while content := server.recv(1 << 16):
                if doomed.is_set():
                    self.losses += 1
                    break
                client.sendall(content)
        _end(client, server)


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


def terminate_writer(url: str) -> int:
    """End the connections of this program to the database that wait for a lock; returns how many there were."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
    assert found is not None
    return int(found[0])
