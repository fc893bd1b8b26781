"""Rules as the settings have them."""

from __future__ import annotations

import pytest

from config.operations import AlertingSettings, RuleSettings
from console.alerting.page import PAGE, page
from console.alerting.rules import check_silence, rule_problems, rules_of
from core.alerts.rules import Comparison, Rule, Severity
from core.errors import ConfigurationError, UsageError


def of(**rules: RuleSettings) -> dict[str, Rule]:
    """The rules in force with these changes, by name."""
    return {rule.name: rule for rule in rules_of(AlertingSettings(rules=rules))[0]}


def test_without_settings_ours_are_there() -> None:
    """With the thresholds and the cooldown of the section, and none switched off."""
    settings = AlertingSettings(cooldown_secs=60, channel_backpressure_threshold=50, reconnection_storm_threshold=3)
    rules, off = rules_of(settings)
    found = {rule.name: rule for rule in rules}
    assert off == ()
    assert found["channel_backpressure"].threshold == 0.5
    assert found["reconnection_storm"].threshold == 3
    assert {rule.cooldown_s for rule in rules} == {60}


def test_one_of_ours_is_changed_where_it_is_said() -> None:
    """What is not given stays; another threshold forgets where the old one cleared."""
    lag = of(store_lag=RuleSettings(above=60, severity="critical", for_secs=5))["store_lag"]
    assert (lag.threshold, lag.clear, lag.severity, lag.for_s) == (60, None, Severity.CRITICAL, 5)
    assert lag.metric == "ringside_store_lag_seconds"
    assert lag.runbook
    assert of(store_lag=RuleSettings(clear=2))["store_lag"].clear == 2


def test_one_of_ours_is_switched_off() -> None:
    """It is not looked at, and is known as one that is off."""
    rules, off = rules_of(AlertingSettings(rules={"disk_space": RuleSettings(enabled=False)}))
    assert [rule.name for rule in off] == ["disk_space"]
    assert "disk_space" not in {rule.name for rule in rules}


def test_a_rule_of_ones_own() -> None:
    """A price: the metric may be written without its prefix."""
    rule = of(high=RuleSettings(metric="price", match={"symbol": "BTCUSD"}, at_least=100_000, clear=99_000))["high"]
    assert (rule.metric, rule.comparison, rule.threshold) == ("ringside_price", Comparison.AT_LEAST, 100_000)
    assert (rule.match, rule.clear, rule.severity) == ((("symbol", "BTCUSD"),), 99_000, Severity.WARNING)


@pytest.mark.parametrize(
    ("name", "one", "said"),
    [
        ("Bad name", RuleSettings(), "a rule's name is small letters"),
        ("stale_fed", RuleSettings(for_secs=1), "did you mean stale_feed?"),
        ("own", RuleSettings(metric="pric", above=1), "no series 'pric' (did you mean ringside_price?)"),
        ("own", RuleSettings(metric="price", above=1, below=2), ".below: there is above already"),
        ("own", RuleSettings(metric="price", above=1, clear=2), ".clear: 2 is above the threshold 1"),
        ("own", RuleSettings(metric="price", below=1, clear=0), ".clear: 0 is below the threshold 1"),
        ("own", RuleSettings(metric="price", above=float("nan")), ".above: must be a number that can be reached"),
        ("own", RuleSettings(metric="price", above=1, window_secs=9), "only counters grow"),
        ("own", RuleSettings(metric="price", above=1, window_secs=-1), ".window_secs: must be from 0"),
        ("own", RuleSettings(metric="trades_total", above=1, per="quotes_total"), ".window_secs: must be given"),
        ("own", RuleSettings(metric="trades_total", above=1, per="nothing", window_secs=9), ".per: there is no"),
        ("own", RuleSettings(metric="trades_total", above=1, per="messages_total", window_secs=9), "other labels"),
        ("own", RuleSettings(metric="price", above=1, match={"tier": "x"}), "has no label 'tier', there is venue"),
        ("own", RuleSettings(metric="price", above=1, group_by=("tier",)), ".group_by: ringside_price has no label"),
        ("own", RuleSettings(metric="price", above=1, parents=("own",)), "no other rule is called 'own'"),
        ("own", RuleSettings(metric="price", above=1, parents=("store_dwn",)), "(did you mean store_down?)"),
        ("own", RuleSettings(metric="delay_seconds", above=1), "is a histogram"),
        ("own", RuleSettings(metric="price", above=1, summary="{symbl} is {value}"), "nothing stands for 'symbl'"),
    ],
)
def test_what_makes_no_sense_is_said(name: str, one: RuleSettings, said: str) -> None:
    """With the key, and what was probably meant; nothing of it is in force."""
    settings = AlertingSettings(rules={name: one})
    problems = rule_problems(settings)
    assert any(said in problem for problem in problems), problems
    assert all(problem.startswith(f"alerting.rules.{name}") for problem in problems)
    with pytest.raises(ConfigurationError):
        rules_of(settings)


def test_a_silence_of_what_there_is_not_is_refused() -> None:
    """Whoever mistypes one is told so, and not woken."""
    rules, _ = rules_of(AlertingSettings())
    for wanted, match in (("*", [("venue", "X")]), ("stale*", [("symbol", "B*")]), ("STORE_lag", [])):
        check_silence(rules, wanted, match)
    with pytest.raises(UsageError, match="no such rule") as caught:
        check_silence(rules, "stale_fed", [])
    assert caught.value.hint == "did you mean stale_feed?"
    with pytest.raises(UsageError, match="no such label"):
        check_silence(rules, "stale_feed", [("venu", "KRAKEN")])


def test_rules_that_silence_each_other_are_refused() -> None:
    """Nobody would be told of any of them, over however many corners."""
    ring = {
        "connection_down": RuleSettings(parents=("stale_feed",)),
        "own": RuleSettings(metric="price", above=1, parents=("other",)),
        "other": RuleSettings(metric="price", above=2, parents=("own",)),
        "below": RuleSettings(metric="price", above=2, parents=("own",)),
    }
    problems = rule_problems(AlertingSettings(rules=ring))
    named = [problem.split(".parents")[0].rpartition(".")[2] for problem in problems]
    assert named == ["connection_down", "own", "other"]


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Of several rules, and of the section itself."""
    settings = AlertingSettings(
        cooldown_secs=100,
        max_cooldown_secs=10,
        rules={"one": RuleSettings(metric="x", above=1), "two": RuleSettings(), "disk_full": RuleSettings(clear=-1)},
    )
    problems = rule_problems(settings)
    assert len(problems) == 4
    assert [problem.split(":")[0] for problem in problems] == [
        "alerting.max_cooldown_secs",
        "alerting.rules.one.metric",
        "alerting.rules.two",
        "alerting.rules.disk_full.clear",
    ]


def test_the_page_lists_our_rules() -> None:
    """As they are."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_only_the_first_mistakes_are_told_what_they_are_near_to() -> None:
    """To compare thousands of names with each other would take minutes; every mistake is told all the same."""
    rules = {f"r{number}": RuleSettings(metric="price", above=1, parents=("stale_fed",)) for number in range(3_000)}
    found = rule_problems(AlertingSettings(rules=rules))
    assert len(found) == 3_000
    assert [number for number, one in enumerate(found) if "did you mean" in one] == list(range(20))
