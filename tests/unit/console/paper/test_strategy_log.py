"""The log that a running session fills from its ledger."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
import trio

from console.paper import strategy_log
from console.paper.strategy_log import StrategyLogService, complete, opened_strategy_log
from console.stores import catalogue_path
from core.errors import ConsoleError, TransientError
from core.store.catalogue_strategy_log import CatalogueStrategyLog
from core.store.spill.carrier import Retry
from core.store.strategy_log import StrategyLog, StrategyRow
from tests.servers.postgres import PostgresServer
from tests.unit.console.paper.ledgers import fill, numbered, signal, trading
from tests.unit.console.paper.session import HASHES, SESSION, Ledger

DEADLINE_S: Final = 30.0
SOON: Final = Retry(first_s=0.001, last_s=0.01)
GONE: Final = TransientError("writing the strategy log", "the server has gone away")
ALL: Final = 1_000_000


class ScriptedLog:
    """A real log. `fault` is raised by every call while it is set; with `late` only when the work is done. While
    `open` is cleared, writing hangs."""

    def __init__(self, log: StrategyLog) -> None:
        self._log = log
        self.fault: Exception | None = None
        self.late = False
        self.open = threading.Event()
        self.open.set()
        self.batches: list[int] = []

    def append(self, rows: Sequence[StrategyRow]) -> int:
        """As the real one, but for the faults."""
        assert self.open.wait(DEADLINE_S)
        if self.fault is not None and not self.late:
            raise self.fault
        self.batches.append(len(rows))
        written = self._log.append(rows)
        if self.fault is not None:
            raise self.fault
        return written

    def newest_line(self, session_id: str) -> int:
        """As the real one, but for the faults."""
        if self.fault is not None:
            raise self.fault
        return self._log.newest_line(session_id)

    def rows(self, session_id: str | None, limit: int) -> list[StrategyRow]:
        """As the real one."""
        return self._log.rows(session_id, limit)

    def close(self) -> None:
        """As the real one."""
        self._log.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ScriptedLog]:
    """An empty log."""
    with closing(CatalogueStrategyLog(tmp_path / "catalogue.sqlite3")) as made:
        yield ScriptedLog(made)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty ledger."""
    return Ledger(tmp_path / "ledger.ndjson")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds follow each other sooner."""
    monkeypatch.setattr(strategy_log, "ROUND_S", 0.005)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that a thread does."""
    with trio.fail_after(DEADLINE_S):
        while not condition():
            await trio.sleep(0.002)


def lines(log: StrategyLog) -> list[int]:
    """The lines of the session of which there are rows, in the order in which they were written."""
    return [row.line for row in reversed(log.rows(SESSION, ALL))]


def expected(steps: int) -> list[int]:
    """Those of which there should be some: the first three of five."""
    return [line for line in range(1, 5 * steps + 1) if line % 5 in {1, 2, 3}]


def service_of(log: StrategyLog, ledger: Ledger) -> StrategyLogService:
    """A service for the ledger's session."""
    return StrategyLogService(log, SESSION, HASHES, read_from=ledger.read_from, retry=SOON)


@pytest.mark.trio
@pytest.mark.usefixtures("at_once")
async def test_what_is_pushed_is_written(log: ScriptedLog, ledger: Ledger) -> None:
    """Soon, once, in order and in batches, and it says so; the ledger is read at the start only."""
    service = service_of(log, ledger)
    service.push([])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run)
        await until(lambda: ledger.reads == [1])
        for _ in range(3):
            service.push(ledger.write(trading(500)))
            await until(lambda: service.state.waiting == 0)
        nursery.cancel_scope.cancel()
    assert lines(log) == expected(1500)
    assert (service.state.written, service.state.failures, service.state.problem) == (4500, 0, "")
    assert ledger.reads == [1]
    assert max(log.batches) <= 1002


@pytest.mark.trio
async def test_what_is_left_is_written_at_the_end(log: ScriptedLog, ledger: Ledger) -> None:
    """Also what was pushed just before, and a fill of which nobody will know the account."""
    service = service_of(log, ledger)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run)
        await until(lambda: ledger.reads == [1])
        service.push(ledger.write([*trading(2), fill(9)]))
        nursery.cancel_scope.cancel()
    assert lines(log) == [*expected(2), 11]
    assert service.state.waiting == 0


