"""What an engine says of its alerts, as frozen values: what fires, the rules, who hears of it, what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import attrs

from core.alerts.rules import SEVERITIES

AlertId = tuple[str, str]
"""(rule, subject) as the engine has them: what identifies an alert."""
Labels = tuple[tuple[str, str], ...]
"""Pairs of a label and its value, or a pattern of it, as the engine has them: not meant to be drawn."""

FIRING: Final = "firing"
PENDING: Final = "pending"
QUIET: Final = "quiet"
OK: Final = "ok"
OFF: Final = "off"
UNKNOWN: Final = "unknown"
UNUSED: Final = "unused"
RESOLVED: Final = "resolved"
RULE_STATES: Final = (FIRING, PENDING, QUIET, UNKNOWN, OK, UNUSED, OFF)
"""What a rule can be, what needs somebody first."""


@attrs.frozen(kw_only=True)
class Counts:
    """How many alerts fire by severity, how many are about to (`pending`), and of how many nobody is told."""

    critical: int = 0
    warning: int = 0
    info: int = 0
    pending: int = 0
    quiet: int = 0

    @property
    def firing(self) -> int:
        """Those that somebody should look at."""
        return self.critical + self.warning + self.info

    @property
    def worst(self) -> str:
        """The worst severity that fires, empty when nothing does."""
        return next((one for one in SEVERITIES if getattr(self, one)), "")


@attrs.frozen(kw_only=True)
class Rule:
    """One rule and how it stands. `value` is the worst of the `watched` things it looks at, None where nothing is
    known; `condition` says in words when it fires; `runbook` what to do then."""

    name: str
    severity: str = ""
    state: str = UNKNOWN
    metric: str = ""
    condition: str = ""
    threshold: float | None = None
    value: float | None = None
    value_text: str = ""
    threshold_text: str = ""
    watched: int = 0
    firing: int = 0
    summary: str = ""
    runbook: str = ""
    cooldown_s: float = 0.0
    for_s: float = 0.0
    parents: tuple[str, ...] = ()

    @property
    def nearness(self) -> float | None:
        """How near its value is to its threshold, from 0 to 1; None where that cannot be said."""
        value, threshold = self.value, self.threshold
        if value is None or threshold is None:
            return None
        if self.condition.startswith("<"):
            if value <= 0 or value < threshold:
                return 1.0
            # What is up or not is far from being down as long as it is up.
            return 0.0 if threshold == 1 else max(threshold, 0.0) / value
        if threshold <= 0:
            return 1.0 if value > threshold else 0.0
        return min(max(value / threshold, 0.0), 1.0)


@attrs.frozen(kw_only=True)
class Alert:
    """One thing that fires or is about to. `quiet` says why nobody is told (acknowledged, silenced, inhibited),
    `quiet_by` who or which rule does that, until `quiet_until_ns` where that is known (0 where it is not); `next_ns`
    is when somebody is told again, 0 when nobody knows. `id` is what the engine calls it, `rule` and `subject` are
    the same as they are drawn."""

    id: AlertId
    rule: str
    subject: str = ""
    labels: Labels = ()
    severity: str = ""
    state: str = FIRING
    value_text: str = ""
    threshold_text: str = ""
    since_ns: int = 0
    summary: str = ""
    quiet: str = ""
    quiet_by: str = ""
    quiet_until_ns: int = 0
    next_ns: int = 0

    @property
    def standing(self) -> str:
        """`FIRING`, `PENDING` or `QUIET`."""
        return QUIET if self.quiet else PENDING if self.state == PENDING else FIRING


@attrs.frozen(kw_only=True)
class Silence:
    """Nobody is told of the rules that the pattern `rule` means, of what `match` means, until `until_ns`."""

    number: int
    rule: str
    match: str = ""
    until_ns: int = 0
    by: str = ""
    comment: str = ""


@attrs.frozen(kw_only=True)
class Handler:
    """Somebody who hears of alerts; `state` is "ok", "failing" or "off"."""

    name: str
    kind: str = ""
    state: str = ""
    problem: str = ""
    sent: int = 0
    failed: int = 0
    suppressed: int = 0
    waiting: int = 0
    last_ns: int = 0


@attrs.frozen(kw_only=True)
class Event:
    """One line of the history. `lasted_ns` is how long an alert fired that ended with it, None where its beginning is
    not among what was told."""

    number: int
    time_ns: int
    rule: str
    subject: str = ""
    instance: str = ""
    severity: str = ""
    state: str = ""
    value: str = ""
    threshold: str = ""
    message: str = ""
    lasted_ns: int | None = None


@attrs.frozen(kw_only=True)
class Alerts:
    """The whole answer; `looked_ns` is 0 before the first look, `problem` what keeps it from looking."""

    enabled: bool = True
    now_ns: int = 0
    interval_s: float = 0.0
    looked_ns: int = 0
    took_ms: float = 0.0
    problem: str = ""
    counts: Counts = Counts()
    rules: tuple[Rule, ...] = ()
    alerts: tuple[Alert, ...] = ()
    alerts_total: int = 0
    silences: tuple[Silence, ...] = ()
    handlers: tuple[Handler, ...] = ()
    history: tuple[Event, ...] = ()

    @property
    def watched(self) -> int:
        """How many things its rules look at."""
        return sum(one.watched for one in self.rules)

    def rule(self, name: str) -> Rule | None:
        """The rule of a name."""
        return next((one for one in self.rules if one.name == name), None)


@attrs.frozen(kw_only=True)
class Heard:
    """What the screen knows of alerts: the last answer, kept while there is none for the `reason` given; `refused`
    tells that the engine answered and knows of none. `number` grows with each question."""

    number: int = 0
    alerts: Alerts | None = None
    reason: str = ""
    refused: bool = False


Subject = Literal["acknowledge", "silence", "unsilence"]
"""What can be asked of an engine about its alerts."""


@attrs.frozen(kw_only=True)
class Target:
    """What a silence is about: a rule or a pattern of rules, and the labels that must match."""

    rule: str
    match: Labels = ()

    def __str__(self) -> str:
        return " ".join((self.rule, *(f"{name}={value}" for name, value in self.match)))

    @property
    def match_by_name(self) -> Mapping[str, str]:
        """The labels as the engine takes them."""
        return dict(self.match)


def copy_alert(alert: Alert) -> str:
    """An alert as tab-separated text for another program."""
    return "\t".join((
        alert.rule, alert.subject, alert.severity, alert.standing, alert.value_text, alert.threshold_text,
        str(alert.since_ns), alert.summary,
    ))  # fmt: skip


def copy_rule(rule: Rule) -> str:
    """A rule as tab-separated text for another program."""
    return "\t".join((
        rule.name, rule.severity, rule.state, rule.metric, rule.condition, rule.value_text, str(rule.watched),
        str(rule.firing), rule.runbook,
    ))  # fmt: skip


def copy_event(event: Event) -> str:
    """A line of the history as tab-separated text for another program."""
    return "\t".join((
        str(event.time_ns), event.state, event.severity, event.rule, event.subject, event.value, event.threshold,
        event.message,
    ))  # fmt: skip
