"""DBN records as numpy dtypes: the one shape of market data in rings, files, cache and backtest.

Field names, order and sizes are Databento's (`databento_dbn`), checked field by field by a test. Units: prices
are int64 at 1e-9, instants are uint64 nanoseconds since the UNIX epoch, quantities of our own publishers are
64-bit at 1e-8 in two words (see `core.model.fixedpoint`).
"""

from __future__ import annotations

import enum
import struct

import numpy as np
from numpy.typing import NDArray

Records = NDArray[np.void]
"""A one-dimensional structured array of one of the dtypes below."""

LEVELS = 10
UNDEF_PRICE = 2**63 - 1
UNDEF_TIMESTAMP = 2**64 - 1
UNDEF_SIZE = 2**32 - 1

F_LAST = 128
F_TOB = 64
F_SNAPSHOT = 32
F_MBP = 16
F_BAD_TS_RECV = 8
F_MAYBE_BAD_BOOK = 4
F_PUBLISHER_SPECIFIC = 2
F_RECOVERED = F_SNAPSHOT | F_BAD_TS_RECV
"""Both together: a trade asked for afterwards, replayed by the venue, whose `ts_recv` says when that was."""

BUY = b"B"
SELL = b"A"
NO_SIDE = b"N"

_HEADER = [
    ("length", "u1"),
    ("rtype", "u1"),
    ("publisher_id", "<u2"),
    ("instrument_id", "<u4"),
    ("ts_event", "<u8"),
]
_TRADE_BODY = [
    ("price", "<i8"), ("size", "<u4"), ("action", "S1"), ("side", "S1"), ("flags", "u1"), ("depth", "u1"),
    ("ts_recv", "<u8"), ("ts_in_delta", "<i4"), ("sequence", "<u4"),
]  # fmt: skip


def _level(index: int) -> list[tuple[str, str]]:
    return [
        (f"bid_px_{index:02d}", "<i8"), (f"ask_px_{index:02d}", "<i8"),
        (f"bid_sz_{index:02d}", "<u4"), (f"ask_sz_{index:02d}", "<u4"),
        (f"bid_ct_{index:02d}", "<u4"), (f"ask_ct_{index:02d}", "<u4"),
    ]  # fmt: skip


TRADE = np.dtype(_HEADER + _TRADE_BODY)
MBP1 = np.dtype(_HEADER + _TRADE_BODY + _level(0))
MBP10 = np.dtype(_HEADER + _TRADE_BODY + [field for i in range(LEVELS) for field in _level(i)])
BBO = np.dtype(
    [
        *_HEADER, ("price", "<i8"), ("size", "<u4"), ("_reserved1", "u1"), ("side", "S1"), ("flags", "u1"),
        ("_reserved2", "u1"), ("ts_recv", "<u8"), ("_reserved3", "S4"), ("sequence", "<u4"), *_level(0),
    ]
)  # fmt: skip
MBO = np.dtype(
    [
        *_HEADER, ("order_id", "<u8"), ("price", "<i8"), ("size", "<u4"), ("flags", "u1"), ("channel_id", "u1"),
        ("action", "S1"), ("side", "S1"), ("ts_recv", "<u8"), ("ts_in_delta", "<i4"), ("sequence", "<u4"),
    ]
)  # fmt: skip
OHLCV = np.dtype([*_HEADER, ("open", "<i8"), ("high", "<i8"), ("low", "<i8"), ("close", "<i8"), ("volume", "<u8")])

LEVEL = np.dtype([(name[:-3], kind) for name, kind in _level(0)])
"""One price level; `book["levels"]` of `MBP10_LEVELS` is an array of ten of these."""
MBP10_LEVELS = np.dtype([*_HEADER, *_TRADE_BODY, ("levels", LEVEL, (LEVELS,))])
"""The same 368 bytes as `MBP10` with the levels as one array: `records.view(MBP10_LEVELS)`."""


class Schema(enum.StrEnum):
    """A kind of record, under Databento's own name."""

    TRADES = "trades"
    QUOTES = "mbp-1"
    BOOK = "mbp-10"
    BARS_1S = "ohlcv-1s"
    BARS_1M = "ohlcv-1m"
    BARS_1H = "ohlcv-1h"
    BARS_1D = "ohlcv-1d"

    @property
    def dtype(self) -> np.dtype[np.void]:
        """The dtype of this schema's records."""
        return _LAYOUTS[self][0]

    @property
    def rtype(self) -> int:
        """The number by which a record says that it is of this schema."""
        return _LAYOUTS[self][1]

    @property
    def is_bars(self) -> bool:
        """Whether the records are bars, of which there is one an interval."""
        return _LAYOUTS[self][0] is OHLCV

    @property
    def interval_ns(self) -> int:
        """How long a bar is; 0 for records that are none."""
        return _INTERVALS_S.get(self, 0) * 1_000_000_000


STREAMED = (Schema.TRADES, Schema.QUOTES, Schema.BOOK)
"""The schemas that feeds publish; bars come from history."""

# The same layouts for packing one record as it arrives: 0.3 us, where filling a numpy record field by field
# costs 0.6 us. A test holds them against the dtypes.
TRADE_STRUCT = struct.Struct("<BBHIQqIccBBQiI")
MBP1_STRUCT = struct.Struct("<BBHIQqIccBBQiIqqIIII")
MBP10_STRUCT = struct.Struct("<BBHIQqIccBBQiI" + "qqIIII" * LEVELS)

RTYPE_TRADE = 0x00
RTYPE_MBP1 = 0x01
RTYPE_MBP10 = 0x0A

_INTERVALS_S = {Schema.BARS_1S: 1, Schema.BARS_1M: 60, Schema.BARS_1H: 3600, Schema.BARS_1D: 86_400}
_LAYOUTS: dict[Schema, tuple[np.dtype[np.void], int]] = {
    Schema.TRADES: (TRADE, RTYPE_TRADE),
    Schema.QUOTES: (MBP1, RTYPE_MBP1),
    Schema.BOOK: (MBP10, RTYPE_MBP10),
    Schema.BARS_1S: (OHLCV, 0x20),
    Schema.BARS_1M: (OHLCV, 0x21),
    Schema.BARS_1H: (OHLCV, 0x22),
    Schema.BARS_1D: (OHLCV, 0x23),
}
