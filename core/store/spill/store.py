"""A tick store that loses nothing and doubles nothing while the database behind it is away.

Records go to the database in a thread of its own. What it does not take is kept in a directory on this machine and
given to it when it answers again, series by series in the order the records came.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import attrs

from core.clock import NS_PER_S, monotonic_ns, wall_ns
from core.errors import ConsoleError, TransientError
from core.model.records import UNDEF_TIMESTAMP, Records
from core.store.deadline import CLOSE_TIMEOUT_S, within
from core.store.repository import AppendResult, Numbered, SeriesKey, SeriesStats, TickReader
from core.store.spill.backlog import Backlog, Limits
from core.store.spill.carrier import Carrier, RemoteStore, Retry
from core.store.spill.reading import Waiting, merged

PATIENCE_S: Final = 1.0
TURN_S: Final = 5.0

Result = TypeVar("Result")

_logger = logging.getLogger("ringside.store")


@attrs.frozen(kw_only=True)
class SpillState:
    """How records get to the database.

    `mode` is "direct", "spilling" (the database does not take them) or "catching up" (it takes what waits on the
    disk), since `since_ns`. `queued_rows` wait in memory, `spilled_rows` on the disk, in files of `spilled_bytes`;
    `replayed_rows` were given to the database from the disk since the start. `unsettled_rows` are all, in memory and
    on the disk, that the database is not known to hold durably. `problem` is empty while all goes well; the next
    attempt is in `next_try_s`.
    """

    mode: str = "direct"
    queued_rows: int = 0
    spilled_rows: int = 0
    spilled_bytes: int = 0
    replayed_rows: int = 0
    unsettled_rows: int = 0
    since_ns: int = 0
    problem: str = ""
    next_try_s: float = 0.0


class SpillingTickStore:
    """Stores in `remote`, which it closes, by way of `directory`; implements `TickStore`.

    `append` never waits for the database, so what became of records is not known when it returns: its result is empty
    and `settled` tells it afterwards. `reader` reads the database, on a connection of its own if it has one; by
    default `remote` does. `errand` is called in the thread whenever the database answers again. A database that does
    not answer is no error here. `repairs` says in words what was damaged in the directory.

    Raises:
        RefusedError: another process spills there.
        ConfigurationError: the directory cannot be used.
        ResourceExhaustedError: no space is left.
    """

    def __init__(
        self,
        remote: RemoteStore,
        directory: Path,
        *,
        reader: TickReader | None = None,
        errand: Callable[[], None] | None = None,
        limits: Limits | None = None,
        retry: Retry | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._remote = remote
        self._reader: TickReader = reader or remote
        self._patience_s = patience_s
        self._backlog = Backlog(directory, limits or Limits())
        self.directory = self._backlog.directory
        self.repairs = self._backlog.repairs
        self._state = SpillState(since_ns=wall_ns())
        self._carrier = Carrier(remote, self._backlog, retry=retry or Retry(), errand=errand)

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Take records on the way to the database. Returns an empty result: `settled` says what became of them.

        Raises:
            ResourceExhaustedError: the database does not take them and there is no space left to keep them; nothing
                was taken and the same call may be repeated.
            TransientError: likewise, the disk failed.
            ConfigurationError: the directory may no longer be written.
            RefusedError: the symbol cannot name a file.
        """
        self._backlog.append(series, records, newest_id)
        return AppendResult()

    def settled(self) -> list[tuple[SeriesKey, AppendResult]]:
        """What the database made of records since the last call, by series. Those of an earlier run are not among
        them. Does not block."""
        return self._backlog.take_settled()

    def inherited(self) -> dict[SeriesKey, AppendResult]:
        """What the database made, since the start, of records that an earlier run had left. Does not block."""
        return self._backlog.inherited()

    def run_errand(self) -> None:
        """Call `errand` again as soon as the database answers."""
        self._carrier.run_errand()

    def sync(self) -> None:
        """Make everything appended durable: in the database or, if that takes too long, on this machine. Raises as
        `append` does."""
        self._backlog.secure(self._patience_s)

    @property
    def state(self) -> SpillState:
        """How it goes. May be asked at any time; it is the last known state while the disk hangs."""
        if self._backlog.changed.acquire(timeout=0.05):
            try:
                self._state = self._look()
            finally:
                self._backlog.changed.release()
        return self._state

    def _look(self) -> SpillState:
        backlog, carrier = self._backlog, self._carrier
        lanes, files = list(backlog.lanes.values()), backlog.waiting_files()
        asking_ns = carrier.asking_ns
        frozen = bool(files) and asking_ns != 0 and monotonic_ns() - asking_ns > self._patience_s * NS_PER_S
        problem = carrier.problem or ("the database does not answer" if frozen else "")
        mode = "spilling" if problem else "catching up" if files else "direct"
        retries = [lane.retry_ns for lane in lanes if lane.retry_ns]
        next_ns = carrier.next_try_ns or min(retries, default=0)
        return SpillState(
            mode=mode,
            queued_rows=sum(lane.unsent_rows for lane in lanes),
            spilled_rows=sum(lane.spilled_rows for lane in lanes),
            spilled_bytes=sum(file.stored_bytes for file in files),
            replayed_rows=carrier.replayed_rows,
            unsettled_rows=sum(lane.unsettled_rows for lane in lanes),
            since_ns=self._state.since_ns if mode == self._state.mode else wall_ns(),
            problem=problem,
            next_try_s=max(next_ns - monotonic_ns(), 0) / NS_PER_S if next_ns else 0.0,
        )

    def series(self) -> list[SeriesKey]:
        """The series of the database and those that wait for it, in the order of their names."""
        with self._backlog.changed:
            waiting = {lane.series for lane in self._backlog.lanes.values() if Waiting.of(lane)}
        found = waiting.union(self._told(self._reader.series))
        return sorted(found, key=lambda series: (series.venue, series.symbol, series.schema))

    def days(self, series: SeriesKey) -> list[int]:
        """The days since the epoch that hold records of a series, ascending. Raises as `read` does."""
        with self._waiting(series) as waiting:
            days = set(self._told(lambda: self._reader.days(series)))
            return sorted(days | waiting.days() if waiting else days)

    def read(self, series: SeriesKey, start_ns: int, end_ns: int) -> Records:
        """What the database holds of a range, with what waits for it. See `TickReader`.

        Raises:
            TransientError: the database does not answer; it says how many records wait on this machine.
        """
        with self._waiting(series) as waiting:
            if not waiting:
                return self._told(lambda: self._reader.read(series, start_ns, end_ns))
            stored = self._told(lambda: self._reader.read_numbered(series, start_ns, end_ns))
            return merged(stored, waiting, start_ns=start_ns, end_ns=end_ns).records

    def read_numbered(self, series: SeriesKey, start_ns: int, end_ns: int) -> Numbered:
        """The same records with their full ids. Raises as `read` does."""
        with self._waiting(series) as waiting:
            stored = self._told(lambda: self._reader.read_numbered(series, start_ns, end_ns))
            return merged(stored, waiting, start_ns=start_ns, end_ns=end_ns) if waiting else stored

    def latest(self, series: SeriesKey, rows: int = 1) -> Records:
        """The last `rows` of what `read` would return of everything. Raises as `read` does."""
        with self._waiting(series) as waiting:
            last = self._told(lambda: self._reader.latest(series, rows))
            if not waiting or rows <= 0:
                return last
            start_ns = int(last["ts_event"][0]) if len(last) == rows else 0
            stored = self._told(lambda: self._reader.read_numbered(series, start_ns, UNDEF_TIMESTAMP))
            both = merged(stored, waiting, start_ns=start_ns, end_ns=UNDEF_TIMESTAMP).records
            return both[max(len(both) - rows, 0) :]

    def stats(self) -> list[SeriesStats]:
        """What the database holds, series by series; what waits on this machine is in `state`. Raises as `sync` and
        `read` do."""
        self.sync()
        return self._told(self._remote.stats)

    @contextlib.contextmanager
    def _waiting(self, series: SeriesKey) -> Iterator[Waiting]:
        # What waits of a series. While there is any, the database is given nothing more until the caller has read it:
        # nothing is seen twice, or not at all.
        with self._backlog.changed:
            lane = self._backlog.lanes.get(series)
            if lane is None or not (lane.batches or lane.files):
                lane = None
        if lane is None:
            yield Waiting(series, [], [])
            return
        turn = self._carrier.turn
        if not turn.acquire(timeout=TURN_S):
            raise self._unanswered(TransientError("reading", "the database does not answer"))
        try:
            self._told(lambda: self._carrier.resolve(lane))
            with self._backlog.changed:
                waiting = Waiting.of(lane)
            yield waiting
        finally:
            turn.release()

    def _told(self, question: Callable[[], Result]) -> Result:
        try:
            return question()
        except TransientError as error:
            raise self._unanswered(error) from error

    def _unanswered(self, error: TransientError) -> TransientError:
        rows = self.state.spilled_rows + self.state.queued_rows
        return TransientError(error.operation, error.subject, hint=f"{rows} records wait on this machine")

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Sync and let go of everything, the database's connection included. May be called twice.

        Raises as `sync` does, all closed, or:
            TransientError: the disk or the database take longer than `timeout_s`.
        """

        def work() -> None:
            refused = self._last_sync(timeout_s / 3)
            idle = self._carrier.stop(timeout_s / 4)
            self._backlog.close()
            if idle:
                try:
                    self._remote.close()
                except ConsoleError as error:
                    _logger.info("closing the database: %s", error)  # what it has not synced is on the disk
            if refused is not None:
                raise refused

        within(timeout_s, work, operation="closing the store", path=self.directory)

    def _last_sync(self, patience_s: float) -> ConsoleError | None:
        # Where the disk refuses, a database that is only slow gets more time. Returns why not everything is safe.
        try:
            self.sync()
        except ConsoleError:
            try:
                self._backlog.secure(patience_s)
            except ConsoleError as error:
                _logger.error("%d records were received and are not stored", self.state.queued_rows)
                return error
        return None
