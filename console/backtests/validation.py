"""Looks at trades before they are run on: puts them in order, leaves out what cannot be used, counts it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.bars.ticks import Column, Ticks
from core.model.records import UNDEF_PRICE

FAR: Final = 10
"""A price is an outlier when it is so many times further from the median than the median price is."""
MOST_NS: Final = 2**63 - 1


@attrs.frozen(kw_only=True, eq=False)
class Trades:
    """Trades as they were found, in columns of one length: `ts_event` uint64 ns, prices at 1e-9, quantities at 1e-8,
    `side` the ASCII code. `ids` are full ids, 0 where there is none."""

    ts_event: NDArray[np.uint64]
    price_e9: Column
    quantity_e8: Column
    side: NDArray[np.uint8]
    ids: Column

    @classmethod
    def joined(cls, parts: Sequence[Trades]) -> Trades:
        """Several runs as one."""
        if len(parts) == 1:
            return parts[0]
        names = [field.name for field in attrs.fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    def chosen(self, which: Any) -> Trades:
        """Those that a mask, or an order, names."""
        return Trades(**{field.name: getattr(self, field.name)[which] for field in attrs.fields(Trades)})

    def __len__(self) -> int:
        return len(self.ts_event)


@attrs.frozen(kw_only=True)
class Counts:
    """What was found among the trades: `duplicates`, those without a price or an instant (`no_price`) and those whose
    price is 0 or below (`not_positive`) are left out, those out of order are put in order; the rest is only told."""

    duplicates: int = 0
    out_of_order: int = 0
    no_price: int = 0
    not_positive: int = 0
    zero_quantities: int = 0
    equal_prices_share: float = 0.0
    outliers: int = 0


def checked(trades: Trades) -> tuple[Ticks, Counts]:
    """Trades that can be run on, in order of time and, within one instant, of their ids; and what was found."""
    priced = (trades.price_e9 != UNDEF_PRICE) & (trades.ts_event <= np.uint64(MOST_NS - 1))
    positive = trades.price_e9 > 0
    no_price, not_positive = int((~priced).sum()), int((priced & ~positive).sum())
    if no_price or not_positive:
        trades = trades.chosen(priced & positive)
    whole = len(trades)
    trades = _once(trades)
    stamps = trades.ts_event.astype(np.int64)
    out_of_order = int((stamps[1:] < stamps[:-1]).sum())
    order = _order(stamps, trades.ids, sorted_already=not out_of_order)
    if order is not None:
        trades, stamps = trades.chosen(order), stamps[order]
    prices = np.ascontiguousarray(trades.price_e9)
    ticks = Ticks(
        ts_ns=np.ascontiguousarray(stamps),
        price_e9=prices,
        quantity_e8=np.ascontiguousarray(trades.quantity_e8),
        side=np.ascontiguousarray(trades.side),
    )
    counts = Counts(
        duplicates=whole - len(ticks),
        out_of_order=out_of_order,
        no_price=no_price,
        not_positive=not_positive,
        zero_quantities=int((ticks.quantity_e8 == 0).sum()),
        equal_prices_share=float((prices[1:] == prices[:-1]).mean()) if len(prices) > 1 else 0.0,
        outliers=outliers(prices),
    )
    return ticks, counts


def _once(trades: Trades) -> Trades:
    # Of trades with one id the first; where ids only grow there are none.
    ids = trades.ids
    if len(ids) < 2 or bool((ids[1:] > ids[:-1]).all()) or not ids.any():
        return trades
    numbered = np.flatnonzero(ids)
    kept = ids == 0
    kept[numbered[np.unique(ids[numbered], return_index=True)[1]]] = True
    return trades if kept.all() else trades.chosen(kept)


def _order(stamps: Column, ids: Column, *, sorted_already: bool) -> NDArray[np.intp] | None:
    # As the store orders what it reads: by time, within one instant by id if there are ids.
    same = stamps[1:] == stamps[:-1]
    if sorted_already and not bool((same & (ids[1:] < ids[:-1])).any()):
        return None
    return np.lexsort((ids, stamps)) if ids.all() else np.argsort(stamps, kind="stable")


def outliers(prices_e9: Column) -> int:
    """How many prices are more than `FAR` times further from the median than the median of all is."""
    if not len(prices_e9):
        return 0
    middle = len(prices_e9) // 2
    distances = np.abs(prices_e9 - np.partition(prices_e9, middle)[middle])
    usual = np.partition(distances, middle)[middle]
    return int((distances > FAR * float(usual)).sum()) if usual else 0
