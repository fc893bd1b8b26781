"""Worker processes that share what was loaded before they were forked, each given one job at a time.

A job that fails, hangs or takes its process with it is lost by itself: the worker is replaced and the others go on.
No worker outlives the block that drives the pool, nor its parent.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import attrs

from core.clock import NS_PER_S, monotonic_ns
from core.errors import ConsoleError, ResourceExhaustedError

Job = TypeVar("Job")
Answer = TypeVar("Answer")

_FORKS: Final = multiprocessing.get_context("fork")
_PARENT_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
_LONGEST_REASON: Final = 300
_NO_LIMIT_S: Final = 1e9
_LONGEST_WAIT_S: Final = 3600.0


@attrs.frozen
class Done(Generic[Job, Answer]):
    """A job that came to an end: with an `answer`, or with None and the `error` in words."""

    job: Job
    answer: Answer | None
    error: str | None = None


def run_jobs(
    jobs: Iterable[Job], work: Callable[[Job], Answer], *, processes: int, timeout_s: float
) -> Generator[Done[Job, Answer], None, None]:
    """The jobs as they come to an end, in no order. `jobs` is read as workers become free.

    `work` runs in forked processes: what it uses is best loaded before, and what it changes stays there. Jobs and
    answers are pickled, so keep them small. One that takes longer than `timeout_s` is killed; 0 is no limit. Closing
    the generator, and any exception in it, ends all workers at once.

    Raises:
        ResourceExhaustedError: the machine has no room for another process.
    """
    # What is alive now is left out of collections, so that no worker copies its pages to look at it.
    gc.collect()
    gc.freeze()
    pool = _Pool(work, timeout_s)
    try:
        yield from pool.run(iter(jobs), processes)
    finally:
        pool.end()
        gc.unfreeze()


@attrs.define(eq=False)
class _Worker(Generic[Job]):
    process: ForkProcess
    pipe: Connection
    job: Job | None = None
    deadline_ns: int = 0

    def end(self) -> int | None:
        # How it ended: its exit code, or a signal below 0.
        self.process.kill()
        self.process.join()
        code = self.process.exitcode
        self.process.close()
        self.pipe.close()
        return code


class _Pool(Generic[Job, Answer]):
    def __init__(self, work: Callable[[Job], Answer], timeout_s: float) -> None:
        self._work, self._timeout_s = work, timeout_s
        self._timeout_ns = int(timeout_s * NS_PER_S) if 0 < timeout_s < _NO_LIMIT_S else int(_NO_LIMIT_S * NS_PER_S)
        self._workers: list[_Worker[Job]] = []

    def run(self, jobs: Iterator[Job], processes: int) -> Iterator[Done[Job, Answer]]:
        for job in jobs:
            while (worker := self._free(processes)) is None:
                yield from self._finished()
            self._give(worker, job)
        while self._busy():
            yield from self._finished()

    def end(self) -> None:
        while self._workers:
            self._workers.pop().end()

    def _busy(self) -> list[_Worker[Job]]:
        return [worker for worker in self._workers if worker.job is not None]

    def _free(self, processes: int) -> _Worker[Job] | None:
        for worker in self._workers:
            if worker.job is None:
                return worker
        return self._started() if len(self._workers) < processes else None

    def _started(self) -> _Worker[Job]:
        ours, theirs = _FORKS.Pipe()
        inherited = [worker.pipe for worker in self._workers] + [ours]
        process = _FORKS.Process(target=_serve, args=(theirs, self._work, inherited, os.getpid()), daemon=True)
        try:
            with _held(signal.SIGINT):
                process.start()
        except OSError as error:
            ours.close()
            raise ResourceExhaustedError(
                "cannot start a worker", error.strerror or str(error), hint="fewer with --jobs"
            ) from error
        finally:
            theirs.close()
        worker: _Worker[Job] = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _give(self, worker: _Worker[Job], job: Job) -> None:
        worker.job = job
        worker.deadline_ns = monotonic_ns() + self._timeout_ns
        with suppress(BrokenPipeError, ConnectionResetError):  # it died meanwhile: its pipe tells when it is read
            worker.pipe.send(job)

    def _finished(self) -> Iterator[Done[Job, Answer]]:
        # Waits until something happens; then what came to an end.
        busy = self._busy()
        left_s = (min(worker.deadline_ns for worker in busy) - monotonic_ns()) / NS_PER_S
        ready = wait([worker.pipe for worker in busy], min(max(left_s, 0.0), _LONGEST_WAIT_S))
        for worker in busy:
            assert worker.job is not None
            if worker.pipe in ready:
                yield self._received(worker, worker.job)
            elif monotonic_ns() >= worker.deadline_ns:
                self._lose(worker)
                yield Done(worker.job, None, f"took longer than {self._timeout_s:g} s")

    def _received(self, worker: _Worker[Job], job: Job) -> Done[Job, Answer]:
        try:
            answer, error = worker.pipe.recv()
        except Exception:  # noqa: BLE001 - a process that was killed while it wrote leaves anything
            code = self._lose(worker)
            return Done(job, None, _death(code))
        worker.job = None
        return Done(job, answer, error)

    def _lose(self, worker: _Worker[Job]) -> int | None:
        self._workers.remove(worker)
        return worker.end()


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended by itself with {code}"


@contextmanager
def _held(number: signal.Signals) -> Iterator[None]:
    # Until a new process has handlers of its own, Ctrl-C must find none of its parent's there.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, work: Callable[[Any], Any], inherited: Sequence[Connection], parent: int) -> None:
    # The life of a worker.
    _settle(parent)
    for other in inherited:  # while a copy is open nobody is told that the other end is gone
        other.close()
    with suppress(EOFError, OSError):
        while True:
            pipe.send(_answer(work, pipe.recv()))


def _settle(parent: int) -> None:
    # The terminal signals the whole group: when a worker ends is for its parent to say.
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    with suppress(OSError):  # of a machine that is out of memory, what eats it is the first to go, and not its parent
        Path("/proc/self/oom_score_adj").write_text("1000")
    # What a strategy prints is not for the output of the command, and would be there once a worker.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(nowhere, fd)
    sys.stdout = sys.stderr = os.fdopen(nowhere, "w")


def _answer(work: Callable[[Any], Any], job: Any) -> tuple[Any, str | None]:
    try:
        return work(job), None
    except ConsoleError as error:
        return None, str(error)[:_LONGEST_REASON]
    except BaseException as error:  # noqa: BLE001 - also those by which code of a user would end the process
        return None, f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
