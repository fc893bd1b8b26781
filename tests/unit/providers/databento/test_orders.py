"""Batch orders through the vendor's own client and ours, over TLS, from a local archive."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import attrs
import pytest

from core.errors import (
    AuthenticationError,
    ConsoleError,
    NotFoundError,
    ResourceExhaustedError,
    TransientError,
    UsageError,
)
from providers.databento.history import History
from providers.databento.key import ApiKey
from providers.databento.orders import Orders
from providers.simulated.databento_archive import RETRY_AFTER_S
from providers.simulated.databento_faults import Fault
from tests.unit.providers.databento.ordering import DAY, SUBMIT, minutes, ordered, prices, read, trades
from tests.unit.providers.databento.support import archive, whole_range


@pytest.mark.trio
async def test_an_order_is_paid_once_and_fetched_twice(tmp_path: Path) -> None:
    """A file a day, with the very bytes of the library's records; a second download is free."""
    found = trades()
    request = whole_range(found)
    async with archive(found) as (history, running):
        orders = Orders(history)
        price = await history.ask(partial(history.cost_usd, request))
        order = await history.ask(partial(orders.place, request))
        assert (order.request, order.state, order.cost_usd, order.records) == (request, "done", price, 120)
        assert await history.ask(orders.placed) == (order,)
        for directory in (tmp_path / "once", tmp_path / "again"):
            files = await history.ask(partial(orders.files, order.order_id))
            fetched = [
                await history.ask(partial(orders.fetch, order.order_id, file, directory, request)) for file in files
            ]
            assert directory.stat().st_mode & 0o777 == 0o700
        assert prices(running) == [price]
    assert [(file.name, file.day) for file in files] == [
        ("glbx-mdp3-20240701.trades.dbn.zst", DAY),
        ("glbx-mdp3-20240702.trades.dbn.zst", DAY + 1),
    ]
    assert b"".join(map(read, fetched)) == found.arrays["trades"].tobytes()
    assert sum(each.records for each in fetched) == 120


@pytest.mark.trio
@pytest.mark.parametrize(("schema", "days"), [("ohlcv-1m", [DAY, DAY + 1, DAY + 2]), ("ohlcv-1h", [None])])
async def test_long_bars_come_in_one_file(tmp_path: Path, schema: str, days: list[int | None]) -> None:
    """Minutes come by the day, hours at once; all of them are those of the library."""
    found = minutes(3)
    request = whole_range(found, schema)
    async with archive(found) as (history, _):
        orders, order_id, _ = await ordered(history, request)
        files = await history.ask(partial(orders.files, order_id))
        fetched = [
            await history.ask(partial(orders.fetch, order_id, each, tmp_path / "x", request)) for each in files
        ]
    assert [each.day for each in files] == days
    assert b"".join(map(read, fetched)) == found.arrays[schema].tobytes()


@pytest.mark.trio
async def test_an_order_without_records_has_no_file() -> None:
    """Only what lies beside the data is delivered, and that is not shown."""
    found = trades()
    request = attrs.evolve(whole_range(found), start_ns=1, end_ns=2)
    async with archive(found) as (history, _):
        orders = Orders(history)
        order = await history.ask(partial(orders.place, request))
        assert (await history.ask(partial(orders.files, order.order_id)), order.records) == ((), 0)


@pytest.mark.trio
async def test_an_answer_that_never_came_was_paid_for(tmp_path: Path) -> None:
    """The order is found among those placed, and fetched without being charged for again."""
    found = trades()
    request = whole_range(found)
    async with archive(found) as (history, running):
        orders = Orders(history)
        running.page_faults[SUBMIT].append("lost")
        with pytest.raises(TransientError):
            await history.ask(partial(orders.place, request))
        (order,) = await history.ask(orders.placed)
        assert order.request == request
        for file in await history.ask(partial(orders.files, order.order_id)):
            await history.ask(partial(orders.fetch, order.order_id, file, tmp_path / "x", request))
        assert len(prices(running)) == 1


@pytest.mark.trio
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", ResourceExhaustedError),
        ("500", TransientError),
        ("page", TransientError),
        ("422", UsageError),
        ("404", NotFoundError),
    ],
)
async def test_refused_orders_cost_nothing(fault: Fault, error: type[ConsoleError]) -> None:
    """A refusal of any page says what to do next."""
    found = trades()
    request = whole_range(found)
    async with archive(found) as (history, running):
        orders = Orders(history)
        acts = (partial(orders.place, request), orders.placed, partial(orders.files, "GLBX-1"))
        for act in acts:
            running.faults.append(fault)
            with pytest.raises(error) as caught:
                await history.ask(act)
            if isinstance(caught.value, ResourceExhaustedError):
                assert caught.value.retry_after_s == RETRY_AFTER_S
        assert prices(running) == []


@pytest.mark.trio
async def test_orders_wait_and_expire() -> None:
    """An order in the queue has no files yet, an expired one none any more, and is not among those placed."""
    found = trades()
    async with archive(found) as (history, running):
        orders = Orders(history)
        running.desk.processing_s = 3600.0
        order = await history.ask(partial(orders.place, whole_range(found)))
        assert (order.state, order.cost_usd, order.records) == ("queued", None, None)
        with pytest.raises(UsageError):
            await history.ask(partial(orders.files, order.order_id))
        assert await history.ask(partial(orders.placed, since_ns=order.received_ns)) == (order,)
        assert await history.ask(partial(orders.placed, since_ns=order.received_ns + 1)) == ()
        running.desk.jobs[0].expired = True
        assert await history.ask(orders.placed) == ()
        with pytest.raises(NotFoundError):
            await history.ask(partial(orders.files, order.order_id))


@pytest.mark.trio
async def test_a_wrong_key_orders_nothing(tmp_path: Path) -> None:
    """Every page and every file wants the key, and no message holds it."""
    found = trades()
    request = whole_range(found)
    async with archive(found) as (history, running):
        _, order_id, file = await ordered(history, request)
        others = Orders(History(ApiKey("db-secretsecretsecretsecretsecret"), running.rest_url))
        acts = (
            partial(others.place, request),
            others.placed,
            partial(others.files, order_id),
            partial(others.fetch, order_id, file, tmp_path / "x", request),
        )
        for act in acts:
            with pytest.raises(AuthenticationError) as caught:
                await history.ask(act)
            assert "secretsecret" not in f"{caught.value!s}{caught.value!r}"
        assert len(prices(running)) == 1
