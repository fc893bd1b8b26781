"""History bought through the real client from a local archive: planned, priced, bought once, stored once."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from console.__main__ import main
from console.backfill.keeping import FilesKeeper
from core.clock import DAY_NS
from core.model.records import Records, Schema
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.history import EmbeddedHistory
from core.store.repository import SeriesKey
from providers.simulated.databento_faults import DOWNLOAD
from tests.simulator.bought import DATASET, FIRST_DAY_NS, SYMBOL, ask, command, selling, sold, trades

SERIES = SeriesKey(DATASET, SYMBOL, Schema.TRADES)
KILLS = int(os.environ.get("RINGSIDE_KILLS", "0")) or 4


def stored(home: Path) -> Records:
    """What the store of `home` has of the series."""
    return EmbeddedHistory(home / "data" / "ticks").read(SERIES, 1, 2**62)


def same(found: Records, wanted: Records) -> bool:
    """Whether the store gives back the very trades that were sold, in any order within an instant."""
    names = ["ts_event", "price", "size"]
    return bool(np.array_equal(np.sort(found[names], order=names), np.sort(wanted[names], order=names)))


@pytest.mark.trio
async def test_what_was_bought_is_stored_and_not_bought_again(tmp_path: Path) -> None:
    """A range is bought by one order, stored to the last trade, paid as estimated; asked for again it is free."""
    records = trades(3, 400)
    async with selling(sold(records)) as (running, environment):
        code, estimate = await ask(command(3, action="backfill estimate"), environment, tmp_path)
        assert (code, estimate["rows"][0]["records"]) == (0, 1200)
        code, first = await ask(command(3, "--yes"), environment, tmp_path)
        row = first["rows"][0]
        assert (code, row["state"], row["stored"], row["rejected"]) == (0, "done", 1200, 0)
        assert Decimal(row["paid_usd"]) == Decimal(estimate["price_usd"]) == running.desk.charged[0].cost_usd
        code, again = await ask(command(3, "--yes"), environment, tmp_path)
        assert (code, again["rows"][0]["state"], again["rows"][0]["days_stored"]) == (0, "nothing to do", 3)
        assert len(running.desk.charged) == 1
    assert same(stored(tmp_path), records)


@pytest.mark.trio
async def test_only_what_is_left_is_bought(tmp_path: Path) -> None:
    """Of four days of which two are stored the other two are bought, and the plan says so beforehand."""
    records = trades(4, 100)
    async with selling(sold(records)) as (running, environment):
        await ask(command(2, "--yes"), environment, tmp_path)
        code, plan = await ask(command(4, "--dry-run", "--verbose"), environment, tmp_path)
        assert [day["state"] for day in plan["rows"][0]["days"]] == ["stored", "stored", "left", "left"]
        code, _ = await ask(command(4, "--yes"), environment, tmp_path)
        spans = [(int(one.asked["start"]), int(one.asked["end"])) for one in running.desk.charged]
    begin, middle, end = (FIRST_DAY_NS + days * DAY_NS for days in (0, 2, 4))
    assert (code, spans) == (0, [(begin, middle), (middle, end)])
    assert same(stored(tmp_path), records)


@pytest.mark.trio
async def test_an_order_of_the_account_is_downloaded_and_not_placed_again(tmp_path: Path) -> None:
    """Another store with the same account gets what an order holds for nothing."""
    records = trades(2, 100)
    async with selling(sold(records)) as (running, environment):
        await ask(command(2, "--yes"), environment, tmp_path / "one")
        code, estimate = await ask(command(1, "--price", "--dry-run"), environment, tmp_path / "other")
        assert (estimate["price_usd"], estimate["rows"][0]["bought"]) == ("0.00", True)
        code, second = await ask(command(1), environment, tmp_path / "other")
        assert (code, second["rows"][0]["stored"], len(running.desk.charged)) == (0, 100, 1)
    assert same(stored(tmp_path / "other"), records[:100])


@pytest.mark.trio
@pytest.mark.parametrize(
    ("options", "settings", "why"),
    [
        ((), {}, "without a yes"),
        (("--yes", "--max-cost", "0"), {}, "over budget"),
        (("--yes",), {"RINGSIDE__BACKFILL__DAILY_BUDGET_USD": "0"}, "daily"),
        (("--yes",), {"RINGSIDE__BACKFILL__MONTHLY_BUDGET_USD": "0.000001"}, "monthly"),
    ],
)
async def test_nothing_is_bought_over_a_limit(
    tmp_path: Path, options: tuple[str, ...], settings: dict[str, str], why: str
) -> None:
    """Without a yes, above --max-cost or over a budget, zero too, nothing is ordered and the exit code is 8."""
    async with selling(sold(trades(1, 50))) as (running, environment):
        code, answer = await ask(command(1, *options), environment | settings, tmp_path)
        assert (code, running.desk.charged) == (8, [])
        assert why in answer["error"]["message"]


@pytest.mark.trio
@pytest.mark.parametrize(
    ("page", "faults"),
    [
        ("batch.submit_job", ["500"]),
        ("batch.submit_job", ["lost"]),
        ("batch.list_jobs", ["500", "half"]),
        (DOWNLOAD, ["half"]),
        (DOWNLOAD, ["corrupt"]),
    ],
)
async def test_what_passes_is_waited_for_and_never_paid_twice(tmp_path: Path, page: str, faults: list[Any]) -> None:
    """An answer that is lost, a server error, half a file, a damaged one: all is stored in the end, paid once."""
    records = trades(2, 60)
    async with selling(sold(records)) as (running, environment):
        running.page_faults[page].extend(faults)
        code, answer = await ask(command(2, "--yes"), environment, tmp_path)
        assert (code, answer["rows"][0]["problem"]) == (0, "")
        assert len(running.desk.charged) == 1
    assert same(stored(tmp_path), records)


@pytest.mark.trio
async def test_a_symbol_that_nobody_knows_is_told_beside_those_that_are_bought(tmp_path: Path) -> None:
    """Of two symbols one is bought, the other's row says that there is none of that name, and the exit code is 9."""
    async with selling(sold(trades(1, 40))) as (_, environment):
        arguments = ["NOSUCH,ESH5" if each == SYMBOL else each for each in command(1, "--yes")]
        code, answer = await ask([*arguments, "--asset-type", "futures"], environment, tmp_path)
    unknown, known = answer["rows"]
    assert (code, unknown["state"], known["state"], known["stored"]) == (9, "failed", "done", 40)
    assert "no such symbol" in unknown["problem"]


