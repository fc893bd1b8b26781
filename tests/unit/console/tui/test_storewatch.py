"""What takes two answers of the store to know: growth, and jobs that end."""

from __future__ import annotations

from typing import Any

from console.tui.stored import Key, parse_store
from console.tui.storewatch import HISTORY, StoreReport, StoreWatch
from core.clock import NS_PER_S
from tests.unit.console.tui.test_datarows import JOB, RAW, SERIES, SPILL, TRADES

STARTED_NS = JOB["since_ns"] - NS_PER_S


class Told:
    """A watch that is fed one answer a second."""

    def __init__(self) -> None:
        self.watch = StoreWatch(started_ns=STARTED_NS)
        self.number, self.now_ns = 0, 10 * NS_PER_S

    def answer(self, *, after_s: float = 1.0, **fields: Any) -> str:
        """Take an answer with some `fields` of its own; what there is to say."""
        self.number += 1
        self.now_ns += round(after_s * NS_PER_S)
        return self.watch.take(
            StoreReport(number=self.number, at_ns=self.now_ns, answer=parse_store({**RAW, **fields}))
        )

    def rows(self, count: int, *, after_s: float = 1.0) -> None:
        """Take an answer in which the first series has `count` rows."""
        self.answer(after_s=after_s, series=[{**SERIES[0], "rows": count}])

    def history(self, key: Key = TRADES) -> tuple[float, ...]:
        """The growth remembered of a series."""
        return self.watch.view.histories[key]


def test_growth_is_taken_from_answer_to_answer() -> None:
    """The first answer tells nothing, each later one a step; a count that fell is no growth."""
    told = Told()
    for count in (1000, 1100, 1100, 50, 90):
        told.rows(count)
    assert told.history() == (100.0, 0.0, 0.0, 40.0)
    for count in range(100, 100 + HISTORY + 20):
        told.rows(count)
    assert told.history() == (1.0,) * HISTORY
    assert told.watch.view.rates[TRADES] == 1.0


def test_a_pause_begins_anew() -> None:
    """What grew while nobody looked is not drawn as one step."""
    told = Told()
    told.rows(1000)
    told.rows(1010)
    told.rows(999_999, after_s=60)
    assert told.history() == ()
    assert told.watch.view.rates[TRADES] == 0.0
    told.rows(1_000_009)
    assert told.history() == (10.0,)


def test_an_answer_that_fails_keeps_the_last_one() -> None:
    """Without an answer the last one stays, with the reason, until there is a new one; a report counts once."""
    told = Told()
    told.rows(1000)
    report = StoreReport(number=99, reason="it has gone")
    assert told.watch.take(report) == ""
    assert told.watch.view.reason == "it has gone"
    assert told.watch.view.answer is not None
    told.number = 99
    told.rows(1001)
    assert told.watch.view.reason == ""


def test_series_are_kept_while_a_store_is_in_trouble() -> None:
    """A database that is down lists nothing: what it listed before stays, marked, until it answers again."""
    told = Told()
    told.rows(1000)
    told.answer(series=[], spill=SPILL)
    kept = told.watch.view
    assert kept.kept
    assert kept.answer is not None
    assert [one.key for one in kept.answer.series] == [TRADES]
    told.answer(series=[])
    assert not told.watch.view.kept
    assert told.watch.view.answer is not None
    assert told.watch.view.answer.series == ()


def test_a_job_is_told_of_once_when_it_ends() -> None:
    """Running it is watched; its end is said in one answer and in no other."""
    told = Told()
    assert told.answer(job=JOB) == ""
    running = [told.watch.job_running]
    done = {**JOB, "state": "done", "done": 10, "message": ""}
    assert told.answer(job=done) == "verify done: 10 of 10 days"
    running.append(told.watch.job_running)
    assert running == [True, False]
    assert told.answer(job=done) == ""
    assert told.answer(job=None) == ""
    again = {**done, "since_ns": JOB["since_ns"] + 9}
    assert told.answer(job=again) == "verify done: 10 of 10 days"


def test_an_old_job_is_not_told_of() -> None:
    """One that had ended before the console began is shown and not said; one seen running is said, however old."""
    old = {**JOB, "since_ns": STARTED_NS - 1, "state": "failed", "message": "no space"}
    told = Told()
    assert told.answer(job=old) == ""
    assert told.answer(job={**old, "state": "running"}) == ""
    assert told.answer(job=old) == "verify failed: 3 of 10 days, no space"
    quick = {**JOB, "name": "compress", "state": "done", "total": 0, "message": ""}
    assert told.answer(job=quick) == "compress done: nothing to compress"


def test_errors_are_counted_when_a_job_ends() -> None:
    """How many of the results are errors is said."""
    told = Told()
    results = [{"severity": "error"}, {"severity": "warning"}, {"severity": "error"}]
    assert told.answer(job={**JOB, "state": "done", "results": results}).startswith(
        "verify done: 3 of 10 days, 2 errors"
    )
