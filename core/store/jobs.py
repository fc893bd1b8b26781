"""Long work that is written down, so that it is known afterwards what was done and what was begun."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import attrs

from core.clock import iso_ns, wall_ns
from core.store.catalogue_tables import STEPS
from core.store.sqlite import Database

RUNNING: Final = "running"
DONE: Final = "done"
FAILED: Final = "failed"

_SAVE_SQLITE: Final = """
INSERT INTO jobs (job_id, kind, request, state, progress, message, created_ns, updated_ns)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (job_id) DO UPDATE SET request = excluded.request, state = excluded.state, progress = excluded.progress,
    message = excluded.message, updated_ns = excluded.updated_ns
"""
_LIST_SQLITE: Final = """
SELECT job_id, kind, request, state, progress, message, updated_ns FROM jobs
WHERE substr(job_id, 1, ?) = ? ORDER BY job_id
"""
_SAVE_POSTGRES: Final = """
INSERT INTO jobs (job_id, kind, request, state, progress, message)
VALUES (%s, %s, %s::jsonb, %s, %s::jsonb, %s)
ON CONFLICT (job_id) DO UPDATE SET request = excluded.request, state = excluded.state, progress = excluded.progress,
    message = excluded.message, updated_at = now()
"""
_LIST_POSTGRES: Final = """
SELECT job_id, kind, request::text, state, progress::text, message, (extract(epoch FROM updated_at) * 1000000)::bigint
FROM jobs WHERE starts_with(job_id, %s) ORDER BY job_id COLLATE "C"
"""


@attrs.frozen(kw_only=True)
class Job:
    """A piece of work: `state` is RUNNING, DONE or FAILED; `request` and `progress` are plain JSON. `updated` says
    when it was written down last, as RFC 3339."""

    job_id: str
    kind: str
    request: Mapping[str, Any]
    state: str
    progress: Mapping[str, Any] = attrs.Factory(dict)
    message: str = ""
    updated: str = ""


class JobLog(Protocol):
    """Where jobs are written down. Its methods block and raise `ConsoleError`."""

    def jobs(self, prefix: str) -> list[Job]:
        """The jobs whose id begins so."""

    def save(self, job: Job) -> None:
        """Write a job down in place of what was written of it before."""

    def close(self) -> None:
        """Let go. May be called twice."""


class CatalogueJobs:
    """The jobs in the catalogue at `path`, which with `read_only` must be there. Raises as `Database` does."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._database = Database(path, STEPS, name="catalogue", read_only=read_only)

    def jobs(self, prefix: str) -> list[Job]:
        """The jobs whose id begins so."""
        return [_job(*row, stamp_ns=stamp) for *row, stamp in self._database.rows(_LIST_SQLITE, len(prefix), prefix)]

    def save(self, job: Job) -> None:
        """Write a job down in place of what was written of it before."""
        now_ns = wall_ns()
        values = (
            job.job_id, job.kind, _text(job.request), job.state, _text(job.progress), job.message, now_ns, now_ns,
        )  # fmt: skip
        with self._database.transaction("writing down a job") as database:
            database.execute(_SAVE_SQLITE, values)

    def close(self) -> None:
        """Let go. May be called twice."""
        self._database.close()


class PostgresJobs:
    """The jobs in the database at `url`, which must be migrated. Raises as `PostgresBooks` does."""

    def __init__(self, url: str) -> None:
        from core.store.postgres.connection import Session

        self._session = Session(url, name="ringside jobs")

    def jobs(self, prefix: str) -> list[Job]:
        """The jobs whose id begins so."""
        with self._session.use("reading the jobs") as connection:
            rows = connection.execute(_LIST_POSTGRES, (prefix,)).fetchall()
        return [_job(*row, stamp_ns=stamp * 1000) for *row, stamp in rows]

    def save(self, job: Job) -> None:
        """Write a job down in place of what was written of it before."""
        values = (job.job_id, job.kind, _text(job.request), job.state, _text(job.progress), job.message)
        with self._session.use("writing down a job") as connection:
            connection.execute(_SAVE_POSTGRES, values)

    def close(self) -> None:
        """Let go. May be called twice."""
        self._session.close()


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), sort_keys=True)


def _job(job_id: str, kind: str, request: str, state: str, progress: str, message: str, *, stamp_ns: int) -> Job:
    return Job(
        job_id=job_id,
        kind=kind,
        request=json.loads(request),
        state=state,
        progress=json.loads(progress),
        message=message,
        updated=iso_ns(stamp_ns),
    )
