"""Keeps the history of alerts: always in the catalogue, and a copy of it in PostgreSQL where there is one.

Whoever has something to keep never waits for a disk or a server, and the disk never waits for the server.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import trio

from console.alerting.attempts import Attempts
from console.stores import catalogue_path, told
from core.clock import DAY_NS, wall_ns
from core.errors import ConsoleError
from core.store.alert_history import AlertRow, is_sound
from core.store.catalogue_alert_history import CatalogueAlertHistory
from core.store.deadline import within
from core.store.spill.carrier import Retry

if TYPE_CHECKING:
    from console.alerting.copying import HistoryCopy

QUEUE_ROWS: Final = 50_000
"""Rows that may wait for the disk; what comes beyond them is lost, and counted."""
BATCH_ROWS: Final = 10_000
ROUND_S: Final = 0.5
DRAIN_S: Final = 5.0
CLOSE_S: Final = 2.0
PRUNE_S: Final = 86_400.0
PRUNE_AGAIN_S: Final = 3600.0
_OPERATION: Final = "keeping the history of alerts"
_DISK_RETRY: Final = Retry(first_s=0.5, last_s=5.0)
_logger = logging.getLogger("ringside.alerts")


@attrs.frozen(kw_only=True)
class KeeperState:
    """How keeping goes, in rows of this run: `written` to the catalogue, `waiting` for it, `lost` because too many
    waited or they made no sense, and `copied` to the database. The `problem` is in words; empty when there is none.
    """

    written: int
    waiting: int
    lost: int
    copied: int
    problem: str


class AlertKeeper:
    """The history of alerts of one engine, in the catalogue below `state_directory`, which other engines may share.

    With a `database_url` it is copied there as well, as long as that answers. Rows older than `keep_days` are removed
    from both once a day; 0 keeps all.
    """

    def __init__(
        self, state_directory: Path, database_url: str, *, keep_days: int, copy_retry: Retry | None = None
    ) -> None:
        self._state_directory = state_directory
        self._path = catalogue_path(state_directory)
        self._keep_days = keep_days
        self._history: CatalogueAlertHistory | None = None
        self._waiting: deque[AlertRow] = deque()
        self._pushing = threading.Lock()
        self._turn = threading.Lock()  # of a thread that was given up and the one after it
        self._given_up = threading.Event()
        self._written = self._lost = self._lost_said = 0
        self._disk = Attempts("the history of alerts is not written and waits in memory", _DISK_RETRY)
        self._copy = _copy_of(self._path, database_url) if database_url else None
        self._copying = threading.Lock()
        self._copied = 0
        words = "the history of alerts is kept on this machine, but not copied to the database"
        self._server = Attempts(words, copy_retry or Retry())

    @property
    def state(self) -> KeeperState:
        """How it goes."""
        lost = f"{self._lost} lines of the history of alerts are lost" if self._lost else ""
        problems = (self._disk.problem, lost, self._server.problem)
        return KeeperState(
            written=self._written,
            waiting=len(self._waiting),
            lost=self._lost,
            copied=self._copied,
            problem="; ".join(problem for problem in problems if problem),
        )

    def push(self, rows: Sequence[AlertRow]) -> None:
        """Take rows to keep. Never blocks and raises nothing; may be called from any thread."""
        sound = [row for row in rows if is_sound(row)]
        with self._pushing:
            taken = sound[: QUEUE_ROWS - len(self._waiting)]
            self._waiting.extend(taken)
            self._lost += len(rows) - len(taken)

    async def run(self) -> None:
        """Keep what is pushed until cancelled, and then what is left, for `DRAIN_S` at most. A place that cannot be
        written is no reason to end: it is tried again."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._repeat, self._write_all, self._disk, self._prune)
                if self._copy is not None:
                    nursery.start_soon(self._repeat, self._copy_all, self._server, self._prune_copy)
        finally:
            with trio.move_on_after(DRAIN_S, shield=True):
                await self._drain()
            self._given_up.set()
            self._tell_lost()
            if waiting := len(self._waiting):
                _logger.warning("%d lines of the history of alerts are not kept: %s", waiting, self._disk.problem)
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._close)

    async def newest(self, limit: int) -> list[AlertRow]:
        """The newest rows of all engines that share the catalogue, the newest first; also of what still waits for the
        disk, and only that while it cannot be read."""
        with self._pushing:
            waiting = list(islice(reversed(self._waiting), max(limit, 0)))
        try:
            found = await trio.to_thread.run_sync(read_history, self._state_directory, limit, abandon_on_cancel=True)
        except ConsoleError as error:
            _logger.debug("the history of alerts cannot be read: %s", error)
            found = []
        # What waited a moment ago may have been written since.
        there = {_signs(row) for row in found}
        found += [row for row in waiting if _signs(row) not in there]
        return sorted(found, key=lambda row: row.time_ns, reverse=True)[: max(limit, 0)]

    # -- in tasks ---------------------------------------------------------------------------------------------------

    async def _repeat(
        self, act: Callable[[], Awaitable[None]], attempts: Attempts, prune: Callable[[int], int]
    ) -> None:
        prune_at_s = trio.current_time()
        while True:
            await attempts.make(act)
            self._tell_lost()
            if self._keep_days and not attempts.failures and trio.current_time() >= prune_at_s:
                done = await self._pruned(prune)
                prune_at_s = trio.current_time() + (PRUNE_S if done else PRUNE_AGAIN_S)
            await trio.sleep(max(ROUND_S, attempts.delay_s))

    async def _drain(self) -> None:
        while not await self._disk.make(self._write_all):
            await trio.sleep(self._disk.delay_s)
        if self._copy is not None and not self._server.failures:
            await self._server.make(self._copy_all)

    async def _write_all(self) -> None:
        while self._waiting:
            await trio.to_thread.run_sync(self._write, abandon_on_cancel=True)

    async def _copy_all(self) -> None:
        while await trio.to_thread.run_sync(self._copy_some, abandon_on_cancel=True):
            pass

    async def _pruned(self, prune: Callable[[int], int]) -> bool:
        before_ns = wall_ns() - self._keep_days * DAY_NS
        try:
            removed = await trio.to_thread.run_sync(partial(prune, before_ns), abandon_on_cancel=True)
        except ConsoleError as error:
            _logger.warning("old lines of the history of alerts are still there: %s", error)
            return False
        except Exception:  # an engine goes on without its history
            _logger.exception(_OPERATION)
            return False
        if removed:
            _logger.info("removed %d lines of the history of alerts, older than %d days", removed, self._keep_days)
        return True

    def _tell_lost(self) -> None:
        if self._lost and not self._lost_said:
            words = "lines of the history of alerts are lost: more than %d wait for the disk, or they make no sense"
            _logger.error(words, QUEUE_ROWS)
            self._lost_said = self._lost

    # -- in threads -------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        with self._turn:
            if self._given_up.is_set():
                return
            with self._pushing:
                batch = list(islice(self._waiting, BATCH_ROWS))
            try:
                self._opened().append(batch)
            except BaseException:
                self._close_history()  # what could only be read when it was opened may be writable now
                raise
            with self._pushing:
                for _ in batch:
                    self._waiting.popleft()
            self._written += len(batch)

    def _prune(self, before_ns: int) -> int:
        with self._turn:
            return 0 if self._given_up.is_set() else self._opened().prune(before_ns)

    def _opened(self) -> CatalogueAlertHistory:
        if self._history is None:
            self._history = CatalogueAlertHistory(self._path)
        return self._history

    def _copy_some(self) -> int:
        assert self._copy is not None
        with self._copying:
            count = 0 if self._given_up.is_set() else self._copy.step()
            self._copied += count
            return count

    def _prune_copy(self, before_ns: int) -> int:
        assert self._copy is not None
        with self._copying:
            return 0 if self._given_up.is_set() else self._copy.prune(before_ns)

    def _close(self) -> None:
        # A thread that was given up may still have its turn: what it holds the end of the process lets go.
        operation = "closing the history of alerts"
        with told(operation):
            within(CLOSE_S, self._close_both, operation=operation, path=self._path)

    def _close_both(self) -> None:
        with self._turn:
            self._close_history()
        if self._copy is not None:
            with self._copying:
                self._copy.close()

    def _close_history(self) -> None:
        history, self._history = self._history, None
        if history is not None:
            with suppress(ConsoleError):
                history.close()


def read_history(state_directory: Path, limit: int, *, rule: str | None = None, since_ns: int = 0) -> list[AlertRow]:
    """The newest rows, the newest first, at most `limit`, of one rule if that is said; without an engine. Nothing is
    changed, and where there is no catalogue there are none. Blocks; raises `ConsoleError`."""
    path = catalogue_path(state_directory)
    if not path.exists():
        return []
    history = CatalogueAlertHistory(path, read_only=True)
    try:
        return history.rows(limit, rule=rule, since_ns=since_ns)
    finally:
        history.close()


def _copy_of(path: Path, database_url: str) -> HistoryCopy:
    from console.alerting.copying import HistoryCopy

    return HistoryCopy(path, database_url)


def _signs(row: AlertRow) -> tuple[object, ...]:
    return (row.time_ns, row.instance, row.rule, row.subject, row.state)
