"""Generated markets, played to whoever is connected, at the pace of the wall clock."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from itertools import groupby

import trio

from core.clock import NS_PER_S, monotonic_ns, wall_ns
from providers.simulated.connection import Connection
from providers.simulated.dialogue import Dialogue, Floor, Opening, Reply
from providers.simulated.faults import Frame
from providers.simulated.market import MarketSource

FLUSH_NS = NS_PER_S // 10
_LATEST_NS = NS_PER_S
_MOST_QUEUED = 20_000
_IDLE_S = 0.05

_log = logging.getLogger("ringside.simulated")

DialogueOf = Callable[[str, Opening], Dialogue]
"""Makes the session of a client that connected to a path."""


class _Client:
    """One client and what is waiting to be sent to it: at most `_MOST_QUEUED` texts, then it is cut off."""

    def __init__(self, connection: Connection, dialogue: Dialogue) -> None:
        self.connection = connection
        self.dialogue = dialogue
        self.cut = trio.Event()
        self._queue: deque[Reply] = deque()
        self._filled = trio.Event()

    def post(self, reply: Reply) -> None:
        """Queue a text; never waits."""
        if len(self._queue) >= _MOST_QUEUED:
            self.cut.set()
            return
        self._queue.append(reply)
        self._filled.set()

    async def send_queued(self) -> None:
        """Send what is queued, in order, until cancelled."""
        while True:
            await self._filled.wait()
            self._filled = trio.Event()
            replies, self._queue = self._queue, deque()
            for data, group in groupby(replies, key=lambda reply: reply.data):
                texts = [reply.text for reply in group]
                if data:
                    await self.connection.send_data([Frame(text) for text in texts])
                else:
                    await self.connection.send_control(texts)

    async def post_each_second(self) -> None:
        """Queue what the venue says every second, until cancelled."""
        while True:
            await trio.sleep(1)
            for reply in self.dialogue.each_second():
                self.post(reply)


class LiveStage:
    """The generator's side of the server. `run` moves the markets; `attend` serves one client."""

    def __init__(self, source: MarketSource, floor: Floor, dialogue_of: DialogueOf) -> None:
        self._source = source
        self._floor = floor
        self._dialogue_of = dialogue_of
        self._clients: list[_Client] = []
        self._listeners: dict[str, list[_Client]] = {}

    async def run(self) -> None:
        """Move the markets until cancelled."""
        origin_ns, wall_origin_ns = monotonic_ns(), wall_ns()
        next_flush_ns = FLUSH_NS
        while True:
            now_ns = monotonic_ns() - origin_ns
            due_ns = self._source.next_ns
            if due_ns is not None and now_ns - due_ns > _LATEST_NS:
                # The machine slept: what would have happened meanwhile is not made up for.
                origin_ns, now_ns = origin_ns + now_ns - due_ns, due_ns
                wall_origin_ns = wall_ns() - now_ns
            for step in self._source.advance(now_ns):
                self._publish(self._floor.frames(step, self._listeners, wall_origin_ns + step.at_ns))
            if now_ns >= next_flush_ns:
                self._publish(self._floor.flush(self._listeners, wall_origin_ns + now_ns))
                next_flush_ns = now_ns - now_ns % FLUSH_NS + FLUSH_NS
            await self._sleep_until(origin_ns, next_flush_ns)

    async def _sleep_until(self, origin_ns: int, next_flush_ns: int) -> None:
        due_ns = self._source.next_ns
        wait_ns = min(next_flush_ns, next_flush_ns if due_ns is None else due_ns) + origin_ns - monotonic_ns()
        # A market may be brought to life meanwhile and be due at once: never sleep long.
        await trio.sleep(min(max(wait_ns / NS_PER_S, 0.0), _IDLE_S))

    def _publish(self, frames: list[tuple[str, str]]) -> None:
        for key, text in frames:
            for client in self._listeners.get(key, ()):
                client.post(Reply(text, data=True))

    async def attend(self, connection: Connection, target: str) -> None:
        """Serve one client until it is gone."""
        client = _Client(connection, self._dialogue_of(target, self._floor.opening))
        self._clients.append(client)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.send_queued)
                nursery.start_soon(client.post_each_second)
                nursery.start_soon(self._cut_when_slow, client, nursery.cancel_scope)
                await self._converse(client)
                nursery.cancel_scope.cancel()
        finally:
            self._clients.remove(client)
            self._register()

    async def _converse(self, client: _Client) -> None:
        self._register()
        for reply in client.dialogue.opened():
            client.post(reply)
        while (message := await client.connection.receive()) is not None:
            if isinstance(message, str):
                for reply in client.dialogue.handle(message):
                    client.post(reply)
                self._register()

    async def _cut_when_slow(self, client: _Client, scope: trio.CancelScope) -> None:
        await client.cut.wait()
        _log.warning("a client fell %d messages behind and was cut off", _MOST_QUEUED)
        scope.cancel()

    def _register(self) -> None:
        self._listeners.clear()
        for client in self._clients:
            for key in client.dialogue.keys:
                self._listeners.setdefault(key, []).append(client)
