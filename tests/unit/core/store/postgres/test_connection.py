"""Connections to a real PostgreSQL: what is set, what is refused and in which words, and what a hang costs."""

from __future__ import annotations

import select
import threading
from pathlib import Path

import psycopg
import pytest

from core.errors import ConfigurationError, ConsoleError, PermanentError, ResourceExhaustedError, TransientError
from core.store.postgres import connection as module
from core.store.postgres.connection import Connection, Session, connect, printable_url, where, within
from tests.servers.postgres import GUARDED_ROLE, PASSWORD, PostgresServer

SECRET = "s3cret"


def shown(connection: Connection, setting: str) -> str:
    """What a setting of the session is."""
    row = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()
    assert row is not None
    return str(row[0])


def test_a_connection_is_set_up(postgres_url: str) -> None:
    """It commits by itself and durably, under a name, in UTC, and the server ends what takes too long."""
    with connect(postgres_url, name="ringside test", statement_s=1.5) as connection:
        assert connection.autocommit
        settings = ("application_name", "synchronous_commit", "statement_timeout", "TimeZone", "client_encoding")
        assert [shown(connection, name) for name in settings] == ["ringside test", "on", "1500ms", "UTC", "UTF8"]


def test_durable_is_what_was_asked_for(postgres_server: PostgresServer, postgres_url: str) -> None:
    """Whatever the database was set to: not durable does not wait for the disk, durable does."""
    with connect(postgres_url, durable=False) as connection:
        assert shown(connection, "synchronous_commit") == "off"
        name = connection.info.dbname
    postgres_server.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with connect(postgres_url) as connection:
        assert shown(connection, "synchronous_commit") == "on"
    postgres_server.execute(f"ALTER DATABASE {name} SET synchronous_commit = local")
    with connect(postgres_url) as connection:
        assert shown(connection, "synchronous_commit") == "local"


def test_what_the_url_says_counts(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search path, a name and a time limit of the URL, or of the environment, stand before ours."""
    with connect(
        f"{postgres_url}&options=-csearch_path%3Dother&application_name=mine&connect_timeout=9"
    ) as connection:
        assert shown(connection, "search_path") == "other"
        assert shown(connection, "application_name") == "mine"
        assert connection.info.get_parameters()["connect_timeout"] == "9"
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "7")
    monkeypatch.setenv("PGAPPNAME", "from outside")
    with connect(postgres_url) as connection:
        assert connection.info.get_parameters()["connect_timeout"] == "7"
        assert shown(connection, "application_name") == "from outside"


def test_passwords_may_stay_out_of_the_url(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment and libpq's password file are asked for what the URL leaves out."""
    postgres_server.make_guarded_role()
    url = postgres_server.url_of("postgres", role=GUARDED_ROLE)
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"*:*:*:{GUARDED_ROLE}:{PASSWORD}\n")
    passwords.chmod(0o600)
    with monkeypatch.context() as patched:
        patched.setenv("PGPASSFILE", str(passwords))
        connect(url).close()
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    connect(url).close()


