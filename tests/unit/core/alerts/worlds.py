"""Figures and rules for tests of alerts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import numpy as np

from core.alerts.rules import Comparison, Rule, Severity
from core.clock import NS_PER_S
from core.telemetry.frame import Column, Frame, Labels

NAMES: Final = {
    "heat": ("venue", "symbol"),
    "count": ("venue", "symbol"),
    "each": ("venue", "symbol"),
    "up": ("venue",),
    "whole": (),
}
"""Series and their labels."""
BEGIN_S: Final = 1_000_000

rule = partial(
    Rule, name="hot", metric="heat", comparison=Comparison.ABOVE, threshold=10.0, severity=Severity.WARNING
)


def column(values: Mapping[Labels, float]) -> Column:
    """Values by their labels as a column."""
    return Column(tuple(values), np.array(list(values.values()), dtype=np.float64))


def frame(second: float, **series: Mapping[Labels, float]) -> Frame:
    """All series at so many seconds after the beginning."""
    return Frame(round((BEGIN_S + second) * NS_PER_S), {name: column(values) for name, values in series.items()})


def at(second: float) -> int:
    """The instant so many seconds after the beginning."""
    return round((BEGIN_S + second) * NS_PER_S)
