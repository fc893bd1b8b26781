"""What the alerts of an engine are, as plain values for the control channel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

from console.alerting.silence_file import silence_row
from core.alerts import words
from core.alerts.evaluate import Standing
from core.alerts.rules import SEVERITIES, Rule
from core.alerts.watch import Watch

SCHEMA_VERSION: Final = 1
MOST_ALERTS: Final = 1000
_ORDER: Final = ("firing", "pending", "quiet", "unknown", "ok", "unused", "off")


def alert_rows(watch: Watch, *, most: int = MOST_ALERTS) -> list[dict[str, Any]]:
    """What is beyond its threshold, the worst first; at most so many."""
    return [_alert_row(watch, one) for one in islice(watch.worst(), most)]


def rule_rows(watch: Watch | None, rules: Sequence[Rule], off: Sequence[Rule]) -> list[dict[str, Any]]:
    """Every rule, those that fire first, those that are off last; without a `watch` nothing is known of any."""
    firing: dict[int, list[Standing]] = {}
    for one in watch.standings if watch is not None else ():
        firing.setdefault(one.key.rule, []).append(one)
    rows = []
    watched = watch.watched() if watch is not None else [(0, math.nan)] * len(rules)
    for number, (rule, (count, worst)) in enumerate(zip(rules, watched, strict=True)):
        state = _state(watch, firing.get(number, ()), worst, watched=count)
        many = sum(one.firing for one in firing.get(number, ()))
        rows.append(_rule_row(rule, state, watched=count, firing=many, value=worst))
    rows += [_rule_row(rule, "off", watched=0, firing=0, value=math.nan) for rule in off]
    return sorted(rows, key=lambda row: (_ORDER.index(row["state"]), SEVERITIES.index(row["severity"])))


def silence_rows(watch: Watch) -> list[dict[str, Any]]:
    """The silences that are in force."""
    return [silence_row(one) for one in watch.teller.silences]


def handler_rows(states: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Who hears, as the dispatcher tells it: what went wrong last, and when it last heard."""
    kept = ("name", "kind", "state", "sent", "failed", "suppressed", "waiting")
    return [
        {name: state[name] for name in kept} | {"problem": state["last_error"], "last_ns": state["last_success_ns"]}
        for state in states
    ]


def _state(watch: Watch | None, standings: Sequence[Standing], worst: float, *, watched: int) -> str:
    # Of a store where nothing is stored there is nothing to watch, which is no reason to worry.
    if watch is None or not watch.looked_ns:
        return "unknown"
    firing = [one for one in standings if one.firing]
    quiet = watch.teller.quiet.keys() | watch.teller.acknowledged.keys()
    if any(one.key not in quiet for one in firing):
        return "firing"
    if firing:
        return "quiet"
    if standings:
        return "pending"
    if not watched:
        return "unused"
    return "unknown" if math.isnan(worst) else "ok"


def _rule_row(rule: Rule, state: str, *, watched: int, firing: int, value: float) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "severity": rule.severity.value,
        "state": state,
        "metric": rule.metric,
        "condition": words.condition_text(rule),
        "threshold": rule.threshold,
        "value": _number(value),
        "value_text": words.value_text(rule, value) if watched else "",
        "threshold_text": words.threshold_text(rule),
        "watched": watched,
        "firing": firing,
        "summary": rule.summary,
        "runbook": rule.runbook,
        "cooldown_s": rule.cooldown_s,
        "for_s": rule.for_s,
        "parents": list(rule.parents),
    }


def _alert_row(watch: Watch, one: Standing) -> dict[str, Any]:
    rule, teller = watch.rules[one.key.rule], watch.teller
    known, quiet = teller.acknowledged.get(one.key), teller.quiet.get(one.key)
    why = quiet.reason if quiet is not None else "acknowledged" if known is not None else ""
    return {
        "rule": rule.name,
        "subject": watch.subject(one.key),
        "labels": dict(teller.labels(one.key)),
        "severity": rule.severity.value,
        "state": "firing" if one.firing else "pending",
        "value": _number(one.value),
        "value_text": words.value_text(rule, one.value),
        "threshold_text": words.condition_text(rule),
        "since_ns": watch.wall_ns(one.since_ns),
        "summary": words.summary_text(rule, teller.names(one.key.rule), one.key.labels),
        "quiet": why,
        "quiet_by": quiet.by if quiet is not None else known.by if known is not None else "",
        "quiet_until_ns": quiet.until_ns if quiet is not None else 0,
        "next_ns": 0 if why else watch.wall_ns(teller.next_ns(one.key)),
    }


def _number(value: float) -> float | None:
    # JSON has neither infinity nor what is no number.
    return value if math.isfinite(value) else None
