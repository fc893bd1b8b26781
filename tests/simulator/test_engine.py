"""The whole engine on the simulated venue: real sockets, rings, files. What goes in comes out, or is counted."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from config.paths import find_paths
from console.journal import Journal
from console.plan import EnginePlan, FeedPlan, ProviderName, StorePlan
from console.supervise import Engine
from core.clock import iso_ns, wall_ns
from core.errors import ConfigurationError, ConsoleError, NotFoundError, RefusedError, UsageError
from core.model.records import F_MAYBE_BAD_BOOK, STREAMED, TRADE, Schema
from core.store.history import EmbeddedHistory
from core.store.repository import NOT_STREAMED, SeriesKey
from providers.venue.healing import SKIPPED
from ringbuf import control, layout
from ringbuf.control import ControlClient, ControlError
from ringbuf.reader import RingReader
from tests.unit.console.batch.running import Console

DEADLINE_S = 60


def make_plan(
    *symbols: str, provider: ProviderName = "kraken", faults: str = "", persist: bool = True, **changes: Any
) -> EnginePlan:
    """A plan on the simulated market, storing in the test's own home."""
    paths = find_paths()
    feed = FeedPlan(provider=provider, symbols=symbols, simulated=True, faults=faults, seed=7)
    fields: dict[str, Any] = {
        "instance": "test",
        "named": True,
        "feeds": (feed,),
        "data_directory": paths.data,
        "state_directory": paths.state,
        "persist": persist,
        "public_symbols": None,
        "store": StorePlan(sync_s=0.1),
    }
    return EnginePlan(**(fields | changes))


