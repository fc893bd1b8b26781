"""Holes in what is stored, filled from a venue's own history over REST, beside an engine that writes or without."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import trio

from config.paths import find_paths
from console.__main__ import main
from console.journal import Journal
from console.stores import catalogue_path, ticks_directory
from console.supervise import Engine
from core.clock import NS_PER_S, parse_rfc3339_ns
from core.model.records import Records, Schema
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.history import EmbeddedHistory
from core.store.jobs import RUNNING, CatalogueJobs, Job
from core.store.repository import Gap, SeriesKey
from ringbuf.control import ControlClient, ControlError
from tests.simulator.test_engine import DEADLINE_S, make_plan

SERIES = SeriesKey("SIM.BINANCE", "BTCUSD", Schema.TRADES)
BEGIN_NS = parse_rfc3339_ns("2024-01-03T10:00:00Z")
MINUTES = 10


def run(*arguments: str, code: int = 0) -> Any:
    """What a command printed as JSON."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["--batch", *arguments, "--json"]) == code, printed.getvalue()
    return json.loads(printed.getvalue())


def fetch(*more: str, code: int = 0) -> Any:
    """Fetch ten minutes of the simulated venue's past."""
    meant = ("--symbols", "BTCUSD", "--exchange", "BINANCE", "--simulated")
    span = ("--start", str(BEGIN_NS), "--end", str(BEGIN_NS + MINUTES * 60 * NS_PER_S))
    return run("fetch", *meant, *span, *more, code=code)


def fill(*more: str, code: int = 0) -> Any:
    """Fill the holes."""
    return run(
        "backfill", "fill-gaps", "--symbols", "BTCUSD", "--exchange", "BINANCE", "--simulated", *more, code=code
    )


def stored() -> Records:
    """What is stored."""
    return EmbeddedHistory(ticks_directory(find_paths().data)).read(SERIES, 1, 2**62)


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Records:
    """Ten minutes of trades as the venue tells them; fetched into a home that is not the test's."""
    with monkeypatch.context() as patch:
        patch.setenv("RINGSIDE_HOME", str(tmp_path / "elsewhere"))
        fetch()
        return stored()


def store_with_a_hole(past: Records) -> Gap:
    """Store all but the middle third, with the gap that says so."""
    first, last = len(past) // 3, 2 * len(past) // 3
    # Of one instant all or none: a gap lies between two.
    before, after = past[:first], past[last:]
    gap = Gap(
        series=SERIES,
        start_ns=int(before["ts_event"][-1]),
        end_ns=int(after["ts_event"][0]),
        rows=last - first,
        cause="connection lost",
        first_id=0,
    )
    paths = find_paths()
    paths.state.mkdir(parents=True)
    with (
        contextlib.closing(Catalogue(catalogue_path(paths.state))) as catalogue,
        contextlib.closing(EmbeddedTickStore(ticks_directory(paths.data), catalogue)) as store,
    ):
        newest_id = BEGIN_NS // 1_000_000 + MINUTES * 60_000
        assert store.append(SERIES, np.concatenate((before, after)), newest_id).rows == len(before) + len(after)
        catalogue.record_gap(gap)
    return gap


def test_a_hole_is_filled_with_what_was_missing_and_nothing_else(past: Records) -> None:
    """The trades of the gap come from the venue's history, each once; then no hole is left, and it is recovered."""
    gap = store_with_a_hole(past)
    (hole,) = fill("--dry-run")["rows"]
    assert (hole["cause"], hole["missing"], hole["start_ns"]) == ("disconnect", gap.rows, gap.start_ns)
    answer = fill()
    assert (answer["holes"], answer["left"], answer["recovered"]) == (1, 0, gap.rows)
    assert np.array_equal(stored()[["ts_event", "price", "sequence"]], past[["ts_event", "price", "sequence"]])
    (told,) = run("db", "stats")["gaps"]
    assert (told["recovered"], told["missing"]) == (gap.rows, 0)
    assert fill()["rows"] == []


def test_ids_that_a_whole_history_lacks_are_no_error(past: Records) -> None:
    """What was told in full explains ids that are not in it: `db verify` warns of them and finds no error."""
    fetch()
    found = run("db", "verify")
    assert (found["errors"], found["checked_rows"]) == (0, len(past))
    assert {row["code"] for row in found["rows"]} == {"known_gap"}


def test_ids_between_two_histories_are_no_error() -> None:
    """What was never asked for between two ranges that were fetched is no error of `db verify`."""
    meant = ("fetch", "--symbols", "BTCUSD", "--exchange", "BINANCE", "--simulated")
    for day in ("2024-01-01", "2024-01-05"):
        run(*meant, "--start", f"{day} 00:00", "--end", f"{day} 00:10")
    assert run("db", "verify")["errors"] == 0


def test_a_hole_that_is_too_long_is_left_alone(past: Records) -> None:
    """With --max-days 0 nothing is fetched, the hole is told as left, and the exit code is 9."""
    store_with_a_hole(past)
    (hole,) = fill("--max-days", "0", code=9)["rows"]
    assert (hole["state"], hole["recovered"]) == ("left", 0)


