"""Tell everybody who is to hear of alerts, without waiting for any of them.

Each has a task, a bounded backlog and an allowance of its own (`listener`), so that one that hangs, refuses or is
gone delays neither the others nor who tells.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import Any, Final

import trio

from console.alerting.handlers.base import Handler
from console.alerting.listener import GATHER_S, Listener
from console.alerting.sending import Uniform
from core.alerts.message import Message
from core.clock import WallClock, wall_ns

_CLOSE_S: Final = 2.0

logger = logging.getLogger("ringside.alerts")


class Dispatcher:
    """Everybody who hears. Start it as `await nursery.start(dispatcher.run)`; it owns and closes the handlers.

    All of it is used from the thread that it runs in. `now_ns`, `uniform` and `gather_s` are for tests.
    """

    def __init__(
        self,
        handlers: Sequence[Handler],
        *,
        now_ns: WallClock = wall_ns,
        uniform: Uniform = random.uniform,
        gather_s: float = GATHER_S,
    ) -> None:
        self._listeners = [
            Listener(handler, now_ns=now_ns, uniform=uniform, gather_s=gather_s) for handler in handlers
        ]
        self._scope: trio.CancelScope | None = None
        self._over = trio.Event()
        self._over.set()

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """All who hear, for those that a screen asks: `ScreenHandler` and `BellHandler`."""
        return tuple(listener.handler for listener in self._listeners)

    def tell(self, message: Message) -> None:
        """Tell everybody who wants to hear it, when they may be told. Never blocks and never raises; told before
        `run` it waits for that, told after the end it is counted as waiting and nothing more."""
        for listener in self._listeners:
            listener.tell(message)

    def states(self) -> list[dict[str, Any]]:
        """A row for each, as `Listener.row`."""
        return [listener.row() for listener in self._listeners]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell what is to be told, until cancelled or drained. What is cut off by a cancellation still waits, and a
        `drain` after it tells it."""
        self._over = trio.Event()
        try:
            with trio.CancelScope() as self._scope:
                async with trio.open_nursery() as nursery:
                    for listener in self._listeners:
                        nursery.start_soon(listener.run)
                    task_status.started()
        finally:
            try:
                await self._close()
            finally:
                self._over.set()

    async def drain(self, timeout_s: float) -> int:
        """Tell what waits within `timeout_s`, at the rate that each has, then end `run`. Returns how many messages
        somebody was not told in the end; the log says whom. Shielded, it tells after `run` was cancelled, too."""
        for listener in self._listeners:
            listener.end()
        with trio.move_on_after(timeout_s):
            await self._over.wait()
            if any(listener.waiting for listener in self._listeners):
                await self.run()
        if self._scope is not None:
            self._scope.cancel()
        await self._over.wait()
        left = 0
        for listener in self._listeners:
            if listener.waiting:
                logger.warning("%s was not told of %d messages", listener.handler.name, listener.waiting)
            left += listener.waiting
        return left

    async def _close(self) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSE_S):
            for listener in self._listeners:
                await listener.handler.aclose()
