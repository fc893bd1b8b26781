"""The journals of the processes that an engine starts, told again in its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from console.logbook.entry import PREFIX
from console.logbook.levels import RANKS
from ringbuf.control import ControlClient, ControlError

MOST_PAGES: Final = 10
"""That are asked for at a time; the rest comes with the next question."""


class Repeater:
    """Repeats in our log what another process of ours logs, at its own time. That process writes its own file."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._epoch_ns = self._heard = 0

    def follow(self, client: ControlClient) -> None:
        """Ask for what is new, and repeat it. One that does not answer is asked again another time."""
        for _ in range(MOST_PAGES):
            try:
                page = client.request("log", after=self._heard, epoch_ns=self._epoch_ns)
            except ControlError:
                return
            if not self.hear(page):
                return

    def hear(self, page: Mapping[str, Any]) -> bool:
        """Repeat the lines of a page that were not heard before; whether there are more to be asked for."""
        epoch_ns, lines = page.get("epoch_ns"), page.get("lines")
        if not isinstance(epoch_ns, int) or not isinstance(lines, list):
            return False
        if epoch_ns != self._epoch_ns:
            self._epoch_ns, self._heard = epoch_ns, 0
        for line in lines:
            if line["sequence"] > self._heard:
                self._heard = line["sequence"]
                self._repeat(line)
        self._heard = max(self._heard, int(page.get("looked_at", 0)))
        return page.get("more") is True

    def _repeat(self, line: Mapping[str, Any]) -> None:
        if not line["logger"].startswith(PREFIX):
            return
        logger, level = logging.getLogger(line["logger"]), _number(str(line["level"]))
        if not logger.isEnabledFor(level):
            return
        record = logging.LogRecord(line["logger"], level, "", 0, str(line["text"]), None, None)
        record.created = line["ts_ns"] / 1e9
        record.process = line.get("pid") or record.process
        record.repeated, record.said_by = True, self._instance
        logger.handle(record)


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper() if level in RANKS else "INFO"]
