"""The simulated Databento archive's batch orders: charged once, worked on for a while, fetched as often as wanted."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs
import numpy as np

from core.clock import DAY_NS, NS_PER_MS, NS_PER_S, iso_ns, parse_rfc3339_ns, utc_day, wall_ns
from providers.simulated.databento_desk import Answer, Desk, Excerpt, Job, corrupted, detail, json_answer
from providers.simulated.databento_faults import Fault
from providers.simulated.databento_library import index_ns

USER: Final = "46PCMCVF"
KEPT_DAYS: Final = 30
SUBMIT: Final = "batch.submit_job"
_PREFIX: Final = f"/v0/batch/download/{USER}/"
_IN_FILES: Final[frozenset[Fault]] = frozenset({"corrupt", "bad_header", "wrong_schema", "wrong_time"})
_METADATA: Final = "metadata.json"
_TIMES: Final = ("ts_received", "ts_queued", "ts_process_start", "ts_process_done", "ts_expiration")
_RANGE: Final = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")
_NO_JOB: Final = detail(404, "batch_job_not_found", "There is no such job.")
_NOT_DONE: Final = detail(422, "batch_job_not_done", "The job is not done.")


def is_file(path: str) -> bool:
    """Whether a path of the archive's is a file's."""
    return path.startswith(_PREFIX)


def download(desk: Desk, path: str, wanted: str, fault: Fault | None) -> Answer:
    """The file at `path`, or what the header `wanted` says of it."""
    order_id, _, name = path.removeprefix(_PREFIX).partition("/")
    job = _job(desk, order_id)
    body = _files(desk, job).get(name) if job is not None and job.state == "done" else None
    if body is None:
        return detail(404, "batch_file_not_found", "There is no such file.")
    if fault in {"corrupt", "wrong_schema"}:
        body = corrupted(body)
    if fault == "more":
        body += bytes(100)
    asked = _RANGE.fullmatch(wanted)
    if asked is None or fault == "no_range":
        return _of_length(body)
    first, last = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
    if first > last:
        return detail(416, "range_not_satisfiable", "There is nothing there.")
    part = _of_length(body[first : last + 1], status=206)
    return attrs.evolve(part, headers=(*part.headers, ("Content-Range", f"bytes {first}-{last}/{len(body)}")))


def _submit(desk: Desk, asked: Mapping[str, str], fault: Fault | None) -> Answer:
    excerpt = desk.excerpt(asked)
    job = Job(
        order_id=f"{desk.library.dataset.split('.')[0]}-{utc_day(wall_ns()).replace('-', '')}-{_number(desk):010d}",
        asked=asked,
        excerpt=excerpt,
        fault=fault if fault in _IN_FILES else None,
        received_ns=wall_ns(),
        processing_s=desk.processing_s,
    )
    desk.jobs.append(job)
    desk.charge(SUBMIT, asked, excerpt)
    return json_answer(_details(job))


def _number(desk: Desk) -> int:
    # No two orders have one, those of another run on the same day included.
    return wall_ns() // NS_PER_MS % 86_400_000 * 100 + len(desk.jobs) % 100


def _list_jobs(desk: Desk, asked: Mapping[str, str], _fault: Fault | None) -> Answer:
    states = asked.get("states", "queued,processing,done").split(",")
    since = asked.get("since", "0")
    since_ns = int(since) if since.isdigit() else parse_rfc3339_ns(since)
    return json_answer([_details(job) for job in desk.jobs if job.state in states and job.received_ns >= since_ns])


def _list_files(desk: Desk, asked: Mapping[str, str], fault: Fault | None) -> Answer:
    job = _job(desk, asked["job_id"])
    if job is None or job.state == "expired":
        return _NO_JOB
    if job.state != "done":
        return _NOT_DONE
    spoilt = b"spoilt" if fault == "wrong_hash" else b""
    return json_answer(
        [
            {
                "filename": name,
                "size": len(body),
                "hash": f"sha256:{hashlib.sha256(body + spoilt).hexdigest()}",
                "urls": {
                    "https": f"{desk.address}{_PREFIX}{job.order_id}/{name}",
                    "ftp": f"ftp://ftp.databento.com/{USER}/{job.order_id}/{name}",
                },
            }
            for name, body in _files(desk, job).items()
        ]
    )


def _details(job: Job) -> dict[str, Any]:
    asked, done = job.asked, job.state in {"done", "expired"}
    done_ns = job.received_ns + int(job.processing_s * NS_PER_S)
    span = {"start": iso_ns(job.excerpt.start_ns), "end": iso_ns(job.excerpt.end_ns)}
    times = {"ts_received": job.received_ns, "ts_queued": job.received_ns}
    if done:
        times |= {
            "ts_process_start": done_ns,
            "ts_process_done": done_ns,
            "ts_expiration": done_ns + KEPT_DAYS * DAY_NS,
        }
    names = ("dataset", "symbols", "stype_in", "stype_out", "schema", "encoding", "compression", "split_duration")
    return {
        "id": job.order_id,
        "user_id": USER,
        "bill_id": None,
        "cost_usd": float(job.excerpt.cost_usd) if done else None,
        **{name: asked.get(name) for name in names},
        **span,
        "limit": int(asked["limit"]) if "limit" in asked else None,
        "split_symbols": False,
        "delivery": "download",
        "record_count": len(job.excerpt.records) if done else None,
        "billed_size": job.excerpt.records.nbytes if done else None,
        "actual_size": None,
        "package_size": None,
        "state": job.state,
        **{name: iso_ns(times[name]) if name in times else None for name in _TIMES},
    }


def _job(desk: Desk, order_id: str) -> Job | None:
    return next((job for job in desk.jobs if job.order_id == order_id), None)


def _files(desk: Desk, job: Job) -> Mapping[str, bytes]:
    if job.files is None:
        data = {name: desk.encoded(part, job.fault) for name, part in _split(desk, job)}
        job.files = {_METADATA: json.dumps(_details(job)).encode(), **data}
    return job.files


def _split(desk: Desk, job: Job) -> Iterator[tuple[str, Excerpt]]:
    whole = job.excerpt
    dataset = desk.library.dataset.lower().replace(".", "-")
    times = index_ns(whole.records)
    if job.fault == "wrong_time":  # the header says what was asked for, the records are of another time
        records = whole.records.copy()
        index_ns(records)[:] += np.uint64(whole.end_ns - whole.start_ns)
        whole = attrs.evolve(whole, records=records)
    if job.asked.get("split_duration", "day") != "day":
        days = "-".join(utc_day(at).replace("-", "") for at in (whole.start_ns, whole.end_ns - 1))
        if len(times):
            yield f"{dataset}-{days}.{whole.schema}.dbn.zst", whole
        return
    for day in np.unique(times // np.uint64(DAY_NS)).tolist():
        begin, end = np.searchsorted(times, np.array([day * DAY_NS, (day + 1) * DAY_NS], np.uint64))
        yield (
            f"{dataset}-{utc_day(day * DAY_NS).replace('-', '')}.{whole.schema}.dbn.zst",
            attrs.evolve(
                whole,
                start_ns=max(whole.start_ns, day * DAY_NS),
                end_ns=min(whole.end_ns, (day + 1) * DAY_NS),
                records=whole.records[begin:end],
            ),
        )


def _of_length(body: bytes, *, status: int = 200) -> Answer:
    return Answer(body, status, (("Content-Length", str(len(body))),))


PAGES: Final[Mapping[str, Callable[[Desk, Mapping[str, str], Fault | None], Answer]]] = {
    SUBMIT: _submit,
    "batch.list_jobs": _list_jobs,
    "batch.list_files": _list_files,
}
"""The pages by name: each takes what was asked, and what is wrong with the answer."""
