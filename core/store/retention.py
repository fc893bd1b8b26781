"""Removes days that are too old to keep."""

from __future__ import annotations

import attrs

from core.store.faults import storage_error
from core.store.logs import SeriesLogs
from core.store.paths import day_of_path, sync_folder
from core.store.repository import SeriesKey
from core.store.serieslog import SeriesLog


@attrs.frozen(kw_only=True)
class RemovedDay:
    """One day, since the epoch, that was removed: how many rows and bytes on the disk it had."""

    series: SeriesKey
    day: int
    rows: int
    stored_bytes: int


def remove_days(logs: SeriesLogs, *, before_day: int) -> list[RemovedDay]:
    """Remove every segment of a day before `before_day`, sealed or not; the cursors count its rows as removed.

    Raises:
        ConsoleError: the operating system refused; the days removed so far are removed.
    """
    removed: list[RemovedDay] = []
    try:
        for log in logs.logs.values():
            days = sorted({day_of_path(path) for path in log.facts})
            removed += [_remove_day(logs, log, day) for day in days if day < before_day]
    finally:
        logs.save()
    return removed


def _remove_day(logs: SeriesLogs, log: SeriesLog, day: int) -> RemovedDay:
    if day in log.open:
        logs.let_go(log.open[day])
    rows = stored_bytes = 0
    for path in [path for path in log.facts if day_of_path(path) == day]:
        facts = log.facts[path]
        try:
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
        except OSError as error:
            raise storage_error("removing a segment", path, error) from error
        log.forget(path)
        rows += facts.rows
        stored_bytes += facts.stored_bytes
        log.cursor.removed += facts.rows
        log.correct()
        log.moved()
    return RemovedDay(series=log.series, day=day, rows=rows, stored_bytes=stored_bytes)
