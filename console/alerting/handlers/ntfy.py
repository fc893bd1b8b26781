"""Alerts on phones and desks, over a server of ntfy."""

from __future__ import annotations

from typing import Any, Final

from console.alerting.handlers.addresses import split_topic
from console.alerting.handlers.plan import HandlerPlan
from console.alerting.handlers.web import Poster
from console.alerting.handlers.wording import body, headline
from core.alerts.message import Kind, Message
from core.alerts.rules import Severity

_PRIORITIES: Final = {Severity.INFO: 2, Severity.WARNING: 4, Severity.CRITICAL: 5}
_TAGS: Final = {Severity.INFO: "information_source", Severity.WARNING: "warning", Severity.CRITICAL: "rotating_light"}
_USUAL_PRIORITY: Final = 3


class NtfyHandler:
    """Publishes to a topic, as JSON: a header could not hold every script."""

    def __init__(self, plan: HandlerPlan) -> None:
        self.plan = plan
        self.name = plan.name
        self._server, self._topic = split_topic(plan.url)
        self._poster = Poster(plan.name, plan.url)

    async def send(self, message: Message) -> None:
        """Publish it. Raises as `Poster` does."""
        headers = {"Authorization": f"Bearer {self.plan.token}"} if self.plan.token else {}
        self._poster.check(await self._poster.post(self._server, payload(message, self._topic), headers=headers))

    async def aclose(self) -> None:
        """Close its client."""
        await self._poster.aclose()


def payload(message: Message, topic: str) -> dict[str, Any]:
    """What is published. The server makes a file of a text beyond 4096 bytes, in which a character may be four."""
    told = body(message, 3000)
    while len(told.encode()) > 3900:
        told = body(message, len(told) - 200)
    over = message.kind is Kind.RESOLVED
    return {
        "topic": topic,
        "title": headline(message),
        "message": told,
        "priority": _USUAL_PRIORITY if message.kind in {Kind.RESOLVED, Kind.TEST} else _PRIORITIES[message.severity],
        "tags": ["white_check_mark" if over else _TAGS[message.severity]],
    }
