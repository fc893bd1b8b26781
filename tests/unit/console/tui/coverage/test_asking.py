"""What is asked of the engine, and when; what becomes of answers and refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from console.tui.answers import Raw
from console.tui.coverage.asking import MAP_NS, WORK_NS, Questions
from console.tui.coverage.document import Holdings
from core.clock import NS_PER_S
from ringbuf.control import ControlError
from tests.unit.console.tui.coverage.documents import KEY, TODAY, coverage, day, work

Answer = TypeVar("Answer")


class Engine:
    """Answers what is in `answers`, refuses everything else, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"coverage": coverage("#"), "coverage_day": day(), "backfill": work()}
        self.asked: list[tuple[str, dict[str, object]]] = []

    def __call__(self, operation: str, arguments: Mapping[str, str | int], read: Callable[[Raw], Answer]) -> Answer:
        """Answer one question."""
        self.asked.append((operation, dict(arguments)))
        found = self.answers.get(operation)
        if found is None:
            raise ControlError("no such operation", category="usage")
        return read(found)

    def names(self) -> list[str]:
        """What was asked since it was last looked at."""
        names, self.asked = [name for name, _arguments in self.asked], []
        return names


def test_only_what_is_looked_at_is_asked_for() -> None:
    """Nothing without a wish; the map, the day under the cursor and the jobs when each is seen and is due."""
    engine, questions, known = Engine(), Questions(str), Holdings()
    assert questions.look(engine, known, now_ns=0) is known
    known.wish.coverage = True
    known = questions.look(engine, known, now_ns=0)
    assert engine.names() == ["coverage"]
    known.wish.day = (KEY, TODAY - 3)
    known = questions.look(engine, known, now_ns=1)
    assert engine.asked == [("coverage_day", {
        "venue": "KRAKEN", "symbol": "BTCUSD", "schema": "trades", "day": "2026-11-20"})]  # fmt: skip
    assert known.day is not None
    assert (known.day.key, known.day.day, known.number) == (KEY, TODAY - 3, 2)
    engine.names()
    assert questions.look(engine, known, now_ns=MAP_NS - 1) is known
    questions.look(engine, known, now_ns=MAP_NS + 1)
    assert engine.names() == ["coverage", "coverage_day"]
    known.wish.coverage, known.wish.work = False, True
    questions.look(engine, known, now_ns=MAP_NS + 2)
    questions.look(engine, known, now_ns=MAP_NS + WORK_NS + 2)
    assert engine.names() == ["backfill", "backfill"]


def test_an_older_year_and_a_fetch_that_ended_are_asked_for_at_once() -> None:
    """More days, and what is known to be old, do not wait until they are due."""
    engine, questions, known = Engine(), Questions(str), Holdings()
    known.wish.coverage = True
    known = questions.look(engine, known, now_ns=0)
    known.wish.days = 730
    known = questions.look(engine, known, now_ns=1)
    known.wish.again += 1
    questions.look(engine, known, now_ns=2)
    assert [arguments for _name, arguments in engine.asked] == [{"days": 365}, {"days": 730}, {"days": 730}]


def test_what_was_told_is_kept_while_nobody_answers() -> None:
    """A refusal leaves the map and the jobs as they were, with a reason; a day that is not told is none."""
    engine, questions, known = Engine(), Questions(str), Holdings()
    known.wish.coverage = known.wish.work = True
    known.wish.day = (KEY, TODAY - 3)
    known = questions.look(engine, known, now_ns=0)
    engine.answers = {}
    lost = questions.look(engine, known, now_ns=MAP_NS)
    assert (lost.coverage, lost.work, lost.day) == (known.coverage, known.work, None)
    assert {lost.coverage_reason, lost.work_reason, lost.day_reason} == {"no such operation"}
    assert (lost.refused, lost.work_refused) == (True, True)
    engine.answers = Engine().answers
    again = questions.look(engine, lost, now_ns=2 * MAP_NS)
    assert (again.coverage_reason, again.refused, again.work_reason) == ("", False, "")


def test_running_jobs_have_rates() -> None:
    """Rows a second from one answer to the next, of those that run alone; none at first."""
    engine, questions, known = Engine(), Questions(str), Holdings()
    known.wish.work = True
    known = questions.look(engine, known, now_ns=0)
    assert known.work is not None
    assert known.work.rates == {}
    jobs = [{**one, "rows": one["rows"] + 500} for one in work()["jobs"]]
    engine.answers["backfill"] = {**work(), "jobs": jobs}
    known = questions.look(engine, known, now_ns=2 * NS_PER_S)
    assert known.work is not None
    assert known.work.rates == {"job-running": 250.0}
    assert attrs.evolve(known.work, rates={}).jobs[0].rows == 120_500
