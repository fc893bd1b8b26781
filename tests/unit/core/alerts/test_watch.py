"""Looks at figures that become history, messages and what people see."""

from __future__ import annotations

import pytest

from core.alerts.builtin import Thresholds, builtin_rules
from core.alerts.matching import Matcher, index_of, matches, pattern
from core.alerts.rules import Comparison, Severity
from core.alerts.silences import MOST, Silences
from core.alerts.watch import Watch
from core.alerts.words import condition_text, number_text, subject_text, value_text
from core.telemetry.series import SERIES
from tests.unit.core.alerts.worlds import NAMES, at, frame, rule

BTC, ETH = ("KRAKEN", "BTCUSD"), ("KRAKEN", "ETHUSD")


def test_every_change_is_history_whoever_is_told() -> None:
    """What is silenced or within its cooldown is written down all the same."""
    watch = Watch([rule(summary="{symbol} is hot")], NAMES, instance="alpha")
    watch.teller.silences.add("*", [], until_ns=at(1000))
    states = []
    for second in range(0, 120, 30):
        found = watch.look(frame(second, heat={BTC: 11 if second % 60 == 0 else 9}))
        assert found.messages == ()
        states += [(event.time_ns, event.state, event.value, event.message) for event in found.events]
    assert states == [
        (at(0), "firing", "11", "BTCUSD is hot"),
        (at(30), "resolved", "9", "BTCUSD is hot"),
        (at(60), "firing", "11", "BTCUSD is hot"),
        (at(90), "resolved", "9", "BTCUSD is hot"),
    ]


def test_a_clock_that_is_put_back_moves_nothing() -> None:
    """What lasts goes on to last, nobody is told that it is over, and what is told again is told in time."""
    watch = Watch([rule(for_s=60, cooldown_s=300)], NAMES, instance="alpha")
    told = []
    for look in range(40):
        second = look * 30 - (3600 if look > 5 else 0)
        found = watch.look(frame(second, heat={BTC: 11}))
        told += [(look, message.kind.value) for message in found.messages]
        assert [event.state for event in found.events] == (["firing"] if look == 2 else [])
    assert told == [(2, "firing"), (13, "repeated"), (33, "repeated")]
    (standing,) = watch.standings
    assert watch.wall_ns(standing.since_ns) == at(30 - 3600)


def test_somebody_may_acknowledge_one_or_all() -> None:
    """By what it is about, or all of a rule at once; what does not fire cannot be acknowledged, nor twice."""
    watch = Watch([rule()], NAMES, instance="alpha")
    watch.look(frame(0, heat={BTC: 11, ETH: 11}))
    assert watch.acknowledge("hot", "symbol=DOGEUSD venue=KRAKEN", by="ada", now_ns=at(1)) == []
    assert watch.acknowledge("cold", "", by="ada", now_ns=at(1)) == []
    (one,) = watch.acknowledge("hot", "symbol=BTCUSD venue=KRAKEN", by="ada", now_ns=at(1))
    assert (one.state, one.message, one.subject) == ("acknowledged", "by ada", "symbol=BTCUSD venue=KRAKEN")
    assert watch.counts() == {"critical": 0, "warning": 1, "info": 0, "pending": 0, "quiet": 1}
    (other,) = watch.acknowledge("hot", "", by="ada", now_ns=at(2))
    assert other.subject == "symbol=ETHUSD venue=KRAKEN"
    assert watch.acknowledge("hot", "", by="ada", now_ns=at(3)) == []


def test_a_silence_notes_what_it_covers() -> None:
    """Each alert that fires and that it covers becomes a line of the history."""
    watch = Watch([rule(), rule(name="other")], NAMES, instance="alpha")
    watch.look(frame(0, heat={BTC: 11, ETH: 11}))
    added = watch.teller.silences.add("hot", [("symbol", "btc*")], until_ns=at(60), by="ada", comment="known")
    assert [(one.rule, one.subject, one.message) for one in watch.silence(added, now_ns=at(1))] == [
        ("hot", "symbol=BTCUSD venue=KRAKEN", "by ada: known")
    ]


