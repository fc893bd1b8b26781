"""What an engine needs to know to watch over itself."""

from __future__ import annotations

import difflib

import attrs

from config.operations import AlertingSettings
from console.alerting.handlers.plan import HandlerPlan, handler_plans, handler_problems
from console.alerting.rules import rule_problems, rules_of
from core.alerts.builtin import Thresholds, builtin_rules
from core.alerts.matching import pattern
from core.alerts.rules import Rule
from core.errors import ConfigurationError


@attrs.frozen(kw_only=True)
class AlertPlan:
    """The `rules` that are looked at every `interval_s`, those that are `off`, and who hears of what fires. What is
    kept of it goes after `keep_days`, with 0 never."""

    interval_s: float = 30.0
    keep_days: int = 30
    rules: tuple[Rule, ...] = ()
    off: tuple[Rule, ...] = ()
    handlers: tuple[HandlerPlan, ...] = ()


def alert_plan(settings: AlertingSettings) -> AlertPlan | None:
    """The plan that `[alerting]` describes, None when nobody is to watch. Raises `ConfigurationError`."""
    if not settings.enabled:
        return None
    rules, off = rules_of(settings)
    if problems := pattern_problems(settings):
        raise ConfigurationError("alert handlers", "; ".join(problems))
    return AlertPlan(
        interval_s=settings.interval_secs,
        keep_days=settings.keep_days,
        rules=rules,
        off=off,
        handlers=handler_plans(settings),
    )


def alerting_problems(settings: AlertingSettings) -> list[str]:
    """Everything that is wrong with `[alerting]` beyond the kinds of its values, each with its key."""
    return [*rule_problems(settings), *handler_problems(settings), *pattern_problems(settings)]


def pattern_problems(settings: AlertingSettings) -> list[str]:
    """The patterns of those who hear that no rule fits: of what they are to tell, nobody would ever hear."""
    names = {*(rule.name for rule in builtin_rules(Thresholds())), *settings.rules}
    return [
        f"alerting.handlers.{name}.rules: no rule is called {one[:40]!a}{_near(one, names)}"
        for name, handler in settings.handlers.items()
        for one in handler.rules
        if handler.enabled and not any(pattern(one).fullmatch(rule) for rule in names)
    ]


def _near(text: str, names: set[str]) -> str:
    # Of a pattern, what has its words in it.
    word = text[:64].replace("*", "").strip("_").lower()
    near = difflib.get_close_matches(word, names, n=1) or sorted(name for name in names if word and word in name)[:1]
    return f" (did you mean {near[0]}?)" if near else ""
