"""A real PostgreSQL that is stopped, killed and frozen while records come in, and writers that are killed meanwhile.

`RINGSIDE_KILLS` sets how many writers die (10 when not set).
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest

from core.model.records import Records
from core.store.postgres.store import PostgresTickStore
from core.store.repository import SeriesKey
from core.store.spill import SpillingTickStore
from core.store.spill.backlog import Limits
from core.store.spill.carrier import Retry
from tests.conformance.ticks import QUOTES, TRADES, ticks
from tests.servers.postgres import PostgresServer

KILLS = int(os.environ.get("RINGSIDE_KILLS", "10"))
SEED = 20261122
DEADLINE_S = 60.0
RUN = 1_000_000
EVER = 2**64 - 1
SOON = Retry(first_s=0.02, last_s=0.2)
PATIENCE_S = 0.2
PACE_S = 0.015  # at about 15 000 records a second the database can catch up


def until(happened: Callable[[], bool], *, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Do `meanwhile` again and again until `happened`, or fail when it takes too long."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline_s
        meanwhile()
        threading.Event().wait(0.001)


def numbers(records: Records) -> list[int]:
    """Which records these are."""
    found: list[int] = records["price"].tolist()
    return found


class Load:
    """Records that come in: quotes without ids and trades with, numbered alike."""

    def __init__(self, store: SpillingTickStore, *, first: int = 1) -> None:
        self.store = store
        self.last = first - 1
        self._appended_s = self._synced_s = 0.0

    def __call__(self) -> None:
        """Append some more of both if it is time to, and sync now and then."""
        if time.monotonic() - self._appended_s < PACE_S:
            return
        self._appended_s = time.monotonic()
        count = 40 if self.last % 3 else 300
        batch = range(self.last + 1, self.last + count + 1)
        self.store.append(QUOTES, ticks(batch, series=QUOTES), 0)
        self.store.append(TRADES, ticks(batch), batch[-1])
        self.last = batch[-1]
        if time.monotonic() - self._synced_s > 0.1:
            self.store.sync()
            self._synced_s = time.monotonic()


def opened(url: str, directory: Path, *, durable: bool, rows: int = 200_000) -> SpillingTickStore:
    """The store on a database, with a short temper."""
    remote = PostgresTickStore(url, durable=durable)
    return SpillingTickStore(remote, directory / "spill", limits=Limits(rows=rows), retry=SOON, patience_s=PATIENCE_S)


def stored(url: str, series: SeriesKey) -> list[int]:
    """Which records of a series are in the database, by time."""
    remote = PostgresTickStore(url)
    try:
        return numbers(remote.read(series, 0, EVER))
    finally:
        remote.close()


@pytest.fixture
def server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """The server, which runs again afterwards."""
    yield postgres_server
    postgres_server.start()


def _is_direct(store: SpillingTickStore) -> bool:
    state = store.state
    return state.mode == "direct" and not state.spilled_rows


@pytest.mark.parametrize("durable", [True, False], ids=["durable", "lazy"])
@pytest.mark.parametrize("rows", [200_000, 1000], ids=["large", "small"])
def test_nothing_is_lost_when_the_server_goes(
    server: PostgresServer, migrated_url: str, tmp_path: Path, durable: bool, rows: int
) -> None:
    """Stopped in order, killed or frozen under load, and back again: every record is in the database once, and
    nothing else is left there."""
    store = opened(migrated_url, tmp_path, durable=durable, rows=rows)
    load = Load(store)
    for leave in (server.stop, server.kill, server.pause, server.kill, server.pause):
        before = load.last
        until(lambda before=before: load.last > before + 2000, meanwhile=load)  # type: ignore[misc]
        leave()
        until(lambda: store.state.spilled_rows > 5000, meanwhile=load)
        server.start()
        until(lambda: _is_direct(store), meanwhile=load)
    store.sync()
    assert numbers(store.read(QUOTES, 0, EVER)) == list(range(1, load.last + 1))
    store.close()
    for series in (QUOTES, TRADES):
        assert stored(migrated_url, series) == list(range(1, load.last + 1))
    told = sum(result.rows for _, result in store.settled())
    assert told == 2 * load.last
    with psycopg.connect(migrated_url) as connection:
        assert connection.execute("SELECT writer FROM positions").fetchall() == []


def test_a_server_frozen_beyond_every_limit(
    server: PostgresServer, migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An append that was given up and that the thawed server finishes after all is not repeated."""
    monkeypatch.setattr("core.store.postgres.store.TIMEOUT_S", 0.3)
    store = opened(migrated_url, tmp_path, durable=True)
    load = Load(store)
    for _ in range(6):
        before = load.last
        until(lambda before=before: load.last > before + 2000, meanwhile=load)  # type: ignore[misc]
        server.pause()
        until(lambda: store.state.problem != "", meanwhile=load)
        server.resume()
        until(lambda: _is_direct(store), meanwhile=load)
    store.close()
    for series in (QUOTES, TRADES):
        assert stored(migrated_url, series) == list(range(1, load.last + 1))


