"""Records as named columns, for whoever does not know DBN: exact numbers, full ids, one column a meaning. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.clock import iso_ns
from core.model.fixedpoint import (
    OWN_PUBLISHERS,
    PRICE_DECIMALS,
    QUANTITY_DECIMALS,
    QUANTITY_SCALE,
    format_fixed,
    join_quantities,
)
from core.model.records import LEVELS, UNDEF_PRICE, UNDEF_TIMESTAMP, Records, Schema
from core.store.repository import Numbered

SIDES: Final = {b"B": "buy", b"A": "sell", b"N": ""}


class Kind(enum.Enum):
    """What the values of a column are."""

    INSTANT = "ns since the UNIX epoch, uint64; what is missing is UNDEF_TIMESTAMP"
    DECIMAL = "whole numbers at 10**-decimals, int64 or uint64; a missing price is UNDEF_PRICE"
    INTEGER = "whole numbers"
    TEXT = "one byte each, see SIDES"


@attrs.frozen(eq=False)
class Column:
    """One column. `decimals` is the scale of a `DECIMAL` one, of which prices may be missing."""

    name: str
    kind: Kind
    values: NDArray[Any]
    decimals: int = 0
    may_miss: bool = False

    def missing(self) -> NDArray[np.bool_] | None:
        """Where there is no value; None when there is one everywhere."""
        undefined = UNDEF_TIMESTAMP if self.kind is Kind.INSTANT else UNDEF_PRICE
        if not self.may_miss:
            return None
        mask = np.asarray(self.values == self.values.dtype.type(undefined))
        return mask if mask.any() else None


def columns(numbered: Numbered, schema: Schema) -> list[Column]:
    """Every column of the schema, each as long as the records.

    Of our own publishers quantities are exact at 1e-8; of Databento's they are whole units, and their levels have
    counts. A `trade_id` or `id` of 0 is none.
    """
    records = numbered.records
    found = [Column("ts_event", Kind.INSTANT, records["ts_event"])]
    if schema.is_bars:
        return found + _bars(records)
    found.append(Column("ts_recv", Kind.INSTANT, records["ts_recv"], may_miss=True))
    if schema is not Schema.TRADES:
        found.append(Column("action", Kind.TEXT, records["action"]))
    found += [
        _price("price", records["price"]),
        _quantity("quantity", records, low=records["size"], high=records["ts_in_delta"]),
        Column("side", Kind.TEXT, records["side"]),
        Column("trade_id" if schema is Schema.TRADES else "id", Kind.INTEGER, numbered.ids),
        Column("flags", Kind.INTEGER, records["flags"]),
    ]
    if schema is not Schema.TRADES:
        found.append(Column("depth", Kind.INTEGER, records["depth"]))
        for index in range(1 if schema is Schema.QUOTES else LEVELS):
            found += _level(records, index)
    return found


def _level(records: Records, index: int) -> Iterator[Column]:
    for side in ("bid", "ask"):
        size, count = records[f"{side}_sz_{index:02d}"], records[f"{side}_ct_{index:02d}"]
        yield _price(f"{side}_price_{index:02d}", records[f"{side}_px_{index:02d}"])
        yield _quantity(f"{side}_quantity_{index:02d}", records, low=size, high=count)
        if not _own(records):
            yield Column(f"{side}_count_{index:02d}", Kind.INTEGER, count)


def _bars(records: Records) -> list[Column]:
    prices = [_price(name, records[name]) for name in ("open", "high", "low", "close")]
    decimals = QUANTITY_DECIMALS if _own(records) else 0
    return [*prices, Column("volume", Kind.DECIMAL, records["volume"], decimals)]


def _price(name: str, values: NDArray[Any]) -> Column:
    return Column(name, Kind.DECIMAL, values, PRICE_DECIMALS, may_miss=True)


def _quantity(name: str, records: Records, *, low: NDArray[Any], high: NDArray[Any]) -> Column:
    if not _own(records):
        return Column(name, Kind.DECIMAL, low.astype(np.int64) * QUANTITY_SCALE, QUANTITY_DECIMALS)
    return Column(name, Kind.DECIMAL, join_quantities(low, np.ascontiguousarray(high)), QUANTITY_DECIMALS)


def _own(records: Records) -> bool:
    # The records of a series are all of one venue, and a venue is one publisher of ours or none.
    return bool(len(records)) and int(records["publisher_id"][0]) >= OWN_PUBLISHERS


def texts(column: Column) -> list[str]:
    """The values as text that loses nothing: RFC 3339 instants, decimals without trailing zeros, "" for none."""
    if column.kind is Kind.INSTANT:
        found = _instants(column.values)
    elif column.kind is Kind.TEXT:
        found = [_side(value) for value in column.values.tolist()]
    elif column.decimals == 0:
        found = list(map(str, column.values.tolist()))
    else:
        places = column.decimals
        found = [exact(value, places) for value in column.values.tolist()]
    missing = column.missing()
    if missing is not None:
        for at in np.flatnonzero(missing).tolist():
            found[at] = ""
    return found


def _instants(values: NDArray[Any]) -> list[str]:
    if len(values) and int(values.max()) < 2**63:
        stamps = np.datetime_as_string(values.astype(np.int64).view("M8[ns]"), unit="ns")
        return [f"{stamp}Z" for stamp in stamps.tolist()]
    return [iso_ns(value) for value in values.tolist()]  # numpy knows no year after 2262


def _side(value: bytes) -> str:
    known = SIDES.get(value)
    return value.decode("latin-1") if known is None else known


@lru_cache(maxsize=65_536)  # prices and quantities repeat: a hit costs a tenth
def exact(value: int, decimals: int) -> str:
    """`value` at 10**-decimals in full, without the zeros at its end."""
    text = format_fixed(value, decimals, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


def rows(numbered: Numbered, schema: Schema) -> list[dict[str, Any]]:
    """The same as one mapping a record: `time` as RFC 3339, instants in ns, decimals as text, None for none."""
    found = columns(numbered, schema)
    listed = {"time": _instants(numbered.records["ts_event"])} | {
        f"{one.name}_ns" if one.kind is Kind.INSTANT else one.name: _plain(one) for one in found
    }
    return [dict(zip(listed, values, strict=True)) for values in zip(*listed.values(), strict=True)]


def _plain(column: Column) -> list[Any]:
    if column.kind is Kind.INTEGER:
        return list(column.values.tolist())
    if column.kind is Kind.INSTANT:
        missing = column.missing()
        values: list[Any] = column.values.tolist()
        return (
            values
            if missing is None
            else [None if gone else value for value, gone in zip(values, missing, strict=True)]
        )
    return [text or None for text in texts(column)] if column.may_miss else list(texts(column))
