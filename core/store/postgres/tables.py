"""What the records of each schema are in the tables: columns from records, records from columns, to the last bit.

A row is known by an `identity` next to its series and time: the full id of a trade or of a plain quote or book; where
the venue gave none, the `ordinal` of the row and its `sequence` word (see `ordinal_identities`), which ascends as the
rows came; a digest of the whole record for one that may share its id. The three never meet: ordinals lie below
-2**62, digests below -2**61, ids above.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.clock import DAY_NS
from core.model.fixedpoint import OWN_PUBLISHERS
from core.model.records import OHLCV, TRADE, Records, Schema
from core.store.postgres.encoding import Column, Values, bytes_column, column
from core.store.repository import Ids

LAST_NS: Final = (2**63 - 1) // DAY_NS * DAY_NS
"""The end of what a bigint holds of whole days; nothing at or after it is stored."""

_LOWEST: Final = -(2**63)
_LOWEST_DIGEST: Final = -(2**62)
_LOWEST_ID: Final = -(2**61)
_ORDINALS: Final = 2**30
_LOW: Final = 0xFFFF_FFFF


@attrs.frozen(cache_hash=True)  # it is the key of every statement
class Table:
    """A table of records: its name, the columns after `series_id`, the name of the identity's column ("" for bars,
    which their time tells apart), what its rows are ordered by, and the columns that nearly always say the same."""

    name: str
    columns: tuple[Column, ...]
    identity: str
    order: str
    partitioned: bool = True
    steady: tuple[str, ...] = ()


_TICKS: Final = Table(
    "tick_data",
    (
        column("instrument_id", "integer"), column("ts_in_delta", "integer"), column("ts_event", "bigint"),
        column("trade_id", "bigint"), column("ts_recv", "bigint"), column("price_e9", "bigint"),
        column("quantity_e8", "bigint"), column("detail", "bigint"),
    ),
    identity="trade_id",
    order="ts_event, trade_id",
    steady=("instrument_id", "ts_in_delta"),
)  # fmt: skip
_BARS: Final = Table(
    "bar_data",
    (
        column("instrument_id", "integer"), column("publisher_id", "integer"), column("ts_event", "bigint"),
        column("open_e9", "bigint"), column("high_e9", "bigint"), column("low_e9", "bigint"),
        column("close_e9", "bigint"), column("volume", "bigint"),
    ),
    identity="",
    order="ts_event",
    partitioned=False,
)  # fmt: skip
_RECORDS: Final = {
    schema: Table(
        "record_data",
        (
            column("ts_event", "bigint"), column("identity", "bigint"), column("ordinal", "bigint"),
            bytes_column("record", schema.dtype.itemsize),
        ),
        identity="identity",
        order="ts_event, ordinal",
    )
    for schema in (Schema.QUOTES, Schema.BOOK)
}  # fmt: skip


def table_of(schema: Schema) -> Table:
    """Where the records of a schema are kept."""
    return _BARS if schema.is_bars else _RECORDS.get(schema, _TICKS)


def ordinal_identities(records: Records, first_ordinal: int) -> Ids:
    """Identities of records without ids, the first of which has `first_ordinal`: -2**63 + ordinal * 2**32 + sequence.

    The ordinals wrap round at 2**30, where the earlier ones are long in another instant.
    """
    ordinals = np.arange(first_ordinal, first_ordinal + len(records), dtype=np.int64) % _ORDINALS
    return (ordinals << 32) + records["sequence"].astype(np.int64) + _LOWEST


def ordinal_identity(ordinal: int, sequence: int) -> int:
    """The same of one record."""
    return (ordinal % _ORDINALS << 32) + sequence + _LOWEST


def digest_identities(records: Records) -> Ids:
    """Identities of records that may share their id with another one, from all of their bytes."""
    raw, size = records.tobytes(), records.dtype.itemsize
    digests = [hashlib.blake2b(raw[at : at + size], digest_size=8).digest() for at in range(0, len(raw), size)]
    return np.frombuffer(b"".join(digests), np.int64) % (_LOWEST_ID - _LOWEST_DIGEST) + _LOWEST_DIGEST


def has_id(identities: Ids) -> NDArray[np.bool_]:
    """Which identities are full ids of a venue."""
    return identities >= _LOWEST_ID


def has_digest(identities: Ids) -> NDArray[np.bool_]:
    """Which identities are digests."""
    return (identities >= _LOWEST_DIGEST) & (identities < _LOWEST_ID)


def to_columns(schema: Schema, records: Records, identities: Ids, ordinals: Values) -> tuple[Values, ...]:
    """The values of the columns of `table_of(schema)` for records (contiguous, one at least) of one series."""
    stamps = records["ts_event"].view(np.int64)
    if schema is Schema.TRADES:
        # The publishers of one series are either all ours or all Databento's.
        quantity, delta = records["size"].astype(np.int64), records["ts_in_delta"]
        if records["publisher_id"][0] >= OWN_PUBLISHERS:
            quantity |= delta.astype(np.int64) << 32
            delta = np.zeros(len(records), np.int32)
        return (
            _signed(records["instrument_id"]), delta, stamps, identities, records["ts_recv"].view(np.int64),
            records["price"], quantity, _detail(records),
        )  # fmt: skip
    if schema.is_bars:
        return (
            _signed(records["instrument_id"]), records["publisher_id"], stamps, records["open"], records["high"],
            records["low"], records["close"], records["volume"].view(np.int64),
        )  # fmt: skip
    return stamps, identities, ordinals, records.view(f"V{schema.dtype.itemsize}")


def from_columns(schema: Schema, columns: Sequence[Values]) -> Records:
    """The records whose columns these are, in the order of `table_of(schema)`; of a steady one, one value will do."""
    if schema is Schema.TRADES:
        return _trades(columns)
    if schema.is_bars:
        return _bars(schema, columns)
    return np.frombuffer(columns[3].tobytes(), schema.dtype)


def _trades(columns: Sequence[Values]) -> Records:
    instrument, delta, stamps, identities, received, price, quantity, detail = columns
    made = np.empty(len(stamps), TRADE)
    quantity, detail = quantity.astype(np.int64), detail.astype(np.int64)
    own = detail >= OWN_PUBLISHERS << 32
    made["length"], made["rtype"] = TRADE.itemsize // 4, Schema.TRADES.rtype
    made["publisher_id"] = detail >> 32
    made["instrument_id"] = instrument.astype(np.int32).view(np.uint32)
    made["ts_event"] = stamps
    made["price"] = price
    made["size"] = quantity & _LOW
    made["ts_in_delta"] = np.where(own, quantity >> 32, delta)
    made["ts_recv"] = received.astype(np.int64).view(np.uint64)
    made["sequence"] = identities.astype(np.int64) & _LOW
    parts = detail.view(np.uint8).reshape(len(detail), 8)  # the lowest byte first: depth, flags, side, action
    made["depth"], made["flags"] = parts[:, 0], parts[:, 1]
    made["side"], made["action"] = parts[:, 2].copy().view("S1"), parts[:, 3].copy().view("S1")
    return made


def _bars(schema: Schema, columns: Sequence[Values]) -> Records:
    made = np.empty(len(columns[0]), OHLCV)
    made["length"], made["rtype"] = OHLCV.itemsize // 4, schema.rtype
    made["instrument_id"] = columns[0].astype(np.int32).view(np.uint32)
    names = ("publisher_id", "ts_event", "open", "high", "low", "close", "volume")
    for name, values in zip(names, columns[1:], strict=True):
        made[name] = values
    return made


def _signed(values: NDArray[Any]) -> Values:
    return np.ascontiguousarray(values).view(np.int32)


def _detail(records: Records) -> Values:
    made = np.zeros((len(records), 8), np.uint8)
    made[:, 0], made[:, 1] = records["depth"], records["flags"]
    made[:, 2], made[:, 3] = _byte(records["side"]), _byte(records["action"])
    made[:, 4:6] = np.ascontiguousarray(records["publisher_id"]).view(np.uint8).reshape(len(records), 2)
    return made.view("<i8")[:, 0]


def _byte(values: NDArray[Any]) -> Values:
    return np.ascontiguousarray(values).view(np.uint8)
