"""The figures of alerts themselves, for Prometheus and for the rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from core.alerts.rules import SEVERITIES
from core.telemetry.frame import Column
from core.telemetry.series import PREFIX


def alert_columns(counts: Mapping[str, int], states: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """How many fire, by severity, and how those who hear of it are doing, by the names of the series."""
    names = tuple((str(state["name"]),) for state in states)
    return {
        f"{PREFIX}alerts_firing": _column(((str(one),) for one in SEVERITIES), (counts[one] for one in SEVERITIES)),
        f"{PREFIX}alert_messages_total": _column(names, (state["sent"] for state in states)),
        f"{PREFIX}alert_failures_total": _column(names, (state["failed"] for state in states)),
        f"{PREFIX}alert_handler_up": _column(names, (state["state"] == "ok" for state in states)),
    }


def _column(labels: Iterable[tuple[str, ...]], values: Iterable[float]) -> Column:
    return Column(tuple(labels), np.array(list(values), dtype=np.float64))
