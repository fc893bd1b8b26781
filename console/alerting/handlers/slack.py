"""Alerts in a channel of Slack, over an incoming webhook."""

from __future__ import annotations

import re
from typing import Any, Final

from console.alerting.handlers.plan import HandlerPlan
from console.alerting.handlers.web import Answer, Poster
from console.alerting.handlers.wording import body, headline
from core.alerts.message import Message

_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_CODE: Final = re.compile(rb"[a-z]{2,20}(_[a-z]{2,20}){0,5}")


class SlackHandler:
    """Posts text to the address of a webhook, which is a secret as a whole."""

    def __init__(self, plan: HandlerPlan) -> None:
        self.plan = plan
        self.name = plan.name
        self._poster = Poster(plan.name, plan.url)

    async def send(self, message: Message) -> None:
        """Post it. Raises as `Poster` does, with Slack's own code for what is wrong."""
        answer = await self._poster.post(self.plan.url, payload(message), headers={})
        error = self._poster.refusal(answer, self._code(answer))
        if error is not None:
            raise error

    async def aclose(self) -> None:
        """Close its client."""
        await self._poster.aclose()

    def _code(self, answer: Answer) -> str:
        # As `invalid_token`. Anything else may be a page of a proxy, or a piece of the address.
        found = answer.body.strip()
        return found.decode() if _CODE.fullmatch(found) and found.decode() not in self.plan.url else ""


def payload(message: Message) -> dict[str, Any]:
    """What is posted: the headline in bold, no links drawn out. A `<` that is escaped can call nobody's name."""
    lines = body(message, 3000).translate(_ESCAPES)
    return {
        "text": f"*{headline(message).translate(_ESCAPES)}*\n{lines}",
        "mrkdwn": True,
        "unfurl_links": False,
        "unfurl_media": False,
    }
