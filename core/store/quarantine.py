"""Rejected records on their way to quarantine: the newest of each reason, kept until they can be written down."""

from __future__ import annotations

import logging

import numpy as np

from core.errors import ConsoleError
from core.model.records import Records
from core.store.repository import QUARANTINE_ROWS, Bookkeeping, SeriesKey
from core.store.segment import rejections

_logger = logging.getLogger("ringside.store")


class RejectedRecords:
    """Keeps at most `QUARANTINE_ROWS` of each series and reason. Its owner holds a guard."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[SeriesKey, str], Records] = {}

    def note(self, series: SeriesKey, records: Records, head: tuple[int, int]) -> None:
        """Keep copies of those of `records` that the series of `head` does not take."""
        for reason, some in rejections(records, head).items():
            key = series, reason
            before = self._waiting.get(key)
            together = some if before is None else np.concatenate((before, some))
            self._waiting[key] = np.array(together[-QUARANTINE_ROWS:])

    def hand_over(self, books: Bookkeeping) -> None:
        """Write down what waits. What cannot be written waits on: nothing that matters more fails for it."""
        for key in list(self._waiting):
            try:
                books.quarantine(*key, self._waiting[key])
            except ConsoleError as error:
                _logger.warning("quarantine has to wait: %s", error)
                return
            del self._waiting[key]
