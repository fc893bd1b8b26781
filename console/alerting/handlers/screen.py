"""The newest alerts, kept for screens to ask for and the terminal bell that they ring."""

from __future__ import annotations

from collections import deque
from typing import Any, Final, TextIO

import trio

from console.alerting.handlers.plan import HandlerPlan
from console.alerting.handlers.wording import document, headline, plain
from core.alerts.message import Message
from core.errors import PermanentError, TransientError

KEPT: Final = 64
"""Messages that are kept; older ones are forgotten."""


class ScreenHandler:
    """Keeps the newest messages, numbered from 1 on."""

    def __init__(self, plan: HandlerPlan) -> None:
        self.plan = plan
        self.name = plan.name
        self.newest_number = 0
        self._rows: deque[dict[str, Any]] = deque(maxlen=KEPT)

    async def send(self, message: Message) -> None:
        """Keep it."""
        await trio.lowlevel.checkpoint()
        self.newest_number += 1
        self._rows.append({"number": self.newest_number, "headline": headline(message), **document(message)})

    def since(self, number: int) -> list[dict[str, Any]]:
        """The messages after that `number` which are still kept, oldest first; all of them for a `number` that was
        never given, as one of an engine that ran before. Each is a row: `number`, `headline` and the fields of
        `wording.document`. Where the first is not the next number, the ones between are forgotten."""
        known = number if 0 <= number <= self.newest_number else 0
        return [row for row in self._rows if row["number"] > known]

    async def aclose(self) -> None:
        """Nothing is held."""


class BellHandler:
    """Counts how often the bell was to ring, for a screen to ring it on its terminal. Without a screen it rings
    itself, on `terminal` if that is one."""

    def __init__(self, plan: HandlerPlan, terminal: TextIO | None = None) -> None:
        self.plan = plan
        self.name = plan.name
        self.rings = 0
        self.newest = ""
        """What it rang for last, in one line."""
        self._descriptor = _descriptor(terminal)
        self._limiter = trio.CapacityLimiter(1)

    async def send(self, message: Message) -> None:
        """Ring.

        Raises:
            TransientError: the terminal takes nothing, as when its output is stopped.
            PermanentError: it is gone.
        """
        if self._descriptor is not None:
            await self._ring(self._descriptor)
        else:
            await trio.lowlevel.checkpoint()
        self.rings += 1
        self.newest = plain(headline(message), 200)

    async def aclose(self) -> None:
        """The terminal is not ours to close."""

    async def _ring(self, descriptor: int) -> None:
        import os

        if self._limiter.available_tokens == 0:  # the thread of an earlier ring still waits for it
            raise TransientError(f"telling {self.name}", "the terminal takes nothing")
        try:
            await trio.to_thread.run_sync(os.write, descriptor, b"\a", limiter=self._limiter, abandon_on_cancel=True)
        except OSError as error:
            raise PermanentError(f"telling {self.name}", f"the terminal is gone: {error.strerror}") from error


def _descriptor(terminal: TextIO | None) -> int | None:
    try:
        return terminal.fileno() if terminal is not None and terminal.isatty() else None
    except (OSError, ValueError):  # closed, or no file
        return None
