"""The simulated archive's batch orders, conditions and listings, and what it charges for."""

from __future__ import annotations

import hashlib
import io
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import zstandard

from core.clock import DAY_NS
from core.errors import TransientError, UsageError
from core.model.records import TRADE
from providers.databento.history import History, RangeRequest
from providers.databento.orders import Orders
from providers.simulated.databento_archive import RunningArchive
from providers.simulated.databento_library import Library
from tests.unit.providers.databento.support import archive

DAY = 19_800


def trades(count: int, days: int) -> Library:
    """Trades of two contracts at random times of some days; each is received two seconds after it happened."""
    draw = np.random.default_rng(7)
    made = np.zeros(count, TRADE)
    made["length"] = TRADE.itemsize // 4
    made["ts_event"] = DAY * DAY_NS + np.sort(draw.integers(0, days * DAY_NS, count)).astype(np.uint64)
    made["ts_recv"] = made["ts_event"] + np.uint64(2_000_000_000)
    made["instrument_id"] = draw.integers(1, 3, count)
    made["price"] = draw.integers(1, 2**60, count)
    return Library(dataset="X.Y", names={1: "A", 2: "B"}, arrays={"trades": made})


def ask(symbols: tuple[str, ...] = ("A",), **more: Any) -> RangeRequest:
    """Trades of three days."""
    span = {"start_ns": DAY * DAY_NS, "end_ns": (DAY + 3) * DAY_NS} | more
    return RangeRequest(dataset="X.Y", schema="trades", symbols=symbols, **span)


@pytest.mark.trio
async def test_a_range_is_selected_by_receipt() -> None:
    """As the vendor does: a trade just before midnight belongs to the day on which it was received."""
    found = trades(2000, 3)
    held = found.arrays["trades"]
    start_ns, end_ns = (DAY + 1) * DAY_NS, (DAY + 2) * DAY_NS
    within = (held["ts_recv"] >= start_ns) & (held["ts_recv"] < end_ns)
    async with archive(found) as (history, _):
        for symbols, number in ((("A",), [1]), (("B",), [2]), (("B", "A"), [1, 2]), (("A", "C"), [1])):
            request = ask(symbols, start_ns=start_ns, end_ns=end_ns)
            expected = int((within & np.isin(held["instrument_id"], number)).sum())
            assert expected > 100
            assert await history.ask(partial(history.record_count, request)) == expected
            assert await history.ask(partial(history.billable_bytes, request)) == expected * 48
            assert await history.ask(partial(history.cost_usd, request)) == Decimal(expected * 48) / 1_000_000


async def body(running: RunningArchive, history: History, name: str, wanted: str = "") -> tuple[int, bytes, str]:
    """What the archive answers when a file of the newest order is asked for."""
    import requests

    url = f"{running.rest_url}/v0/batch/download/46PCMCVF/{running.desk.jobs[-1].order_id}/{name}"
    key = (history.client.key, "")
    found = await history.ask(
        partial(requests.get, url, headers={"Range": wanted} if wanted else {}, auth=key, timeout=10)
    )
    with found:
        return found.status_code, found.content, found.headers.get("Content-Range", "")


@pytest.mark.trio
async def test_files_are_whole_or_in_parts() -> None:
    """The hash is the file's, parts make up the whole, and beyond its end there is nothing."""
    found = trades(500, 3)
    async with archive(found) as (history, running):
        orders = Orders(history)
        order = await history.ask(partial(orders.place, ask(("A", "B"))))
        files = await history.ask(partial(orders.files, order.order_id))
        assert [each.day for each in files] == [DAY, DAY + 1, DAY + 2]
        file = files[1]
        status, whole, _ = await body(running, history, file.name)
        assert (status, len(whole), hashlib.sha256(whole).hexdigest()) == (200, file.size_bytes, file.sha256)
        first = await body(running, history, file.name, "bytes=0-9")
        rest = await body(running, history, file.name, "bytes=10-")
        assert (first[0], first[1] + rest[1], rest[2]) == (206, whole, f"bytes 10-{len(whole) - 1}/{len(whole)}")
        assert (await body(running, history, file.name, f"bytes={len(whole)}-"))[0] == 416
        assert (await body(running, history, "none.dbn.zst"))[0] == 404
        raw = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(whole)).read()
        times = found.arrays["trades"]["ts_recv"] // DAY_NS
        assert raw.endswith(found.arrays["trades"][times == DAY + 1].tobytes())


