"""Imports that are written down, so that a file is not stored twice by mistake."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import attrs

from core.errors import ConsoleError, RefusedError
from core.store.batch import summed
from core.store.importing import CheckedFile, import_file
from core.store.jobs import DONE, FAILED, RUNNING, Job, JobLog
from core.store.paging import Progress, unheard
from core.store.repository import AppendResult, SeriesKey, TickStore

KIND: Final = "import"
WHOLE: Final = "*"


@attrs.frozen
class Imported:
    """What became of a file's records, series by series."""

    checked: CheckedFile
    series: dict[SeriesKey, AppendResult]

    @property
    def total(self) -> AppendResult:
        """All series together."""
        whole = AppendResult()
        for result in self.series.values():
            whole = summed(whole, result)
        return whole


def refuse_again(log: JobLog, checked: CheckedFile) -> None:
    """Make sure that a file was not imported before.

    An import that was begun and did not end may be done again when the store knows by their ids what it has already.

    Raises:
        RefusedError: it was, or a part of it may have been.
    """
    for job in log.jobs(_prefix(checked)):
        symbol = job.job_id.removeprefix(_prefix(checked))
        if symbol not in {_symbol(checked), WHOLE} and _symbol(checked) != WHOLE:
            continue
        name = job.request.get("file", "")
        if job.state == DONE:
            raise RefusedError(
                "already imported",
                f"{checked.request.path}, as {name} on {job.updated}",
                hint="--again stores what is new of it, and all of it once more when it has no ids",
            )
        if not checked.has_ids:
            rows = job.progress.get("rows", 0)
            raise RefusedError(
                "an import did not end",
                f"{checked.request.path}: of {checked.rows} rows {rows} or more are stored, and it has no ids",
                hint="remove them, or say --again to store all of it once more",
            )


def import_and_note(store: TickStore, log: JobLog, checked: CheckedFile, progress: Progress = unheard) -> Imported:
    """Store a checked file and write down that it was done, or how far it came.

    Raises:
        ConsoleError: as `import_file` does; what was stored until then is stored, and is written down.
    """
    results: defaultdict[SeriesKey, AppendResult] = defaultdict(AppendResult)
    job = Job(
        job_id=_prefix(checked) + _symbol(checked),
        kind=KIND,
        request={
            "file": checked.request.path.name,
            "sha256": checked.sha256,
            "venue": checked.venue,
            "schema": checked.header.schema.value,
            "rows": checked.rows,
            "sequence_ids": checked.request.sequence_ids,
        },
        state=RUNNING,
    )
    imported = Imported(checked, results)
    log.save(job)
    try:
        for series, result in import_file(store, checked, progress):
            results[series] = summed(results[series], result)
    except BaseException as error:
        message = str(error) if isinstance(error, ConsoleError) else type(error).__name__
        log.save(attrs.evolve(job, state=FAILED, progress=attrs.asdict(imported.total), message=message))
        raise
    log.save(attrs.evolve(job, state=DONE, progress=attrs.asdict(imported.total)))
    return imported


def _prefix(checked: CheckedFile) -> str:
    return f"{KIND}/{checked.sha256}/{checked.venue}/"


def _symbol(checked: CheckedFile) -> str:
    return checked.request.symbol or WHOLE
