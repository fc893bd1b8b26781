"""Keeping the history of alerts: on the disk soon, in the database when it answers, and nothing lost in between."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

import attrs
import pytest
import trio

from console.alerting import keeping
from console.alerting.copying import HistoryCopy
from console.alerting.keeping import AlertKeeper, read_history
from console.stores import catalogue_path
from core.clock import DAY_NS, wall_ns
from core.errors import ConfigurationError
from core.store.alert_history import AlertRow
from core.store.catalogue_alert_history import CatalogueAlertHistory
from core.store.postgres.alert_history import PostgresAlertHistory
from core.store.spill.carrier import Retry
from tests.servers.postgres import PostgresServer
from tests.unit.core.store.test_faults import largest_file

DEADLINE_S: Final = 30.0
SOON: Final = Retry(first_s=0.001, last_s=0.01)
ALL: Final = 1_000_000
BASE_NS: Final = wall_ns()


def rows(first: int, last: int, *, instance: str = "alpha", at_ns: int = BASE_NS) -> list[AlertRow]:
    """Rows that tell of these subjects."""
    return [
        AlertRow(
            time_ns=at_ns + number, instance=instance, rule="lag", subject=f"{number}", severity="warning",
            state="firing", value="9", threshold="> 5", message="late",
        )
        for number in range(first, last + 1)
    ]  # fmt: skip


def subjects(found: list[AlertRow]) -> list[int]:
    """What rows tell of, the oldest first."""
    return [int(row.subject) for row in reversed(found)]


def here(directory: Path) -> list[int]:
    """What the catalogue has."""
    return subjects(read_history(directory, ALL))


def there(url: str) -> list[int]:
    """What the database has, whoever copied it."""
    with closing(PostgresAlertHistory(url, origin="")) as history:
        return subjects(history.rows(ALL))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that a thread does."""
    with trio.fail_after(DEADLINE_S):
        while not condition():
            await trio.sleep(0.002)


@asynccontextmanager
async def running(keeper: AlertKeeper) -> AsyncIterator[AlertKeeper]:
    """A keeper that runs; it is cancelled at the end, and has ended afterwards."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        yield keeper
        nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds follow each other sooner."""
    monkeypatch.setattr(keeping, "ROUND_S", 0.005)
    monkeypatch.setattr(keeping, "_DISK_RETRY", SOON)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A catalogue in which another process is writing, until it commits."""
    path = catalogue_path(tmp_path)
    CatalogueAlertHistory(path).close()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


@pytest.mark.trio
async def test_what_is_pushed_is_kept(tmp_path: Path) -> None:
    """Soon and in order, and it can be read while the keeper runs and when it does not."""
    assert read_history(tmp_path, 10) == []
    keeper = AlertKeeper(tmp_path, "", keep_days=30)
    assert await keeper.newest(10) == []
    async with running(keeper):
        keeper.push([])
        keeper.push(rows(1, 3))
        keeper.push(rows(4, 4))
        await until(lambda: here(tmp_path) == [1, 2, 3, 4])
        await until(lambda: keeper.state.waiting == 0)
        assert subjects(await keeper.newest(2)) == [3, 4]
        assert (keeper.state.written, keeper.state.lost, keeper.state.copied, keeper.state.problem) == (4, 0, 0, "")
    assert subjects(read_history(tmp_path, 3, rule="lag", since_ns=BASE_NS + 2)) == [2, 3, 4]
    assert read_history(tmp_path, 3, rule="gap") == []


@pytest.mark.trio
async def test_what_is_left_is_kept_at_the_end(tmp_path: Path, migrated_url: str) -> None:
    """What was pushed just before the keeper is cancelled is on the disk and in the database."""
    keeper = AlertKeeper(tmp_path, migrated_url, keep_days=30, copy_retry=SOON)
    async with running(keeper):
        keeper.push(rows(1, 1))
        await until(lambda: keeper.state.copied == 1)
        keeper.push(rows(2, 2500))
    assert here(tmp_path) == there(migrated_url) == list(range(1, 2501))
    assert (keeper.state.waiting, keeper.state.copied) == (0, 2500)


@pytest.mark.trio
async def test_a_storm_is_kept(tmp_path: Path, migrated_url: str) -> None:
    """Ten thousand rows at once are pushed without waiting, are on the disk within moments, and none is lost."""
    keeper = AlertKeeper(tmp_path, migrated_url, keep_days=30, copy_retry=SOON)
    storm = rows(1, 10_000)
    async with running(keeper):
        began = time.monotonic()
        keeper.push(storm)
        pushed = time.monotonic()
        await until(lambda: keeper.state.waiting == 0)
        written = time.monotonic()
        await until(lambda: keeper.state.copied == keeper.state.written)
    assert pushed - began < 0.5
    assert written - pushed < 5.0
    assert here(tmp_path) == there(migrated_url) == list(range(1, 10_001))
    assert keeper.state.lost == 0


@pytest.mark.trio
async def test_the_engine_does_not_wait_for_the_disk(tmp_path: Path, locked: sqlite3.Connection) -> None:
    """While another process holds the catalogue what is pushed is seen at once, and is written when it lets go."""
    keeper = AlertKeeper(tmp_path, "", keep_days=30)
    async with running(keeper):
        keeper.push(rows(1, 1000))
        assert subjects(await keeper.newest(3)) == [998, 999, 1000]
        assert keeper.state.waiting == 1000
        assert here(tmp_path) == []
        locked.execute("COMMIT")
        await until(lambda: keeper.state.waiting == 0)
        assert subjects(await keeper.newest(ALL)) == list(range(1, 1001))
    assert here(tmp_path) == list(range(1, 1001))


@pytest.mark.trio
async def test_what_does_not_fit_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond the bound rows are lost, and so are those that make no sense; both are counted, and said once."""
    monkeypatch.setattr(keeping, "QUEUE_ROWS", 100)
    keeper = AlertKeeper(tmp_path, "", keep_days=30)
    keeper.push(rows(1, 90))
    keeper.push(rows(91, 120))
    keeper.push([*rows(121, 121), attrs.evolve(rows(122, 122)[0], state="odd")])
    assert (keeper.state.waiting, keeper.state.lost) == (100, 22)
    async with running(keeper):
        await until(lambda: keeper.state.waiting == 0)
        keeper.push(rows(123, 123))
    assert here(tmp_path) == [*range(1, 101), 123]
    assert keeper.state.problem == "22 lines of the history of alerts are lost"
    assert sum("are lost" in record.message for record in caplog.records) == 1