@pytest.mark.trio
async def test_orders_take_their_time_and_are_charged_once() -> None:
    """Ranges and orders are charged for when they are asked for, refusals and questions are not."""
    found = trades(500, 3)
    price = Decimal(int((found.arrays["trades"]["instrument_id"] == 1).sum()) * 48) / 1_000_000
    less = found.arrays["trades"]["ts_recv"] >= (DAY + 3) * DAY_NS
    price -= Decimal(int((less & (found.arrays["trades"]["instrument_id"] == 1)).sum()) * 48) / 1_000_000
    async with archive(found) as (history, running):
        orders, desk = Orders(history), running.desk
        running.page_faults["batch.submit_job"].append("500")
        with pytest.raises(TransientError):
            await history.ask(partial(orders.place, ask()))
        await history.ask(partial(history.cost_usd, ask()))
        assert desk.charged == []
        desk.processing_s = 1000.0
        order = await history.ask(partial(orders.place, ask()))
        assert [(each.page, each.cost_usd) for each in desk.charged] == [("batch.submit_job", price)]
        states = []
        for aged_s in (0, 600, 1100):
            desk.jobs[0].received_ns = order.received_ns - aged_s * 1_000_000_000
            states += [each.state for each in await history.ask(orders.placed)]
        assert states == ["queued", "processing", "done"]


@pytest.mark.trio
async def test_a_range_is_charged_for(tmp_path: Path) -> None:
    """Each time that it is asked for, and the file is made once."""
    found = trades(500, 3)
    async with archive(found) as (history, running):
        fetched = [await history.fetch(ask(), tmp_path / name) for name in ("one", "two")]
        assert len(running.desk.charged) == 2
        assert running.desk.charged[0].asked["symbols"] == "A"
    assert fetched[0].path.read_bytes() == fetched[1].path.read_bytes()


@pytest.mark.trio
async def test_a_strict_archive_refuses_what_the_vendor_refuses() -> None:
    """What ends after the dataset does, and what nobody knows; nothing is charged for."""
    found = trades(500, 3)
    end_ns = found.span_ns[1]
    async with archive(found) as (history, running):
        orders, running.desk.strict = Orders(history), True
        for request in (ask(end_ns=end_ns + 1), ask(("NOBODY",), end_ns=end_ns)):
            for act in (orders.place, history.cost_usd, history.record_count):
                with pytest.raises(UsageError):
                    await history.ask(partial(act, request))
        assert running.desk.charged == []
        assert (await history.ask(partial(orders.place, ask(end_ns=end_ns)))).records


@pytest.mark.trio
async def test_the_vendors_own_downloader_is_served(tmp_path: Path) -> None:
    """It lists, fetches and checks the files as it does those of the vendor, and goes on with half of one."""
    async with archive(trades(500, 3)) as (history, running):
        orders = Orders(history)
        order = await history.ask(partial(orders.place, ask()))
        (file, *_) = await history.ask(partial(orders.files, order.order_id))
        whole = (await body(running, history, file.name))[1]
        half = tmp_path / order.order_id / file.name
        half.parent.mkdir()
        half.write_bytes(whole[: len(whole) // 2])
        fetch = partial(history.client.batch.download, order.order_id, tmp_path, file.name)
        assert await history.ask(fetch) == [half]
        assert half.read_bytes() == whole
        assert running.asked[-1][1] == {"range": f"bytes={len(whole) // 2}-{len(whole) - 1}"}


@pytest.mark.trio
async def test_days_have_a_condition() -> None:
    """Every day that is asked for, both ends included."""
    async with archive(trades(10, 1)) as (history, running):
        running.desk.conditions |= {"2024-03-19": "degraded", "2024-03-20": "missing"}
        asked = partial(history.conditions, "X.Y", first_day="2024-03-18", last_day="2024-03-21")
        found = await history.ask(asked)
    assert [(each.day[-2:], each.condition) for each in found] == [
        ("18", "available"),
        ("19", "degraded"),
        ("20", "missing"),
        ("21", "available"),
    ]


@pytest.mark.trio
async def test_symbols_are_listed_for_a_time() -> None:
    """Intervals are cut to what is asked for; what was not listed then is as unknown as what never was."""
    found = attrs.evolve(trades(10, 1), names={1: "A", 2: "B", 3: "C"})
    async with archive(found) as (history, running):
        running.desk.listings |= {
            "A": [("2024-01-01", "2024-02-01"), ("2024-03-01", "2024-04-01")],
            "B": [("2025-01-01", "2025-02-01")],
        }
        asked = partial(history.resolve, "X.Y", ["A", "B", "C", "D"], first_day="2024-01-15", end_day="2024-03-10")
        found_spans = await history.ask(asked)
    assert found_spans.mappings == {
        "A": (("2024-01-15", "2024-02-01", "1"), ("2024-03-01", "2024-03-10", "1")),
        "C": (("2024-01-15", "2024-03-10", "3"),),
    }
    assert (found_spans.partial, found_spans.not_found) == (("A",), ("B", "D"))
