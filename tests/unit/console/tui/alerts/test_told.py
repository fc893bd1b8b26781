"""What an operator is told by itself: the count in the status line, the sentences, the bell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from console.tui.alerts.told import BELL_NS, PAUSE_NS, AlertState, Messages, alert_cells, parse_alert_state
from console.tui.answers import read_count
from console.tui.text import ASCII, UNICODE
from core.clock import NS_PER_S
from tests.unit.console.tui.alerts.documents import NOW_NS
from tests.unit.console.tui.alerts.test_parsing import JSON


def state(*messages: dict[str, Any], bells: int = 0, **counts: int) -> AlertState:
    """What a status says."""
    found = parse_alert_state({"alerts": {"enabled": True, "messages": list(messages), "bells": bells, **counts}})
    assert found is not None
    return found


def message(number: int, title: str = "no connection", **fields: Any) -> dict[str, Any]:
    """One that came a second after the console began, and one second later for each number."""
    return {
        "number": number, "kind": "firing", "severity": "warning", "title": title,
        "time_ns": NOW_NS + number * NS_PER_S, **fields,
    }  # fmt: skip


def said(messages: Messages, found: AlertState, now_ns: int = 0, *, busy: bool = False) -> str:
    """What is said of an answer."""
    messages.take(found)
    return messages.say(now_ns=now_ns, glyphs=UNICODE, busy=busy)


@pytest.mark.parametrize(
    ("counts", "brief", "text"),
    [
        ({}, False, ""), ({"pending": 3, "quiet": 4}, False, ""), ({"warning": 1}, False, "⚠ 1 alert"),
        ({"warning": 1, "info": 1}, False, "⚠ 2 alerts"), ({"critical": 1}, False, "⚠ 1 critical"),
        ({"critical": 1, "warning": 2}, False, "⚠ 3 alerts, 1 critical"),
        ({"critical": 1, "warning": 2}, True, "⚠ 3 alerts"), ({"info": 1200}, True, "⚠ 1 200 alerts"),
    ],
)  # fmt: skip
def test_the_status_line_counts_what_fires(counts: dict[str, int], brief: bool, text: str) -> None:
    """Nothing when nothing fires; what is critical has a word of its own where there is room."""
    assert "".join(cell for cell, _style in alert_cells(state(**counts), UNICODE, brief=brief)).strip() == text


def test_the_worst_is_seen_by_its_style() -> None:
    """And in ASCII by its word."""
    styles = [alert_cells(state(**{one: 1}), ASCII)[1] for one in ("critical", "warning", "info")]
    assert styles == [("! 1 critical", "bar_down"), ("! 1 alert", "bar_warn"), ("! 1 alert", "bar")]
    assert alert_cells(None, UNICODE) == []


def test_each_is_said_once() -> None:
    """With its severity in a word; what ended, and a test, without."""
    messages = Messages(started_ns=NOW_NS)
    assert said(messages, state(message(1))) == "⚠ warning: no connection"
    assert said(messages, state(message(1)), PAUSE_NS) == ""
    assert said(messages, state(message(1), message(2, "over: it", kind="resolved")), PAUSE_NS) == "● over: it"
    assert said(messages, state(message(3, "hello", kind="test")), 2 * PAUSE_NS) == "● test: hello"


def test_what_is_older_than_the_console_is_not_said() -> None:
    """It stands in the history."""
    messages = Messages(started_ns=NOW_NS)
    assert said(messages, state(message(1, time_ns=NOW_NS - 1), message(2, time_ns=0))) == ""


def test_several_become_one_sentence() -> None:
    """The worst, and how many more; nothing is said while the last sentence stands or something is typed."""
    messages = Messages(started_ns=NOW_NS)
    assert said(messages, state(message(1)))
    assert said(messages, state(message(1), message(2, "two")), PAUSE_NS - 1) == ""
    worse = state(message(2, "two"), message(3, "bad", severity="critical"), message(4, "over", kind="resolved"))
    assert said(messages, worse, PAUSE_NS, busy=True) == ""
    assert said(messages, worse, PAUSE_NS) == "⚠ critical: bad (and 2 more; screen 3 shows them)"
    assert said(messages, worse, 9 * PAUSE_NS) == ""


def test_another_engine_counts_anew() -> None:
    """After a restart numbers begin again: its new messages are said, those from before are not said twice."""
    messages = Messages(started_ns=NOW_NS)
    assert said(messages, state(message(7)))
    again = state(message(1, "since", time_ns=NOW_NS + 60 * NS_PER_S), message(2, "before", time_ns=NOW_NS))
    assert said(messages, again, PAUSE_NS) == "⚠ warning: since"


def test_the_bell_rings_for_what_is_new() -> None:
    """Never for what it was at the start, once for what grew, at most once a second, and not for a restart."""
    messages = Messages(started_ns=NOW_NS)

    def rings(bells: int, now_ns: int) -> bool:
        found = state(bells=bells)
        messages.take(found)
        return messages.rings(found, now_ns=now_ns)

    assert not messages.rings(None, now_ns=0)
    assert not rings(5, 0)
    assert rings(7, 1)
    assert not rings(7, 2)
    assert not rings(8, 3)
    assert rings(8, 1 + BELL_NS)
    assert not rings(1, 9 * BELL_NS)
    assert rings(2, 10 * BELL_NS)


@given(JSON)
def test_a_status_may_say_anything(value: Any) -> None:
    """What is no statement about alerts is none; every text is safe to draw."""
    found = parse_alert_state({"alerts": value})
    assert (found is not None) == (isinstance(value, dict) and bool(value))
    odd = parse_alert_state(
        {"alerts": {"messages": value, "bells": value, "critical": value, "warning": 2, "info": -1, "worst": value}}
    )
    assert odd is not None
    assert odd.counts.firing == read_count({"critical": value}, "critical") + 2
    sentence = said(Messages(started_ns=0), odd)
    assert not sentence or sentence.isprintable()
