"""Quantities as others read them: lots in DBN's own 32-bit `size`, and back. Pure, on whole arrays.

A lot is 10**size_exp units. What exceeds 32 bits is split over several trades that share instant, price, side and
sequence; all but the last of them bear `F_PUBLISHER_SPECIFIC`. Sizes of book levels cannot be split and stop at the
highest number; how many did is counted.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.errors import PermanentError
from core.model.fixedpoint import (
    QUANTITY_DECIMALS,
    FixedPointError,
    join_quantities,
    quantities_e8,
    split_quantities,
)  # fmt: skip
from core.model.records import F_PUBLISHER_SPECIFIC, LEVELS, UNDEF_SIZE, Records, Schema

MOST_LOTS: Final = UNDEF_SIZE - 1
MOST_PIECES: Final = 4_000_000
"""Records that one page may be split into: beyond, the lot is far too small for what is traded."""

_CLEAR: Final = np.uint8(0xFF & ~F_PUBLISHER_SPECIFIC)
_SPLIT: Final = np.uint8(F_PUBLISHER_SPECIFIC)
_SAME: Final = ("instrument_id", "ts_event", "ts_recv", "price", "side", "sequence")


@attrs.frozen
class Lotted:
    """Records whose sizes are lots; `saturated` sizes of book levels were too large for their field."""

    records: Records
    saturated: int = 0


def exponent_of(increment_e8: int) -> int:
    """The largest power of ten that divides an increment at 1e-8, as `size_exp`: -8 for 1, 0 for a whole unit."""
    exponent = -QUANTITY_DECIMALS
    while increment_e8 % 10 == 0 and exponent < 0:
        increment_e8 //= 10
        exponent += 1
    return exponent


def fits(records: Records, schema: Schema, size_exp: int) -> bool:
    """Whether every quantity of our own records is a whole number of lots."""
    lot = _lot(size_exp)
    return not any(bool((values % values.dtype.type(lot)).any()) for values in _quantities(records, schema))


def _lot(size_exp: int) -> int:
    return int(10 ** (QUANTITY_DECIMALS + size_exp))


def _quantities(records: Records, schema: Schema) -> list[NDArray[Any]]:
    if schema.is_bars:
        return [records["volume"]]
    found: list[NDArray[Any]] = [quantities_e8(records)]
    found += [join_quantities(records[size], records[count]) for size, count in _level_fields(schema)]
    return found


def _level_fields(schema: Schema) -> list[tuple[str, str]]:
    levels = {Schema.QUOTES: 1, Schema.BOOK: LEVELS}.get(schema, 0)
    return [(f"{side}_sz_{at:02d}", f"{side}_ct_{at:02d}") for at in range(levels) for side in ("bid", "ask")]


def to_lots(records: Records, schema: Schema, size_exp: int) -> Lotted:
    """Records of our own publishers with sizes in lots of 10**size_exp, which must divide every quantity.

    Raises:
        PermanentError: trades would be split into more than `MOST_PIECES` records.
    """
    lot = _lot(size_exp)
    made = records.copy()
    if schema.is_bars:
        made["volume"] = records["volume"] // np.uint64(lot)
        return Lotted(made)
    lots = quantities_e8(records) // lot
    made["ts_in_delta"] = 0
    made["flags"] &= _CLEAR
    if schema is Schema.TRADES:
        return Lotted(_split(made, lots))
    saturated = _saturate(made, "size", lots)
    for size, count in _level_fields(schema):
        saturated += _saturate(made, size, join_quantities(records[size], records[count]) // lot)
        made[count] = 0
    return Lotted(made, saturated)


def _saturate(made: Records, name: str, lots: NDArray[np.int64]) -> int:
    made[name] = np.minimum(lots, MOST_LOTS)
    return int((lots > MOST_LOTS).sum())


def _split(trades: Records, lots: NDArray[np.int64]) -> Records:
    if not (lots > MOST_LOTS).any():
        trades["size"] = lots
        return trades
    pieces = np.maximum(-(-lots // MOST_LOTS), 1)
    if int(pieces.sum()) > max(MOST_PIECES, len(trades)):
        raise PermanentError("cannot split the quantities", "the instrument's step is too fine for them",
                             hint="export the records as stored with --raw")  # fmt: skip
    made = np.repeat(trades, pieces)
    last = np.cumsum(pieces) - 1
    made["size"] = MOST_LOTS
    made["flags"] |= _SPLIT
    made["size"][last] = lots - (pieces - 1) * MOST_LOTS
    made["flags"][last] &= _CLEAR
    return made


def unfinished(trades: Records) -> int:
    """How many records at the end belong to a split trade whose last piece is still to come."""
    whole = np.flatnonzero((trades["flags"] & _SPLIT) == 0)
    return len(trades) - (int(whole[-1]) + 1 if len(whole) else 0)


def from_lots(records: Records, schema: Schema, size_exp: int) -> Records:
    """What `to_lots` was given, but for sizes that were saturated. Split trades must be whole.

    Raises:
        PermanentError: the pieces of a split trade do not belong together, or a quantity is beyond what we keep.
    """
    lot = _lot(size_exp)
    try:
        if schema.is_bars:
            return _volumes(records, lot)
        made = records.copy()
        lots = records["size"].astype(np.int64)
        if schema is Schema.TRADES:
            made, lots = _joined(made, lots)
        _pack(made, ("size", "ts_in_delta"), lots, lot)
        wide = made["ts_in_delta"] != 0
        for size, count in _level_fields(schema):
            _pack(made, (size, count), records[size].astype(np.int64), lot)
            wide |= made[count] != 0
        made["flags"] = np.where(wide, made["flags"] | _SPLIT, made["flags"] & _CLEAR)
    except FixedPointError as error:
        raise PermanentError("cannot read the quantities", str(error)) from error
    return made


def _volumes(bars: Records, lot: int) -> Records:
    made = bars.copy()
    if bool((bars["volume"] > np.uint64((2**64 - 1) // lot)).any()):
        raise FixedPointError("volume out of range at 1e-8")
    made["volume"] *= np.uint64(lot)
    return made


def _pack(made: Records, names: tuple[str, str], lots: NDArray[np.int64], lot: int) -> None:
    if bool((lots > (2**63 - 1) // lot).any()):
        raise FixedPointError("quantity out of range at 1e-8")
    low, high = split_quantities(lots * lot)
    made[names[0]] = low
    made[names[1]] = high.view(np.int32) if made.dtype[names[1]].kind == "i" else high


def _joined(trades: Records, lots: NDArray[np.int64]) -> tuple[Records, NDArray[np.int64]]:
    whole = (trades["flags"] & _SPLIT) == 0
    if whole.all():
        return trades, lots
    if not whole[-1]:
        raise PermanentError("damaged file", "the last piece of a split trade is missing")
    for name in _SAME:
        if bool((trades[name][:-1] != trades[name][1:])[~whole[:-1]].any()):
            raise PermanentError("damaged file", f"the pieces of a split trade differ in {name}")
    last = np.flatnonzero(whole)
    first = np.concatenate(([0], last[:-1] + 1))
    return trades[last], np.add.reduceat(lots, first)
