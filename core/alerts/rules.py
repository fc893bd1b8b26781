"""What a rule is: what it looks at, when it fires, how often somebody hears of it, and what to do about it."""

from __future__ import annotations

import enum
from typing import Final

import attrs


class Severity(enum.StrEnum):
    """How bad it is, the least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return _RANKS[self]


_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}
SEVERITIES: Final = tuple(severity.value for severity in reversed(Severity))
"""Their names, the worst first."""


class Comparison(enum.StrEnum):
    """On which side of its threshold a rule fires."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="

    @property
    def is_upper(self) -> bool:
        """Whether high values are the bad ones."""
        return self in {Comparison.ABOVE, Comparison.AT_LEAST}


@attrs.frozen(kw_only=True)
class Rule:
    """One rule. Times are in seconds.

    It looks at `metric` of all series whose labels `match` (pairs of a label and a pattern, in which `*` stands for
    anything). With a `window_s` it is about how much the metric grew within it, with `per` for each one that the
    series of that name grew. It fires once the value was beyond the `threshold` for `for_s`, and ends when it is no
    longer beyond `clear`. What fires together and has the labels of `group_by` in common is told as one; None tells
    each by itself. While one of `parents` fires for the same labels nobody is told.
    """

    name: str
    metric: str
    comparison: Comparison
    threshold: float
    severity: Severity
    clear: float | None = None
    per: str = ""
    window_s: float = 0.0
    for_s: float = 0.0
    cooldown_s: float = 300.0
    max_cooldown_s: float = 14_400.0
    match: tuple[tuple[str, str], ...] = ()
    group_by: tuple[str, ...] | None = None
    parents: tuple[str, ...] = ()
    summary: str = ""
    runbook: str = ""
