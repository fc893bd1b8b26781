"""Trades as columns: what bars are made of and what the simulated exchange fills against. Pure."""

from __future__ import annotations

from typing import NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from core.model.fixedpoint import quantities_e8
from core.model.records import UNDEF_PRICE, Records

Column = NDArray[np.int64]


class Tick(NamedTuple):
    """One trade: ns since the epoch, price at 1e-9, quantity at 1e-8, `side` of the aggressor as in DBN (`B` bought,
    `A` sold, `N` not known)."""

    ts_ns: int
    price_e9: int
    quantity_e8: int
    side: str


@attrs.frozen(eq=False)
class Ticks:
    """Trades in the order in which they happened, each field a contiguous array; `ts_ns` never goes back.

    `side` is uint8, the ASCII code of the DBN side.
    """

    ts_ns: Column
    price_e9: Column
    quantity_e8: Column
    side: NDArray[np.uint8]

    @classmethod
    def of_records(cls, records: Records) -> Ticks:
        """The columns of `TRADE` records that are in order of `ts_event`; those without a price are left out."""
        priced = records["price"] != UNDEF_PRICE
        kept = records if priced.all() else records[priced]
        return cls(
            ts_ns=kept["ts_event"].astype(np.int64),
            price_e9=np.ascontiguousarray(kept["price"]),
            quantity_e8=quantities_e8(kept),
            side=np.ascontiguousarray(kept["side"]).view(np.uint8),
        )

    @classmethod
    def none(cls) -> Ticks:
        """No trades."""
        nothing = np.empty(0, np.int64)
        return cls(nothing, nothing, nothing, np.empty(0, np.uint8))

    @classmethod
    def joined(cls, parts: list[Ticks]) -> Ticks:
        """Several runs as one."""
        if len(parts) == 1:
            return parts[0]
        columns = (np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES) if parts else ()
        return cls(*columns) if parts else cls.none()

    def __len__(self) -> int:
        return len(self.ts_ns)

    def part(self, first: int, end: int) -> Ticks:
        """The trades from number `first` up to and without `end`, not copied."""
        return Ticks(*(getattr(self, name)[first:end] for name in _NAMES))

    def tick(self, number: int) -> Tick:
        """One of them."""
        return Tick(
            int(self.ts_ns[number]), int(self.price_e9[number]), int(self.quantity_e8[number]), chr(self.side[number])
        )


_NAMES = ("ts_ns", "price_e9", "quantity_e8", "side")
