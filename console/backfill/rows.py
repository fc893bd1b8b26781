"""Jobs, coverage and holes as rows of JSON, for commands and for the control channel."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any, Final

from core.clock import DAY_NS, iso_ns, utc_day
from core.model.sessions import Calendar
from core.store.coverage import HOLES, MISSING, PARTIAL, SHUT, DayCoverage, Stretch
from core.store.jobs import RUNNING, Job
from core.store.repository import SeriesKey

Row = dict[str, Any]
INTERRUPTED: Final = "interrupted"
MOST_JOBS: Final = 50


def job_rows(jobs: Sequence[Job]) -> list[Row]:
    """The newest jobs first, at most `MOST_JOBS`. One whose process on this machine is gone was interrupted."""
    return [_job_row(job) for job in reversed(jobs[-MOST_JOBS:])]


def is_interrupted(job: Job) -> bool:
    """Whether it says that it runs, and does not."""
    here = job.progress.get("host") == socket.gethostname()
    return job.state == RUNNING and here and not _lives(job.progress.get("pid"))


def _lives(pid: Any) -> bool:
    if type(pid) is not int or not 0 < pid < 2**31:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _instant(text: Any) -> str:
    # Times of a request are written down in ns.
    known = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 20
    return f"{iso_ns(int(text))[:19]}Z" if known else ""


def _job_row(job: Job) -> Row:
    asked, progress = job.request, job.progress
    return {
        "job_id": job.job_id,
        "kind": job.kind,
        "state": INTERRUPTED if is_interrupted(job) else job.state,
        "symbols": asked.get("symbols") or "",
        "provider": asked.get("provider") or asked.get("exchange") or "",
        "schema": asked.get("schema") or "",
        "start": _instant(asked.get("start")),
        "end": _instant(asked.get("end")),
        "rows": progress.get("rows", 0),
        "share": progress.get("share", 0.0),
        "paid_usd": progress.get("paid_usd", "0"),
        "message": job.message,
        "updated": job.updated,
    }


def series_row(series: SeriesKey, calendar: Calendar, days: Sequence[DayCoverage], *, fetched_days: int) -> Row:
    """A series over some days: how many are complete, how many holes there are."""
    filled = [day for day in days if day.rows]
    return {
        "venue": series.venue,
        "symbol": series.symbol,
        "schema": series.schema.value,
        "rows": sum(day.rows for day in days),
        "days": len(filled),
        "first": iso_ns(filled[0].first_ns) if filled else None,
        "last": iso_ns(filled[-1].last_ns) if filled else None,
        "holes": sum(stretch.kind in HOLES for day in days for stretch in day.stretches),
        "partial_days": sum(day.state == PARTIAL for day in days),
        "missing_days": sum(day.state == MISSING for day in days),
        "closed_days": sum(day.state == SHUT for day in days),
        "fetched_days": fetched_days,
        **calendar_row(calendar),
    }


def calendar_row(calendar: Calendar) -> Row:
    """Which calendar counts, and the day from which on it knows nothing."""
    ends_ns = calendar.expires_ns
    return {"calendar": calendar.name, "calendar_ends": None if ends_ns is None else utc_day(ends_ns)}


def day_row(day: DayCoverage) -> Row:
    """One day with its stretches."""
    return {
        "day": utc_day(day.day * DAY_NS),
        "rows": day.rows,
        "first_ns": day.first_ns,
        "last_ns": day.last_ns,
        "first": iso_ns(day.first_ns) if day.rows else None,
        "last": iso_ns(day.last_ns) if day.rows else None,
        "state": day.state,
        "stretches": [_stretch_row(stretch) for stretch in day.stretches],
    }


def _stretch_row(stretch: Stretch) -> Row:
    return {
        "start": iso_ns(stretch.start_ns),
        "end": iso_ns(stretch.end_ns),
        "start_ns": stretch.start_ns,
        "end_ns": stretch.end_ns,
        "kind": stretch.kind.value,
        "missing": stretch.missing,
        "detail": stretch.detail,
    }