@pytest.mark.trio
@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("late", [False, True])
async def test_a_log_that_is_away_loses_and_doubles_nothing(log: ScriptedLog, ledger: Ledger, late: bool) -> None:
    """While it cannot be written that is said, with what waits; afterwards every row is there once, whether or not
    the log had taken rows of which it did not say so."""
    service = service_of(log, ledger)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run)
        service.push(ledger.write(trading(1)))
        await until(lambda: lines(log) == expected(1))
        log.late, log.fault = late, GONE
        service.push(ledger.write(trading(1000)))
        await until(lambda: service.state.failures > 3)
        assert service.state.problem == str(GONE)
        assert service.state.waiting == 5000
        log.fault = None
        await until(lambda: service.state.waiting == 0)
        nursery.cancel_scope.cancel()
    assert service.state.problem == ""
    assert lines(log) == expected(1001)
    assert service.state.written == len(expected(1001))


@pytest.mark.trio
@pytest.mark.usefixtures("at_once")
async def test_what_does_not_fit_in_memory_is_read_again(
    log: ScriptedLog, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines that were pushed out of the queue while the log hung come from the ledger, once and in order."""
    monkeypatch.setattr(strategy_log, "QUEUE_LINES", 100)
    service = service_of(log, ledger)
    log.open.clear()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run)
        await until(lambda: ledger.reads == [1])
        for _ in range(100):
            service.push(ledger.write(trading(10)))
        assert service.state.waiting == 5000
        log.open.set()
        await until(lambda: service.state.waiting == 0)
        service.push(ledger.write(trading(1)))
        await until(lambda: service.state.waiting == 0)
        nursery.cancel_scope.cancel()
    assert len(ledger.reads) > 1
    assert lines(log) == expected(1001)


@pytest.mark.trio
@pytest.mark.usefixtures("at_once")
async def test_a_session_goes_on_where_its_log_ends(log: ScriptedLog, ledger: Ledger) -> None:
    """Rows that are there are not written again, those that are not are, with what a fill needs of lines before."""
    everything = ledger.write(trading(20))
    assert complete(log, SESSION, HASHES, everything[:52]) == 32
    service = service_of(log, ledger)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run)
        await until(lambda: service.state.written > 0)
        nursery.cancel_scope.cancel()
    assert lines(log) == expected(20)
    assert service.state.written == len(expected(20)) - 32
    assert {row.cash for row in log.rows(SESSION, ALL) if row.event == "fill"} == {"900", None}


@pytest.mark.trio
@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("fault", [ValueError("no such thing"), GONE])
async def test_a_ledger_that_cannot_be_read_is_tried_again(
    log: ScriptedLog, ledger: Ledger, fault: Exception
) -> None:
    """Whatever is wrong with it is told and ends nothing; then everything is written."""
    faults = [fault]

    def read_from(first: int) -> Iterator[strategy_log.Numbered]:
        if faults:
            raise faults[0]
        return ledger.read_from(first)

    service = StrategyLogService(log, SESSION, HASHES, read_from=read_from, retry=SOON)
    service.push(ledger.write(trading(3)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run)
        await until(lambda: service.state.failures > 1)
        assert str(fault) in service.state.problem
        faults.clear()
        await until(lambda: service.state.waiting == 0)
        nursery.cancel_scope.cancel()
    assert lines(log) == expected(3)


@pytest.mark.trio
@pytest.mark.usefixtures("at_once")
async def test_lines_that_the_ledger_lacks_are_a_problem(log: ScriptedLog, ledger: Ledger) -> None:
    """What comes after a line that is nowhere is not written before it is found."""
    service = service_of(log, ledger)
    first, second = numbered([signal()]), numbered([signal()], 3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run)
        service.push(first)
        service.push(second)
        await until(lambda: service.state.failures > 1)
        assert "line 2 of the ledger cannot be read yet" in service.state.problem
        ledger.write([signal(), signal(), signal()])
        await until(lambda: service.state.waiting == 0)
        nursery.cancel_scope.cancel()
    assert lines(log) == [1, 2, 3]


@pytest.mark.trio
async def test_the_end_does_not_wait_for_ever(
    log: ScriptedLog, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that hangs is given up, and says what it lacks; what it lacks is completed later, each row once."""
    monkeypatch.setattr(strategy_log, "DRAIN_S", 0.05)
    service = service_of(log, ledger)
    log.open.clear()
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.run)
            service.push(ledger.write(trading(10)))
            nursery.cancel_scope.cancel()
    assert service.state.waiting == 50
    log.open.set()
    complete(log, SESSION, HASHES, ledger.read_from(1))
    assert lines(log) == expected(10)


