"""Carries out a plan: span by span, what a source delivers is stored and then written down as fetched.

What is written down is the only state there is. A run that is killed leaves some of its spans fetched in part; the
next plan does not have those parts, and what was stored and not yet written down is recognised.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from decimal import Decimal
from functools import partial
from typing import Any, Final, cast

import attrs
import numpy as np
import trio

from console.backfill.books import Shelf
from console.backfill.claims import claimed
from console.backfill.filling import settle_gaps
from console.backfill.keeping import Keeper
from console.backfill.plan import Facts, Planned, narrowed
from console.backfill.source import Allowance, Delivery, Say, Source
from console.batch.db_target import Target
from console.spending import plain
from core.clock import NS_PER_S, iso_ns, monotonic_ns, wall_ns
from core.errors import ConsoleError, PermanentError
from core.model.records import Records
from core.model.spans import total_ns
from core.store.batch import summed
from core.store.fetched import BEGUN, BOUGHT, RECOVERED, Fetched
from core.store.jobs import DONE, FAILED, RUNNING, Job
from core.store.repository import AppendResult, SeriesKey, TickReader
from core.store.surplus import Surplus

KIND: Final = "backfill"
CANCELLED: Final = "cancelled"
FLUSH_ROWS: Final = 250_000
FLUSH_S: Final = 5.0
_TOLD_S: Final = 0.5
_CLOCKS_APART_NS: Final = 86_400 * NS_PER_S
_SLACK_NS: Final = 3600 * NS_PER_S  # a receipt may be so much later than the event that it is about

Progress = Callable[[float, int], None]
"""Told the part that is done, from 0 to 1, and the rows so far."""


@attrs.define(kw_only=True)
class Outcome:
    """What became of one plan: `done_ns` of its spans are fetched."""

    planned: Planned
    state: str = RUNNING
    stored: AppendResult = attrs.Factory(AppendResult)
    paid_usd: Decimal = Decimal(0)
    rejected: int = 0
    done_ns: int = 0
    problem: ConsoleError | None = None

    @property
    def share(self) -> float:
        """How much of what was left is done, from 0 to 1."""
        whole_ns = total_ns(self.planned.spans)
        return self.done_ns / whole_ns if whole_ns else 1.0


@attrs.frozen(kw_only=True)
class Tools:
    """What a run works with. `source_of` gives the source of a plan; `max_usd` is the most that the run may cost."""

    target: Target
    shelf: Shelf
    ticks: TickReader
    keeper: Keeper
    facts: Facts
    source_of: Callable[[Planned], Source]
    max_usd: Decimal | None = None


class Run:
    """One command's fetching, written down as the job `job_id`."""

    def __init__(
        self, tools: Tools, request: dict[str, Any], progress: Progress, say: Say, *, job_id: str = ""
    ) -> None:
        self.job_id = job_id or f"{KIND}/{iso_ns(wall_ns())[:19]}Z/{secrets.token_hex(3)}"
        self.outcomes: list[Outcome] = []
        self._tools = tools
        self._request = request
        self._progress, self._say, self._resumed = progress, say, bool(job_id)
        self._told_ns, self._began_ns = 0, wall_ns()

    @property
    def rows(self) -> int:
        """How many records were stored."""
        return sum(outcome.stored.rows for outcome in self.outcomes)

    async def fetch(self, plans: Sequence[Planned]) -> list[Outcome]:
        """Fetch what is left of each plan, one after the other; a plan that fails does not stop those behind it.

        Raises:
            ConsoleError: nothing can be written down.
        """
        self.outcomes = [Outcome(planned=planned) for planned in plans]
        if not any(planned.problem or len(planned.spans) for planned in plans):
            for outcome in self.outcomes:
                outcome.state = DONE
            if self._resumed:
                await self._note(DONE)
            return self.outcomes
        await self._note(RUNNING)
        state = CANCELLED
        try:
            for outcome in self.outcomes:
                await self._one(outcome)
            state = FAILED if any(outcome.problem for outcome in self.outcomes) else DONE
        finally:
            with trio.CancelScope(shield=True):
                await self._note(state)
        return self.outcomes

    async def paid_usd(self, series: SeriesKey | None = None) -> Decimal:
        """What was spent so far, for one series or for all."""
        look = partial(self._tools.shelf.ledger.purchases, since_ns=self._began_ns - _CLOCKS_APART_NS)
        purchases = await trio.to_thread.run_sync(look)
        own = [each for each in purchases if each.job_id == self.job_id]
        if series is not None:
            names = (series.venue, series.symbol, series.schema.value)
            own = [each for each in own if (each.dataset, each.symbol, each.schema) == names]
        return sum((each.counted_usd for each in own), Decimal(0))

    async def _one(self, outcome: Outcome) -> None:
        planned = outcome.planned
        if planned.problem is not None:
            outcome.state, outcome.problem = FAILED, planned.problem
            return
        assert planned.series is not None
        try:
            with claimed(self._tools.target, planned.series):
                # Somebody else may have fetched some of it since it was planned.
                look = partial(narrowed, planned, self._tools.facts, start_ns=planned.start_ns, end_ns=planned.end_ns)
                outcome.planned = await trio.to_thread.run_sync(look)
                for start_ns, end_ns in outcome.planned.spans.tolist():
                    await self._span(outcome, start_ns, end_ns)
            outcome.state = DONE
        except ConsoleError as error:
            outcome.state, outcome.problem = FAILED, error
        await trio.to_thread.run_sync(settle_gaps, self._tools.shelf, self._tools.ticks, planned.series)
        outcome.paid_usd = await self.paid_usd(planned.series)

    async def _span(self, outcome: Outcome, start_ns: int, end_ns: int) -> None:
        source, planned = self._tools.source_of(outcome.planned), outcome.planned
        most_usd = self._tools.max_usd
        allowance = Allowance(None if most_usd is None else most_usd - await self.paid_usd())
        filling = _Filling(
            self._tools, planned, start_ns, end_ns, source=BOUGHT if source.sells else RECOVERED, job=self.job_id
        )
        before_ns = outcome.done_ns
        asked = source.deliver(planned, start_ns, end_ns, job_id=self.job_id, allowance=allowance, say=self._say)
        async with aclosing(cast("AsyncGenerator[Delivery, None]", asked)) as deliveries:
            try:
                async for delivery in deliveries:
                    outcome.rejected += delivery.rejected
                    if filling.take(delivery):
                        outcome.stored = summed(outcome.stored, await filling.flush())
                        outcome.done_ns = before_ns + filling.done_ns - start_ns
                        await self._tell()
            finally:
                with trio.CancelScope(shield=True):
                    outcome.stored = summed(outcome.stored, await filling.flush())
                    outcome.done_ns = before_ns + filling.done_ns - start_ns
        await self._tell()

    async def _tell(self) -> None:
        self._progress(self._share(), self.rows)
        if monotonic_ns() - self._told_ns >= _TOLD_S * NS_PER_S:
            self._told_ns = monotonic_ns()
            await self._note(RUNNING)

    def _share(self) -> float:
        whole = sum(total_ns(outcome.planned.spans) for outcome in self.outcomes)
        return sum(outcome.done_ns for outcome in self.outcomes) / whole if whole else 1.0

    async def _note(self, state: str) -> None:
        problems = [str(outcome.problem) for outcome in self.outcomes if outcome.problem is not None]
        job = Job(
            job_id=self.job_id,
            kind=KIND,
            request=self._request,
            state=state,
            progress={
                "share": round(self._share(), 4),
                "rows": self.rows,
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "paid_usd": plain(await self.paid_usd()),
            },
            message="; ".join(problems)[:500],
        )
        await trio.to_thread.run_sync(self._tools.shelf.jobs.save, job)


