"""Jobs as rows: which of them was interrupted, and times as people read them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

import attrs
import pytest

from console.backfill.rows import MOST_JOBS, is_interrupted, job_rows
from core.store.jobs import DONE, RUNNING, Job

HERE = socket.gethostname()
JOB = Job(
    job_id="backfill/1",
    kind="backfill",
    request={
        "symbols": "ESH5,NQH5",
        "provider": "",
        "exchange": "CME",
        "schema": "trades",
        "start": "1704276000000000000",
        "end": "1704276600999999999",
    },
    state=RUNNING,
    progress={"rows": 7, "share": 0.25, "paid_usd": "1.50", "host": HERE, "pid": os.getpid()},
    message="going on",
    updated="2024-01-03T11:00:00Z",
)


def with_progress(**progress: Any) -> Job:
    """The job with another progress."""
    return attrs.evolve(JOB, progress={**JOB.progress, **progress})


@pytest.fixture(scope="module")
def dead_pid() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as child:
        child.wait()
    return child.pid


def test_a_job_whose_process_is_gone_was_interrupted(dead_pid: int) -> None:
    """Only where it says that it runs, on this machine: of another's processes, and of what has ended, nothing
    follows."""
    gone = with_progress(pid=dead_pid)
    assert is_interrupted(gone)
    assert not is_interrupted(JOB)
    assert not is_interrupted(attrs.evolve(gone, state=DONE))
    assert not is_interrupted(with_progress(pid=dead_pid, host=f"{HERE}-other"))
    assert not is_interrupted(attrs.evolve(JOB, progress={}))


@pytest.mark.parametrize("pid", [None, "1", True, 1.0, 0, -1, 2**31, 2**70])
def test_what_is_no_process_does_not_run(pid: Any) -> None:
    """A number that no process can have, or none at all, is not asked of the system and belongs to no live one."""
    assert is_interrupted(with_progress(pid=pid))


def test_a_job_is_told_in_full(dead_pid: int) -> None:
    """Who was asked is the exchange where no provider was named; times are to the second, in UTC."""
    running, gone = job_rows([with_progress(pid=dead_pid), JOB])
    assert running == {
        "job_id": "backfill/1",
        "kind": "backfill",
        "state": "running",
        "symbols": "ESH5,NQH5",
        "provider": "CME",
        "schema": "trades",
        "start": "2024-01-03T10:00:00Z",
        "end": "2024-01-03T10:10:00Z",
        "rows": 7,
        "share": 0.25,
        "paid_usd": "1.50",
        "message": "going on",
        "updated": "2024-01-03T11:00:00Z",
    }
    assert gone == running | {"state": "interrupted"}


def test_the_newest_jobs_come_first() -> None:
    """Of more than are shown the oldest are left out."""
    jobs = [attrs.evolve(JOB, job_id=f"backfill/{number:03}") for number in range(MOST_JOBS + 2)]
    shown = [row["job_id"] for row in job_rows(jobs)]
    assert shown == [job.job_id for job in reversed(jobs[2:])]


@pytest.mark.parametrize("start", [None, "", "30d", "-1", "\u0663", "1" * 20, 1704276000000000000, ["1"]])
def test_a_time_that_is_none_is_left_empty(start: Any) -> None:
    """Whatever somebody else wrote into a request, the job is listed."""
    (row,) = job_rows([attrs.evolve(JOB, request={"start": start, "end": "9" * 19})])
    assert row["start"] == ""
    assert row["end"].startswith("2286-")
    assert (row["symbols"], row["provider"], row["schema"]) == ("", "", "")