@pytest.mark.trio
async def test_a_range_is_cut_to_the_listing_of_the_symbol(tmp_path: Path) -> None:
    """Days before the listing and after the expiry are not bought; a range wholly outside is an error in words."""
    async with selling(sold(trades(4, 40))) as (running, environment):
        running.desk.listings[SYMBOL] = [("2024-01-03", "2024-01-05")]
        code, answer = await ask(command(4, "--yes"), environment, tmp_path)
        assert (code, answer["rows"][0]["stored"]) == (0, 80)
        assert "2024-01-03" in answer["rows"][0]["clamped"]
        assert int(running.desk.charged[0].asked["start"]) == FIRST_DAY_NS + DAY_NS
        running.desk.listings[SYMBOL] = [("2024-02-03", "2024-02-05")]
        code, answer = await ask(command(1, "--yes"), environment, tmp_path)
        assert (code, "no such symbol" in answer["rows"][0]["problem"]) == (4, True)


@pytest.mark.trio
async def test_the_condition_of_each_day_is_told(tmp_path: Path) -> None:
    """A degraded day is marked in the plan that was priced."""
    async with selling(sold(trades(2, 20))) as (running, environment):
        running.desk.conditions["2024-01-03"] = "degraded"
        _, plan = await ask(command(2, "--dry-run", "--price", "--verbose"), environment, tmp_path)
    assert [day["condition"] for day in plan["rows"][0]["days"]] == ["available", "degraded"]


@pytest.mark.trio
@pytest.mark.parametrize(("fault", "code"), [("wrong_schema", 1), ("401", 6)])
async def test_what_cannot_be_right_is_stored_nowhere(tmp_path: Path, fault: Any, code: int) -> None:
    """Files of another schema, or a key that is not accepted: an error in words, and nothing in the store."""
    async with selling(sold(trades(1, 30))) as (running, environment):
        if fault == "401":
            environment |= {"DATABENTO_API_KEY": "db-another"}
        else:
            running.page_faults["batch.submit_job"].append(fault)
        found, answer = await ask(command(1, "--yes"), environment, tmp_path)
        assert found == code
        assert answer["error"]["message"] if "error" in answer else answer["rows"][0]["problem"]
    assert not (tmp_path / "data" / "ticks").exists() or not len(stored(tmp_path))