class _Filling:
    # One span on its way into the store: what was delivered waits until it is worth a visit to the disk.
    def __init__(self, tools: Tools, planned: Planned, start_ns: int, end_ns: int, *, source: str, job: str) -> None:
        assert planned.series is not None
        self.done_ns = start_ns
        self._tools, self._series, self._source, self._job = tools, planned.series, source, job
        self._waiting: list[Delivery] = []
        self._rows, self._until_ns, self._since_ns = 0, start_ns, monotonic_ns()
        self._described, self._end_ns, self._begun = False, end_ns, False
        self._surplus: Surplus | None = None
        self._among_ns = (0, 0)

    def take(self, delivery: Delivery) -> bool:
        """Keep it for the next flush; True when that is due."""
        self._waiting.append(delivery)
        self._rows += len(delivery.records)
        self._until_ns = max(self._until_ns, delivery.until_ns)
        return self._rows >= FLUSH_ROWS or monotonic_ns() - self._since_ns >= FLUSH_S * NS_PER_S

    async def flush(self) -> AppendResult:
        """Store what waits, then write down how far it goes."""
        # Never left behind by a cancellation: what is stored and not written down would be asked for again.
        result = await trio.to_thread.run_sync(self._flush)
        self._since_ns = monotonic_ns()
        return result

    def _flush(self) -> AppendResult:
        waiting, self._waiting, self._rows = self._waiting, [], 0
        result = AppendResult()
        for run in _alike(waiting):
            result = summed(result, self._store(run))
        if self._until_ns > self.done_ns:
            self._mark(self.done_ns, self._until_ns, rows=result.rows, source=self._source)
            self.done_ns = self._until_ns
        return result

    def _mark(self, start_ns: int, end_ns: int, *, rows: int, source: str) -> None:
        fetched = Fetched(
            series=self._series, start_ns=start_ns, end_ns=end_ns, rows=rows, source=source, job_id=self._job
        )
        self._tools.shelf.fetched.mark([fetched])

    def _store(self, run: Sequence[Delivery]) -> AppendResult:
        first = run[0]
        if first.instrument is not None and not self._described:
            self._tools.shelf.notes.describe([first.instrument])
            self._described = True
        records = np.concatenate([delivery.records for delivery in run])
        if not len(records):
            return AppendResult()
        newest_id = max(delivery.newest_id for delivery in run)
        duplicates = 0
        if not newest_id:
            new = self._surplus_among(first.among_ns).take(records)
            duplicates = len(records) - int(new.sum())
            records = records[new]
        if not len(records):
            return AppendResult(duplicates=duplicates)
        if not self._begun:
            # Before the first record is there: what a kill leaves must not pass for the edges of something live.
            self._mark(self.done_ns, self._end_ns, rows=0, source=BEGUN)
            self._begun = True
        result = self._tools.keeper.keep(self._series, records, newest_id)
        if not newest_id and result.duplicates and not self._series.schema.is_bars:
            # The store tells records of this series by ids, and took these, which have none, for one that it has.
            lost = f"{result.duplicates} records of {self._series} without an id"
            raise PermanentError("cannot be stored", f"{lost}, beside others that have one")
        return attrs.evolve(result, duplicates=result.duplicates + duplicates)

    def _surplus_among(self, among_ns: tuple[int, int]) -> Surplus:
        if self._surplus is None or among_ns != self._among_ns:
            self._among_ns = among_ns
            stored = stored_among(self._tools.ticks, self._series, among_ns)
            self._surplus = Surplus(stored, self._series.schema)
        return self._surplus


def stored_among(ticks: TickReader, series: SeriesKey, among_ns: tuple[int, int]) -> Records:
    """What a store has of a time, and of a little around it, because it is told by receipt. Raises `ConsoleError`."""
    start_ns, end_ns = among_ns
    return ticks.read(series, max(start_ns - _SLACK_NS, 1), end_ns + _SLACK_NS)


def _alike(deliveries: Iterable[Delivery]) -> list[list[Delivery]]:
    # Those that can be stored together.
    runs: list[list[Delivery]] = []
    for delivery in deliveries:
        if (
            runs
            and runs[-1][-1].among_ns == delivery.among_ns
            and bool(runs[-1][-1].newest_id) == bool(delivery.newest_id)
        ):
            runs[-1].append(delivery)
        else:
            runs.append([delivery])
    return runs
