"""What a digest says, and that it stays small."""

from __future__ import annotations

from console.alerting.backlog import WAITING, Backlog
from console.alerting.digest import NAMED, Tally
from core.alerts.message import Kind
from core.alerts.rules import Severity
from tests.unit.console.alerting.hearing import BEGIN_NS, CRITICAL, message


def tally(*messages: object) -> Tally:
    """A count of these."""
    counted = Tally()
    for one in messages:
        counted.add(one)  # type: ignore[arg-type]
    return counted


def test_one_message_stays_what_it_is() -> None:
    """Also when it was put back."""
    one = tally()
    one.absorb(tally(CRITICAL))
    assert one.told(BEGIN_NS) is CRITICAL


def test_a_digest_counts_by_severity_and_rule() -> None:
    """Of messages that are about several things each of them; the worst stand first, what is over last."""
    over = message("back", severity=Severity.CRITICAL, kind=Kind.RESOLVED, time_ns=BEGIN_NS - 10**9)
    told = tally(over, message(count=40), message("b", rule=""), CRITICAL).told(BEGIN_NS)
    assert told.kind is Kind.DIGEST
    assert (told.severity, told.count, told.rule) == (Severity.CRITICAL, 43, "")
    assert told.title == "43 alerts: 1 critical, 41 warning, 1 resolved"
    assert told.lines == (
        "since 14:13:19Z, by rule: feed_silent 41, others 1, store_down 1",
        "CRITICAL the store writes nothing",
        "WARNING no trades of BTCUSD for 120 s",
        "WARNING b",
        "RESOLVED back",
    )


def test_a_digest_of_one_rule_says_what_to_do() -> None:
    """And bears its name; one of things that are all over is information."""
    told = tally(*[message(kind=Kind.RESOLVED)] * 3).told(BEGIN_NS)
    assert (told.rule, told.severity) == ("feed_silent", Severity.INFO)
    assert told.runbook == "look at the connection on screen 7"


def test_a_digest_stays_small() -> None:
    """Whatever number of rules and messages, of whatever length, and nothing is left uncounted."""
    counted = Tally()
    for part in range(10):
        counted.absorb(tally(*[message("x" * 999, rule=f"rule {part} {number}" * 20) for number in range(500)]))
    told = counted.told(BEGIN_NS)
    assert told.count == 5000
    assert len(told.lines) == NAMED + 2
    assert sum(map(len, told.lines)) < 5000
    by_rule = told.lines[0].replace(",", "").split()
    assert sum(int(word) for word in by_rule if word.isdigit() and int(word) > 10) > 4000


def test_the_criticals_come_out_first_and_all_come_out() -> None:
    """Beyond what waits one by one, the rest is counted, the criticals with their urgency."""
    backlog = Backlog()
    for number in range(WAITING + 10):
        backlog.add(message(str(number)), number)
        backlog.add(CRITICAL, number)
    assert (backlog.waiting, backlog.since_s) == (2 * WAITING + 20, 0)
    first = backlog.take_one()
    assert first is not None
    assert first.message is CRITICAL
    rest = backlog.take_all(BEGIN_NS)
    assert rest is not None
    assert rest.message.count == 2 * WAITING + 19
    assert rest.tally.urgent == WAITING + 9
    assert (backlog.waiting, backlog.urgent, backlog.take_one(), backlog.take_all(0)) == (0, False, None, None)
    backlog.put_back(rest)
    assert (backlog.fresh, backlog.urgent, backlog.missed) == (0, True, 2 * WAITING + 19)
