"""What somebody who hears of alerts is to the one who tells."""

from __future__ import annotations

from typing import Protocol

from console.alerting.handlers.plan import HandlerPlan
from core.alerts.message import Message
from core.errors import PermanentError


class PartlyToldError(PermanentError):
    """Some of those behind a handler were told, the others refused for good: it counts as told, and is shown."""


class Handler(Protocol):
    """One who hears. `send` may be called again after any error, by one caller at a time, and may be cancelled."""

    @property
    def name(self) -> str:
        """Its name in the settings."""

    @property
    def plan(self) -> HandlerPlan:
        """What it was made from."""

    async def send(self, message: Message) -> None:
        """Tell it. It does not limit how long this takes: the caller does.

        Errors say in words of our own what is wrong, without an address, a token or what the other side answered.

        Raises:
            TransientError: it cannot hear now.
            ResourceExhaustedError: it hears too much, and when it may be told again.
            PermanentError: it will not hear this; AuthenticationError where it does not know us.
        """

    async def aclose(self) -> None:
        """Give back what it holds. It is not told anything afterwards."""
