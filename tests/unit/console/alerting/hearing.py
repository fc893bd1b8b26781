"""Messages to tell, and handlers that only remember."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from console.alerting.handlers.plan import HandlerPlan
from core.alerts.message import Kind, Message
from core.alerts.rules import Severity
from core.clock import NS_PER_S

BEGIN_NS = 1_790_000_000 * NS_PER_S
DEADLINE_S = 30.0


def message(
    title: str = "no trades of BTCUSD for 120 s",
    *,
    rule: str = "feed_silent",
    severity: Severity = Severity.WARNING,
    kind: Kind = Kind.FIRING,
    lines: tuple[str, ...] = ("KRAKEN BTCUSD: 120 s",),
    runbook: str = "look at the connection on screen 7",
    count: int = 1,
    time_ns: int = BEGIN_NS,
) -> Message:
    """A message as the rules make them."""
    return Message(
        kind=kind,
        severity=severity,
        instance="desk-1",
        rule=rule,
        title=title,
        lines=lines,
        runbook=runbook,
        count=count,
        time_ns=time_ns,
    )


CRITICAL = message("the store writes nothing", rule="store_down", severity=Severity.CRITICAL)

Act = Callable[[Message], Awaitable[None]]


class Remembering:
    """A handler that keeps what it is told and when; `act` may fail or take its time first."""

    def __init__(self, plan: HandlerPlan | None = None, act: Act | None = None) -> None:
        self.plan = plan or HandlerPlan(kind="log", name="desk")
        self.name = self.plan.name
        self.act = act
        self.tried = 0
        self.heard: list[tuple[float, Message]] = []
        self.closed = 0

    async def send(self, told: Message) -> None:
        self.tried += 1
        await trio.lowlevel.checkpoint()
        if self.act is not None:
            await self.act(told)
        self.heard.append((trio.current_time(), told))

    async def aclose(self) -> None:
        self.closed += 1

    @property
    def messages(self) -> list[Message]:
        return [told for _, told in self.heard]


def fewest_apart_s(handler: Remembering, count: int) -> float:
    """The shortest time in which `count` + 1 messages in a row came; infinite for fewer."""
    times = [at_s for at_s, _ in handler.heard]
    return min((later - earlier for earlier, later in zip(times, times[count:], strict=False)), default=float("inf"))
