"""What venues tell of the past as records and bars: pages of trades, candles, candles as bar records. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np

from core.bars.candles import CANDLE
from core.model.fixedpoint import FixedPointError, parse_price, parse_quantity
from core.model.instruments import Instrument
from core.model.records import F_LAST, F_RECOVERED, OHLCV, TRADE, Records, Schema
from providers.base import TradePage
from providers.venue.packing import columns_of, pack_trades


class PastTrade(NamedTuple):
    """One trade as a venue tells it afterwards: `trade_id` 0 where it has none, `side` the taker's, price at 1e-9,
    quantity at 1e-8."""

    trade_id: int
    ts_event_ns: int
    price_e9: int
    quantity_e8: int
    side: bytes


class PastBar(NamedTuple):
    """One bar in the order of `CANDLE`: its first instant, prices at 1e-9, volume at 1e-8, number of trades."""

    ts_event_ns: int
    open_e9: int
    high_e9: int
    low_e9: int
    close_e9: int
    volume_e8: int
    trades: int


def past_trade(*, trade_id: int, ts_event_ns: int, price: str, quantity: str, side: bytes) -> PastTrade:
    """A trade from the texts of its numbers.

    Raises:
        FixedPointError: a number does not fit, or is not above zero.
    """
    price_e9, quantity_e8 = parse_price(price), parse_quantity(quantity)
    if price_e9 <= 0 or not quantity_e8 or not 0 <= ts_event_ns < 2**63:
        raise FixedPointError(f"not a trade: {quantity_e8} at {price_e9}")
    return PastTrade(trade_id, ts_event_ns, price_e9, quantity_e8, side)


def past_bar(*, ts_event_ns: int, prices: Sequence[str], volume: str, trades: int) -> PastBar:
    """A bar from the texts of its numbers; `prices` are open, high, low, close.

    Raises:
        FixedPointError: a number does not fit, or the four prices are not those of a bar.
    """
    open_e9, high_e9, low_e9, close_e9 = (parse_price(price) for price in prices)
    if not 0 < low_e9 <= min(open_e9, close_e9) <= max(open_e9, close_e9) <= high_e9:
        raise FixedPointError(f"not the prices of a bar: {open_e9} {high_e9} {low_e9} {close_e9}")
    if not 0 <= ts_event_ns < 2**63 or not 0 <= trades < 2**63:
        raise FixedPointError(f"not a bar: {trades} trades at {ts_event_ns}")
    return PastBar(ts_event_ns, open_e9, high_e9, low_e9, close_e9, parse_quantity(volume), trades)


def trade_page(
    instrument: Instrument, trades: Sequence[PastTrade], *, ts_recv_ns: int, rejected: int = 0
) -> TradePage:
    """The trades as records, received at `ts_recv_ns`."""
    packed = pack_trades(instrument, columns_of(trades), repeat(ts_recv_ns), F_LAST | F_RECOVERED)
    ids = np.fromiter((trade.trade_id for trade in trades), np.int64, len(trades))
    return TradePage(records=np.frombuffer(packed, TRADE), ids=ids, rejected=rejected)


def candles(bars: Sequence[PastBar]) -> Records:
    """The bars as `CANDLE` records."""
    return np.array([tuple(bar) for bar in bars], CANDLE)


def bar_records(instrument: Instrument, bars: Records, schema: Schema) -> Records:
    """`CANDLE` records as the `OHLCV` records of `schema`, which are what is stored; volumes stay at 1e-8."""
    assert schema.is_bars
    made = np.zeros(len(bars), OHLCV)
    made["length"], made["rtype"] = OHLCV.itemsize // 4, schema.rtype
    made["publisher_id"], made["instrument_id"] = instrument.publisher_id, instrument.instrument_id
    for name in ("ts_event", "open", "high", "low", "close", "volume"):
        made[name] = bars[name]
    return made
