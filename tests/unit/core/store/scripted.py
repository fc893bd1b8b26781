"""A database that fails on demand: a real store in another directory, with switches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from core.errors import ConsoleError, TransientError
from core.model.records import Records
from core.store.batch import summed
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.repository import AppendResult, Numbered, SeriesKey, SeriesStats
from core.store.spill import SpillingTickStore
from core.store.spill.backlog import Limits
from core.store.spill.carrier import Retry
from core.store.spill.lane import Memory
from tests.conformance.ticks import QUOTES, prices, ticks

DEADLINE_S = 20.0
EVER = 2**64 - 1
SOON = Retry(first_s=0.001, last_s=0.01)
GONE = TransientError("storing", "the server has gone away")


def until(happened: Callable[[], bool]) -> None:
    """Wait until something happened, or fail when it takes too long."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.002)


class ScriptedRemote:
    """A `RemoteStore`. `fault` is raised by every call while it is set; `script`, asked before and after each append,
    may raise too; while `open` is cleared appends hang; while `lazy`, only `sync` makes what was appended
    durable, and `crash` loses the rest."""

    def __init__(self, directory: Path) -> None:
        self.store = EmbeddedTickStore(directory / "remote", Catalogue(directory / "remote.sqlite3"))
        self.fault: ConsoleError | None = None
        self.script: Callable[[str, SeriesKey], None] = lambda _when, _series: None
        self.open = threading.Event()
        self.open.set()
        self.hanging = threading.Event()
        self.lazy = False
        self.calls = 0
        self.retired: list[str] = []
        self.closed = False
        self._positions: dict[SeriesKey, tuple[str, int]] = {}
        self._unsynced: list[tuple[SeriesKey, Records, int, str, int]] = []
        self._lost = False

    def _check(self) -> None:
        self.calls += 1
        if self._lost:
            self._lost = False
            raise GONE
        if self.fault is not None:
            raise self.fault

    def append_at(
        self, series: SeriesKey, records: Records, newest_id: int, *, writer: str, position: int
    ) -> AppendResult:
        """As the protocol says, unless told otherwise."""
        self._check()
        self.script("before", series)
        if not self.open.is_set():
            self.hanging.set()
            assert self.open.wait(DEADLINE_S)
            try:
                self._check()
            finally:
                self.hanging.clear()
        committed = self.position(series, writer)
        records = records[max(committed - (position - len(records)), 0) :]
        result = AppendResult()
        if position > committed:
            if self.lazy:
                self._unsynced.append((series, records.copy(), newest_id, writer, position))
                result = AppendResult(rows=len(records))
            else:
                result = self.store.append(series, records, newest_id)
                self._positions[series] = writer, position
        self.script("after", series)
        return result

    def position(self, series: SeriesKey, writer: str) -> int:
        """As the protocol says."""
        self._check()
        waiting = [at for key, _, _, who, at in self._unsynced if key == series and who == writer]
        who, at = self._positions.get(series, ("", 0))
        return max(waiting, default=at if who == writer else 0)

    def retire(self, writer: str) -> None:
        """As the protocol says."""
        self._check()
        self.retired.append(writer)
        self._positions = {series: told for series, told in self._positions.items() if told[0] != writer}

    def crash(self) -> None:
        """Lose what was not synced and the connection."""
        self._unsynced.clear()
        self._lost = True

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Append without a position."""
        return self.store.append(series, records, newest_id)

    def sync(self) -> None:
        """Make durable what was appended."""
        self._check()
        while self._unsynced:
            series, records, newest_id, writer, position = self._unsynced.pop(0)
            self.store.append(series, records, newest_id)
            self._positions[series] = writer, position

    def series(self) -> list[SeriesKey]:
        """As the store."""
        self._check()
        return self.store.series()

    def days(self, series: SeriesKey) -> list[int]:
        """As the store."""
        self._check()
        return self.store.days(series)

    def read(self, series: SeriesKey, start_ns: int, end_ns: int) -> Records:
        """As the store."""
        self._check()
        return self.store.read(series, start_ns, end_ns)

    def read_numbered(self, series: SeriesKey, start_ns: int, end_ns: int) -> Numbered:
        """As the store."""
        self._check()
        return self.store.read_numbered(series, start_ns, end_ns)

    def latest(self, series: SeriesKey, rows: int = 1) -> Records:
        """As the store."""
        self._check()
        return self.store.latest(series, rows)

    def stats(self) -> list[SeriesStats]:
        """As the store."""
        self._check()
        return self.store.stats()

    def close(self) -> None:
        """Note that it was closed; the data stay for the test to look at."""
        self.closed = True


class PatientStore(SpillingTickStore):
    """A store that waits until the database has what was appended, and so can return what became of it. With
    `by_way_of_disk` the database is away during each append."""

    def __init__(self, remote: ScriptedRemote, directory: Path, *, by_way_of_disk: bool) -> None:
        self._scripted = remote
        self._away = GONE if by_way_of_disk else None
        super().__init__(remote, directory, retry=SOON, patience_s=5.0)

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Append and wait."""
        self._scripted.fault = self._away
        super().append(series, records, newest_id)
        self.sync()
        assert self._away is None or not len(records) or self.state.spilled_rows == len(records)
        self._scripted.fault = None
        until(lambda: self.state.mode == "direct")
        self.sync()
        result = AppendResult()
        for told, part in self.settled():
            assert told == series
            result = summed(result, part)
        return result


