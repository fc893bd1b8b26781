"""Worker processes: each job by itself, whatever becomes of the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from console.backtests.pool import Done, run_jobs
from core.errors import UsageError

LONG_S = 60.0
DEADLINE_S = 30.0


def square(number: int) -> int:
    """What is asked of most workers here."""
    return number * number


def all_of(
    jobs: list[int], work: Callable[[int], int] = square, *, processes: int = 2, timeout_s: float = LONG_S
) -> dict[int, Done[int, int]]:
    """What became of each job."""
    found = list(run_jobs(jobs, work, processes=processes, timeout_s=timeout_s))
    assert len({done.job for done in found}) == len(found)
    return {done.job: done for done in found}


def gone(pid: int) -> bool:
    """Whether there is no such process any more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


def wait_until_gone(pids: set[int]) -> None:
    """Poll until none of them is left."""
    deadline = time.monotonic() + DEADLINE_S
    while not all(gone(pid) for pid in pids):
        assert time.monotonic() < deadline, "they live on"


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_every_job_is_answered_once(processes: int) -> None:
    """However many workers there are, each job has one answer."""
    found = all_of(list(range(40)), processes=processes)
    assert {job: done.answer for job, done in found.items()} == {job: job * job for job in range(40)}


def test_no_jobs_start_no_process() -> None:
    """Nothing to do is nothing done."""
    assert all_of([]) == {}


def test_more_workers_than_jobs_are_not_started() -> None:
    """A worker is started when there is a job for it."""
    pids = {done.answer for done in all_of([1, 2], lambda _job: os.getpid(), processes=50).values()}
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids


def test_a_job_that_raises_costs_only_itself() -> None:
    """Its error is told in words and its worker goes on."""

    def work(job: int) -> int:
        if job == 1:
            raise UsageError("bad job", "one", hint="try two")
        if job == 2:
            raise SystemExit(3)
        return os.getpid()

    found = all_of([0, 1, 2, 3], work, processes=1)
    assert found[1].error == "bad job: one (try two)"
    assert found[2].error == "SystemExit: 3"
    assert found[0].answer == found[3].answer != os.getpid()


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "its process was ended by SIGKILL"),
        (lambda: os.kill(os.getpid(), signal.SIGXCPU), "its process was ended by SIGXCPU"),
        (lambda: os._exit(7), "its process ended by itself with 7"),
    ],
)
def test_a_worker_that_dies_is_replaced(end: Callable[[], None], reason: str) -> None:
    """Only its own job is lost, with the reason."""

    def work(job: int) -> int:
        if job == 3:
            end()
        return job

    found = all_of(list(range(10)), work)
    assert found.pop(3).error == reason
    assert [done.answer for _job, done in sorted(found.items())] == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_a_job_that_hangs_is_killed_and_the_others_go_on() -> None:
    """Even one that catches everything and hears no signal."""

    def work(job: int) -> int:
        if job == 1:
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP})
            while True:
                pass
        return job

    found = all_of([0, 1, 2, 3], work, timeout_s=0.3)
    assert found[1].error == "took longer than 0.3 s"
    assert {job: done.answer for job, done in found.items() if job != 1} == {0: 0, 2: 2, 3: 3}


def test_what_a_job_prints_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    """The output of the command holds nothing of a strategy's."""

    def work(job: int) -> int:
        print("from a strategy", flush=True)
        print("and its complaint", file=sys.stderr, flush=True)
        os.write(1, b"raw")
        return job

    assert len(all_of([1, 2, 3], work)) == 3
    assert capfd.readouterr() == ("", "")


def test_a_job_cannot_change_what_its_parent_has() -> None:
    """What is shared is shared copy-on-write."""
    shared = [0]

    def work(job: int) -> int:
        shared[0] += job
        return shared[0]

    found = all_of([1, 2, 3], work, processes=1)
    assert [done.answer for done in found.values()] == [1, 3, 6]
    assert shared == [0]


def test_what_eats_all_memory_goes_before_its_parent() -> None:
    """The kernel is told whom to end first."""
    found = all_of([1], lambda _job: int(Path("/proc/self/oom_score_adj").read_text()))
    assert found[1].answer == 1000


def test_stopping_in_the_middle_leaves_no_process() -> None:
    """Closing what gives the answers ends workers that are at work."""

    def work(job: int) -> int:
        while job:
            pass
        return os.getpid()

    others = children_of(os.getpid())  # servers of other tests
    with closing(run_jobs([0, 1, 1], work, processes=3, timeout_s=LONG_S)) as answers:
        pid = next(answers).answer
        children = children_of(os.getpid()) - others
        assert pid in children
    wait_until_gone(children)


def children_of(pid: int) -> set[int]:
    """The processes that it started."""
    return {int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


PROGRAM = """
import os, sys
from console.backtests.pool import run_jobs
def work(job):
    while job: pass
    return os.getpid()
try:
    for done in run_jobs([0, 1, 1], work, processes=2, timeout_s=600):
        print("ready", flush=True)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_parent_that_is_stopped_leaves_no_worker(number: signal.Signals, code: int) -> None:
    """Not with Ctrl-C in its terminal, which workers get too, and not when it is killed."""
    root = Path(__file__).resolve().parents[4]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root, process_group=0
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        assert parent.stdout.readline() == b"ready\n"
        workers = children_of(parent.pid)
        assert workers
        if number is signal.SIGINT:
            os.killpg(parent.pid, number)
        else:
            parent.send_signal(number)
        assert parent.wait(DEADLINE_S) == code
        assert parent.stderr.read() == b""
    wait_until_gone(workers)
