"""Long work on the store while an engine runs: compressing, verifying, pruning. One job at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import trio

from console.plan import StorePlan
from core.clock import DAY_NS, utc_day, wall_ns
from core.errors import ConsoleError, RefusedError

FIRST_ROUND_S: Final = 60.0
ROUND_S: Final = 3600.0
MAX_RESULTS: Final = 1000

Progress = Callable[[int, int], None]
"""Called with how much is done of how much."""
Act = Callable[[int, Progress], list[dict[str, Any]]]
"""Does the work on the days before one, blocking, and returns what it did as rows."""

logger = logging.getLogger("ringside.store")


@attrs.define(kw_only=True)
class Job:
    """A piece of work: `state` is running, done or failed; of the rows of its result the first `MAX_RESULTS`."""

    name: str
    state: str = "running"
    done: int = 0
    total: int = 0
    unit: str = "days"
    message: str = ""
    since_ns: int = attrs.Factory(wall_ns)
    results: list[dict[str, Any]] = attrs.Factory(list)
    result_rows: int = 0


class _StopError(Exception):
    # Ends the work in its thread when the engine stops.
    pass


class Upkeep:
    """Does what `acts` can do, when asked and every hour as `plan` says. `run` must be running."""

    def __init__(self, acts: Mapping[str, Act], plan: StorePlan) -> None:
        self.job: Job | None = None
        self._acts = acts
        self._plan = plan
        self._stopping = False
        self._send, self._receive = trio.open_memory_channel[tuple[Job, int]](1)

    def start(self, name: str, before_day: int) -> Job:
        """Begin a job on the days before one.

        Raises:
            RefusedError: another one is at work, or the store cannot do this.
        """
        if name not in self._acts:
            raise RefusedError(f"cannot {name}", "this store does nothing of the kind")
        if self.job is not None and self.job.state == "running":
            raise RefusedError(
                f"cannot {name}", f"the store is busy: {self.job.name}", hint="try again when it is done"
            )
        self.job = Job(name=name)
        self._send.send_nowait((self.job, before_day))
        return self.job

    async def run(self) -> None:
        """Work until cancelled; what is at work then is left at the next day."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_house)
                async for job, before_day in self._receive:
                    await self._do(job, before_day)
        finally:
            self._stopping = True

    async def _keep_house(self) -> None:
        await trio.sleep(FIRST_ROUND_S)
        while True:
            today = wall_ns() // DAY_NS
            for name, days in (("compress", self._plan.compress_after_days), ("prune", self._plan.keep_days)):
                if days and name in self._acts and (self.job is None or self.job.state != "running"):
                    job = self.start(name, today - days)
                    while job.state == "running":
                        await trio.sleep(1.0)
            await trio.sleep(ROUND_S)

    async def _do(self, job: Job, before_day: int) -> None:
        def note(done: int, total: int) -> None:
            if self._stopping:
                raise _StopError
            job.done, job.total = done, total

        def work() -> list[dict[str, Any]]:
            try:
                return self._acts[job.name](before_day, note)
            except _StopError:
                return []

        try:
            results = await trio.to_thread.run_sync(work, abandon_on_cancel=True)
        except ConsoleError as error:
            job.message, job.state = str(error), "failed"
            logger.error("%s failed: %s", job.name, error)
            return
        except Exception as error:  # storing goes on whatever becomes of work that can be done again
            job.message, job.state = f"a fault in the program: {error!r:.200}", "failed"
            logger.exception("%s failed", job.name)
            return
        job.results, job.result_rows = results[:MAX_RESULTS], len(results)
        job.message = f"{job.name}: {len(results)} {'finding' if job.name == 'verify' else 'day'}"
        job.message += "" if len(results) == 1 else "s"
        job.state = "done"
        if results:
            logger.info("%s of what lies before %s", job.message, utc_day(before_day * DAY_NS))
