"""What the machine says of the engine: free space, its own process, and what is spent of the budgets."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, Generic, TypeVar

import attrs
import trio

from config.paths import find_paths
from console.plan import EnginePlan
from console.spending import budget_of, ledger_to_read
from console.stores import catalogue_path
from core.clock import wall_ns
from core.errors import ConsoleError
from core.store.spending import Budget, Spent
from ringbuf import layout

PATIENCE_S: Final = 1.0
"""So long is waited for a disk or a database; what they do not tell by then is not known."""
MACHINE_EVERY_S: Final = 0.5
BUDGETS_EVERY_S: Final = 60.0

Known = TypeVar("Known")

logger = logging.getLogger("ringside.metrics")


@attrs.frozen
class Space:
    """How much of a file system is free for us."""

    free_bytes: int
    total_bytes: int

    @property
    def free_ratio(self) -> float:
        """The share that is free; not a number for one without any size."""
        return self.free_bytes / self.total_bytes if self.total_bytes else float("nan")


@attrs.frozen(kw_only=True)
class MachineFacts:
    """`disks` by what is kept there and `shm`; memory, processor time and open files of this process; `spent` is the
    share of each budget that is spent, by its period. What is not known is None, so that it is not taken for gone; a
    budget that nobody set is missing."""

    disks: Mapping[str, Space | None] = attrs.Factory(dict)
    shm: Space | None = None
    resident_bytes: int | None = None
    cpu_s: float | None = None
    open_files: int | None = None
    spent: Mapping[str, float | None] = attrs.Factory(dict)


class Patient(Generic[Known]):
    """Asks something that may block, in a thread, every `every_s` at most. Whoever asks meanwhile waits for the same
    answer. Nobody waits for it longer than `PATIENCE_S` after it was asked for; while it is overdue there is none,
    and nobody asks again."""

    def __init__(self, ask: Callable[[], Known], *, every_s: float) -> None:
        self._ask = ask
        self._every_s = every_s
        self._limiter = trio.CapacityLimiter(1)
        self._asked_s = -every_s
        self._known: Known | None = None

    async def __call__(self) -> Known | None:
        now_s = time.monotonic()
        if self._limiter.borrowed_tokens:
            with trio.move_on_after(max(self._asked_s + PATIENCE_S - now_s, 0)):
                async with self._limiter:  # the thread gives it back when it has answered
                    pass
        elif now_s - self._asked_s >= self._every_s:
            self._asked_s, self._known = now_s, None
            with trio.move_on_after(PATIENCE_S):
                await trio.to_thread.run_sync(self._find, limiter=self._limiter, abandon_on_cancel=True)
        return self._known

    def _find(self) -> None:
        self._known = self._ask()


class FactsReader:
    """Reads the facts of the engine of `plan`."""

    def __init__(self, plan: EnginePlan) -> None:
        places = {"data": plan.data_directory, "state": plan.state_directory, "logs": find_paths().logs}
        self._unknown = MachineFacts(disks=dict.fromkeys(places))
        self._unspent = unknown_budgets(plan)
        self._machine = Patient(lambda: read_machine(places), every_s=MACHINE_EVERY_S)
        self._budgets = Patient(lambda: read_budgets(plan), every_s=BUDGETS_EVERY_S)

    async def __call__(self) -> MachineFacts:
        """The facts of now."""
        spent = await self._budgets()
        return attrs.evolve(await self._machine() or self._unknown, spent=self._unspent if spent is None else spent)


def read_machine(places: Mapping[str, Path]) -> MachineFacts:
    """Everything but the budgets. Blocks."""
    return MachineFacts(
        disks={place: space_of(path) for place, path in places.items()},
        shm=space_of(layout.directory()),
        resident_bytes=_resident_bytes(),
        cpu_s=time.process_time(),
        open_files=_open_files(),
    )


def space_of(path: Path) -> Space | None:
    """The space where `path` is, or will be made; None when that cannot be told. Blocks."""
    for place in (path, *path.parents):
        try:
            found = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
    return None


def _resident_bytes() -> int | None:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return None


def _open_files() -> int | None:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a thousand paths would be made to be counted
    except OSError:
        return None


def unknown_budgets(plan: EnginePlan) -> dict[str, float | None]:
    """The budgets of `plan`, with nothing known of what is spent; empty without any, and when they cannot be read."""
    try:
        return dict.fromkeys(
            spent_shares(Spent(today_usd=Decimal(0), month_usd=Decimal(0)), budget_of(plan.spending))
        )
    except ConsoleError:
        return {}


def read_budgets(plan: EnginePlan) -> dict[str, float | None]:
    """The share of each budget that is spent; None where there is no ledger, or it cannot be read. Blocks."""
    try:
        budget, unknown = budget_of(plan.spending), unknown_budgets(plan)
        if not unknown:
            return {}
        with ledger_to_read(plan.store.database_url, catalogue_path(plan.state_directory)) as ledger:
            return unknown if ledger is None else spent_shares(ledger.spent(wall_ns()), budget)
    except ConsoleError as error:
        logger.warning("what is spent is not known: %s", error)
        return unknown_budgets(plan)


def spent_shares(spent: Spent, budget: Budget) -> dict[str, float | None]:
    """The share of each budget that is spent. Of a budget of nothing all is spent as soon as there is one."""
    amounts = {"day": (spent.today_usd, budget.daily_usd), "month": (spent.month_usd, budget.monthly_usd)}
    return {
        period: float(paid / limit) if limit else 1.0
        for period, (paid, limit) in amounts.items()
        if limit is not None
    }
