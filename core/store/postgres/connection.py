"""Connections to PostgreSQL: how one is opened, what its URL may show, and how long an answer is waited for.

A server that is frozen, or a network that swallows packets, must not hold a thread for ever: whoever asks something
asks it `within` a time, or through a `Session`.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from core.errors import ConfigurationError, TransientError
from core.store.postgres.faults import clean, postgres_error
from core.store.postgres.watchdog import WATCHDOG

Connection = psycopg.Connection[tuple[Any, ...]]

OLDEST_SERVER: Final = 130_000
ANSWER_S: Final = 30.0
_UNREADABLE: Final = "the database URL cannot be read"
_SCHEMES: Final = ("postgresql://", "postgres://")

# What libpq takes for a dead peer after about 20 s, also while it only waits.
_KEEPALIVE: Final = {
    "keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}  # fmt: skip

_SETTINGS: Final = """
SELECT set_config('synchronous_commit', CASE
           WHEN NOT %s THEN 'off'
           WHEN current_setting('synchronous_commit') = 'off' THEN 'on'
           ELSE current_setting('synchronous_commit') END, false),
       set_config('statement_timeout', %s, false),
       set_config('TimeZone', 'UTC', false)
"""


def connect(
    url: str, *, durable: bool = True, timeout_s: float = 5.0, statement_s: float = ANSWER_S, name: str = "ringside"
) -> Connection:
    """Open a connection in autocommit mode; the caller closes it. Blocks, for at most about twice `timeout_s`.

    `url` is a URL or a connection string of libpq, whose environment (PGPASSWORD, ~/.pgpass) counts for what it
    leaves out. A commit waits for the disk if `durable`; the server ends a statement that takes longer than
    `statement_s`; `name` is what its operator sees.

    Raises:
        TransientError: no server answers, or it is starting or stopping.
        ResourceExhaustedError: it has no connection left.
        ConfigurationError: the URL, the user, the password, the database or the server's version is wrong.
    """
    operation = "connecting to PostgreSQL"
    given = _parameters(url)
    place = _printable(given)
    defaults: dict[str, Any] = _KEEPALIVE | {
        "fallback_application_name": name,
        "connect_timeout": max(1, round(timeout_s)),
        "client_encoding": "UTF8",
    }
    if "PGCONNECT_TIMEOUT" in os.environ:
        del defaults["connect_timeout"]
    try:
        connection = psycopg.connect(autocommit=True, **(defaults | given))
    except (psycopg.Error, OSError) as error:
        raise postgres_error(operation, place, error) from error
    try:
        with within(connection, timeout_s, operation=operation):
            if connection.info.server_version < OLDEST_SERVER:
                version = connection.info.server_version
                subject = f"{place}: version {version // 10_000} is too old"
                raise ConfigurationError(operation, subject, hint="use PostgreSQL 13 or newer")
            connection.execute(_SETTINGS, (durable, f"{round(statement_s * 1000)}ms"))
    except BaseException:
        connection.close()
        raise
    return connection


def printable_url(url: str) -> str:
    """The URL of a database without password and options, fit for a terminal; a plain text when it cannot be read."""
    try:
        return _printable(_parameters(url))
    except ConfigurationError:
        return _UNREADABLE


def _parameters(url: str) -> dict[str, Any]:
    # What libpq says of a URL that it cannot read quotes it, and with it what may be the password.
    for scheme in _SCHEMES:
        rest = url.removeprefix(scheme)
        login, _, place = rest.partition("@")
        if rest != url and ("@" in place or (place and "/" in login)):
            raise _unreadable("write @ and / in a user or password as %40 and %2F")
    with contextlib.suppress(psycopg.Error, UnicodeError):
        given = conninfo_to_dict(url)
        if all(port.isdecimal() for port in str(given.get("port") or "0").split(",")):
            return given
    raise _unreadable("postgresql://user:password@host:5432/database")


def _unreadable(hint: str) -> ConfigurationError:
    return ConfigurationError("connecting to PostgreSQL", _UNREADABLE, hint=hint)


def _printable(parameters: dict[str, Any]) -> str:
    def part(key: str, variable: str, otherwise: str) -> str:
        return str(parameters.get(key) or os.environ.get(variable) or otherwise)

    user = part("user", "PGUSER", "")
    host = part("host", "PGHOST", "") or str(parameters.get("hostaddr") or "")
    port = part("port", "PGPORT", "5432")
    database = part("dbname", "PGDATABASE", user)
    login = f"{user}@" if user else ""
    if not host or host.startswith("/"):
        shown = f"postgresql://{login}/{database}" + (f"?host={host}&port={port}" if host else "")
    else:
        shown = f"postgresql://{login}{host}:{port}/{database}"
    return clean(shown)


def where(connection: Connection) -> str:
    """The place a connection leads to, as `printable_url` says it."""
    information = connection.info
    try:
        parameters = {key: getattr(information, key) for key in ("user", "host", "port", "dbname")}
    except psycopg.Error:  # closed
        return "PostgreSQL"
    return _printable(parameters)


@contextlib.contextmanager
def within(connection: Connection, timeout_s: float, *, operation: str = "asking PostgreSQL") -> Iterator[None]:
    """Let what is asked of `connection` inside take at most `timeout_s`: then its socket is cut, whoever hangs in it.

    psycopg's errors inside leave as ours.

    Raises:
        TransientError: it took longer; the connection is broken.
        ConsoleError: as `postgres_error` says.
    """
    try:
        watched = WATCHDOG.watch(connection.fileno(), timeout_s)
    except (psycopg.Error, OSError) as error:
        raise TransientError(operation, f"{where(connection)}: the connection is closed") from error
    try:
        yield
    except (psycopg.Error, OSError) as error:
        subject = where(connection)
        if watched.cut:
            raise TransientError(operation, f"{subject}: no answer within {timeout_s:g} s") from error
        raise postgres_error(operation, subject, error) from error
    finally:
        WATCHDOG.release(watched)
        if watched.cut:  # perhaps just after the answer, and nobody has noticed yet
            connection.close()


class Session:
    """One connection, opened when it is first needed and again after it broke. Its users take turns; `close` may be
    called from any thread, and more than once; used again afterwards it opens again.

    `statement_s` is how long the server works at one statement, `answer_s` how long a whole `use` may take.
    """

    def __init__(self, url: str, *, durable: bool = True, name: str = "ringside", answer_s: float = ANSWER_S) -> None:
        self._url = url
        self._durable = durable
        self._name = name
        self._answer_s = answer_s
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    @property
    def place(self) -> str:
        """Where it leads, without a secret."""
        return printable_url(self._url)

    @contextlib.contextmanager
    def use(self, operation: str) -> Iterator[Connection]:
        """The connection, for `operation`, which the errors name. Raises as `connect` and `within` do."""
        with self._lock:
            connection = self._connection
            if connection is None or connection.closed:
                connection = connect(self._url, durable=self._durable, statement_s=self._answer_s, name=self._name)
                self._connection = connection
            try:
                with within(connection, self._answer_s, operation=operation):
                    yield connection
            finally:
                if connection.closed:
                    connection.close()  # also of one that broke there is something to let go
                    self._connection = None

    def close(self) -> None:
        """Let the connection go, when whoever uses it is done."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
