"""What is asked of the engine while the map or the jobs are looked at: each question when it is due. No threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeVar

import attrs

from console.tui.answers import Raw
from console.tui.coverage.document import RUNNING, Holdings, Work
from console.tui.coverage.parsing import parse_day, parse_map, parse_work
from console.tui.stored import Key
from core.clock import DAY_NS, NS_PER_S, utc_day
from ringbuf.control import ControlError

Answer = TypeVar("Answer")

MAP_NS: Final = 10 * NS_PER_S
"""Of a year of a hundred series little changes in so long."""
WORK_NS: Final = 2 * NS_PER_S
_NOT_OFFERED: Final = "usage"


class Asks(Protocol):
    """Asks the engine one thing and has the answer read. Raises `ControlError`."""

    def __call__(
        self, operation: str, arguments: Mapping[str, str | int], read: Callable[[Raw], Answer]
    ) -> Answer: ...


class Questions:
    """Turns what is known into what is known a moment later; `reason` makes a sentence of what went wrong."""

    def __init__(self, reason: Callable[[ControlError], str]) -> None:
        self._reason = reason
        self._asked: dict[str, tuple[object, int]] = {}
        self._counted: dict[str, tuple[int, int]] = {}

    def look(self, ask: Asks, known: Holdings, *, now_ns: int) -> Holdings:
        """Ask what is due at `now_ns` of a monotonic clock; `known` itself when nothing is."""
        wish = attrs.evolve(known.wish)  # the screen may change it meanwhile
        if wish.coverage and self._is_due("coverage", (wish.days, wish.again), MAP_NS, now_ns):
            known = self._map(ask, known, wish.days)
        if wish.coverage and wish.day is not None and self._is_due("day", (wish.day, wish.again), MAP_NS, now_ns):
            known = self._day(ask, known, *wish.day)
        if wish.work and self._is_due("work", wish.again, WORK_NS, now_ns):
            known = self._work(ask, known, now_ns)
        return known

    def _is_due(self, name: str, question: object, period_ns: int, now_ns: int) -> bool:
        asked = self._asked.get(name)
        if asked is not None and asked[0] == question and now_ns - asked[1] < period_ns:
            return False
        self._asked[name] = (question, now_ns)
        return True

    def _map(self, ask: Asks, known: Holdings, days: int) -> Holdings:
        number = known.number + 1
        try:
            found = ask("coverage", {"days": days}, parse_map)
        except ControlError as error:
            refused = error.category == _NOT_OFFERED
            return attrs.evolve(known, number=number, coverage_reason=self._reason(error), refused=refused)
        return attrs.evolve(known, number=number, coverage=found, coverage_reason="", refused=False)

    def _day(self, ask: Asks, known: Holdings, key: Key, day: int) -> Holdings:
        named = dict(zip(("venue", "symbol", "schema"), key, strict=True))
        number = known.number + 1
        try:
            found = ask("coverage_day", {**named, "day": utc_day(day * DAY_NS)}, lambda raw: parse_day(raw, key))
        except ControlError as error:
            return attrs.evolve(known, number=number, day=None, day_reason=self._reason(error))
        return attrs.evolve(known, number=number, day=found, day_reason="")

    def _work(self, ask: Asks, known: Holdings, now_ns: int) -> Holdings:
        number = known.number + 1
        try:
            found = ask("backfill", {}, parse_work)
        except ControlError as error:
            refused = error.category == _NOT_OFFERED
            return attrs.evolve(known, number=number, work_reason=self._reason(error), work_refused=refused)
        work = attrs.evolve(found, rates=self._rates(found, now_ns))
        return attrs.evolve(known, number=number, work=work, work_reason="", work_refused=False)

    def _rates(self, work: Work, now_ns: int) -> dict[str, float]:
        # From one answer to the next; a job that is seen for the first time has none.
        rates, before = {}, self._counted
        self._counted = {job.job_id: (job.rows, now_ns) for job in work.jobs if job.state == RUNNING}
        for job_id, (rows, _now_ns) in self._counted.items():
            if job_id in before and now_ns > before[job_id][1]:
                rates[job_id] = max(rows - before[job_id][0], 0) * NS_PER_S / (now_ns - before[job_id][1])
        return rates
