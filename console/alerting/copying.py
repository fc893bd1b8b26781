"""Copies the history of alerts from the catalogue to PostgreSQL: what is not there yet, each row once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from core.store.catalogue_alert_history import CatalogueAlertHistory
from core.store.postgres.alert_history import PostgresAlertHistory

BATCH_ROWS: Final = 1000
_logger = logging.getLogger("ringside.alerts")


class HistoryCopy:
    """The copy in the database at `database_url` of the history in the catalogue at `path`.

    How far it came stands in the database alone, so that there is nothing that could be behind it: it is asked at the
    start and after every failure. Several engines may copy one catalogue. Methods block and raise `ConsoleError`;
    one thread at a time may call them.
    """

    def __init__(self, path: Path, database_url: str) -> None:
        self._path = path
        self._url = database_url
        self._here: CatalogueAlertHistory | None = None
        self._there: PostgresAlertHistory | None = None
        self._newest = 0  # the number up to which everything is there

    def step(self) -> int:
        """Copy some rows, at most `BATCH_ROWS`; how many that were. With 0 nothing was lacking."""
        try:
            here, there = self._opened()
            rows = here.after(self._newest, BATCH_ROWS)
            there.append(rows)
        except BaseException:
            self.close()
            raise
        if rows:
            self._newest = rows[-1].number
        return len(rows)

    def prune(self, before_ns: int) -> int:
        """Remove from the copy what is older than that; how many rows they were."""
        _, there = self._opened()
        return there.prune(before_ns)

    def close(self) -> None:
        """Let go. May be called twice; used again it opens again."""
        here, self._here = self._here, None
        there, self._there = self._there, None
        if there is not None:
            there.close()
        if here is not None:
            here.close()

    def _opened(self) -> tuple[CatalogueAlertHistory, PostgresAlertHistory]:
        if self._here is None:
            self._here = CatalogueAlertHistory(self._path)
        if self._there is None:
            origin, given = self._here.origin()
            self._there = PostgresAlertHistory(self._url, origin=origin)
            self._newest = self._there.newest()
            if self._newest > given:
                # The catalogue came out of a backup. It gives numbers again under which the database has other rows,
                # and rather than lose the new ones it has the old ones twice.
                _logger.warning("the catalogue is older than its copy: its history of alerts is copied once more")
                self._here.renew_origin(origin)
                self._there.close()
                self._there = PostgresAlertHistory(self._url, origin=self._here.origin()[0])
                self._newest = self._there.newest()
        return self._here, self._there