def test_completing_writes_what_is_missing(log: ScriptedLog, ledger: Ledger) -> None:
    """It says how many rows that was; done again there is nothing to do, and another session is left alone."""
    everything = ledger.write(trading(1000))
    assert complete(log, SESSION, HASHES, iter(everything)) == 3000
    assert complete(log, SESSION, HASHES, ledger.read_from(1)) == 0
    assert complete(log, "s2", HASHES, everything[:5], accounts={"sma": "main"}, standing={1}) == 2
    assert lines(log) == expected(1000)
    log.fault = GONE
    with pytest.raises(ConsoleError):
        complete(log, SESSION, HASHES, ledger.read_from(1))


def test_a_killed_process_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """After a kill in the middle of it, completing makes the log what the ledger says."""
    child = subprocess.Popen([sys.executable, "-m", "tests.unit.console.paper.session", str(tmp_path)])
    ledger = tmp_path / "ledger.ndjson"
    try:
        trio.run(until, lambda: _some_rows(tmp_path / "catalogue.sqlite3"))
    finally:
        child.kill()
        child.wait(DEADLINE_S)
    steps = ledger.read_bytes().count(b"\n") // 5
    with closing(CatalogueStrategyLog(tmp_path / "catalogue.sqlite3")) as log:
        before = lines(log)
        assert before == expected(steps)[: len(before)]
        written = complete(log, SESSION, HASHES, _whole_steps(Ledger(ledger), steps))
        assert written == len(expected(steps)) - len(before)
        assert lines(log) == expected(steps)


def _some_rows(path: Path) -> bool:
    if not path.exists():
        return False
    with closing(sqlite3.connect(path)) as database:
        try:
            return bool(database.execute("SELECT count(*) > 200 FROM live_strategy_log").fetchone()[0])
        except sqlite3.OperationalError:
            return False


def _whole_steps(ledger: Ledger, steps: int) -> Iterator[strategy_log.Numbered]:
    return (one for one in ledger.read_from(1) if one[0] <= 5 * steps)


@pytest.mark.trio
@pytest.mark.usefixtures("at_once")
async def test_a_real_server_that_is_killed_loses_and_doubles_nothing(
    migrated_url: str, postgres_server: PostgresServer, ledger: Ledger, tmp_path: Path
) -> None:
    """PostgreSQL is killed while rows are written and comes back: then every row is there once."""
    with opened_strategy_log(migrated_url, tmp_path) as log:
        service = service_of(log, ledger)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.run)
            service.push(ledger.write(trading(100)))
            await until(lambda: service.state.written > 0)
            await trio.to_thread.run_sync(postgres_server.kill)
            service.push(ledger.write(trading(1000)))
            await until(lambda: service.state.failures > 0)
            assert service.state.waiting >= 5000
            await trio.to_thread.run_sync(postgres_server.start)
            await until(lambda: service.state.waiting == 0)
            nursery.cancel_scope.cancel()
        assert lines(log) == expected(1100)


def test_the_log_is_where_the_settings_say(tmp_path: Path, migrated_url: str) -> None:
    """In PostgreSQL when there is a URL, and in the catalogue of this machine otherwise."""
    row = StrategyRow(
        session_id="s", line=1, strategy="", strategy_sha256="", account="", venue="", symbol="", event="stop",
        ts_event=0,
    )  # fmt: skip
    with opened_strategy_log(migrated_url, tmp_path) as log:
        assert log.append([row]) == 1
        assert not catalogue_path(tmp_path).exists()
    with opened_strategy_log("", tmp_path) as log:
        assert log.append([row]) == 1
    with closing(CatalogueStrategyLog(catalogue_path(tmp_path), read_only=True)) as found:
        assert len(found.rows(None, ALL)) == 1


def test_a_database_that_is_away_is_no_reason_not_to_begin(tmp_path: Path) -> None:
    """Opening the log asks nothing of the server; the first question tells."""
    with (
        opened_strategy_log("postgresql://me@127.0.0.1:1/nowhere?connect_timeout=1", tmp_path) as log,
        pytest.raises(TransientError),
    ):
        log.newest_line("s")
