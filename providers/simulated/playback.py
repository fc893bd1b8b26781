"""A recording, played to whoever is connected: byte for byte, at the recorded pace or as fast as clients take it.

There is one position for everybody. With nobody listening playback stands still, so that a client which lost its
connection goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from core.clock import NS_PER_S, monotonic_ns
from providers.simulated.connection import Connection, Ready
from providers.simulated.dialogue import Dialogue
from providers.simulated.faults import Frame
from providers.simulated.live import DialogueOf
from providers.simulated.recording import RecordedFrame, Recording
from providers.simulated.replay_book import ReplayBooks

END_CODE = 1000
END_REASON = "end of recording"
_SETTLE_S = 0.5
_BATCH = 64
_POLL_S = 0.001
_FAREWELL_S = 60.0


class PlaybackStage:
    """The recording's side of the server. `finished` is set when every client was told that it ended.

    `one_by_one` sends single frames, so that a fault which ends a connection loses nothing behind it.
    """

    def __init__(self, recording: Recording, dialogue_of: DialogueOf, *, ready: Ready, one_by_one: bool) -> None:
        self.finished = trio.Event()
        self.books = ReplayBooks(recording)
        self._recording = recording
        self._dialogue_of = dialogue_of
        self._ready = ready
        self._batch = 1 if one_by_one else _BATCH
        self._clients: dict[Connection, Dialogue] = {}
        self._changed = trio.Event()
        self._changed_at_s = 0.0
        self.cursor = 0

    async def run(self) -> None:
        """Play the recording once; returns when every client was told that it ended."""
        frames = self._recording.frames
        anchor: tuple[int, int] | None = None
        while self.cursor < len(frames):
            if not self._heard():
                anchor = None
                await self._until_all_listen()
            if anchor is None:
                anchor = monotonic_ns(), frames[self.cursor].received_ns
            # The consumers may live in another thread or process, where no event of ours can be set.
            while not self._ready():
                await trio.sleep(_POLL_S)
            end = await self._next_end(*anchor)
            batch, self.cursor = frames[self.cursor : end], end
            for connection, dialogue in list(self._clients.items()):
                await self._play(connection, dialogue, batch)
        await self._take_leave()
        self.finished.set()

    async def attend(self, connection: Connection, target: str) -> None:
        """Serve one client until it is gone or the recording has ended."""
        dialogue = self._dialogue_of(target, self._opening)
        self._clients[connection] = dialogue
        try:
            await self._answer(connection, [reply.text for reply in dialogue.opened()])
            self._note_change()
            await self._converse(connection, dialogue)
        finally:
            del self._clients[connection]
            self._note_change()

    async def _converse(self, connection: Connection, dialogue: Dialogue) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._each_second, connection, dialogue)
            while (message := await connection.receive()) is not None:
                if not isinstance(message, str):
                    continue
                before = set(dialogue.keys)
                await self._answer(connection, [reply.text for reply in dialogue.handle(message)])
                if dialogue.keys != before:
                    self._note_change()
                if dialogue.keys and self.finished.is_set():
                    await connection.close(code=END_CODE, reason=END_REASON)
            nursery.cancel_scope.cancel()

    async def _each_second(self, connection: Connection, dialogue: Dialogue) -> None:
        while True:
            await trio.sleep(1)
            await self._answer(connection, [reply.text for reply in dialogue.each_second()])

    async def _answer(self, connection: Connection, texts: Sequence[str]) -> None:
        # Everything in one write: no played frame may come between an answer and the book that follows it.
        await connection.send_control(texts, received_ns=self._now_ns())

    def _now_ns(self) -> int:
        return self._recording.frames[max(self.cursor - 1, 0)].received_ns

    def _opening(self, key: str) -> list[str]:
        return self.books.opening(key, until=self.cursor)

    def _note_change(self) -> None:
        self._changed_at_s = trio.current_time()
        self._changed.set()
        self._changed = trio.Event()

    def _heard(self) -> set[str]:
        heard: set[str] = set()
        for connection, dialogue in self._clients.items():
            if connection.open:
                heard |= dialogue.keys
        return heard

    async def _until_all_listen(self) -> None:
        while True:
            heard = self._heard()
            if heard >= self._recording.streams:
                return
            settled_at_s = self._changed_at_s + _SETTLE_S if heard else float("inf")
            if trio.current_time() >= settled_at_s:
                return
            with trio.move_on_at(settled_at_s):
                await self._changed.wait()

    async def _next_end(self, started_ns: int, first_ns: int) -> int:
        # The index behind the last frame that is due now; sleeps until one is.
        frames, speed = self._recording.frames, self._recording.speed
        end = min(self.cursor + self._batch, len(frames))
        if speed is None:
            return end
        due_ns = started_ns + (frames[self.cursor].received_ns - first_ns) / speed
        await trio.sleep(max(0.0, (due_ns - monotonic_ns()) / NS_PER_S))
        latest_ns = first_ns + (monotonic_ns() - started_ns) * speed
        last = self.cursor + 1
        while last < end and frames[last].received_ns <= latest_ns:
            last += 1
        return last

    async def _play(self, connection: Connection, dialogue: Dialogue, batch: Sequence[RecordedFrame]) -> None:
        keys = dialogue.keys
        chosen = [Frame(text, received_ns) for received_ns, stream, text in batch if stream in keys]
        if chosen and connection.open:
            await connection.send_data(chosen)

    async def _take_leave(self) -> None:
        # The client reads what is still on its way before it answers the close.
        with trio.move_on_after(_FAREWELL_S):
            async with trio.open_nursery() as nursery:
                for connection in [each for each in self._clients if each.open]:
                    nursery.start_soon(_close, connection)


async def _close(connection: Connection) -> None:
    await connection.close(code=END_CODE, reason=END_REASON)