@pytest.mark.trio
async def test_a_wider_wish_pays_only_for_what_no_order_holds(tmp_path: Path) -> None:
    """After an order for two days that was never downloaded four are wished for: two orders, each day paid once."""
    records = trades(4, 50)
    async with selling(sold(records)) as (running, environment):
        running.page_faults[DOWNLOAD].extend(["500"] * 8)
        code, _ = await ask(command(2, "--yes"), environment, tmp_path)
        assert (code, len(running.desk.charged)) == (7, 1)
        running.page_faults[DOWNLOAD].clear()
        code, _ = await ask(command(4, "--yes"), environment, tmp_path)
        spans = [(int(one.asked["start"]), int(one.asked["end"])) for one in running.desk.charged]
    begin, middle, end = (FIRST_DAY_NS + days * DAY_NS for days in (0, 2, 4))
    assert (code, spans) == (0, [(begin, middle), (middle, end)])
    assert same(stored(tmp_path), records)


@pytest.mark.trio
async def test_days_that_are_pending_are_fetched_later(tmp_path: Path) -> None:
    """A day that the vendor has not finished is left out, and said to be; the next time it is bought."""
    async with selling(sold(trades(2, 30))) as (running, environment):
        running.desk.conditions["2024-01-03"] = "pending"
        code, answer = await ask(command(2, "--yes"), environment, tmp_path)
        assert (code, answer["rows"][0]["stored"]) == (0, 30)
        assert "not finished" in answer["rows"][0]["clamped"]
        running.desk.conditions.clear()
        code, answer = await ask(command(2, "--yes"), environment, tmp_path)
        assert (code, answer["rows"][0]["stored"]) == (0, 30)


@pytest.mark.trio
async def test_what_a_kill_left_is_no_edge_of_something_live(tmp_path: Path) -> None:
    """Beside live trades of a later day a fetch that was killed after its first records is not taken for complete."""
    records = trades(3, 200)
    async with selling(sold(records)) as (_, environment):
        with (
            closing(Catalogue(tmp_path / "state" / "catalogue.sqlite3")) as catalogue,
            closing(EmbeddedTickStore(tmp_path / "data" / "ticks", catalogue)) as store,
        ):
            store.append(SERIES, records[400:], 0)
        pid = os.fork()
        if pid == 0:
            _die_after_storing(command(2, "--yes"), environment, tmp_path)
        await trio.to_thread.run_sync(os.waitpid, pid, 0)
        assert 200 < len(stored(tmp_path)) < 600
        code, _ = await ask(command(2, "--yes"), environment, tmp_path)
    assert code == 0
    assert same(stored(tmp_path), records)


def _die_after_storing(arguments: list[str], environment: dict[str, str], home: Path) -> None:
    # In a process of its own: killed between the first records and the note that they are there.
    os.environ.update(environment, RINGSIDE_HOME=str(home))
    kept = FilesKeeper.keep

    def keep_and_die(self: FilesKeeper, series: SeriesKey, found: Records, newest_id: int) -> None:
        kept(self, series, found[: len(found) // 2], newest_id)
        os.kill(os.getpid(), signal.SIGKILL)

    FilesKeeper.keep = keep_and_die  # type: ignore[assignment]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    worker = threading.Thread(target=main, args=(arguments,))
    worker.start()
    worker.join()
    os._exit(70)


async def bought_until(kill_after_s: float, arguments: list[str], environment: dict[str, str], home: Path) -> None:
    """Run the command in a process of its own and kill it, if it has not ended by then."""
    pid = os.fork()
    if pid == 0:
        # In a thread, because the loop of the test is still in this one.
        os.environ.update(environment, RINGSIDE_HOME=str(home))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        worker = threading.Thread(target=lambda: os._exit(main(arguments)))
        worker.start()
        worker.join()
        os._exit(70)
    with trio.move_on_after(kill_after_s):
        await trio.to_thread.run_sync(os.waitpid, pid, 0, abandon_on_cancel=True)
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.trio
@pytest.mark.parametrize("seed", range(KILLS))
async def test_a_kill_at_any_moment_costs_nothing_and_loses_nothing(tmp_path: Path, seed: int) -> None:
    """After SIGKILLs at random moments the same command brings what an undisturbed one does, and pays no more."""
    chance = random.Random(seed)
    records = trades(4, 5_000)
    async with selling(sold(records)) as (running, environment):
        running.desk.processing_s = 0.1
        for _ in range(2):
            await bought_until(chance.uniform(0.02, 1.2), command(4, "--yes"), environment, tmp_path)
        code, answer = await ask(command(4, "--yes"), environment, tmp_path)
        assert (code, answer["rows"][0]["problem"]) == (0, "")
        assert len(running.desk.charged) == 1
    assert same(stored(tmp_path), records)
