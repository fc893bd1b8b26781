"""Where finished lines wait for a place that may be slow or stuck: who logs goes on, a thread of the sink writes.

A terminal that was stopped with Ctrl-S, a pipe that nobody reads and a disk that hangs hold up that thread and nobody
else. What waits is bounded. What does not fit is dropped and counted, and the count is written where the lines would
have stood.

A fork has no thread and does not write what its parent has waiting. Most forks end without a word to anybody, so they
wait for each line that they log, as long as lines get through.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TextIO

QUEUED_LINES: Final = 4096
"""How many lines wait for one sink at most,"""
QUEUED_CHARACTERS: Final = 4 << 20
"""and how much text: tracebacks are long."""
CLOSING_S: Final = 2.0
"""How long a sink that is closed waits for what is queued."""
_FORK_S: Final = 0.5


class Sink:
    """Writes lines in their order with `write`, in a thread of its own, and calls `finish` there when it is closed.
    `left_out` makes the line that says how many were dropped. Nothing is ever raised to who logs, and nobody waits
    but in `flush` and `close`."""

    def __init__(
        self,
        name: str,
        write: Callable[[str], None],
        *,
        left_out: Callable[[int], str],
        finish: Callable[[], None] = lambda: None,
        begin_anew: Callable[[], None] = lambda: None,
    ) -> None:
        """`begin_anew` is called in a fork before it writes its first line."""
        self._name = name
        self._write, self._left_out, self._finish, self._begin_anew = write, left_out, finish, begin_anew
        self._forked = False
        self._begin()

    def _begin(self) -> None:
        # The lock, too: a thread that is not in the fork may have held it.
        self._pid = os.getpid()
        self._changed = threading.Condition(threading.Lock())
        self._queue: deque[str | int] = deque()  # a number stands for so many lines that were dropped
        self._lines = self._characters = 0
        self._thread: threading.Thread | None = None
        self._writing = self._closing = self._stuck = False

    def put(self, line: str) -> None:
        """Have a line written, or count it when too many wait."""
        if os.getpid() != self._pid:
            self._begin()
            self._forked = True
            self._begin_anew()
        with self._changed:
            if self._closing:
                return
            if self._lines >= QUEUED_LINES or (self._lines and self._characters + len(line) > QUEUED_CHARACTERS):
                self._drop()
                return
            self._queue.append(line)
            self._lines += 1
            self._characters += len(line)
            self._changed.notify_all()
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=f"log-{self._name}", daemon=True)
                thread.start()
                self._thread = thread
        if self._forked and threading.current_thread() is not self._thread:
            self._stuck = not self.flush(0.0 if self._stuck else _FORK_S)

    def flush(self, wait_s: float = CLOSING_S) -> bool:
        """Wait until all that was put is written, at most so long; whether it is."""
        if os.getpid() != self._pid:
            return True
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._writing, wait_s)

    def close(self, wait_s: float = CLOSING_S) -> bool:
        """Take no more lines, and wait for those that there are, at most so long; whether they are written. When they
        are not, they are given up, all but the one that is stuck."""
        if os.getpid() != self._pid:
            return True
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            self._finish()
            return True
        thread.join(wait_s)
        with self._changed:
            self._queue.clear()
        return not thread.is_alive()

    def _drop(self) -> None:
        before = self._queue[-1]
        if isinstance(before, int):
            self._queue[-1] = before + 1
        else:
            self._queue.append(1)

    def _run(self) -> None:
        while (item := self._next()) is not None:
            with suppress(Exception):  # a terminal that is gone: the next line may find one
                self._write(self._left_out(item) if isinstance(item, int) else item)
        with suppress(Exception):
            self._finish()

    def _next(self) -> str | int | None:
        with self._changed:
            self._writing = False
            if not self._queue:
                self._changed.notify_all()
            while not self._queue:
                if self._closing:
                    return None
                self._changed.wait()
            item = self._queue.popleft()
            self._writing = True
            if isinstance(item, str):
                self._lines -= 1
                self._characters -= len(item)
            return item


def to_stream(stream: TextIO | None) -> Callable[[str], None]:
    """Writes a line to `stream`; past its buffer if it is a file of the system's, so that whoever else writes to it
    does not wait for a lock when a line is stuck there, and neither does the end of the program."""
    if stream is None:
        return lambda _line: None
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return lambda line: _write_text(stream, line)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return lambda line: _write_all(descriptor, f"{line}\n".encode(encoding, "backslashreplace"))


def to_stderr(line: str) -> None:
    """Write a line to what is stderr by now."""
    to_stream(sys.stderr)(line)


def _write_text(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            # Somebody who shares this terminal made it one that does not wait.
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
