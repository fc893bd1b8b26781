"""Long work on the store: one at a time, in a thread, with progress, told when it fails, ended with the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from console.plan import StorePlan
from console.upkeep import FIRST_ROUND_S, MAX_RESULTS, ROUND_S, Job, Progress, Upkeep
from core.clock import DAY_NS, wall_ns
from core.errors import RefusedError, TransientError

DEADLINE_S = 20


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that a thread does."""
    with trio.fail_after(DEADLINE_S):
        while not condition():
            await trio.sleep(0.002)


def ended(job: Job) -> Callable[[], bool]:
    """Whether it is over."""
    return lambda: job.state != "running"


@pytest.mark.trio
async def test_a_job_reports_progress_and_results() -> None:
    """A job runs in a thread, says how far it is, and leaves its result rows, the first of many."""
    step, go = threading.Event(), threading.Event()

    def compress(before_day: int, progress: Progress) -> list[dict[str, Any]]:
        progress(1, 3)
        step.set()
        assert go.wait(DEADLINE_S)
        progress(3, 3)
        return [{"day": day} for day in range(before_day)]

    upkeep = Upkeep({"compress": compress}, StorePlan())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(upkeep.run)
        job = upkeep.start("compress", MAX_RESULTS + 5)
        await until(step.is_set)
        assert (job.state, job.done, job.total) == ("running", 1, 3)
        with pytest.raises(RefusedError, match="busy: compress"):
            upkeep.start("compress", 1)
        go.set()
        await until(ended(job))
        assert (job.state, job.done, job.result_rows) == ("done", 3, MAX_RESULTS + 5)
        assert job.results == [{"day": day} for day in range(MAX_RESULTS)]
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_failure_is_told_and_the_next_job_runs() -> None:
    """A job that fails says why; what cannot be done at all is refused; the next one is done."""
    failures = [TransientError("compressing", "the disk failed")]

    def compress(_before_day: int, _progress: Progress) -> list[dict[str, Any]]:
        if failures:
            raise failures.pop()
        return []

    upkeep = Upkeep({"compress": compress}, StorePlan())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(upkeep.run)
        first = upkeep.start("compress", 1)
        await until(ended(first))
        assert (first.state, first.message) == ("failed", "compressing: the disk failed")
        second = upkeep.start("compress", 1)
        await until(ended(second))
        assert (second.state, second.message) == ("done", "compress: 0 days")
        with pytest.raises(RefusedError, match="cannot polish"):
            upkeep.start("polish", 1)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_fault_in_the_program_ends_the_job_alone(caplog: pytest.LogCaptureFixture) -> None:
    """What nobody thought of is logged with where it happened, fails the job, and the engine and its upkeep go on."""
    faults = [ZeroDivisionError("by nothing")]

    def compress(_before_day: int, _progress: Progress) -> list[dict[str, Any]]:
        if faults:
            raise faults.pop()
        return []

    upkeep = Upkeep({"compress": compress}, StorePlan())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(upkeep.run)
        first = upkeep.start("compress", 1)
        await until(ended(first))
        assert (first.state, first.message) == ("failed", "a fault in the program: ZeroDivisionError('by nothing')")
        second = upkeep.start("compress", 1)
        await until(ended(second))
        assert second.state == "done"
        nursery.cancel_scope.cancel()
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.message == "compress failed"
    assert record.exc_info is not None


@pytest.mark.trio
async def test_the_end_of_the_engine_ends_the_work() -> None:
    """When the engine stops, its upkeep does not wait for the work, and the work ends at its next step."""
    entered, go, left = threading.Event(), threading.Event(), threading.Event()

    def verify(_before_day: int, progress: Progress) -> list[dict[str, Any]]:
        entered.set()
        assert go.wait(DEADLINE_S)
        try:
            progress(1, 2)
        finally:
            left.set()
        raise AssertionError("went on after the end")

    upkeep = Upkeep({"verify": verify}, StorePlan())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(upkeep.run)
        upkeep.start("verify", 1)
        await until(entered.is_set)
        nursery.cancel_scope.cancel()
    go.set()
    assert left.wait(DEADLINE_S)


@pytest.mark.trio
async def test_the_engine_keeps_house_by_itself(mock_clock: MockClock) -> None:
    """Finished days are compressed and old ones pruned a minute after the start and then every hour, as planned."""
    done: list[tuple[str, int]] = []

    def act(name: str) -> Callable[[int, Progress], list[dict[str, Any]]]:
        def work(before_day: int, _progress: Progress) -> list[dict[str, Any]]:
            done.append((name, wall_ns() // DAY_NS - before_day))
            return []

        return work

    upkeep = Upkeep({"compress": act("compress"), "prune": act("prune")}, StorePlan(keep_days=30))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(upkeep.run)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.rate = 1000.0  # a minute in 60 ms
        with trio.fail_after(10 * ROUND_S):
            while len(done) < 4:
                await trio.sleep(1)
        assert trio.current_time() >= FIRST_ROUND_S + ROUND_S
        nursery.cancel_scope.cancel()
    assert done[:2] == [("compress", 1), ("prune", 30)]
    assert done[2:4] == done[:2]


@pytest.mark.trio
async def test_nothing_is_done_unasked(mock_clock: MockClock) -> None:
    """With both set to 0 the engine compresses and prunes nothing."""

    def act(_before_day: int, _progress: Progress) -> list[dict[str, Any]]:
        raise AssertionError("nobody asked")

    upkeep = Upkeep({"compress": act, "prune": act}, StorePlan(compress_after_days=0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(upkeep.run)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(FIRST_ROUND_S + 1)
        await trio.testing.wait_all_tasks_blocked()
        assert upkeep.job is None
        nursery.cancel_scope.cancel()
