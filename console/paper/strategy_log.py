"""Fills the strategy log from a session's ledger: while it runs and, for what a killed one left, afterwards."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from console.paper.strategy_rows import StrategyRows
from console.stores import catalogue_path, told
from core.errors import ConsoleError, PermanentError, TransientError
from core.sim.lines import Line
from core.store.deadline import CLOSE_TIMEOUT_S, within
from core.store.spill.carrier import Retry
from core.store.strategy_log import StrategyLog, StrategyRow

QUEUE_LINES: Final = 20_000
BATCH_ROWS: Final = 1000
ROUND_S: Final = 1.0
DRAIN_S: Final = 5.0

Numbered = tuple[int, Line]
"""A line with its number in the ledger, from 1."""
ReadFrom = Callable[[int], Iterator[Numbered]]
"""The lines of the ledger from that number to its end, those of whole and committed steps; raises `ConsoleError`."""

_NONE: Final[tuple[int, Line | None]] = (0, None)
_OPERATION: Final = "logging strategies"
_logger = logging.getLogger("ringside.store")


@contextmanager
def opened_strategy_log(database_url: str, state_directory: Path) -> Iterator[StrategyLog]:
    """The log in PostgreSQL when there is a `database_url`, in the catalogue otherwise; closed at the end.

    Raises:
        ConsoleError: the catalogue cannot be used. A database that does not answer is found out when it is asked.
    """
    log: StrategyLog
    if database_url:
        from core.store.postgres.strategy_log import PostgresStrategyLog

        log = PostgresStrategyLog(database_url)
    else:
        from core.store.catalogue_strategy_log import CatalogueStrategyLog

        log = CatalogueStrategyLog(catalogue_path(state_directory))
    try:
        yield log
    finally:
        operation = "closing the strategy log"
        with told(operation):
            within(CLOSE_TIMEOUT_S, log.close, operation=operation, path=state_directory)


def complete(
    log: StrategyLog,
    session_id: str,
    hashes: Mapping[str, str],
    lines: Iterable[Numbered],
    *,
    accounts: Mapping[str, str] | None = None,
    standing: Collection[int] = (),
) -> int:
    """Write down what the log lacks of a session that is over, and return how many rows that was. Blocks.

    `lines` are all of its ledger, from the first; the other arguments as of `StrategyRows`. Raises `ConsoleError`.
    """
    found = StrategyRows(session_id, hashes, accounts=accounts, standing=standing)
    newest = log.newest_line(session_id)
    written, rows = 0, list[StrategyRow]()

    def write() -> int:
        lacking = [row for row in rows if row.line > newest]
        rows.clear()
        return log.append(lacking) if lacking else 0

    for number, line in lines:
        rows += found.of(number, line)
        if len(rows) >= BATCH_ROWS:
            written += write()
    rows += found.rest()
    return written + write()


@attrs.frozen(kw_only=True)
class LogState:
    """How the log is doing: rows `written` in this run, ledger lines that are `waiting`, attempts that failed, and
    the `problem`, in words, that the last one had; empty when it had none."""

    written: int
    waiting: int
    failures: int
    problem: str


class StrategyLogService:
    """Writes the rows of a running session to `log`, in a worker thread, about once every `ROUND_S`.

    The ledger on the disk is the queue that counts. What is pushed waits in memory, the newest `QUEUE_LINES` of it;
    what is missing there is read again with `read_from`, at first everything. A line that was written down before is
    not written twice. The other arguments are those of `StrategyRows`, and how long to wait after failures.
    """

    def __init__(
        self,
        log: StrategyLog,
        session_id: str,
        hashes: Mapping[str, str],
        *,
        read_from: ReadFrom,
        accounts: Mapping[str, str] | None = None,
        standing: Collection[int] = (),
        retry: Retry | None = None,
    ) -> None:
        self._log = log
        self._session_id = session_id
        self._read_from = read_from
        self._retry = retry or Retry()
        self._queue: deque[Numbered] = deque(maxlen=QUEUE_LINES)
        self._pushed = 0  # the number of the newest line that is known of
        self._turn = threading.Lock()  # of a thread that was given up and the one after it
        self._found = StrategyRows(session_id, hashes, accounts=accounts, standing=standing)
        self._done = 0  # the line up to which rows were made
        self._safe = 0  # and up to which they are in the log
        self._rows: list[StrategyRow] = []
        self._logged: int | None = None  # what was in the log before
        self._begun = False
        self._given_up = threading.Event()
        self._written = self._failures = self._in_a_row = 0
        self._problem = ""

    @property
    def state(self) -> LogState:
        """How it is doing."""
        waiting = max(self._pushed - self._safe, 0)
        return LogState(written=self._written, waiting=waiting, failures=self._failures, problem=self._problem)

    def push(self, lines: Sequence[Numbered]) -> None:
        """Take lines of the ledger, in order, once their step is committed there. Never blocks; may be called from
        any thread, by one at a time."""
        if lines:
            self._queue.extend(lines)
            self._pushed = lines[-1][0]

    async def run(self) -> None:
        """Write until cancelled, and then what is left, for `DRAIN_S` at most. A log that cannot be written is no
        reason to end: it is tried again, and what is left at the end `complete` writes some other time."""
        try:
            while True:
                delay_s = ROUND_S
                if (not self._begun or self._safe < self._pushed) and not await self._attempt():
                    delay_s = max(ROUND_S, self._retry.delay_s(self._in_a_row))
                await trio.sleep(delay_s)
        finally:
            with trio.move_on_after(DRAIN_S, shield=True):
                while not await self._attempt(last=True):
                    await trio.sleep(self._retry.delay_s(self._in_a_row))
            self._given_up.set()
            if waiting := self.state.waiting:
                _logger.warning("%d lines of session %s are not in the strategy log", waiting, self._session_id)

    async def _attempt(self, *, last: bool = False) -> bool:
        try:
            await trio.to_thread.run_sync(partial(self._work, last=last), abandon_on_cancel=True)
        except ConsoleError as error:
            self._failed(error)
            return False
        except Exception as error:  # trading goes on without its log
            _logger.exception(_OPERATION)
            self._failed(PermanentError(_OPERATION, f"a fault in the program: {error!r:.200}"))
            return False
        if self._in_a_row:
            _logger.info("the strategy log is written again")
        self._in_a_row, self._problem = 0, ""
        return True

    def _failed(self, error: ConsoleError) -> None:
        if str(error) != self._problem:
            _logger.warning("the strategy log is not written; the ledger keeps everything: %s", error)
        self._failures += 1
        self._in_a_row += 1
        self._problem = str(error)

    def _work(self, *, last: bool) -> None:
        with self._turn:
            if self._given_up.is_set():  # the log may be closed by now
                return
            self._store()
            for number, line in self._due():
                self._rows += self._found.of(number, line)
                self._done = number
                if len(self._rows) >= BATCH_ROWS:
                    self._store()
                if self._given_up.is_set():
                    return
            if last:
                self._rows += self._found.rest()
            self._store()

    def _store(self) -> None:
        if self._logged is None:
            self._logged = self._log.newest_line(self._session_id)
        rows = [row for row in self._rows if row.line > self._logged]
        if rows:
            self._log.append(rows)
        self._written += len(rows)
        self._rows.clear()
        self._safe = self._done

    def _due(self) -> Iterator[Numbered]:
        # What comes after `_done`, which the caller moves on: from the queue, and from the ledger what is not there.
        if not self._begun:
            yield from self._reread()
            self._begun = True
        while self._done < self._pushed:
            before = self._done
            number, line = self._queue.popleft() if self._queue else _NONE
            if line is not None and number == before + 1:
                yield number, line
            elif line is None or number > before:
                yield from self._reread()
                if self._done == before:
                    raise TransientError(_OPERATION, f"line {before + 1} of the ledger cannot be read yet")

    def _reread(self) -> Iterator[Numbered]:
        for number, line in self._read_from(self._done + 1):
            if number != self._done + 1:
                raise PermanentError(_OPERATION, f"line {number} of the ledger stands where {self._done + 1} should")
            yield number, line
