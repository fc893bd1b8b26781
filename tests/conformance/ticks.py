"""Records to store: trades, quotes and books of our own venues with full ids of choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from core.model.publishers import PUBLISHERS
from core.model.records import OHLCV, Records, Schema
from core.store.repository import SeriesKey

DAY_NS: Final = 86_400_000_000_000
T0: Final = 1_763_769_600_000_000_000  # 2025-11-22, midnight UTC
TRADES: Final = SeriesKey("KRAKEN", "BTCUSD", Schema.TRADES)
QUOTES: Final = SeriesKey("BINANCE", "BTCUSDT", Schema.QUOTES)
BOOKS: Final = SeriesKey("BINANCE", "BTCUSDT", Schema.BOOK)
_RTYPES: Final = {Schema.TRADES: 0x00, Schema.QUOTES: 0x01, Schema.BOOK: 0x0A}


def ticks(
    ids: Sequence[int], *, series: SeriesKey = TRADES, stamps: Sequence[int] | None = None, flags: int = 0
) -> Records:
    """Valid records of `series` with these full ids; each a microsecond after the one before, unless told otherwise.

    The price says which record it is.
    """
    made = np.zeros(len(ids), series.schema.dtype)
    made["length"] = made.dtype.itemsize // 4
    made["rtype"] = _RTYPES[series.schema]
    made["publisher_id"] = PUBLISHERS[series.venue].publisher_id
    made["instrument_id"] = 7
    made["ts_event"] = [T0 + number * 1000 for number in ids] if stamps is None else list(stamps)
    made["ts_recv"] = made["ts_event"] + np.uint64(5_000_000)
    made["price"] = list(ids)
    made["size"] = 12_345
    made["action"], made["side"], made["flags"] = b"T", b"B", flags
    made["sequence"] = [number & 0xFFFF_FFFF for number in ids]
    return made


def bars(stamps: Sequence[int]) -> Records:
    """Valid one-minute bars of KRAKEN that begin at these instants, no two alike."""
    made = np.zeros(len(stamps), OHLCV)
    made["length"], made["rtype"] = OHLCV.itemsize // 4, Schema.BARS_1M.rtype
    made["publisher_id"], made["instrument_id"] = PUBLISHERS["KRAKEN"].publisher_id, 7
    made["ts_event"] = list(stamps)
    for number, name in enumerate(("open", "high", "low", "close", "volume")):
        made[name] = np.arange(len(stamps)) * 10 + number
    return made


def prices(records: Records) -> list[int]:
    """Which records these are."""
    found: list[int] = records["price"].tolist()
    return found
