"""What became of alerts, in the catalogue."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from core.store.alert_history import AlertRow, row_of, texts_of
from core.store.catalogue_tables import STEPS
from core.store.sqlite import Database

PRUNED_AT_ONCE: Final = 10_000
_WRITING: Final = "writing the history of alerts"
_PRUNING: Final = "pruning the history of alerts"
_APPEND: Final = (
    "INSERT INTO alert_history"
    " (alert_id, noted_ns, instance, rule, subject, severity, state, value, threshold, message)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SELECT: Final = (
    "SELECT alert_id, noted_ns, instance, rule, subject, severity, state, value, threshold, message"
    " FROM alert_history"
)
_PRUNE: Final = (
    "DELETE FROM alert_history WHERE alert_id IN"
    " (SELECT alert_id FROM alert_history WHERE noted_ns < ? ORDER BY noted_ns LIMIT ?)"
)


class CatalogueAlertHistory:
    """The history in the catalogue at `path`, which is made when there is none; with `read_only` it must be there and
    is not changed. Several engines may write one. Implements `AlertHistory`; raises as `Database` does."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._database = Database(path, STEPS, name="catalogue", read_only=read_only)

    def append(self, rows: Sequence[AlertRow]) -> None:
        """Write down the rows, all of them or none, and number them. See `AlertHistory`."""
        if not rows:
            return
        values = [(row.time_ns, *texts_of(row)) for row in rows]
        with self._database.transaction(_WRITING) as database:
            # Not by the highest number that is there: a number whose row was pruned must not come again.
            newest = int(database.execute("SELECT newest FROM alert_origin").fetchone()[0])
            database.executemany(_APPEND, ((number, *each) for number, each in enumerate(values, newest + 1)))
            database.execute("UPDATE alert_origin SET newest = newest + ?", (len(values),))

    def rows(
        self, limit: int, *, instance: str | None = None, rule: str | None = None, since_ns: int = 0
    ) -> list[AlertRow]:
        """The newest rows, the newest first. See `AlertHistory`."""
        wanted: dict[str, object] = {"noted_ns >= ?": since_ns}
        if instance is not None:
            wanted["instance = ?"] = instance
        if rule is not None:
            wanted["rule = ?"] = rule
        query = f"{_SELECT} WHERE {' AND '.join(wanted)} ORDER BY noted_ns DESC, alert_id DESC LIMIT ?"
        return [row_of(values) for values in self._database.rows(query, *wanted.values(), max(limit, 0))]

    def after(self, number: int, limit: int) -> list[AlertRow]:
        """The rows that were written after the one of that number, in the order of writing; at most `limit`."""
        query = f"{_SELECT} WHERE alert_id > ? ORDER BY alert_id LIMIT ?"
        return [row_of(values) for values in self._database.rows(query, number, limit)]

    def origin(self) -> tuple[str, int]:
        """What this catalogue is called where its rows are copied to, and the newest number that it gave."""
        name, newest = self._database.rows("SELECT origin, newest FROM alert_origin")[0]
        return str(name), int(newest)

    def renew_origin(self, old: str) -> None:
        """Be called something else from now on, unless another process has seen to that already."""
        with self._database.transaction(_WRITING) as database:
            database.execute("UPDATE alert_origin SET origin = ? WHERE origin = ?", (secrets.token_hex(16), old))

    def prune(self, before_ns: int) -> int:
        """Remove the rows that are older than that, some at a time, so that nobody waits long to write."""
        removed = 0
        while True:
            with self._database.transaction(_PRUNING) as database:
                gone = database.execute(_PRUNE, (before_ns, PRUNED_AT_ONCE)).rowcount
            removed += gone
            if gone < PRUNED_AT_ONCE:
                return removed

    def close(self) -> None:
        """Let go. May be called twice."""
        self._database.close()
