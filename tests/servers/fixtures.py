"""Fixtures with real servers, begun once a run and only when a test asks for one.

Where no server can be had the tests that need one are skipped, and the last lines of the run say how many and why;
with `RINGSIDE_NEED_SERVERS=1` they fail.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Final, NoReturn, TypeVar

import pytest

from tests.servers.postgres import PostgresServer
from tests.servers.process import NoServerError
from tests.servers.redis import RedisServer

NEED: Final = "RINGSIDE_NEED_SERVERS"
_MISSING: Final = ("no PostgreSQL", "no Redis")
_TEMPLATE: Final = "migrated"

Server = TypeVar("Server")
_numbers = itertools.count(1)


def _made(kind: str, make: Callable[[], Server]) -> Server:
    try:
        return make()
    except NoServerError as error:
        _without(f"{kind}: {error}")


def _without(reason: str) -> NoReturn:
    if os.environ.get(NEED, "") not in {"", "0"}:
        pytest.fail(f"{reason} ({NEED} is set)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The PostgreSQL of this run. A test may stop, kill or freeze it: the next one finds it running again."""
    server = _made("no PostgreSQL", PostgresServer)
    yield server
    server.close()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The Redis of this run. A test may stop, kill or freeze it: the next one finds it running again."""
    server = _made("no Redis", RedisServer)
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_tcp_server() -> Iterator[PostgresServer]:
    """A PostgreSQL that listens on 127.0.0.1 as well and asks for a password there."""
    server = _made("no PostgreSQL", lambda: PostgresServer(tcp=True))
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Where a new, empty database is."""
    yield from _database(postgres_server, template="template1")


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """The name of a database that every `migrated_url` is a copy of."""
    from core.store.postgres.connection import connect
    from core.store.postgres.migrate import migrate

    postgres_server.start()
    with connect(postgres_server.make_database(_TEMPLATE)) as connection:
        migrate(connection)
    return _TEMPLATE


@pytest.fixture
def migrated_url(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """Where a new database with all our tables, empty ones, is."""
    yield from _database(postgres_server, template=migrated_template)


def _database(server: PostgresServer, *, template: str) -> Iterator[str]:
    server.start()
    name = f"test_{next(_numbers)}"
    yield server.make_database(name, template=template)
    server.start()
    server.drop_database(name)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> Iterator[str]:
    """Where an empty Redis is."""
    redis_server.start()
    redis_server.clear()
    yield redis_server.url
    redis_server.start()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests could not run for want of a server, and why."""
    reasons = [
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report, pytest.TestReport) and isinstance(report.longrepr, tuple)
    ]
    for kind in _MISSING:
        lacking = [reason for reason in reasons if reason.startswith(kind)]
        if lacking:
            terminalreporter.write_line(f"{len(lacking)} tests SKIPPED: {lacking[0]}", red=True, bold=True)
