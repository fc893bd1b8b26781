"""What hosts tell of trades that their streams did not bring."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import intervals as module
from console.childhost import ChildHost
from console.intervals import (
    SHOWN_INTERVALS,
    IntervalCounts,
    ToldIntervals,
    gap_of,
    interval_rows,
    read_intervals,
)
from console.plan import FeedPlan
from core.model.records import Schema
from core.store.repository import Gap, SeriesKey
from providers.base import Interval
from tests.simulator.test_engine import make_plan


def interval(number: int, **changes: Any) -> Interval:
    """The interval of this number: of ten ids seven were recovered."""
    first = 100 * number
    fields: dict[str, Any] = {
        "venue": "SIM.KRAKEN", "symbol": "BTCUSD", "start_ns": 10**9 * number, "end_ns": 10**9 * number + 5,
        "cause": "disconnect", "recovered": 7, "lost": 3, "first_id": first, "last_id": first + 9,
        "reason": "the venue refused",
    }  # fmt: skip
    return Interval(**{**fields, **changes})


def numbers(found: list[Interval]) -> list[int]:
    """Which they are."""
    return [one.first_id // 100 for one in found]


def test_each_is_heard_once() -> None:
    """However often and in how many pieces hosts list what they know, each interval is counted and handed on once."""
    told = ToldIntervals()
    one: deque[Interval] = deque(maxlen=3)
    other: list[Interval] = []
    for number in range(1, 6):
        one.append(interval(number))
        if number % 2:
            other.append(interval(number, symbol="ETHUSD", recovered=0, lost=10))
        for _ in range(2):
            told.hear([one, other])
    assert told.total == IntervalCounts(intervals=8, recovered=35, lost=45)
    assert told.of_symbol("SIM.KRAKEN", "ETHUSD") == IntervalCounts(intervals=3, recovered=0, lost=30)
    assert told.of_symbol("SIM.KRAKEN", "XRPUSD") == IntervalCounts()
    assert numbers(told.take()) == [1, 1, 2, 3, 3, 4, 5, 5]
    assert told.take() == []
    assert [row["first_id"] for row in told.rows()] == [100, 100, 200, 300, 300, 400, 500, 500]
    json.dumps(told.rows())


def test_what_was_given_up_and_came_is_told_anew() -> None:
    """An interval of which a host says something else counts once, as it was said last, and is handed on again."""
    told, listing = ToldIntervals(), [interval(1), interval(2)]
    told.hear([listing])
    assert numbers(told.take()) == [1, 2]
    for place in (0, 1):
        listing[place] = attrs.evolve(listing[place], lost=2, recovered=8)
        told.hear([listing])
    listing[1] = attrs.evolve(listing[1], lost=1, recovered=9)
    told.hear([listing])
    assert told.total == IntervalCounts(intervals=2, recovered=17, lost=3)
    assert told.take() == listing
    assert [row["lost"] for row in told.rows()] == [2, 1]


@given(st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=20))
def test_nothing_is_missed_between_two_looks(steps: list[list[int]]) -> None:
    """Whatever hosts add between two looks is heard in the order of each host."""
    told, hosts, number, said = ToldIntervals(), [deque[Interval](maxlen=8) for _ in range(3)], 0, list[Interval]()
    for step in steps:
        for host in step:
            number += 1
            hosts[host].append(interval(number, symbol=f"S{host}"))
            said.append(hosts[host][-1])
        told.hear(hosts)
    taken = told.take()
    for host in range(3):
        assert [one for one in taken if one.symbol == f"S{host}"] == [one for one in said if one.symbol == f"S{host}"]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody takes is let go, the oldest first; what is shown are the newest; the counts have all."""
    monkeypatch.setattr(module, "_MOST_WAITING", 4)
    told = ToldIntervals()
    told.hear([[interval(number) for number in range(1, SHOWN_INTERVALS + 11)]])
    assert numbers(told.take()) == [SHOWN_INTERVALS + number for number in range(7, 11)]
    assert len(told.rows()) == SHOWN_INTERVALS
    assert told.rows()[-1]["first_id"] == 100 * (SHOWN_INTERVALS + 10)
    assert told.total.intervals == SHOWN_INTERVALS + 10
    assert len(interval_rows([interval(number) for number in range(300)])) == SHOWN_INTERVALS


