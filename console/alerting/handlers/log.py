"""Alerts in the log, at the level that they have."""

from __future__ import annotations

import logging
from typing import Final

import trio

from console.alerting.handlers.plan import HandlerPlan
from console.alerting.handlers.wording import headline, is_bad, plain
from core.alerts.message import Message
from core.alerts.rules import Severity

LOGGER: Final = "ringside.alerts"
MAX_CHARACTERS: Final = 2000
_LEVELS: Final = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.CRITICAL,
}


class LogHandler:
    """Writes a line to the log for each message."""

    def __init__(self, plan: HandlerPlan) -> None:
        self.plan = plan
        self.name = plan.name
        self._logger = logging.getLogger(LOGGER)

    async def send(self, message: Message) -> None:
        """Write it: what is over, and tests, as information."""
        await trio.lowlevel.checkpoint()
        level = _LEVELS[message.severity] if is_bad(message) else logging.INFO
        line = "; ".join([headline(message), *map(plain, message.lines)])
        self._logger.log(level, "%s", plain(line, MAX_CHARACTERS))

    async def aclose(self) -> None:
        """Nothing is held."""
