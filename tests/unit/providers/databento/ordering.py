"""What the tests of batch orders share: bars and trades, an order that was placed, and what was paid."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import numpy as np

from core.clock import DAY_NS, NS_PER_S
from core.model.records import OHLCV, TRADE
from providers.databento.archive import Archive
from providers.databento.history import Download, History, RangeRequest
from providers.databento.order_answers import OrderFile
from providers.databento.orders import Orders
from providers.simulated.databento_archive import RunningArchive
from providers.simulated.databento_library import Library

SUBMIT = "batch.submit_job"
DAY = 19_905  # 2024-07-01


def minutes(days: int) -> Library:
    """Bars of a contract, a minute each and as many of an hour, of `days` days."""
    bars = np.zeros(days * 1440, OHLCV)
    bars["length"], bars["rtype"], bars["instrument_id"] = OHLCV.itemsize // 4, 0x21, 118
    bars["ts_event"] = DAY * DAY_NS + np.arange(len(bars), dtype=np.uint64) * np.uint64(60 * NS_PER_S)
    bars["close"] = np.random.default_rng(1).integers(1, 2**60, len(bars))
    hours = bars[::60].copy()
    hours["rtype"] = 0x22
    return Library(dataset="GLBX.MDP3", names={118: "ESU4"}, arrays={"ohlcv-1m": bars, "ohlcv-1h": hours})


def trades() -> Library:
    """A hundred and twenty trades round a midnight, each received a while after it happened."""
    draw = np.random.default_rng(7)
    made = np.zeros(120, TRADE)
    made["length"], made["instrument_id"] = TRADE.itemsize // 4, 118
    made["ts_recv"] = (DAY + 1) * DAY_NS + np.sort(draw.integers(-NS_PER_S, NS_PER_S, 120))
    made["ts_event"] = made["ts_recv"] - np.uint64(NS_PER_S)
    made["price"] = draw.integers(1, 2**60, 120)
    return Library(dataset="GLBX.MDP3", names={118: "ESU4"}, arrays={"trades": made})


async def ordered(history: History, request: RangeRequest) -> tuple[Orders, str, OrderFile]:
    """An order that was placed, and its first file."""
    orders = Orders(history)
    order = await history.ask(partial(orders.place, request))
    files = await history.ask(partial(orders.files, order.order_id))
    return orders, order.order_id, files[0]


def prices(running: RunningArchive) -> list[Decimal]:
    """What was paid for."""
    return [each.cost_usd for each in running.desk.charged]


def read(fetched: Download) -> bytes:
    """The records of a file."""
    with Archive(fetched.path) as opened:
        return b"".join(page.tobytes() for page in opened.pages())
