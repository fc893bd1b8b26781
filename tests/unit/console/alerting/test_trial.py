"""Trying everybody who is to hear."""

from __future__ import annotations

import logging

import pytest

from console.alerting import trial
from console.alerting.handlers.plan import HandlerPlan
from core.alerts.rules import Severity
from tests.unit.console.alerting.servers import HANGS, answer, web_server


@pytest.mark.trio
async def test_everybody_is_tried_once(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever they want to hear; each is a row, and one that hangs or refuses is one with an error."""
    caplog.set_level(logging.INFO, "ringside.alerts")
    async with web_server(answer()) as good, web_server(answer("401 No", b"")) as bad, web_server(HANGS) as stuck:
        plans = [
            HandlerPlan(kind="log", name="log", min_severity=Severity.CRITICAL),
            HandlerPlan(kind="webhook", name="good", url=good.url, rules=("nothing",)),
            HandlerPlan(kind="slack", name="bad", url=f"{bad.url}/SECRET", attempts=5),
            HandlerPlan(kind="ntfy", name="stuck", url=f"{stuck.url}/SECRET", timeout_s=0.2),
            HandlerPlan(kind="exec", name="gone", command=("/no/such/program",)),
        ]
        rows = await trial.test_handlers(plans, instance="desk-1")
    assert [(row["handler"], row["kind"], row["ok"], row["error"]) for row in rows] == [
        ("log", "log", True, ""),
        ("good", "webhook", True, ""),
        ("bad", "slack", False, "HTTP 401"),
        ("stuck", "ntfy", False, "no answer within 0.2 s"),
        ("gone", "exec", False, "the program cannot be started: No such file or directory"),
    ]
    assert rows[2]["hint"] == "its address or token is not, or no longer, good"
    assert all(row["took_ms"] >= 0 for row in rows)
    assert rows[3]["took_ms"] >= 200
    assert "SECRET" not in str(rows)
    assert (len(good.asked), len(bad.asked)) == (1, 1)
    assert good.asked[0].json["kind"] == "test"
    assert "TEST [desk-1] Ringside can tell you of alerts" in caplog.text
    assert await trial.test_handlers([], instance="desk-1") == []