def test_the_worst_comes_first_and_the_quiet_last() -> None:
    """Critical before warning, firing before pending, and what somebody knows of at the end."""
    watch = Watch(
        [rule(), rule(name="later", for_s=600), rule(name="worst", severity=Severity.CRITICAL)], NAMES, instance="a"
    )
    watch.look(frame(0, heat={BTC: 11}))
    watch.look(frame(30, heat={BTC: 11, ETH: 11}))
    watch.acknowledge("worst", "symbol=BTCUSD venue=KRAKEN", by="ada", now_ns=at(31))
    order = [(watch.rules[one.key.rule].name, one.key.labels) for one in watch.worst()]
    assert order == [("worst", ETH), ("hot", BTC), ("hot", ETH), ("later", BTC), ("later", ETH), ("worst", BTC)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (10.0, "10"), (1234567.0, "1,234,567"), (0.123456, "0.1235"), (98.76543, "98.77"),
        (12345.678, "12,345.68"), (float("nan"), "unknown"), (float("inf"), "all of it"), (-3.5, "-3.5"),
    ],
)  # fmt: skip
def test_figures_are_written_as_people_do(value: float, text: str) -> None:
    """Whole ones whole, others no longer than it takes."""
    assert number_text(value) == text


def test_a_condition_says_all_of_it() -> None:
    """What, of what, within what time, for how long, and until where."""
    whole = rule(
        per="ringside_trades_total", window_s=300, for_s=30, threshold=0.1, clear=0.05, comparison=Comparison.AT_LEAST
    )
    assert condition_text(whole) == ">= 10 % of trades within 300 s, for 30 s, until 5 %"
    assert condition_text(rule(metric="ringside_store_lag_seconds", clear=2.5)) == "> 10 s, until 2.5 s"
    assert value_text(rule(metric="ringside_disk_free_ratio"), 0.278) == "27.8 %"
    assert value_text(rule(metric="ringside_disk_free_ratio"), float("nan")) == "unknown"
    assert value_text(rule(per="ringside_trades_total"), float("inf")) == "all of it"
    assert condition_text(rule(clear=10.0)) == "> 10"
    assert subject_text((), ()) == "-"


def test_patterns_are_text_but_for_the_star() -> None:
    """A dot is a dot, case is no matter, and what is asked of a label that is not there fails."""
    labels = [("SIM.KRAKEN", "BTCUSD"), ("SIMxKRAKEN", "btcusd"), ("KRAKEN", "ETHUSD")]
    index = index_of(labels)

    def found(**match: str) -> list[int]:
        return Matcher(list(match.items()), ("venue", "symbol")).places(labels, index)

    assert found(venue="SIM.KRAKEN") == [0]
    assert found(venue="SIM.*") == [0]
    assert found(symbol="btcUSD") == [0, 1]
    assert found(venue="*kraken", symbol="E*") == [2]
    assert found(venue="*") == [0, 1, 2]
    assert found(place="*") == []
    assert found() == [0, 1, 2]
    assert not matches([("place", "*")], {"venue": "KRAKEN"})


def test_many_stars_cost_nothing() -> None:
    """A pattern takes its time by the length of what it is matched with: this one would take longer than a life."""
    assert pattern("*a" * 60 + "b").fullmatch("a" * 200) is None
    assert pattern("[a]?").fullmatch("[A]?") is not None
    assert pattern("[a]").fullmatch("a") is None


def test_silences_are_bounded_and_numbered() -> None:
    """Each gets a number of its own; the oldest goes when there are too many."""
    silences = Silences()
    for second in range(MOST + 1):
        silences.add("*", [], until_ns=at(second))
    assert len(list(silences)) == MOST
    assert silences.remove(1) is None
    assert silences.remove(2) is not None
    assert silences.add("*", [], until_ns=at(1)).number == MOST + 2
    assert len(silences.expire(at(MOST))) == MOST
    assert list(silences) == []


def test_our_rules_are_about_series_that_there_are() -> None:
    """Metrics, labels, groups and parents exist, texts are there, and each name is there once."""
    rules = builtin_rules(Thresholds())
    names = [one.name for one in rules]
    assert len(set(names)) == len(names)
    for one in rules:
        labels = SERIES[one.metric].labels
        assert set(one.group_by or ()) <= set(labels)
        assert not one.per or SERIES[one.per].labels == labels
        assert set(one.parents) <= set(names) - {one.name}
        assert bool(one.window_s) == (SERIES[one.metric].kind == "counter")
        assert one.summary.format(**dict.fromkeys(labels, "x"))
        assert len(one.runbook) > 40


def test_the_first_four_are_where_the_settings_put_them() -> None:
    """Their thresholds come from outside."""
    found = {one.name: one for one in builtin_rules(Thresholds(backpressure_ratio=0.5, reconnects=3))}
    assert found["ipc_disconnected"].severity is Severity.CRITICAL
    assert (found["channel_backpressure"].threshold, found["channel_backpressure"].comparison) == (0.5, ">=")
    assert (found["reconnection_storm"].threshold, found["reconnection_storm"].comparison) == (3, ">")
    assert (found["cache_failures"].threshold, found["cache_failures"].comparison) == (0.1, ">=")
