"""The strategy log of a desk that trades: of the session that runs, and of the one before, which may have been
killed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from console.paper.past import Past
from console.paper.plan import PaperPlan
from console.paper.strategy_log import LogState, Numbered, StrategyLogService, complete, opened_strategy_log
from console.paper.trading import Hear, deaf
from core.errors import ConsoleError
from core.sim.lines import Line

if TYPE_CHECKING:
    from core.sim.state import SessionHead
    from core.store.strategy_log import StrategyLog

logger = logging.getLogger("ringside.paper")


class StrategyLogs:
    """Keeps the log that `plan` names, while `opened`. A log that cannot be used is said and done without."""

    def __init__(self, plan: PaperPlan) -> None:
        self._plan = plan
        self._log: StrategyLog | None = None
        self._service: StrategyLogService | None = None

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The log is open for as long as the block lasts."""
        try:
            opening = opened_strategy_log(self._plan.database_url, self._plan.state_directory)
            self._log = opening.__enter__()
        except ConsoleError as error:
            logger.warning("no strategy log; the ledger keeps everything: %s", error)
            yield
            return
        try:
            yield
        finally:
            self._log = self._service = None
            opening.__exit__(None, None, None)

    def begin(self, folder: Path, head: SessionHead) -> Hear:
        """Log the session in `folder` from now on, once `run` runs; what is returned is to hear its lines."""
        if self._log is None:
            return deaf
        service = StrategyLogService(
            self._log,
            head.session,
            _hashes(head),
            read_from=partial(_read_from, folder),
            accounts=_accounts(head),
            standing=_standing(head),
        )
        self._service = service

        def push(first: int, lines: list[Line]) -> None:
            service.push(list(enumerate(lines, first)))

        return push

    async def run(self) -> None:
        """Write what is heard of the session that was begun last, until cancelled, and then the rest."""
        if self._service is not None:
            await self._service.run()

    async def complete(self, folder: Path) -> None:
        """Write what is missing of the session in `folder`, which is over. What goes wrong is said."""
        if self._log is None:
            return
        leaving = threading.Event()
        try:
            await trio.to_thread.run_sync(self._complete, folder, leaving, abandon_on_cancel=True)
        except ConsoleError as error:
            logger.warning("the strategy log of %s stays as it is: %s", folder.name, error)
        finally:
            leaving.set()

    def _complete(self, folder: Path, leaving: threading.Event) -> None:
        past = Past(folder)
        head = past.head

        def lines() -> Iterator[Numbered]:
            for number, line in enumerate(past.lines, 1):
                if leaving.is_set():
                    return
                yield number, line

        with opened_strategy_log(self._plan.database_url, self._plan.state_directory) as log:
            complete(log, head.session, _hashes(head), lines(), accounts=_accounts(head), standing=_standing(head))

    @property
    def state(self) -> LogState | None:
        """How the log is doing; None when there is none."""
        return None if self._service is None else self._service.state


def _read_from(folder: Path, number: int) -> Iterator[Numbered]:
    return iter(list(enumerate(Past(folder).lines, 1))[number - 1 :])


def _hashes(head: SessionHead) -> dict[str, str]:
    return {lane.spec.label: lane.spec.sha256 for lane in head.state.lanes}


def _accounts(head: SessionHead) -> dict[str, str]:
    return {lane.spec.label: lane.spec.account for lane in head.state.lanes}


def _standing(head: SessionHead) -> set[int]:
    return {order.number for order in head.state.orders}