@pytest.mark.trio
async def test_a_place_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once and in words, the rows wait and are seen, and they are written when the place can be used."""
    state = tmp_path / "state"
    state.write_text("a file where a directory should be")
    keeper = AlertKeeper(state, "", keep_days=30)
    with caplog.at_level(logging.INFO, logger="ringside.alerts"):
        async with running(keeper):
            keeper.push(rows(1, 5))
            await until(lambda: keeper._disk.failures > 3)
            assert "not written and waits in memory" in keeper.state.problem
            assert "name a directory that may be written" in keeper.state.problem
            assert keeper.state.waiting == 5
            assert subjects(await keeper.newest(10)) == [1, 2, 3, 4, 5]
            state.unlink()
            await until(lambda: keeper.state.waiting == 0)
            await until(lambda: keeper.state.problem == "")
    assert here(state) == [1, 2, 3, 4, 5]
    said = [record.message for record in caplog.records if "waits in memory" in record.message]
    assert [message.endswith("no longer") for message in said] == [False, True]


@pytest.mark.trio
async def test_a_full_disk(tmp_path: Path) -> None:
    """None of a batch that does not fit is written, all of it waits, and it goes in once when there is room."""
    keeper = AlertKeeper(tmp_path, "", keep_days=30)
    async with running(keeper):
        keeper.push(rows(1, 1))
        await until(lambda: keeper.state.waiting == 0)
        with largest_file(catalogue_path(tmp_path).stat().st_size + 200_000):
            keeper.push(rows(2, 9001))
            await until(lambda: keeper._disk.failures > 1)
            assert keeper.state.waiting == 9000
            assert here(tmp_path) == [1]
        await until(lambda: keeper.state.waiting == 0)
    assert here(tmp_path) == list(range(1, 9002))


@pytest.mark.trio
async def test_the_end_is_bounded(
    tmp_path: Path, locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that does not take what is left delays the end by a stated time only, and what is missing is said."""
    monkeypatch.setattr(keeping, "DRAIN_S", 0.2)
    monkeypatch.setattr(keeping, "CLOSE_S", 0.2)
    keeper = AlertKeeper(tmp_path, "", keep_days=30)
    began = time.monotonic()
    async with running(keeper):
        keeper.push(rows(1, 7))
    assert time.monotonic() - began < 3.0
    assert "7 lines of the history of alerts are not kept" in caplog.text
    locked.execute("COMMIT")


