"""Migrations on a real PostgreSQL: applied once, in order, whole or not at all, and refused when something is odd."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import psycopg
import pytest

from core.errors import ConfigurationError, ConsoleError, PermanentError, TransientError
from core.store.postgres.connection import Connection, connect
from core.store.postgres.migrate import Migration, available, check, migrate, uses_timescale, waiting
from tests.servers.postgres import GUARDED_ROLE, PASSWORD, PostgresServer

ROOT = Path(__file__).resolve().parents[5]
TABLES = {
    "series", "positions", "instruments", "bar_data", "packed_data", "tick_data", "record_data", "gaps", "quarantine",
    "jobs", "spend", "fetched", "alert_history", "live_strategy_log", "schema_migrations",
}  # fmt: skip
GOOD = Migration(1, "0001_good.sql", "CREATE TABLE good (number integer)")
BAD = Migration(2, "0002_bad.sql", "CREATE TABLE bad (number integer); SELECT 1 / 0")
SLOW = Migration(2, "0002_slow.sql", "CREATE TABLE slow (number integer); SELECT pg_sleep(3600)")
DEADLINE_S = 30.0


@pytest.fixture
def connection(postgres_url: str) -> Iterator[Connection]:
    """A connection to an empty database."""
    with connect(postgres_url) as opened:
        yield opened


def tables(connection: Connection, schema: str = "public") -> set[str]:
    """The tables there are, partitions not counted."""
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = to_regnamespace(%s)",
        (schema,),
    )
    return {str(name) for (name,) in rows}


def test_an_empty_database_gets_every_table(connection: Connection) -> None:
    """All migrations run in order and are named; then there is nothing to do, and the check passes."""
    with pytest.raises(ConfigurationError, match=r"not migrated: 0001.*db migrate"):
        check(connection)
    said: list[str] = []
    names = [migration.name for migration in available()]
    assert migrate(connection, report=said.append) == names
    assert [line for line in said if line in names] == names
    assert tables(connection) == TABLES
    assert migrate(connection) == []
    check(connection)


def test_what_is_missing_is_applied(connection: Connection) -> None:
    """A database that is behind is told what it lacks and gets only that."""
    known = available()
    assert migrate(connection, migrations=known[:1]) == [known[0].name]
    with pytest.raises(ConfigurationError, match="not migrated") as caught:
        check(connection)
    assert known[0].name not in str(caught.value)
    assert migrate(connection) == [migration.name for migration in known[1:]]
    check(connection)


def test_gaps_of_an_older_database_are_kept(connection: Connection) -> None:
    """Gaps that were recorded before it was told what was recovered are there after the migration."""
    known = available()
    migrate(connection, migrations=known[:2])
    connection.execute(
        "INSERT INTO gaps (venue, symbol, schema, start_ns, end_ns, rows, cause)"
        " VALUES ('KRAKEN', 'BTCUSD', 'trades', 1, 5, 9, 'missed')"
    )
    assert migrate(connection)[0] == known[2].name
    found = connection.execute("SELECT rows, cause, recovered, reason FROM gaps").fetchall()
    assert found == [(9, "missed", 0, "")]


def test_what_would_be_done_is_told_and_not_done(connection: Connection) -> None:
    """The names that wait, and who will keep the days, are known beforehand, and looking changes nothing."""
    names = [migration.name for migration in available()]
    for _ in range(2):
        assert waiting(connection) == names
        assert not uses_timescale(connection)
    assert tables(connection) == set()
    migrate(connection)
    assert waiting(connection) == []
    assert not uses_timescale(connection)


def test_the_server_is_heard(connection: Connection) -> None:
    """What a migration says goes to who asked for it, fit for a terminal, and no longer than it lasts."""
    said: list[str] = []
    talking = Migration(1, "0001_talk.sql", "DO $$ BEGIN RAISE NOTICE E'by the way\\x1b[2J'; END $$")
    migrate(connection, report=said.append, migrations=[talking])
    assert said == ["by the way?[2J", "0001_talk.sql"]
    connection.execute(b"DO $$ BEGIN RAISE NOTICE 'later'; END $$")
    assert len(said) == 2


def test_a_failure_in_the_middle_leaves_nothing_half_done(connection: Connection) -> None:
    """What a failing migration did is undone, those before it stay, and once mended it goes on from there."""
    with pytest.raises(PermanentError, match="division by zero"):
        migrate(connection, migrations=[GOOD, BAD])
    assert tables(connection) == {"good", "schema_migrations"}
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    mended = attrs.evolve(BAD, text="CREATE TABLE bad (number integer)")
    assert migrate(connection, migrations=[GOOD, mended]) == [BAD.name]
    check(connection, migrations=[GOOD, mended])


def test_a_server_that_dies_in_the_middle_leaves_nothing_half_done(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Killed while it migrates, the server comes back without a trace of the migration, which can be repeated."""
    caught: list[ConsoleError] = []

    def work() -> None:
        with connect(postgres_url) as connection:
            try:
                migrate(connection, migrations=[GOOD, SLOW])
            except ConsoleError as error:
                caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_for_sleep(postgres_url)
    postgres_server.kill()
    thread.join()
    assert [type(error) for error in caught] == [TransientError]
    postgres_server.start()
    with connect(postgres_url) as connection:
        assert tables(connection) == {"good", "schema_migrations"}
        migrate(connection, migrations=[GOOD, attrs.evolve(SLOW, text="CREATE TABLE slow (number integer)")])