@pytest.mark.parametrize(
    "bad",
    [None, 7, "x", [], {}, {"lost": True}, {"lost": 1.5}, {"lost": -1}, {"recovered": 2**63}, {"symbol": None},
     {"start_ns": "1"}, {"first_id": 10**30}],
)  # fmt: skip
def test_nonsense_of_another_process_is_left_out(bad: Any) -> None:
    """What is no interval is passed over, and those beside it are read; a listing that is none is empty."""
    good = attrs.asdict(interval(1))
    odd = good | bad if isinstance(bad, dict) and bad else bad
    assert read_intervals([odd, good]) == [interval(1)]
    assert read_intervals(odd) == []


def test_texts_are_made_printable() -> None:
    """No control character and no long text gets into the books or onto a terminal."""
    (found,) = read_intervals([attrs.asdict(interval(1, reason="\x1b[2J" + "x" * 900, symbol="a\nb", cause="\0"))])
    assert found.reason.startswith("\\x1b[2J")
    assert len(found.reason) <= 200
    assert (found.symbol, found.cause) == ("a\\nb", "\\x00")


def test_an_interval_becomes_a_gap() -> None:
    """Lost trades are the rows that are missing; instants that no database holds are the nearest it does."""
    series = SeriesKey("SIM.KRAKEN", "BTCUSD", Schema.TRADES)
    gap = Gap(series=series, start_ns=10**9, end_ns=10**9 + 5, rows=3, cause="disconnect", first_id=100)
    assert gap_of(interval(1)) == attrs.evolve(gap, recovered=7, reason="the venue refused")
    odd = gap_of(interval(1, start_ns=2**64 - 1, end_ns=-5, cause="\x00", reason="\x1b" * 400, lost=2**70))
    assert (odd.start_ns, odd.end_ns, odd.cause, odd.rows) == (0, 2**63 - 1, "\\x00", 2**63 - 1)
    assert odd.reason.isprintable()


def child_host() -> ChildHost:
    """A host whose child was never started."""
    return ChildHost(FeedPlan(provider="kraken"), make_plan())


def final(*told: Interval) -> dict[str, bytes]:
    """What a child says on its way out, as it stands on its output."""
    report = {"connections": [], "latency": {}, "feeds": [], "rings": [], "log": [],
              "intervals": [attrs.asdict(one) for one in told]}  # fmt: skip
    return {"stdout": b"noise\n" + json.dumps({"report": report}).encode() + b"\n", "stderr": b""}


def test_a_childs_final_report_is_heard() -> None:
    """What a child tells on its way out is in the report of its host, after what the children before it told."""
    host = child_host()
    assert host.intervals() == []
    assert host.report()["intervals"] == []
    host._note_final(final(interval(1), interval(2)))
    assert list(host.intervals()) == [interval(1), interval(2)]
    host._retire()
    assert list(host.intervals()) == [interval(1), interval(2)]
    host._note_final(final(interval(3)))
    told = ToldIntervals()
    told.hear([host.intervals()])
    assert numbers(told.take()) == [1, 2, 3]
    assert [row["last_id"] for row in host.report()["intervals"]] == [109, 209, 309]


def test_a_child_that_ends_without_a_word_takes_nothing_back() -> None:
    """What was heard before stays when the last words are none, or of another shape."""
    host = child_host()
    host._note_final(final(interval(1)))
    for said in (b"", b"{", b'{"report": []}', b'{"error": {}}'):
        host._note_final({"stdout": said, "stderr": b""})
        assert list(host.intervals()) == [interval(1)]
    host._note_final({"stdout": b'{"report": {"intervals": {"x": 1}}}', "stderr": b""})
    assert list(host.intervals()) == []
