"""Which rules are in force: those of ours as `[alerting]` changes them, and those of one's own."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from config.operations import AlertingSettings, RuleSettings
from core.alerts.builtin import Thresholds, builtin_rules
from core.alerts.matching import Match, pattern
from core.alerts.rules import Comparison, Rule, Severity
from core.errors import ConfigurationError, UsageError
from core.telemetry.series import SERIES, Series

MAX_S: Final = 30 * 86_400.0
MAX_WINDOW_S: Final = 86_400.0
"""So long the figures of each look are kept in memory at most."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_PREFIX: Final = "ringside_"
_MOST_HINTS: Final = 20
_NEAR_LENGTH: Final = 80
_COMPARISONS: Final = {
    "above": Comparison.ABOVE,
    "at_least": Comparison.AT_LEAST,
    "below": Comparison.BELOW,
    "at_most": Comparison.AT_MOST,
}
_LIMITS_S: Final = {"window_secs": MAX_WINDOW_S, "for_secs": MAX_S, "cooldown_secs": MAX_S}


def rules_of(settings: AlertingSettings) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """The rules that are looked at, and those that are switched off. Raises `ConfigurationError`."""
    problems = rule_problems(settings)
    if problems:
        raise ConfigurationError("alerting cannot be used", problems[0], hint="; ".join(problems[1:]))
    known = {rule.name: rule for rule in _ours(settings)}
    changed = known | {name: _changed(known.get(name), name, one, settings) for name, one in settings.rules.items()}
    off = {name for name, one in settings.rules.items() if not one.enabled}
    return (
        tuple(rule for name, rule in changed.items() if name not in off),
        tuple(rule for name, rule in changed.items() if name in off),
    )


def rule_problems(settings: AlertingSettings) -> list[str]:
    """Everything that is wrong with the rules, each with its key below `alerting`."""
    known = {rule.name: rule for rule in _ours(settings)}
    names, hints = {*known, *settings.rules}, _Hints()
    found: list[str] = []
    if settings.max_cooldown_secs < settings.cooldown_secs:
        found.append("alerting.max_cooldown_secs: is less than alerting.cooldown_secs")
    for name, one in settings.rules.items():
        place = f"alerting.rules.{name}"
        found += [f"{place}{problem}" for problem in _problems(name, one, known, names, hints)]
    return found or [f"alerting.rules.{name}.parents: leads back to itself" for name in _in_circles(known, settings)]


def _in_circles(known: Mapping[str, Rule], settings: AlertingSettings) -> list[str]:
    # Rules that keep each other silent would never be heard. Those that settings changed are named.
    parents = {name: rule.parents for name, rule in known.items()}
    parents |= {name: one.parents for name, one in settings.rules.items() if one.parents is not None}

    def leads_back(name: str) -> bool:
        seen: set[str] = set()
        waiting = list(parents.get(name, ()))
        while waiting:
            if (one := waiting.pop()) == name:
                return True
            if one not in seen:
                seen.add(one)
                waiting += parents.get(one, ())
        return False

    return [name for name, one in settings.rules.items() if one.parents and leads_back(name)]


def check_silence(rules: Sequence[Rule], wanted: str, match: Match) -> None:
    """Raise `UsageError` for a silence that covers nothing there can be: whoever mistypes one must not be woken by
    what he thinks is silent."""
    meant = [rule for rule in rules if pattern(wanted).fullmatch(rule.name)]
    if not meant:
        near = _near(wanted, {rule.name for rule in rules}).strip(" ()")
        raise UsageError("no such rule", ascii(wanted)[:60], hint=near or "`ringside alerts list` has them")
    labels = {label for rule in meant for label in SERIES[rule.metric].labels}
    for name, _ in match:
        if name not in labels:
            there = ", ".join(sorted(labels)) or "none"
            raise UsageError("no such label", ascii(name)[:60], hint=f"there is {there}")


def _ours(settings: AlertingSettings) -> Iterator[Rule]:
    thresholds = Thresholds(
        backpressure_ratio=settings.channel_backpressure_threshold / 100,
        reconnects=settings.reconnection_storm_threshold,
        cache_failure_ratio=settings.cache_failure_threshold,
    )
    for rule in builtin_rules(thresholds):
        yield attrs.evolve(rule, cooldown_s=settings.cooldown_secs, max_cooldown_s=settings.max_cooldown_secs)


