"""Recorded books, ten levels a side: what they show at an instant, and what of it orders have taken. Pure."""

from __future__ import annotations

from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.bars.ticks import Column
from core.clock import NS_PER_S
from core.model.fixedpoint import OWN_PUBLISHERS, QUANTITY_SCALE, join_quantities
from core.model.orders import Side
from core.model.records import F_MAYBE_BAD_BOOK, MBP10_LEVELS, UNDEF_PRICE, Records

STALE_NS: Final = 3600 * NS_PER_S
"""A book that nothing followed for so long is taken for the end of a recording."""

_FIRST: Final = 16
_MOST: Final = 16_384
_LAST_NS: Final = np.uint64(2**63 - 1)

Levels = NDArray[np.int64]
"""One row a book, one column a level, best first; both price and quantity are 0 where there is no level."""


@attrs.define
class _Taken:
    # What was taken of a level, and up to which book it has shown the quantity that it showed then.
    number: int
    shown_e8: int
    taken_e8: int = 0


@attrs.frozen(eq=False)
class Books:
    """Books in order of time. `ts_ns` never goes back; `usable` is False where a book was withheld, is marked as bad,
    lacks a side or is crossed.

    What `take` hands out is remembered, so a `Books` belongs to one exchange; `untouched` makes another of it.
    """

    ts_ns: Column
    usable: NDArray[np.bool_]
    bid_e9: Levels
    ask_e9: Levels
    bid_e8: Levels
    ask_e8: Levels
    _taken: dict[tuple[Side, int], _Taken] = attrs.field(factory=dict, init=False, repr=False)

    @classmethod
    def of_records(cls, records: Records) -> Books:
        """The books in `MBP10` records that are in order of `ts_event`. Nothing of `records` is kept."""
        levels = records.view(MBP10_LEVELS)["levels"]
        own = records["publisher_id"] >= OWN_PUBLISHERS
        bid_e9, bid_e8 = _side(levels["bid_px"], levels["bid_sz"], levels["bid_ct"], own)
        ask_e9, ask_e8 = _side(levels["ask_px"], levels["ask_sz"], levels["ask_ct"], own)
        good = (records["flags"] & F_MAYBE_BAD_BOOK) == 0
        best_bid, best_ask = bid_e9[:, 0], ask_e9[:, 0]
        return cls(
            ts_ns=np.minimum(records["ts_event"], _LAST_NS).astype(np.int64),
            usable=good & (best_bid > 0) & (best_bid < best_ask),
            bid_e9=bid_e9,
            ask_e9=ask_e9,
            bid_e8=bid_e8,
            ask_e8=ask_e8,
        )

    def __len__(self) -> int:
        return len(self.ts_ns)

    def untouched(self) -> Books:
        """The same books, with nothing taken; nothing is copied."""
        return Books(self.ts_ns, self.usable, self.bid_e9, self.ask_e9, self.bid_e8, self.ask_e8)

    def at(self, ts_ns: int) -> int:
        """The number of the last book at or before `ts_ns`; -1 when there is none, or it is not usable, or `STALE_NS`
        old."""
        number = int(np.searchsorted(self.ts_ns, ts_ns, side="right")) - 1
        if number < 0 or not self.usable[number] or ts_ns - int(self.ts_ns[number]) > STALE_NS:
            return -1
        return number

    def take(self, number: int, side: Side, quantity_e8: int, limit_e9: int = 0) -> list[tuple[int, int]]:
        """What an order of `side` gets from book `number`: (price at 1e-9, quantity at 1e-8) level by level, best
        first, `quantity_e8` at most, and nothing beyond `limit_e9` when that is not 0.

        What was taken of a level is gone until a later book shows another quantity there, or none. `number` never
        goes back.
        """
        prices, shown = (self.ask_e9, self.ask_e8) if side is Side.BUY else (self.bid_e9, self.bid_e8)
        found: list[tuple[int, int]] = []
        for price_e9, shown_e8 in zip(prices[number].tolist(), shown[number].tolist(), strict=True):
            if not price_e9:
                continue
            if quantity_e8 <= 0 or (limit_e9 and (price_e9 - limit_e9) * side.sign > 0):
                break
            level = self._level(number, side, price_e9, shown_e8)
            got_e8 = min(quantity_e8, shown_e8 - level.taken_e8)
            if got_e8 > 0:
                level.taken_e8 += got_e8
                quantity_e8 -= got_e8
                found.append((price_e9, got_e8))
        return found

    def _level(self, number: int, side: Side, price_e9: int, shown_e8: int) -> _Taken:
        level = self._taken.get((side, price_e9))
        if level is None or not self._unchanged(level, number, side, price_e9):
            level = self._taken[side, price_e9] = _Taken(number, shown_e8)
        level.number = number
        return level

    def _unchanged(self, level: _Taken, number: int, side: Side, price_e9: int) -> bool:
        # Whether every book after the one it was last seen in shows it as it was. Mostly one of the next does not.
        prices, shown = (self.ask_e9, self.ask_e8) if side is Side.BUY else (self.bid_e9, self.bid_e8)
        start, size = level.number + 1, _FIRST
        while start <= number:
            end = min(start + size, number + 1)
            same = (prices[start:end] == price_e9) & (shown[start:end] == level.shown_e8)
            if not same.any(axis=1).all():
                return False
            start, size = end, min(size * 4, _MOST)
        return True


def _side(
    prices: NDArray[np.int64], low: NDArray[np.uint32], high: NDArray[np.uint32], own: NDArray[np.bool_]
) -> tuple[Levels, Levels]:
    quantities = join_quantities(low, high)
    if not own.all():
        quantities = np.where(own[:, None], quantities, low.astype(np.int64) * QUANTITY_SCALE)
    missing = (prices == UNDEF_PRICE) | (prices <= 0) | (quantities <= 0)
    return np.where(missing, 0, prices), np.where(missing, 0, quantities)