class Place:
    """A scripted database and the store that spills, opened again and again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.remote = ScriptedRemote(directory)
        self.counted: dict[SeriesKey, AppendResult] = {}
        self.limits = Limits()
        self.retry = SOON
        self.patience_s = 5.0
        self._next = 0
        self.store = self.open()

    def open(self) -> SpillingTickStore:
        """The store on the same directory and the same database."""
        self.remote.closed = False
        self.store = SpillingTickStore(
            self.remote, self.directory / "spill", limits=self.limits, retry=self.retry, patience_s=self.patience_s
        )
        return self.store

    def reopen(self) -> SpillingTickStore:
        """The store after a restart."""
        self.settle()
        self.store.close()
        self.settle()
        self._add(self.store.inherited().items())
        return self.open()

    def offer(self, count: int = 10, series: SeriesKey = QUOTES) -> None:
        """Append the next `count` records of a numbered row, without ids where the series has none."""
        first, self._next = self._next + 1, self._next + count
        batch = ticks(range(first, self._next + 1), series=series)
        self.store.append(series, batch, 0 if series is QUOTES else self._next)

    def settle(self) -> None:
        """Add up what the store has told since."""
        self._add(self.store.settled())

    def _add(self, told: Iterable[tuple[SeriesKey, AppendResult]]) -> None:
        for series, result in told:
            self.counted[series] = summed(self.counted.get(series, AppendResult()), result)

    def told(self, series: SeriesKey) -> AppendResult:
        """What became of a series, of the records that this run of the store found on the disk as well."""
        self.settle()
        inherited = self.store.inherited().get(series, AppendResult())
        return summed(self.counted.get(series, AppendResult()), inherited)

    def arrives(self, series: SeriesKey = QUOTES, *, counted: bool = True) -> None:
        """Wait until everything offered is in the database, once and in order, and nothing is left on the disk."""
        until(lambda: self.store.state.mode == "direct" and self.store.state.queued_rows == 0)
        self.store.sync()
        assert prices(self.remote.store.read(series, 0, EVER)) == list(range(1, self._next + 1))
        assert self.files() == []
        assert self.store._backlog._memory == Memory()
        assert not counted or self.told(series) == AppendResult(rows=self._next)

    def files(self) -> list[Path]:
        """The files of the spill."""
        return sorted((self.directory / "spill").rglob("*.dbn*"))
