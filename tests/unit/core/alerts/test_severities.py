"""Severities and their order."""

from __future__ import annotations

from config import operations
from core.alerts.rules import SEVERITIES, Severity
from core.store import alert_history


def test_severities_are_the_same_everywhere() -> None:
    """The worst first by rank too; settings have them the least first, and tables take every one of them."""
    assert list(SEVERITIES) == sorted(Severity, key=lambda one: -one.rank) == ["critical", "warning", "info"]
    assert SEVERITIES[::-1] == operations.SEVERITIES
    assert frozenset(SEVERITIES) == alert_history.SEVERITIES
