"""Cuts sockets whose time is up, from a thread of its own: the thread that hangs in one then gets an error."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import Final

import attrs

from core.clock import NS_PER_S, monotonic_ns

_NEVER: Final = 2**63


@attrs.define(eq=False)
class Watched:
    """A socket somebody waits for: `cut` once its time was up."""

    descriptor: int
    deadline_ns: int
    cut: bool = False


class Watchdog:
    """Watches any number of sockets; its thread begins with the first one and keeps no process alive.

    A call costs a few microseconds: the thread is woken only for a deadline before those it waits for already.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: set[Watched] = set()
        self._wakes_ns = _NEVER
        self._thread: threading.Thread | None = None

    def watch(self, descriptor: int, timeout_s: float) -> Watched:
        """Cut the socket, both ways, unless it is released within `timeout_s`. Raises `OSError` when it is closed."""
        # A duplicate: the number may be given to another file as soon as the connection is closed.
        watched = Watched(os.dup(descriptor), monotonic_ns() + int(timeout_s * NS_PER_S))
        with self._changed:
            self._watched.add(watched)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="postgres watchdog", daemon=True)
                self._thread.start()
            elif watched.deadline_ns < self._wakes_ns:
                self._changed.notify()
        return watched

    def release(self, watched: Watched) -> None:
        """Let a socket be."""
        with self._changed:
            self._watched.discard(watched)
            os.close(watched.descriptor)

    def _run(self) -> None:
        with self._changed:
            while True:
                now_ns = monotonic_ns()
                for watched in [one for one in self._watched if one.deadline_ns <= now_ns]:
                    self._cut(watched)
                self._wakes_ns = min((one.deadline_ns for one in self._watched), default=_NEVER)
                waits_s = None if self._wakes_ns == _NEVER else max(0.0, (self._wakes_ns - now_ns) / NS_PER_S)
                self._changed.wait(waits_s)

    def _cut(self, watched: Watched) -> None:
        self._watched.discard(watched)
        watched.cut = True
        end = socket.socket(fileno=watched.descriptor)
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.detach()  # whoever watches closes the descriptor


WATCHDOG: Final = Watchdog()