def _problems(
    name: str, one: RuleSettings, known: Mapping[str, Rule], names: set[str], hints: _Hints
) -> Iterator[str]:
    ours = known.get(name)
    if not _NAME.fullmatch(name):
        yield ": a rule's name is small letters, digits and _ . - inside, at most 64 of them"
        return
    given = [key for key in _COMPARISONS if getattr(one, key) is not None]
    if len(given) > 1:
        yield f".{given[1]}: there is {given[0]} already, and a rule has one threshold"
    for key in (*_COMPARISONS, "clear"):
        value = getattr(one, key)
        if value is not None and not abs(value) < 1e18:  # nor what is no number
            yield f".{key}: must be a number that can be reached"
    for key, most in _LIMITS_S.items():
        value = getattr(one, key)
        if value is not None and not 0 <= value <= most:
            yield f".{key}: must be from 0 to {most:g} seconds"
    if ours is None and (not one.metric or not given):
        hint = hints.near(name, known)
        yield f": a rule of one's own needs a metric and above, at_least, below or at_most{hint}"
        return
    yield from _metric_problems(one, ours, hints)
    yield from _direction_problem(one, ours, given)
    for parent in one.parents or ():
        if parent not in names or parent == name:
            yield f".parents: no other rule is called {parent[:40]!a}{hints.near(parent, names)}"


def _metric_problems(one: RuleSettings, ours: Rule | None, hints: _Hints) -> Iterator[str]:
    metric, per = one.metric or (ours.metric if ours else ""), one.per or (ours.per if ours else "")
    series = _series(metric)
    if series is None:
        yield f".metric: there is no series {metric[:60]!a}{hints.near(_full(metric), SERIES)}"
        return
    if series.kind == "histogram":
        yield f".metric: {metric[:60]} is a histogram, which no rule can look at"
    for key, labels in (("match", one.match), ("group_by", one.group_by or ())):
        for label in labels:
            if label not in series.labels:
                there = ", ".join(series.labels) or "none"
                yield f".{key}: {series.name} has no label {label[:40]!a}, there is {there}"
    for label in _PLACE.findall(one.summary):
        if label not in series.labels:
            there = ", ".join(f"{{{each}}}" for each in series.labels) or "none"
            yield f".summary: nothing stands for {label[:40]!a}, there is {there}"
    window_s = one.window_secs if one.window_secs is not None else (ours.window_s if ours else 0.0)
    if per:
        other = _series(per)
        if other is None:
            yield f".per: there is no series {per[:60]!a}{hints.near(_full(per), SERIES)}"
        elif other.labels != series.labels:
            yield f".per: {other.name} has other labels than {series.name}"
        if not window_s:
            yield ".window_secs: must be given with per"
    if window_s and series.kind != "counter":
        yield f".window_secs: only counters grow, and {series.name} is a {series.kind}"


def _direction_problem(one: RuleSettings, ours: Rule | None, given: list[str]) -> Iterator[str]:
    rule = ours
    if given:
        upper = _COMPARISONS[given[0]].is_upper
        threshold = getattr(one, given[0])
    elif rule is not None:
        upper, threshold = rule.comparison.is_upper, rule.threshold
    else:
        return
    if one.clear is not None and (one.clear > threshold if upper else one.clear < threshold):
        side = "above" if upper else "below"
        yield f".clear: {one.clear:g} is {side} the threshold {threshold:g}, so it would end before it began"


def _changed(ours: Rule | None, name: str, one: RuleSettings, settings: AlertingSettings) -> Rule:
    begin = ours or Rule(
        name=name,
        metric=_full(one.metric),
        comparison=Comparison.ABOVE,
        threshold=0.0,
        severity=Severity.WARNING,
        cooldown_s=settings.cooldown_secs,
        max_cooldown_s=settings.max_cooldown_secs,
        runbook="A rule of your own: [alerting.rules] has it.",
    )
    changes: dict[str, Any] = {}
    for key, comparison in _COMPARISONS.items():
        if (threshold := getattr(one, key)) is not None:
            changes |= {"comparison": comparison, "threshold": float(threshold), "clear": one.clear}
    if one.clear is not None:
        changes["clear"] = one.clear
    for key in ("window", "for", "cooldown"):
        if (seconds := getattr(one, f"{key}_secs")) is not None:
            changes[f"{key}_s"] = float(seconds)
    for key in ("summary", "runbook"):
        if text := getattr(one, key):
            changes[key] = text
    if one.metric:
        changes["metric"] = _full(one.metric)
    if one.per:
        changes["per"] = _full(one.per)
    if one.severity:
        changes["severity"] = Severity(one.severity)
    if one.match:
        changes["match"] = tuple(sorted(one.match.items()))
    for key in ("group_by", "parents"):
        if (names := getattr(one, key)) is not None:
            changes[key] = tuple(names)
    return attrs.evolve(begin, **changes)


def _full(name: str) -> str:
    return name if name.startswith(_PREFIX) else f"{_PREFIX}{name}"


def _series(name: str) -> Series | None:
    return SERIES.get(_full(name)) if name else None


class _Hints:
    # To compare takes long: when a thousand names are wrong, those of the first are told what they are near to.
    def __init__(self) -> None:
        self._left = _MOST_HINTS

    def near(self, text: str, names: Mapping[str, object] | set[str]) -> str:
        if not self._left:
            return ""
        self._left -= 1
        return _near(text, names)


def _near(text: str, names: Mapping[str, object] | set[str]) -> str:
    near = difflib.get_close_matches(text[:_NEAR_LENGTH], names, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
