"""Does at one place, as a disk or a server, what may fail there, and says so without tiring anybody."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from core.errors import ConsoleError, PermanentError
from core.store.spill.carrier import Retry

_logger = logging.getLogger("ringside.alerts")


class Attempts:
    """What is done at one place again and again. That it fails is said once, beginning with `words`, and once more
    when it goes well again; `failures` are those in a row, `problem` tells of the last one in words."""

    def __init__(self, words: str, retry: Retry) -> None:
        self.problem = ""
        self.failures = 0
        self._words = words
        self._retry = retry

    @property
    def delay_s(self) -> float:
        """How long to wait before the next attempt; 0 after one that went well."""
        return self._retry.delay_s(self.failures) if self.failures else 0.0

    async def make(self, act: Callable[[], Awaitable[None]]) -> bool:
        """Do it; whether it went well. No error is raised."""
        try:
            await act()
        except ConsoleError as error:
            self._failed(error)
            return False
        except Exception as error:  # an engine goes on without it
            if not self.failures:
                _logger.exception("%s", self._words)
            self._failed(PermanentError("a fault in the program", f"{error!r:.200}"))
            return False
        if self.failures:
            _logger.info("%s: no longer", self._words)
        self.failures, self.problem = 0, ""
        return True

    def _failed(self, error: ConsoleError) -> None:
        if not self.failures:
            _logger.warning("%s: %s", self._words, error)
        self.failures += 1
        self.problem = f"{self._words}: {error}"
