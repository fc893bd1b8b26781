"""Follows the store from answer to answer: how fast each series grows, and which job has just ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

import attrs

from console.tui.health import Rates
from console.tui.stored import RUNNING, Job, Key, StoreAnswer
from core.clock import NS_PER_S

HISTORY: Final = 60
"""Growth is remembered for so many answers, about a minute."""
_RATE_ANSWERS: Final = 5
_PAUSE_NS: Final = 5 * NS_PER_S


@attrs.frozen(kw_only=True)
class StoreReport:
    """What the last question brought at `at_ns`: `number` grows with each; `answer` is None when there was none, for
    the `reason` given."""

    number: int = 0
    at_ns: int = 0
    answer: StoreAnswer | None = None
    reason: str = ""


@attrs.frozen(kw_only=True)
class StoreView:
    """What the Data screen knows: the last `answer`, kept while there is none, and then why there is none. `rates`
    are rows a second, `histories` the same from one answer to the next, oldest first; `kept` tells that the series
    are those of an earlier answer, because the store could not be asked for them."""

    answer: StoreAnswer | None = None
    reason: str = ""
    kept: bool = False
    rates: Mapping[Key, float] = attrs.Factory(dict)
    histories: Mapping[Key, tuple[float, ...]] = attrs.Factory(dict)


class StoreWatch:
    """Makes a `view` of reports. A job that was begun after `started_ns` is told of when it ends, an older one only
    when it was seen running."""

    def __init__(self, *, started_ns: int) -> None:
        self.view = StoreView()
        self._started_ns = started_ns
        self._number, self._last_ns = 0, 0
        self._steps, self._rates = Rates[Key](1), Rates[Key](_RATE_ANSWERS)
        self._histories: dict[Key, deque[float]] = {}
        self._running: tuple[str, int] | None = None
        self._told: tuple[str, int] | None = None

    @property
    def job_running(self) -> bool:
        """Whether a job was running when the engine last answered."""
        return self._running is not None

    def take(self, report: StoreReport) -> str:
        """Take a report, once; returns a sentence when a job has ended, else nothing."""
        if report.number == self._number:
            return ""
        self._number = report.number
        if report.answer is None:
            self.view = attrs.evolve(self.view, reason=report.reason or "no answer")
            return ""
        if report.at_ns - self._last_ns > _PAUSE_NS:
            self._forget()
        self._last_ns = report.at_ns
        answer, kept = self._with_series(report.answer)
        counts = {one.key: one.rows for one in answer.series}
        steps = self._steps.add(report.at_ns, counts)
        for key in counts:
            if key in self._histories:
                self._histories[key].append(steps[key])
            else:
                self._histories[key] = deque(maxlen=HISTORY)  # what it grew by before is not known
        self.view = StoreView(
            answer=answer,
            kept=kept,
            rates=self._rates.add(report.at_ns, counts),
            histories={key: tuple(self._histories[key]) for key in counts},
        )
        return self._ended(answer.job)

    def _with_series(self, answer: StoreAnswer) -> tuple[StoreAnswer, bool]:
        # While a database is down the engine cannot list them: those it listed before are still there.
        before = self.view.answer
        if answer.series or before is None or not before.series or not answer.in_trouble:
            return answer, False
        return attrs.evolve(answer, series=before.series), True

    def _forget(self) -> None:
        # Nobody looked for a while: one step over all of it would say nothing.
        self._steps.clear()
        self._rates.clear()
        self._histories.clear()

    def _ended(self, job: Job | None) -> str:
        before, self._running = self._running, None
        if job is None:
            return ""
        name = (job.name, job.since_ns)
        if job.state == RUNNING:
            self._running = name
            return ""
        if name == self._told or (name != before and job.since_ns < self._started_ns):
            return ""
        self._told = name
        return f"{job.name} {job.state or 'ended'}: {ending(job)}"


def ending(job: Job) -> str:
    """How a job that has ended went, in a few words."""
    if job.state == "done" and job.name in ("compress", "prune") and not job.total and not job.found:
        return f"nothing to {job.name}"
    wrong = sum(one.severity == "error" for one in job.results)
    counted = f"{job.done} of {job.total} {job.unit}".strip() if job.total else ""
    noun = "error" if wrong == 1 else "errors"
    parts = (counted, f"{wrong} {noun}" if wrong else "", job.message.removeprefix(f"{job.name}: "))
    return ", ".join(part for part in parts if part) or "nothing to say"
