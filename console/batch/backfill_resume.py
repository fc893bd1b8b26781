"""`backfill resume`: goes on with a fetch that was interrupted or failed, as it was asked for then."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from console.batch import output
from console.batch.backfill_fill_gaps import MAX_DAYS
from console.batch.backfill_fill_gaps import run as fill
from console.batch.backfill_options import add_spending_options
from console.batch.db_target import add_store_option
from console.batch.fetch import fetch
from core.errors import NotFoundError

if TYPE_CHECKING:
    from core.store.jobs import Job

LATEST: Final = "latest"


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "What was fetched by then is stored and is not asked for again; what was paid for is downloaded for free. A "
        "time that was given as so long ago is that of the first start."
    )
    parser.add_argument(
        "job", nargs="?", default=LATEST, help="the job as backfill status names it (default: latest)"
    )
    add_spending_options(parser)
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Fetch what is left of it."""
    from console.backfill.books import books_to_read
    from console.backfill.run import KIND
    from console.batch.db_target import find_target

    with books_to_read(find_target(arguments)) as books:
        jobs = [] if books.shelf is None else books.shelf.jobs.jobs(KIND)
    job = _chosen(jobs, arguments.job)
    output.talk(f"going on with {job.job_id}")
    asked = {"faults": "", "dry_run": False, "max_days": MAX_DAYS, "job_id": job.job_id, **job.request}
    again = fill if job.request.get("action") == "fill-gaps" else fetch
    return again(argparse.Namespace(**(vars(arguments) | asked)))


def _chosen(jobs: list[Job], name: str) -> Job:
    from console.backfill.rows import is_interrupted
    from core.store.jobs import DONE, RUNNING

    if name != LATEST:
        found = [job for job in jobs if job.job_id == name or job.job_id.endswith(f"/{name}")]
    else:
        found = [job for job in jobs if job.state not in {DONE, RUNNING} or is_interrupted(job)][-1:]
    if len(found) != 1:
        hint = "backfill status lists them"
        raise NotFoundError("nothing to go on with" if name == LATEST else "no such job", ascii(name)[:60], hint=hint)
    return found[0]
