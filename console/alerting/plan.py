"""What an engine needs to know to watch over itself."""

from __future__ import annotations

import attrs

from config.operations import AlertingSettings
from console.alerting.handlers.plan import HandlerPlan, handler_plans, handler_problems
from console.alerting.rules import rule_problems, rules_of
from core.alerts.rules import Rule


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
    return AlertPlan(
        interval_s=settings.interval_secs,
        keep_days=settings.keep_days,
        rules=rules,
        off=off,
        handlers=handler_plans(settings),
    )


def alerting_problems(settings: AlertingSettings) -> list[str]:
    """Everything that is wrong with `[alerting]` beyond the kinds of its values, each with its key."""
    return [*rule_problems(settings), *handler_problems(settings)]
