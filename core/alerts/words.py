"""Alerts in words: what a value is beside its threshold, and what somebody is told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from core.alerts.rules import Rule
from core.telemetry.frame import Labels
from core.text import one_line

MOST_LINES: Final = 12
"""Of what is told together so many are named, the rest counted."""
MAX_LABEL: Final = 120
_MOST_SHARE: Final = 10
_UNKNOWN: Final = "unknown"


def number_text(value: float) -> str:
    """A figure as people write it, not longer than it is exact."""
    if math.isnan(value):
        return _UNKNOWN
    if math.isinf(value):
        return "all of it" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 100 else f"{value:.4g}"


def value_text(rule: Rule, value: float) -> str:
    """A value that a rule looks at, as people write it: shares in percent, times in seconds."""
    if rule.per or rule.metric.endswith("_ratio"):
        if not math.isfinite(value):
            return number_text(value)
        return f"{number_text(value * 100)} %" if abs(value) < _MOST_SHARE else f"over {_MOST_SHARE * 100:,} %"
    return number_text(value) + (" s" if rule.metric.endswith("_seconds") and math.isfinite(value) else "")


def threshold_text(rule: Rule) -> str:
    """On which side of what a rule fires, as `> 10`."""
    return f"{rule.comparison} {value_text(rule, rule.threshold)}"


def condition_text(rule: Rule) -> str:
    """When a rule fires, as `> 10 within 300 s, for 30 s`."""
    parts = [threshold_text(rule)]
    if rule.per:
        parts[0] += f" of {rule.per.removeprefix('ringside_').removesuffix('_total')}"
    if rule.window_s:
        parts[0] += f" within {number_text(rule.window_s)} s"
    if rule.for_s:
        parts.append(f"for {number_text(rule.for_s)} s")
    if rule.clear is not None and rule.clear != rule.threshold:
        parts.append(f"until {value_text(rule, rule.clear)}")
    return ", ".join(parts)


def subject_text(names: Sequence[str], labels: Labels) -> str:
    """What an alert is about, as `symbol=BTCUSD venue=KRAKEN`; a dash for what has no labels."""
    return (
        " ".join(f"{name}={one_line(value, MAX_LABEL)}" for name, value in sorted(zip(names, labels, strict=True)))
        or "-"
    )


def summary_text(rule: Rule, names: Sequence[str], labels: Labels) -> str:
    """What is the matter, of one thing or, where a label is empty, of several of them."""
    found = {name: one_line(value, MAX_LABEL) for name, value in zip(names, labels, strict=True)}
    text = rule.summary or f"{rule.name}: {subject_text(names, labels)}, {condition_text(rule)}"
    for name, value in found.items():
        text = text.replace(f"{{{name}}}", value or "several")
    return text


def alert_line(rule: Rule, names: Sequence[str], labels: Labels, value: float) -> str:
    """One alert as one line of a message."""
    return f"{subject_text(names, labels)}: {value_text(rule, value)} ({condition_text(rule)})"


def cut_lines(lines: Sequence[str]) -> tuple[str, ...]:
    """The first of many lines, and how many more there are."""
    if len(lines) <= MOST_LINES:
        return tuple(lines)
    return (*lines[: MOST_LINES - 1], f"and {len(lines) - MOST_LINES + 1:,} more")


def by_name(names: Sequence[str], labels: Labels) -> Mapping[str, str]:
    """Labels with their names."""
    return dict(zip(names, labels, strict=True))
