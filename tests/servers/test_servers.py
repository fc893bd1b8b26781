"""The servers of the tests: they come back after every mishap and leave nothing behind."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from tests.servers import guard
from tests.servers.fixtures import NEED
from tests.servers.postgres import GUARDED_ROLE, PASSWORD, PROGRAMS, PostgresServer
from tests.servers.process import Account, ServerProcess, StartError, usable
from tests.servers.redis import PROGRAM, RedisServer

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
servers = [PostgresServer(), RedisServer()]
for server in servers:
    print(server._server.directory, server._server.pid, flush=True)
if sys.argv[1] == "pause":
    servers[0].pause()
print("ready", flush=True)
sys.stdin.read()
"""


def answers(url: str) -> bool:
    """Whether a database answers within a second or two."""
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


@pytest.mark.parametrize("state", ["run", "pause"])
def test_nothing_outlives_tests_that_are_killed(postgres_server: object, redis_server: object, state: str) -> None:
    """After a SIGKILL of the tests both servers end and their directories go, frozen ones too."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, state], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as tests:
        assert tests.stdout is not None
        lines = [tests.stdout.readline().split() for _ in range(3)]
        assert lines.pop() == ["ready"]
        pids = [pid for _, number in lines for pid in guard.family(int(number))]
        assert len(pids) > 3
        tests.kill()
    assert guard.wait_gone(pids, 20)
    directories = [Path(directory) for directory, _ in lines]
    assert wait_removed(directories)


def wait_removed(directories: list[Path]) -> bool:
    """Whether the directories are gone within a while."""
    for directory in directories:
        number = guard_of(directory)
        if number and not guard.wait_gone([number], 20):
            return False
    return not any(directory.exists() for directory in directories)


def guard_of(directory: Path) -> int:
    """The process that guards a directory; 0 when there is none any more."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if str(directory).encode() in words and guard.__file__.encode() in words:
            return int(path.parent.name)
    return 0


def test_postgres_comes_back_with_its_data(postgres_server: PostgresServer, postgres_url: str) -> None:
    """What was committed is there after a shutdown and after a crash, at the same place."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE kept (number integer)")
        connection.execute("INSERT INTO kept VALUES (1)")
    for end in (postgres_server.stop, postgres_server.kill):
        end()
        assert not postgres_server.running
        assert not answers(postgres_url)
        postgres_server.start()
        with psycopg.connect(postgres_url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(1,)]


def test_a_frozen_postgres_answers_nobody(postgres_server: PostgresServer, postgres_url: str) -> None:
    """Frozen it does not answer, resumed it does, and starting a frozen one resumes it."""
    postgres_server.pause()
    assert postgres_server.running
    assert not answers(postgres_url)
    postgres_server.resume()
    assert answers(postgres_url)
    postgres_server.pause()
    postgres_server.start()
    assert answers(postgres_url)


def test_postgres_is_what_the_tests_rely_on(postgres_server: PostgresServer, postgres_url: str) -> None:
    """Durable commits, C locale, UTF-8, nothing on the network, not root, nobody else's business."""
    with psycopg.connect(postgres_url) as connection:
        shown = [
            connection.execute(f"SHOW {name}".encode()).fetchone()
            for name in ("fsync", "synchronous_commit", "server_encoding", "lc_messages", "listen_addresses")
        ]
        count = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert shown == [("on",), ("on",), ("UTF8",), ("C",), ("",)]
    assert count == (0,)
    assert stat.S_IMODE(postgres_server.data.parent.stat().st_mode) == 0o700
    if os.geteuid() == 0:
        assert postgres_server.data.stat().st_uid != 0