def test_a_position_waits_for_what_was_given_up(migrated_url: str) -> None:
    """An append whose client is gone and that the server may still commit is waited for before a position is told."""
    store = PostgresTickStore(migrated_url)
    store.append_at(QUOTES, ticks([1], series=QUOTES), 0, writer="first", position=1)
    assert store.position(QUOTES, "first") == 1
    assert store.position(TRADES, "first") == 0
    told: list[int] = []
    asking = threading.Thread(target=lambda: told.append(store.position(QUOTES, "second")))
    with psycopg.connect(migrated_url) as given_up, psycopg.connect(migrated_url, autocommit=True) as watching:
        given_up.execute("INSERT INTO positions SELECT series_id, 'second', 5 FROM series WHERE schema = 'mbp-1'")
        asking.start()
        until(
            lambda: (
                watching.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchall()
                == [(1,)]
            )
        )
        given_up.commit()
    asking.join()
    assert told == [5]
    store.close()


def write_for_ever(url: str, directory: Path, *, run: int, note: int, durable: bool) -> None:
    """Take the spill over and append the records of one run; note up to where they were synced."""
    store = opened(url, directory, durable=durable, rows=2000)
    load = Load(store, first=run * RUN + 1)
    while True:
        load()
        threading.Event().wait(PACE_S / 4)
        store.sync()
        os.write(note, f"{load.last}\n".encode())


class Writer:
    """A process that appends and is killed."""

    def __init__(self, url: str, directory: Path, *, run: int, durable: bool) -> None:
        self._read_fd, note = os.pipe()
        os.set_blocking(self._read_fd, False)
        self._noted = b""
        self.pid = os.fork()
        if self.pid == 0:
            try:
                write_for_ever(url, directory, run=run, note=note, durable=durable)
            finally:
                os._exit(70)
        os.close(note)

    @property
    def synced(self) -> int:
        """The last record that was synced; 0 for none."""
        while True:
            try:
                content = os.read(self._read_fd, 65_536)
            except BlockingIOError:
                break
            if not content:
                break
            self._noted += content
        whole = self._noted.split(b"\n")[:-1]
        return int(whole[-1]) if whole else 0

    def kill(self) -> int:
        """Kill it; see that it was the kill that ended it. Returns the last record that was synced."""
        os.kill(self.pid, signal.SIGKILL)
        assert os.waitpid(self.pid, 0)[1] == signal.SIGKILL
        self.pid = 0
        synced = self.synced
        os.close(self._read_fd)
        return synced


@pytest.fixture
def writers() -> Iterator[list[Writer]]:
    """Writers that do not outlive the test, whatever becomes of it."""
    begun: list[Writer] = []
    yield begun
    for writer in begun:
        if writer.pid:
            writer.kill()


def test_writers_may_die_at_any_point(
    server: PostgresServer, migrated_url: str, tmp_path: Path, writers: list[Writer]
) -> None:
    """Killed while it stores, spills or catches up: what was synced is there, all of it once, and without a hole."""
    choose = random.Random(SEED)
    synced: dict[int, int] = {}
    up, in_the_spill = True, 0
    for run in range(KILLS):
        outage = choose.choice([None, server.stop, server.pause, server.kill]) if up else None
        if outage is not None and choose.random() < 0.5:
            outage()
            outage, up = None, False
        writer = Writer(migrated_url, tmp_path, run=run, durable=bool(run % 2))
        writers.append(writer)
        until(lambda writer=writer, run=run: writer.synced > run * RUN + choose.randrange(3000))  # type: ignore[misc]
        if outage is not None:
            outage()
            up = False
            seen = writer.synced
            until(lambda writer=writer, seen=seen: writer.synced > seen + choose.randrange(20_000))  # type: ignore[misc]
        if choose.random() < 0.7:
            server.start()
            up = True
            threading.Event().wait(choose.uniform(0, 0.5))  # a moment of the catch-up
        synced[run] = writer.kill()
        in_the_spill += any((tmp_path / "spill").rglob("*.dbn"))
    print(f"{KILLS} writers killed, {in_the_spill} of them with something in the spill")
    server.start()
    left = opened(migrated_url, tmp_path, durable=True)
    until(lambda: _is_direct(left))
    left.close()
    for series in (QUOTES, TRADES):
        found = np.array(stored(migrated_url, series))
        for run in range(KILLS):
            part = found[found // RUN == run]
            assert part.tolist() == list(range(run * RUN + 1, run * RUN + 1 + len(part))), (series, run)
            assert run * RUN + len(part) >= synced[run], (series, run)
