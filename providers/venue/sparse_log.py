"""Lines about what a venue sends: a flood of frames must not become a flood of lines."""

from __future__ import annotations

import logging
from collections import Counter


class SparseLog:
    """Writes the 1st, 2nd, 4th, 8th ... line of each kind; the caller bounds the kinds, not the venue."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._counts: Counter[str] = Counter()

    def write(self, kind: str, text: str, *arguments: object, level: int = logging.WARNING) -> None:
        """Count a line of `kind` and, if it is its turn, log `text` with `arguments` and which one it is."""
        self._counts[kind] += 1
        count = self._counts[kind]
        if count == 1:
            self._log.log(level, text, *arguments)
        elif count & (count - 1) == 0:
            self._log.log(level, f"{text} (no. %d)", *arguments, count)