def test_one_role_needs_its_password(postgres_server: PostgresServer, postgres_url: str) -> None:
    """The guarded role logs in with its password and with no other."""
    postgres_server.make_guarded_role()
    guarded = postgres_server.url_of("postgres", role=GUARDED_ROLE)
    with psycopg.connect(guarded, password=PASSWORD) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (GUARDED_ROLE,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(guarded, password="wrong")


def test_servers_on_tcp(postgres_tcp_server: PostgresServer, redis_server: RedisServer) -> None:
    """Made with TCP both listen on 127.0.0.1; PostgreSQL asks for the password there."""
    assert answers(postgres_tcp_server.tcp_url_of("postgres"))
    assert not answers(postgres_tcp_server.tcp_url_of("postgres").replace(PASSWORD.split()[0], "wrong"))
    server = RedisServer(tcp=True)
    try:
        with redis.Redis.from_url(server.tcp_url) as client:
            assert client.ping()
    finally:
        server.close()
    assert not server.running


def test_redis_comes_back_empty(redis_server: RedisServer, redis_url: str) -> None:
    """After a crash Redis is there again at the same place, with nothing in it; so it is after `clear`."""
    with redis.Redis.from_url(redis_url) as client:
        client.set("key", "value")
        redis_server.kill()
        assert not redis_server.running
        redis_server.start()
        assert client.dbsize() == 0
        client.set("key", "value")
        redis_server.clear()
        assert client.dbsize() == 0


def test_a_program_that_does_not_start_says_why(redis_server: RedisServer) -> None:
    """A server that ends at once is an error with its last words, not a skipped test."""
    process = ServerProcess("broken")
    try:
        with pytest.raises(StartError, match="cannot go on"):
            process.begin(["/bin/sh", "-c", "echo cannot go on; exit 1"], lambda: False)
    finally:
        process.close()
    assert not process.directory.exists()


def test_a_wheel_out_of_reach_is_copied(tmp_path: Path) -> None:
    """A program below a directory closed to others runs from a copy, with the libraries beside its package."""
    package = tmp_path / "closed" / "site-packages" / "wheel"
    (package / "bin").mkdir(parents=True)
    (package.parent / "wheel.libs").mkdir()
    (package.parent / "wheel.libs" / "word").write_text("library")
    program = package / "bin" / "server"
    program.write_text('#!/bin/sh\ncat "$(dirname "$0")/../../wheel.libs/word"\n')
    program.chmod(0o700)
    (tmp_path / "closed").chmod(0o700)
    server = ServerProcess("copy")
    try:
        account = Account.of_servers()
        found = usable(program, account, server.directory / "programs")
        assert found is not None
        assert (found == program) == (os.geteuid() != 0)
        assert account.run([found, "--version"]).stdout == "library"
        assert usable(tmp_path / "none", account, server.directory / "programs") is None
    finally:
        server.close()


@pytest.mark.parametrize("needed", [False, True])
def test_without_servers_tests_are_skipped_loudly(tmp_path: Path, needed: bool) -> None:
    """Where no server is the run says how many tests were skipped and why; where they are needed those fail."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.servers.fixtures"]\n')
    (tmp_path / "test_it.py").write_text(
        "def test_one(postgres_url): pass\ndef test_two(postgres_url): pass\ndef test_three(redis_url): pass\n"
    )
    nowhere = {PROGRAMS: str(tmp_path / "none"), PROGRAM: str(tmp_path / "none" / "redis-server")}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        env=os.environ | nowhere | {NEED: "1" if needed else ""},
    )  # fmt: skip
    assert run.returncode == (1 if needed else 0), run.stdout
    assert ("2 tests SKIPPED: no PostgreSQL" in run.stdout) == (not needed)
    assert ("1 tests SKIPPED: no Redis" in run.stdout) == (not needed)
    assert "none" in run.stdout


def test_signals_to_nobody_are_nothing() -> None:
    """A process that is gone is neither signalled nor waited for."""
    with subprocess.Popen(["/bin/true"]) as gone:
        pass
    guard.signal_all([gone.pid], signal.SIGTERM)
    assert guard.family(gone.pid) == []
    assert guard.wait_gone([gone.pid], 0)
    assert guard.number_in(Path("/nowhere")) == 0