def test_nothing_stored_has_no_holes() -> None:
    """Of an empty store nothing is asked, and nothing is made by looking."""
    assert fill("--dry-run")["holes"] == 0
    assert not find_paths().state.exists()
    assert fill("--yes")["rows"] == []


def test_the_lock_of_a_writer_that_is_no_engine_is_respected(past: Records) -> None:
    """While another program writes the files nothing is stored, the exit code says refused, and a rerun goes on."""
    store_with_a_hole(past)
    paths = find_paths()
    with (
        contextlib.closing(Catalogue(catalogue_path(paths.state))) as catalogue,
        contextlib.closing(EmbeddedTickStore(ticks_directory(paths.data), catalogue)),
    ):
        assert fill(code=8)["left"] == 1
    assert fill()["left"] == 0


@pytest.mark.trio
async def test_an_engine_stores_what_a_command_fetched(past: Records) -> None:
    """Beside an engine that writes the files a fetch hands its records over, and what is streamed is stored too."""
    engine = Engine(make_plan("BTCUSD", provider="binance"), Journal())
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            path = await nursery.start(engine.run)
            client = ControlClient(path, timeout_s=10)
            answer = await trio.to_thread.run_sync(fetch)
            assert answer["rows"][0]["stored"] == len(past)
            day = await trio.to_thread.run_sync(lambda: client.request("coverage_day", **_of_day("2024-01-03")))
            seen = {stretch["kind"] for stretch in day["stretches"]}
            seen_map = await trio.to_thread.run_sync(lambda: client.request("coverage", schema="trades", days=30))
            work = await trio.to_thread.run_sync(client.request, "backfill")
            while not (await trio.to_thread.run_sync(client.request, "status"))["store"]["rows"]:
                await trio.sleep(0.05)
            await trio.to_thread.run_sync(client.request, "shutdown")
            client.close()
    assert seen == {"never subscribed", "recovered"}
    assert [len(row["states"]) for row in seen_map["rows"]] == [30]
    assert work["jobs"][0]["state"] == "done"
    kept = stored()
    assert np.array_equal(kept[: len(past)]["ts_event"], past["ts_event"])
    assert len(kept) > len(past)


def _of_day(day: str) -> dict[str, Any]:
    return {"venue": SERIES.venue, "symbol": SERIES.symbol, "schema": "trades", "day": day}


@pytest.mark.parametrize(
    "request_of",
    [
        {"file": "../../etc/passwd"},
        {"file": "nothing.records"},
        {"store": "/nowhere"},
        {"schema": "mbo"},
        {"newest_id": "7"},
        {"venue": ""},
    ],
)
@pytest.mark.trio
async def test_a_hand_over_that_makes_no_sense_is_refused(request_of: dict[str, Any]) -> None:
    """A path, a file that is not there, another store, no schema: refused in words, and the engine runs on."""
    engine = Engine(make_plan("BTCUSD"), Journal())
    paths = find_paths()
    asked = {
        "store": str(ticks_directory(paths.data)),
        "file": "a.records",
        "newest_id": 0,
        **_of_day(""),
    } | request_of
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            path = await nursery.start(engine.run)
            client = ControlClient(path, timeout_s=10)
            with pytest.raises(ControlError, match=r"bad request|cannot store that"):
                await trio.to_thread.run_sync(lambda: client.request("ingest", **asked))
            assert (await trio.to_thread.run_sync(client.request, "ping"))["pid"] == os.getpid()
            await trio.to_thread.run_sync(client.request, "shutdown")
            client.close()


def interrupted(done: Job) -> Job:
    """The same work, begun by a process of this machine that ended before it had anything to show."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    begun = {"share": 0.0, "rows": 0, "paid_usd": "0", "host": socket.gethostname(), "pid": child.pid}
    assert begun.keys() == done.progress.keys()
    return attrs.evolve(done, state=RUNNING, progress=begun, message="")


def test_an_interrupted_fetch_is_gone_on_with(past: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job whose process is gone is told as interrupted; going on fetches what was asked for then, and only once."""
    with monkeypatch.context() as patch:
        patch.setenv("RINGSIDE_HOME", str(tmp_path / "elsewhere"))
        with contextlib.closing(CatalogueJobs(catalogue_path(find_paths().state), read_only=True)) as jobs:
            (done,) = jobs.jobs("")
    state = find_paths().state
    state.mkdir(parents=True)
    with contextlib.closing(CatalogueJobs(catalogue_path(state))) as jobs:
        jobs.save(interrupted(done))
    assert [(job["job_id"], job["state"]) for job in run("backfill", "status")["jobs"]] == [
        (done.job_id, "interrupted")
    ]
    assert run("backfill", "resume")["rows"][0]["stored"] == len(past)
    assert np.array_equal(stored()[["ts_event", "price", "sequence"]], past[["ts_event", "price", "sequence"]])
    again = run("backfill", "resume", done.job_id.rpartition("/")[2])
    assert [row["state"] for row in again["rows"]] == ["nothing to do"]


def test_what_has_ended_is_not_gone_on_with() -> None:
    """Where the only fetch is done there is nothing to go on with, and the exit code says that nothing was found."""
    fetch()
    run("backfill", "resume", code=4)
