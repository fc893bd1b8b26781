"""Trades cut into bars, by time or by number, and what each bar holds. Pure; whole arrays."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import attrs
import numpy as np

from core.bars.candles import summed_e8
from core.bars.ticks import Column, Ticks
from core.bars.timeframes import Timeframe
from core.clock import iso_ns
from core.errors import PermanentError
from core.model.fixedpoint import MAX_QUANTITY_E8
from core.model.records import UNDEF_PRICE

MAX_SYNTHETIC: Final = 20_000_000
"""So many bars more than trades are made up at most: 38 years of minutes."""


@attrs.frozen(kw_only=True)
class OpenBar:
    """The bar that is not over, so far. With a `tick_count` of 0 it has only the last price before it."""

    open_ns: int
    open_e9: int
    high_e9: int
    low_e9: int
    close_e9: int
    volume_e8: int = 0
    tick_count: int = 0

    @classmethod
    def empty(cls, *, open_ns: int, price_e9: int = UNDEF_PRICE) -> OpenBar:
        """One without trades, after one at `price_e9`; before the very first there is none."""
        return cls(open_ns=open_ns, open_e9=price_e9, high_e9=price_e9, low_e9=price_e9, close_e9=price_e9)


@attrs.frozen(kw_only=True, eq=False)
class Cut:
    """`ticks` cut into bars. Bar k has those from number `bounds[k]` up to and without `bounds[k + 1]`, maybe none,
    and began at `open_ns[k]`; the last one is not over. `before` is what the first already has."""

    ticks: Ticks
    bounds: Column
    open_ns: Column
    before: OpenBar

    def last(self) -> Cut:
        """The bar that is not over by itself."""
        first, end = int(self.bounds[-2]), int(self.bounds[-1])
        before = self.before
        if len(self.open_ns) > 1:
            price_e9 = int(self.ticks.price_e9[first - 1]) if first else before.close_e9
            before = OpenBar.empty(open_ns=int(self.open_ns[-1]), price_e9=price_e9)
        return Cut(
            ticks=self.ticks.part(first, end),
            bounds=np.array([0, end - first]),
            open_ns=self.open_ns[-1:],
            before=before,
        )


def cut_by_time(ticks: Ticks, before: OpenBar, timeframe: Timeframe, *, passed_ns: int) -> Cut:
    """Bars of `timeframe` from the one that `before` is to the one in which `passed_ns` is, none left out.

    Raises:
        PermanentError: there would be far more bars than trades.
    """
    interval_ns = timeframe.interval_ns
    over = (max(passed_ns, before.open_ns) - before.open_ns) // interval_ns
    if over > MAX_SYNTHETIC + len(ticks):
        between = f"{over:,} of {timeframe} from {iso_ns(before.open_ns)} to {iso_ns(passed_ns)}"
        raise PermanentError("too many bars without a trade", between, hint="take longer bars, or check the times")
    open_ns = before.open_ns + interval_ns * np.arange(over + 1)
    # Looking the edges up costs a seventh of dividing the time of every trade.
    bounds = np.concatenate(([0], np.searchsorted(ticks.ts_ns, open_ns[1:]), [len(ticks)]))
    return Cut(ticks=ticks, bounds=bounds, open_ns=open_ns, before=before)


def cut_by_number(ticks: Ticks, before: OpenBar, size: int) -> Cut:
    """Bars of `size` trades each; there must be one trade at least."""
    bounds = np.concatenate(([0], np.arange(size - before.tick_count, len(ticks) + 1, size), [len(ticks)]))
    # A last bar without trades began at no time yet: any will do.
    open_ns = ticks.ts_ns.take(bounds[:-1], mode="clip")
    if before.tick_count:
        open_ns[0] = before.open_ns
    return Cut(ticks=ticks, bounds=bounds, open_ns=open_ns, before=before)


class Bars:
    """What the bars of a cut hold, one entry a bar; one without trades has the last price before it. Each column is
    made when it is first used."""

    def __init__(self, cut: Cut) -> None:
        self._prices, self._quantities, self._before = cut.ticks.price_e9, cut.ticks.quantity_e8, cut.before
        self._counts = np.diff(cut.bounds)
        self._traded = self._counts > 0
        self._first = cut.bounds[:-1][self._traded]
        self._last = cut.bounds[1:][self._traded] - 1
        self.open_ns = cut.open_ns

    @cached_property
    def open_e9(self) -> Column:
        """Their first prices."""
        opened = self._or_close(self._prices[self._first])
        if self._before.tick_count:
            opened[0] = self._before.open_e9
        return opened

    @cached_property
    def high_e9(self) -> Column:
        """Their highest prices."""
        high = self._or_close(np.maximum.reduceat(self._prices, self._first))
        if self._before.tick_count:
            high[0] = max(int(high[0]), self._before.high_e9)
        return high

    @cached_property
    def low_e9(self) -> Column:
        """Their lowest prices."""
        low = self._or_close(np.minimum.reduceat(self._prices, self._first))
        if self._before.tick_count:
            low[0] = min(int(low[0]), self._before.low_e9)
        return low

    @cached_property
    def close_e9(self) -> Column:
        """Their last prices."""
        closed = np.concatenate(([self._before.close_e9], self._prices[self._last]))
        return closed[np.cumsum(self._traded)]

    @cached_property
    def volume_e8(self) -> Column:
        """What was traded in them."""
        volume = np.zeros(len(self._counts), np.int64)
        volume[self._traded] = _volumes(self._quantities, self._first)
        volume[0] = min(int(volume[0]) + self._before.volume_e8, MAX_QUANTITY_E8)
        return volume

    @cached_property
    def tick_count(self) -> Column:
        """How many trades they have."""
        counts = self._counts.copy()
        counts[0] += self._before.tick_count
        return counts

    def still_open(self) -> OpenBar:
        """The last one, which is not over."""
        return OpenBar(**{field.name: int(getattr(self, field.name)[-1]) for field in attrs.fields(OpenBar)})

    def _or_close(self, of_traded: Column) -> Column:
        # The prices of those with trades, in a column of all.
        column = self.close_e9.copy()
        column[self._traded] = of_traded
        return column


def sums_fit(quantities_e8: Column, before_e8: int = 0) -> bool:
    """Whether no sum of these and `before_e8` can be beyond `MAX_QUANTITY_E8`."""
    return not len(quantities_e8) or int(quantities_e8.max()) * len(quantities_e8) + before_e8 <= MAX_QUANTITY_E8


def _volumes(quantities_e8: Column, first: Column) -> Column:
    # Sums of two words each take three times as long, and hardly any market needs them.
    if sums_fit(quantities_e8):
        return np.add.reduceat(quantities_e8, first)
    return summed_e8(quantities_e8, first).astype(np.int64)
