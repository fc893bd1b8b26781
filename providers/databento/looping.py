"""An event loop of the vendor's kind in a thread of its own, which can be ended from outside at any time.

The live client would otherwise share one loop for good, and its own ways of ending wait: for a lock that a connection
in the making holds, or for a gateway that never answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from core.flow.printable import printable
from providers.venue.sparse_log import SparseLog

_lines = SparseLog(logging.getLogger("ringside.databento"))


class _Loop(asyncio.SelectorEventLoop):
    # Remembers its connections: the client lets go of those that it gives up, and leaves them open.
    def __init__(self) -> None:
        super().__init__()
        self.transports: list[asyncio.BaseTransport] = []
        self.set_exception_handler(_log_failure)

    async def create_connection(self, *arguments: Any, **more: Any) -> Any:
        transport, protocol = await super().create_connection(*arguments, **more)
        self.transports.append(transport)
        return transport, protocol


def _log_failure(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # Without a handler this would go to the terminal.
    error = context.get("exception")
    _lines.write("loop", "the client failed: %s", printable(str(error or context.get("message", ""))))


class LoopThread:
    """A running loop. `close` ends it, its tasks and its connections, and returns at once."""

    def __init__(self) -> None:
        self.loop = _Loop()
        self._last_acts: list[Callable[[], None]] = []
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="databento", daemon=True)
        self._thread.start()

    @property
    def closing(self) -> bool:
        """Whether `close` was called: nothing more is to be begun on the loop."""
        return self._closing

    def call(self, function: Callable[[], object]) -> None:
        """Have `function` called on the loop, from any thread; not at all when the loop has ended."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function)

    def at_end(self, act: Callable[[], None]) -> None:
        """Have `act` called on the loop when it ends, after its tasks were cancelled."""
        self._last_acts.append(act)

    def close(self) -> None:
        """End the loop. May be called twice, from any thread."""
        if not self._closing:  # a second stop would end the winding up
            self._closing = True
            self.call(self.loop.stop)

    def _run(self) -> None:
        loop = self.loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.run_until_complete(self._wind_up())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    async def _wind_up(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for transport in self.loop.transports:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        await asyncio.sleep(0)  # connections close in the next turn
        for act in self._last_acts:
            act()
        await asyncio.sleep(0)
