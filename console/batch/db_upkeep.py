"""Work on days that are over, as `db compress` and `db prune` do it: here, or by the engine that has the store."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any, Final

from console.batch import output
from console.batch.control import ask
from console.batch.progress import ProgressLine
from core.clock import DAY_NS, utc_day, wall_ns
from core.errors import ConsoleError, PermanentError, RefusedError

POLL_S: Final = 0.5

Row = dict[str, Any]


def today() -> int:
    """The day since the epoch in UTC, which is never over."""
    return wall_ns() // DAY_NS


def writing_engine(directory: Path) -> str:
    """The name of the running engine that writes the embedded store in `directory`; "" when none says so."""
    from ringbuf import discovery, layout

    try:
        alive = [state.instance for state in discovery.instances() if state.alive]
    except layout.RingError:
        return ""
    for instance in alive:
        with contextlib.suppress(ConsoleError):
            store = ask(instance, "status", timeout_s=2.0).get("store") or {}
            if store.get("kind") == "embedded" and store.get("place") == str(directory.absolute()):
                return instance
    return ""


def ask_engine(instance: str, operation: str, *, before_day: int, progress: ProgressLine) -> list[Row]:
    """Let an engine do the work on the days before one, and wait for it; what it did, day by day. Of very many days
    it lists the first alone, which is said.

    Raises:
        RefusedError: it is busy with something else, or read-only.
        UnreachableError: it does not answer any more.
        PermanentError: it failed.
    """
    begun = ask(instance, operation, before=utc_day(before_day * DAY_NS))["job"]
    waited = threading.Event()
    while True:
        job = ask(instance, "store").get("job") or {}
        if job.get("since_ns") != begun["since_ns"]:
            raise PermanentError(f"{operation} was not finished", f"{instance} does something else", hint="try again")
        if job["state"] == "failed":
            raise PermanentError(f"{operation} failed", f"{instance}: {job['message']}")
        if job["state"] == "done":
            if (left := job["result_rows"] - len(job["results"])) > 0:
                output.talk(f"{left} more days are done than {instance} lists here")
            return list(job["results"])
        progress(job["done"] / max(job["total"], 1))
        waited.wait(POLL_S)


def refused_by_engine(error: RefusedError, directory: Path) -> str:
    """The name of the engine that keeps us from writing. Raises `error` when it cannot be found."""
    instance = writing_engine(directory)
    if not instance:
        raise error
    return instance
