"""From the answer to `alerts` to frozen values. Pure.

Every text that is drawn is safe to draw and every number of an ordinary size, whatever was answered. What the engine
is to be told again, names and labels, is kept as it came, within limits, and never drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import attrs

from console.tui.alerts.document import (
    FIRING,
    PENDING,
    RESOLVED,
    RULE_STATES,
    UNKNOWN,
    Alert,
    Alerts,
    Counts,
    Event,
    Handler,
    Labels,
    Rule,
    Silence,
)
from console.tui.answers import Raw, read_count, read_list, read_mapping, read_number, read_rows, read_text
from console.tui.text import clean
from core.alerts.rules import SEVERITIES

MOST: Final = 1000
"""Of each list so many are kept."""
_MOST_LABELS: Final = 20
_LONGEST: Final = 500
_LAST_NS: Final = 2**63 - 1
_QUIETS: Final = frozenset({"acknowledged", "silenced", "inhibited"})


def parse_alerts(raw: Raw) -> Alerts:
    """`raw` as `Alerts`, the alerts in the order of what needs somebody."""
    alerts = {one.id: one for row in _rows(raw, "alerts") if (one := _alert(row)) is not None}
    rules = {rule.name: rule for row in _rows(raw, "rules") if (rule := _rule(row)).name}
    handlers = {handler.name: handler for row in _rows(raw, "handlers") if (handler := _handler(row)).name}
    silences = {silence.number: silence for row in _rows(raw, "silences") if (silence := _silence(row)).number}
    return Alerts(
        enabled=raw.get("enabled") is True,
        now_ns=_instant(raw, "now_ns"),
        interval_s=read_number(raw, "interval_s"),
        looked_ns=_instant(raw, "looked_ns"),
        took_ms=read_number(raw, "took_ms"),
        problem=read_text(raw, "problem", limit=300),
        counts=read_counts(read_mapping(raw, "counts")),
        rules=tuple(sorted(rules.values(), key=lambda one: RULE_STATES.index(one.state))),
        alerts=tuple(sorted(alerts.values(), key=_urgency)),
        alerts_total=max(read_count(raw, "alerts_total"), len(alerts)),
        silences=tuple(silences.values()),
        handlers=tuple(handlers.values()),
        history=_history(_rows(raw, "history")),
    )


def read_counts(row: Raw) -> Counts:
    """How many there are of each."""
    return Counts(**{field.name: read_count(row, field.name) for field in attrs.fields(Counts)})


def read_severity(row: Raw) -> str:
    """One of `SEVERITIES`; what an engine of another version calls otherwise is taken as a warning."""
    found = read_text(row, "severity", limit=20)
    return found if found in SEVERITIES else "warning"


def _urgency(one: Alert) -> tuple[bool, bool, bool, int]:
    # What is inhibited only follows from something else.
    return bool(one.quiet), one.quiet == "inhibited", one.state == PENDING, SEVERITIES.index(one.severity)


def _rows(raw: Raw, key: str) -> list[Raw]:
    return read_rows(raw, key)[:MOST]


def _instant(row: Raw, key: str) -> int:
    found = read_count(row, key)
    return found if found <= _LAST_NS else 0


def _figure(row: Raw, key: str) -> float | None:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _figure_text(row: Raw, key: str) -> str:
    # The engine's own words come first: they are not longer than the figure is exact.
    if said := read_text(row, f"{key}_text", limit=40):
        return said
    if isinstance(row.get(key), str):
        return read_text(row, key, limit=40)
    found = _figure(row, key)
    return "" if found is None else f"{found:,.0f}" if abs(found) >= 1e6 else f"{found:.6g}"


def _raw_text(value: Any) -> str | None:
    # What is sent back must be what came.
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST else None


def _labels(row: Raw, key: str) -> Labels:
    found = [
        (_raw_text(name), _raw_text(value)) for name, value in list(read_mapping(row, key).items())[:_MOST_LABELS]
    ]
    return tuple((name, value) for name, value in found if name is not None and value is not None)


def _alert(row: Raw) -> Alert | None:
    rule = _raw_text(row.get("rule"))
    if rule is None:
        return None
    quiet = read_text(row, "quiet", limit=20)
    return Alert(
        id=(rule, _raw_text(row.get("subject")) or ""),
        rule=clean(rule, limit=80),
        subject=read_text(row, "subject", limit=_LONGEST),
        labels=_labels(row, "labels"),
        severity=read_severity(row),
        state=PENDING if row.get("state") == PENDING else FIRING,
        value_text=_figure_text(row, "value"),
        threshold_text=_figure_text(row, "threshold"),
        since_ns=_instant(row, "since_ns"),
        summary=read_text(row, "summary", limit=300),
        quiet=quiet if quiet in _QUIETS else quiet and "quiet",
        quiet_by=read_text(row, "quiet_by", limit=80),
        quiet_until_ns=_instant(row, "quiet_until_ns"),
        next_ns=_instant(row, "next_ns"),
    )


def _rule(row: Raw) -> Rule:
    state = read_text(row, "state", limit=20)
    return Rule(
        name=read_text(row, "rule", limit=80),
        severity=read_severity(row),
        state=state if state in RULE_STATES else UNKNOWN,
        metric=read_text(row, "metric", limit=120),
        condition=read_text(row, "condition", limit=200),
        threshold=_figure(row, "threshold"),
        value=_figure(row, "value"),
        value_text=_figure_text(row, "value"),
        threshold_text=_figure_text(row, "threshold"),
        watched=read_count(row, "watched"),
        firing=read_count(row, "firing"),
        summary=read_text(row, "summary", limit=300),
        runbook=read_text(row, "runbook", limit=2000),
        cooldown_s=read_number(row, "cooldown_s"),
        for_s=read_number(row, "for_s"),
        parents=tuple(clean(one, limit=80) for one in read_list(row, "parents")[:50] if isinstance(one, str)),
    )


def _silence(row: Raw) -> Silence:
    match = read_mapping(row, "match")
    pairs = [f"{name}={value}" for name, value in list(match.items())[:_MOST_LABELS] if isinstance(value, str)]
    return Silence(
        number=read_count(row, "number"),
        rule=read_text(row, "rule", limit=80),
        match=clean(" ".join(pairs), limit=_LONGEST),
        until_ns=_instant(row, "until_ns"),
        by=read_text(row, "by", limit=80),
        comment=read_text(row, "comment", limit=300),
    )


def _handler(row: Raw) -> Handler:
    return Handler(
        name=read_text(row, "name", limit=80),
        kind=read_text(row, "kind", limit=40),
        state=read_text(row, "state", limit=20),
        problem=read_text(row, "problem", limit=300),
        sent=read_count(row, "sent"),
        failed=read_count(row, "failed"),
        suppressed=read_count(row, "suppressed"),
        waiting=read_count(row, "waiting"),
        last_ns=_instant(row, "last_ns"),
    )


def _event(row: Raw) -> Event:
    return Event(
        number=read_count(row, "number"),
        time_ns=_instant(row, "time_ns"),
        rule=read_text(row, "rule", limit=80),
        subject=read_text(row, "subject", limit=_LONGEST),
        instance=read_text(row, "instance", limit=80),
        severity=read_severity(row),
        state=read_text(row, "state", limit=20),
        value=_figure_text(row, "value"),
        threshold=_figure_text(row, "threshold"),
        message=read_text(row, "message", limit=300),
    )


def _history(rows: Iterable[Raw]) -> tuple[Event, ...]:
    # Newest first, as it came; an alert that ended lasted from when it was last said to begin.
    events = [one for row in rows if (one := _event(row)).time_ns]
    began: dict[tuple[str, str, str], int] = {}
    found: list[Event] = []
    for event in reversed(events):
        key = (event.instance, event.rule, event.subject)
        if event.state == FIRING:
            began[key] = event.time_ns
        elif event.state == RESOLVED and key in began:
            event = attrs.evolve(event, lasted_ns=max(event.time_ns - began.pop(key), 0))  # noqa: PLW2901
        found.append(event)
    return tuple(reversed(found))