def wait_for_sleep(url: str) -> None:
    """Wait until somebody sleeps in the database."""
    deadline = time.monotonic() + DEADLINE_S
    with connect(url) as connection:
        while not connection.execute(
            "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        ).fetchall():
            assert time.monotonic() < deadline


def test_two_at_once_apply_everything_once(postgres_url: str) -> None:
    """Of several that migrate at the same time each migration is applied by exactly one; none fails."""
    applied: list[str] = []
    failed: list[Exception] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        with connect(postgres_url) as connection:
            barrier.wait()
            try:
                applied.extend(migrate(connection))
            except ConsoleError as error:
                failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(applied) == [migration.name for migration in available()]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE schema_migrations SET sha256 = 'else' WHERE version = 1", "0001_market_data.sql was edited"),
        ("DELETE FROM schema_migrations WHERE version = 1", "migration 0001 is missing before 0002"),
        (
            f"INSERT INTO schema_migrations VALUES ({len(available()) + 1}, E'9999_later\\x1b.sql', '')",
            r"the database is newer.*9999_later\?\.sql.*use the newer program",
        ),
    ],
)
def test_a_database_that_went_another_way_is_refused(connection: Connection, statement: str, words: str) -> None:
    """An edited, a missing and an unknown migration are told; nothing is changed."""
    migrate(connection)
    connection.execute(statement.encode())
    before = connection.execute("SELECT * FROM schema_migrations ORDER BY version").fetchall()
    for act in (check, migrate):
        with pytest.raises(ConfigurationError, match=words) as caught:
            act(connection)
        assert caught.value.hint
        assert str(caught.value).isprintable()
    assert connection.execute("SELECT * FROM schema_migrations ORDER BY version").fetchall() == before


def test_tables_of_others_are_left_alone(connection: Connection) -> None:
    """Where a table has one of our names already nothing is done, and a place of its own is asked for."""
    connection.execute("CREATE TABLE tick_data (mine integer)")
    with pytest.raises(ConfigurationError, match=r"already exists.*of its own"):
        migrate(connection)
    assert tables(connection) == {"tick_data"}


def test_without_the_right_to_make_tables(postgres_server: PostgresServer, postgres_url: str) -> None:
    """A role that may only read is told so; it may check a migrated database that it may read."""
    postgres_server.make_guarded_role()
    with connect(postgres_url) as owner:
        name = owner.info.dbname
        owner.execute(b"REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        guarded = f"{postgres_server.url_of(name, role=GUARDED_ROLE)}&password={PASSWORD.replace(' ', '%20')}"
        with connect(guarded) as reader:
            with pytest.raises(ConfigurationError, match=r"permission denied.*grant"):
                migrate(reader)
            migrate(owner)
            with pytest.raises(ConfigurationError, match=r"permission denied.*grant"):
                check(reader)
            owner.execute(f"GRANT SELECT ON schema_migrations TO {GUARDED_ROLE}".encode())
            check(reader)
            owner.execute(f"REVOKE ALL ON schema_migrations FROM {GUARDED_ROLE}".encode())


def test_a_read_only_database_is_refused(postgres_url: str) -> None:
    """A session that may not write, as on a standby, is told to go where one may."""
    with (
        connect(f"{postgres_url}&options=-cdefault_transaction_read_only%3Don") as connection,
        pytest.raises(ConfigurationError, match=r"read-only transaction.*may write"),
    ):
        migrate(connection)


def test_a_search_path_to_nowhere_is_refused(postgres_url: str) -> None:
    """A search path without a schema that is there is a setting to mend."""
    with (
        connect(f"{postgres_url}&options=-csearch_path%3Dnowhere") as connection,
        pytest.raises(ConfigurationError, match="create the schema"),
    ):
        migrate(connection)


def test_schemas_are_places_of_their_own(connection: Connection, postgres_url: str) -> None:
    """Two schemas of one database are migrated apart, each with days of its own, and nothing lands elsewhere."""
    for schema in ("first", "second"):
        connection.execute(f"CREATE SCHEMA {schema}".encode())
        with connect(f"{postgres_url}&options=-csearch_path%3D{schema}") as inside:
            migrate(inside)
            check(inside)
            assert inside.execute("SELECT ensure_day('tick_data', 1)").fetchone() == (True,)
        assert tables(connection, schema) == TABLES
    assert tables(connection) == set()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "carries none"),
        (["0002_a.sql"], "0002_a.sql stands where 0001 should"),
        (["0001_a.sql", "0003_b.sql"], "0003_b.sql stands where 0002 should"),
        (["0001_a.sql", "0001_b.sql"], "0001_b.sql stands where 0002 should"),
        (["0001_a.sql", "1_b.sql"], "1_b.sql is not called"),
    ],
)
def test_files_that_do_not_count_up_are_refused(tmp_path: Path, names: list[str], words: str) -> None:
    """No file, a gap, a number given twice and a name that has no number are the program's own faults, and told."""
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    (tmp_path / "__init__.py").touch()
    with pytest.raises(ConfigurationError, match=words):
        available(tmp_path)


def test_line_ends_do_not_count(tmp_path: Path) -> None:
    """A file that was checked out with other line ends is the same migration."""
    (tmp_path / "0001_a.sql").write_bytes(b"SELECT 1;\r\nSELECT 2;\r\n")
    (found,) = available(tmp_path)
    assert found.sha256 == Migration(1, "0001_a.sql", "SELECT 1;\nSELECT 2;\n").sha256


def test_migrations_come_out_of_a_zip(tmp_path: Path) -> None:
    """Packed into one file the program finds the same migrations."""
    archive = tmp_path / "program.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in (ROOT / "sql").iterdir():
            if path.is_file():
                packed.write(path, f"sql/{path.name}")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import sql; assert sys.argv[1] in sql.__file__\n"
        "from core.store.postgres.migrate import available\n"
        "print(*(migration.sha256 for migration in available()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, archive], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.split() == [migration.sha256 for migration in available()]
