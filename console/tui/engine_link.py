"""A thread that asks the engine for its status about twice a second, so that the screen never waits for it."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Final

import attrs

from console.tui.status import EngineStatus, parse_status
from console.tui.text import clean
from ringbuf.control import ControlClient, ControlError

POLL_S: Final = 0.5


@attrs.frozen(kw_only=True)
class Report:
    """What the last question brought: `number` grows with each; `status` is None when there was no answer, for the
    `reason` given."""

    number: int = 0
    status: EngineStatus | None = None
    reason: str = "connecting"


class EngineLink:
    """Keeps the last `report` of the engine whose control socket is at `path`. `start` it, and `stop` it."""

    def __init__(self, path: Path, *, poll_s: float = POLL_S) -> None:
        self.report = Report()
        self.answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._path, self._poll_s = path, poll_s
        self._requests: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stopped, self._wanted = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine-link", daemon=True)

    def start(self) -> None:
        """Begin asking."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more. Returns at once or within half a second; a question under way is left to itself."""
        self._stopped.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(0.5)

    def ask(self, operation: str) -> None:
        """Have the engine do something; a sentence about how it went appears in `answers`."""
        self._requests.put(operation)
        self._wanted.set()

    def _run(self) -> None:
        client = ControlClient(self._path)
        while not self._stopped.is_set():
            self._send(client)
            number = self.report.number + 1
            try:
                self.report = Report(number=number, status=parse_status(client.request("status")), reason="")
            except ControlError as error:
                self.report = Report(number=number, reason=_reason(error))
            self._wanted.wait(self._poll_s)
            self._wanted.clear()
        client.close()

    def _send(self, client: ControlClient) -> None:
        while not self._requests.empty():
            operation = self._requests.get()
            try:
                client.request(operation)
            except ControlError as error:
                self.answers.put(f"{operation}: {clean(str(error))}")
            else:
                self.answers.put(f"{operation}: the engine agreed")


def _reason(error: ControlError) -> str:
    cause = error.__cause__
    if isinstance(cause, FileNotFoundError):
        return "it is not running"
    if isinstance(cause, ConnectionRefusedError):
        return "it has gone"
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    return clean(str(error), limit=80)
