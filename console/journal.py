"""The engine's log: kept in memory for the screen, appended to a file, on stderr when there is no screen."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from core.clock import iso_ns

KEPT_LINES = 200
LOG_BYTES = 4 << 20
LOG_FILES = 3
ROOT = "ringside"


class Journal(logging.Handler):
    """A logging handler that remembers the newest lines, free of control characters."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[dict[str, Any]] = deque(maxlen=KEPT_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Remember one record."""
        self._lines.append(
            {
                "ts_ns": int(record.created * 1e9),
                "level": record.levelname.lower(),
                "logger": record.name,
                "text": plain(record.getMessage()),
            }
        )

    def lines(self) -> list[dict[str, Any]]:
        """The remembered lines, newest last."""
        return list(self._lines)


class _LineFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        instant = iso_ns(int(record.created * 1e9))[:23] + "Z"
        return f"{instant} {record.levelname.lower():7} {record.name.removeprefix('ringside.')}: " + plain(
            record.getMessage()
        )


def plain(text: str) -> str:
    """`text` on one line without control characters, at most 500 characters."""
    return "".join(ch if ch.isprintable() else " " for ch in text[:500])


def open_journal(log_directory: Path | None, *, to_stderr: bool) -> Journal:
    """Attach a journal to the `ringside` loggers. A log file that cannot be written is said and done without."""
    journal = Journal()
    logger = logging.getLogger(ROOT)
    close_journal()
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logging.raiseExceptions = False  # a line that cannot be written, to a terminal that is gone, is no error
    logger.addHandler(journal)
    if to_stderr:
        _add(logger, logging.StreamHandler(sys.stderr))
    if log_directory is not None:
        try:
            log_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = log_directory / "ringside.log"
            path.touch(mode=0o600)
            _add(logger, RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8"))
        except OSError as error:
            logger.warning("no log file in %s: %s", log_directory, error.strerror)
    return journal


def close_journal() -> None:
    """Detach and close every handler of the `ringside` loggers, and leave these as if there had been none."""
    logger = logging.getLogger(ROOT)
    logger.setLevel(logging.NOTSET)
    logger.propagate = logging.raiseExceptions = True
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


@contextmanager
def closing_journal() -> Iterator[None]:
    """Close the journal at the end."""
    try:
        yield
    finally:
        close_journal()


def _add(logger: logging.Logger, handler: logging.Handler) -> None:
    handler.setFormatter(_LineFormatter())
    logger.addHandler(handler)
