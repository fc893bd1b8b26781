"""Try everybody who is to hear of alerts, now and once, and say how it went: `alerts test`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final

import trio

from console.alerting.handlers.base import Handler
from console.alerting.handlers.make import make_handlers
from console.alerting.handlers.plan import HandlerPlan
from console.alerting.sending import send_once
from core.alerts.message import Kind, Message
from core.alerts.rules import Severity
from core.clock import NS_PER_MS, monotonic_ns, wall_ns
from core.errors import ConsoleError

_CLOSE_S: Final = 2.0


async def test_handlers(plans: Iterable[HandlerPlan], *, instance: str) -> list[dict[str, Any]]:
    """Send a test message through each handler, all at once and each once, whatever it wants to hear. Returns a row
    for each in the order of the plans: `handler`, `kind`, `ok`, `took_ms`, `error` and `hint`.

    A bell rings on stderr, if that is a terminal. It takes as long as the slowest may.
    """
    handlers = make_handlers(plans, terminal=sys.stderr)
    message = Message(
        kind=Kind.TEST,
        severity=Severity.INFO,
        instance=instance,
        rule="",
        title="Ringside can tell you of alerts",
        lines=("Somebody asked for this test. Nothing is wrong.",),
        runbook="",
        count=1,
        time_ns=wall_ns(),
    )
    rows: list[dict[str, Any]] = [{} for _ in handlers]
    async with trio.open_nursery() as nursery:
        for number, handler in enumerate(handlers):
            nursery.start_soon(_try, handler, message, rows[number])
    return rows


async def _try(handler: Handler, message: Message, row: dict[str, Any]) -> None:
    began_ns = monotonic_ns()
    error: ConsoleError | None = None
    try:
        await send_once(handler, message)
    except ConsoleError as failure:
        error = failure
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSE_S):
            await handler.aclose()
    row.update(
        handler=handler.name,
        kind=handler.plan.kind,
        ok=error is None,
        took_ms=round((monotonic_ns() - began_ns) / NS_PER_MS, 1),
        error="" if error is None else error.subject,
        hint="" if error is None else error.hint,
    )