async def run_until(plan: EnginePlan, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Run an engine until its status satisfies `enough`, stop it, and return its summary."""
    engine = Engine(plan, Journal())
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            path: Path = await nursery.start(engine.run)
            client = ControlClient(path, timeout_s=10)
            while not enough(await trio.to_thread.run_sync(client.request, "status")):
                await trio.sleep(0.05)
            await trio.to_thread.run_sync(client.request, "shutdown")
            client.close()
    return engine.summary


def left_behind() -> list[str]:
    """What stands in shared memory besides the service registry, which outlives its entries."""
    return [path.name for path in layout.directory().iterdir() if path.name != "registry"]


def feed_of(status: dict[str, Any], symbol: str) -> dict[str, Any]:
    """The counters of one symbol, all zero before it streams."""
    rows: list[dict[str, Any]] = [row for row in status["feeds"] if row["symbol"] == symbol]
    return rows[0] if rows else dict.fromkeys(("trades", "quotes", "book_updates", "checksum_bad", "reconnects"), 0)


@pytest.mark.trio
@pytest.mark.parametrize("provider", ["kraken", "binance"])
async def test_everything_that_is_counted_is_stored(provider: ProviderName) -> None:
    """Counters, rings and store agree on every schema, and the stored trades are whole and consecutive."""
    plan = make_plan("BTCUSD", "ETHUSD", provider=provider)
    summary = await run_until(plan, lambda status: feed_of(status, "BTCUSD")["trades"] >= 40)
    history = EmbeddedHistory(find_paths().data / "ticks")
    for row in summary["feeds"]:
        assert row["venue"] == f"SIM.{provider.upper()}"
        assert (row["gaps"] + row["book_breaks"], row["rejected"], row["checksum_bad"], row["problem"]) == (
            0,
            0,
            0,
            "",
        )
        trades = history.read(SeriesKey(row["venue"], row["symbol"], Schema.TRADES), 0, 2**62)
        assert len(trades) == row["trades"]
        assert (np.diff(np.sort(trades["sequence"])) == 1).all()
        assert (trades["price"] > 0).all()
    committed: dict[str, int] = {}
    for ring in summary["rings"]:
        committed[ring["schema"]] = committed.get(ring["schema"], 0) + ring["committed"]
    store = summary["store"]
    assert committed["trades"] == store["rows"] == sum(row["trades"] for row in summary["feeds"])
    assert committed["mbp-1"] == store["quotes"]["rows"]
    assert committed["mbp-10"] == store["book_updates"]["rows"]
    assert store["lost"] == store["rejected"] == 0


@pytest.mark.trio
async def test_a_bad_checksum_withholds_one_book_alone() -> None:
    """The book is marked bad, comes back after its own resubscription, and the other symbol never notices."""
    plan = make_plan("BTCUSD", faults="bad-checksum=60")
    summary = await run_until(plan, lambda status: feed_of(status, "BTCUSD")["checksum_bad"] >= 2)
    (row,) = summary["feeds"]
    assert row["reconnects"] == 0
    assert row["checksum_ok"] > row["checksum_bad"]
    books = EmbeddedHistory(find_paths().data / "ticks").read(
        SeriesKey("SIM.KRAKEN", "BTCUSD", Schema.BOOK), 0, 2**62
    )
    bad = books["flags"] & F_MAYBE_BAD_BOOK != 0
    assert bad.sum() >= row["checksum_bad"]
    assert (books["bid_sz_00"][bad] == 0).all()
    live = books[~bad]
    assert (live["bid_px_00"] < live["ask_px_00"]).all()


@pytest.mark.trio
@pytest.mark.parametrize("provider", ["kraken", "binance"])
async def test_faults_are_counted_and_survived(provider: ProviderName) -> None:
    """Drops, repeats, disorder, garbage and disconnects: no trade is stored twice, none of them stops the engine."""
    plan = make_plan(
        "BTCUSD", "ETHUSD", provider=provider, faults="gap=37,duplicate=23,reorder=29,malformed=31,disconnect=150"
    )
    summary = await run_until(
        plan,
        lambda status: feed_of(status, "BTCUSD")["reconnects"] >= 2 and feed_of(status, "BTCUSD")["trades"] >= 60,
    )
    history = EmbeddedHistory(find_paths().data / "ticks")
    for row in summary["feeds"]:
        trades = history.read(SeriesKey(row["venue"], row["symbol"], Schema.TRADES), 0, 2**62)
        assert len(trades) == row["trades"]
        assert len(np.unique(trades["sequence"])) == len(trades)
        books = history.read(SeriesKey(row["venue"], row["symbol"], Schema.BOOK), 0, 2**62)
        live = books[books["flags"] & F_MAYBE_BAD_BOOK == 0]
        assert (live["bid_px_00"] < live["ask_px_00"]).all()
    assert summary["malformed"] > 0
    assert sum(row["duplicates"] for row in summary["feeds"]) > 0
    assert summary["store"]["lost"] == 0


@pytest.mark.trio
async def test_a_second_run_continues_the_store() -> None:
    """Stopping and starting again appends to the same segments under the same instrument number."""
    plan = make_plan("BTCUSD")
    for _ in range(2):
        summary = await run_until(plan, lambda status: feed_of(status, "BTCUSD")["trades"] >= 10)
    history = EmbeddedHistory(find_paths().data / "ticks")
    trades = history.read(SeriesKey("SIM.KRAKEN", "BTCUSD", Schema.TRADES), 0, 2**62)
    assert len(trades) >= 20
    assert len(np.unique(trades["instrument_id"])) == 1
    assert summary["store"]["duplicates"] == 0


@pytest.mark.trio
@pytest.mark.parametrize("provider", ["kraken", "binance"])
async def test_a_stop_is_a_gap_with_a_cause(provider: ProviderName, capsys: pytest.CaptureFixture[str]) -> None:
    """What was not streamed between two runs is listed by the engine and by the commands, and is no error."""
    plan, console = make_plan("BTCUSD", provider=provider), Console(capsys)
    await run_until(plan, lambda status: feed_of(status, "BTCUSD")["trades"] >= 60)
    assert (console("db", "verify").code, _gaps(console)) == (0, 0)
    engine = Engine(plan, Journal())
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            path: Path = await nursery.start(engine.run)
            client = ControlClient(path, timeout_s=10)
            while not (store := await trio.to_thread.run_sync(client.request, "store"))["gaps"]:
                await trio.sleep(0.05)
            client.close()
            engine.stop()
    (gap,) = store["gaps"]
    assert (gap["symbol"], gap["schema"], gap["cause"]) == ("BTCUSD", "trades", NOT_STREAMED)
    assert gap["rows"] > 0
    assert 0 < gap["start_ns"] < gap["end_ns"]
    found = console("db", "verify", "--json")
    (row,) = found.json["rows"]
    assert (found.code, row["severity"], row["code"], row["count"]) == (0, "warning", "known_gap", gap["rows"])
    assert (row["start"], row["end"]) == (iso_ns(gap["start_ns"]), iso_ns(gap["end_ns"]))
    assert row["message"].endswith(NOT_STREAMED)
    assert _gaps(console) == 1


@pytest.mark.trio
async def test_trades_that_never_came_are_fetched_back(capsys: pytest.CaptureFixture[str]) -> None:
    """What the stream left out is stored in its place, and what the end of the engine forbids stands in the books."""
    plan, console = make_plan("BTCUSD", provider="binance", faults="gap=10"), Console(capsys)
    summary = await run_until(plan, lambda status: status["recovered"] >= 5)
    (feed,) = summary["feeds"]
    assert feed["recovered"] == summary["recovered"] >= 5
    assert {row["cause"] for row in summary["intervals"]} == {SKIPPED}
    ids = (
        EmbeddedHistory(find_paths().data / "ticks")
        .read_numbered(SeriesKey(feed["venue"], "BTCUSD", Schema.TRADES), 0, 2**62)
        .ids
    )
    assert (np.diff(ids) > 0).all()
    assert int((np.diff(ids) - 1).sum()) == summary["lost"]
    found = console("db", "verify", "--json")
    assert found.code == 0, found.out
    assert all(row["code"] == "known_gap" and SKIPPED in row["message"] for row in found.json["rows"])
    assert sum(row["count"] for row in found.json["rows"]) == summary["lost"]


def _gaps(console: Console) -> int:
    return sum(row["gaps"] for row in console("db", "stats", "--json").json["rows"])


@pytest.mark.trio
async def test_another_process_may_read_the_rings() -> None:
    """A reader beside the engine follows a public ring by name while it is written."""
    engine = Engine(make_plan("BTCUSD", persist=False), Journal())
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            path = layout.directory() / "test__BTCUSD_SIM.KRAKEN"
            while not path.exists():
                await trio.sleep(0.02)
            reader = RingReader(path, name="stranger", dtype=TRADE)
            got = 0
            while got < 5:
                got += len(reader.pop_batch())
                await trio.sleep(0.02)
            assert reader.producer_alive
            engine.stop()
    assert reader.closed
    reader.close()
    assert left_behind() == []


@pytest.mark.trio
@pytest.mark.parametrize(
    ("plan_changes", "error"),
    [
        ({"symbols": ("FOOUSD",)}, NotFoundError),
        ({"instance": "a/b"}, UsageError),
        ({"data_directory": Path("/proc/nowhere")}, ConfigurationError),
        ({"state_directory": Path("/dev/null/state")}, ConfigurationError),
    ],
)
async def test_what_cannot_start_says_why(plan_changes: dict[str, Any], error: type[ConsoleError]) -> None:
    """Unknown symbols, bad names and unusable directories raise their own kind; shared memory stays clean."""
    symbols = plan_changes.pop("symbols", ("BTCUSD",))
    engine = Engine(make_plan(*symbols, **plan_changes), Journal())
    with trio.fail_after(DEADLINE_S), pytest.raises(error):
        await engine.run()
    assert left_behind() == []


@pytest.mark.trio
async def test_a_name_can_be_used_once() -> None:
    """A second engine of the same name is refused while the first runs, and welcome afterwards."""
    plan = make_plan("BTCUSD", persist=False)
    first = Engine(plan, Journal())
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(first.run)
            with pytest.raises(RefusedError, match="already running"):
                await Engine(plan, Journal()).run()
            first.stop()
    await run_until(plan, lambda status: status["state"] == "running")


@pytest.mark.trio
async def test_full_shared_memory_is_an_error_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a ring finds no room the engine ends with the sizes, not with a SIGBUS."""

    def no_room(_fd: int, _offset: int, _length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", no_room)
    with trio.fail_after(DEADLINE_S), pytest.raises(ConfigurationError, match="shared memory is full"):
        await Engine(make_plan("BTCUSD", persist=False), Journal()).run()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_stop_a_headless_engine_cleanly(number: signal.Signals) -> None:
    """The exit code is 128 plus the signal, the summary is printed, and what was received is stored."""
    line = [sys.executable, "-m", "console", "--batch", "serve", "--provider", "simulated", "--symbols", "BTCUSD"]
    process = subprocess.Popen(
        [*line, "--persist", "--instance-id", "signalled", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_for_trades("signalled", 3)
        process.send_signal(number)
        printed, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    assert '"schema_version":1' in printed
    stored = EmbeddedHistory(find_paths().data / "ticks").read(
        SeriesKey("SIM.KRAKEN", "BTCUSD", Schema.TRADES), 0, 2**62
    )
    assert f'"trades":{len(stored)},' in printed


def _wait_for_trades(instance: str, trades: int) -> None:
    client = ControlClient(control.socket_path(instance))
    deadline_ns = wall_ns() + DEADLINE_S * 10**9
    while wall_ns() < deadline_ns:
        try:
            if feed_of(client.request("status"), "BTCUSD")["trades"] >= trades:
                client.close()
                return
        except ControlError:
            continue
    raise AssertionError("the engine did not stream in time")


@pytest.mark.trio
async def test_an_engine_ends_after_its_duration() -> None:
    """With a duration it stops by itself, everything stored, while its feeds would go on."""
    with trio.fail_after(DEADLINE_S):
        summary = await Engine(make_plan("BTCUSD", duration_s=0.5), Journal()).run()
    assert summary["uptime_s"] >= 0.5
    assert summary["store"]["rows"] == sum(row["trades"] for row in summary["feeds"])
    assert not summary["errors"]


@pytest.mark.trio
async def test_a_feed_that_fails_takes_no_other_down() -> None:
    """One feed never comes up; the other streams on, and the summary says which was given up and why."""
    feeds = (
        FeedPlan(provider="kraken", symbols=("BTCUSD",), simulated=True),
        FeedPlan(provider="binance", symbols=("FOOUSD",), simulated=True),
    )
    summary = await run_until(make_plan(feeds=feeds), lambda status: feed_of(status, "BTCUSD")["trades"] >= 5)
    assert summary["store"]["rows"] >= 5
    (error,) = summary["errors"]
    assert "FOOUSD" in error


@pytest.mark.trio
async def test_a_locked_catalogue_stops_nothing() -> None:
    """While another process holds the catalogue, trades are stored all the same; instruments follow later."""
    paths = find_paths()
    plan = make_plan("BTCUSD")
    await run_until(plan, lambda status: feed_of(status, "BTCUSD")["trades"] >= 1)
    engine = Engine(plan, Journal())
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            path: Path = await nursery.start(engine.run)
            holder = sqlite3.connect(paths.state / "catalogue.sqlite3", isolation_level=None)
            holder.execute("BEGIN IMMEDIATE")
            client = ControlClient(path, timeout_s=10)
            while feed_of(await trio.to_thread.run_sync(client.request, "status"), "BTCUSD")["trades"] < 5:
                await trio.sleep(0.05)
            holder.rollback()
            holder.close()
            client.close()
            engine.stop()
    assert engine.summary["store"]["lost"] == 0
    assert (
        engine.summary["store"]["rows"] + engine.summary["store"]["duplicates"]
        == engine.summary["feeds"][0]["trades"]
    )


@pytest.mark.trio
async def test_after_a_kill_everything_is_stored_once() -> None:
    """An engine that takes over the rings of one that was killed stores no record twice, with ids or without."""
    await trio.to_thread.run_sync(_serve_and_kill)
    await run_until(make_plan("BTCUSD"), lambda status: feed_of(status, "BTCUSD")["trades"] >= 60)
    history = EmbeddedHistory(find_paths().data / "ticks")
    for schema in STREAMED:
        records = history.read(SeriesKey("SIM.KRAKEN", "BTCUSD", schema), 0, 2**62)
        assert len(records) > 0
        assert len({record.tobytes() for record in records}) == len(records), schema


def _serve_and_kill() -> None:
    line = ["--batch", "serve", "--provider", "simulated", "--symbols", "BTCUSD", "--persist", "--ipc"]
    process = subprocess.Popen(
        [sys.executable, "-m", "console", *line, "--instance-id", "test"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for_trades("test", 60)
    finally:
        process.kill()
        process.wait()
