"""A process that works until it is killed, and says how far it is."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable

import attrs

DEADLINE_S = 60.0
_BYTES = 8


def tell(report: int, told: int) -> None:
    """Say from inside how far it is."""
    os.write(report, told.to_bytes(_BYTES, "little"))


@attrs.define
class Worker:
    """One of them, and what it told last."""

    pid: int
    reports: int
    told: int = 0

    @classmethod
    def start(cls, work: Callable[[int], None]) -> Worker:
        """Fork it; `work` gets what to `tell` with, and never returns."""
        receiving, sending = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(receiving)
                work(sending)
            finally:
                os._exit(70)
        os.close(sending)
        return cls(pid, receiving)

    def listen(self, times: int) -> None:
        """Wait for so many reports."""
        for _ in range(times):
            assert select.select([self.reports], [], [], DEADLINE_S)[0]
            told = os.read(self.reports, _BYTES)
            assert len(told) == _BYTES, "it ended by itself"
            self.told = int.from_bytes(told, "little")

    def kill(self) -> None:
        """Kill it and take what it still said; nothing where it was killed already."""
        if not self.pid:
            return
        os.kill(self.pid, signal.SIGKILL)
        assert os.waitpid(self.pid, 0)[1] == signal.SIGKILL
        while len(told := os.read(self.reports, _BYTES)) == _BYTES:
            self.told = int.from_bytes(told, "little")
        os.close(self.reports)
        self.pid = 0
