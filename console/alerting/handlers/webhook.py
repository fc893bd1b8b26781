"""Alerts as JSON to an address of one's own."""

from __future__ import annotations

from console.alerting.handlers.plan import HandlerPlan
from console.alerting.handlers.web import Poster
from console.alerting.handlers.wording import document, message_id
from core.alerts.message import Message


class WebhookHandler:
    """Posts `wording.document`; any 2xx is a yes."""

    def __init__(self, plan: HandlerPlan) -> None:
        self.plan = plan
        self.name = plan.name
        self._poster = Poster(plan.name, plan.url)

    async def send(self, message: Message) -> None:
        """Post it, with a key by which the other side knows one that it had before. Raises as `Poster` does."""
        headers = {"Idempotency-Key": message_id(message)}
        if self.plan.token:
            headers["Authorization"] = f"Bearer {self.plan.token}"
        self._poster.check(await self._poster.post(self.plan.url, document(message), headers=headers))

    async def aclose(self) -> None:
        """Close its client."""
        await self._poster.aclose()
