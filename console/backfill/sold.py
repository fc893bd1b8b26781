"""History that Databento sells: priced beforehand, ordered once, and downloaded as often as it takes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import numpy as np
import trio

from console.backfill.ordering import Counter, Shop
from console.backfill.plan import Planned, Price
from console.backfill.source import Allowance, Delivery, Listed, Say
from core.clock import DAY_NS, NS_PER_S, parse_rfc3339_ns, utc_day
from core.errors import NotFoundError
from core.model.records import Records
from core.store.repository import SeriesKey
from providers.databento.archive import Archive
from providers.databento.history import RangeRequest
from providers.databento.order_answers import Order, OrderFile

PAGE_ROWS: Final = 1_000_000
RECEIVED_LATE_NS: Final = NS_PER_S


class SoldHistory:
    """Databento's history; see `Source`. Blocking calls run in threads."""

    sells = True

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._history = shop.history
        self._counter = Counter(shop)

    async def listed(self, planned: Planned) -> Listed | None:
        """From when to when the symbol meant something, within what the account may have of the dataset."""
        dataset, symbol = _series(planned).venue, planned.symbol
        found = await self._counter.again(partial(self._history.dataset_range, dataset))
        start_ns, end_ns = found.schemas.get(planned.schema.value, (found.start_ns, found.end_ns))
        said = f"{dataset} has {utc_day(start_ns)} to {utc_day(end_ns - 1)}"
        first_ns, last_ns = max(planned.start_ns, start_ns), min(planned.end_ns, end_ns)
        if first_ns >= last_ns:
            return Listed(start_ns=start_ns, end_ns=end_ns, said=said)
        days = {"first_day": utc_day(first_ns), "end_day": utc_day(last_ns - 1 + DAY_NS)}
        resolved = await self._counter.again(partial(self._history.resolve, dataset, [symbol], **days))
        meant = resolved.mappings.get(symbol, ())
        if symbol in resolved.not_found or not meant:
            raise NotFoundError("no such symbol", f"{symbol} in {dataset} from {days['first_day']} on")
        since, until = min(each[0] for each in meant), max(each[1] for each in meant)
        if since > days["first_day"] or until < days["end_day"]:
            said = (
                f"{symbol} is listed from {since} to {until}"
                if since > days["first_day"]
                else f"{symbol} ends {until}"
            )
        return Listed(start_ns=max(start_ns, _midnight_ns(since)), end_ns=min(end_ns, _midnight_ns(until)), said=said)

    async def conditions(self, planned: Planned) -> Mapping[str, str]:
        """What each day is worth, by date."""
        days = {"first_day": utc_day(planned.start_ns), "last_day": utc_day(planned.end_ns - 1)}
        found = await self._counter.again(partial(self._history.conditions, _series(planned).venue, **days))
        return {each.day: each.condition for each in found}

    async def price(self, planned: Planned) -> Price:
        """What is left costs as far as it was not bought before."""
        usd, records, size_bytes, bought = Decimal(0), 0, 0, True
        for start_ns, end_ns in planned.spans.tolist():
            for piece, paid in await self._pieces(planned, start_ns, end_ns):
                records += await self._counter.again(partial(self._history.record_count, piece))
                size_bytes += await self._counter.again(partial(self._history.billable_bytes, piece))
                if not paid:
                    usd += await self._counter.again(partial(self._history.cost_usd, piece))
                    bought = False
        return Price(usd=usd, records=records, size_bytes=size_bytes, bought=bought and len(planned.spans) > 0)

    async def deliver(
        self, planned: Planned, start_ns: int, end_ns: int, *, job_id: str, allowance: Allowance, say: Say
    ) -> AsyncGenerator[Delivery, None]:
        """The records of a span, a file of its order at a time; see `Source.deliver`."""
        for piece, _ in await self._pieces(planned, start_ns, end_ns):
            until_ns = min(piece.end_ns, end_ns)
            async with aclosing(self._piece(planned, piece, until_ns, job_id, allowance, say)) as deliveries:
                async for delivery in deliveries:
                    yield delivery

    async def _pieces(self, planned: Planned, start_ns: int, end_ns: int) -> list[tuple[RangeRequest, bool]]:
        # What is asked for, piece by piece, and whether it is paid. What was streamed behind a hole begins by the
        # time of the event, and what is sold goes by receipt: what happened before the end and was received after it
        # is asked for too, and what of it is stored is recognised.
        pieces = await self._counter.pieces(_request(planned, start_ns, end_ns))
        last, paid = pieces[-1]
        if not paid and end_ns < planned.end_ns:
            pieces[-1] = attrs.evolve(last, end_ns=end_ns + RECEIVED_LATE_NS), paid
        return pieces

    async def _piece(
        self, planned: Planned, piece: RangeRequest, end_ns: int, job_id: str, allowance: Allowance, say: Say
    ) -> AsyncGenerator[Delivery, None]:
        # What one order holds, up to `end_ns`.
        order = await self._counter.order(piece, job_id=job_id, allowance=allowance, say=say)
        found = await self._counter.again(partial(self._counter.orders.files, order.order_id))
        files = [file for file in found if _holds(file, piece)]
        done_ns = min(piece.start_ns, end_ns)
        for number, file in enumerate(files, start=1):
            say(f"file {number} of {len(files)}")
            # Days without a file have no records. A day may be in several files; of what is of no day nothing is
            # whole before the last.
            following = files[number].day if number < len(files) else None
            whole_ns = end_ns if number == len(files) else done_ns
            if number < len(files) and file.day is not None and file.day != following:
                whole_ns = max(min((file.day + 1) * DAY_NS, end_ns), done_ns)
            among_ns = (done_ns, end_ns if whole_ns == done_ns else whole_ns)
            async with aclosing(self._pages(order, file, piece, end_ns)) as pages:
                async for records in pages:
                    yield Delivery(records=records, until_ns=done_ns, among_ns=among_ns)
            done_ns = whole_ns
            yield _nothing(planned, done_ns)
        yield _nothing(planned, end_ns)

    async def _pages(
        self, order: Order, file: OrderFile, request: RangeRequest, end_ns: int
    ) -> AsyncGenerator[Records, None]:
        # The records of a file that lie in the range. It is ours, and goes when it is read.
        path = await self._downloaded(order, file)
        try:
            with await trio.to_thread.run_sync(Archive, path) as archive:
                pages = archive.pages(PAGE_ROWS)
                while (page := await trio.to_thread.run_sync(next, pages, None)) is not None:
                    received = page["ts_recv" if "ts_recv" in (page.dtype.names or ()) else "ts_event"]
                    inside = (received >= np.uint64(request.start_ns)) & (received < np.uint64(request.end_ns))
                    # Of what was received late that is wanted which happened before.
                    inside &= (received < np.uint64(end_ns)) | (page["ts_event"] < np.uint64(end_ns))
                    yield page if inside.all() else page[inside]
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
                path.parent.rmdir()

    async def _downloaded(self, order: Order, file: OrderFile) -> Path:
        left = threading.Event()
        folder = self._shop.staging / order.order_id
        fetch = partial(self._counter.orders.fetch, order.order_id, file, folder, order.request, left=left)
        try:
            return (await self._counter.again(fetch)).path
        except trio.Cancelled:
            left.set()
            raise


def _series(planned: Planned) -> SeriesKey:
    assert planned.series is not None
    return planned.series


def _request(planned: Planned, start_ns: int, end_ns: int) -> RangeRequest:
    return RangeRequest(
        dataset=_series(planned).venue,
        schema=planned.schema.value,
        symbols=(planned.symbol,),
        start_ns=start_ns,
        end_ns=end_ns,
    )


def _midnight_ns(day: str) -> int:
    return parse_rfc3339_ns(f"{day}T00:00:00Z")


def _nothing(planned: Planned, until_ns: int) -> Delivery:
    return Delivery(records=np.empty(0, planned.schema.dtype), until_ns=until_ns)


def _holds(file: OrderFile, request: RangeRequest) -> bool:
    # Whether there may be something in it of what is wanted: an order may be for more.
    return file.day is None or (file.day * DAY_NS < request.end_ns and (file.day + 1) * DAY_NS > request.start_ns)
