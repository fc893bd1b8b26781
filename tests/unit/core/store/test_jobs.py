"""Jobs that are written down, in the catalogue and in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.store.catalogue import Catalogue
from core.store.jobs import DONE, RUNNING, CatalogueJobs, Job, JobLog, PostgresJobs

JOB = Job(job_id="import/ab/KRAKEN/*", kind="import", request={"file": "a.dbn", "rows": 3}, state=RUNNING)


@pytest.fixture(params=["catalogue", "postgres"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobLog]:
    """An empty log of either kind."""
    made: JobLog
    if request.param == "postgres":
        made = PostgresJobs(request.getfixturevalue("migrated_url"))
    else:
        made = CatalogueJobs(tmp_path / "catalogue.sqlite3")
    yield made
    made.close()
    made.close()


def test_a_job_is_found_by_how_its_name_begins(log: JobLog) -> None:
    """What was saved last under a name is what is found; signs that mean something to SQL mean nothing."""
    assert log.jobs("import/") == []
    log.save(JOB)
    log.save(Job(job_id="import/%/KRAKEN/*", kind="import", request={}, state=RUNNING))
    log.save(
        Job(job_id=JOB.job_id, kind="import", request=JOB.request, state=DONE, progress={"rows": 3}, message="é")
    )
    (found,) = log.jobs("import/ab/")
    assert (found.state, dict(found.request), dict(found.progress)) == (DONE, JOB.request, {"rows": 3})
    assert found.message == "é"
    assert found.updated.endswith("Z")
    assert [job.job_id for job in log.jobs("import/%")] == ["import/%/KRAKEN/*"]
    assert len(log.jobs("import/")) == 2


def test_the_catalogue_stays_one_that_the_store_opens(tmp_path: Path) -> None:
    """A catalogue that the log made is a whole one."""
    path = tmp_path / "catalogue.sqlite3"
    log = CatalogueJobs(path)
    log.save(JOB)
    log.close()
    catalogue = Catalogue(path)
    assert catalogue.gaps() == []
    catalogue.close()