@pytest.mark.trio
async def test_a_database_that_is_away(
    tmp_path: Path, postgres_server: PostgresServer, migrated_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Stopped in the middle it is said once and delays nothing on the disk; when it is back it lacks nothing and has
    nothing twice."""
    keeper = AlertKeeper(tmp_path, migrated_url, keep_days=30, copy_retry=SOON)
    with caplog.at_level(logging.INFO, logger="ringside.alerts"):
        async with running(keeper):
            keeper.push(rows(1, 1500))
            await until(lambda: keeper.state.copied == 1500)
            await trio.to_thread.run_sync(postgres_server.kill)
            for number in range(1501, 1511):
                keeper.push(rows(number, number))
                await until(lambda: keeper.state.waiting == 0)
            await until(lambda: keeper._server.failures > 3)
            assert here(tmp_path) == list(range(1, 1511))
            assert "not copied to the database" in keeper.state.problem
            await trio.to_thread.run_sync(postgres_server.start)
            await until(lambda: keeper.state.copied == 1510)
            await until(lambda: keeper.state.problem == "")
    assert there(migrated_url) == list(range(1, 1511))
    said = [record.message for record in caplog.records if "not copied" in record.message]
    assert [message.endswith("no longer") for message in said] == [False, True]


@pytest.mark.trio
async def test_a_database_that_was_never_there(tmp_path: Path, migrated_url: str) -> None:
    """The history is kept without it, and the next run copies what the one before could not. No password is shown."""
    keeper = AlertKeeper(tmp_path, "postgresql://u:s3cret@127.0.0.1:1/x", keep_days=30, copy_retry=SOON)
    async with running(keeper):
        keeper.push(rows(1, 10))
        await until(lambda: keeper._server.failures > 1)
        assert "s3cret" not in keeper.state.problem
    assert here(tmp_path) == list(range(1, 11))
    again = AlertKeeper(tmp_path, migrated_url, keep_days=30, copy_retry=SOON)
    async with running(again):
        await until(lambda: again.state.copied == 10)
    assert there(migrated_url) == list(range(1, 11))


@pytest.mark.trio
async def test_a_database_that_is_not_migrated(tmp_path: Path, postgres_url: str) -> None:
    """It is told what to do about it."""
    keeper = AlertKeeper(tmp_path, postgres_url, keep_days=30, copy_retry=SOON)
    async with running(keeper):
        keeper.push(rows(1, 1))
        await until(lambda: "db migrate" in keeper.state.problem)
    assert here(tmp_path) == [1]


@pytest.mark.trio
async def test_two_engines_share_a_catalogue(tmp_path: Path, migrated_url: str) -> None:
    """What both write and copy at the same time is there once, in both places, and each shows the other's."""
    one = AlertKeeper(tmp_path, migrated_url, keep_days=30, copy_retry=SOON)
    two = AlertKeeper(tmp_path, migrated_url, keep_days=30, copy_retry=SOON)
    async with running(one), running(two):
        for first in range(1, 3000, 100):
            one.push(rows(first, first + 49, instance="alpha"))
            two.push(rows(first + 50, first + 99, instance="beta"))
            await trio.lowlevel.checkpoint()
        await until(lambda: one.state.waiting == two.state.waiting == 0)
        assert subjects(await one.newest(ALL)) == list(range(1, 3001))
    assert here(tmp_path) == there(migrated_url) == list(range(1, 3001))


KILLED: Final = """
import os, sys
from pathlib import Path
from console.alerting.copying import HistoryCopy
copy = HistoryCopy(Path(sys.argv[1]), sys.argv[2])
assert copy.step() == 1000
print("copied", flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.trio
async def test_a_kill_after_a_copy_doubles_nothing(tmp_path: Path, migrated_url: str) -> None:
    """A process that died as soon as the database had a batch leaves nothing that the next one would copy again."""
    with closing(CatalogueAlertHistory(catalogue_path(tmp_path))) as history:
        history.append(rows(1, 2500))
    killed = await trio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, "-c", KILLED, catalogue_path(tmp_path), migrated_url],
            cwd=Path(__file__).parents[4], capture_output=True, text=True, timeout=60, check=False,
        )
    )  # fmt: skip
    assert (killed.stdout, killed.returncode) == ("copied\n", -9), killed.stderr
    assert len(there(migrated_url)) == 1000
    keeper = AlertKeeper(tmp_path, migrated_url, keep_days=30, copy_retry=SOON)
    async with running(keeper):
        await until(lambda: len(there(migrated_url)) == 2500)
    assert keeper.state.copied == 1500
    assert there(migrated_url) == list(range(1, 2501))


def test_a_catalogue_out_of_a_backup_is_copied_again(tmp_path: Path, migrated_url: str) -> None:
    """It gives numbers anew that the database has of other rows; those that are new are not lost for that."""
    path, backup = catalogue_path(tmp_path), tmp_path / "backup"
    with closing(CatalogueAlertHistory(path)) as history:
        history.append(rows(1, 3))
    shutil.copy(path, backup)
    with closing(CatalogueAlertHistory(path)) as history, closing(HistoryCopy(path, migrated_url)) as copy:
        history.append(rows(4, 9))
        assert (copy.step(), copy.step()) == (9, 0)
    for leftover in tmp_path.glob(f"{path.name}*"):
        leftover.unlink()
    shutil.copy(backup, path)
    with closing(CatalogueAlertHistory(path)) as history:
        history.append(rows(10, 11))
    for lacking in (5, 0):
        with closing(HistoryCopy(path, migrated_url)) as copy:
            assert copy.step() == lacking
    assert set(there(migrated_url)) == set(range(1, 12))


@pytest.mark.trio
async def test_old_rows_are_removed(tmp_path: Path, migrated_url: str) -> None:
    """From the catalogue and from the copy, by the days that are kept; what is younger stays, and 0 days keep all."""
    old, young = wall_ns() - 3 * DAY_NS, wall_ns()
    forever = AlertKeeper(tmp_path, migrated_url, keep_days=0, copy_retry=SOON)
    async with running(forever):
        forever.push([*rows(1, 5, at_ns=old), *rows(6, 8, at_ns=young)])
        await until(lambda: forever.state.copied == 8)
    assert here(tmp_path) == there(migrated_url) == [1, 2, 3, 4, 5, 6, 7, 8]
    keeper = AlertKeeper(tmp_path, migrated_url, keep_days=2, copy_retry=SOON)
    async with running(keeper):
        await until(lambda: here(tmp_path) == there(migrated_url) == [6, 7, 8])
    assert keeper.state.copied == 0


@pytest.mark.trio
async def test_rows_may_come_from_any_thread(tmp_path: Path) -> None:
    """What eight threads push while it is written is all there."""
    keeper = AlertKeeper(tmp_path, "", keep_days=30)
    async with running(keeper):

        def push(first: int) -> None:
            for number in range(first, first + 100):
                keeper.push(rows(number, number))

        threads = [threading.Thread(target=push, args=(first,)) for first in range(0, 800, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await trio.to_thread.run_sync(thread.join)
    assert sorted(here(tmp_path)) == list(range(800))


def test_a_damaged_catalogue_is_told(tmp_path: Path) -> None:
    """Reading it is an error, not an empty history."""
    catalogue_path(tmp_path).write_bytes(b"nonsense" * 1000)
    with pytest.raises(ConfigurationError, match="not a database"):
        read_history(tmp_path, 10)


@pytest.mark.trio
async def test_a_fault_of_the_program_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged and told as one, and what it kept out is written when it is over."""
    keeper = AlertKeeper(tmp_path, "", keep_days=30)
    with monkeypatch.context() as broken:
        broken.setattr(CatalogueAlertHistory, "append", lambda *_: 1 / 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run)
            keeper.push(rows(1, 2))
            await until(lambda: "a fault in the program: ZeroDivisionError" in keeper.state.problem)
            broken.undo()
            await until(lambda: keeper.state.waiting == 0)
            nursery.cancel_scope.cancel()
    assert here(tmp_path) == [1, 2]