@pytest.mark.parametrize(
    ("change", "wanted", "words"),
    [
        (("", ""), ConfigurationError, "no password"),
        (("guarded@", f"guarded:{SECRET}@"), ConfigurationError, "password authentication failed"),
        (("guarded@/postgres", "ringside@/nowhere"), ConfigurationError, 'database "nowhere" does not exist'),
        (("guarded@/postgres", "ringside@/template0"), ConfigurationError, "not currently accepting connections"),
        (("guarded@", "nobody_here@"), ConfigurationError, 'role "nobody_here" does not exist'),
        (("host=", "host=/nowhere"), TransientError, "No such file or directory"),
        (("guarded@/postgres?host=", f"u:{SECRET}@127.0.0.1:1/x?options="), TransientError, "refused"),
        (("guarded@/postgres?host=", f"u:{SECRET}@nowhere.invalid/x?options="), TransientError, "nowhere.invalid"),
        (("port=5432", "sslmode=never"), ConfigurationError, "sslmode"),
        (("port=5432", "nonsense=1"), ConfigurationError, "cannot be read"),
    ],
)
def test_a_refusal_says_whose_fault_it_is(
    postgres_server: PostgresServer, change: tuple[str, str], wanted: type[ConsoleError], words: str
) -> None:
    """Wrong users, passwords, databases and options are settings to mend, a server that is away is waited for."""
    postgres_server.start()
    postgres_server.make_guarded_role()
    url = postgres_server.url_of("postgres", role=GUARDED_ROLE).replace(*change)
    with pytest.raises(wanted, match=words) as caught:
        connect(url)
    assert str(caught.value).isprintable()
    assert SECRET not in str(caught.value)
    assert caught.value.hint or wanted is TransientError


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@@host/db",
        f"postgresql://me:a@{SECRET}@host/db",
        f"postgresql://me:a/{SECRET}@host/db",
        f"postgres://me:a {SECRET}@host/db",
        f"postgresql://me:%zz{SECRET}@host/db",
        f"postgresql://me:{SECRET}",
        f"postgresql://me:{SECRET}/db",
        f"host=a b{SECRET}",
        f"password={SECRET} nonsense=1",
        f"password='{SECRET}",
        SECRET,
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    """What may hold a password in the wrong place is never shown, and says how a URL looks."""
    with pytest.raises(ConfigurationError) as caught:
        connect(url)
    seen: BaseException | None = caught.value
    while seen is not None:
        assert SECRET not in str(seen)
        seen = seen.__cause__ or seen.__context__
    assert caught.value.hint
    assert SECRET not in printable_url(url)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        (f"postgresql://me:{SECRET}@db.example:6543/ticks", "postgresql://me@db.example:6543/ticks"),
        (f"postgres://me@db.example/ticks?password={SECRET}", "postgresql://me@db.example:5432/ticks"),
        (f"host=db.example user=me password={SECRET} dbname=ticks", "postgresql://me@db.example:5432/ticks"),
        ("postgresql://me@/ticks?host=/run/pg", "postgresql://me@/ticks?host=/run/pg&port=5432"),
        (f"postgresql://me:a%40{SECRET}@h/ticks", "postgresql://me@h:5432/ticks"),
        ("postgresql:///ticks", "postgresql:///ticks"),
        ("dbname='a\x1b[2J'", "postgresql:///a?[2J"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """User, host, port and database are shown, fit for a terminal, and nothing else."""
    for name in ("PGUSER", "PGHOST", "PGPORT", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
    assert printable_url(url) == wanted


def test_a_full_server_is_waited_for(postgres_server: PostgresServer, postgres_url: str) -> None:
    """A server without a connection left is a limit, to be tried again after a while."""
    postgres_server.make_guarded_role()
    with connect(postgres_url) as owner:
        owner.execute(f"ALTER DATABASE {owner.info.dbname} CONNECTION LIMIT 0".encode())
        url = postgres_server.url_of(owner.info.dbname, role=GUARDED_ROLE)
        with pytest.raises(ResourceExhaustedError, match="too many connections") as caught:
            connect(f"{url}&password={PASSWORD.replace(' ', '%20')}")
    assert caught.value.retry_after_s > 0


def test_an_old_server_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server older than what the tables need is a setting to mend."""
    monkeypatch.setattr(module, "OLDEST_SERVER", 990_000)
    with pytest.raises(ConfigurationError, match="too old"):
        connect(postgres_url)


def test_a_frozen_server_holds_nobody(postgres_server: PostgresServer, postgres_url: str) -> None:
    """Neither connecting nor asking hangs for ever while the server is frozen; afterwards both work."""
    connection = connect(postgres_url)
    postgres_server.pause()
    with pytest.raises(TransientError, match=r"no answer within 0.2 s"), within(connection, 0.2, operation="asking"):
        connection.execute("SELECT 1")
    assert connection.closed
    with pytest.raises(TransientError):
        connect(postgres_url, timeout_s=2)
    postgres_server.resume()
    connection.close()
    connect(postgres_url).close()


def test_a_slow_answer_costs_its_own_connection_only(postgres_url: str) -> None:
    """What takes longer than its time is cut; another connection, and one whose time suffices, go on."""
    with connect(postgres_url) as slow, connect(postgres_url) as other:
        with within(other, 30), pytest.raises(TransientError, match="no answer"), within(slow, 0.1):
            slow.execute("SELECT pg_sleep(60)")
        with within(other, 30):
            assert other.execute("SELECT 1").fetchone() == (1,)


def test_the_server_ends_what_takes_too_long(postgres_url: str) -> None:
    """A statement over its limit is a passing error and leaves the connection as it was."""
    with connect(postgres_url, statement_s=0.1) as connection:
        with pytest.raises(TransientError, match="statement timeout"), within(connection, 30):
            connection.execute("SELECT pg_sleep(60)")
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_errors_inside_are_ours(postgres_url: str) -> None:
    """What the server refuses has the operation and the place in it, and what to do about missing tables."""
    with connect(postgres_url) as connection:
        with (
            pytest.raises(ConfigurationError, match="db migrate") as caught,
            within(connection, 5, operation="asking"),
        ):
            connection.execute("SELECT * FROM nowhere")
        assert str(caught.value).startswith(f"asking: {where(connection)}: ")
        with pytest.raises(PermanentError), within(connection, 5):
            connection.execute("SELECT 1 / 0")
        with pytest.raises(ZeroDivisionError), within(connection, 5):
            raise ZeroDivisionError
        with pytest.raises(ConfigurationError, match="mine"), within(connection, 5):
            raise ConfigurationError("asking", "mine")


def test_a_closed_connection_is_a_passing_error(postgres_url: str) -> None:
    """Asking where nothing is connected any more is tried again; it says so."""
    connection = connect(postgres_url)
    connection.close()
    assert where(connection) == "PostgreSQL"
    with pytest.raises(TransientError, match="closed"), within(connection, 5):
        raise AssertionError


def test_a_session_connects_when_needed_and_again(postgres_server: PostgresServer, postgres_url: str) -> None:
    """It opens with the first use, keeps its connection, and opens anew after the server ended it or was away."""
    session = Session(postgres_url, name="ringside session")
    assert session.place == printable_url(postgres_url)
    with session.use("asking") as first:
        pid = first.info.backend_pid
        assert shown(first, "application_name") == "ringside session"
    with session.use("asking") as again:
        assert again.info.backend_pid == pid
    with connect(postgres_url) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(TransientError), session.use("asking") as ended:
        ended.execute("SELECT 1")
    with session.use("asking") as fresh:
        assert fresh.info.backend_pid != pid
    for end in (postgres_server.stop, postgres_server.kill):
        end()
        for _ in range(2):
            with pytest.raises(TransientError), session.use("asking") as gone:
                gone.execute("SELECT 1")
        postgres_server.start()
        with session.use("asking") as back:
            assert back.execute("SELECT 1").fetchone() == (1,)
    session.close()


def test_a_session_that_was_cut_opens_again(postgres_server: PostgresServer, postgres_url: str) -> None:
    """A use that takes too long ends, and the next one has a new connection."""
    session = Session(postgres_url, answer_s=0.3)
    with session.use("asking") as connection:
        pid = connection.info.backend_pid
    postgres_server.pause()
    with pytest.raises(TransientError, match="no answer"), session.use("asking") as connection:
        connection.execute("SELECT 1")
    postgres_server.resume()
    with session.use("asking") as connection:
        assert connection.info.backend_pid != pid
    session.close()


def test_what_was_cut_after_its_answer_is_closed(postgres_url: str) -> None:
    """A connection whose time was up while its answer was looked at is not used again."""
    connection = connect(postgres_url)
    with within(connection, 0.05):
        assert select.select([connection], [], [], 30)[0] == [connection]
    assert connection.closed


def test_a_refused_statement_costs_no_connection(postgres_url: str) -> None:
    """After an error of SQL, also in the middle of a transaction, the same connection serves the next use."""
    session = Session(postgres_url)
    with session.use("asking") as connection:
        pid = connection.info.backend_pid
    with pytest.raises(ConfigurationError), session.use("asking") as connection, connection.transaction():
        connection.execute("CREATE TABLE half (number integer); SELECT * FROM nowhere")
    with session.use("asking") as connection:
        assert connection.info.backend_pid == pid
        assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)
    session.close()


def test_a_session_may_be_closed_twice_and_used_again(postgres_url: str) -> None:
    """Closing lets the connection go, more than once too; the next use opens another one."""
    session = Session(postgres_url)
    with session.use("asking") as connection:
        pass
    session.close()
    session.close()
    assert connection.closed
    with session.use("asking") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    session.close()


def test_users_of_a_session_take_turns(postgres_url: str) -> None:
    """Threads that use one session at once each get answers to their own questions."""
    session = Session(postgres_url)
    answers: dict[int, object] = {}

    def ask(number: int) -> None:
        with session.use("asking") as connection:
            answers[number] = connection.execute("SELECT %s::integer", (number,)).fetchone()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.close()
    assert answers == {number: (number,) for number in range(8)}


def test_over_tcp_with_a_password(postgres_tcp_server: PostgresServer) -> None:
    """A TCP connection has its keep-alives set, and shows no password."""
    url = postgres_tcp_server.tcp_url_of("postgres")
    with connect(url) as connection:
        parameters = connection.info.get_parameters()
        assert parameters["tcp_user_timeout"] == "20000"
        assert parameters["keepalives_idle"] == "10"
        assert (
            where(connection)
            == printable_url(url)
            == f"postgresql://ringside@127.0.0.1:{postgres_tcp_server.port}/postgres"
        )
    with pytest.raises(ConfigurationError, match="password authentication failed") as caught:
        connect(url.replace(PASSWORD.split()[0], SECRET))
    assert SECRET not in str(caught.value)
    assert isinstance(caught.value.__cause__, psycopg.OperationalError)
