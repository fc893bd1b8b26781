"""The thread that carries records to the database: what comes in at once, what waits on the disk when it answers."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import attrs

from core.clock import NS_PER_S, monotonic_ns
from core.errors import ConfigurationError, ConsoleError, PermanentError
from core.model.records import Records
from core.store.repository import AppendResult, SeriesKey, TickStore
from core.store.spill.backlog import Backlog, due_in_ns
from core.store.spill.lane import CHUNK_ROWS, Lane

FIRST_RETRY_S: Final = 0.5
LAST_RETRY_S: Final = 30.0

_logger = logging.getLogger("ringside.store")


class RemoteStore(TickStore, Protocol):
    """A store that commits, together with records, how far a writer has come with them.

    A failed call may have stored everything; the next one connects again. No call takes for ever. A lost connection
    fails a call and is not replaced in silence: what was not synced before may have been lost with the server.
    """

    def append_at(
        self, series: SeriesKey, records: Records, newest_id: int, *, writer: str, position: int
    ) -> AppendResult:
        """Append, as `append` does, records of which the last is at `position` of what `writer` stores in the series.

        Those that are not beyond the position committed by the same writer are left out and not counted. Raises as
        `append` does.
        """

    def position(self, series: SeriesKey, writer: str) -> int:
        """The position that `writer` has committed, 0 for none, once no append given up before can change it."""

    def retire(self, writer: str) -> None:
        """Forget the positions of a `writer` of which nothing waits and nothing will come."""


@attrs.frozen(kw_only=True)
class Retry:
    """How long to wait after failures: from `first_s`, doubling up to `last_s`, each drawn from its upper half."""

    first_s: float = FIRST_RETRY_S
    last_s: float = LAST_RETRY_S
    uniform: Callable[[float, float], float] = random.uniform

    def delay_s(self, failures: int) -> float:
        """The wait after so many failures in a row, of which there was at least one."""
        ceiling_s = min(self.first_s * 2 ** min(failures - 1, 32), self.last_s)
        return self.uniform(ceiling_s / 2, ceiling_s)


class Carrier:
    """Starts the thread. Nobody else appends to `remote`; who reads it and must not see a half-told story holds
    `turn`. `errand` is what else to tell the database whenever it answers again."""

    def __init__(
        self, remote: RemoteStore, backlog: Backlog, *, retry: Retry, errand: Callable[[], None] | None
    ) -> None:
        self.turn = threading.Lock()
        self.problem = ""
        self.next_try_ns = 0
        self.asking_ns = 0  # since when the database has been owing an answer
        self.replayed_rows = 0
        self._remote = remote
        self._backlog = backlog
        self._retry = retry
        self._errand = errand
        self._errand_due_ns: int | None = None if errand is None else 0
        self._failures = 0
        self._at: Lane | None = None  # whose records a failure is about
        self._on_disk = False
        self._last: SeriesKey | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="spill-carrier", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Stop after the call under way and what else the database is to know. Returns whether that ended in time."""
        with self._backlog.changed:
            self._stopping = True
            self._backlog.changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def run_errand(self) -> None:
        """Run the errand again as soon as the database answers."""
        self._errand_due_ns = None if self._errand is None else 0
        if self._backlog.changed.acquire(timeout=0.05):  # else the thread sees it when it has done what it does
            self._backlog.changed.notify_all()
            self._backlog.changed.release()

    def _run(self) -> None:
        while self._wait_for_work():
            try:
                self._round()
            except ConsoleError as error:
                self._failed(error)
            except Exception as error:  # without this thread nothing would be stored any more
                _logger.exception("carrying records to the database")
                self._failed(PermanentError("storing", f"a fault in the program: {error!r:.200}"))
        if self._backlog.down:
            return
        if self._errand_due_ns is not None:
            self._run_errand()
        self._retire_own()

    def _retire_own(self) -> None:
        with self._backlog.changed:
            served = [lane for lane in self._backlog.lanes.values() if lane.end]
            waits = any(lane.files or lane.batches for lane in self._backlog.lanes.values())
        if served and not waits:
            try:
                self._remote.retire(self._backlog.writer)
            except ConsoleError as error:
                _logger.info("the database keeps some positions: %s", error)  # a few bytes that nobody asks for

    def _wait_for_work(self) -> bool:
        changed = self._backlog.changed
        with changed:
            while not self._stopping:
                delay_ns = self._due_in_ns()
                if delay_ns == 0:
                    return True
                changed.wait(None if delay_ns is None else delay_ns / NS_PER_S)
        return False

    def _due_in_ns(self) -> int | None:
        due = [delay for lane in self._backlog.lanes.values() if (delay := due_in_ns(lane)) is not None]
        if self._errand_due_ns is not None and not self._backlog.down:
            due.append(max(self._errand_due_ns - monotonic_ns(), 0))
        if not due:
            return None
        return max(min(due), self.next_try_ns - monotonic_ns(), 0)

    def _round(self) -> None:
        # What comes in first, so that what waits on the disk does not hold it up; then one chunk from the disk.
        with self._backlog.changed:
            ready = [lane for lane in self._backlog.lanes.values() if due_in_ns(lane) == 0]
        live = [lane for lane in ready if not lane.files]
        for lane in live:
            self._send(lane)
        if live:
            self._secure(live)
        spilled = self._next(ready)
        if spilled is not None:
            self._replay(spilled)
        due_ns = self._errand_due_ns
        if due_ns is not None and not self._backlog.down and monotonic_ns() >= due_ns:
            self._run_errand()

    def _run_errand(self) -> None:
        # What goes wrong here must not keep records from the database.
        assert self._errand is not None
        self._errand_due_ns = None
        try:
            self._errand()
        except ConsoleError as error:
            self._errand_due_ns = monotonic_ns() + int(self._retry.last_s * NS_PER_S)
            _logger.warning("the database was not told everything: %s", error)
        except Exception:
            self._errand_due_ns = monotonic_ns() + int(self._retry.last_s * NS_PER_S)
            _logger.exception("telling the database everything")

    def _next(self, ready: list[Lane]) -> Lane | None:
        # The lanes with files take turns.
        spilled = [lane for lane in ready if lane.files]
        if not spilled:
            return None
        keys = [lane.series for lane in spilled]
        at = keys.index(self._last) + 1 if self._last in keys else 0
        chosen = spilled[at % len(spilled)]
        self._last = chosen.series
        return chosen

    def _send(self, lane: Lane) -> None:
        self._at = lane
        with self._asking():
            self.resolve(lane)
            with self._backlog.changed:
                batch = None if lane.files else lane.next_batch()
            if batch is None:
                return
            result = self._remote.append_at(
                lane.series, batch.records, batch.newest_id, writer=lane.writer, position=batch.end
            )
            with self._backlog.changed:
                lane.answered(batch.end, result)
        self._works(lane)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        # After a failure nobody knows what the database has, not even of what it was not asked just now: it may have
        # lost what it had not synced.
        with self.turn:
            self.asking_ns = monotonic_ns()
            try:
                yield
            except BaseException:
                self._doubt_all()
                raise
            finally:
                self.asking_ns = 0

    def _doubt_all(self) -> None:
        with self._backlog.changed:
            for lane in self._backlog.lanes.values():
                lane.doubt = lane.doubt or bool(lane.files or lane.batches)

    def resolve(self, lane: Lane) -> None:
        """Ask the database how far it is with a lane, if that is in doubt; the caller holds `turn`. Raises as the
        database does."""
        if not lane.doubt:
            return
        try:
            position = self._remote.position(lane.series, lane.head_writer)
        except BaseException:
            self._doubt_all()
            raise
        with self._backlog.changed:
            lane.resolve(position)

    def _secure(self, lanes: list[Lane]) -> None:
        self._at = None
        with self._backlog.changed:
            reached = [(lane, lane.sent) for lane in lanes if lane.sent > lane.secured]
        if not reached:
            return
        with self._asking():
            self._remote.sync()
        with self._backlog.changed:
            for lane, position in reached:
                self._backlog.settle(lane, position)
            self._backlog.changed.notify_all()

    def _replay(self, lane: Lane) -> None:
        self._at = lane
        with self._asking():
            self.resolve(lane)
            file = lane.files[0]
            first = max(lane.sent - file.base, 0)
            self._on_disk = True
            records = file.read(first, CHUNK_ROWS)
            self._on_disk = False
            if len(records):
                position = file.base + first + len(records)
                result = self._remote.append_at(
                    lane.series, records, file.reference, writer=file.writer, position=position
                )
                with self._backlog.changed:
                    lane.answered(position, result)
                self.replayed_rows += len(records)
        self._works(lane)
        if lane.sent >= file.end:
            self._secure([lane])
            self._at, self._on_disk = lane, True
            self._backlog.finish_file(lane)
            self._on_disk = False
            if not self._backlog.awaits(file.writer):
                with self._asking():
                    self._remote.retire(file.writer)

    def _works(self, lane: Lane) -> None:
        with self._backlog.changed:
            lane.retry_ns = 0
            if self._backlog.down:
                _logger.info("the database takes records again")
                self._errand_due_ns = None if self._errand is None else 0
            self._backlog.down = False
            self._failures = self.next_try_ns = 0
            if not any(other.retry_ns for other in self._backlog.lanes.values()):
                self.problem = ""

    def _failed(self, error: ConsoleError) -> None:
        # A fault of one series' records or file holds up that series alone; anything else is the database's.
        lane, on_disk, self._on_disk = self._at, self._on_disk, False
        alone = on_disk or (isinstance(error, PermanentError) and not isinstance(error, ConfigurationError))
        backlog = self._backlog
        with backlog.changed:
            if self._stopping:
                return
            if str(error) != self.problem:
                _logger.error("the database does not take records, they are kept on this machine: %s", error)
            self.problem = str(error)
            if alone and lane is not None:
                lane.retry_ns = monotonic_ns() + int(self._retry.last_s * NS_PER_S)
                affected = [lane]
            else:
                self._failures += 1
                delay_s = self._retry.delay_s(self._failures) if error.retryable else self._retry.last_s
                self.next_try_ns = monotonic_ns() + int(delay_s * NS_PER_S)
                backlog.down = True
                affected = list(backlog.lanes.values())
            try:
                backlog.divert(affected)
            except ConsoleError as refused:
                _logger.error("neither the database nor the disk takes records: %s", refused)
            backlog.changed.notify_all()
